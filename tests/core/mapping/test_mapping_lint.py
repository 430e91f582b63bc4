"""The lint: a bad line refuses to start, and names file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.mapping import MappingFault, Mappings, UnknownFormat, check, explain, load

DFE = "records/dfe-csc-api@1.0.1"
SPOILT = [  # file, what stands there, what a careless hand makes of it, what the finding says
    (f"{DFE}/child.toml", 'via = "upn"', 'via = "upnn"', "unknown transform"),
    (f"{DFE}/child.toml", 'code = "sex"', 'code = "sexx"', "unknown code table"),
    (f"{DFE}/child.toml", 'to = "birthDate"', 'to = "birthdate"', "not an element of Patient"),
    (f"{DFE}/child.toml", 'to = "birthDate"', 'to = "address"', "not an element of Patient"),
    (f"{DFE}/child.toml", "extension.expected-birth-date.valueDate", "extension.due.valueDate", "extension"),
    (f"{DFE}/child.toml", 'tier = "internal"\n', "", "disclosure tier missing"),
    (f"{DFE}/child.toml", 'tier = "internal"', 'tier = "secret"', "disclosure tier missing or unknown"),
    (f"{DFE}/child.toml", 'via = "upn"', 'when = "age > 5"', "unknown key when"),
    (f"{DFE}/child.toml", 'why = "to find the child"\n', "", "says why"),
    (f"{DFE}/child.toml", 'from = "child_details.sex"', 'const = "x"\nfrom = "child_details.sex"', "exactly one"),
    (f"{DFE}/child.toml", 'child_details.date_of_birth"\nvia', 'child_details.dob"\nvia', "not a published field"),
    (f"{DFE}/child.toml", 'resource = "Patient"', 'resource = "Person"', "resource must be one of"),
    (f"{DFE}/child.toml", "[map]", "[map", "not valid TOML"),
    (f"{DFE}/cp-plan.toml", 'detail = "cp-plan"', 'detail = "cp"', "not an involvement detail"),
    (f"{DFE}/cp-plan.toml", 'service = "children-social-care"', 'service = "csc"', "service must be one of"),
    (f"{DFE}/cp-plan.toml", 'key = "cp-plan"', 'kee = "cp-plan"', "unknown key kee"),
    (f"{DFE}/fields.toml", '"mis_child_id" = "a', '"mis_child" = "a', "mis_child is not a published field"),
    (f"{DFE}/fields.toml", '"child_details.ethnicity" = "special', '#"x" = "special', "neither mapped nor listed"),
    (f"{DFE}/fields.toml", '= "special category data that no answer needs"', '= ""', "needs a reason"),
    (f"{DFE}/fields.toml", 'kind = "json"', 'kind = "yaml"', "kind must be one of"),
    (f"{DFE}/fields.toml", 'unreadable = "refuse"', 'unreadable = "guess"', "unreadable must be"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "dfe,M,Male,administrative-gender,male", "dfe,M,Male,administrative-gender,man", "not in administrative-gender"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "dfe,F,", "dfe,M,", "stands twice"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "Female,equal,relative-identity", "Female,equal,", "disclosure tier missing"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "Female,equal,", "Female,same,", "equivalence"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "awaiting review", "", "approved_by"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "source_system,", "system,", "columns of a code table"),
    ("codes/dfe-csc-api@1.0.1/sex.csv", "dfe,M,Male,", "dfe,M,", "cells"),
    ("codes/dfe-csc-api@1.0.1/closure_reason.csv", "unmatched,internal,read by the rule died: sets deceased", "unmatched,internal,", "needs a note"),
    ("codes/relationships@1/role.csv", ",mother,v3-RoleCode,MTH", ",mother,v3-RoleCode,MUM", "MUM is not in v3-RoleCode"),
    ("codes/relationships@1/role.csv", ",mother,v3-RoleCode,MTH", ",mother,snomed,342191000000102", "is not in snomed"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "says"), SPOILT)
def test_a_bad_line_refuses_to_start(copied: Path, file: str, before: str, after: str, says: str) -> None:
    """The finding names the file and a line of it."""
    path = copied / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(MappingFault) as fault:
        load(copied)
    finding = next(one for one in fault.value.findings if says in one)
    assert re.match(re.escape(str(path)) + r":\d+: ", finding), finding
    assert check(copied) == list(fault.value.findings)


def test_the_line_is_the_line_of_the_fault(copied: Path) -> None:
    """Not merely of its block."""
    path = copied / DFE / "child.toml"
    lines = path.read_text().splitlines()
    number = lines.index('via = "upn"') + 1
    path.write_text("\n".join(lines).replace('via = "upn"', 'via = "nothing"'))
    assert any(f"child.toml:{number}: " in finding for finding in check(copied))


@pytest.mark.parametrize("gone", [f"{DFE}/fields.toml", "codes/dfe-csc-api@1.0.1/sex.csv"])
def test_a_missing_file_refuses_to_start(copied: Path, gone: str) -> None:
    """Nothing starts on half of its mappings."""
    (copied / gone).unlink()
    assert check(copied)


def test_an_unused_table_is_a_finding(copied: Path) -> None:
    """Nobody reviews what nothing reads."""
    source = copied / "codes" / "dfe-csc-api@1.0.1" / "sex.csv"
    source.with_name("spare.csv").write_text(source.read_text())
    assert any("spare.csv:1" in finding for finding in check(copied))


def test_an_empty_folder_refuses_to_start(tmp_path: Path) -> None:
    """No format at all is a fault."""
    assert check(tmp_path)


def test_every_bad_line_is_named_at_once(copied: Path) -> None:
    """One run, all findings."""
    path = copied / DFE / "child.toml"
    path.write_text(path.read_text().replace('via = "upn"', 'via = "x"').replace('code = "sex"', 'code = "x"'))
    assert len(check(copied)) >= 2


def test_the_shipped_mappings_are_clean(mappings: Mappings) -> None:
    """And have a version."""
    assert re.fullmatch(r"[0-9a-f]{16}", mappings.version)


def test_the_version_changes_with_any_line(copied: Path, mappings: Mappings) -> None:
    """A copy has the same version; a changed word, another."""
    assert load(copied).version == mappings.version
    path = copied / DFE / "child.toml"
    path.write_text(path.read_text().replace("to find the child", "to find this child"))
    assert load(copied).version != mappings.version


def test_two_versions_of_a_format_live_side_by_side(copied: Path) -> None:
    """The bare name is the newest."""
    (copied / DFE).rename(copied / "records/dfe-csc-api@1.0.10")
    (copied / "codes/dfe-csc-api@1.0.1").rename(copied / "codes/dfe-csc-api@1.0.10")
    found = load(copied).formats
    assert found["dfe-csc-api"].version == "1.0.10"


def test_the_explanation_speaks_of_every_published_field(mappings: Mappings) -> None:
    """What a reviewer reads leaves nothing out, and each mapped line has a tier and a reason."""
    for fmt in {one.name for one in mappings.formats.values()}:
        lines = explain(mappings, fmt)
        assert {line.kind for line in lines} >= {"mapped"}
        assert all(line.tier and line.why and line.rule for line in lines if line.kind == "mapped")
        assert all(line.why for line in lines if line.kind == "ignored")


def test_the_explanation_is_in_plain_words(mappings: Mappings) -> None:
    """Source, rule, target, tier, table."""
    line = next(one for one in explain(mappings, "dfe-csc-api") if one.target == "Patient.gender")
    assert (line.source, line.rule, line.tier, line.level) == (
        "child_details.sex",
        "by the code table sex",
        "relative-identity",
        2,
    )


def test_an_unknown_format_has_no_explanation(mappings: Mappings) -> None:
    """The same refusal as for reading."""
    with pytest.raises(UnknownFormat):
        explain(mappings, "nothing")
