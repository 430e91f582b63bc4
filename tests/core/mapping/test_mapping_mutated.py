"""Worked examples with their bytes spoiled: no reader breaks, repeats a value it should not, or applies half a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mapping import Mappings, Sender, Unreadable, read
from tests.core.mapping.packed import content_of, packed

RECORDS = Path(__file__).resolve().parents[3] / "mappings" / "records"
EXAMPLES = sorted([*RECORDS.glob("*@*/examples/*.in.*"), *RECORDS.glob("*@*/examples/*.tables")])
SENDER = Sender("EXC01", la_code="999", received="2025-06-15T09:00:00Z")
PIECES = st.sampled_from(
    [b"", b"<", b">", b"&", b"&a;", b"</Child>", b"<Child>", b"<!DOCTYPE a>", b"<![CDATA[", b"xx", b"UNKNOWN", b"1.0", b",", b"\n", b'"',
     b"9999-12-31", b"31/02/2025", b"01/01/25", b"\x00", b"\xff", b"\xef\xbb\xbf", b"PK\x03\x04", b"RC1", b"E11", b"A3", b"9990000019", b"\xf0\x9f\x91\xb6"]
)  # fmt: skip


def drain(mappings: Mappings, fmt: str, data: bytes) -> None:
    """Reads to the end; only what the contract names may be raised, and every outcome can be written as JSON."""
    try:
        for one in read(mappings, fmt, data, SENDER):
            assert not (one.faults and one.resources)
            json.dumps([item.resource for item in one.resources])
    except Unreadable as refused:
        assert refused.issues


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60), PIECES), min_size=1, max_size=4))
@settings(deadline=None, max_examples=25)
def test_no_spoiled_example_breaks_its_reader(mappings: Mappings, example: Path, cuts: list[tuple[float, int, bytes]]) -> None:
    """Bytes cut out and others put in their place, once to four times."""
    data = content_of(example)
    for where, length, piece in cuts:
        start = int(where * len(data))
        data = data[:start] + piece + data[start + length :]
    drain(mappings, example.parent.parent.name.partition("@")[0], data)


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.is_dir()], ids=lambda path: path.parent.parent.name)
@given(cell=st.text(max_size=12), place=st.integers(0, 400), gone=st.integers(0, 30))
@settings(deadline=None, max_examples=60)
def test_no_cell_of_a_set_breaks_its_reader(mappings: Mappings, example: Path, cell: str, place: int, gone: int) -> None:
    """One cell of one table replaced by any text, and another table left out."""
    tables = {table.stem: table.read_text(encoding="utf-8").splitlines() for table in sorted(example.iterdir())}
    names = list(tables)
    lines = tables[names[place % len(names)]]
    row = place % max(len(lines) - 1, 1) + 1
    if row < len(lines):
        cells = lines[row].split(",")
        cells[place % len(cells)] = cell.replace(",", "").replace('"', "")
        lines[row] = ",".join(cells)
    kept = {name: "\n".join(lines) for number, (name, lines) in enumerate(tables.items()) if number != gone}
    drain(mappings, example.parent.parent.name.partition("@")[0], packed(**kept))


ELEMENTS = st.sampled_from(
    ["Child", "ChildIdentifiers", "LAchildID", "UPN", "PersonBirthDate", "ExpectedPersonBirthDate", "Sex", "CINdetails", "CINreferralDate",
     "CINclosureDate", "ReasonForClosure", "ReferralNFA", "Assessments", "AssessmentActualStartDate", "FactorsIdentifiedAtAssessment",
     "AssessmentFactors", "CINPlanDates", "CINPlanStartDate", "CINPlanEndDate", "Section47", "S47ActualStartDate", "ICPCnotRequired",
     "DateOfInitialCPC", "ChildProtectionPlans", "CPPstartDate", "CPPendDate", "PreProceedingsandFGDM", "PPStartDate", "PPOutcome",
     "CHILD", "HEADER", "CHILDID", "DOB", "SEX", "EPISODE", "DECOM", "DEC", "REC", "LS", "PL", "IN_TOUCH", "SW_ID", "SW_DECOM", "DATE_PLACED"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["", "EXA1", "2025-01-01", "01/01/2025", "1", "true", "xx", "U", "7A", "RC1", "E11", "X1", "V4", "A3", "?"]
) | st.text(alphabet="abAB01 -/.", max_size=8)
TREE = st.recursive(WORDS, lambda inner: st.lists(st.tuples(ELEMENTS, inner), max_size=5), max_leaves=30)


def written(tree: object) -> str:
    """A tree as XML."""
    if isinstance(tree, str):
        return tree
    assert isinstance(tree, list)
    return "".join(f"<{name}>{written(inner)}</{name}>" for name, inner in tree)


@given(trees=st.lists(TREE, min_size=1, max_size=3))
@settings(deadline=None, max_examples=150)
def test_no_element_in_a_wrong_place_breaks_an_xml_reader(mappings: Mappings, trees: list[object]) -> None:
    """Right names anywhere, with any text."""
    inner = "".join(
        f"<Child><ChildIdentifiers><LAchildID>EXA1</LAchildID></ChildIdentifiers>{written(tree)}</Child>" for tree in trees
    )
    drain(mappings, "dfe-cin-census", f"<Message><Children>{inner}</Children></Message>".encode())
    inner = "".join(f"<CHILD><HEADER><CHILDID>EXA1</CHILDID></HEADER>{written(tree)}</CHILD>" for tree in trees)
    drain(mappings, "dfe-ssda903", f"<EXPSSDA903>{inner}</EXPSSDA903>".encode())
