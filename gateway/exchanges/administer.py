"""Administration: agencies and clients. Each act is on record like any other exchange."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import profile_faults
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.fhir.codes import AGENCY_KINDS
from gateway.fhir.dates import whole_day
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners.guard import Refused, check_url
from gateway.store import standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Write

MOST_HOURS = 24 * 365
OPERATOR = Requester("operator", "", frozenset())


@dataclass(frozen=True, slots=True)
class NewAgency:
    """An agency to be registered. ``profile``: desks, authorities, la_code, traced, sensitive, local_system."""

    code: str
    name: str
    kind: str
    profile: dict[str, Any]
    complete: bool = False
    holds_from: str = "1970-01-01"
    fresh_hours: int = 48


@dataclass(frozen=True, slots=True)
class AgencyChange:
    """What is to be another way about an agency; what is None stays. Its code and its kind never change."""

    code: str
    name: str | None = None
    profile: dict[str, Any] | None = None  # in place of the whole profile
    complete: bool | None = None
    holds_from: str | None = None
    fresh_hours: int | None = None

    def named(self) -> dict[str, Any]:
        """What is to change, by its name."""
        stated = {one: getattr(self, one) for one in ("name", "profile", "complete", "holds_from", "fresh_hours")}
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to be registered: its agency, scopes, the purposes and roles its users may claim, its public keys."""

    id: str
    agency: str
    name: str
    scopes: str
    purposes: tuple[str, ...]
    roles: tuple[str, ...]
    jwks: dict[str, Any]
    endpoints: tuple[str, ...] = ()  # where it sends FHIR messages from, and where their answers may be posted


def add_agency(ctx: Context, agency: NewAgency, moment: Moment) -> Story[None]:
    """Register an agency. Raises Conflict where its code is taken, Unprocessable for what it could not be told by."""
    if agency.code.upper() in {code.upper() for code in moment.feeds}:
        raise Conflict(f"Agency {agency.code} is registered already.")
    if agency.kind not in AGENCY_KINDS:
        raise Unprocessable(f"There is no kind of agency {agency.kind}; known are {', '.join(sorted(AGENCY_KINDS))}.")
    _check_agency(agency)
    row = {
        "code": agency.code,
        "name": agency.name,
        "kind": agency.kind,
        "profile": orjson.dumps(agency.profile).decode(),
        "complete": int(agency.complete),
        "holds_from": agency.holds_from,
        "data_as_of": None,
        "fresh_hours": agency.fresh_hours,
        "version": 1,
    }
    yield Hold(policy=True)
    yield Write(standing.ADD_AGENCY, row)
    yield Write(standing.SET_STAMP, {"stamp": new_id()})
    return Outcome(None, (_line("add_agency", moment, agency.code),))


def change_agency(ctx: Context, change: AgencyChange, moment: Moment) -> Story[None]:
    """Change what is registered of an agency. Raises Unprocessable for what could not be told by it.

    Its version is raised, so that nothing that was made of it before is used again. Tokens stay good: they rest on clients, and
    on an agency's code and kind.
    """
    feed = moment.feeds.get(change.code)
    if feed is None:
        raise Unprocessable(f"There is no agency {change.code}: gateway agency list shows those that are.")
    named = change.named()
    if not named:
        raise Unprocessable(f"Say what is to change about {change.code}.")
    kept = NewAgency(
        feed.code, feed.name, feed.kind, orjson.loads(feed.profile), feed.complete, feed.holds_from, feed.fresh_hours
    )
    agency = replace(kept, **named)
    _check_agency(agency)
    row = {
        "agency_code": agency.code,
        "called": agency.name,
        "described": orjson.dumps(agency.profile).decode(),
        "whole": int(agency.complete),
        "since": agency.holds_from,
        "hours": agency.fresh_hours,
    }
    yield Hold(policy=True)
    yield Write(standing.CHANGE_AGENCY, row)
    return Outcome(None, (_line("change_agency", moment, agency.code, ("changed", " ".join(named))),))


def _check_agency(agency: NewAgency) -> None:
    """Raises Unprocessable for what would not be read as it is meant."""
    if whole_day(agency.holds_from) is None:
        raise Unprocessable(f"{agency.holds_from} is no date from which records are held: write it YYYY-MM-DD.")
    if not 1 <= agency.fresh_hours <= MOST_HOURS:
        raise Unprocessable(f"A feed is fresh for 1 to {MOST_HOURS} hours.")
    if faults := profile_faults(agency.profile):
        raise Unprocessable(f"The profile of {agency.code}: {'; '.join(faults)}.")


def add_client(ctx: Context, client: NewClient, moment: Moment) -> Story[None]:
    """Register a client of an agency. Raises Conflict or Unprocessable."""
    if client.agency not in moment.feeds:
        raise Unprocessable(f"There is no agency {client.agency}: add it first.")
    if (yield Read(standing.CLIENT, {"id": client.id})):
        raise Conflict(f"Client {client.id} is registered already.")
    unknown = set(client.purposes) - set(ctx.purposes)
    if unknown:
        raise Unprocessable(f"Unknown purposes: {', '.join(sorted(unknown))}.")
    row = {
        "id": client.id,
        "agency": client.agency,
        "name": client.name,
        "scopes": client.scopes,
        "purposes": " ".join(client.purposes),
        "roles": " ".join(client.roles),
        "jwks": orjson.dumps(client.jwks).decode(),
        "revoked": 0,
        "endpoints": " ".join(_checked(ctx, client.endpoints)),
    }
    yield Write(standing.ADD_CLIENT, row)
    return Outcome(None, (_line("add_client", moment, client.agency, ("client", client.id)),))


def set_endpoints(ctx: Context, wanted: tuple[str, tuple[str, ...]], moment: Moment) -> Story[None]:
    """Where a client sends messages from and is answered, in place of what was registered. Raises Unprocessable."""
    client, endpoints = wanted
    rows = yield Read(standing.CLIENT, {"id": client})
    if not rows:
        raise Unprocessable(f"There is no client {client}.")
    yield Write(standing.SET_ENDPOINTS, {"client_id": client, "registered": " ".join(_checked(ctx, endpoints))})
    return Outcome(None, (_line("set_endpoints", moment, rows[0][1], ("client", client)),))


def _checked(ctx: Context, endpoints: tuple[str, ...]) -> tuple[str, ...]:
    """Endpoints that may be registered. Raises Unprocessable: answers would be posted there."""
    for endpoint in endpoints:
        try:
            check_url(endpoint, loopback_allowed=ctx.loopback_allowed)
        except Refused as fault:
            raise Unprocessable(f"Endpoint {endpoint}: {fault}") from fault
        if any(mark.isspace() for mark in endpoint):
            raise Unprocessable(f"Endpoint {endpoint}: write it without blanks.")
    return endpoints


def revoke_client(ctx: Context, client: str, moment: Moment) -> Story[None]:
    """Revoke a client: from the commit on, no token of any age opens anything until it is got anew."""
    rows = yield Read(standing.CLIENT, {"id": client})
    if not rows:
        raise Unprocessable(f"There is no client {client}.")
    yield Hold(policy=True)
    yield Write(standing.REVOKE_CLIENT, {"client_id": client})
    yield Write(standing.SET_STAMP, {"stamp": new_id()})
    return Outcome(None, (_line("revoke_client", moment, rows[0][1], ("client", client)),))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What happens to a key that signs notices: added or retired; by the name under which it is published."""

    what: str
    key: str


def record_key_change(ctx: Context, change: KeyChange, moment: Moment) -> Story[None]:
    """Put on record that the keys of notices change."""
    yield from ()
    return Outcome(None, (_line("record_key_change", moment, "", ("key", change.key), ("result", change.what)),))


def _line(name: str, moment: Moment, agency: str, *detail: tuple[str, str]) -> Any:
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=agency, detail=detail)
