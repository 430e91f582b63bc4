"""What changes to the code had gone unnoticed: edges that the other tests pass by (found by ``python -m tests.mutants``)."""

from __future__ import annotations

from datetime import UTC, date, datetime

from gateway.disclosure.decision import Tie
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.question import proven
from tests.core.disclosure.made import (
    ALL,
    FATHER,
    GRAN,
    HOLDER,
    ME,
    MOTHER,
    NOW,
    asked,
    child,
    consent,
    micros,
    person,
    refused,
    requester,
    role_actor,
    rule,
    shared,
    tie,
    while_inpatient,
)
from tests.core.disclosure.test_release import holding, involved, told

UNTIL = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_relationship_of_which_nothing_more_is_said_states_no_responsibility_and_is_confirmed() -> None:
    """So its person's refusal counts in doubt, and it proves a relationship."""
    bare = Tie(ME, frozenset({GRAN}), "GRMTH", HOLDER)
    assert refused(consent(rule("permit")), consent(rule("deny"), by=GRAN), of=child(), ties=(bare,)) == "wish-refused"
    assert proven((bare,), "TMH01")


def test_responsibility_ends_with_the_moment_that_it_lasts_until() -> None:
    """The end is the first moment after."""
    assert tie(responsible_until=UNTIL).held_responsibility(UNTIL) is False
    assert tie(responsible_until=UNTIL).held_responsibility(UNTIL.replace(hour=11)) is True
    assert tie(responsible_from=UNTIL).held_responsibility(UNTIL) is True
    assert tie(responsibility="no").held_responsibility(NOW) is False


def test_what_is_not_known_of_an_involvement_is_left_out() -> None:
    """No last contact, no start, a detail that the ladder does not have: the flag says what is left."""
    bare = involved("something-new", start=None, end=None)._replace(last_contact="", as_of="")
    (flag,) = told("status", "detail", of=holding(bare)).flags
    assert "extension" not in flag
    assert "period" not in flag
    assert [one["code"] for one in flag["code"]["coding"]] == ["active"]


def test_what_has_ended_says_when() -> None:
    """Beside when it began."""
    (flag,) = told("status", of=holding(involved(end=date(2026, 10, 1)))).flags
    assert flag["period"] == {"start": "2026-01-05", "end": "2026-10-01"}
    assert flag["status"] == "inactive"


def test_leave_for_all_is_all() -> None:
    """The measure of the tests above: without anything in the way everything leaves."""
    assert shared(consent(rule("permit"))) == ALL


def test_a_statement_whose_very_frame_cannot_be_read_refuses_beside_a_sound_permission() -> None:
    """Nobody can tell whose it is: it refuses for whomever it lies with."""
    broken = compile_consent({**consent(rule("permit")), "patient": 7}, "Consent/9/_history/1", HOLDER, micros(NOW))
    assert broken is not None
    assert refused(consent(rule("permit")), broken) == "wishes-conflict"


def test_who_states_no_role_is_not_everybody_whose_role_is_empty() -> None:
    """A rule for a role that names none is for nobody."""
    nobody = asked(who=requester(role=""))
    assert refused(consent(rule("permit", actor=[role_actor("")])), by=nobody) == "wish-missing"


def test_of_two_who_decided_together_one_who_is_responsible_is_enough() -> None:
    """For leave and for refusal: a mother with responsibility beside a grandmother without."""
    makers = [person(MOTHER), person(GRAN)]
    ties = (tie(), tie(other=GRAN, responsibility="no"))
    assert shared(consent(rule("permit"), performer=makers), of=child(), ties=ties) == ALL
    given = consent(rule("permit"), by=FATHER)
    ties = (*ties, tie(other=FATHER))
    assert refused(given, consent(rule("deny"), performer=makers), of=child(), ties=ties) == "wishes-conflict"
    assert shared(given, of=child(), ties=ties) == ALL


def test_of_two_who_decided_for_the_time_of_a_stay_one_in_hospital_is_enough() -> None:
    """The condition is that of either maker."""
    made = consent(rule("permit", modifierExtension=while_inpatient()), performer=[person(MOTHER), person(GRAN)])
    assert shared(made, of=child(inpatient={MOTHER: True, GRAN: False}), ties=(tie(),)) == ALL
    assert shared(made, of=child(inpatient={MOTHER: False, GRAN: False}), ties=(tie(),)) == frozenset()
