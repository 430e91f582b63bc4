"""Roots of parts of the tree out of kept ones: which full subtrees make up a range, and how their roots are put together.

Beside the leaves (level 0), roots of full subtrees of 256 leaves, of 256 of those, and so on, are kept. A proof in a log
of ten million entries then takes some hundred hashes to make instead of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, NamedTuple

from gateway.audit.merkle import EMPTY_ROOT, Frontier, Range, node_hash

LEVELS: Final = (8, 16, 24)
FAN: Final = 8  # from one kept level to the next, in powers of two


class Kept(NamedTuple):
    """Kept hashes, side by side: those of ``level`` at places from ``first`` to before ``after``."""

    level: int
    first: int
    after: int


def kept_for(part: Range) -> tuple[Kept, ...]:
    """What to fetch for the root of a range of a proof: one line for each full subtree in it, largest first."""
    first, after = part
    found = []
    while first < after:
        height = (after - first).bit_length() - 1
        level = max(one for one in (0, *LEVELS) if one <= height)
        found.append(Kept(level, first >> level, (first + (1 << height)) >> level))
        first += 1 << height
    return tuple(found)


def root_of(subtrees: Sequence[Sequence[bytes]]) -> bytes:
    """The root of a range from the kept hashes of its full subtrees."""
    roots = [Frontier().extend(hashes).root() for hashes in subtrees]
    return reduce(lambda right, left: node_hash(left, right), reversed(roots)) if roots else EMPTY_ROOT


def full_roots(hashes: Sequence[bytes]) -> list[bytes]:
    """The roots of the full subtrees one kept level higher."""
    width = 1 << FAN
    return [Frontier().extend(hashes[at : at + width]).root() for at in range(0, len(hashes) - width + 1, width)]


def is_whole(kept: Kept, places: Iterable[int]) -> bool:
    """Whether these are all the places that were asked for, in order."""
    return list(places) == list(range(kept.first, kept.after))
