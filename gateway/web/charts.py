"""Charts as shapes: where each bar stands. A template draws them, and puts the same figures in a table beside them.

Pure. Lengths are in the units of the picture's ``viewBox``; nothing in a picture is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LABELS: Final = 220  # width of the column of names
LENGTH: Final = 380  # of the longest bar
FIGURES: Final = 120  # room for the figure behind it
ROW: Final = 34
BAR: Final = 12
NAMED: Final = 28  # letters of a name that fit
COLUMN: Final = 18
TALL: Final = 90


@dataclass(frozen=True, slots=True)
class Bar:
    """A source with two bars: what it asked, and what is usual for it."""

    name: str
    y: int
    length: int
    usual: int
    figure: str
    stands_out: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of lying bars."""

    width: int
    height: int
    rows: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """A chart of standing bars, one for each day: x, y, height and the day's count."""

    width: int
    height: int
    days: tuple[tuple[int, int, int, int], ...]


def bars(sources: Iterable[tuple[str, int, int, bool]]) -> Bars:
    """Of name, count, usual count and whether it stands out, in the order given."""
    listed = list(sources)
    most = max((max(count, usual) for _, count, usual, _ in listed), default=0) or 1
    rows = tuple(
        Bar(_short(name), ROW * place, count * LENGTH // most, usual * LENGTH // most, f"{count} ({usual})", stands_out)
        for place, (name, count, usual, stands_out) in enumerate(listed)
    )
    return Bars(LABELS + LENGTH + FIGURES, ROW * len(rows), rows)


def columns(counts: Sequence[int]) -> Columns:
    """Of counts day by day, oldest first."""
    most = max(counts, default=0) or 1
    heights = [-(-count * TALL // most) for count in counts]
    days = tuple(
        (COLUMN * place, TALL - tall, tall, count) for place, (tall, count) in enumerate(zip(heights, counts, strict=True))
    )
    return Columns(COLUMN * len(days), TALL, days)


def _short(name: str) -> str:
    return name if len(name) <= NAMED else f"{name[: NAMED - 1]}…"
