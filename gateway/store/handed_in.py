"""Files that were handed in to be loaded while their sender waits elsewhere, as rows: sealed parts, and how far each file is.

They stand in the database and not in files beside it, so that any worker can take one up, and a backup has them or not as a whole.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, delete, func, select, update

from gateway.store.ledger import Moment, Upkeep
from gateway.store.sql import Added, Read, Statement, Write
from gateway.store.tables import handed_in, handed_in_part

ARRIVING, WAITING, ENDED = "arriving", "waiting", "ended"
FOR_EVER = 2**62  # until when a file that waits is kept
SWEPT = 4  # parts at once: what is deleted is written over, and others wait for that

_ID, _OWNER, _AT = bindparam("file_id", type_=Text), bindparam("owner", type_=LargeBinary), bindparam("at", type_=BigInteger)
_earlier = handed_in.alias("earlier")
ADD_FILE = Added(handed_in)
ADD_PART = Added(handed_in_part)
OWN_FILE = Statement(
    select(handed_in.c.body, handed_in.c.state, handed_in.c.records, handed_in.c.expires).where(
        handed_in.c.id == _ID, handed_in.c.owner == _OWNER, handed_in.c.state != ARRIVING, handed_in.c.expires > _AT
    )
)
BODY = Statement(select(handed_in.c.body).where(handed_in.c.id == _ID))
# An agency's files are loaded in the order in which they came: none while an earlier one is not in.
DUE = Statement(
    select(handed_in.c.id, handed_in.c.leased_until)
    .where(
        handed_in.c.state == WAITING,
        handed_in.c.leased_until < _AT,
        ~select(_earlier.c.id)
        .where(_earlier.c.agency == handed_in.c.agency, _earlier.c.state == WAITING, _earlier.c.asked < handed_in.c.asked)
        .exists(),
    )
    .order_by(handed_in.c.asked)
)
WAITING_OF = Statement(
    select(func.count())
    .select_from(handed_in)
    .where(handed_in.c.agency == bindparam("agency", type_=Text), handed_in.c.state != ENDED, handed_in.c.expires > _AT)
)
TAKE_IN = Statement(
    update(handed_in)
    .where(handed_in.c.id == _ID, handed_in.c.state == ARRIVING)
    .values(
        state=WAITING, body=bindparam("sealed", type_=LargeBinary), asked=bindparam("now", type_=BigInteger), expires=FOR_EVER
    )
)
# Leased, told how far it is, and settled only by who has it.
MOVE = Statement(
    update(handed_in)
    .where(handed_in.c.id == _ID, handed_in.c.state == WAITING, handed_in.c.leased_until == bindparam("was", type_=BigInteger))
    .values(leased_until=bindparam("until", type_=BigInteger), records=bindparam("so_many", type_=Integer))
)
SETTLE = Statement(
    update(handed_in)
    .where(handed_in.c.id == _ID, handed_in.c.state == WAITING, handed_in.c.leased_until == bindparam("was", type_=BigInteger))
    .values(state=ENDED, body=bindparam("sealed", type_=LargeBinary), expires=bindparam("until", type_=BigInteger))
)
COUNT_TRY = Statement(update(handed_in).where(handed_in.c.id == _ID).values(tries=handed_in.c.tries + 1))
TRIES = Statement(select(handed_in.c.tries).where(handed_in.c.id == _ID))
DROP_FILE = Statement(delete(handed_in).where(handed_in.c.id == _ID, handed_in.c.owner == _OWNER, handed_in.c.state != ARRIVING))
DROP_ARRIVING = Statement(delete(handed_in).where(handed_in.c.id == _ID, handed_in.c.state == ARRIVING))
FORGET_FILES = Statement(delete(handed_in).where(handed_in.c.expires < _AT))
PART = Statement(
    select(handed_in_part.c.body).where(
        handed_in_part.c.file == _ID, handed_in_part.c.number == bindparam("number", type_=Integer)
    )
)
# Parts of files that are in, or are not there any more.
LEFT_OVER = Statement(
    select(handed_in_part.c.file, handed_in_part.c.number)
    .where(~select(handed_in.c.id).where(handed_in.c.id == handed_in_part.c.file, handed_in.c.state != ENDED).exists())
    .limit(SWEPT)
)
DROP_PART = Statement(
    delete(handed_in_part).where(handed_in_part.c.file == _ID, handed_in_part.c.number == bindparam("number", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Held:
    """That a worker has a file until a time, and how many of its records are in."""

    id: str
    was: int
    until: int
    records: int


def keep_file(_: Any, row: dict[str, Any], _moment: Moment) -> Generator[Any, Any, Upkeep[None]]:
    """A file begins to arrive. Nothing of it is taken before all of it has."""
    yield from ()
    return Upkeep(None, (Write(ADD_FILE, row),))


def keep_part(_: Any, row: dict[str, Any], _moment: Moment) -> Generator[Any, Any, Upkeep[None]]:
    """A sealed part of a file that arrives."""
    yield from ()
    return Upkeep(None, (Write(ADD_PART, row),))


def drop_arriving(_: Any, file: str, _moment: Moment) -> Generator[Any, Any, Upkeep[None]]:
    """A file that did not arrive as a whole is nothing."""
    yield from ()
    return Upkeep(None, (Write(DROP_ARRIVING, {"file_id": file}),))


def hold_file(_: Any, held: Held, _moment: Moment) -> Generator[Any, Any, Upkeep[bool]]:
    """Take a file for a while, or keep it for longer; false where another worker has it, or it was given up by its sender."""
    moved = yield Write(MOVE, {"file_id": held.id, "was": held.was, "until": held.until, "so_many": held.records})
    return Upkeep(moved == 1)


def count_try(_: Any, file: str, _moment: Moment) -> Generator[Any, Any, Upkeep[int]]:
    """One more try at a file that could not be loaded; gives how many there were."""
    yield Write(COUNT_TRY, {"file_id": file})
    rows = yield Read(TRIES, {"file_id": file})
    return Upkeep(rows[0][0] if rows else 0)


def sweep(_: Any, _nothing: None, _moment: Moment) -> Generator[Any, Any, Upkeep[int]]:
    """Delete some parts that nobody needs any more; gives how many."""
    left = yield Read(LEFT_OVER)
    for file, number in left:
        yield Write(DROP_PART, {"file_id": file, "number": number}, later=True)
    return Upkeep(len(left))
