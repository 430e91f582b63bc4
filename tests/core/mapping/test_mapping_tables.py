"""The code tables: they agree with the published maps, and the same code keeps its meaning apart in each field."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.fhir.codes import DETAILS
from gateway.mapping import Mappings
from gateway.mapping.vocabulary import TARGETS, snomed_valid

PUBLISHED = {
    "relationship": "HL7_Concept_Map__Relationship_-_Sheet1.csv",
    "contact_role": "HL7_Concept_Map__ContactRole_-_Sheet1.csv",
    "administrative_sex": "HL7_Concept_Map__AdministrativeSex_-_Sheet1.csv",
}
PUBLISHED_NOTE = "HL7 v2-to-FHIR concept map"


@pytest.mark.parametrize("table", PUBLISHED)
def test_a_table_agrees_with_the_published_map(mappings: Mappings, samples: Path, table: str) -> None:
    """Row by row: code, target code, target system, and the words of the target; a row that is not there is a difference."""
    ours = mappings.formats["hl7v2-adt"].tables[table]
    with (samples / "hl7-v2-to-fhir-maps" / PUBLISHED[table]).open(encoding="utf-8") as handle:
        rows = [row for row in list(csv.reader(handle))[2:] if row and row[0]]
    found = {row[0]: (ours.rows[0].source_system, row[6], row[9], row[8].strip()) for row in rows}
    mine = {code: ours.find(code) for code in found}
    assert {
        code: (row.source_system, row.target_code, TARGETS[row.target_system][0], row.target_display)
        for code, row in mine.items()
        if row
    } == found
    assert found
    assert all(row.source_code in found or PUBLISHED_NOTE not in row.note for row in ours.rows), "what we add is our own reason"


@pytest.mark.parametrize("table", PUBLISHED)
def test_what_we_add_to_a_published_map_has_a_reason(mappings: Mappings, table: str) -> None:
    """Each row says where it is from."""
    assert all(row.note for row in mappings.formats["hl7v2-adt"].tables[table].rows)


COLLISIONS = [  # format, table, system, code, target (formats: collisions found)
    ("hl7v2-adt", "relationship", "", "CHD", "CHILD"),
    ("relationships", "role", "nhs", "CHD", "DAUC"),
    ("relationships", "role", "v3-RoleCode", "CHD", None),
    ("dfe-csc-api", "placement_type", "", "A3", "placed-for-adoption"),
    ("dfe-csc-api", "closure_reason", "", "A3", None),
    ("dfe-csc-api", "sex", "", "1", "male"),
    ("dfe-csc-api", "sex", "", "U", "unknown"),
    ("dfe-csc-api", "end_reason", "", "U", None),
    ("dfe-csc-api", "end_reason", "", "E1", None),
    ("dfe-csc-api", "closure_reason", "", "C1", None),
    ("dfe-csc-api", "closure_reason", "", "N3", None),
    ("dfe-csc-api", "sex", "", "X", None),
    ("hl7v2-adt", "administrative_sex", "", "X", "unknown"),
    ("hl7v2-adt", "relationship", "", "SO", None),
    ("hl7v2-adt", "contact_role", "", "S", "S"),
    ("hl7v2-adt", "relationship", "", "S", None),
    *(
        (form, "legal_status", "", code, target)
        for form in ("dfe-ssda903", "ssd")
        for code, target in (("C1", "cla-s38"), ("C2", "cla-s31"), ("E1", "cla-placement-order"), ("A3", None), ("U", None))
    ),
    *((form, table, "", "A3", "placed-for-adoption") for form, table in (("dfe-ssda903", "placement"), ("ssd", "placement_type"))),
    *(
        (form, table, "", code, None)
        for form, table in (("dfe-ssda903", "placement"), ("ssd", "placement_type"), ("dfe-cin-census", "reason_for_closure"))
        for code in ("C1", "C2", "E1", "M")
    ),
    *(("dfe-ssda903", "reason_episode_ceased", "", code, None) for code in ("E1", "C1", "M", "U")),
    *(("dfe-ssda903", "sex", "", code, target) for code, target in (("1", "male"), ("M", "male"), ("U", "unknown"), ("A3", None))),
    *(("dfe-ssda903", "in_touch", "", code, None) for code in ("M", "U", "1")),
    *(("dfe-cin-census", "sex", "", code, target) for code, target in (("1", "male"), ("M", "male"), ("U", "unknown"))),
    *((form, "assessment_factors", "", "3A", "") for form in ("dfe-cin-census", "ssd")),
    *((form, "assessment_factors", "", code, None) for form in ("dfe-cin-census", "ssd") for code in ("4", "N3", "1", "C1")),
    *((form, table, "", "3A", None) for form, table in (("dfe-cin-census", "reason_for_closure"), ("ssd", "close_reason"))),
    *(("mhsds", table, "", code, None) for table in ("gender", "parental_responsibility", "care_plan_type") for code in ("C1", "E1", "A3", "N3", "01", "3")),
    ("mhsds", "gender", "", "1", "male"),
    ("mhsds", "gender", "", "X", "unknown"),
    ("mhsds", "nhs_number_status", "", "01", "01"),
    *(("mhsds", "young_carer", "", code, "") for code in ("X", "Z")),
    ("mhsds", "parental_responsibility", "", "N", "children-asked-none"),
    ("mhsds", "parental_responsibility", "", "Z", "children-asked-declined"),
    ("mhsds", "parental_responsibility", "", "X", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fmt", "table", "system", "code", "target"), COLLISIONS)
def test_a_code_means_what_its_field_says(
    mappings: Mappings, fmt: str, table: str, system: str, code: str, target: str | None
) -> None:
    """One code in two fields is two codes."""
    row = mappings.formats[fmt].tables[table].find(code, system)
    assert (row.target_code if row else None) == target


UNREAD = [  # fields whose codes mean something else in another field
    ("mhsds", "MHS005PatInd.CPP"),  # 1: never on a plan, 3: on one now
    ("mhsds", "MHS005PatInd.LACStatus"),
    ("mhsds", "MHS005PatInd.LACLegalStatus"),  # Y in the dictionary, 01 in version 6
    ("dfe-cin-census", "CINdetails.ReferralSource"),  # 3A: a GP; a factor of that code is the child's
    ("dfe-cin-census", "CINdetails.PrimaryNeedCode"),  # N3: a parent's illness; an improving-access service elsewhere
    ("dfe-ssda903", "Episodes.RNE"),  # U: an episode; a sex elsewhere
    ("dfe-ssda903", "Missing.MISSING"),  # M: missing; a sex elsewhere
    ("ssd", "ssd_cin_episodes.cine_referral_source_code"),
]


@pytest.mark.parametrize(("form", "field"), UNREAD)
def test_a_field_whose_codes_collide_and_that_nobody_needs_is_not_read(mappings: Mappings, form: str, field: str) -> None:
    """It is ignored with a reason, and no line of a map reads it."""
    fmt = mappings.formats[form]
    assert field in fmt.fields
    assert fmt.ignored[field]
    read = {source.rpartition(".")[2] for one in fmt.maps.values() for leaf in one.leaves for source in leaf.sources}
    assert field.rpartition(".")[2] not in read


def test_purge_truth_and_sex_share_a_one(mappings: Mappings) -> None:
    """1 is true for a flag and male for a sex; neither table answers for the other."""
    assert "purge" not in mappings.formats["dfe-csc-api"].tables


@pytest.mark.parametrize("code", [line.snomed for line in DETAILS.values() if line.snomed])
def test_our_snomed_codes_are_valid(code: str) -> None:
    """Verhoeff check digit."""
    assert snomed_valid(code)


@pytest.mark.parametrize("code", ["342191000000102", "34219", "", "34219100000010X", "1" * 19])
def test_other_numbers_are_no_snomed_codes(code: str) -> None:
    """Wrong check digit, wrong length, no number."""
    assert not snomed_valid(code)
