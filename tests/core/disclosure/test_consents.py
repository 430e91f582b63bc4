"""FHIR Consent, by the algorithm: what each statement opens and refuses, with a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.disclosure.directives import compile_consent
from gateway.disclosure.rules import Directive
from gateway.fhir import systems
from tests.core.disclosure.made import (
    ALL,
    DUTY,
    ME,
    MOTHER,
    NOW,
    WARD,
    WHILE,
    action,
    actor,
    asked,
    classes,
    concept,
    consent,
    directive,
    extension,
    kind_actor,
    micros,
    purpose,
    refused,
    requester,
    role_actor,
    rule,
    shared,
    subject,
    v3,
    while_inpatient,
)

NOTHING = frozenset[str]()
TWIN = systems.V3_PARTICIPATION.replace("http://", "https://")
OTHERS = actor(value="RX9")


def policy_rule(*codes: str, system: str = systems.V3_ACT_CODE) -> dict[str, Any]:
    return concept(system, *codes)


def without(name: str, made: dict[str, Any]) -> dict[str, Any]:
    return {element: value for element, value in made.items() if element != name}


BASES: list[tuple[str, dict[str, Any], bool]] = [
    ("root type permit", consent(rule("permit")), True),
    ("root type deny", consent(rule("deny")), False),
    ("policyRule opt-in, no provision", consent({}, policyRule=policy_rule("OPTIN")), True),
    ("policyRule opt-in, a provision without a type", consent({"purpose": [purpose()]}, policyRule=policy_rule("OPTIN")), True),
    ("policyRule opt-out", consent({}, policyRule=policy_rule("OPTOUT")), False),
    ("policyRule that says both", consent({}, policyRule=policy_rule("OPTIN", "OPTOUT")), False),
    ("policyRule with restrictions that it does not state", consent({}, policyRule=policy_rule("OPTINR")), False),
    ("an opt-in of another code system", consent({}, policyRule=policy_rule("OPTIN", system="https://elsewhere.example")), False),
    ("root type against policyRule: the root", consent(rule("deny"), policyRule=policy_rule("OPTIN")), False),
    ("policyRule opt-in, no provision at all", without("provision", consent(policyRule=policy_rule("OPTIN"))), True),
    ("neither: no base can be told", consent({}), False),
]


@pytest.mark.parametrize(("made", "opens"), [case[1:] for case in BASES], ids=[case[0] for case in BASES])
def test_the_base_of_a_statement(made: dict[str, Any], opens: bool) -> None:
    """The root's type as IHE PCF has it, else policyRule as R4 has it, else refusal."""
    assert shared(made) == (ALL if opens else NOTHING)


NESTED: list[tuple[str, dict[str, Any], frozenset[str]]] = [
    ("deny, except permit for us", rule("deny", rule("permit", actor=[actor()])), ALL),
    ("deny, except permit for others", rule("deny", rule("permit", actor=[OTHERS])), NOTHING),
    ("permit, except deny for us", rule("permit", rule("deny", actor=[actor()])), NOTHING),
    (
        "three levels: deny, permit for us, deny details",
        rule("deny", rule("permit", rule("deny", klass=classes("detail")), actor=[actor()])),
        ALL - {"detail"},
    ),
    (
        "four levels: and permit them for this purpose after all",
        rule("deny", rule("permit", rule("deny", rule("permit", purpose=[purpose()]), klass=classes("detail")), actor=[actor()])),
        ALL,
    ),
    (
        "no alternation assumed: permit within permit",
        rule("deny", rule("permit", rule("permit", klass=classes("contact")), actor=[actor()])),
        ALL,
    ),
    ("deny within deny", rule("permit", rule("deny", rule("deny"), actor=[actor()])), NOTHING),
    ("siblings: refusal wins", rule("deny", rule("permit", actor=[actor()]), rule("deny", purpose=[purpose()])), NOTHING),
    (
        "siblings about different classes",
        rule("deny", rule("permit", klass=classes("existence", "status")), rule("deny", klass=classes("detail"))),
        frozenset({"existence", "status"}),
    ),
    ("deeper wins over shallower", rule("permit", rule("deny", rule("permit", actor=[actor()]))), ALL),
    (
        "an exception outside of its parent's scope",
        rule("deny", rule("permit", rule("deny"), actor=[OTHERS]), rule("permit", actor=[actor()])),
        ALL,
    ),
    ("a nested rule without a type refuses", rule("permit", {"actor": [actor()]}), NOTHING),
    (
        "a root that is scoped to others says nothing of us",
        rule("permit", rule("permit", actor=[actor()]), actor=[OTHERS]),
        NOTHING,
    ),
]


@pytest.mark.parametrize(("provision", "left"), [case[1:] for case in NESTED], ids=[case[0] for case in NESTED])
def test_exceptions_to_any_depth(provision: dict[str, Any], left: frozenset[str]) -> None:
    """Each nested provision has a type of its own and is an exception to what stands around it."""
    assert shared(consent(provision)) == left


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


PERIODS = [
    ({"end": "2026-11-21"}, "2026-11-21T23:59:59.999+00:00", True),
    ({"end": "2026-11-21"}, "2026-11-22T00:00:00+00:00", False),
    ({"end": "2026-11"}, "2026-11-30T23:59:59+00:00", True),
    ({"end": "2026-11"}, "2026-12-01T00:00:00+00:00", False),
    ({"end": "2026"}, "2026-12-31T23:00:00+00:00", True),
    ({"end": "2026"}, "2027-01-01T00:00:00+00:00", False),
    ({"start": "2026-11-22"}, "2026-11-21T23:59:59+00:00", False),
    ({"start": "2026-11-22"}, "2026-11-22T00:00:00+00:00", True),
    ({"end": "2026-11-21T12:00:00Z"}, "2026-11-21T12:00:00.500+00:00", True),
    ({"end": "2026-11-21T12:00:00Z"}, "2026-11-21T12:00:01+00:00", False),
    ({"end": "2026-07-01T00:30:00+01:00"}, "2026-06-30T23:30:00+00:00", True),
    ({"end": "2026-07-01T00:30:00+01:00"}, "2026-06-30T23:30:01+00:00", False),
    ({"start": "2026-11-21T08:00:00-05:00"}, "2026-11-21T12:59:59+00:00", False),
    ({"start": "2026-11-21T08:00:00-05:00"}, "2026-11-21T13:00:00+00:00", True),
    ({"start": "2020", "end": "9999-12-31"}, "2026-11-21T12:00:00+00:00", True),
    ({"start": "2020", "end": "9999"}, "2026-11-21T12:00:00+00:00", True),
    ({"end": "next year"}, "2026-11-21T12:00:00+00:00", False),
    ({"start": "2020", "_end": {"extension": [{"url": "unknown", "valueCode": "unknown"}]}}, "2026-11-21T12:00:00+00:00", False),
]


@pytest.mark.parametrize(("period", "when", "opens"), PERIODS)
def test_a_period_lasts_to_the_end_of_its_stated_precision(period: dict[str, Any], when: str, opens: bool) -> None:
    """A day is a whole day, a month a whole month, in UTC; an end that is not known is no open end."""
    made = consent(rule("permit", period=period), on="2020-01-01")
    on = at(when)
    from tests.core.disclosure.made import LINE, agreements

    always = agreements(
        LINE, head='source = "TLA01"\nversion = "1"\nvalid_from = 2020-01-01\nvalid_until = 2030-12-31\nnegatives = "blanket"\n'
    )
    assert shared(directive(made, recorded=at("2020-01-02T00:00:00+00:00")), by=asked(at=on), under=always) == (
        ALL if opens else NOTHING
    )


SCOPES: list[tuple[str, dict[str, Any], bool]] = [
    ("by ODS code", {"actor": [actor()]}, True),
    ("by ODS code in small letters", {"actor": [actor(value=WARD.lower())]}, True),
    ("another organisation", {"actor": [OTHERS]}, False),
    ("one of several organisations", {"actor": [OTHERS, actor()]}, True),
    ("by kind of agency", {"actor": [kind_actor("adult-mental-health")]}, True),
    ("another kind", {"actor": [kind_actor("school")]}, False),
    ("a kind that is not one", {"actor": [kind_actor("secret-service")]}, False),
    ("a kind's name in another code system", {"actor": [actor("https://elsewhere.example", "adult-mental-health")]}, False),
    ("by role", {"actor": [role_actor("ward-nurse")]}, True),
    ("a role's name in another code system", {"actor": [actor("https://elsewhere.example", "ward-nurse")]}, False),
    ("an actor as HL7 wrote its code system later", {"actor": [{**actor(), "role": concept(TWIN, "IRCP")}]}, True),
    ("another role", {"actor": [role_actor("consultant")]}, False),
    ("primary recipient", {"actor": [actor(role="PRCP")]}, True),
    ("the custodian is no recipient", {"actor": [actor(role="CST")]}, False),
    (
        "an actor by literal reference cannot be resolved",
        {"actor": [{"role": concept(systems.V3_PARTICIPATION, "IRCP"), "reference": {"reference": "Organization/1"}}]},
        False,
    ),
    (
        "an actor with a modifier",
        {"actor": [{**actor(), "modifierExtension": [{"url": "https://x.example/not", "valueBoolean": True}]}]},
        False,
    ),
    ("own purpose", {"purpose": [purpose()]}, True),
    ("another purpose", {"purpose": [purpose("early-help")]}, False),
    ("v3 purpose", {"purpose": [v3("COC")]}, True),
    ("another v3 purpose", {"purpose": [v3("HRESCH")]}, False),
    ("a broader v3 purpose does not name us", {"purpose": [v3("TREAT")]}, False),
    ("a purpose of an unknown system", {"purpose": [purpose(system="https://elsewhere.example")]}, False),
    ("a purpose without a code system", {"purpose": [{"code": "COC"}]}, False),
    ("a purpose without a code", {"purpose": [{"system": systems.V3_ACT_REASON}]}, False),
    ("to disclose", {"action": [action()]}, True),
    ("to collect or disclose", {"action": [action("collect"), action()]}, True),
    ("to collect", {"action": [action("collect")]}, False),
    ("to use or to correct", {"action": [action("use"), action("correct")]}, False),
    ("to collect, use and correct", {"action": [concept(systems.CONSENT_ACTION, "collect", "use", "correct")]}, False),
    ("to use it, in another code system", {"action": [concept("https://elsewhere.example", "use")]}, False),
    ("to look without disclosing", {"action": [action("access")]}, False),
    ("an action in words only", {"action": [{"text": "send it on"}]}, False),
    ("all dimensions together", {"actor": [actor()], "purpose": [purpose()], "action": [action()]}, True),
    ("all but one", {"actor": [actor()], "purpose": [purpose("early-help")], "action": [action()]}, False),
    ("a clinical code", {"code": [concept("http://snomed.info/sct", "1")]}, False),
    ("a label", {"securityLabel": [{"code": "R"}]}, False),
    ("named instances", {"data": [{"meaning": "instance", "reference": {"reference": "Flag/1"}}]}, False),
    ("a period of the data", {"dataPeriod": {"start": "2020"}}, False),
]


@pytest.mark.parametrize(("parts", "opens"), [case[1:] for case in SCOPES], ids=[case[0] for case in SCOPES])
def test_what_a_permission_is_limited_to(parts: dict[str, Any], opens: bool) -> None:
    """Elements are joined by and, repeats by or; what is not understood never permits."""
    assert shared(consent(rule("permit", **parts))) == (ALL if opens else NOTHING)
    assert shared(consent(rule("deny", rule("permit", **parts)))) == (ALL if opens else NOTHING)


UNDERSTOOD_AS_NOT_US = {
    "another organisation", "another kind", "another role", "another purpose", "another v3 purpose", "to collect", "all but one",
    "to use or to correct", "to collect, use and correct",
}  # fmt: skip


@pytest.mark.parametrize(("name", "parts"), [case[:2] for case in SCOPES], ids=[case[0] for case in SCOPES])
def test_what_a_refusal_is_limited_to(name: str, parts: dict[str, Any]) -> None:
    """A refusal holds wherever it may be meant for us; only where it surely is not does it leave the permission alone."""
    assert shared(consent(rule("permit", rule("deny", **parts)))) == (ALL if name in UNDERSTOOD_AS_NOT_US else NOTHING)


def test_redaction_by_class() -> None:
    """What is refused of it is left out, what is permitted leaves."""
    assert shared(consent(rule("permit", rule("deny", klass=classes("detail", "marker"))))) == ALL - {"detail", "marker"}
    assert shared(consent(rule("deny", rule("permit", klass=classes("existence", "contact"))))) == {"existence", "contact"}
    odd = [{"system": "http://hl7.org/fhir/resource-types", "code": "Flag"}]
    assert shared(consent(rule("permit", rule("deny", klass=odd)))) == NOTHING
    assert shared(consent(rule("deny", rule("permit", klass=[*odd, *classes("existence")])))) == {"existence"}
    for elsewhere in ({"system": "https://elsewhere.example", "code": "detail"}, {"code": "detail"}, {}):
        assert shared(consent(rule("permit", rule("deny", klass=[elsewhere])))) == NOTHING


@pytest.mark.parametrize(
    ("inpatient", "left"), [({ME: True}, ALL), ({ME: False}, NOTHING), ({}, NOTHING), ({MOTHER: True}, NOTHING)]
)
def test_only_while_i_am_in_hospital(inpatient: dict[str, bool], left: frozenset[str]) -> None:
    """Of the person who made the statement; where nobody's records say so it does not permit."""
    made = consent(rule("deny", rule("permit", modifierExtension=while_inpatient())))
    assert shared(made, of=subject(inpatient=inpatient)) == left
    assert refused(made, of=subject(inpatient=inpatient)) == ("" if left else "wish-condition-not-met")


@pytest.mark.parametrize(("inpatient", "left"), [({ME: True}, NOTHING), ({ME: False}, ALL), ({}, NOTHING)])
def test_not_while_i_am_in_hospital(inpatient: dict[str, bool], left: frozenset[str]) -> None:
    """Where nobody's records say so it refuses."""
    assert (
        shared(consent(rule("permit", rule("deny", modifierExtension=while_inpatient()))), of=subject(inpatient=inpatient))
        == left
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"modifierExtension": while_inpatient("community")},
        {"modifierExtension": [*while_inpatient(), *while_inpatient("community")]},
        {"modifierExtension": [{"url": "https://x.example/StructureDefinition/unless", "valueBoolean": True}]},
        {"modifierExtension": [{"url": WHILE}]},
        {"unlessTheMoonIsFull": True},
    ],
)
def test_a_rule_that_is_not_understood_refuses(parts: dict[str, Any]) -> None:
    """On a nested rule it takes the whole statement with it."""
    assert shared(consent(rule("permit", **parts)), of=subject(inpatient={ME: True})) == NOTHING
    assert shared(consent(rule("permit", rule("permit", **parts))), of=subject(inpatient={ME: True})) == (
        ALL if parts.get("modifierExtension", [{}])[0].get("valueCoding") else NOTHING
    )


def test_a_modifier_of_another_kind_is_not_taken_for_a_state() -> None:
    """Though it names one that is met: nobody knows what it turns the rule into."""
    strange = [
        {**while_inpatient()[0], "url": "https://x.example/StructureDefinition/unless"},
        {**while_inpatient()[0], "url": None},
    ]
    for one in strange:
        for made in (rule("permit", modifierExtension=[one]), rule("permit", rule("permit", modifierExtension=[one]))):
            assert shared(consent(made), of=subject(inpatient={ME: True})) == NOTHING


def test_what_may_stand_in_a_rule_without_changing_it() -> None:
    """Its id, what belongs to one of its elements, and extensions that are not ours and modify nothing."""
    beside = {"id": "1", "_type": {"id": "2"}, "extension": [{"url": "https://x.example/colour", "valueCoding": {"code": "red"}}]}
    assert shared(consent(rule("permit", **beside))) == ALL
    assert shared(consent(rule("permit", type_="permit"))) == NOTHING


def test_a_verification_that_failed_and_was_made_up_for_counts() -> None:
    """Some time somebody asked the person and it was so; who only failed is in doubt."""
    failed, held = {"verified": False}, {"verified": True}
    assert shared(consent(rule("permit"), verification=[failed, held])) == ALL
    assert shared(consent(rule("permit"), verification=[failed, failed])) == NOTHING


def test_a_statement_that_was_taken_back_and_cannot_be_read_refuses_nothing() -> None:
    """Of one that is in force it must be thought that it refuses."""
    broken = {**consent(rule("deny")), "patient": 7}
    assert shared(broken, consent(rule("permit"))) == NOTHING
    assert shared({**broken, "status": "inactive"}, consent(rule("permit"))) == ALL


@pytest.mark.parametrize(
    "more",
    [
        {"implicitRules": "https://x.example/rules"},
        {"modifierExtension": [{"url": "https://x.example/not", "valueBoolean": True}]},
        {"policy": [{"uri": "https://x.example", "modifierExtension": [{"url": "https://x.example/not"}]}]},
        {"verification": [{"verified": True, "modifierExtension": [{"url": "https://x.example/not"}]}]},
        {"scope": concept("https://x.example", "patient-privacy")},
        {"scope": {"text": "privacy"}},
        {"verification": [{"verified": False}]},
        {"dateTime": None},
        {"dateTime": "last spring"},
        {"performer": None},
    ],
)
def test_a_statement_that_is_not_whole_permits_nothing(more: dict[str, Any]) -> None:
    """A modifier, rules from elsewhere, an unknown scope, a verification that failed, no date, nobody who decided."""
    assert shared({name: value for name, value in {**consent(rule("permit")), **more}.items() if value is not None}) == NOTHING


@pytest.mark.parametrize("missing", ["dateTime", "performer"])
def test_a_refusal_without_a_date_or_a_maker_still_refuses(missing: str) -> None:
    """And no later permission takes its place: nobody knows whose word it was, or when."""
    undated = consent(rule("deny"), **{missing: None})
    assert refused(undated) == "wish-refused"
    assert refused(undated, consent(rule("permit"), on="2026-11-20")) == "wishes-conflict"


@pytest.mark.parametrize("status", ["draft", "proposed", "entered-in-error", "unheard-of", None])
def test_a_statement_that_does_not_count(status: str | None) -> None:
    """Neither opens nor refuses, nor takes another's place."""
    made = {**consent(rule("deny"), on="2026-11-20"), "status": status}
    assert compile_consent(made, "Consent/1/_history/1", "TLA01", micros(NOW)) is None


@pytest.mark.parametrize("scope", ["research", "treatment", "adr"])
def test_a_statement_about_something_else_is_not_about_sharing(scope: str) -> None:
    """A refusal of treatment refuses no contact, a permission for research opens none."""
    for kind in ("permit", "deny"):
        made = consent(rule(kind), scope=concept(systems.CONSENT_SCOPE, scope))
        assert compile_consent(made, "Consent/1/_history/1", "TLA01", micros(NOW)) is None


def said(kind: str, on: str, at_hour: int = 8, status: str = "active", **more: Any) -> Directive:
    """A statement made on a day and recorded at an hour of today."""
    made = consent(rule(kind), on=on, status=status, **more)
    return directive(
        made,
        ref=f"Consent/{kind}{on}{at_hour}{status}{len(more)}/_history/1",
        recorded=datetime(2026, 11, 21, at_hour, tzinfo=UTC),
    )


LINEAGES = [
    ("a newer refusal", [said("permit", "2026-11-01"), said("deny", "2026-11-02")], ""),
    ("a newer permission", [said("deny", "2026-11-01"), said("permit", "2026-11-02")], "permit"),
    ("a withdrawal", [said("permit", "2026-11-01"), said("permit", "2026-11-02", status="inactive")], ""),
    ("a rejection", [said("permit", "2026-11-01"), said("permit", "2026-11-02", status="rejected")], ""),
    ("a withdrawal that is older", [said("permit", "2026-11-02"), said("permit", "2026-11-01", status="inactive")], "permit"),
    (
        "withdrawn and given again",
        [said("permit", "2026-11-01"), said("permit", "2026-11-02", status="inactive"), said("permit", "2026-11-03")],
        "permit",
    ),
    ("a withdrawn refusal leaves nothing", [said("deny", "2026-11-01"), said("deny", "2026-11-02", status="inactive")], ""),
    ("the same day: what was written down later", [said("permit", "2026-11-21", 9), said("deny", "2026-11-21", 10)], ""),
    ("the same day, the other way round", [said("deny", "2026-11-21", 9), said("permit", "2026-11-21", 10)], "permit"),
    (
        "a day against an hour of it, recorded later",
        [said("permit", "2026-11-21T07:00:00Z", 8), said("deny", "2026-11-21", 10)],
        "",
    ),
    (
        "a day against an hour of it, recorded before",
        [said("deny", "2026-11-21", 8), said("permit", "2026-11-21T09:00:00Z", 10)],
        "permit",
    ),
    ("both recorded at once: refusal wins", [said("permit", "2026-11-21", 9), said("deny", "2026-11-21", 9)], ""),
    ("recorded late, said early", [said("deny", "2026-11-20", 8), said("permit", "2026-11-01", 10)], ""),
    (
        "dated tomorrow counts from its record",
        [said("deny", "2026-11-21T07:00:00Z", 8), said("permit", "2027-01-01", 10)],
        "permit",
    ),
    (
        "dated tomorrow does not outlive what is said after",
        [said("permit", "2027-01-01", 8), said("deny", "2026-11-21T11:00:00Z", 11)],
        "",
    ),
    (
        "another policy is another lineage: refusal wins",
        [said("deny", "2026-11-01", policy=[{"uri": "https://x.example"}]), said("permit", "2026-11-02")],
        "",
    ),
    (
        "another organisation is another lineage",
        [
            said("deny", "2026-11-01", organization=[{"identifier": {"system": systems.ODS_CODE, "value": "X"}}]),
            said("permit", "2026-11-02"),
        ],
        "",
    ),
    (
        "another category is another lineage",
        [said("deny", "2026-11-01", category=[concept(systems.V3_ACT_CODE, "IDSCL")]), said("permit", "2026-11-02")],
        "",
    ),
]


@pytest.mark.parametrize(("statements", "left"), [case[1:] for case in LINEAGES], ids=[case[0] for case in LINEAGES])
def test_the_newest_of_a_lineage_and_refusal_across(statements: list[Directive], left: str) -> None:
    """What the person last said within a lineage; among lineages whoever refuses."""
    for order in (statements, statements[::-1]):
        assert shared(*order) == (ALL if left == "permit" else NOTHING)


def test_a_class_that_is_refused_in_one_place_is_opened_by_no_other() -> None:
    """Also where the statement that refuses it lets the rest be heard."""
    here = consent(rule("permit", rule("deny", klass=classes("detail"))), policy=[{"uri": "https://x.example"}])
    assert shared(here, consent(rule("permit"))) == ALL - {"detail"}


def test_dates_that_go_round_in_a_circle_lose_no_refusal() -> None:
    """A whole year, then two months of it, recorded in an order that makes each later than the next: all of them count."""
    circle = [said("deny", "2026", 9), said("permit", "2026-03", 10), said("permit", "2026-05", 8)]
    beside = consent(rule("permit"), policy=[{"uri": "https://x.example"}])
    assert refused(*circle, beside) == refused(*circle[::-1], beside) == "wishes-conflict"


def test_no_agency_takes_the_place_of_what_another_recorded() -> None:
    """Even where it names the other's organisation: the asker cannot withdraw a refusal that the holder keeps."""
    kept = directive(consent(rule("deny"), on="2026-11-01"))
    theirs = directive(consent(rule("deny"), on="2026-11-10", status="inactive"), by=WARD)
    assert (
        refused(kept, theirs, consent(rule("permit"), on="2026-11-02", policy=[{"uri": "https://x.example"}]))
        == "wishes-conflict"
    )


def test_a_person_is_the_same_maker_by_any_of_their_numbers() -> None:
    """A withdrawal that names her by the local number takes the place of what named her by NHS number."""
    her = subject(identities=frozenset({ME, "local|7"}))
    given, withdrawn = (
        consent(rule("permit")),
        consent(rule("permit"), by="local|7", of="local|7", on="2026-11-02", status="inactive"),
    )
    assert shared(given, of=her) == ALL
    assert refused(given, withdrawn, of=her) == "wish-missing"


def test_an_nhs_number_is_the_same_however_it_is_written() -> None:
    """With spaces it names the same person: a refusal must not get lost by them."""
    system, _, value = ME.partition("|")
    spaced = f"{system}|{value[:3]} {value[3:6]} {value[6:]}"
    assert (
        refused(consent(rule("deny"), of=spaced, by=spaced), consent(rule("permit"), policy=[{"uri": "https://x.example"}]))
        == "wishes-conflict"
    )


LACKED, ADVANCE = extension("capacity", "lacked"), extension("wish-kind", "advance-wish")


def test_what_was_said_without_capacity_does_not_take_the_place_of_an_advance_wish() -> None:
    """She made it for this very situation; said with capacity it does."""
    advance = consent(rule("permit"), on="2026-10-01", extension=[ADVANCE, extension("capacity", "had")])
    assert shared(advance, consent(rule("deny"), on="2026-11-01", extension=[LACKED])) == ALL
    assert shared(advance, consent(rule("deny"), on="2026-11-01", extension=[extension("capacity", "had")])) == NOTHING
    assert shared(advance, consent(rule("permit"), on="2026-11-01", status="inactive", extension=[LACKED])) == ALL
    elsewhere = [{"uri": "https://x.example"}]
    lacking = consent(rule("deny"), on="2026-11-01", policy=elsewhere, extension=[LACKED])
    clear = consent(
        rule("deny"), on="2026-11-02", policy=[{"uri": "https://y.example"}], extension=[extension("capacity", "had")]
    )
    assert shared(advance, lacking) == ALL
    assert shared(advance, lacking, clear) == NOTHING  # a refusal of that very person, made with capacity, stands


def test_a_permission_made_without_capacity_does_not_count_and_a_refusal_does() -> None:
    """Mental Capacity Act 2005 section 1: capacity is assumed unless it is shown to be lacking."""
    assert shared(consent(rule("permit"), extension=[extension("capacity", "not-assessed")])) == ALL
    assert refused(consent(rule("permit"), extension=[LACKED])) == "wish-missing"
    assert refused(consent(rule("deny"), extension=[LACKED])) == "wish-refused"


def test_a_wish_does_not_open_or_close_a_duty() -> None:
    """The law opens it; the refusal is on record with it."""
    assert shared(by=asked(DUTY)) == shared(consent(rule("deny")), by=asked(DUTY)) == ALL


# The published acceptance cases for consent engines, in our own words: opt-in and opt-out, validity, recipient,
# purpose, label, class, code, scope, status, newest.
PUBLISHED: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("no statement at all", [], False),
    ("opt-in without provisions", [consent({}, policyRule=policy_rule("OPTIN"))], True),
    ("opt-out without provisions", [consent({}, policyRule=policy_rule("OPTOUT"))], False),
    ("opt-in that has run out", [consent(rule("permit", period={"start": "2019-11-01", "end": "2025-06-01"}))], False),
    ("opt-in that has not begun", [consent(rule("permit", period={"start": "2027-01-01"}))], False),
    ("opt-in within its time", [consent(rule("permit", period={"start": "2019-11-01", "end": "2030-01-01"}))], True),
    ("opt-out with this recipient excepted", [consent(rule("deny", rule("permit", actor=[actor()])))], True),
    ("opt-in with this recipient excepted", [consent(rule("permit", rule("deny", actor=[actor()])))], False),
    ("opt-in with another recipient excepted", [consent(rule("permit", rule("deny", actor=[OTHERS])))], True),
    (
        "opt-in with the practitioner's role excepted",
        [consent(rule("permit", rule("deny", actor=[role_actor("ward-nurse")])))],
        False,
    ),
    ("opt-in with this purpose excepted", [consent(rule("permit", rule("deny", purpose=[v3("COC")])))], False),
    ("opt-in with another purpose excepted", [consent(rule("permit", rule("deny", purpose=[v3("HMARKT")])))], True),
    ("opt-in for another purpose at the root", [consent(rule("permit", purpose=[v3("HRESCH")]))], False),
    ("opt-in for this purpose at the root", [consent(rule("permit", purpose=[v3("COC")]))], True),
    (
        "opt-in with a label excepted: nobody knows what it covers",
        [consent(rule("permit", rule("deny", securityLabel=[{"code": "PSY"}])))],
        False,
    ),
    ("opt-out with a label excepted", [consent(rule("deny", rule("permit", securityLabel=[{"code": "N"}])))], False),
    (
        "opt-in with a clinical code excepted",
        [consent(rule("permit", rule("deny", code=[concept("http://snomed.info/sct", "1")])))],
        False,
    ),
    ("opt-in with our class of data excepted", [consent(rule("permit", rule("deny", klass=classes(*sorted(ALL)))))], False),
    ("opt-in, inactive", [consent(rule("permit"), status="inactive")], False),
    ("opt-in of another scope", [consent(rule("permit"), scope=concept(systems.CONSENT_SCOPE, "research"))], False),
    ("opt-in, and a newer opt-out", [consent(rule("permit"), on="2026-01-01"), consent(rule("deny"), on="2026-06-01")], False),
    ("opt-out, and a newer opt-in", [consent(rule("deny"), on="2026-01-01"), consent(rule("permit"), on="2026-06-01")], True),
]


@pytest.mark.parametrize(("statements", "opens"), [case[1:] for case in PUBLISHED], ids=[case[0] for case in PUBLISHED])
def test_published_acceptance_cases(statements: list[dict[str, Any]], opens: bool) -> None:
    """All of them hold with the clock standing still; where others say no consent, nothing leaves."""
    assert shared(*statements) == (ALL if opens else NOTHING)


PCF: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    (
        "basic: permit treatment by name of our purpose's reason",
        rule("permit", purpose=[v3("COC"), v3("HPAYMT"), v3("HOPERAT")]),
        {},
        True,
    ),
    ("basic: permit treatment alone does not name us", rule("permit", purpose=[v3("TREAT")]), {}, False),
    ("reject: deny treatment", rule("deny", purpose=[v3("TREAT"), v3("HPAYMT"), v3("HOPERAT")]), {}, False),
    ("expired", rule("permit", period={"end": "2022-07-01"}), {}, False),
    ("one organisation may", rule("deny", rule("permit", actor=[actor()])), {}, True),
    ("one organisation may not", rule("permit", rule("deny", actor=[actor()])), {}, False),
    (
        "one organisation may not: others may",
        rule("permit", rule("deny", actor=[actor()])),
        {"who": requester(agency="RX9")},
        True,
    ),
    ("a time frame of the data may", rule("deny", rule("permit", dataPeriod={"start": "2020"})), {}, False),
    ("a time frame of the data may not", rule("permit", rule("deny", dataPeriod={"start": "2020"})), {}, False),
    (
        "authored by somebody",
        rule("deny", rule("permit", data=[{"meaning": "authoredby", "reference": {"reference": "Practitioner/1"}}])),
        {},
        False,
    ),
    ("normal data", rule("deny", rule("permit", securityLabel=[{"code": "N"}])), {}, False),
]


@pytest.mark.parametrize(("provision", "who", "opens"), [case[1:] for case in PCF], ids=[case[0] for case in PCF])
def test_statements_as_the_ihe_profile_writes_them(provision: dict[str, Any], who: dict[str, Any], opens: bool) -> None:
    """Privacy Consent on FHIR: root type required, recipients by IRCP; labels and time frames never open a status."""
    from tests.core.disclosure.made import LINE, agreements

    under = agreements(LINE, LINE.replace("receiver_kind", "receiver").replace('"adult-mental-health"', '"RX9"'))
    assert shared(consent(provision), by=asked(**who), under=under) == (ALL if opens else NOTHING)


@pytest.mark.parametrize("made", [
    {"patient": 7}, {"performer": "x"}, {"performer": [{"identifier": "x"}]}, {"category": [None]}, {"policy": {"uri": 1}},
    {"provision": {"type": "permit", "actor": [None]}}, {"provision": {"type": "permit", "period": {"start": 5}}},
    {"provision": {"type": "perhaps"}}, {"provision": {"type": "permit", "provision": ["x"]}}, {"scope": {"coding": "x"}},
])  # fmt: skip
def test_what_cannot_be_read_refuses_and_raises_nothing(made: dict[str, Any]) -> None:
    """A broken statement among sound ones must not stop the answer, and must not open it."""
    broken = compile_consent({**consent(rule("permit")), **made}, "Consent/9/_history/1", "TLA01", micros(NOW))
    if broken is not None:
        assert shared(broken) == NOTHING


def test_a_statement_recorded_before_its_own_date_is_taken_as_of_its_record() -> None:
    """Nobody said a thing after it was written down."""
    made = compile_consent(consent(on="2027-01-01"), "Consent/1/_history/1", "TLA01", micros(NOW))
    assert made is not None
    assert made.made is not None
    assert made.made[0] == NOW
    assert made.made[1] - NOW < timedelta(seconds=1)
