"""A request that was refused before it became an exchange: unreadable, not allowed, or failed by our own fault."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import FAULT, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.ledger import Moment, Outcome, Story

NAME = "record_refusal"
NOBODY = Requester("", "", frozenset())


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused: the operation, the HTTP status that answered it, and how often since it was last noted."""

    requester: Requester
    operation: str
    status: int
    request_id: str = ""
    reason: str = "error"
    count: int = 1


def record_refusal(ctx: Context, refusal: Refusal, moment: Moment) -> Story[None]:
    """Put a refused request on record."""
    yield from ()
    kind = Kind.TOKEN if refusal.status == 401 else Kind.ERROR
    detail = (("operation", refusal.operation), ("status", str(refusal.status)), ("count", str(refusal.count)))
    entry = line(
        NAME, refusal.requester, moment, kind, FAULT if refusal.status >= 500 else REFUSED,
        request_id=refusal.request_id, refusal=refusal.reason, detail=detail,
    )  # fmt: skip
    return Outcome(None, (entry,))
