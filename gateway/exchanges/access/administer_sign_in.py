"""Administration of sign-in: an agency's issuer, and sessions that are ended from outside. Each act is on record."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.access.staff import ROLES, Provider, provider_row
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners.guard import Refused, check_url
from gateway.store import audit_log, sessions
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Write

MOST = 256  # characters of a claim's name or value, and of a client id


@dataclass(frozen=True, slots=True)
class Ending:
    """Whose sessions end: all of an agency's, or one user's."""

    agency: str
    user: str = ""


def add_provider(ctx: Context, new: Provider, moment: Moment) -> Story[None]:
    """Register the issuer of an agency. Raises Unprocessable, Conflict.

    An issuer is registered for one agency alone: whoever it signs in is of that agency, so a second registration would
    make its users members of both.
    """
    _check(ctx, new, moment)
    yield Hold(policy=True)
    if (yield Read(sessions.PROVIDER, {"agency_code": new.agency})):
        raise Conflict(f"Agency {new.agency} has a sign-in already: remove it first.")
    taken = yield Read(sessions.AT_ISSUER, {"issuer_url": new.issuer})
    if taken:
        raise Conflict(f"That issuer signs in the staff of {taken[0][0]}; an issuer belongs to one agency.")
    yield Write(sessions.ADD_PROVIDER, provider_row(ctx.vault, new, moment.at))
    return Outcome(None, (_line("add_provider", moment, new.agency, ("issuer", new.issuer)),))


def _check(ctx: Context, new: Provider, moment: Moment) -> None:
    if new.agency not in moment.feeds:
        raise Unprocessable(f"There is no agency {new.agency}: add it first.")
    try:
        check_url(new.issuer, loopback_allowed=ctx.loopback_allowed)
    except Refused as fault:
        raise Unprocessable(f"issuer {new.issuer}: {fault}") from fault
    if "?" in new.issuer:
        raise Unprocessable(f"issuer {new.issuer}: an issuer has no query (OpenID Connect Discovery).")
    for what, text in (("client id", new.client_id), ("user claim", new.user_claim), ("role claim", new.role_claim)):
        if not text or len(text) > MOST or not text.isprintable():
            raise Unprocessable(f"The {what} is 1 to {MOST} printable characters.")
    unknown = set(new.roles.values()) - set(ROLES)
    if unknown or not new.roles:
        raise Unprocessable(f"Roles are {', '.join(ROLES)}; not {', '.join(sorted(unknown)) or 'none at all'}.")


def remove_provider(ctx: Context, agency: str, moment: Moment) -> Story[None]:
    """Take an agency's sign-in away; whoever is signed in by it is no longer. Raises Unprocessable."""
    yield Hold(policy=True)
    if (yield Write(sessions.DROP_PROVIDER, {"agency_code": agency})) != 1:
        raise Unprocessable(f"Agency {agency} has no sign-in.")
    yield Write(sessions.END_SESSIONS, {"agency_code": agency})
    return Outcome(None, (_line("remove_provider", moment, agency),))


def end_sessions(ctx: Context, ending: Ending, moment: Moment) -> Story[int]:
    """End the sessions of an agency's staff, or of one of them; gives how many. Raises Unprocessable."""
    if ending.agency not in moment.feeds:
        raise Unprocessable(f"There is no agency {ending.agency}.")
    whose: dict[str, object] = {"agency_code": ending.agency}
    if ending.user:
        whose["token_of_user"] = audit_log.user_token(ctx.vault, ending.agency, ending.user)
    ended: int = yield Write(sessions.END_SESSIONS_OF_USER if ending.user else sessions.END_SESSIONS, whose)
    return Outcome(ended, (_line("end_sessions", moment, ending.agency, ("result", str(ended))),))


def _line(name: str, moment: Moment, agency: str, *detail: tuple[str, str]) -> Entry:
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=agency, detail=detail)
