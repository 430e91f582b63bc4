"""Working days: Monday to Friday, without the bank holidays of England and Wales as far as they are listed.

Compiled from ``mappings/bank_holidays.toml``. In a year that is not listed a bank holiday counts as a working day: what
is due is due early, never late.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from gateway.disclosure.purposes import PolicyFault
from gateway.disclosure.wording import SHIPPED

SATURDAY = 5
A_DAY = timedelta(days=1)
FEWEST = 8  # bank holidays of a year


@dataclass(frozen=True, slots=True)
class Holidays:
    """Bank holidays, and the years of which all are listed."""

    days: frozenset[date]
    years: frozenset[int]

    def is_working(self, day: date) -> bool:
        """Whether a day is a working day."""
        return day.weekday() < SATURDAY and day not in self.days

    def after(self, day: date, count: int) -> date:
        """The day that is so many working days after another."""
        while count:
            day += A_DAY
            count -= self.is_working(day)
        return day

    def missing(self, first: date, last: date) -> tuple[int, ...]:
        """The years between two days of which no bank holiday is listed."""
        return tuple(year for year in range(first.year, last.year + 1) if year not in self.years)


def load_holidays(path: Path) -> Holidays:
    """The table of a file. Raises PolicyFault naming the file and the year."""
    try:
        listed = tomllib.loads(path.read_bytes().decode())["years"]
        years = {int(year): days for year, days in listed.items()}
    except (OSError, ValueError, KeyError, AttributeError) as fault:
        raise PolicyFault(f"{path}: {fault!r}") from fault
    faults = [f"{year}: {text}" for year, days in years.items() for text in _faults(year, days)]
    if faults:
        raise PolicyFault(f"{path}: {'; '.join(faults)}")
    return Holidays(frozenset(day for days in years.values() for day in days), frozenset(years))


def _faults(year: int, days: object) -> list[str]:
    if not isinstance(days, list) or any(type(day) is not date for day in days):
        return ["a list of dates is due"]
    found = [f"{day} is not of this year" for day in days if day.year != year]
    found += [f"{day} is no weekday: its substitute is listed" for day in days if day.weekday() >= SATURDAY]
    return found + ([] if len(set(days)) >= FEWEST else [f"a year has at least {FEWEST} bank holidays"])


@cache
def shipped_holidays() -> Holidays:
    """The table that comes with the gateway."""
    return load_holidays(SHIPPED.parent / "bank_holidays.toml")
