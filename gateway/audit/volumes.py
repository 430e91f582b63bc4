"""Volumes against what is usual: the last seven days of a source against the weeks before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final, Generic, TypeVar

WEEKS: Final = 8  # before the last one
DAY: Final = 86_400_000_000
WEEK: Final = 7 * DAY
LEAST: Final = 5  # lookups in a week below which nobody stands out

Source = TypeVar("Source", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Volume(Generic[Source]):
    """What one source asked. ``usual`` is the median of the weeks before; ``times`` the last week over it (at least one)."""

    source: Source
    week: int
    usual: float
    busiest: int  # the hour of the last week with most
    most: int
    days: tuple[int, ...]  # of the last seven days, oldest first

    @property
    def times(self) -> float:
        return self.week / max(self.usual, 1)

    @property
    def stands_out(self) -> bool:
        """Twice the usual, where it is more than a handful."""
        return self.week >= LEAST and self.times >= 2


def volumes(counts: Iterable[tuple[Source, int, int]], until: int) -> list[Volume[Source]]:
    """Of counts by source and hour, up to ``until``; who stands out most first. Sources that asked nothing last week are left out."""
    weeks: dict[Source, list[int]] = defaultdict(lambda: [0] * (WEEKS + 1))
    days: dict[Source, list[int]] = defaultdict(lambda: [0] * 7)
    busiest: dict[Source, tuple[int, int]] = {}
    for source, hour, count in counts:
        age = until - 1 - hour
        week = age // WEEK
        if 0 <= week <= WEEKS:
            weeks[source][week] += count
        if week == 0:
            days[source][6 - age // DAY] += count
            busiest[source] = max(busiest.get(source, (0, 0)), (count, hour))
    found = [
        Volume(source, week, float(median(before)), busiest[source][1], busiest[source][0], tuple(days[source]))
        for source, (week, *before) in weeks.items()
        if week
    ]
    return sorted(found, key=lambda one: (not one.stands_out, -one.times, -one.week, str(one.source)))
