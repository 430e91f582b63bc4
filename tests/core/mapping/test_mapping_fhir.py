"""FHIR in: references, canonical systems, the swapped name, what is refused and what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.fhir.systems import NHS_NUMBER, V3_ROLE
from gateway.mapping import Mapped, Op, Resource, Unreadable

Take = Callable[..., list[Mapped]]
CHILD = {"system": NHS_NUMBER, "value": "9990000026"}
MOTHER = {"system": NHS_NUMBER, "value": "9990000018"}
PATIENT: Resource = {
    "resourceType": "Patient",
    "identifier": [CHILD],
    "name": [{"family": "One", "given": ["A"]}],
    "birthDate": "2015-04-03",
}


def related(**parts: Any) -> Resource:
    """The mother of the child."""
    coding = {"system": V3_ROLE, "code": "MTH"}
    base = {
        "resourceType": "RelatedPerson",
        "identifier": [MOTHER],
        "patient": {"identifier": CHILD},
        "relationship": [{"coding": [coding]}],
    }
    return {**base, **parts}


def flag(**parts: Any) -> Resource:
    """A plan of the child."""
    return {
        "resourceType": "Flag",
        "id": "f1",
        "status": "active",
        "code": {"text": "plan"},
        "subject": {"identifier": CHILD},
        **parts,
    }


def bundle(*resources: Resource) -> str:
    """A Bundle with fullUrls u0, u1, ..."""
    entries = [{"fullUrl": f"urn:u{number}", "resource": one} for number, one in enumerate(resources)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def last(mapped: list[Mapped]) -> Resource:
    """The resource of the last entry, which has no fault."""
    assert mapped[-1].faults == ()
    return mapped[-1].resources[0].resource


@pytest.mark.parametrize("reference", ["urn:u0", "Patient/p1"])
def test_a_reference_in_the_bundle_becomes_logical(take: Take, reference: str) -> None:
    """By fullUrl or by type and id."""
    found = last(take("fhir", bundle({**PATIENT, "id": "p1"}, related(patient={"reference": reference}))))
    assert found["patient"] == {"type": "Patient", "identifier": CHILD}


@pytest.mark.parametrize("patient", [{"reference": "Patient/elsewhere"}, {}, {"identifier": {"value": "1"}}, {"display": "x"}])
def test_a_person_who_cannot_be_found_is_refused(take: Take, patient: Resource) -> None:
    """An identifier with system and value is asked for."""
    assert take("fhir", bundle(related(patient=patient)))[0].faults[0].where == "Bundle.entry[0].resource.patient"


def test_a_flag_is_about_a_patient(take: Take) -> None:
    """Never about a RelatedPerson."""
    assert take("fhir", bundle(related(id="r"), flag(subject={"reference": "RelatedPerson/r"})))[1].faults


def test_code_systems_are_written_with_http(take: Take) -> None:
    """Senders that write https mean the same list."""
    coding = {"system": V3_ROLE.replace("http:", "https:"), "code": "MTH"}
    assert (
        last(take("fhir", bundle(related(relationship=[{"coding": [coding]}]))))["relationship"][0]["coding"][0]["system"]
        == V3_ROLE
    )


def test_a_coding_without_a_system_becomes_text(take: Take) -> None:
    """And goes on the review list."""
    mapped = take("fhir", bundle(related(relationship=[{"coding": [{"code": "M", "display": "Mum"}]}])))
    assert last(mapped)["relationship"] == [{"text": "Mum"}]
    assert mapped[0].unmatched[0].code == "M"


def test_a_name_that_is_the_childs_own_is_not_kept(take: Take) -> None:
    """The parent's number beside the child's name and birth date."""
    mapped = take("fhir", bundle(PATIENT, related(name=PATIENT["name"], birthDate="2015-04-03")))
    assert {"name", "birthDate"} & last(mapped).keys() == set()
    assert mapped[1].warnings[0].where == "Bundle.entry[1].resource.name"


@pytest.mark.parametrize(("born", "kept"), [("2014-01-01", False), ("2013-01-01", True), ("1985-01-01", True)])
def test_a_parent_under_twelve_is_no_parent(take: Take, born: str, kept: bool) -> None:
    """Where the Bundle does not hold the child."""
    assert ("birthDate" in last(take("fhir", bundle(related(birthDate=born))))) is kept


def test_published_validated_relationships(take: Take, samples: Path) -> None:
    """Two relationships of one mother, each with a child's name beside her number."""
    file = samples / "nhs-england-fhir" / "vrs-list_relationship_9000000017.yaml"
    value = yaml.safe_load(file.read_text())["ListRelationship9000000017"]["value"]
    mapped = take("fhir", json.dumps(value))
    assert [one.faults for one in mapped] == [(), ()]
    assert all("name" not in one.resources[0].resource and one.warnings for one in mapped)


@pytest.mark.parametrize(
    "resource",
    [
        flag(modifierExtension=[{"url": "https://x.example", "valueBoolean": True}]),
        flag(implicitRules="https://x.example"),
        flag(status=5),
        flag(code=["plan"]),
        {**flag(), "code": None},
        related(identifier=[{**MOTHER, "value": "9990000019"}]),
        related(name="Mary"),
        {"resourceType": "Patient", "birthDate": "2015-04-03"},
        {"resourceType": "Consent", "id": "c"},
        {"resourceType": 5},
        {"id": "x"},
    ],
)
def test_what_may_mislead_is_refused(take: Take, resource: Resource) -> None:
    """Unknown modifiers, wrong forms, wrong check digits, missing elements; the good entry beside it is taken."""
    broken, good = take("fhir", bundle(resource, PATIENT))
    assert broken.faults
    assert good.resources


def test_a_consent_may_hold_only_while_in_hospital(take: Take) -> None:
    """The one modifier that we know."""
    url = "https://gateway.example/fhir/StructureDefinition/while-status"
    consent = {
        "resourceType": "Consent", "id": "c1", "status": "active", "scope": {"text": "privacy"}, "category": [{"text": "INFA"}],
        "patient": {"identifier": MOTHER}, "modifierExtension": [{"url": url, "valueCoding": {"code": "inpatient"}}],
        "policyRule": {"text": "family sharing"},
    }  # fmt: skip
    assert last(take("fhir", json.dumps(consent)))["modifierExtension"][0]["url"] == url


def test_what_is_not_valid_fhir_is_refused(take: Take) -> None:
    """A wish under no policy (invariant ppc-1): the place and the rule are named, also in a dry run."""
    consent = {
        "resourceType": "Consent", "id": "c1", "status": "active", "scope": {"text": "privacy"}, "category": [{"text": "INFA"}],
        "patient": {"identifier": MOTHER},
    }  # fmt: skip
    (one,) = take("fhir", json.dumps(consent))
    assert [(fault.code, fault.where) for fault in one.faults] == [("invariant", "Consent")]
    assert not one.resources


def test_what_is_not_needed_is_not_kept(take: Take) -> None:
    """Address, telecom, narrative, unknown extensions, the text of a name."""
    extra = {
        "address": [{}],
        "telecom": [{}],
        "text": {"div": "x"},
        "extension": [{"url": "https://x.example", "valueString": "x"}],
    }
    patient = {**PATIENT, **extra, "name": [{"family": "One", "text": "Mx One", "prefix": ["Mx"]}]}
    found = last(take("fhir", json.dumps(patient)))
    assert found.keys() == {"resourceType", "identifier", "name", "birthDate"}
    assert found["name"] == [{"family": "One"}]


@pytest.mark.parametrize(
    ("resource", "op"), [(PATIENT, Op.MERGE), (flag(), Op.REPLACE), (flag(status="entered-in-error"), Op.RETRACT)]
)
def test_how_a_resource_is_applied(take: Take, resource: Resource, op: Op) -> None:
    """People are added to, the rest replaces itself, what is in error is retracted."""
    assert take("fhir", json.dumps(resource))[0].resources[0].op is op


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        (PATIENT, "person/nhs/9990000026"),
        (flag(), "flag/f1"),
        (related(), "person/nhs/9990000026/relative/person%2Fnhs%2F9990000018"),
        (related(identifier=[], id="r1"), "relatedperson/r1"),
    ],
)
def test_keys_are_stable(take: Take, resource: Resource, key: str) -> None:
    """By identifier, else by id."""
    assert take("fhir", json.dumps(resource))[0].resources[0].key == key


def test_a_resource_without_any_name_is_refused(take: Take) -> None:
    """The next message could not speak of it."""
    assert take("fhir", json.dumps({**flag(), "id": None}))[0].faults


def test_other_types_are_passed_over(take: Take) -> None:
    """A message header is no fault."""
    first, second = take("fhir", bundle({"resourceType": "MessageHeader"}, PATIENT))
    assert first.faults == ()
    assert first.warnings
    assert second.resources


@pytest.mark.parametrize("data", ["[]", "5", "{}", '{"resourceType": "Bundle", "entry": 5}', "null"])
def test_what_is_no_resource_is_unreadable(take: Take, data: str) -> None:
    """A resourceType is the least."""
    with pytest.raises(Unreadable):
        take("fhir", data)


def test_a_relationship_is_kept_from_both_sides(take: Take) -> None:
    """A parent named on the child's record: who asks about the parent finds the child; nothing is told of either beside it."""
    own = {"resourceType": "Patient", "identifier": [CHILD], "gender": "female"}
    mapped = take("fhir", bundle(own, related(active=False, period={"end": "2025-01-01"})))
    there, back = (item.resource for item in mapped[1].resources)
    assert back["patient"]["identifier"]["value"] == MOTHER["value"] == there["identifier"][0]["value"]
    assert back["identifier"][0]["value"] == CHILD["value"]
    assert back["relationship"] == [{"coding": [{"system": V3_ROLE, "code": "CHILD"}]}]
    assert (back["active"], back["period"]) == (False, {"end": "2025-01-01"})
    assert {"name", "birthDate", "gender"}.isdisjoint(back)


def test_the_other_side_that_the_sender_states_itself_stands(take: Take) -> None:
    """Nothing is derived beside it."""
    child = {"coding": [{"system": V3_ROLE, "code": "DAUC"}]}
    stated = related(identifier=[CHILD], patient={"identifier": MOTHER}, relationship=[child])
    assert [len(one.resources) for one in take("fhir", bundle(related(), stated))] == [1, 1]


@pytest.mark.parametrize("parts", [{"identifier": []}, {"relationship": [{"text": "Mum"}]}, {"identifier": [CHILD]}])
def test_a_side_that_nobody_can_name_is_not_made(take: Take, parts: Resource) -> None:
    """No identifier, no role of the table of inverses, or the person as their own relative."""
    (one,) = take("fhir", json.dumps(related(id="r1", **parts)))
    assert len(one.resources) == 1


def test_responsibility_and_confirmation_do_not_change_sides(take: Take) -> None:
    """Parental responsibility stays where it was stated; what is unconfirmed is so from both sides."""
    base = "https://gateway.example/fhir/StructureDefinition"
    responsible = {"url": f"{base}/parental-responsibility", "extension": [{"url": "value", "valueCode": "yes"}]}
    unconfirmed = {"url": f"{base}/unconfirmed", "valueBoolean": True}
    (one,) = take("fhir", json.dumps(related(id="r1", extension=[responsible, unconfirmed])))
    assert one.resources[1].resource["extension"] == [unconfirmed]


OTHER: Resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
HEADER: Resource = {"resourceType": "MessageHeader"}
PASSED_OVER = [
    (json.dumps(OTHER), [True]),
    (json.dumps({"resourceType": "Organization"}), [True]),
    (bundle(OTHER, {"resourceType": "Organization"}), [True, True]),
    (bundle(PATIENT, OTHER), [False, False]),
    (bundle({**PATIENT, "identifier": []}, OTHER), [True, False]),
    (bundle(HEADER, OTHER), [False, False]),
]


@pytest.mark.parametrize(("body", "refused"), PASSED_OVER)
def test_a_body_of_which_nothing_is_taken_is_refused(take: Take, body: str, refused: list[bool]) -> None:
    """Other types are passed over beside what is taken, and in a message, whose event speaks; alone they are refused."""
    mapped = take("fhir", body)
    assert [bool(one.faults) for one in mapped] == refused
    assert all(one.faults or one.resources or "not kept" in one.warnings[0].text for one in mapped)
