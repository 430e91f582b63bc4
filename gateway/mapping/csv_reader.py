"""CSV in (RFC 4180): a header line, one record per row, columns by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from gateway.fhir.outcomes import Issue
from gateway.mapping.unreadable import Unreadable, text_of

CSV_BYTES: Final = 200_000_000
ROWS: Final = 1_000_000
CELL: Final = 500

Row = dict[str, str]


def read_rows(data: bytes, columns: frozenset[str], required: frozenset[str]) -> Iterator[tuple[int, Row | str]]:
    """Each row with its line number: cells by column, or what is wrong with the row.

    Raises Unreadable, before the first row, for a header that lacks a required column or has an unknown one.
    """
    if len(data) > CSV_BYTES:
        raise Unreadable(Issue(f"The file is longer than {CSV_BYTES} bytes: send it in parts.", "too-long"))
    text = text_of(data).replace("\r\n", "\n").replace("\r", "\n")
    lines = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter_of(text), strict=False)
    return rows(lines, checked(header(lines), columns, required))


def delimiter_of(text: str) -> str:
    """What stands between the cells: a comma, or the semicolon or tab with which spreadsheets export where it is not."""
    first = next((line for line in text.split("\n", 20) if line.strip()), "")
    return max(",;\t", key=first.count)


def header(lines: Iterator[list[str]]) -> list[str]:
    """The column names, in lower case; the header is the first line that is not empty."""
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                return [cell.strip().lower() for cell in cells]
    except csv.Error:
        raise Unreadable(Issue("The first line cannot be read as CSV.", "structure", "line 1")) from None
    raise Unreadable(Issue("The file is empty: the first line names the columns.", "structure", "line 1"))


def checked(names: list[str], columns: frozenset[str], required: frozenset[str]) -> list[str]:
    """The header, where every column is known, none stands twice and none is missing."""
    known = ", ".join(sorted(columns))
    if any(name not in columns for name in names):
        number = next(place for place, name in enumerate(names, 1) if name not in columns)
        raise Unreadable(Issue(f"Column {number} of the header is not known. The columns are: {known}.", "structure", "line 1"))
    if len(set(names)) != len(names):
        raise Unreadable(Issue("A column stands twice in the header.", "structure", "line 1"))
    missing = sorted(required - set(names))
    if missing:
        raise Unreadable(Issue(f"The header lacks: {', '.join(missing)}.", "structure", "line 1"))
    return names


def rows(lines: Iterator[list[str]], names: list[str]) -> Iterator[tuple[int, Row | str]]:
    """The rows after the header; empty lines are passed over."""
    reader = iter(lines)
    for count in range(ROWS + 1):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line_of(lines), "The line cannot be read as CSV."
            continue
        if count == ROWS:
            yield line_of(lines), f"More than {ROWS} rows: send the rest in another file."
        elif any(cell.strip() for cell in cells):
            yield line_of(lines), row(cells, names)


def line_of(lines: Iterator[list[str]]) -> int:
    """The line the reader has come to."""
    return int(getattr(lines, "line_num", 0))


def row(cells: list[str], names: list[str]) -> Row | str:
    """The cells by column, trimmed; or what is wrong."""
    if len(cells) != len(names):
        return f"The line has {len(cells)} cells where the header has {len(names)}."
    if any(len(cell) > CELL for cell in cells):
        return f"A cell is longer than {CELL} characters."
    return {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
