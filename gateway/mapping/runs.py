"""The rows of tables, person by person: as they go by in one table, together in a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.sets import Line, Table
from gateway.mapping.values import work_for

TOGETHER: Final = 2_000  # rows of one person that are read as one record


class Row(NamedTuple):
    """One row of a table, and where it stands."""

    place: str
    cells: dict[str, str]


Tables = dict[str, list[Row]]  # the rows of a person by table
Name = Callable[[Line], str]


class Run(NamedTuple):
    """The rows of one person; or one row that cannot be read, and why."""

    place: str
    name: str
    rows: Tables
    problem: str = ""


def place_of(table: Table, line: Line) -> str:
    """Where a row stands, as people find it."""
    return f"{table.file}, line {line.number}" if table.file else f"line {line.number}"


def in_runs(table: Table, name_of: Name) -> Iterator[Run]:
    """Each run of rows of one person, as the rows of a table go by."""
    for _, run in groupby(table.rows, key=lambda one: name_of(one) if not one.problem else one.number):
        gathered: list[Line] = []
        for one in run:
            gathered.append(one)
            if len(gathered) == TOGETHER:
                yield one_run(table, gathered, name_of)
                gathered = []
        if gathered:
            yield one_run(table, gathered, name_of)


def one_run(table: Table, lines: list[Line], name_of: Name) -> Run:
    """Rows of one person of one table."""
    rows = {table.name: [Row(place_of(table, one), one.cells) for one in lines]}
    return Run(place_of(table, lines[0]), name_of(lines[0]), rows, lines[0].problem)


def together(lines: Iterable[tuple[Table, Line]], name_of: Name) -> Iterator[Run]:
    """Every person of a set with all rows, in the order in which they first stand in it; rows that cannot be read first."""
    found: dict[str, Tables] = {}
    for table, one in lines:
        place = place_of(table, one)
        if one.problem:
            yield Run(place, "", {}, one.problem)
        else:
            found.setdefault(name_of(one), {}).setdefault(table.name, []).append(Row(place, one.cells))
    for name, rows in found.items():
        yield Run(next(iter(rows.values()))[0].place, name, rows)


def refused(fmt: Format, run: Run, sender: Sender) -> Mapped:
    """A row that cannot be read."""
    work = work_for(sender, run.place, ", column ", fmt.label, fmt.lenient, masked=True)
    work.fault(run.problem, "", "structure")
    return work.mapped()
