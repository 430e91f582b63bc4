"""Administration of launches: which record systems may open the clinician's page, for which client. Each act is on record."""

from __future__ import annotations

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.access.launched import SURFACE, LaunchSystem, launch_system_of, launch_system_row
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners.guard import Refused, check_url
from gateway.store import launches, sessions, standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Row, Write

MOST = 256  # characters of a client id, of a claim's name, of a role


def add_launch_system(ctx: Context, new: LaunchSystem, moment: Moment) -> Story[None]:
    """Let a record system open the page for a client. Raises Unprocessable, Conflict.

    A record system is registered for one client alone, and a client has one: whoever it launches is of that client's agency.
    """
    yield Hold(policy=True)
    rows = yield Read(standing.CLIENT, {"id": new.client})
    if not rows:
        raise Unprocessable(f"There is no client {new.client}: add it first.")
    _check(ctx, new, rows[0])
    if (yield Read(launches.OF_CLIENT, {"of_client": new.client})):
        raise Conflict(f"Client {new.client} has a record system already: remove it first.")
    if (yield Write(launches.ADD_LAUNCH_SYSTEM, launch_system_row(ctx.vault, new, moment.at))) != 1:
        raise Conflict("That record system is registered for another client.")
    return Outcome(None, (_line("add_launch_system", moment, rows[0][1], new.iss),))


def _check(ctx: Context, new: LaunchSystem, client: Row) -> None:
    _, _, _, scopes, _, roles, *_ = client
    try:
        check_url(new.iss, loopback_allowed=ctx.loopback_allowed)
    except Refused as fault:
        raise Unprocessable(f"iss {new.iss}: {fault}") from fault
    if new.iss.endswith("/") or "?" in new.iss:
        raise Unprocessable(f"iss {new.iss}: the FHIR base without a query and without a slash at its end.")
    if SURFACE not in scopes.split():
        raise Unprocessable(f"Client {new.client} may not ask whether somebody is known: it needs the scope {SURFACE}.")
    texts = [("client id", new.client_id), *(("role claim", one) for one in [new.role_claim] if one)]
    for what, text in [*texts, *(("role", one) for pair in new.roles.items() for one in pair)]:
        if not text or len(text) > MOST or not text.isprintable():
            raise Unprocessable(f"The {what} is 1 to {MOST} printable characters.")
    unknown = set(new.roles.values()) - set(roles.split())
    if roles and unknown:
        raise Unprocessable(f"Roles of client {new.client} are {', '.join(roles.split())}; not {', '.join(sorted(unknown))}.")


def remove_launch_system(ctx: Context, client: str, moment: Moment) -> Story[None]:
    """Take a client's record system away; whoever came from it has no page any more. Raises Unprocessable."""
    yield Hold(policy=True)
    rows = yield Read(launches.OF_CLIENT, {"of_client": client})
    if not rows:
        raise Unprocessable(f"Client {client} has no record system.")
    system = launch_system_of(ctx.vault, rows[0])
    yield Write(launches.REMOVE_LAUNCH_SYSTEM, {"of_client": client})
    yield Write(sessions.END_SESSIONS, {"agency_code": system.agency})
    return Outcome(None, (_line("remove_launch_system", moment, system.agency, system.iss),))


def _line(name: str, moment: Moment, agency: str, iss: str) -> Entry:
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=agency, detail=(("issuer", iss),))
