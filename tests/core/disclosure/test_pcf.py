"""IHE Privacy Consent on FHIR: what we emit conforms to the profile that it claims, or claims none."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.disclosure.pcf import ADVANCED, BASIC, INTERMEDIATE, profile_of, with_claim
from gateway.disclosure.wish_forms import Said, Wish, consent_of, faults_of
from gateway.fhir import resources, systems
from tests.core.disclosure.made import (
    HOLDER,
    ME,
    WARD,
    action,
    actor,
    classes,
    concept,
    consent,
    purpose,
    rule,
    v3,
    while_inpatient,
)
from tests.core.disclosure.pcf_rules import faults

TO, SCHOOLS = (f"{systems.ODS_CODE}|{WARD}",), (f"{systems.code_system('agency-kind')}|school",)
FORMS = [
    Wish("nothing"), Wish("not-to", TO), Wish("not-to", SCHOOLS), Wish("never-address"), Wish("share"), Wish("share", TO),
    Wish("share", purposes=("early-help",)), Wish("only", TO), Wish("only-while-in-hospital"), Wish("until", date="2027-03-31"),
    Wish("tell-me-each-time"),
]  # fmt: skip
OURS = {"organization": [{"identifier": {"system": systems.ODS_CODE, "value": HOLDER}}], "sourceAttachment": {"title": "paper"}}


def emitted(*wishes: Wish) -> dict[str, Any]:
    """What ``$record-wish`` gives for these."""
    return with_claim(consent_of(Said(ME, ME, wishes, "had", "own-wish"), HOLDER, "2026-11-01T10:00:00Z", "Written down"))


def claimed(made: dict[str, Any]) -> list[str]:
    """The profiles that a Consent claims."""
    found: list[str] = made.get("meta", {}).get("profile", [])
    return found


def told(*nested: dict[str, Any], kind: str = "deny", **parts: Any) -> dict[str, Any]:
    """A complete Consent with these provisions."""
    return consent(rule(kind, *nested, **parts), **OURS)


SAID = [
    one
    for count in (1, 2, 3)
    for one in itertools.combinations(FORMS, count)
    if not faults_of(Said(ME, ME, one, "had", "own-wish"))
]


@pytest.mark.parametrize("wishes", SAID, ids=lambda wishes: "+".join(one.code for one in wishes))
def test_every_wish_form_conforms_to_what_it_claims(wishes: tuple[Wish, ...]) -> None:
    """Alone and with others; valid FHIR R4 in any case."""
    made = emitted(*wishes)
    assert resources.errors(resources.validate(made)) == []
    for profile in claimed(made):
        assert faults(made, profile) == []


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ((Wish("nothing"),), [BASIC]),
        ((Wish("not-to", TO),), [BASIC]),
        ((Wish("not-to", SCHOOLS),), [BASIC]),
        ((Wish("nothing"), Wish("not-to", TO)), [INTERMEDIATE]),
        ((Wish("not-to", TO), Wish("never-address")), []),
        ((Wish("share", TO),), []),
        ((Wish("share", TO), Wish("only-while-in-hospital")), []),
    ],
    ids=[
        "nothing",
        "not to an organisation",
        "not to schools",
        "nothing, and not to one",
        "never my address",
        "share",
        "in hospital",
    ],
)
def test_what_pcf_can_say_claims_the_narrowest_profile(wishes: tuple[Wish, ...], expected: list[str]) -> None:
    """What names classes of data, or holds in a state only, is not for readers of PCF alone."""
    assert claimed(emitted(*wishes)) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (told(kind="permit"), BASIC),
        (told(kind="permit", purpose=[v3("TREAT"), v3("BTG")]), BASIC),
        (told(kind="permit", purpose=[v3("HRESCH")]), INTERMEDIATE),
        (told(rule(actor=[actor()], purpose=[purpose()])), INTERMEDIATE),
        (told(kind="permit", dataPeriod={"start": "2020"}), INTERMEDIATE),
        (told(rule(data=[{"meaning": "instance", "reference": {"reference": "Flag/1"}}])), INTERMEDIATE),
        (told(rule(securityLabel=[{"system": systems.V3_ACT_CODE, "code": "PSY"}])), ADVANCED),
        (told(rule(securityLabel=[{"system": systems.V3_ACT_CODE, "code": "GDIS"}])), ""),
        (told(rule(actor=[actor()], action=[action()])), ""),
        (told(rule(klass=classes("existence"))), ""),
        (told(rule(code=[concept(systems.SNOMED, "1")])), ""),
        (told(rule("permit", rule("deny"))), ""),
        (told(rule(modifierExtension=while_inpatient())), ""),
        (told(rule(actor=[actor(role="CST")])), ""),
        (told(rule(data=[{"meaning": "related", "reference": {"reference": "Flag/1"}}])), ""),
        ({**told(), "verification": [{"verified": True}]}, ""),
        ({**told(), "policyRule": concept(systems.V3_ACT_CODE, "OPTOUT")}, ""),
        ({**told(), "policy": [{"authority": "https://elsewhere.example"}]}, ""),
        ({**told(), "scope": concept(systems.CONSENT_SCOPE, "research")}, ""),
        ({**told(), "sourceReference": {"reference": "DocumentReference/1"}}, ""),
        ({**told(), "provision": {"provision": [rule()]}}, ""),
        ({**told(), "provision": 3}, ""),
        *(({name: value for name, value in told().items() if name != left}, "") for left in OURS),
        *(({name: value for name, value in told().items() if name != left}, "") for left in ("performer", "dateTime", "policy")),
    ],
)
def test_a_consent_claims_the_narrowest_profile_that_it_conforms_to(made: dict[str, Any], expected: str) -> None:
    """Whatever it claimed where it came from, by the profile's own rules."""
    boasting = {**made, "meta": {"profile": [ADVANCED, "https://elsewhere.example/profile"], "security": [{"code": "N"}]}}
    shown = with_claim(boasting)
    assert profile_of(made) == expected
    assert shown["meta"] == ({"security": [{"code": "N"}]} | ({"profile": [expected]} if expected else {}))
    if expected:
        assert faults(shown, expected) == []
    elif isinstance(made.get("provision"), dict):
        assert all(faults(shown, one) for one in (BASIC, INTERMEDIATE, ADVANCED)) or "data" in str(made["provision"])
