"""The call-back requests that are addressed to an agency, a page at a time, the last made first."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.call_backs import CallBack, open_call_back
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.notices.list_notices import place_of
from gateway.store import feedback
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "list_call_backs"
STATES = ("open", "closed")


@dataclass(frozen=True, slots=True)
class ListCallBacks:
    """A page of requests: ``state`` open, closed or empty for both; ``after`` where the page before ended."""

    requester: Requester
    state: str = "open"
    after: str = ""
    count: int = 50
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CallBackPage:
    """A page, and after what the next one begins; empty at the end."""

    call_backs: tuple[CallBack, ...]
    next: str


def list_call_backs(ctx: Context, ask: ListCallBacks, moment: Moment) -> Story[CallBackPage]:
    """The agency's own."""
    check_current(ask.requester, moment)
    made, last = place_of(ask.after)
    wanted = {"owner": ask.requester.agency, "made": made, "last": last, "count": ask.count + 1}
    rows = yield Read(feedback.CALL_BACKS[ask.state], wanted)
    found = tuple(open_call_back(ctx, row, moment) for row in rows[: ask.count])
    following = f"{found[-1].made}.{found[-1].id}" if len(rows) > ask.count else ""
    entry = line(NAME, ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=(("resource", "call-back"),))
    return Outcome(CallBackPage(found, following), (entry,))
