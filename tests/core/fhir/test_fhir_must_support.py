"""What UK Core marks as must-support: carried where the sender has it, or listed here with the reason why it never is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, TRUST
from gateway.fhir.resources import validate
from gateway.mapping import Mappings, Sourced, load, read
from tests.core.disclosure.test_release import RELATIVE, told
from tests.core.mapping.conftest import MAPPINGS, SENDERS
from tests.core.mapping.test_mapping_golden import EXAMPLES, mapped
from tests.data.edge import flag, related

ROOT = Path(__file__).parents[3]
MUST_SUPPORT = {  # UK Core RelatedPerson 2.5.0, Flag 1.2.0, Consent 2.4.0
    "RelatedPerson": ("active", "patient", "relationship", "name", "telecom", "address"),
    "Flag": ("status", "code", "subject"),
    "Consent": ("status", "scope", "category", "patient", "dateTime", "performer", "organization", "source"),
}
NOT_KEPT = "address and telephone of a relative: never needed, never kept"
NAMELESS = "the feed has two identifiers and what the one is to the other, and no names"
NEVER = {  # format and resource type, element: why it never leaves the map
    **{(form, "RelatedPerson", part): NOT_KEPT for form in ("fhir", "hl7v2-adt", "relationships", "ssd") for part in ("telecom", "address")},
    ("relationships", "RelatedPerson", "name"): NAMELESS,
    ("ssd", "RelatedPerson", "name"): NAMELESS,
}  # fmt: skip
NOT_RELEASED = {("RelatedPerson", part): "a relative's address and telephone never leave" for part in ("telecom", "address")}
FHIR = "fhir"


@pytest.fixture(scope="module")
def mappings() -> Mappings:
    """The mappings as they ship."""
    return load(MAPPINGS)


def carried(resource: dict[str, Any], element: str) -> bool:
    """Whether a resource has an element, whatever its type of value."""
    names = [name for name, value in resource.items() if value not in (None, "", [], {})]
    return element in names or (element == "source" and any(name in ("sourceAttachment", "sourceReference") for name in names))


def emitted(mappings: Mappings) -> Iterator[tuple[str, Sourced]]:
    """Every resource of every worked example of a native format, with the format."""
    for example in EXAMPLES:
        form = example.parent.parent.name.split("@")[0]
        if form != FHIR:
            yield from ((form, item) for one in mapped(mappings, example, SENDERS) for item in one.resources)


def is_partial(item: Sourced, element: str) -> bool:
    """A Flag of a record that states no date: its status comes from the whole, when it is applied to what is stored."""
    return item.resource["resourceType"] == "Flag" and element == "status" and "period" not in item.resource


def test_every_resource_of_the_worked_examples_carries_what_must_be_supported(mappings: Mappings) -> None:
    """An element that is missing is listed with its reason; each type of resource is there to be looked at."""
    seen = set()
    for form, item in emitted(mappings):
        kind = item.resource["resourceType"]
        for element in MUST_SUPPORT.get(kind, ()):
            seen.add((form, kind))
            missing = not carried(item.resource, element) and not is_partial(item, element)
            assert missing == ((form, kind, element) in NEVER), (form, item.rule, kind, element)
    assert {"RelatedPerson", "Flag"} == {kind for _, kind in seen}
    assert {form for form, _ in seen} == set(SENDERS) - {FHIR, "crosswalk"}


def test_what_is_never_carried_is_a_field_that_is_ignored_with_a_reason(mappings: Mappings) -> None:
    """Where the format has the datum, its own list of fields says why it is not read; no map has a line to it."""
    assert "never kept" in mappings.formats["hl7v2-adt"].ignored["NK1-4..NK1-6"]
    for form, kind, element in NEVER:
        maps = [one for one in mappings.formats[form].maps.values() if one.resource == kind]
        assert not any(leaf.to.split(".")[0] == element for one in maps for leaf in one.leaves), (form, element)


NUMBERED = {"system": "https://trust.example/Id/record", "value": "1"}


def whole(kind: str) -> dict[str, Any]:
    """A resource with every element that must be supported."""
    person = {
        "name": [{"family": "EXAMPLE", "given": ["Amina"]}],
        "telecom": [{"system": "phone", "value": "01632 960999"}],
        "address": [{"city": "X"}],
    }
    made = {
        "RelatedPerson": related(LEO, AMINA, "MTH", **person),
        "Flag": {**flag(AMINA, "community"), "identifier": [NUMBERED]},
        "Consent": {**people.consent(AMINA, AMINA, [], agency=TRUST, when="2025-06-01"), "identifier": [NUMBERED]},
    }
    return made[kind]


@pytest.mark.parametrize("kind", MUST_SUPPORT)
def test_a_resource_that_is_sent_as_fhir_keeps_what_must_be_supported(mappings: Mappings, kind: str) -> None:
    """All of it is valid when it is sent, and all of it is kept but what is listed."""
    sent = whole(kind)
    assert [element for element in MUST_SUPPORT[kind] if not carried(sent, element)] == []
    assert validate(sent) == []
    (one,) = read(mappings, FHIR, json.dumps(sent).encode(), SENDERS["hl7v2-adt"])
    assert one.faults == ()
    kept = next(item.resource for item in one.resources if item.resource["resourceType"] == kind)
    lost = {element for element in MUST_SUPPORT[kind] if not carried(kept, element)}
    assert lost == {element for form, type_, element in NEVER if (form, type_) == (FHIR, kind)}


def of_type(value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Every resource of a type within an answer."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from of_type(one, kind)
    if isinstance(value, dict) and value.get("resourceType") == kind:
        yield value


@pytest.mark.parametrize("kind", ["Flag", "Consent"])
def test_the_published_answers_carry_what_must_be_supported(kind: str) -> None:
    """As a reader of the description sees them."""
    answers = [json.loads(path.read_text("utf-8")) for path in sorted((ROOT / "openapi/examples").glob("*.answer.json"))]
    found = list(of_type(answers, kind))
    assert found
    assert [element for one in found for element in MUST_SUPPORT[kind] if not carried(one, element)] == []


def test_a_relative_that_is_released_carries_what_must_be_supported() -> None:
    """Role, name and whether it holds; and never where they live, though the record has it."""
    assert [element for element in MUST_SUPPORT["RelatedPerson"] if not carried(RELATIVE, element)] == []
    released = told("status", "contact", "relative-identity").related_person
    assert released is not None
    missing = {("RelatedPerson", element) for element in MUST_SUPPORT["RelatedPerson"] if not carried(released, element)}
    assert missing == set(NOT_RELEASED)
