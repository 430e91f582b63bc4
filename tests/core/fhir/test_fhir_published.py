"""The code systems, topics and definitions that we publish: valid, complete, plain, and the same as in the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import systems
from gateway.fhir.codes import DETAILS, RANK, Answer, Involvement
from gateway.fhir.resources import validate, validate_bundle

ROOT = Path(__file__).parents[3]
CODE_SYSTEMS = sorted((ROOT / "mappings/code_systems").glob("*.json"))
TOPICS = sorted((ROOT / "mappings/topics").glob("*.json"))
DEFINITIONS = sorted((ROOT / "openapi/fhir").glob("*.json"))
_NAMES = (
    "about acknowledgement agency-kind answer basis cannot-say-reason capacity card-override contact-kind data-class involvement "
    "involvement-detail marker obligation purpose refusal-reason restriction service topic wish wish-kind"
)
NAMES = _NAMES.split()
# Codes of SNOMED CT that are written in the design; the last digit of each is a check digit (Verhoeff).
VERHOEFF = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
]  # fmt: skip
PERMUTED = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def read(path: Path) -> Any:
    """The JSON of a file."""
    return json.loads(path.read_text("utf-8"))


def part(name: str, kind: str) -> Any:
    """The resource of a type in the file of a code list."""
    bundle = read(ROOT / f"mappings/code_systems/{name}.json")
    return next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)


def displays(name: str) -> dict[str, str]:
    """The words of each code of a list, in its order."""
    return {concept["code"]: concept["display"] for concept in part(name, "CodeSystem")["concept"]}


def properties(name: str, wanted: str) -> dict[str, Any]:
    """The value of a property for each code that has it."""
    found = {}
    for concept in part(name, "CodeSystem")["concept"]:
        for each in concept.get("property", []):
            if each["code"] == wanted:
                found[concept["code"]] = next(value for key, value in each.items() if key.startswith("value"))
    return found


@pytest.mark.parametrize("path", CODE_SYSTEMS + DEFINITIONS, ids=lambda path: path.stem)
def test_published_resources_are_valid(path: Path) -> None:
    """Each file is valid FHIR R4 by our own validation, without a warning."""
    resource = read(path)
    assert (validate_bundle(resource) if resource["resourceType"] == "Bundle" else validate(resource)) == []


def test_each_list_of_the_design_is_published() -> None:
    """Every list has its file, and no other file is there."""
    assert {path.stem for path in CODE_SYSTEMS} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_code_system_and_value_set_belong_together(name: str) -> None:
    """The system is complete and case sensitive, counts its codes, and its value set has all of them."""
    system, value_set = part(name, "CodeSystem"), part(name, "ValueSet")
    assert system["url"] == systems.code_system(name)
    assert (system["status"], system["content"], system["caseSensitive"]) == ("active", "complete", True)
    assert system["count"] == len(system["concept"])
    assert system["valueSet"] == value_set["url"]
    assert value_set["compose"] == {"include": [{"system": system["url"]}]}
    assert all(concept["display"] and concept["definition"].endswith(".") for concept in system["concept"])


def test_answers_and_involvements_are_those_of_the_code() -> None:
    """The enumerations of the code and the published lists have the same codes in the same order."""
    assert list(displays("answer")) == [str(code) for code in Answer]
    assert list(displays("involvement")) == [str(code) for code in Involvement]


def test_details_are_those_of_the_code() -> None:
    """The ladder of details is the same in order, words, status while open and SNOMED CT code."""
    assert displays("involvement-detail") == {code: detail.display for code, detail in DETAILS.items()}
    assert list(displays("involvement-detail")) == sorted(RANK, key=lambda code: RANK[code])
    assert properties("involvement-detail", "while-open") == {code: str(d.while_open) for code, d in DETAILS.items()}
    assert properties("involvement-detail", "snomed") == {
        code: {"system": systems.SNOMED, "code": detail.snomed, "display": detail.snomed_display}
        for code, detail in DETAILS.items()
        if detail.snomed
    }


def check_digit_holds(number: str) -> bool:
    """Verhoeff's check, as SNOMED CT identifiers carry it (SNOMED CT release file specification)."""
    row = list(range(10))
    rows = [row]
    for _ in range(7):
        rows.append([rows[-1][PERMUTED[digit]] for digit in row])
    sum_ = 0
    for place, digit in enumerate(reversed(number)):
        sum_ = VERHOEFF[sum_][rows[place % 8][int(digit)]]
    return sum_ == 0


def test_snomed_codes_have_their_check_digit() -> None:
    """Each SNOMED CT code passes, and one with a digit changed does not."""
    codes = [detail.snomed for detail in DETAILS.values() if detail.snomed]
    assert len(codes) == 3
    assert all(check_digit_holds(code) for code in codes)
    assert not any(check_digit_holds(code[:-1] + str((int(code[-1]) + 1) % 10)) for code in codes)


UNSUITABLE = re.compile(
    r"\b(?:safe|safely|unsafe|safety|fine|all clear|no (?:risk|concern)s?|at risk|danger\w*|suffer\w*|victim)\b", re.I
)


@pytest.mark.parametrize(
    "name", ["answer", "cannot-say-reason", "involvement", "involvement-detail", "marker", "service", "topic"]
)
def test_words_that_readers_see_are_plain_and_neutral(name: str) -> None:
    """No answer, status or notice says or suggests that someone is safe, or judges them."""
    for concept in part(name, "CodeSystem")["concept"]:
        for text in (concept["display"], concept["definition"]):
            assert not UNSUITABLE.search(text), text
            assert max(len(sentence.split()) for sentence in re.split(r"[.;:] ", text)) <= 26, text


def test_purpose_maps_to_act_reason() -> None:
    """Every purpose has its v3-ActReason in the published map, as in the table of the design."""
    group = part("purpose", "ConceptMap")["group"][0]
    assert (group["source"], group["target"]) == (systems.code_system("purpose"), systems.V3_ACT_REASON)
    mapped = {element["code"]: [target["code"] for target in element["target"]] for element in group["element"]}
    assert list(mapped) == list(displays("purpose"))
    assert mapped["safeguarding-s47"] == mapped["duty-to-share-16la"] == mapped["mha-assessment-s13"] == ["GOV"]
    assert mapped["child-in-need-s17"] == mapped["early-help"] == ["GOV", "COC"]
    assert [mapped[code] for code in ("emergency", "amh-care-planning", "subject-access", "audit", "statistics")] == [
        ["ETREAT"], ["COC"], ["PATRQT"], ["HCOMPL"], ["CAREMGT"],
    ]  # fmt: skip


def test_data_classes_carry_their_tier() -> None:
    """What may be disclosed has a tier of 0 to 3; what may never be has none."""
    tiers, disclosed = properties("data-class", "tier"), properties("data-class", "disclosed")
    assert {code for code, may in disclosed.items() if may} == set(tiers)
    assert set(tiers.values()) == {0, 1, 2, 3}
    never = {"address", "diagnosis", "mha-section", "abuse-category", "medication", "free-text"}
    assert {code for code, may in disclosed.items() if not may} == never


def test_services_are_agency_kinds() -> None:
    """Each service is also a kind of agency, under the same words."""
    assert displays("service").items() <= displays("agency-kind").items()


def test_topics_have_a_file_each_that_agrees_with_their_code_system() -> None:
    """The topic files are the topics of the code system, with the same words, tier and urgency."""
    kinds, tiers, urgent = (properties("topic", wanted) for wanted in ("kind", "tier", "urgent"))
    assert {path.stem for path in TOPICS} == {code for code, kind in kinds.items() if kind == "topic"}
    for path in TOPICS:
        topic = read(path)
        assert set(topic) == {"code", "title", "description", "tier", "urgent", "respond_within_hours", "audience", "channels"}
        assert (topic["code"], topic["title"]) == (path.stem, displays("topic")[path.stem])
        assert topic["tier"] == tiers.get(path.stem, "as-told")
        assert topic["urgent"] == urgent[path.stem]
        assert topic["audience"] in {"receiver", "owner", "both"}
        assert set(topic["channels"]) <= {"message", "rest-hook"}


def test_urgent_topics() -> None:
    """The topics that the design marks as urgent, and no others."""
    assert {code for code, is_urgent in properties("topic", "urgent").items() if is_urgent} == {
        "admitted", "discharged", "absent-without-leave", "child-protection-plan-started", "looked-after-started",
        "person-died", "override-used",
    }  # fmt: skip


def test_each_topic_and_message_has_a_message_definition() -> None:
    """Category, event, focus and answer are those of a notice; a notice is answered by notice-acknowledged."""
    kinds = properties("topic", "kind")
    for code, kind in kinds.items():
        definition = read(ROOT / f"openapi/fhir/MessageDefinition-{code}.json")
        assert definition["eventCoding"]["system"] == systems.code_system("topic")
        assert (definition["eventCoding"]["code"], definition["category"]) == (code, "notification")
        assert definition["responseRequired"] == "on-error"
        focus = [one["code"] for one in definition.get("focus", ())]
        assert focus == ["Parameters"] * (code != "notice-acknowledged"), code
        answers = [answer["message"] for answer in definition.get("allowedResponse", [])]
        assert answers == [f"{systems.BASE}/MessageDefinition/notice-acknowledged"] * (kind == "topic")
    assert len([path for path in DEFINITIONS if path.stem.startswith("MessageDefinition")]) == len(kinds)


def test_operation_is_of_the_type_and_affects_state() -> None:
    """The lookup is an operation of the type Patient that is never served by GET, with the contract's parameters."""
    operation = read(ROOT / "openapi/fhir/OperationDefinition-known-to-services.json")
    assert (operation["type"], operation["instance"], operation["system"]) == (True, False, False)
    assert (operation["affectsState"], operation["resource"]) == (True, ["Patient"])
    by_use = {use: [each["name"] for each in operation["parameter"] if each["use"] == use] for use in ("in", "out")}
    assert by_use["in"] == ["person", "purpose", "about", "caseReference", "reason", "override"]
    assert by_use["out"] == ["disclosure", "asOf", "coverage", "basis", "obligation", "explanation", "answer", "agency"]
    parts = {each["name"]: [inner["name"] for inner in each.get("part", [])] for each in operation["parameter"]}
    assert parts["override"] == ["type", "reason", "justification"]
    assert parts["coverage"] == ["organization", "holds", "dataAsOf", "contact"]
    assert parts["agency"] == [
        "organization", "about", "answer", "reason", "itk", "status", "since", "lastContact", "contact", "flag",
        "relatedPerson", "dataAsOf",
    ]  # fmt: skip


def test_bindings_of_the_operation_are_published() -> None:
    """Every value set that a parameter is bound to is among the published ones."""
    text = (ROOT / "openapi/fhir/OperationDefinition-known-to-services.json").read_text("utf-8")
    bound = set(re.findall(r'"valueSet": "([^"]+)"', text))
    assert bound == {part(name, "ValueSet")["url"] for name in NAMES} & bound
    assert bound
