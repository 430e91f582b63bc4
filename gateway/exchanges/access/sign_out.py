"""Somebody signs out: their session is gone for every worker."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.access.staff import Staff
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store import sessions
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write

NAME = "sign_out"


@dataclass(frozen=True, slots=True)
class SignOut:
    """Who leaves, and the keyed token of their session."""

    staff: Staff
    token: bytes
    request_id: str = ""


def sign_out(ctx: Context, ask: SignOut, moment: Moment) -> Story[None]:
    """End a session."""
    yield from ()
    who = replace(ask.staff.as_requester(ask.staff.roles[0]), role="")
    entry = line(NAME, who, moment, Kind.SIGN_OUT, DONE, request_id=ask.request_id, detail=(("jti", ask.staff.id),))
    return Outcome(None, (entry,), (Write(sessions.END_SESSION, {"session_token": ask.token}),))
