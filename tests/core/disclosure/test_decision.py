"""The decision: every reason against it in its order, the minimum of all limits, what goes with an answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.disclosure.decision import Permit, Refuse, decide_own
from tests.core.disclosure.made import (
    ALL,
    DUTY,
    HOLDER,
    LINE,
    ME,
    THIRD,
    WARD,
    actor,
    agreements,
    ask,
    asked,
    child,
    classes,
    consent,
    refused,
    requester,
    rule,
    shared,
    subject,
    tie,
)

YES, NO = consent(rule("permit")), consent(rule("deny"))


@pytest.mark.parametrize(
    ("reason", "of"),
    [
        ("adopted", {"restriction": "adopted"}),
        ("adopted", {"restriction": "placed-for-adoption"}),
        ("shielded", {"restriction": "protected"}),
        ("shielded", {"restriction": "a restriction of tomorrow"}),
        ("not-certain", {"certain": False}),
        ("no-relationship", {"about": "children"}),
        ("feed-stale", {"fresh": False}),
    ],
)
def test_reasons_against_that_lie_with_the_person(reason: str, of: dict[str, Any]) -> None:
    """None of them can be opened by a wish."""
    assert refused(YES, of=subject(**of)) == reason


@pytest.mark.parametrize(
    ("reason", "wishes"),
    [
        ("wish-missing", ()),
        ("wish-refused", (NO,)),
        ("wish-missing", (consent(rule("permit", actor=[actor(value="OTHER")])),)),
        ("wish-missing", (consent(rule("permit", klass=classes("contact"))),)),
        ("wishes-conflict", (YES, consent(rule("deny"), organization=[{"identifier": {"system": "s", "value": "v"}}]))),
    ],
)
def test_reasons_against_that_lie_with_the_wishes(reason: str, wishes: tuple[dict[str, Any], ...]) -> None:
    """Whoever is answered learns that the person is known: leave to tell the contact alone opens nothing."""
    assert refused(*wishes) == reason


def test_the_first_reason_is_the_one_of_the_agreement() -> None:
    """Where nothing is agreed nothing else is weighed."""
    everything = subject(restriction="adopted", certain=False, fresh=False)
    assert refused(NO, of=everything, under=agreements("")) == "no-agreement"
    assert refused(NO, of=everything) == "adopted"
    assert refused(NO, of=subject(restriction="protected", certain=False, fresh=False)) == "shielded"


def test_a_purpose_about_no_person_is_never_permitted() -> None:
    """Even if it came past the gates."""
    assert refused(YES, by=asked("audit")) == "purpose-not-yours"


def test_a_duty_is_answered_from_a_feed_that_has_gone_stale() -> None:
    """Old news with its date is better than none where a child is in danger; a wish does not stretch so far."""
    assert shared(of=subject(fresh=False), by=asked(DUTY)) == ALL


def test_a_shield_stands_before_a_duty() -> None:
    """Never opened by machine."""
    assert refused(of=subject(restriction="protected"), by=asked(DUTY)) == "shielded"
    assert refused(of=subject(restriction="adopted"), by=asked(DUTY)) == "adopted"


@pytest.mark.parametrize(("line", "asked_for", "wished", "left"), [
    (ALL, ALL, ALL, ALL),
    ({"existence", "contact"}, ALL, ALL, {"existence", "contact"}),
    (ALL, {"existence", "status"}, ALL, {"existence", "status"}),
    (ALL, ALL, {"existence", "marker"}, {"existence", "marker"}),
    ({"existence", "status", "contact"}, {"existence", "contact", "detail"}, {"existence", "contact"}, {"existence", "contact"}),
    ({"existence", "status"}, ALL, {"existence", "detail"}, {"existence"}),
    (ALL, {"status"}, ALL, set()),
])  # fmt: skip
def test_what_leaves_is_the_least_of_agreement_request_and_wish(
    line: set[str], asked_for: set[str], wished: set[str], left: set[str]
) -> None:
    """And its tier is the highest of what is left."""
    text = LINE + f"classes = {sorted(line)}\n"
    decision = ask(
        consent(rule("permit", klass=classes(*wished))), by=asked(classes=frozenset(asked_for)), under=agreements(text)
    )
    assert (decision.classes if isinstance(decision, Permit) else set()) == left
    if isinstance(decision, Permit):
        assert decision.tier == max({"existence": 0, "status": 1, "detail": 3}.get(code, 2) for code in left)


@pytest.mark.parametrize(
    ("sources", "confirmed", "reason"),
    [
        ((HOLDER,), True, ""),
        ((THIRD,), True, ""),
        ((WARD,), True, "no-relationship"),
        ((WARD, THIRD), True, ""),
        ((HOLDER,), False, "no-relationship"),
    ],
)
def test_a_relationship_counts_from_another_source_than_who_asks(sources: tuple[str, ...], confirmed: bool, reason: str) -> None:
    """The holder's own record counts; what its sender calls unconfirmed proves nothing."""
    told = tuple(tie(source=source, confirmed=confirmed) for source in sources)
    assert refused(of=child(about="children", proof=told), by=asked(DUTY)) == reason


OBLIGED = '\n[[default]]\nreceiver_kind = "adult-mental-health"\npurposes = ["amh-care-planning", "safeguarding-s47"]\ntier = 1\nbasis = "person-wish"\nobligations = ["ask-owner-before-passing-on", "review-by"]\n'


@pytest.mark.parametrize(
    ("purpose", "wishes", "expected"),
    [
        ("amh-care-planning", (YES,), ("ask-owner-before-passing-on", "review-by")),
        (DUTY, (), ("ask-owner-before-passing-on", "review-by", "tell-only-this-person")),
        (DUTY, (YES,), ("ask-owner-before-passing-on", "review-by", "tell-only-this-person")),
        (DUTY, (NO,), ("ask-owner-before-passing-on", "review-by", "tell-only-this-person", "seek-advice")),
    ],
)
def test_what_goes_with_an_answer(purpose: str, wishes: tuple[dict[str, Any], ...], expected: tuple[str, ...]) -> None:
    """Under a duty: decide whether it is safe to tell the named person, review; and seek advice where they had refused."""
    decision = ask(*wishes, by=asked(purpose), under=agreements(OBLIGED))
    assert isinstance(decision, Permit)
    assert decision.obligations == expected


@pytest.mark.parametrize(
    ("purpose", "wishes", "against"),
    [
        (DUTY, (), set()),
        (DUTY, (YES,), set()),
        (DUTY, (NO,), {"existence", "status"}),
        (DUTY, (YES, NO), {"existence", "status"}),
        (DUTY, (consent(rule("deny", klass=classes("status"))),), {"status"}),
        (DUTY, (consent(rule("deny", klass=classes("detail"))),), set()),
        ("amh-care-planning", (YES,), set()),
    ],
)
def test_a_permit_says_what_of_it_a_wish_refuses(purpose: str, wishes: tuple[dict[str, Any], ...], against: set[str]) -> None:
    """Of what may leave alone: a refusal of more than the agreement opens is passed over by nothing."""
    decision = ask(*wishes, by=asked(purpose), under=agreements(OBLIGED))
    assert isinstance(decision, Permit)
    assert decision.against_wish == against <= decision.classes


def test_a_permit_names_what_it_rests_on() -> None:
    """Basis, version of the agreements and every statement that was considered, refused or not."""
    decision = ask(consent(rule("permit")), of=subject())
    assert isinstance(decision, Permit)
    assert (decision.basis, decision.policy, decision.explicit_negatives, decision.long_past) == (
        "person-wish",
        agreements().version,
        True,
        False,
    )
    assert len(decision.consents) == 1
    refusal = ask(NO)
    assert isinstance(refusal, Refuse)
    assert len(refusal.consents) == 1


def test_what_ended_long_ago_is_for_duties() -> None:
    """A wish opens the present and the last twelve months."""
    decision = ask(by=asked(DUTY))
    assert isinstance(decision, Permit)
    assert decision.long_past


def test_a_wish_that_the_asker_itself_recorded_opens_nothing_unless_the_holder_accepts_it() -> None:
    """Else every ward could write down its own leave."""
    from tests.core.disclosure.made import HEAD, directive

    mine = directive(YES, by=WARD)
    assert refused(mine) == "wish-missing"
    assert shared(mine, under=agreements(LINE, head=HEAD + "accepts_own_wishes = true\n")) == ALL
    assert refused(directive(NO, by=WARD), YES) == "wishes-conflict"


def test_a_wish_counts_for_the_records_of_its_own_patient() -> None:
    """A mother's refusal for herself never reaches her child's record, nor a child's consent hers."""
    hers = consent(rule("deny"), of="system|her", by="system|her")
    assert shared(YES, hers) == ALL
    assert refused(consent(rule("permit"), of="system|her")) == "wish-missing"
    assert shared(consent(rule("permit"), of="local|7", by="local|7"), of=subject(identities=frozenset({ME, "local|7"}))) == ALL


def test_the_same_question_of_another_organisation_is_another_decision() -> None:
    """A rule names whom it is for."""
    for_ward = consent(rule("permit", actor=[actor()]))
    assert shared(for_ward) == ALL
    assert refused(for_ward, by=asked(who=requester(agency="RX9"))) == "wish-missing"


def test_what_befell_own_records_is_told_to_their_holder_and_nobody_else() -> None:
    """To who may claim the purpose audit; that it happened, and nothing that is in them."""
    officer = requester(HOLDER, "guardian", purposes=frozenset({"audit"}))
    permit = decide_own(officer, HOLDER, "v1")
    assert isinstance(permit, Permit)
    assert (permit.tier, permit.classes, permit.basis, permit.policy) == (0, {"existence"}, "own-record", "v1")
    assert (permit.obligations, permit.consents, permit.explicit_negatives, permit.long_past) == ((), (), False, False)
    for who, whose in ((officer, WARD), (requester(HOLDER, purposes=frozenset({DUTY})), HOLDER)):
        assert decide_own(who, whose, "v1") == Refuse("purpose-not-yours")
