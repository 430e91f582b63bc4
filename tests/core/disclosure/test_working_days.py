"""Working days and bank holidays of England and Wales."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.disclosure.purposes import PolicyFault
from gateway.disclosure.working_days import load_holidays, shipped_holidays


def easter(year: int) -> date:
    """Easter Sunday (the anonymous Gregorian computation)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    skipped, kept = divmod(century, 4)
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - skipped - shift + 15) % 30
    weekday = (32 + 2 * kept + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@pytest.mark.parametrize("year", [2024, 2025, 2026, 2027])
def test_the_listed_days_follow_the_rules_of_england_and_wales(year: int) -> None:
    """New Year, Good Friday and Easter Monday, the three Mondays, Christmas and Boxing Day with their substitutes."""
    listed = sorted(day for day in shipped_holidays().days if day.year == year)
    sunday = easter(year).toordinal()
    mondays = [day for day in listed if day.month in (5, 8)]
    assert len(listed) == 8
    assert listed[0] == date(year, 1, 1)
    assert [day.toordinal() - sunday for day in listed[1:3]] == [-2, 1]
    assert [(day.weekday(), day.month) for day in mondays] == [(0, 5), (0, 5), (0, 8)]
    assert [mondays[0].day <= 7, mondays[1].day > 24, mondays[2].day > 24] == [True] * 3
    assert all(day.weekday() < 5 and day.day in (25, 26, 27, 28) for day in listed[6:])


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        ("2026-12-18", 10, "2027-01-06"),
        ("2026-03-30", 10, "2026-04-15"),
        ("2026-06-01", 10, "2026-06-15"),
        ("2028-12-22", 2, "2028-12-26"),
    ],
    ids=["over Christmas and New Year", "over Easter", "with none between", "in a year that is not listed: early"],
)
def test_so_many_working_days_later(start: str, count: int, due: str) -> None:
    """Weekends and listed bank holidays do not count."""
    assert shipped_holidays().after(date.fromisoformat(start), count) == date.fromisoformat(due)


def test_years_that_are_not_listed_are_named() -> None:
    """So that somebody adds them."""
    assert shipped_holidays().missing(date(2027, 12, 1), date(2028, 1, 5)) == (2028,)
    assert shipped_holidays().missing(date(2026, 12, 1), date(2027, 1, 5)) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[years]\n2026 = [2026-01-01]\n", "2026: a year has at least 8"),
        ("[years]\n2026 = [2025-01-01]\n", "2025-01-01 is not of this year"),
        ("[years]\n2026 = [2026-12-26]\n", "2026-12-26 is no weekday"),
        ('[years]\n2026 = ["2026-01-01"]\n', "2026: a list of dates is due"),
        ("[years]\nnext = []\n", "next"),
        ("years = 3\n", "bank_holidays.toml"),
        ("[year]\n", "years"),
    ],
)
def test_a_bad_table_refuses_to_start_and_names_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    """File and year."""
    path = tmp_path / "bank_holidays.toml"
    path.write_text(text)
    with pytest.raises(PolicyFault, match=r"bank_holidays\.toml") as raised:
        load_holidays(path)
    assert fault in str(raised.value)
