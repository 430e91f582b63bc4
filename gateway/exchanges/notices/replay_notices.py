"""Notices that are sent once more: those of one receiver, of a topic, of a time. A page of them in one transaction.

Each keeps its id and its number, takes its old place in the order of its person and receiver, begins its schedule anew,
and is decided again when it is leased. A dry run counts, and is on record too.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.outbox.stored_notices import open_notice
from gateway.store import outbox_view
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "replay_notices"
PAGE = 500
LATEST = 2**62


@dataclass(frozen=True, slots=True)
class Replay:
    """Which notices: times are when they were queued, from inclusive, until exclusive, in microseconds."""

    receiver: str
    topic: str = ""  # empty: every topic
    since: int = 0
    until: int = LATEST
    delivered_too: bool = False  # not only what was given up
    dry_run: bool = False
    after: tuple[int, str] | None = None  # where the page before ended


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many of a page were chosen, and where it ended; None on the last page."""

    count: int
    after: tuple[int, str] | None


def replay_notices(ctx: Context, ask: Replay, moment: Moment) -> Story[Replayed]:
    """Queue a page of notices once more."""
    created, last = ask.after or (ask.since - 1, "~")
    wanted = {"agency": ask.receiver, "until": ask.until, "delivered_too": int(ask.delivered_too)}
    rows = yield Read(outbox_view.REPLAYABLE, {**wanted, "after_created": created, "after_id": last, "count": PAGE})
    chosen = [one for one in (open_notice(ctx, row) for row in rows) if ask.topic in ("", one.topic)]
    writes = () if ask.dry_run else tuple(
        Write(outbox_view.REPLAY, {"notice": one.id, "seen_epoch": one.epoch, "at": moment.at}) for one in chosen
    )  # fmt: skip
    detail = (
        ("receiver", ask.receiver), ("topic", ask.topic or "any"), ("since", str(ask.since)), ("until", str(ask.until)),
        ("count", str(len(chosen))), ("dry-run", "yes" if ask.dry_run else "no"),
    )  # fmt: skip
    entry = line(NAME, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=ask.receiver, detail=detail)
    after = (rows[-1][16], rows[-1][0]) if len(rows) == PAGE else None
    return Outcome(Replayed(len(chosen), after), (entry,), writes)
