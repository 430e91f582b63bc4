"""The Consent that a recorded wish becomes, whole: what other systems read of it, and what the decision reads."""

from __future__ import annotations

from typing import Any

from gateway.disclosure.wish_forms import Said, Wish, consent_of
from gateway.fhir import systems
from tests.core.disclosure.made import HOLDER, ME, MOTHER, WARD, classes

B = systems.BASE
AT, TITLE = "2026-11-01T10:00:00.000Z", "Written down"
WARDS, POLICE = f"{systems.ODS_CODE}|{WARD}", f"{B}/CodeSystem/agency-kind|police"


def provision(*wishes: Wish) -> dict[str, Any]:
    """What the Consent of these wishes permits and denies."""
    made: dict[str, Any] = consent_of(Said(ME, ME, wishes), HOLDER, AT, TITLE)["provision"]
    return made


def actor(receiver: str) -> dict[str, Any]:
    system, _, value = receiver.partition("|")
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    return {"role": role, "reference": {"identifier": {"system": system, "value": value}}}


DISCLOSE = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "disclose"}]}]


def test_who_said_what_when_and_in_whose_record() -> None:
    """A mother for her child, before a witness."""
    said = Said(ME, MOTHER, (Wish("nothing"),), "had", "parent-for-child", "Her sister")
    person, mother = (
        {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": one.partition("|")[2]}} for one in (ME, MOTHER)
    )
    assert consent_of(said, HOLDER, AT, TITLE) == {
        "resourceType": "Consent",
        "extension": [
            {"url": f"{B}/StructureDefinition/capacity", "valueCode": "had"},
            {"url": f"{B}/StructureDefinition/wish-kind", "valueCode": "parent-for-child"},
            {"url": f"{B}/StructureDefinition/present", "valueString": "Her sister"},
        ],
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INFA"}]}],
        "patient": person,
        "dateTime": AT,
        "performer": [mother],
        "organization": [{"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": HOLDER}}],
        "sourceAttachment": {"title": TITLE},
        "policy": [{"uri": f"{B}/policy/family-sharing"}],
        "provision": {"type": "deny"},
    }


def test_what_was_not_said_is_the_persons_own_wish_and_no_more() -> None:
    """Neither capacity nor anybody who was there."""
    made = consent_of(Said(ME, ME, (Wish("nothing"),)), HOLDER, AT, TITLE)
    assert made["extension"] == [{"url": f"{B}/StructureDefinition/wish-kind", "valueCode": "own-wish"}]


def test_every_limit_stands_with_what_is_shared() -> None:
    """With the ward to plan care, while in hospital, until May, told each time; not with the police; never the address."""
    limited = provision(
        Wish("share", (WARDS,), purposes=("amh-care-planning",), classes=("status", "contact")),
        Wish("until", date="2027-05-01"), Wish("only-while-in-hospital"), Wish("tell-me-each-time"),
        Wish("not-to", (POLICE,)), Wish("never-address"),
    )  # fmt: skip
    state = {"system": f"{B}/CodeSystem/involvement-detail", "code": "inpatient"}
    told = {"system": f"{B}/CodeSystem/obligation", "code": "tell-person-each-time"}
    assert limited == {
        "type": "deny",
        "provision": [
            {
                "type": "permit",
                "actor": [actor(WARDS)],
                "action": DISCLOSE,
                "purpose": [{"system": f"{B}/CodeSystem/purpose", "code": "amh-care-planning"}],
                "class": classes("existence", "status", "contact"),
                "period": {"end": "2027-05-01"},
                "modifierExtension": [{"url": f"{B}/StructureDefinition/while-status", "valueCoding": state}],
                "extension": [{"url": f"{B}/StructureDefinition/obligation", "valueCoding": told}],
            },
            {"type": "deny", "actor": [actor(POLICE)]},
            {"type": "deny", "action": DISCLOSE, "class": classes("address")},
        ],
    }


def test_only_somebody_means_what_is_usual_to_them() -> None:
    """And a share that names nobody is theirs; one that names them stays as it is."""
    usual = {"type": "permit", "actor": [actor(WARDS)], "action": DISCLOSE, "class": classes("existence", "status", "contact")}
    assert provision(Wish("only", (WARDS,))) == {"type": "deny", "provision": [usual]}
    named = provision(Wish("only", (WARDS, POLICE)), Wish("share", (POLICE,), classes=("status",)))
    told = {"type": "permit", "actor": [actor(POLICE)], "action": DISCLOSE, "class": classes("existence", "status")}
    assert named == {"type": "deny", "provision": [told]}
    unnamed = provision(Wish("only", (WARDS, POLICE)), Wish("share", classes=("status",)))
    assert unnamed["provision"][0]["actor"] == [actor(WARDS), actor(POLICE)]


def test_a_mere_refusal_is_limited_to_whom_and_what_it_names() -> None:
    """Nothing else is refused by it."""
    assert provision(Wish("not-to", (POLICE,))) == {"type": "deny", "actor": [actor(POLICE)]}
    both = provision(Wish("not-to", (POLICE, WARDS)), Wish("never-address"))
    assert both == {
        "type": "deny",
        "actor": [actor(POLICE), actor(WARDS)],
        "provision": [{"type": "deny", "action": DISCLOSE, "class": classes("address")}],
    }
