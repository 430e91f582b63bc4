"""Somebody signs in with their organisation's own sign-in (OpenID Connect), and has a session.

The organisation is that of the issuer's registration as it stands in this transaction. An attempt counts once, whatever
worker sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.access.issue_token import ADD_ASSERTION
from gateway.exchanges.access.staff import Provider, Staff, client_of, provider_of, sealed_staff
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.store import audit_log, sessions
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "sign_in"


@dataclass(frozen=True, slots=True)
class Proved:
    """What an ID token proves of somebody: who they are to their organisation, and the values of the role claim."""

    user: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who came back from their organisation's sign-in. ``verify`` reads the ID token by the issuer's
    registration and raises ValueError with a machine reason; ``token`` is the keyed token of the new session."""

    agency: str
    state: str
    attempt_ends: int  # microseconds
    verify: Callable[[Provider], Proved]
    token: bytes
    csrf: str
    lasts: int  # microseconds
    before: bytes = b""  # a session that the same browser had
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in now; None with a reason where nobody is. The reason is for the log."""

    staff: Staff | None
    reason: str = ""


def sign_in(ctx: Context, ask: SignIn, moment: Moment) -> Story[SignedIn]:
    """Decide on one sign-in; reads its own writes, for an attempt counts once."""
    rows = yield Read(sessions.PROVIDER, {"agency_code": ask.agency})
    if not rows:
        return _refused(ask, moment, "no-sign-in")
    provider = provider_of(ctx.vault, rows[0])
    try:
        proved = ask.verify(provider)
    except ValueError as fault:
        return _refused(ask, moment, str(fault)[:80])
    roles = provider.roles_of(proved.roles)
    if not roles:
        return _refused(ask, moment, "no-role", proved.user)
    once = {"client": f"sign-in {ask.agency}", "jti": ask.state, "expires": ask.attempt_ends}
    if (yield Write(ADD_ASSERTION, once)) != 1:
        return _refused(ask, moment, "replayed", proved.user)
    if ask.before:
        yield Write(sessions.END_SESSION, {"session_token": ask.before})
    staff = Staff(new_id(), ask.agency, proved.user, roles, ask.csrf, moment.stamp)
    yield Write(sessions.ADD_SESSION, _row(ctx, ask, staff, moment))
    who = staff.as_requester(roles[0])
    told = (("jti", staff.id), ("roles", " ".join(roles)))
    entry = line(NAME, replace(who, role=""), moment, Kind.SIGN_IN, DONE, request_id=ask.request_id, detail=told)
    return Outcome(SignedIn(staff), (entry,))


def _row(ctx: Context, ask: SignIn, staff: Staff, moment: Moment) -> dict[str, object]:
    user = audit_log.user_token(ctx.vault, staff.agency, staff.user)
    body = sealed_staff(ctx.vault, staff, ask.token)
    times = {"started": moment.at, "seen": moment.at, "expires": moment.at + ask.lasts}
    return {"token": ask.token, "agency": staff.agency, "user_token": user, "body": body, **times}


def _refused(ask: SignIn, moment: Moment, reason: str, user: str = "") -> Outcome[SignedIn]:
    """A sign-in that came to nothing, on record with the reason; whoever tried is told no more than that."""
    known = ask.agency if ask.agency in moment.feeds else ""
    nobody = Requester(client_of(known), known, frozenset(), user)
    refusal = "role-not-allowed" if reason == "no-role" else "error"
    entry = line(
        NAME, nobody, moment, Kind.SIGN_IN, REFUSED, request_id=ask.request_id, refusal=refusal, detail=(("result", reason),)
    )
    return Outcome(SignedIn(None, reason), (entry,))
