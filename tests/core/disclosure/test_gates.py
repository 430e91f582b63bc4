"""The gates: what is refused before any person is looked at, on the request alone."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from gateway.disclosure.decision import gate
from tests.core.disclosure.made import NOW, PURPOSES, asked, requester

COUNCIL = "children-social-care"
DUTIES = [code for code, purpose in PURPOSES.items() if purpose.is_duty]
KINDS = {
    "safeguarding-s47": COUNCIL,
    "duty-to-share-16la": "adult-mental-health",
    "emergency": "police",
    "mha-assessment-s13": "adult-mental-health",
}
ROLES = {"mha-assessment-s13": "amhp"}


def at_the_gate(
    purpose: str, kind: str = "", case: str | None = COUNCIL, *, reason: bool = True, override: bool = True, **who: str
) -> str | None:
    """A request that has everything, but for what a test takes away."""
    given = {"role": ROLES.get(purpose, "social-worker"), **who}
    by = asked(purpose, kind or KINDS.get(purpose, "adult-mental-health"), who=requester(**given))  # type: ignore[arg-type]
    return gate(by, case, has_reason=reason, has_override=override)


@pytest.mark.parametrize("purpose", DUTIES)
def test_a_duty_with_everything_it_needs_passes(purpose: str) -> None:
    """User, role, case, reason and override given, by an agency that the purpose is for."""
    assert at_the_gate(purpose) is None


@pytest.mark.parametrize("purpose", ["child-in-need-s17", "early-help", "amh-care-planning"])
def test_a_wish_purpose_needs_nothing_but_its_name_in_the_token(purpose: str) -> None:
    """The person's agreement opens it, not a role or a case."""
    assert at_the_gate(purpose, case=None, reason=False, override=False, user="", role="") is None


@pytest.mark.parametrize("purpose", ["subject-access", "audit", "statistics"])
def test_purposes_about_no_person_open_no_lookup(purpose: str) -> None:
    """They have surfaces of their own."""
    assert at_the_gate(purpose) == "purpose-not-yours"


@pytest.mark.parametrize("purpose", DUTIES)
def test_a_purpose_that_the_token_does_not_carry_is_refused(purpose: str) -> None:
    """What may be claimed stands in the token."""
    assert (
        gate(asked(purpose, who=requester(purposes=frozenset())), COUNCIL, has_reason=True, has_override=True)
        == "purpose-not-yours"
    )


@pytest.mark.parametrize("purpose", DUTIES)
@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ({"user": ""}, "role-not-allowed"),
        ({"role": ""}, "role-not-allowed"),
        ({"case": None}, "case-reference-missing"),
        ({"case": ""}, "case-reference-missing"),
    ],
)
def test_every_duty_needs_user_role_and_a_case_that_somebody_here_has_given(
    purpose: str, missing: dict[str, str], reason: str
) -> None:
    """A case reference of an organisation that nobody knows is none."""
    assert at_the_gate(purpose, **missing) == reason  # type: ignore[arg-type]


def test_the_duty_to_share_needs_a_reason() -> None:
    """Section 16LA: who asks says why it bears on the child's welfare."""
    assert at_the_gate("duty-to-share-16la", reason=False) == "role-not-allowed"


def test_an_emergency_needs_an_override() -> None:
    """Danger to life now is claimed openly, or not at all."""
    assert at_the_gate("emergency", override=False) == "role-not-allowed"


@pytest.mark.parametrize("day", [date(2026, 9, 29), date(2026, 9, 30)])
def test_the_duty_to_share_is_a_dated_switch(day: date) -> None:
    """Not before the first day on which its law may be used."""
    by = asked("duty-to-share-16la", at=datetime.combine(day, NOW.timetz()))
    expected = "duty-not-in-force" if day < PURPOSES["duty-to-share-16la"].since else None  # type: ignore[operator]
    assert gate(by, COUNCIL, has_reason=True, has_override=False) == expected
    assert day == date(2026, 9, 30) or expected is not None


@pytest.mark.parametrize(
    ("kind", "case", "reason"),
    [
        (COUNCIL, COUNCIL, None),
        (COUNCIL, "police", None),
        ("adult-mental-health", COUNCIL, None),
        ("adult-mental-health", "adult-mental-health", "purpose-not-yours"),
        ("voluntary", "", "case-reference-missing"),
        ("police", "police", "purpose-not-yours"),
    ],
)
def test_section_47_is_the_councils_and_others_ask_with_a_councils_case(kind: str, case: str, reason: str | None) -> None:
    """Children Act 1989 section 47: the enquiry is the council's."""
    assert at_the_gate("safeguarding-s47", kind, case) == reason


def test_bodies_that_the_duty_to_share_does_not_list_may_not_use_it() -> None:
    """A voluntary service is no body of section 16LA, whatever case it names."""
    assert at_the_gate("duty-to-share-16la", "voluntary") == "purpose-not-yours"


def test_a_mental_health_act_assessment_is_an_approved_professionals() -> None:
    """Mental Health Act 1983 section 13."""
    assert at_the_gate("mha-assessment-s13", role="social-worker") == "role-not-allowed"


def test_planning_an_adults_care_is_for_mental_health_services() -> None:
    """No other kind of agency claims it."""
    assert at_the_gate("amh-care-planning", "school") == "purpose-not-yours"
