"""FHIR dates and times of any precision, as the half-open interval of UTC time that they state."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DATE_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)
PRECISION = {5: 60.0, 8: 1.0, 9: 0.001}  # seconds that a time of day lasts, by how it is written: 12:00, 12:00:00, 12:00:00.
WHOLE_DATE = 10  # characters
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)  # where "for ever" (9999-12-31) ends


def bounds(text: str) -> tuple[datetime, datetime]:
    """First moment, and first moment after, of a FHIR date or dateTime. Raises ValueError, whatever is given.

    A time without a zone is taken as UTC. What would end after the year 9999 ends at LAST.
    """
    if not isinstance(text, str):
        raise ValueError("not a FHIR date or dateTime")  # noqa: TRY004 - one error for whatever cannot be read
    return _bounds(text)


@lru_cache(maxsize=4096)
def _bounds(text: str) -> tuple[datetime, datetime]:
    match = DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a FHIR date or dateTime")
    if match["clock"]:
        return _moment(text, PRECISION[len(match["clock"][:9])])
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    start = datetime(year, month, day, tzinfo=UTC)
    if match["day"]:
        return start, _later(start, timedelta(days=1))
    months = 1 if match["month"] else 12
    if year * 12 + month + months > 9999 * 12 + 12:
        return start, LAST
    return start, start.replace(year=year + (month + months - 1) // 12, month=(month + months - 1) % 12 + 1)


def _moment(text: str, seconds: float) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(text.replace("Z", "+00:00"))
    aware = start if start.tzinfo else start.replace(tzinfo=UTC)
    try:
        first = aware.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside of the years 1 to 9999") from None
    return first, _later(first, timedelta(seconds=seconds))


def _later(start: datetime, span: timedelta) -> datetime:
    return LAST if LAST - start <= span else start + span


def period_bounds(period: dict[str, str] | None) -> tuple[datetime, datetime]:
    """The interval of a Period: inclusive to the end of its stated precision. Raises ValueError.

    An edge that is said to be unknown (only its extension is there) is no open edge: that raises too.
    """
    if not period:
        return FIRST, LAST
    if any(f"_{edge}" in period and not period.get(edge) for edge in ("start", "end")):
        raise ValueError("an edge of the period is not known")
    start = bounds(period["start"])[0] if period.get("start") else FIRST
    end = bounds(period["end"])[1] if period.get("end") else LAST
    return start, end


def first_day(text: str | None) -> date | None:
    """The day that a date or dateTime names (its first, where it names a month or year); None if there is none."""
    return _first_day(text) if text and isinstance(text, str) else None


def last_day(text: object) -> date | None:
    """The last day that a date or dateTime may mean; None where it cannot be read."""
    try:
        return (bounds(text)[1] - timedelta(microseconds=1)).date() if isinstance(text, str) else None
    except ValueError:
        return None


def whole_day(text: object) -> date | None:
    """The day of a whole date (YYYY-MM-DD); None for a month, a year, a time and whatever else is no such date."""
    return _first_day(text) if isinstance(text, str) and len(text) == WHOLE_DATE else None


@lru_cache(maxsize=4096)
def _first_day(text: str) -> date | None:
    try:
        if len(text) == WHOLE_DATE and text[7] == "-":  # a whole date is by far the most common
            return date.fromisoformat(text)
        return _bounds(text)[0].date()
    except ValueError:
        return None


def age_on(birth: date, on: date) -> int:
    """Whole years of age on a day."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
