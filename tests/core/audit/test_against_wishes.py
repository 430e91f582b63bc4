"""Disclosures that passed over a wish: which of them needs a second look first, and in which words that is said."""

from __future__ import annotations

import pytest

from gateway.audit.against_wishes import WEIGHTS, WORDS, Review, Told, score, standing

NOW, DUE = 1_000, 500
ALL, SOME = frozenset({"existence", "status"}), frozenset({"diagnosis"})
IN_ORDER = Review(closed=900, outcome="in-order")


@pytest.mark.parametrize(
    ("told", "review", "points", "reasons"),
    [
        (Told(SOME, danger=False, has_case=True, times=1), IN_ORDER, 10, ("duty",)),
        (Told(SOME, danger=False, has_case=True, times=1), Review(), 30, ("not-reviewed", "duty")),
        (Told(SOME, danger=False, has_case=False, times=1), IN_ORDER, 25, ("no-case", "duty")),
        (Told(ALL, danger=False, has_case=True, times=1), IN_ORDER, 30, ("refused-outright", "duty")),
        (Told(ALL, danger=True, has_case=True, times=1), Review(due=NOW + 1), 80,
         ("danger-claimed", "not-reviewed", "refused-outright")),
        (Told(SOME, danger=True, has_case=True, times=1), Review(due=DUE), 90, ("danger-claimed", "overdue", "not-reviewed")),
        (Told(SOME, danger=True, has_case=True, times=1), Review(closed=900, outcome="passed-on"), 100,
         ("not-in-order", "danger-claimed")),
        (Told(SOME, danger=False, has_case=True, times=1), Review(due=NOW + 1, after_a_wish=True), 80,
         ("after-a-wish", "not-reviewed", "duty")),
        (Told(SOME, danger=False, has_case=True, times=3), IN_ORDER, 20, ("duty",)),
        (Told(SOME, danger=False, has_case=True, times=99), IN_ORDER, 30, ("duty",)),
    ],
)  # fmt: skip
def test_what_most_needs_a_look(told: Told, review: Review, points: int, reasons: tuple[str, ...]) -> None:
    """Each reason has a weight; the same user again adds to it, up to a limit; what was found in order needs it least."""
    assert score(told, review, NOW) == (points, reasons)


def test_every_reason_has_words() -> None:
    """A row without a sentence would be a number to believe in."""
    assert WEIGHTS.keys() == WORDS.keys()


@pytest.mark.parametrize(
    ("review", "word"),
    [
        (Review(), "None was opened"),
        (Review(due=NOW + 1), "Open"),
        (Review(due=DUE), "Overdue"),
        (IN_ORDER, "Closed"),
        (Review(closed=900, due=DUE, outcome="passed-on"), "Closed"),
    ],
)
def test_how_a_review_stands(review: Review, word: str) -> None:
    """One that was closed late is closed."""
    assert standing(review, NOW) == word
