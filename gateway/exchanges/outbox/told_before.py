"""What was told before and has proved wrong: to which subscription, under which notices.

A correction goes to those who were told and to nobody else. They are found by what was queued, not by who subscribes
today: whether an earlier notice did leave is known, since it stands before its correction in the same lane, when the
correction is leased.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.exchanges.context import Context
from gateway.exchanges.outbox.stored_notices import HANDSHAKE, Stored, open_notice
from gateway.notification.topics import RETRACTED, Change
from gateway.store import outbox
from gateway.store.sql import Read

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happened:
    """A change to one of an agency's rows of a person, with the record before and after it."""

    row: str
    change: Change
    before: Resource | None = None
    after: Resource | None = None
    number: str = ""  # the NHS number under which it was told, where only that one was wrong
    merged_into: str = ""  # the row that now stands for this one

    @property
    def record(self) -> str:
        """The id of the record; empty where it is the person that changed."""
        return str((self.before or self.after or {}).get("id", ""))


@dataclass(frozen=True, slots=True)
class Wrong:
    """What one subscription was told and is to hear of again."""

    receiver: str
    owner: str
    number: str  # NHS number by which it named the person
    notices: tuple[str, ...]  # ids, oldest first


def told_wrongly(ctx: Context, one: Happened) -> Generator[Any, Any, dict[str, Wrong]]:
    """The earlier notices that a change proves wrong, by subscription; none where it is simply news."""
    if not one.change.undoes and one.change.topic != RETRACTED:
        return {}
    rows = yield Read(outbox.ABOUT_ROW, {"row": one.row})
    before = [open_notice(ctx, row) for row in rows]
    corrected = {earlier for notice in before for earlier in notice.corrects}
    found: dict[str, list[Stored]] = {}
    for notice in before:
        if notice.id not in corrected and _may_have_left(notice) and _is_undone(notice, one):
            found.setdefault(notice.subscription, []).append(notice)
    return {subscription: _wrong(_meant(notices, one.change)) for subscription, notices in found.items()}


def _may_have_left(notice: Stored) -> bool:
    """It has a number, or may yet get one before the correction is looked at."""
    return notice.number is not None or notice.state in outbox.UNFINISHED


def _is_undone(notice: Stored, one: Happened) -> bool:
    if notice.topic in (HANDSHAKE, RETRACTED):
        return False
    if one.number and notice.nhs != one.number:
        return False
    if one.record and notice.record != one.record:
        return False
    undoes = one.change.undoes
    return not undoes or notice.topic in undoes or bool(one.change.topic == RETRACTED and one.record)


def _meant(notices: list[Stored], change: Change) -> list[Stored]:
    """All of them where a record is taken back; the last one where a start or an end is."""
    return notices if change.topic == RETRACTED else notices[-1:]


def _wrong(notices: Iterable[Stored]) -> Wrong:
    told = list(notices)
    last = told[-1]
    return Wrong(last.receiver, last.owner, last.nhs, tuple(one.id for one in told))


def that_were_told(stored: Stored) -> Generator[Any, Any, tuple[str, ...]]:
    """Of the notices that this one corrects, those that have a number: the others reached nobody."""
    if not stored.corrects:
        return ()
    found = yield tuple(Read(outbox.NUMBER_OF, {"key": one}) for one in stored.corrects)
    return tuple(rows[0][0] for rows in found if rows and rows[0][1] is not None)
