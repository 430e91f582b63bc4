"""FHIR dates and times as the time that they state."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir.dates import FIRST, LAST, age_on, bounds, first_day, last_day, period_bounds


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year to microsecond in order, never the zone


BOUNDS = [
    ("2026", at(2026, 1, 1), at(2027, 1, 1)),
    ("2026-02", at(2026, 2, 1), at(2026, 3, 1)),
    ("2026-12", at(2026, 12, 1), at(2027, 1, 1)),
    ("2024-02-29", at(2024, 2, 29), at(2024, 3, 1)),
    ("2026-11-21T10:00Z", at(2026, 11, 21, 10), at(2026, 11, 21, 10, 1)),
    ("2026-11-21T10:00:00+01:00", at(2026, 11, 21, 9), at(2026, 11, 21, 9, 0, 1)),
    ("2026-11-21T10:00:00", at(2026, 11, 21, 10), at(2026, 11, 21, 10, 0, 1)),
    ("2026-11-21T10:00:00.5Z", at(2026, 11, 21, 10, 0, 0, 500_000), at(2026, 11, 21, 10, 0, 0, 501_000)),
    ("9999", at(9999, 1, 1), LAST),
    ("9999-12", at(9999, 12, 1), LAST),
    ("9999-12-31", at(9999, 12, 31), LAST),
    ("9999-12-31T23:59:59Z", at(9999, 12, 31, 23, 59, 59), LAST),
]


@pytest.mark.parametrize(("text", "first", "after"), BOUNDS)
def test_a_date_is_the_time_from_its_first_moment_to_the_first_after(text: str, first: datetime, after: datetime) -> None:
    """To its stated precision, in UTC; for ever ends with the calendar."""
    assert bounds(text) == (first, after)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "21.11.2026",
        "2026-13",
        "2026-02-30",
        "2026-11-21T25:00:00Z",
        "0000-01-01",
        "2026-W01-1",
        "9999-12-31T23:00:00-05:00",
        "0001-01-01T00:00:00+05:00",
        5,
        None,
        {},
        [],
    ],
)
def test_what_is_no_date_is_said_to_be_none(text: Any) -> None:
    """One error for whatever is given, so that a broken record breaks no answer."""
    with pytest.raises(ValueError, match=r".*"):
        bounds(text)
    assert first_day(text) is None


@given(st.text(alphabet="0123456789-T:Z+.", max_size=26))
def test_no_text_breaks_the_reading(text: str) -> None:
    """Either an interval that is not empty, or ValueError."""
    try:
        first, after = bounds(text)
    except ValueError:
        assert first_day(text) is None
    else:
        assert first < after
        assert first_day(text) == first.date()


def test_a_period_without_edges_is_always() -> None:
    """And one with an edge that is said to be unknown cannot be told."""
    assert period_bounds(None) == period_bounds({}) == (FIRST, LAST)
    assert period_bounds({"end": "2026"}) == (FIRST, at(2027, 1, 1))
    with pytest.raises(ValueError, match="not known"):
        period_bounds({"start": "2020", "_end": {"extension": []}})  # type: ignore[dict-item]  # as JSON brings it: an extension in place of text


@pytest.mark.parametrize(("on", "age"), [(date(2026, 11, 20), 15), (date(2026, 11, 21), 16), (date(2026, 11, 22), 16)])
def test_age_changes_on_the_birthday(on: date, age: int) -> None:
    """Whole years."""
    assert age_on(date(2010, 11, 21), on) == age


def test_who_was_born_on_a_leap_day_is_a_year_older_on_the_first_of_march() -> None:
    """In years without one."""
    assert [age_on(date(2008, 2, 29), date(2024, 2, day)) for day in (28, 29)] == [15, 16]
    assert [age_on(date(2008, 2, 29), on) for on in (date(2025, 2, 28), date(2025, 3, 1))] == [16, 17]


LAST_DAYS = [
    ("2008", date(2008, 12, 31)), ("2008-02", date(2008, 2, 29)), ("2008-02-03", date(2008, 2, 3)), ("9999", date(9999, 12, 31)),
    ("2008-13", None), ("soon", None), (None, None), (2008, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "last"), LAST_DAYS)
def test_the_last_day_that_is_meant(text: Any, last: date | None) -> None:
    """So that nobody whose birth is known by its year alone is made older."""
    assert last_day(text) == last
