"""A call-back request is closed by somebody of the agency that it is addressed to, with a sentence on what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.call_backs import NOT_HERE, CallBack, open_call_back, seal_call_back
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.reviews import NEEDS_USER
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound
from gateway.store import feedback
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "close_call_back"
CLOSED_ALREADY = "This call-back request has been closed already."


@dataclass(frozen=True, slots=True)
class CloseCallBack:
    """A request to be closed, in whose words."""

    requester: Requester
    id: str
    sentence: str
    request_id: str = ""


def close_call_back(ctx: Context, ask: CloseCallBack, moment: Moment) -> Story[CallBack]:
    """Close a request. Raises NotFound, Conflict where it is closed, Forbidden without a user."""
    check_current(ask.requester, moment)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    rows = yield Read(feedback.LOCK_CALL_BACK, {"owner": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    known = open_call_back(ctx, rows[0], moment)
    closed = replace(known, closed=moment.at, closed_by=ask.requester.user, sentence=ask.sentence)
    changed = {"call_back_id": ask.id, "at": moment.at, "sealed": seal_call_back(ctx, closed)}
    if known.closed is not None or (yield Write(feedback.CLOSE_CALL_BACK, changed)) != 1:
        raise Conflict(CLOSED_ALREADY)
    entry = line(
        NAME, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=known.person,
        detail=(("call-back", known.id), ("result", "closed")),
    )  # fmt: skip
    return Outcome(closed, (entry,))
