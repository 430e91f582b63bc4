"""FHIR dates and times of any precision, as the half-open interval of UTC time that they state."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DATE_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)


@lru_cache(maxsize=4096)
def bounds(text: str) -> tuple[datetime, datetime]:
    """First moment, and first moment after, of a FHIR date or dateTime. Raises ValueError."""
    match = DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a FHIR date or dateTime")
    if match["clock"]:
        start = datetime.fromisoformat(text.replace("Z", "+00:00"))
        aware = start if start.tzinfo else start.replace(tzinfo=UTC)
        whole_second = "." not in match["clock"]
        return aware.astimezone(UTC), (aware + timedelta(seconds=1 if whole_second else 0.001)).astimezone(UTC)
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    start = datetime(year, month, day, tzinfo=UTC)
    if match["day"]:
        return start, start + timedelta(days=1)
    if match["month"]:
        return start, _next_month(start)
    return start, start.replace(year=year + 1)


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


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


@lru_cache(maxsize=4096)
def first_day(text: str | None) -> date | None:
    """The day that a date or dateTime names (its first, where it names a month or year); None if there is none."""
    if not text:
        return None
    try:
        if isinstance(text, str) and len(text) == 10 and text[7] == "-":  # a whole date is by far the most common
            return date.fromisoformat(text)
        return bounds(text)[0].date()
    except ValueError:
        return None


def age_on(birth: date, on: date) -> int:
    """Whole years of age on a day."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
