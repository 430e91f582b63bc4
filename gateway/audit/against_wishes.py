"""Disclosures that passed over a wish: how much each one needs a second look, with the reasons.

Under a duty, or where danger to life is claimed, a wish that refuses does not stand in the way of an answer. That is lawful,
and seldom enough that each one can be looked at: the ranking says where to begin, and is no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

AGAINST_WISH: Final = "against-wish"  # detail of an entry: the classes that may leave though a wish on record refuses them
OBLIGATION: Final = "obligation"  # detail beside it: what was asked of whoever heard it

WEIGHTS: Final = {
    "not-in-order": 60,
    "after-a-wish": 50,
    "danger-claimed": 40,
    "overdue": 30,
    "not-reviewed": 20,
    "refused-outright": 20,
    "no-case": 15,
    "duty": 10,
}
AGAIN: Final = 5  # for each further time that the same user was told so of the same person
MOST_AGAIN: Final = 20
WORDS: Final = {
    "not-in-order": "a second person found it not in order, or passed it on",
    "after-a-wish": "the same user had asked on the wish the day before, and was told nothing",
    "danger-claimed": "danger to life was claimed",
    "overdue": "its review is overdue",
    "not-reviewed": "nobody has reviewed it",
    "refused-outright": "the wish refuses that they are known at all",
    "no-case": "no case was named",
    "duty": "a duty stands before a wish",
}


class Told(NamedTuple):
    """One disclosure: the classes that the wish refuses, and what is known of how it came about."""

    classes: frozenset[str]
    danger: bool
    has_case: bool
    times: int  # how often the user was told so of the person


@dataclass(frozen=True, slots=True)
class Review:
    """What came of the items that were opened for a disclosure in the agency's own queue."""

    closed: int = 0  # when the last one was; 0 where one is open, or none was opened
    due: int = 0  # of the one that is open
    outcome: str = ""  # of those that are closed; one that is not in order counts before others
    after_a_wish: bool = False  # whether one of them is of a duty claimed after a wish

    def is_overdue(self, now: int) -> bool:
        """Whether somebody should have closed it by now."""
        return not self.closed and 0 < self.due < now


class Scored(NamedTuple):
    """How much it needs a look, and why: codes of ``WORDS``."""

    score: int
    reasons: tuple[str, ...]


def score(told: Told, review: Review, now: int) -> Scored:
    """Every disclosure has a reason at least: what made it lawful."""
    holds = {
        "not-in-order": review.outcome not in ("", "in-order"),
        "after-a-wish": review.after_a_wish,
        "danger-claimed": told.danger,
        "overdue": review.is_overdue(now),
        "not-reviewed": not review.closed,
        "refused-outright": "existence" in told.classes,
        "no-case": not told.has_case,
        "duty": not told.danger,
    }
    reasons = tuple(name for name in WEIGHTS if holds[name])
    again = min(AGAIN * (told.times - 1), MOST_AGAIN)
    return Scored(sum(WEIGHTS[one] for one in reasons) + again, reasons)


def standing(review: Review, now: int) -> str:
    """What came of a review, in a word."""
    if review.closed:
        return "Closed"
    if review.is_overdue(now):
        return "Overdue"
    return "Open" if review.due else "None was opened"
