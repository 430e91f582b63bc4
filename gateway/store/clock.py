"""Time as the store keeps it: microseconds since 1970 UTC."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """This moment by the system's clock."""
    return time.time_ns() // 1000


def instant(micros: int) -> str:
    """A FHIR instant to the millisecond, always of the same length."""
    seconds, rest = divmod(micros, SECOND)
    return f"{_second(seconds)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@lru_cache(maxsize=16)  # exchanges of a batch share theirs
def moment(micros: int) -> datetime:
    """A stored time with its zone, UTC."""
    return EPOCH + timedelta(microseconds=micros)


def day(micros: int) -> date:
    """The UTC day of a stored time."""
    return moment(micros).date()


def micros(stated: datetime) -> int:
    """Microseconds of a time with a zone; a time without one is taken as UTC."""
    aware = stated if stated.tzinfo else stated.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
