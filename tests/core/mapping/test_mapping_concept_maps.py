"""The code tables as ConceptMaps: each is there, valid, and says what the engine says of every code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.fhir import systems
from gateway.fhir.resources import validate
from gateway.mapping import Format, Mappings, load
from gateway.mapping.concept_maps import Ask, Match, index, published, source_system, table_id, translate
from gateway.mapping.tables import Row, Table
from gateway.mapping.vocabulary import OWN, RESTRICTIONS, TARGETS
from tests.core.mapping.conftest import MAPPINGS

BASE = "https://gateway.trust.example/fhir"


@pytest.fixture(scope="module")
def made(mappings: Mappings) -> dict[tuple[str, str], Any]:
    """Everything that the code tables come to."""
    return published(mappings, BASE)


def definitions_in_files() -> dict[tuple[str, str], Any]:
    """The code systems and value sets that stand in files, by type and id."""
    bundles = [json.loads(path.read_text()) for path in (MAPPINGS / "code_systems").glob("*.json")]
    resources = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    return {(one["resourceType"], one["id"]): one for one in resources}


def tables(mappings: Mappings) -> list[tuple[Format, Table]]:
    """Every table of every format version, inherited ones among them."""
    forms = [form for label, form in mappings.formats.items() if label == form.label]
    return [(form, table) for form in forms for table in form.tables.values()]


def of(mappings: Mappings, made: dict[tuple[str, str], Any], label: str, field: str) -> tuple[Match, ...]:
    """What a named map makes of the code ``label`` names as ``format@version code``."""
    form, _, code = label.partition(" ")
    map_id = table_id(mappings.formats[form], mappings.formats[form].tables[field])
    concept_map = made["ConceptMap", map_id]
    return translate((index(concept_map),), Ask((("", code),), url=concept_map["url"]))


def test_every_table_of_every_version_has_its_map_and_all_of_it_is_valid(
    mappings: Mappings, made: dict[tuple[str, str], Any]
) -> None:
    """One ConceptMap each, with each row once; all that is published passes our validation without a warning."""
    wanted = {table_id(form, table): len(table.rows) for form, table in tables(mappings)}
    rows = {
        name: sum(len(group["element"]) for group in one["group"]) for (kind, name), one in made.items() if kind == "ConceptMap"
    }
    assert rows == wanted
    assert len(wanted) == len(tables(mappings))
    for one in made.values():
        assert validate(one) == [], one["id"]
        assert one["version"] == mappings.version


def test_a_map_says_of_every_row_what_the_engine_says(mappings: Mappings, made: dict[tuple[str, str], Any]) -> None:
    """By system and code, in every table: the same target and equivalence, however the code is written."""
    indexes = {one["url"]: index(one) for (kind, _), one in made.items() if kind == "ConceptMap"}
    for form, table in tables(mappings):
        url = f"{BASE}/ConceptMap/{table_id(form, table)}"
        for row in table.rows:
            system = source_system(form, table, row, BASE)
            for written in {row.source_code, f" {row.source_code} ", row.source_code.lower(), f"{row.source_code}.0"}:
                found = translate(indexes.values(), Ask(((system, written),), url=url))
                assert_same(found, table.find(written, row.source_system))


def assert_same(found: tuple[Match, ...], row: Row | None) -> None:
    """A line of a map and a row of a table say the same."""
    if row is None:
        assert found == ()
        return
    (match,) = found
    assert (match.equivalence, match.translates) == (row.equivalence, bool(row.target_code))
    assert match.coding == (row.concept(BASE)["coding"][0] if row.target_code else {})
    assert match.translates or match.why == row.note


def test_a_list_of_codes_is_its_publishers_or_ours_and_then_it_is_there(
    mappings: Mappings, made: dict[tuple[str, str], Any]
) -> None:
    """Each source below our base has its CodeSystem, with every code that a map reads, and the value set of it."""
    for (kind, _), one in made.items():
        for group in one["group"] if kind == "ConceptMap" else ():
            if not group["source"].startswith(BASE):
                assert group["source"].startswith(("http://terminology.hl7.org/", "https://fhir.hl7.org.uk/"))
                continue
            name = group["source"].removeprefix(f"{BASE}/CodeSystem/")
            held = {concept["code"] for concept in made["CodeSystem", name]["concept"]}
            assert {element["code"] for element in group["element"]} <= held
            assert made["ValueSet", name]["compose"]["include"] == [{"system": group["source"]}]
    sources = {group["source"] for group in made["ConceptMap", "relationships-1-role"]["group"]}
    assert sources == {systems.V3_ROLE, systems.UKCORE_ROLE, f"{BASE}/CodeSystem/relationships-1-role-nhs"}


def test_what_a_map_leads_to_is_published_when_it_is_ours(made: dict[tuple[str, str], Any]) -> None:
    """Each target of ours has its code system; restrictions stand there in the order of their strictness."""
    files = definitions_in_files()
    targets = {group.get("target", "") for (kind, _), one in made.items() if kind == "ConceptMap" for group in one["group"]}
    ours = {target.rpartition("/")[2] for target in targets if target.startswith(BASE)}
    assert ours == {TARGETS[name][0] for name in OWN} - {"yes-no-unknown"}
    assert all(("CodeSystem", name) in files for name in ours)
    assert tuple(one["code"] for one in files["CodeSystem", "restriction"]["concept"]) == RESTRICTIONS


def test_the_same_code_means_what_its_field_means(mappings: Mappings, made: dict[tuple[str, str], Any]) -> None:
    """Adopted is wider than how it came about; a return home stands for nothing, and it is said why."""
    (adopted,) = of(mappings, made, "dfe-csc-api@1.0.1 e11", "end_reason")
    assert (adopted.equivalence, adopted.coding["code"]) == ("wider", "adopted")
    (home,) = of(mappings, made, "dfe-csc-api@1.0.1 E4A", "end_reason")
    assert (home.translates, home.coding, home.why) == (False, {}, "the placement ended: the end date says so")
    assert of(mappings, made, "dfe-csc-api@1.0.1 RC1", "end_reason") == ()


def test_a_version_that_extends_another_has_maps_of_its_own(made: dict[tuple[str, str], Any]) -> None:
    """The CIN census of 2026 reads sex as 2025 does, and reasons for closure as 2021."""
    for name in ("dfe-cin-census-2026-sex", "dfe-cin-census-2026-reason-for-closure"):
        assert made["ConceptMap", name]["url"] == f"{BASE}/ConceptMap/{name}"


def test_a_map_is_a_draft_until_every_line_is_approved(mappings: Mappings, copied: Any) -> None:
    """What awaits review says so; approved with a date it is active."""
    path = copied / "codes" / "mhsds@6" / "gender.csv"
    path.write_text(path.read_text().replace("awaiting review,not yet", "A N Other,2026-10-01"))
    after = published(load(copied), BASE)
    assert published(mappings, BASE)["ConceptMap", "mhsds-6-gender"]["status"] == "draft"
    assert after["ConceptMap", "mhsds-6-gender"]["status"] == "active"
    assert after["ConceptMap", "mhsds-6-young-carer"]["status"] == "draft"


def test_what_does_not_fit_the_question_is_left_out(made: dict[tuple[str, str], Any]) -> None:
    """By value set of the source, by target system; a code that several maps know comes from each."""
    indexes = [index(one) for (kind, _), one in made.items() if kind == "ConceptMap"]
    sex = f"{BASE}/CodeSystem/dfe-csc-api-1.0.1-sex"
    mother = (("http://terminology.hl7.org/CodeSystem/v2-0063", "MTH"),)
    assert [one.coding["code"] for one in translate(indexes, Ask(((sex, "F"),)))] == ["female"]
    assert translate(indexes, Ask(((sex, "F"),), target_system=systems.SNOMED)) == ()
    assert translate(indexes, Ask(((sex, "F"),), source=f"{BASE}/ValueSet/mhsds-6-gender")) == ()
    assert len(translate(indexes, Ask(((sex, "F"),), source=f"{BASE}/ValueSet/dfe-csc-api-1.0.1-sex"))) == 1
    assert {one.coding["code"] for one in translate(indexes, Ask(mother))} == {"MTH"}
    assert translate(indexes, Ask((("https://terminology.hl7.org/CodeSystem/v2-0063", "MTH"),))) == translate(
        indexes, Ask(mother)
    )


def test_a_code_may_stand_in_several_groups_and_each_line_is_told_once() -> None:
    """A map with two target systems tells both, however often the code is asked."""
    groups = [
        {"source": "urn:a", "target": target, "element": [{"code": "1", "target": [{"code": "x", "equivalence": "equal"}]}]}
        for target in ("urn:b", "urn:c")
    ]
    found = translate((index({"url": "urn:map", "group": groups}),), Ask((("urn:a", "1"), ("urn:a", "1"))))
    assert [one.coding["system"] for one in found] == ["urn:b", "urn:c"]
