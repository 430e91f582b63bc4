"""Somebody comes from their record system with a patient open (SMART App Launch 2.2), and has a session.

The organisation and what may be asked for are those of the record system's registration as it stands in this transaction.
An attempt counts once, whatever worker sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.access.issue_token import ADD_ASSERTION
from gateway.exchanges.access.launched import Launched, LaunchSystem, PatientInContext, launch_system_of, sealed_launch
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.store import audit_log, launches, sessions
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "launch"


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a launch proves: who works in the record system, in which roles there, and whose record is open."""

    user: str
    roles: tuple[str, ...]
    patient: PatientInContext
    suggested: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Somebody who came back from their record system. ``verify`` reads what it said by its registration and raises
    ValueError with a machine reason; ``token`` is the keyed token of the new session."""

    iss: str
    state: str
    attempt_ends: int  # microseconds
    verify: Callable[[LaunchSystem], Arrived]
    token: bytes
    csrf: str
    lasts: int  # microseconds
    before: bytes = b""  # a launch that the same browser had: of another patient, perhaps
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """Who is at work now; None with a reason where nobody is. The reason is for the log."""

    launched: Launched | None
    reason: str = ""


def launch(ctx: Context, ask: Launch, moment: Moment) -> Story[Opened]:
    """Decide on one launch; reads its own writes, for an attempt counts once."""
    rows = yield Read(launches.AT_ISS, {"iss_url": ask.iss})
    system = launch_system_of(ctx.vault, rows[0]) if rows else None
    if system is None or not system.is_open:
        return _refused(ask, moment, "no-launch", system)
    try:
        arrived = ask.verify(system)
    except ValueError as fault:
        return _refused(ask, moment, str(fault)[:80], system)
    roles = system.roles_of(arrived.roles)
    if not roles:
        return _refused(ask, moment, "no-role", system, arrived.user)
    once = {"client": f"launch {system.client}", "jti": ask.state, "expires": ask.attempt_ends}
    if (yield Write(ADD_ASSERTION, once)) != 1:
        return _refused(ask, moment, "replayed", system, arrived.user)
    if ask.before:
        yield Write(sessions.END_SESSION, {"session_token": ask.before})
    opened = Launched(
        new_id(), system.agency, system.client, arrived.user, roles, ask.csrf, arrived.patient,
        system.scopes, system.purposes, moment.stamp, arrived.suggested,
    )  # fmt: skip
    yield Write(sessions.ADD_SESSION, _row(ctx, ask, opened, moment))
    told = (("jti", opened.id), ("roles", " ".join(roles)))
    entry = line(NAME, opened.as_requester(), moment, Kind.SIGN_IN, DONE, request_id=ask.request_id, detail=told)
    return Outcome(Opened(opened), (entry,))


def _row(ctx: Context, ask: Launch, opened: Launched, moment: Moment) -> dict[str, object]:
    user = audit_log.user_token(ctx.vault, opened.agency, opened.user)
    body = sealed_launch(ctx.vault, opened, ask.token)
    times = {"started": moment.at, "seen": moment.at, "expires": moment.at + ask.lasts}
    return {"token": ask.token, "agency": opened.agency, "user_token": user, "body": body, **times}


def _refused(ask: Launch, moment: Moment, reason: str, system: LaunchSystem | None, user: str = "") -> Outcome[Opened]:
    """A launch that came to nothing, on record with the reason; whoever tried is told no more than that."""
    nobody = Requester(system.client, system.agency, frozenset(), user) if system else Requester("", "", frozenset())
    refusal = "role-not-allowed" if reason == "no-role" else "error"
    entry = line(
        NAME, nobody, moment, Kind.SIGN_IN, REFUSED, request_id=ask.request_id, refusal=refusal, detail=(("result", reason),)
    )
    return Outcome(Opened(None, reason), (entry,))


@dataclass(frozen=True, slots=True)
class Close:
    """Who closes the page, and the keyed token of their session."""

    launched: Launched
    token: bytes
    request_id: str = ""


def close_launch(ctx: Context, ask: Close, moment: Moment) -> Story[None]:
    """End a launch's session."""
    yield from ()
    told = (("jti", ask.launched.id),)
    who = ask.launched.as_requester()
    entry = line("close_launch", who, moment, Kind.SIGN_OUT, DONE, request_id=ask.request_id, detail=told)
    return Outcome(None, (entry,), (Write(sessions.END_SESSION, {"session_token": ask.token}),))
