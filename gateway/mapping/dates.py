"""Dates as agencies write them, read into FHIR dates; times of HL7 v2, read into FHIR instants.

Day-first is the only order read where a slash or hyphen separates (this is the United Kingdom); year-first is
the other. Two-digit years and month names are refused.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from gateway.mapping.values import NOTHING, Unusable

YEAR_FIRST = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ].{0,30})?")
DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[T ].{0,30})?")
COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?")
HL7_TIME = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.\d{1,6})?)?)?)?)?)?\s*([+-]\d{4})?")
EARLIEST, LATEST = 1850, 2200
UNREADABLE: Final = "The date cannot be read: write YYYY-MM-DD, DD/MM/YYYY or YYYYMMDD."


def full_date(value: Any) -> str:
    """A day as ``YYYY-MM-DD``."""
    if not isinstance(value, str):
        raise Unusable(UNREADABLE)
    text = value.strip()
    if len(text) == 10 and text[4] == "-" == text[7]:
        return checked(text[:4], text[5:7], text[8:])
    found = YEAR_FIRST.fullmatch(text) or COMPACT.fullmatch(text)
    if found:
        return checked(found[1], found[2], found[3])
    found = DAY_FIRST.fullmatch(text)
    if found is None:
        raise Unusable(UNREADABLE)
    return checked(found[3], found[2], found[1])


def checked(year: str, month: str, day: str) -> str:
    """The ISO form of a day that exists, in a year that a living person's record can name."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        raise Unusable(UNREADABLE) from None
    if not EARLIEST <= found.year <= LATEST:
        raise Unusable(f"The year must be between {EARLIEST} and {LATEST}.")
    return found.isoformat()


def partial_date(value: Any) -> str:
    """A day, or only the month or year that is known (FHIR date)."""
    found = PARTIAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return full_date(value)
    day = checked(found[1], found[2] or "01", "01")
    return day[:7] if found[2] else day[:4]


def hl7_date(value: Any) -> str:
    """The date of an HL7 v2 TS, DT or DTM, as exact as it was sent."""
    found = HL7_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return full_date(value)
    day = checked(found[1], found[2] or "01", found[3] or "01")
    return day if found[3] else day[:7] if found[2] else day[:4]


def hl7_instant(text: str) -> str:
    """A FHIR dateTime with its offset, or a date where no time was sent. No offset means United Kingdom time."""
    found = HL7_TIME.fullmatch(text.strip())
    if found is None or found[4] is None:
        return hl7_date(text)
    day = checked(found[1], found[2], found[3])
    clock = f"{found[4]}:{found[5] or '00'}:{found[6] or '00'}"
    moment = local_time(f"{day}T{clock}")
    offset = f"{found[7][:3]}:{found[7][3:]}" if found[7] else uk_offset(moment)
    return f"{day}T{clock}{offset}"


def local_time(text: str) -> datetime:
    """A clock time that exists."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unusable("The time cannot be read: write YYYYMMDDHHMMSS.") from None


def uk_offset(moment: datetime) -> str:
    """The offset of the United Kingdom: summer time runs between the last Sundays of March and October, 01:00 UTC."""
    start, end = (last_sunday(moment.year, month) + timedelta(hours=1) for month in (3, 10))
    return "+01:00" if start <= moment < end + timedelta(hours=1) else "+00:00"


def last_sunday(year: int, month: int) -> datetime:
    """The last Sunday of a month of 31 days."""
    last = datetime(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def past_birth_date(value: Any, on: date | None) -> str:
    """A birth date, full or partial, that is not after the day of receipt."""
    found = partial_date(value)
    if on is not None and found > on.isoformat()[: len(found)]:
        raise Unusable("A birth date cannot be in the future; an unborn child has an expected date of birth.")
    return found


def later(one: str, other: str) -> bool:
    """Whether a FHIR dateTime lies after another; compared as instants where both have an offset."""
    try:
        return instant(one) > instant(other)
    except ValueError:
        return one[:10] > other[:10]


def instant(text: str) -> datetime:
    """A FHIR instant in UTC."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no offset")
    return found.astimezone(UTC)


def month_of(value: Any) -> Any:
    """A date cut to its month: a last contact is never told to the day."""
    return full_date(value)[:7] if value else NOTHING
