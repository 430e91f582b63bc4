"""What is wrong with a resource is found, and what is right is left in peace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.fhir.outcomes import Issue
from gateway.fhir.resources import errors, model, validate, validate_bundle

EXAMPLES = sorted(path.stem for path in (Path(__file__).parent / "examples").glob("*.json"))
SAMPLE = Path(__file__).parents[4] / "shared/samples/nhs-england-fhir/vrs-list_relationship_9000000017.yaml"
Example = Callable[[str], Any]
Spoiled = Callable[[str, str, Any], Any]


def check(resource: Any) -> list[Issue]:
    """All findings, for a Bundle also those across its entries."""
    return validate_bundle(resource) if resource.get("resourceType") == "Bundle" else validate(resource)


@pytest.mark.parametrize("name", EXAMPLES)
def test_valid_examples_have_no_finding(example: Example, name: str) -> None:
    """A realistic example of each type passes without as much as a warning."""
    assert check(example(name)) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_library_agrees_about_valid_examples(example: Example, name: str) -> None:
    """The FHIR library takes each example too, so the examples are not only valid by our own reading."""
    resource = example(name)
    model(resource["resourceType"]).model_validate(resource)


REF = {"reference": "Patient/1"}
# name, path, new value (... takes it away), where the finding is, what its text contains
FAULTS: list[tuple[str, str, Any, str, str]] = [
    # AuditEvent: eleven
    ("AuditEvent", "type", ..., "AuditEvent.type", "needs type"),
    ("AuditEvent", "recorded", "2026-11-02", "AuditEvent.recorded", "instant"),
    ("AuditEvent", "recorded", "2026-11-02T09:15:00", "AuditEvent.recorded", "zone"),
    ("AuditEvent", "action", "X", "AuditEvent.action", "audit-event-action"),
    ("AuditEvent", "outcome", "1", "AuditEvent.outcome", "audit-event-outcome"),
    ("AuditEvent", "agent", ..., "AuditEvent.agent", "needs agent"),
    ("AuditEvent", "agent.0.requestor", ..., "AuditEvent.agent[0].requestor", "needs requestor"),
    ("AuditEvent", "agent.0.network.type", "6", "AuditEvent.agent[0].network.type", "network-type"),
    ("AuditEvent", "entity.1.name", "x", "AuditEvent.entity[1]", "sev-1"),
    ("AuditEvent", "entity.1.detail.0.valueBase64Binary", "eA==", "AuditEvent.entity[1].detail[0].value", "one type"),
    ("AuditEvent", "source.observer", ..., "AuditEvent.source.observer", "needs observer"),
    ("AuditEvent", "period.end", "2026-11-01T09:15:01Z", "AuditEvent.period", "per-1"),
    # message Bundle: eight and more
    ("message-Bundle", "entry.0", {"resource": {"resourceType": "Basic", "code": {"text": "x"}}}, "entry[0]", "bdl-12"),
    ("message-Bundle", "total", 2, "Bundle.total", "bdl-1"),
    ("message-Bundle", "entry.1.search", {"mode": "match"}, "Bundle.entry.search", "bdl-2"),
    ("message-Bundle", "entry.1.request", {"method": "GET", "url": "x"}, "Bundle.entry.request", "bdl-3"),
    ("message-Bundle", "entry.1.response", {"status": "200"}, "Bundle.entry.response", "bdl-4"),
    ("message-Bundle", "entry.1.fullUrl", "urn:uuid:0e6f0a52-9d0c-4f9e-9a52-0c8d1c2f6a11", "Bundle.entry.fullUrl", "bdl-7"),
    ("message-Bundle", "entry.2.fullUrl", "https://a.example/RelatedPerson/r-1/_history/2", "entry[2].fullUrl", "bdl-8"),
    ("message-Bundle", "entry.2.fullUrl", "https://a.example/RelatedPerson/other", "entry[2].fullUrl", "type and id"),
    ("message-Bundle", "entry.2.fullUrl", "RelatedPerson/r-1", "entry[2].fullUrl", "absolute"),
    ("message-Bundle", "type", "telegram", "Bundle.type", "bundle-type"),
    ("message-Bundle", "entry.0.resource.source", ..., "entry[0].resource.source", "needs source"),
    ("message-Bundle", "entry.0.resource.eventCoding", ..., "entry[0].resource.event", "needs one event"),
    ("message-Bundle", "entry.0.resource.focus.0.reference", "urn:uuid:none", "focus[0].reference", "no entry"),
    ("message-Bundle", "entry.0.resource.focus.0.reference", "Flag/none", "focus[0].reference", "no entry"),
    ("message-Bundle", "entry.2.resource", ..., "entry[2].resource", "needs a resource"),
    ("message-Bundle", "entry.2.resource.gender", "f", "entry[2].resource.gender", "administrative-gender"),
    ("collection-Bundle", "entry.1", {"fullUrl": "urn:uuid:x"}, "entry[1]", "bdl-5"),
    # Consent: six and more
    ("Consent", "status", "banana", "Consent.status", "consent-state-codes"),
    ("Consent", "scope", ..., "Consent.scope", "needs scope"),
    ("Consent", "category", [], "Consent.category", "never empty"),
    ("Consent", "category", ..., "Consent.category", "needs category"),
    ("Consent", "policy", ..., "Consent", "ppc-1"),
    ("Consent", "patient", ..., "Consent", "ppc-2"),
    ("Consent", "patient.type", "Practitioner", "Consent.patient.type", "allows Patient"),
    ("Consent", "provision.type", "allow", "Consent.provision.type", "consent-provision-type"),
    ("Consent", "provision.period.end", "2025", "Consent.provision.period", "per-1"),
    ("Consent", "provision.provision.0.type", ..., "Consent.provision.provision", "each nested"),
    ("Consent", "provision.provision.0.actor.0.role", ..., "actor[0].role", "needs role"),
    ("Consent", "provision.provision.0.provision.0.type", "maybe", "provision[0].provision[0].type", "one of"),
    ("Consent", "sourceReference", REF, "Consent.source", "one type"),
    ("Consent", "verification.0.verified", "true", "Consent.verification[0].verified", "quotation"),
    ("Consent", "sourceAttachment.contentType", "pdf?", "contentType", "mimetypes"),
    # the list of what the library accepts, all wrong
    ("Patient", "gender", "banana", "Patient.gender", "female | male | other | unknown"),
    ("Patient", "active", "true", "Patient.active", "boolean"),
    ("Patient", "identifier", [], "Patient.identifier", "never empty"),
    ("Patient", "name", [{}], "Patient.name[0]", "never empty"),
    ("Patient", "id", "x" * 65, "Patient.id", "1 to 64"),
    ("Patient", "managingOrganization", REF, "Patient.managingOrganization.reference", "allows Organization"),
    ("Patient", "contact", [{"gender": "male"}], "Patient.contact[0]", "pat-1"),
    # primitives
    ("Patient", "birthDate", "2026-02-29", "Patient.birthDate", "day that exists"),
    ("Patient", "birthDate", "28/02/1990", "Patient.birthDate", "YYYY-MM-DD"),
    ("Patient", "birthDate", "1990-02-28T00:00:00Z", "Patient.birthDate", "date"),
    ("Patient", "deceasedBoolean", None, "Patient.deceased.ofType(boolean)", "null"),
    ("Patient", "deceasedDateTime", "2020", "Patient.deceased", "one type"),
    ("Patient", "multipleBirthInteger", 2.5, "multipleBirth.ofType(integer)", "whole number"),
    ("Patient", "multipleBirthInteger", True, "multipleBirth.ofType(integer)", "whole number"),
    ("Patient", "telecom.0.rank", 0, "Patient.telecom[0].rank", "positiveInt"),
    ("Patient", "identifier.0.system", "with space", "Patient.identifier[0].system", "without spaces"),
    ("Patient", "identifier.0.value", "", "Patient.identifier[0].value", "empty"),
    ("Patient", "identifier.0.value", "  ", "Patient.identifier[0].value", "not blank"),
    ("Patient", "identifier.0.value", "a\x07b", "Patient.identifier[0].value", "control"),
    ("Patient", "name.0.given", ["a"], "name[0].given", "differ in length"),
    ("Patient", "name.0._given", ..., "name[0].given[1]", "counterpart"),
    ("Patient", "name.0.given", "Ada", "name[0].given", "an array"),
    ("Patient", "name", {"family": "x"}, "Patient.name", "an array"),
    ("Patient", "gender", ["male"], "Patient.gender", "not an array"),
    ("Patient", "gender", "Male", "Patient.gender", "female | male"),
    ("Patient", "language", "english please", "Patient.language", "all-languages"),
    ("Patient", "birthdate", "1990", "Patient", "birthDate is"),
    ("Patient", "nickname", "x", "Patient", "nickname is not an element"),
    ("Patient", "meta.lastUpdated", "2026-11-02T24:15:00Z", "Patient.meta.lastUpdated", "instant"),
    ("Patient", "text.div", "<p>x</p>", "Patient.text.div", "xhtml"),
    ("Patient", "text.div", "<div xmlns='http://www.w3.org/1999/xhtml'><script>x</script></div>", "text.div", "script"),
    ("Patient", "text.div", "<div xmlns='http://www.w3.org/1999/xhtml'></div>", "text.div", "content"),
    ("Patient", "_gender", "x", "Patient.gender", "object"),
    ("Flag", "code.coding.0.code", " x", "Flag.code.coding[0].code", "start or end"),
    ("Flag", "meta.profile", ["a b"], "Flag.meta.profile[0]", "canonical"),
    ("Flag", "status", ..., "Flag.status", "needs status"),
    ("Flag", "subject", {"type": "RelatedPerson", "display": "x"}, "Flag.subject.type", "RelatedPerson"),
    ("Flag", "subject", {"type": "Patient"}, "Flag.subject", "points at nothing"),
    ("Flag", "period", {"start": "2026-02", "end": "2026-01-31"}, "Flag.period", "per-1"),
    ("Flag", "extension.0", {"url": "https://a.example"}, "Flag.extension[0]", "ext-1"),
    ("Flag", "extension.0.extension", [{"url": "a", "valueCode": "b"}], "Flag.extension[0]", "ext-1"),
    ("Flag", "extension.0.valueCode", "b", "Flag.extension[0].value", "one type"),
    ("Flag", "extension.0.valueRatioRange", {}, "Flag.extension[0]", "not an element"),
    ("Flag", "resourceType", "flag", "", "Flag is"),
    ("Flag", "contained", [{"resourceType": "Patient", "id": "a"}], "Flag.contained[0]", "dom-3"),
    ("Patient", "contained.0.meta", {"versionId": "1"}, "Patient.contained[0].meta", "dom-4"),
    ("Patient", "contained.0.meta", {"security": [{"system": "urn:a", "code": "R"}]}, "contained[0].meta", "dom-5"),
    ("Patient", "contained.0.contained", [{"resourceType": "Basic"}], "Patient.contained[0].contained", "dom-2"),
    ("Patient", "contained", ..., "Patient.generalPractitioner[0].reference", "ref-1"),
    ("Patient", "contained.0.resourceType", "Endpoint", "generalPractitioner[0].reference", "is to Endpoint"),
    ("Flag", "period", {"start": "2026-01-31T23:00:00Z", "end": "2026-01-31T23:30:00+01:00"}, "Flag.period", "per-1"),
    ("RelatedPerson", "patient", {"reference": "https://a.example/fhir/Person/1"}, "patient.reference", "allows Patient"),
    ("RelatedPerson", "patient", {"reference": "Patient/1", "type": "Person"}, "patient.reference", "its type says Person"),
    ("RelatedPerson", "patient", {"reference": "one"}, "patient.reference", "neither Type/id"),
    ("RelatedPerson", "patient", ..., "RelatedPerson.patient", "needs patient"),
    ("Subscription", "channel.type", "pigeon", "Subscription.channel.type", "subscription-channel-type"),
    ("Subscription", "channel.payload", "json please", "Subscription.channel.payload", "mimetypes"),
    ("Subscription", "end", "2027-02-01", "Subscription.end", "instant"),
    ("Subscription", "contact.0.system", ..., "Subscription.contact[0]", "cpt-2"),
    ("MessageHeader", "source.endpoint", "a b", "MessageHeader.source.endpoint", "url"),
    ("MessageHeader", "response", {"identifier": "urn:uuid:x", "code": "ok"}, "response.identifier", "id"),
    ("MessageHeader", "response", {"identifier": "x", "code": "fine"}, "response.code", "response-code"),
    ("OperationOutcome", "issue", [], "OperationOutcome.issue", "never empty"),
    ("OperationOutcome", "issue.0.code", "broken", "OperationOutcome.issue[0].code", "issue-type"),
    ("OperationOutcome", "issue.0.severity", "bad", "OperationOutcome.issue[0].severity", "issue-severity"),
    ("Organization", "address.0.use", "home", "Organization.address", "org-2"),
    ("Organization", "telecom.0.use", "home", "Organization.telecom", "org-3"),
    ("Practitioner", "gender", "m", "Practitioner.gender", "administrative-gender"),
    ("PractitionerRole", "availableTime.0.daysOfWeek", ["monday"], "daysOfWeek[0]", "days-of-week"),
    ("PractitionerRole", "availableTime.0.availableStartTime", "9:00", "availableStartTime", "hh:mm:ss"),
    ("Provenance", "target", ..., "Provenance.target", "needs target"),
    ("Provenance", "entity.0.role", "cause", "Provenance.entity[0].role", "provenance-entity-role"),
    ("Provenance", "signature.0.data", "not base64!", "Provenance.signature[0].data", "base64"),
    ("Parameters", "parameter.1.valueString", "x", "Parameters.parameter[1]", "inv-1"),
    ("Parameters", "parameter.0.part.0", {"name": "x"}, "Parameters.parameter[0].part[0]", "inv-1"),
    ("Parameters", "parameter.0.part.1.valueInstant", "2026", "part[1].value.ofType(instant)", "zone"),
    ("CapabilityStatement", "fhirVersion", "4.3.0", "CapabilityStatement.fhirVersion", "FHIR-version"),
    ("CapabilityStatement", "rest.0.resource.0.type", "Flags", "rest[0].resource[0].type", "Flag, for one"),
    ("CapabilityStatement", "implementation", ..., "CapabilityStatement.implementation", "cpb-14"),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "where", "says"), FAULTS, ids=[f"{f[0]}-{f[1]}-{n}" for n, f in enumerate(FAULTS)]
)
def test_each_seeded_fault_is_found(spoiled: Spoiled, name: str, path: str, value: Any, where: str, says: str) -> None:
    """One fault in a valid resource is an error at its place, in words that say what is wrong."""
    found = errors(check(spoiled(name, path, value)))
    assert any(issue.where.endswith(where) and says.lower() in issue.text.lower() for issue in found), found


def test_faults_at_large_do_not_hide_each_other(example: Example) -> None:
    """Everything wrong is reported in one answer, not the first fault alone."""
    patient = example("Patient") | {"gender": "banana", "active": "true", "birthDate": "1990-13", "extra": 1}
    assert {issue.where for issue in errors(validate(patient))} == {
        "Patient.gender", "Patient.active", "Patient.birthDate", "Patient",
    }  # fmt: skip


FINE: list[tuple[str, str, Any]] = [
    ("Patient", "name.0.given.1", "Bea"),
    ("Patient", "birthDate", "1990"),
    ("Patient", "text.div", '<div xmlns="http://www.w3.org/1999/xhtml">conclusion = one &amp; only</div>'),
    ("Patient", "managingOrganization", {"reference": "https://a.example/any/Organization/1/_history/3"}),
    ("Patient", "managingOrganization", {"reference": "urn:uuid:7f1c4b0e-60d3-4a5e-8f0b-1d2c3b4a5f60"}),
    ("Patient", "managingOrganization", {"reference": "https://a.example/org?id=1"}),
    ("Patient", "_birthDate", {"id": "x"}),
    ("Flag", "period", {"start": "2026-01-31T23:30:00+01:00", "end": "2026-01-31T22:45:00Z"}),
    ("Flag", "period", {"start": "2026-01-31", "end": "2026-01"}),
    ("Flag", "period", {"start": "2016-12-31T23:59:60Z", "end": "2017-01-01T00:00:00.123456789Z"}),
    ("Flag", "extension.0", {"url": "urn:x", "_valueString": {"extension": [{"url": "urn:y", "valueCode": "unknown"}]}}),
    ("Flag", "extension.0", {"url": "urn:x", "valueUuid": "urn:uuid:c757873d-ec9a-1326-a141-556f43239520"}),
    ("Flag", "extension.0", {"url": "urn:x", "valueDecimal": 1.10}),
    ("Flag", "extension.0", {"url": "urn:x", "valueUrl": "mllp:10.0.0.1:2575"}),
    ("Consent", "provision.provision.0.period", {"start": "2026"}),
    ("message-Bundle", "entry.0.resource.focus.0.reference", "RelatedPerson/r-1"),
]


@pytest.mark.parametrize(("name", "path", "value"), FINE, ids=[f"{f[0]}-{f[1]}-{n}" for n, f in enumerate(FINE)])
def test_unusual_and_right_is_not_refused(spoiled: Spoiled, name: str, path: str, value: Any) -> None:
    """What R4 allows passes, also where the library would refuse it."""
    assert check(spoiled(name, path, value)) == []


def test_a_code_without_a_system_is_a_warning(spoiled: Spoiled) -> None:
    """A coding that cannot be understood is said, and does not make the resource invalid."""
    issues = validate(spoiled("Flag", "code.coding.0.system", ...))
    assert [(issue.severity, issue.where) for issue in issues] == [("warning", "Flag.code.coding[0]")]


def test_a_relative_reference_that_is_not_sent_along_is_a_warning(spoiled: Spoiled) -> None:
    """Outside of a message's focus a relative reference may lead to the receiver's own resource."""
    issues = validate_bundle(spoiled("message-Bundle", "entry.2.resource.patient", REF))
    assert [issue.severity for issue in issues] == ["warning"]


def test_expected_type(example: Example) -> None:
    """Where one type may come, another is refused in one finding."""
    assert validate(example("Flag"), expected="Flag") == []
    assert [issue.text for issue in validate(example("Flag"), expected="Consent")] == ["A Consent belongs here."]
    assert [issue.text for issue in validate_bundle(example("Flag"))] == ["A Bundle belongs here."]
    assert errors(validate([], expected="Flag"))


def test_the_second_opinion_can_be_left_out(spoiled: Spoiled) -> None:
    """Without the library's second opinion the same faults are found, in a fifth of the time."""
    spoilt = spoiled("Consent", "provision.type", "allow")
    assert validate(spoilt, second_opinion=False) == validate(spoilt)
    bundle = spoiled("message-Bundle", "entry.0.resource.source", ...)
    assert validate_bundle(bundle, second_opinion=False) == validate_bundle(bundle)


def test_types_that_r4_does_not_have() -> None:
    """Types that came after R4 are not known, though the library has them."""
    assert errors(validate({"resourceType": "SubscriptionStatus", "status": "active", "type": "handshake"}))
    assert errors(validate({"resourceType": "Resource"}))
    assert errors(validate({}))


def test_a_flood_of_faults_is_cut() -> None:
    """A resource with a hundred thousand faults gives a hundred findings and one that says there is more."""
    issues = validate({"resourceType": "Patient", "name": [{}] * 100_000} | {f"x{n}": 1 for n in range(1000)})
    assert len(issues) == 101
    assert issues[-1].code == "incomplete"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the public samples are kept beside the repository")
def test_the_published_example_of_validated_relationships() -> None:
    """NHS England's example of the Validated Relationships Service has no error by the base specification."""
    for sample in yaml.safe_load(SAMPLE.read_text("utf-8")).values():
        assert errors(validate_bundle(sample["value"])) == []
