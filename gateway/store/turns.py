"""Work that is done once a day by one of several workers: who comes first has the day's turn."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, bindparam, update

from gateway.store import clock
from gateway.store.ledger import Moment, Upkeep
from gateway.store.sql import Added, Statement, Write
from gateway.store.tables import daily_turn

ADD_TURN = Added(daily_turn, new_only=True)
TAKE_TURN = Statement(
    update(daily_turn)
    .where(daily_turn.c.work == bindparam("which", type_=Text), daily_turn.c.day < bindparam("today", type_=Text))
    .values(day=bindparam("today", type_=Text))
)


@dataclass(frozen=True, slots=True)
class Turn:
    """The day's turn at a piece of work."""

    work: str


def take_turn(_: Any, turn: Turn, moment: Moment) -> Generator[Any, Any, Upkeep[bool]]:
    """Take today's turn (UTC), if nobody has. Two workers wait for each other at the row: one of them gets it."""
    yield Write(ADD_TURN, {"work": turn.work, "day": ""})
    taken = yield Write(TAKE_TURN, {"which": turn.work, "today": clock.day(moment.at).isoformat()})
    return Upkeep(taken == 1)
