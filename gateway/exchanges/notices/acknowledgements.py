"""What a receiver makes of a notice, as it is kept: awaited from the time that it was numbered, answered, or overdue."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.exchanges.context import Context
from gateway.notification.topics import Topic
from gateway.store import clock, feedback
from gateway.store.ledger import Moment
from gateway.store.sql import Read, Row, Write
from gateway.store.vault import open_sealed, seal

SHELF = "acknowledgement"


@dataclass(frozen=True, slots=True)
class Said:
    """The sealed part: the topic as it was told; what was said of it, by whom; whom it went to when nobody said anything."""

    told_as: str
    code: str = ""
    by: str = ""
    client: str = ""
    note: str = ""
    contact: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """One notice with what its receiver makes of it."""

    notice: str
    receiver: str
    owner: str
    state: str  # received | acknowledged | overdue
    told: int
    respond_by: int  # 0: nobody needs to take it up
    next_at: int | None
    level: int
    answered: int | None
    said: Said


def open_awaited(ctx: Context, row: Row) -> Awaited:
    """A row of the table ``acknowledgement``, columns in its order. Raises Broken."""
    said = Said(**orjson.loads(open_sealed(ctx.vault.shelf(SHELF), row[9], row[0])))
    notice, receiver, owner, state, told, respond_by, next_at, level, answered = row[:9]
    return Awaited(notice, receiver, owner, state, told, respond_by, next_at, level, answered, said)


def seal_said(ctx: Context, notice: str, said: Said) -> bytes:
    """The sealed column; it opens for this row only."""
    return seal(ctx.vault.shelf(SHELF), orjson.dumps(said), notice)


@dataclass(frozen=True, slots=True)
class Expected:
    """By when an answer is awaited, 0 where nobody needs to take the notice up; and what is written to remember it."""

    respond_by: int
    writes: tuple[Write, ...] = ()


def expect_answer(
    ctx: Context, notice: str, receiver: str, owner: str, topic: Topic, moment: Moment
) -> Generator[Any, Any, Expected]:
    """From now on an answer to this notice is awaited; gives by when, and what is to be written with it.

    Of a notice that is sent again the time stays as it was.
    """
    known = yield Read(feedback.ACKNOWLEDGEMENT, {"key": notice})
    if known:
        return Expected(int(known[0][5]))
    respond_by = moment.at + topic.respond_hours * clock.HOUR if topic.respond_hours else 0
    row = {
        "notice": notice,
        "receiver": receiver,
        "owner": owner,
        "state": feedback.RECEIVED,
        "told": moment.at,
        "respond_by": respond_by,
        "next_at": respond_by or None,
        "level": 0,
        "answered": None,
        "body": seal_said(ctx, notice, Said(topic.code)),
    }
    return Expected(respond_by, (Write(feedback.ADD_ACKNOWLEDGEMENT, row),))


def acknowledged_at_once(ctx: Context, notice: str, told_as: str, code: str, moment: Moment) -> Write:
    """The write for a receiver that acknowledges in its answer to the post; what somebody has said before it stands."""
    sealed = seal_said(ctx, notice, Said(told_as, code))
    return Write(feedback.ACKNOWLEDGE_FIRST, {"told_notice": notice, "at": moment.at, "sealed": sealed})


def record_acknowledgement(
    ctx: Context, notice: str, receiver: str, said: Said, moment: Moment
) -> Generator[Any, Any, Awaited | None]:
    """Keep what a receiver says of one of its notices; None where there is none of this id, or it is not theirs.

    Said again with the same code, the first answer stands; another code takes its place. ``said.told_as`` is not used.
    """
    rows = yield Read(feedback.LOCK_ACKNOWLEDGEMENT, {"notice": notice})
    if not rows or rows[0][1] != receiver:
        return None
    known = open_awaited(ctx, rows[0])
    if known.state == feedback.ACKNOWLEDGED and known.said.code == said.code:
        return known
    kept = replace(said, told_as=known.said.told_as, contact=known.said.contact)
    yield Write(feedback.SET_ACKNOWLEDGEMENT, {"told_notice": notice, "at": moment.at, "sealed": seal_said(ctx, notice, kept)})
    return replace(known, state=feedback.ACKNOWLEDGED, answered=moment.at, next_at=None, said=kept)
