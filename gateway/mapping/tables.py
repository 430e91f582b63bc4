"""Code tables: one CSV per field of a format version, one code per row, keyed on (system, code).

The same code means different things in different fields (``CHD`` is a child in HL7 and a daughter in the NHS
list), so a table is only ever asked for the field it was written for.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.fhir.systems import BASE, code_system
from gateway.mapping.vocabulary import EQUIVALENCES, OWN, TARGETS, TIERS, target_known

OUTDATED = "outdated:"  # a note that begins so: the code is still taken, and its sender is told
NUMBER = re.compile(r"\d{1,6}\.0+")  # a number as a spreadsheet writes it
COLUMNS = (
    "source_system", "source_code", "source_display", "target_system", "target_code", "target_display",
    "equivalence", "disclosure_tier", "note", "approved_by", "approved_on",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One reviewed code. ``target_code`` is empty where the decision is that the code maps to nothing."""

    source_system: str
    source_code: str
    source_display: str
    target_system: str
    target_code: str
    target_display: str
    equivalence: str
    disclosure_tier: str
    note: str
    approved_by: str
    approved_on: str
    line: int = 0

    def concept(self, base: str = BASE) -> dict[str, Any]:
        """A CodeableConcept of the target, with its system; our own systems stand below ``base``."""
        system = TARGETS[self.target_system][0]
        system = code_system(system, base) if self.target_system in OWN else system
        coding = {"system": system, "code": self.target_code, "display": self.target_display}
        return {"coding": [coding]}


@dataclass(frozen=True, slots=True)
class Table:
    """The codes of one field. ``find`` is tolerant of case, of space around a code and of ``1.0``, never of spelling."""

    name: str
    rows: tuple[Row, ...]
    index: dict[tuple[str, str], Row] = field(default_factory=dict)

    def find(self, code: str, system: str = "") -> Row | None:
        """The row of a code; ``system`` chooses among lists that share codes, empty takes the table's first."""
        key = code.strip()
        key = key.partition(".")[0] if NUMBER.fullmatch(key) else key
        system = system or self.rows[0].source_system
        return self.index.get((system, key)) or self.index.get((system, key.upper()))


def read_table(path: Path, findings: list[str], name: str) -> Table:
    """The table of a file; what is wrong in it is added to ``findings`` with file and line."""
    rows: list[Row] = []
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.reader(handle)
        if tuple(next(reader, ())) != COLUMNS:
            findings.append(f"{path}:1: the columns of a code table are {', '.join(COLUMNS)}")
            return Table(name, ())
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(COLUMNS):
                findings.append(f"{path}:{reader.line_num}: {len(cells)} cells where {len(COLUMNS)} are due")
                continue
            rows.append(Row(**dict(zip(COLUMNS, cells, strict=True)), line=reader.line_num))
    return check_table(path, Table(name, tuple(rows)), findings)


def check_table(path: Path, table: Table, findings: list[str]) -> Table:
    """The table with its index; a code given twice is a finding."""
    if not table.rows:
        findings.append(f"{path}:1: the code table has no rows")
    for row in table.rows:
        findings.extend(f"{path}:{row.line}: {problem}" for problem in row_problems(row))
        key = (row.source_system, row.source_code)
        if key in table.index:
            findings.append(f"{path}:{row.line}: code {row.source_code} of {row.source_system} stands twice")
        table.index[key] = row
    return table


def row_problems(row: Row) -> list[str]:
    """What a reviewer must mend in a row, empty when it stands."""
    problems = []
    if row.disclosure_tier not in TIERS:
        problems.append(f"disclosure tier missing or unknown (one of {', '.join(TIERS)})")
    if row.equivalence not in EQUIVALENCES:
        problems.append(f"equivalence must be one of {', '.join(sorted(EQUIVALENCES))}")
    if not row.approved_by or not row.approved_on:
        problems.append("approved_by and approved_on are missing")
    if bool(row.target_code) == (row.equivalence == "unmatched"):
        problems.append("a row has a target code, or equivalence unmatched, never both")
    elif row.target_code and not target_known(row.target_system, row.target_code):
        problems.append(f"target code {row.target_code} is not in {row.target_system or 'any named system'}")
    if row.equivalence == "unmatched" and not row.note:
        problems.append("a code that maps to nothing needs a note that says why")
    return problems
