"""A request that was refused before it became an exchange: unreadable, not allowed, or failed by our own fault."""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(slots=True)
class RefusalNotes:
    """Refused tokens are noted once a minute for each operation, with their number; the rest only counted."""

    minute: int = 0
    counted: dict[str, int] = field(default_factory=dict)

    def due(self, operation: str, now: float) -> int:
        """How many to put on record now; 0 while this minute's first has been noted."""
        minute = int(now // 60)
        held = self.counted.get(operation, 0) + 1
        if minute != self.minute:
            self.minute = minute
            self.counted = {operation: 0}
            return held
        first = operation not in self.counted
        self.counted[operation] = 0 if first else held
        return held if first else 0


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
