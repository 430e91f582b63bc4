"""The owner's own resources over the FHIR API: read, search, create, update. Others get the same as for nothing.

So does the owner where its own record seals the person by adoption, for the Patient and in every search by person or of all
(``unsealed``), as in ``Patient/$match``. A record that is named by its id is read and updated nevertheless: it may have to be
corrected.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.apply import apply, fresh_key
from gateway.exchanges.records.unsealed import naming_nobody_sealed, opened_page, own_row, unsealed
from gateway.fhir.elements import identity
from gateway.fhir.outcomes import NotFound, PreconditionFailed, PreconditionRequired
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity import nhs_number as nhs
from gateway.mapping.records import Op, Sourced
from gateway.store import people, standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Held
from gateway.store.sql import Read, Write

Resource = dict[str, Any]
LATEST = 2**62
CHANGED_MEANWHILE = "The resource has been changed since you read it. Read it again and apply your change to it."
NOT_HERE = "There is no such resource, or it is not yours to read."


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A resource by type and id, perhaps in an older version."""

    requester: Requester
    type: str
    id: str
    version: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search among the agency's own. ``person`` is ``system|value``; filters are applied to opened resources."""

    requester: Requester
    type: str
    person: str = ""
    id: str = ""
    status: str = ""
    code: str = ""
    since: int = 0  # microseconds, inclusive
    until: int = LATEST  # exclusive
    count: int = 50
    after: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of search results; ``after`` is the cursor of the next page, empty on the last."""

    found: tuple[Held, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A checked resource to create, or to update if an id is given. ``expected`` is the version of If-Match."""

    requester: Requester
    type: str
    resource: Resource
    id: str = ""  # empty: create
    expected: int | None = None  # If-Match
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What is now held, and whether it is new."""

    held: Held
    created: bool


def read_resource(ctx: Context, ask: ReadRequest, moment: Moment) -> Story[Held | None]:
    """One of the agency's own resources, or None: not there and not yours are the same."""
    check_current(ask.requester, moment)
    held = yield from own_version(ctx, ask.requester.agency, ask.type, ask.id, ask.version)
    entry = line(
        "read_resource", ask.requester, moment, Kind.READ, DONE if held else REFUSED, request_id=ask.request_id,
        refusal="" if held else "not-known", patient=patient_of(held), detail=(("resource", f"{ask.type}/{ask.id}"),),
    )  # fmt: skip
    return Outcome(held[0] if held else None, (entry,))


def own_version(
    ctx: Context, agency: str, kind: str, identifier: str, version: int | None
) -> Generator[Any, Any, tuple[Held, people.Opened] | None]:
    """One of the agency's own resources in a version, or as it stands now; None where it is not there or not theirs."""
    held = yield from _own(ctx, agency, kind, identifier)
    if held is not None and version is not None and version != held[0].version:
        return (yield from _older(ctx, held, version))
    return held


def patient_of(held: tuple[Held, people.Opened] | None) -> str:
    """``system|value`` of the person whom a resource is about; empty where there is none."""
    if held is None:
        return ""
    return identity(held[0].body.get("subject") or held[0].body.get("patient"))


def _own(ctx: Context, agency: str, kind: str, identifier: str) -> Generator[Any, Any, tuple[Held, people.Opened] | None]:
    if kind == "Patient":
        rows = yield Read(people.OWN_PERSON, {"id": identifier, "agency": agency})
        if not rows:
            return None
        row = (yield from unsealed(ctx, [identifier])).get(identifier)
        return None if row is None else (_as_held(row), row)
    rows = yield Read(people.OWN_RECORD, {"id": identifier, "agency": agency, "type": kind})
    if not rows:
        return None
    row = people.open_person(ctx.vault, rows[0][:5])
    return people.open_record(row.cipher, rows[0][5:]), row


def _as_held(row: people.Opened) -> Held:
    return Held(row.id, "Patient", row.version, 0, None, "", {**row.patient, "id": row.id}, row.origin)


def _older(
    ctx: Context, held: tuple[Held, people.Opened], version: int
) -> Generator[Any, Any, tuple[Held, people.Opened] | None]:
    current, row = held
    rows = yield Read(people.VERSION_OF, {"id": current.id, "version": version})
    if not rows:
        return None
    columns = (current.id, current.type, rows[0][0], version, current.related, rows[0][1])
    return people.open_record(row.cipher, columns), row


def search_resources(ctx: Context, ask: SearchRequest, moment: Moment) -> Story[Page]:
    """The agency's own resources of a type, by id, person or neither; in pages, by their ids."""
    check_current(ask.requester, moment)
    if ask.person:
        found, after = _page((yield from _of_person(ctx, ask)), ask)
    elif ask.id:
        held = yield from _own(ctx, ask.requester.agency, ask.type, ask.id)
        found, after = _page([held[0]] if held else [], ask)
    else:
        found, after = yield from _all(ctx, ask)
    kept = tuple(held for held in found if _matches(held, ask))
    entry = line(
        "search_resources", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, patient=ask.person,
        detail=(("resource", ask.type),),
    )  # fmt: skip
    return Outcome(Page(kept, after), (entry,))


def _page(found: list[Held], ask: SearchRequest) -> tuple[list[Held], str]:
    """The matches after the cursor, and the cursor of the next page."""
    rest = [held for held in sorted(found, key=lambda held: held.id) if held.id > ask.after and _matches(held, ask)]
    return rest[: ask.count], rest[ask.count - 1].id if len(rest) > ask.count else ""


def _of_person(ctx: Context, ask: SearchRequest) -> Generator[Any, Any, list[Held]]:
    agency = ask.requester.agency
    row = yield from own_row(ctx, agency, person_token(ctx, agency, ask.person))
    if row is None:
        return []
    return [_as_held(row)] if ask.type == "Patient" else (yield from naming_nobody_sealed(ctx, row.of_type(ask.type)))


def person_token(ctx: Context, agency: str, person: str) -> bytes:
    """The keyed token of an identifier ``system|value`` as an agency's own rows carry it."""
    system, _, value = person.partition("|")
    if system == NHS_NUMBER:
        return ctx.vault.nhs_token(nhs.parse(value) or value)
    return ctx.vault.token("local-id", agency, system, value)


def _all(ctx: Context, ask: SearchRequest) -> Generator[Any, Any, tuple[list[Held], str]]:
    wanted = {"agency": ask.requester.agency, "type": ask.type, "since": ask.since, "after": ask.after, "count": ask.count + 1}
    rows = yield Read(people.OWN_RECORDS, wanted)
    page = rows[: ask.count]
    found = yield from opened_page(ctx, page)
    return found, page[-1][5] if len(rows) > ask.count else ""


def _matches(held: Held, ask: SearchRequest) -> bool:
    if ask.id and held.id != ask.id:
        return False
    if ask.status and str(held.body.get("status", "")) != ask.status:
        return False
    if ask.code:
        codings = held.body.get("code", {}).get("coding", ())
        system, _, code = ask.code.rpartition("|")
        if not any(one.get("code") == code and (not system or one.get("system") == system) for one in codings):
            return False
    return ask.since <= held.updated < ask.until or held.type == "Patient"


def write_resource(ctx: Context, ask: WriteRequest, moment: Moment) -> Story[Written]:
    """Create or update one of the agency's own resources; the same line as a record that comes in."""
    check_current(ask.requester, moment)
    agency = ask.requester.agency
    key = fresh_key()
    if ask.id:
        held = yield from _own(ctx, agency, ask.type, ask.id)
        if held is None:
            raise NotFound(NOT_HERE)
        if ask.expected is None:
            raise PreconditionRequired("An update needs If-Match with the ETag of the version that you read.")
        if ask.expected != held[0].version:
            raise PreconditionFailed(CHANGED_MEANWHILE)
        key = held[0].key
    applied = yield from apply(ctx, agency, [Sourced(key, ask.resource, Op.REPLACE)], moment)
    yield Write(standing.TOUCH_FEED, {"agency_code": agency, "as_of": moment.at})
    if not applied.stored:
        return (yield from _unchanged(ctx, ask, moment))
    stored = applied.stored[0]
    if ask.expected is not None and stored.version != ask.expected + 1:
        raise PreconditionFailed(CHANGED_MEANWHILE)  # by a writer who held the lock before us
    entry = line(
        "write_resource", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id,
        patient=identity(ask.resource.get("subject") or ask.resource.get("patient")),
        detail=(("resource", stored.ref),),
    )  # fmt: skip
    return Outcome(Written(stored, not ask.id), (entry,))


def _unchanged(ctx: Context, ask: WriteRequest, moment: Moment) -> Generator[Any, Any, Outcome[Written]]:
    held = yield from _own(ctx, ask.requester.agency, ask.type, ask.id)
    if held is None:
        raise NotFound(NOT_HERE)
    if held[0].version != ask.expected:
        raise PreconditionFailed(CHANGED_MEANWHILE)
    entry = line(
        "write_resource", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id,
        detail=(("resource", held[0].ref), ("result", "unchanged")),
    )  # fmt: skip
    return Outcome(Written(held[0], False), (entry,))
