"""Whose word counts for a child: who holds parental responsibility, dated; the competent child; from sixteen alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.disclosure.decision import Tie
from tests.core.disclosure.made import (
    ALL,
    FATHER,
    GRAN,
    HOLDER,
    ME,
    MOTHER,
    THIRD,
    WARD,
    child,
    consent,
    extension,
    refused,
    rule,
    shared,
    subject,
    tie,
    while_inpatient,
)

YES, NO = consent(rule("permit"), by=MOTHER), consent(rule("deny"), by=MOTHER)
MADE = "2026-11-01"


def on(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


HELD: list[tuple[str, list[Tie], bool]] = [
    ("on record", [tie()], True),
    ("told by another agency than the holder", [tie(source=THIRD)], True),
    ("told by the asker alone", [tie(source=WARD)], False),
    ("told by the asker and by another", [tie(source=WARD), tie(source=THIRD)], True),
    ("told by who is not sure that she is the mother", [tie(confirmed=False)], False),
    ("told by one who is not sure and by one who is", [tie(confirmed=False), tie(source=THIRD)], True),
    ("since before she spoke", [tie(responsible_from=on("2026-10-01"))], True),
    ("since after she spoke", [tie(responsible_from=on("2026-11-10"))], False),
    ("ended since", [tie(responsible_until=on("2026-11-20"))], False),
    ("ended before she spoke", [tie(responsible_until=on("2026-10-01"))], False),
    ("ending next year", [tie(responsible_until=on("2027-10-01"))], True),
    ("not stated", [tie(responsibility="")], False),
    ("on record as not", [tie(responsibility="no")], False),
    ("one agency says yes, another no", [tie(), tie(source=THIRD, responsibility="no")], False),
    ("one agency says ended", [tie(), tie(source=THIRD, responsible_until=on("2026-11-02"))], False),
    ("even where only the asker says no", [tie(), tie(source=WARD, responsibility="no")], False),
    ("for another child", [Tie("system|other", frozenset({MOTHER}), "MTH", HOLDER, "yes")], False),
    ("somebody else's", [tie(other=FATHER)], False),
    ("nobody's", [], False),
    ("by another of her numbers", [Tie(ME, frozenset({"local|77", MOTHER}), "MTH", HOLDER, "yes")], True),
]


@pytest.mark.parametrize(("ties", "opens"), [case[1:] for case in HELD], ids=[case[0] for case in HELD])
def test_a_parent_permits_where_responsibility_was_held_when_she_spoke_and_is_held_now(ties: list[Tie], opens: bool) -> None:
    """Children Act 1989 section 3: kinship alone gives nobody a say."""
    assert shared(YES, of=child(), ties=tuple(ties)) == (ALL if opens else frozenset())
    assert shared(YES, of=child(), ties=tuple(reversed(ties))) == (ALL if opens else frozenset())


@pytest.mark.parametrize(
    ("ties", "holds"),
    [
        ((tie(),), True),
        ((), True),
        ((tie(responsibility=""),), True),
        ((tie(responsibility="no"),), False),
        ((tie(responsible_until=on("2026-11-20")),), False),
        ((tie(responsibility="no"), tie(source=THIRD)), True),
    ],
)
def test_a_refusal_counts_unless_it_is_certain_that_its_maker_has_no_say(ties: tuple[Tie, ...], holds: bool) -> None:
    """Who is on record as not, or no longer, responsible cannot keep help from the child; in doubt the refusal holds."""
    fathers = (*ties, tie(other=FATHER))
    allowed = consent(rule("permit"), by=FATHER)
    assert shared(NO, allowed, of=child(), ties=fathers) == (frozenset() if holds else ALL)


def test_refusal_wins_among_holders() -> None:
    """Two parents, two answers: nothing is shared."""
    both = (tie(), tie(other=FATHER))
    assert refused(YES, consent(rule("deny"), by=FATHER), of=child(), ties=both) == "wishes-conflict"


def test_a_grandparent_has_no_say_without_parental_responsibility() -> None:
    """Nor with kinship alone; with it she has."""
    hers = consent(rule("permit"), by=GRAN)
    assert refused(hers, of=child(), ties=(Tie(ME, frozenset({GRAN}), "GRMTH", HOLDER),)) == "wish-missing"
    assert shared(hers, of=child(), ties=(Tie(ME, frozenset({GRAN}), "GRMTH", HOLDER, "yes"),)) == ALL


@pytest.mark.parametrize(("birth", "left"), [("2010-11-21", False), ("2010-11-22", True), (None, False)])
def test_from_sixteen_on_the_young_person_alone_decides(birth: str | None, left: bool) -> None:
    """On the birthday itself; where the birth date is not known no parent's permission counts."""
    born = date.fromisoformat(birth) if birth else None
    assert shared(YES, of=subject(birth_date=born), ties=(tie(),)) == (ALL if left else frozenset())


def test_from_sixteen_on_nobody_else_refuses() -> None:
    """A parent's refusal no longer reaches the record of a young person who has agreed; it does before."""
    own = consent(rule("permit"), extension=[extension("capacity", "had")])
    assert shared(own, NO, of=child(16), ties=(tie(),)) == ALL
    assert refused(own, NO, of=child(15), ties=(tie(),)) == "wishes-conflict"
    assert refused(own, NO, of=subject(birth_date=None), ties=(tie(),)) == "wishes-conflict"


@pytest.mark.parametrize("kind", ["attorney", "deputy", "best-interests"])
def test_who_decides_for_an_adult_may_refuse_but_not_permit(kind: str) -> None:
    """What an attorney or deputy may open cannot be seen here; what they keep back is kept back."""
    own = consent(rule("permit"))
    theirs = consent(rule("deny"), by=MOTHER, extension=[extension("wish-kind", kind)])
    assert refused(own, theirs) == "wishes-conflict"
    assert refused(consent(rule("permit"), by=MOTHER, extension=[extension("wish-kind", kind)])) == "wish-missing"


@pytest.mark.parametrize(("capacity", "left"), [("had", True), ("not-assessed", False), ("lacked", False), ("", False)])
def test_a_child_under_sixteen_permits_where_competence_is_on_record(capacity: str, left: bool) -> None:
    """Gillick v West Norfolk: somebody has judged that this child understands."""
    more: dict[str, Any] = {"extension": [extension("capacity", capacity)]} if capacity else {}
    assert shared(consent(rule("permit"), **more), of=child(14)) == (ALL if left else frozenset())


def test_a_child_may_always_refuse() -> None:
    """Whatever the age, and beside a parent's permission."""
    assert refused(YES, consent(rule("deny")), of=child(8), ties=(tie(),)) == "wishes-conflict"


@pytest.mark.parametrize(
    ("inpatient", "left"), [({MOTHER: True}, True), ({MOTHER: False}, False), ({ME: True}, False), ({}, False)]
)
def test_a_mothers_leave_for_the_time_of_her_stay_hangs_on_her_stay(inpatient: dict[str, bool], left: bool) -> None:
    """Not on the child's."""
    made = consent(rule("deny", rule("permit", modifierExtension=while_inpatient())), by=MOTHER)
    assert shared(made, of=child(inpatient=inpatient), ties=(tie(),)) == (ALL if left else frozenset())
