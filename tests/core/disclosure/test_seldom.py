"""What seldom happens: faults in what was said, words that cannot be read, memories that are full."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.disclosure.agreement_checks import check_agreements
from gateway.disclosure.agreements import head_of
from gateway.disclosure.decision import Permit
from gateway.disclosure.plain import sentences
from gateway.disclosure.purposes import PolicyFault
from gateway.disclosure.release import Holding, Involved, desk, organisation, release
from gateway.disclosure.rules import Effect, Rule
from gateway.disclosure.wish_forms import CAPACITIES, KINDS, OWN_KINDS, TAKES, Said, Wish, faults_of, faults_on
from gateway.disclosure.wording import load_wording, shipped_wording
from gateway.fhir.dates import FIRST, LAST
from tests.core.disclosure.made import (
    HEAD,
    HOLDER,
    ME,
    MOTHER,
    NOW,
    PURPOSES,
    WARD,
    agreements,
    ask,
    consent,
    directive,
    published,
    rule,
)

TO = ("x|1",)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (Said(ME, ME, (Wish("until", date="2027-01-01"), Wish("until", date="2027-02-01"), Wish("share"))), "until is said once"),
        (Said(ME, ME, (Wish("not-to"),)), "not-to needs a receiver"),
        (Said(ME, ME, (Wish("nothing", TO),)), "nothing does not take receiver"),
        (Said(ME, ME, (Wish("nothing"), Wish("share"))), "nothing goes with"),
        (Said(ME, ME, (Wish("tell-me-each-time"),)), "limits what is shared"),
        (Said(ME, ME, (Wish("only", TO), Wish("share", ("x|2",)))), "whom only leaves out"),
        (Said(ME, ME, (Wish("share", TO), Wish("not-to", TO))), "not-to names somebody whom share or only names"),
        (Said(ME, ME, (Wish("only", TO), Wish("not-to", TO))), "not-to names somebody whom share or only names"),
        (Said(ME, ME, (Wish("share", classes=("status", "free-text", "address")),)), "to anybody: address, free-text."),
        (Said(ME, ME, (Wish("share", TO, classes=("detail",)), Wish("not-to", ("x|2",)), Wish("never-address"))), ""),
        (Said(ME, ME, (Wish("nothing"),), kind="attorney"), "is decided by somebody else"),
        (Said(ME, MOTHER, (Wish("nothing"),)), "Somebody else decides"),
        (Said(ME, MOTHER, (Wish("nothing"),), kind="own-wish"), "is the person's own"),
        (Said(ME, MOTHER, (Wish("nothing"),), kind="parent-for-child"), ""),
        (Said(ME, ME, (Wish("only", TO), Wish("share", TO)), kind="own-wish"), ""),
    ],
)
def test_wishes_that_contradict_each_other_are_named(said: Said, fault: str) -> None:
    """One sentence each; none where they fit."""
    found = faults_of(said)
    assert any(fault in one for one in found) if fault else found == []


UNTIL_MAY = Wish("until", date="2027-05-01")
LIMITED = "{} limits what is shared: say with share or only what that is."
ALONE = "nothing goes with not-to and never-address only."
LEFT_OUT, BOTH = "share names somebody whom only leaves out.", "not-to names somebody whom share or only names too."


@pytest.mark.parametrize(
    ("wishes", "faults"),
    [
        ((Wish("not-to", TO),), []),
        ((Wish("never-address"),), []),
        ((Wish("nothing"), Wish("not-to", TO), Wish("never-address")), []),
        ((UNTIL_MAY, Wish("share")), []),
        ((UNTIL_MAY, UNTIL_MAY, Wish("share")), []),
        ((Wish("nothing"), UNTIL_MAY), [ALONE]),
        ((Wish("nothing"), Wish("only", TO)), [ALONE]),
        ((Wish("nothing"), Wish("share")), [ALONE]),
        ((UNTIL_MAY,), [LIMITED.format("until")]),
        ((UNTIL_MAY, Wish("not-to", TO)), [LIMITED.format("until")]),
        ((UNTIL_MAY, Wish("tell-me-each-time")), [LIMITED.format("tell-me-each-time, until")]),
        ((UNTIL_MAY, Wish("until", date="2027-06-01"), Wish("share")), ["until is said once."]),
        ((Wish("only", TO), Wish("share", TO), Wish("share", ("x|2",))), [LEFT_OUT]),
        ((Wish("only", TO), Wish("only", ("x|2",)), Wish("share", ("x|2",))), []),
        ((Wish("share", TO), Wish("not-to", (*TO, "x|2"))), [BOTH]),
        ((Wish("only", TO), Wish("not-to", TO)), [BOTH]),
        ((Wish("nothing", TO, purposes=("p",)),), ["nothing does not take purpose, receiver."]),
        ((Wish("share", TO, date="2027-05-01"),), ["share does not take date."]),
    ],
)
def test_what_does_not_fit_is_said_whole_and_once(wishes: tuple[Wish, ...], faults: list[str]) -> None:
    """Nothing more is found fault with than what does not fit."""
    assert faults_of(Said(ME, ME, wishes)) == faults


EVERYTHING = {"receiver": ("x|1",), "date": "2027-01-01", "purpose": ("p",), "class": ("status",)}
FIELDS = {"receiver": "receivers", "date": "date", "purpose": "purposes", "class": "classes"}


@pytest.mark.parametrize(
    ("code", "takes", "needs"),
    [
        ("only-while-in-hospital", (), ()),
        ("not-to", ("receiver",), ("receiver",)),
        ("until", ("date",), ("date",)),
        ("only", ("receiver",), ("receiver",)),
        ("tell-me-each-time", (), ()),
        ("never-address", (), ()),
        ("share", ("receiver", "purpose", "class"), ()),
        ("nothing", (), ()),
    ],
)
def test_what_is_said_with_a_wish(code: str, takes: tuple[str, ...], needs: tuple[str, ...]) -> None:
    """Each may be said with some things, needs others, and takes no more: one sentence for each that is amiss."""
    for part, value in EVERYTHING.items():
        faults = faults_of(Said(ME, ME, (Wish(code, **{FIELDS[part]: value}),)))
        assert (f"{code} does not take {part}." in faults) == (part not in takes), part
    bare = faults_of(Said(ME, ME, (Wish(code),)))
    assert [one for one in bare if "needs a" in one] == [f"{code} needs a {part}." for part in needs]


def test_the_codes_of_wishes_are_those_that_are_published() -> None:
    """Wishes, whose word they are, and whether who said so could decide: none is missing and none is more."""
    assert set(TAKES) == published("wish")
    assert published("wish-kind") == KINDS
    assert published("capacity") == CAPACITIES
    assert {"own-wish", "advance-wish", "child-own"} == OWN_KINDS


TODAY = date(2026, 11, 30)
UNTIL = "until {} has passed: say today or a later day, or leave until out where the sharing has no end."
OLDER = (
    "parent-for-child is for a child under 16, and by the birth date on record this person is older: from then on their own wish "
    "alone counts. Where they cannot decide, say best-interests, attorney or deputy."
)
GROWN = "child-own is for somebody under 18, and by the birth date on record this person is an adult: say own-wish."


@pytest.mark.parametrize(
    ("wish", "kind", "born", "faults"),
    [
        (Wish("until", date="2020-01-01"), "", None, [("wish", UNTIL.format("2020-01-01"))]),
        (Wish("until", date="2026-11-29"), "", None, [("wish", UNTIL.format("2026-11-29"))]),
        (Wish("until", date="2026-11-30"), "", None, []),
        (Wish("nothing"), "child-own", date(1991, 3, 14), [("kind", GROWN)]),
        (Wish("nothing"), "child-own", date(2008, 11, 30), [("kind", GROWN)]),
        (Wish("nothing"), "child-own", date(2008, 12, 1), []),
        (Wish("nothing"), "child-own", None, []),
        (Wish("nothing"), "own-wish", date(1991, 3, 14), []),
        (Wish("nothing"), "parent-for-child", date(2010, 11, 30), [("kind", OLDER)]),
        (Wish("nothing"), "parent-for-child", date(2010, 12, 1), []),
        (Wish("nothing"), "parent-for-child", None, []),
    ],
)
def test_what_cannot_be_meant_on_the_day_is_named(
    wish: Wish, kind: str, born: date | None, faults: list[tuple[str, str]]
) -> None:
    """A time that has passed limits nothing, and an adult's wish is no child's; the last day and an unknown age stand."""
    assert faults_on(Said(ME, ME, (wish,), kind=kind), TODAY, born) == faults


def test_a_wish_deeper_than_anything_that_is_said_is_told_as_such() -> None:
    """Read back without an error."""
    no: frozenset[str] = frozenset()
    deep = Rule(Effect.DENY, FIRST, LAST, no, no, no, no, False, "", ())
    for _ in range(sys.getrecursionlimit()):
        deep = Rule(Effect.DENY, FIRST, LAST, no, no, no, no, False, "", (deep,))
    words = shipped_wording().wishes
    assert sentences(replace(directive(consent(rule("deny"))), rule=deep), words) == (words["note"]["too-deep"],)


def test_a_state_that_is_not_understood_is_told_as_such() -> None:
    """Leave for a time that nobody here can tell."""
    state = [{"url": "https://gateway.example/fhir/StructureDefinition/while-status", "valueCoding": {"code": "on-holiday"}}]
    told = sentences(directive(consent(rule("deny", rule("permit", modifierExtension=state)))), shipped_wording().wishes)
    assert shipped_wording().wishes["limits"]["state-unread"] in " ".join(told)


@pytest.mark.parametrize("text", [b"[", b"\xff"])
def test_words_that_cannot_be_read_refuse_to_start(tmp_path: Path, text: bytes) -> None:
    """The file is named."""
    (tmp_path / "wishes.toml").write_bytes(text)
    with pytest.raises(PolicyFault, match=r"wishes\.toml"):
        load_wording(tmp_path)


def test_what_decisions_are_remembered_by_is_bounded() -> None:
    """However many kinds of question there are: each is answered as if it were the first."""
    policy, on = agreements(), NOW.date()
    for place in range(20_005):
        policy.line(HOLDER, WARD, "adult-mental-health", "amh-care-planning", f"r{place}", on)
        policy.coverage(WARD, "adult-mental-health", "amh-care-planning", f"r{place}", on)
    assert len(policy._found) <= 20_001
    assert len(policy._covered) <= 20_001
    assert [policy.coverage(WARD, "adult-mental-health", "amh-care-planning", "r1", on) for _ in range(2)] == [(HOLDER,)] * 2


@pytest.mark.parametrize(
    ("others", "gap"), [({}, False), ({"TSN01": "school-nursing"}, True)], ids=["everybody", "not school nursing"]
)
def test_who_shares_with_every_kind_that_takes_part_has_no_gap_of_that_sort(others: dict[str, str], gap: bool) -> None:
    """A kind of agency that hears nothing is noted."""
    agencies = {HOLDER: "children-social-care", WARD: "adult-mental-health", **others}
    told = check_agreements(agreements(), PURPOSES, date(2026, 11, 21), agencies)
    assert ("shares nothing with: school-nursing" in " ".join(one.text for one in told)) is gap
    assert gap or "shares nothing with" not in " ".join(one.text for one in told)


def test_a_desk_says_what_is_known_of_it() -> None:
    """Hours in words, hours for machines, a name; or none of them."""
    bare = desk("TLA01", "", "duty-desk", {})
    assert (bare["organization"], "telecom" in bare, "availableTime" in bare) == (organisation("TLA01"), False, False)
    full = desk(
        "TLA01", "Council", "duty-desk", {"name": "MASH", "phone": "1", "hours": "9 to 5", "available": [{"daysOfWeek": ["mon"]}]}
    )
    assert (full["code"][0]["text"], full["availabilityExceptions"]) == ("MASH", "9 to 5")
    assert (full["availableTime"], full["telecom"][0]["value"]) == ([{"daysOfWeek": ["mon"]}], "1")
    assert full["organization"]["display"] == "Council"


def test_who_shares_for_every_purpose_has_no_gap_of_that_sort() -> None:
    """A line for each that can be agreed on."""
    codes = sorted(code for code, one in PURPOSES.items() if one.mode != "none")
    line = (
        f'\n[[default]]\nreceiver_kind = "adult-mental-health"\npurposes = {json.dumps(codes)}\ntier = 1\nbasis = "person-wish"\n'
    )
    told = check_agreements(agreements(line), PURPOSES, date(2027, 1, 1), None)
    assert not any("shares nothing for" in one.text for one in told)


@pytest.mark.parametrize(("stated", "told"), [("", False), ('acknowledgements = "business"\n', True)])
def test_what_was_made_of_notices_is_told_where_the_document_lets_it(stated: str, told: bool) -> None:
    """By the receiver's own document, while it is in force."""
    policy = agreements(head=HEAD + stated)
    assert policy.says_what_came(HOLDER, date(2026, 11, 21)) is told
    assert policy.says_what_came(HOLDER, date(2028, 12, 31)) is told
    assert policy.says_what_came(HOLDER, date(2029, 1, 1)) is False
    assert policy.says_what_came(WARD, date(2026, 11, 21)) is False


def test_the_head_of_a_document_is_read_without_its_lines() -> None:
    """Whose it is and from when to when."""
    head = head_of("holder.toml", HEAD.encode())
    assert (head.source, head.valid_from, head.valid_until) == (HOLDER, date(2026, 1, 1), date(2028, 12, 31))


def test_a_detail_without_a_code_of_snomed_has_our_own_alone() -> None:
    """At tier 3."""
    holding = Holding(
        "TLA01", "Council", False, {}, (Involved("short-break", "children-social-care", date(2026, 1, 5), None, "", ""),), ()
    )
    permit = ask(consent(), under=agreements())
    assert isinstance(permit, Permit)
    told = release(holding, permit, date(2026, 11, 21))
    assert told is not None
    assert [one["system"].rpartition("/")[2] for one in told.flags[0]["code"]["coding"]] == ["involvement", "involvement-detail"]
