"""What must hold for every input: no exception, no echo, and never laxer than the library."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fhir.bindings import REQUIRED, RESOURCE_TYPES, VALUE_SETS
from gateway.fhir.resources import errors, model, validate, validate_bundle
from gateway.fhir.shapes import shape_of

EXAMPLES = [json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "examples").glob("*.json"))]
PLANTED = ["9990548609", "Okafor", "1990-02-28", "1990-02-30", "ZZ99 3CZ", "Ada Okafor", "urn:uuid:9990548609", "#Okafor"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*PLANTED, "Patient/1", "#", "#x", "message", "2026-11-02T09:15:00Z", "0001-01-01T00:00:00+14:00"])
)
keys = st.text(max_size=8) | st.sampled_from(
    ["resourceType", "id", "extension", "contained", "entry", "resource", "reference", "period", "start", "end", "name"]
)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [deeper for step, item in inner for deeper in places(item, (*path, step))]


@st.composite
def damaged(draw: st.DrawFn, replacement: st.SearchStrategy[Any] = anything) -> Any:
    """A valid example with one to three of its values replaced, removed or joined by a stranger."""
    resource = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from(places(resource) or [("resourceType",)]))
        holder = resource
        for step in steps:
            holder = holder[step]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            holder[last] = copy.deepcopy(draw(replacement))
        elif change == "remove" and last in (holder if isinstance(holder, dict) else range(len(holder))):
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(keys)] = copy.deepcopy(draw(replacement))
    return resource


@settings(deadline=None)
@given(anything)
def test_any_json_is_judged_without_an_exception(value: Any) -> None:
    """Whatever comes, the answer is a list of findings."""
    assert isinstance(validate(value), list)
    assert isinstance(validate_bundle(value), list)


@settings(deadline=None)
@given(st.sampled_from(sorted(RESOURCE_TYPES)), st.dictionaries(keys, anything, max_size=5))
def test_any_members_of_any_type_are_judged_without_an_exception(name: str, members: dict[str, Any]) -> None:
    """Also where the type is known and nothing else makes sense."""
    assert isinstance(validate({**members, "resourceType": name}), list)


@settings(deadline=None)
@given(damaged())
def test_damaged_examples_are_judged_without_an_exception(resource: Any) -> None:
    """Also where nearly everything is right."""
    assert isinstance(validate_bundle(resource), list)
    assert isinstance(validate(resource), list)


@settings(deadline=None)
@given(damaged(st.sampled_from(PLANTED) | st.lists(st.sampled_from(PLANTED), min_size=1) | st.just({"Okafor": "9990548609"})))
def test_no_finding_repeats_what_was_sent(resource: Any) -> None:
    """Names, numbers, dates and postcodes planted in any place never come back in a text or a place."""
    shown = " ".join(issue.text + " " + issue.where for issue in validate(resource) + validate_bundle(resource))
    assert not [secret for secret in PLANTED if secret in shown]


@pytest.mark.parametrize("resource", EXAMPLES, ids=lambda each: each["resourceType"])
def test_no_place_echoes_what_was_planted_there(resource: Any) -> None:
    """Each single value of each example, replaced by each planted text, is judged without repeating it."""
    for *steps, last in places(resource):
        spoiled = holder = copy.deepcopy(resource)
        for step in steps:
            holder = holder[step]
        for secret in PLANTED:
            holder[last] = secret
            assert not [issue for issue in validate_bundle(spoiled) + validate(spoiled) if secret in issue.text + issue.where]


@settings(deadline=None)
@given(damaged())
def test_what_the_library_refuses_the_walk_refuses(resource: Any) -> None:
    """The walk finds a fault wherever the library does, with better words; the second opinion is for the unforeseen."""
    assert not [issue for issue in validate(resource) if "does not fit the definition" in issue.text]


def models() -> dict[str, Any]:
    """Every model that a type of R4 is made of, by name."""
    waiting = [found for name in RESOURCE_TYPES if (found := model(name)) is not None]
    seen: dict[str, Any] = {}
    while waiting:
        each = waiting.pop()
        if each.__name__ not in seen:
            seen[each.__name__] = each
            waiting += [element.model for element in shape_of(each).elements.values() if element.model is not None]
    return seen


def test_value_sets_agree_with_the_library_where_it_names_them() -> None:
    """Each element of our table exists, and its codes are those in the library's comments where it has some."""
    known = models()
    for (owner, name), value_set in REQUIRED.items():
        assert name in shape_of(known[owner]).elements, (owner, name)
        field = next(field for field in known[owner].model_fields.values() if field.alias == name)
        listed = (field.json_schema_extra or {}).get("enum_values")
        loose = {("CapabilityStatement", "fhirVersion")}
        assert not listed or (owner, name) in loose or set(listed) == VALUE_SETS[value_set], (owner, name)


def test_required_codes_of_the_types_we_take_are_all_in_the_table() -> None:
    """No element with a closed list in the library is forgotten for a type that is taken or published here."""
    taken = {example["resourceType"] for example in EXAMPLES} | {"CodeSystem", "ValueSet", "ConceptMap", "MessageDefinition"}
    preferred = {("CapabilityStatement", "format")}
    for owner, each in models().items():
        if not any(owner.startswith(name) for name in taken) or owner == "PatientAnimal":
            continue
        for field in each.model_fields.values():
            if "enum_values" in (field.json_schema_extra or {}) and (owner, field.alias) not in preferred:
                assert (owner, field.alias) in REQUIRED, (owner, field.alias)


# Elements of R4 4.0.1 (resource pages, element tables), written down to pin that the library's R4B models are the same.
R4_ELEMENTS = {
    "Patient": "identifier active name telecom gender birthDate deceasedBoolean deceasedDateTime address maritalStatus "
    "multipleBirthBoolean multipleBirthInteger photo contact communication generalPractitioner managingOrganization link",
    "RelatedPerson": "identifier active patient relationship name telecom gender birthDate address photo period communication",
    "Flag": "identifier status category code subject period encounter author",
    "Consent": "identifier status scope category patient dateTime performer organization sourceAttachment sourceReference "
    "policy policyRule verification provision",
    "ConsentProvision": "type period actor action securityLabel purpose class code dataPeriod data provision",
    "Subscription": "status contact end reason criteria error channel",
    "MessageHeader": "eventCoding eventUri destination sender enterer author source responsible reason response focus definition",
    "AuditEvent": "type subtype action period recorded outcome outcomeDesc purposeOfEvent agent source entity",
    "AuditEventEntity": "what type role lifecycle securityLabel name description query detail",
    "Provenance": "target occurredPeriod occurredDateTime recorded policy location reason activity agent entity signature",
    "Organization": "identifier active type name alias telecom address partOf contact endpoint",
    "PractitionerRole": "identifier active period practitioner organization code specialty location healthcareService telecom "
    "availableTime notAvailable availabilityExceptions endpoint",
}
SHARED_NAMES = "id meta implicitRules language text contained extension modifierExtension resourceType"
SHARED = frozenset(SHARED_NAMES.split())


def test_the_elements_are_those_of_r4() -> None:
    """The shapes of the types that matter most have exactly the elements of R4 4.0.1."""
    known = models()
    for name, elements in R4_ELEMENTS.items():
        ours = {element for element in shape_of(known[name]).elements if not element.startswith("_")} - SHARED
        assert ours == set(elements.split()), name


def test_examples_cover_the_types() -> None:
    """There is a valid example, here or among the published definitions, of each type that is taken."""
    assert len({example["resourceType"] for example in EXAMPLES}) >= 14
    assert all(errors(validate(example)) == [] for example in EXAMPLES)
