"""SSDA903, the return on looked-after children: its CSV tables one by one or as a ZIP, or one XML file.

Rows of one child that follow each other are one record. Keys: ``child/<id>/care/<start of the episode>``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping import people
from gateway.mapping.care import describe
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.runs import Row, Tables, in_runs, refused, together
from gateway.mapping.sets import Line, Table, columns_of, foreign_columns, lines_of, read_tables, whole
from gateway.mapping.threads import child_id, child_key, own_system
from gateway.mapping.values import Work, work_for
from gateway.mapping.xml_reader import Found, read_xml

ROOTS: Final = {"EXPSSDA903": frozenset({"CHILD"})}
RENAMED: Final = {"CHILDID": "CHILD", "PL": "PLACE"}  # what XML calls a column
# The column by which a block of XML is known, whatever its own name is.
KNOWN_BY: Final = {
    "DECOM": "Episodes", "REVIEW": "Reviews", "MISSING": "Missing", "MIS_START": "Missing", "PREV_PERM": "PrevPerm",
    "DATE_PERM": "PrevPerm", "DATE_PLACED": "PlacedAdoption", "SW_ID": "SWEpisodes", "SW_DECOM": "SWEpisodes",
    "DOLO_START": "DoLo",
}  # fmt: skip
# Tables of one row whose columns stand with the child itself in XML, and the columns that show that there is a row.
FLAT: Final = {"Header": ("CHILD",), "UASC": ("DUC",), "OC3": ("IN_TOUCH",), "AD1": ("DATE_INT", "DATE_MATCH")}
MARKS: Final = b"\xef\xbb\xbf \t\r\n"


def read(versions: tuple[Format, ...], asked: Format | None, source: bytes | BinaryIO, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per child, or run of rows of one child, in the order of the file."""
    fmt = asked or versions[-1]
    handle = io.BytesIO(source) if isinstance(source, bytes) else source
    head = handle.read(64)
    handle.seek(0)
    if head.lstrip(MARKS).startswith(b"<"):
        return from_xml(fmt, read_xml(handle, ROOTS), sender)
    tables = read_tables(fmt, whole(handle))
    return from_tables(fmt, tables, sender)


def from_tables(fmt: Format, tables: list[Table], sender: Sender) -> Iterator[Mapped]:
    """The children of one table as its rows go by; of several tables all rows of a child together."""
    yield from foreign_columns(fmt, tables)
    found = in_runs(tables[0], name_of) if len(tables) == 1 else together(lines_of(tables), name_of)
    for run in found:
        yield refused(fmt, run, sender) if run.problem else child(fmt, run.place, run.name, run.rows, sender)


def name_of(line: Line) -> str:
    """The child that a row is of."""
    return line.cells.get("CHILD", "")


def child(fmt: Format, place: str, name: str, rows: Tables, sender: Sender, noted: Work | None = None) -> Mapped:
    """One child from all the rows there are."""
    work = noted or work_for(sender, place, ", column ", fmt.label, fmt.lenient, masked=True)
    found = child_id(name, "CHILD", work)
    if found:
        work.person = people.logical({"system": own_system(sender), "value": found})
        describe(fmt, rows, child_key(found), work)
    return work.mapped()


def from_xml(fmt: Format, found: Iterator[Found | Issue], sender: Sender) -> Iterator[Mapped]:
    """Each child of an XML file; a broken end of the file by itself."""
    known = frozenset(column for columns in columns_of(fmt).values() for column in columns) | {"UASC"}
    number = 0
    for one in found:
        if isinstance(one, Issue):
            fault = Issue(f"{one.text} The children before it were read; nothing after it was.", one.code, one.where)
            yield Mapped(one.where, faults=(fault,), version=fmt.label)
            continue
        number += 1
        work = work_for(sender, f"child {number} (line {one.line})", ".", fmt.label, fmt.lenient, masked=True)
        own: dict[str, str] = {}
        rows: Tables = {}
        gather(one.value, own, rows, known, work)
        for table, shown_by in FLAT.items():
            cells = {column: own[column] for column in columns_of(fmt)[table] if own.get(column)}
            if any(column in cells for column in shown_by):
                rows.setdefault(table, []).append(Row(work.place, cells))
        yield child(fmt, work.place, own.get("CHILD", ""), rows, sender, work)


def gather(value: dict[str, list[Any]], own: dict[str, str], rows: Tables, known: frozenset[str], work: Work) -> None:
    """Sorts the parts of a child: what stands with the child itself, and the rows of its tables."""
    cells: dict[str, str] = {}
    for name, listed in value.items():
        column = RENAMED.get(name.upper(), name.upper())
        texts = list(dict.fromkeys(one for one in listed if isinstance(one, str) and one))
        if texts and column in known:
            cells[column] = "|".join(texts)
        elif texts:
            work.warn(
                "This is not a field of the return and was not kept.", name if name.isascii() else "an element", "not-supported"
            )
        for block in (one for one in listed if isinstance(one, dict)):
            gather(block, own, rows, known, work)
    table = next((KNOWN_BY[column] for column in cells if column in KNOWN_BY), "")
    if not table:
        own.update(cells)
        return
    held = rows.setdefault(table, [])
    held.append(Row(f"{work.place}.{table}[{len(held)}]", cells))
