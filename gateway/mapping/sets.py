"""Sets of CSV tables: one table, or several in a ZIP; which table a file is, its columns tell.

A header may lack columns and may have others, which are not kept and are named. A ZIP is read in memory: its tables are
few, their whole size is bounded, and nothing in it is a path.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping.csv_reader import delimiter_of
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped
from gateway.mapping.unreadable import Unreadable, text_of

Cells = dict[str, str]
TABLES: Final = 64
SET_BYTES: Final = 64 << 20  # of all tables of a ZIP, unpacked
TABLE_BYTES: Final = 256 << 20  # of one table by itself
ROWS: Final = 1_000_000
CELL: Final = 4_000
COLUMN: Final = 60  # characters of a foreign column's name that an issue repeats
ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table. ``problem`` says why it cannot be read; then there are no cells."""

    table: str
    number: int
    cells: Cells
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a set: which it is, what its header lacks or has beside, its rows."""

    name: str
    file: str
    foreign: tuple[str, ...]
    rows: Iterator[Line]


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a ZIP does."""
    return head.startswith(ZIP)


def read_tables(fmt: Format, data: bytes) -> list[Table]:
    """The tables of a file, in the order of the format. Raises Unreadable where a table is none of the format's."""
    if not is_zip(data):
        if len(data) > TABLE_BYTES:
            raise Unreadable(Issue(f"The table is longer than {TABLE_BYTES} bytes: send it in parts.", "too-long"))
        return [table_of(fmt, data, "")]
    found = [table_of(fmt, content, name) for name, content in unpacked(data)]
    order = list(columns_of(fmt))
    return sorted(found, key=lambda one: order.index(one.name))


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The tables of a ZIP, each with the number by which issues name it: ``table 2``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = [one for one in packed.infolist() if not one.is_dir() and one.filename.lower().endswith(".csv")]
            if not entries or len(entries) > TABLES:
                raise Unreadable(Issue(f"A ZIP holds 1 to {TABLES} CSV files.", "structure"))
            left = SET_BYTES
            for number, one in enumerate(entries, 1):
                content = taken(packed, one, left)
                left -= len(content)
                yield f"table {number}", content
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as fault:
        if isinstance(fault, Unreadable):
            raise
        raise Unreadable(
            Issue("The ZIP cannot be unpacked: send it without a password, or the tables one by one.", "structure")
        ) from None


def taken(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> bytes:
    """One unpacked table, of which no more is unpacked than there is room for."""
    with packed.open(entry) as handle:
        content = handle.read(room + 1)
    if len(content) > room:
        raise Unreadable(Issue(f"The tables are longer than {SET_BYTES} bytes: send them one by one.", "too-long"))
    return content


def columns_of(fmt: Format) -> dict[str, tuple[str, ...]]:
    """The columns of each table of a format, in its order; the first column is what the table cannot do without."""
    found: dict[str, list[str]] = {}
    for field in fmt.fields:
        table, dot, column = field.partition(".")
        if dot:
            found.setdefault(table, []).append(column)
    return {table: tuple(columns) for table, columns in found.items()}


def table_of(fmt: Format, data: bytes, file: str) -> Table:
    """One table, recognised by its header."""
    text = text_of(data).replace("\r\n", "\n").replace("\r", "\n")
    lines = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter_of(text), strict=False)
    names = header(lines, file)
    table = recognised(fmt, names)
    if not table:
        listed = ", ".join(columns_of(fmt))
        where = f"{file}, line 1" if file else "line 1"
        raise Unreadable(Issue(f"The columns are of no table of {fmt.label}. The tables are: {listed}.", "structure", where))
    known = {column.lower(): column for column in columns_of(fmt)[table]}
    foreign = tuple(shown(name) for name in names if name and name not in known)
    return Table(table, table if file else "", foreign, rows(lines, table, [known.get(name, "") for name in names]))


def shown(name: str) -> str:
    """A foreign column as an issue may name it."""
    return name if name.isascii() and name.isprintable() and len(name) <= COLUMN else "a column"


def header(lines: Iterator[list[str]], file: str) -> list[str]:
    """The column names in lower case; the header is the first line that is not empty."""
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                return [cell.strip().strip("\ufeff").lower() for cell in cells]
    except csv.Error:
        raise Unreadable(Issue("The first line cannot be read as CSV.", "structure", file or "line 1")) from None
    raise Unreadable(Issue("The file is empty: the first line names the columns.", "structure", file or "line 1"))


def recognised(fmt: Format, names: list[str]) -> str:
    """The table that most of the header belongs to, of those whose first column is there; empty where none is."""
    given = set(names)
    best, found = 0.0, ""
    for table, columns in columns_of(fmt).items():
        wanted = {column.lower() for column in columns}
        there = len(given & wanted)
        share = there / len(given | wanted)
        if columns[0].lower() in given and there >= min(2, len(wanted)) and share > best:
            best, found = share, table
    return found


def rows(lines: Iterator[list[str]], table: str, columns: list[str]) -> Iterator[Line]:
    """The rows after the header; empty lines are passed over, a short line lacks its last cells."""
    for count in range(ROWS + 1):
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error:
            yield Line(table, number_of(lines), {}, "The line cannot be read as CSV.")
            continue
        if count == ROWS:
            yield Line(table, number_of(lines), {}, f"More than {ROWS} rows: send the rest in another file.")
        elif any(cell.strip() for cell in cells):
            yield line(table, number_of(lines), cells, columns)


def number_of(lines: Iterator[list[str]]) -> int:
    """The line that the reader has come to."""
    return int(getattr(lines, "line_num", 0))


def line(table: str, number: int, cells: list[str], columns: list[str]) -> Line:
    """The cells by column, trimmed, without those that are empty; or what is wrong."""
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        return Line(table, number, {}, f"The line has {len(cells)} cells where the header has {len(columns)}.")
    if any(len(cell) > CELL for cell in cells):
        return Line(table, number, {}, f"A cell is longer than {CELL} characters.")
    told = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
    return Line(table, number, {name: cell for name, cell in told.items() if cell})


def whole(source: bytes | BinaryIO) -> bytes:
    """A file in one piece, no more of it than one table may have."""
    return source if isinstance(source, bytes) else source.read(TABLE_BYTES + 1)


def lines_of(tables: list[Table]) -> Iterator[tuple[Table, Line]]:
    """Every row of a set."""
    return ((table, one) for table in tables for one in table.rows)


def foreign_columns(fmt: Format, tables: list[Table]) -> Iterator[Mapped]:
    """What the headers have beside the published columns, and tables of which nothing is kept."""
    for table in tables:
        texts = [(f"This is not a column of {table.name} and was not kept.", name) for name in table.foreign]
        if table.name in fmt.ignored:
            texts = [(f"Nothing of {table.name} is kept: {fmt.ignored[table.name]}.", "")]
        warnings = tuple(Issue(text, "not-supported", name, "warning") for text, name in texts)
        if warnings:
            yield Mapped(table.file or table.name, warnings=warnings, version=fmt.label)
