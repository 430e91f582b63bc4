"""Answers as people read them, and as a spreadsheet does: one cell for each column of the question."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.audit.questions import Column, Question
from gateway.audit.told import ASKED, REFUSED, Facts
from gateway.store import clock
from gateway.web import render, words

RUNS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for a formula


@dataclass(frozen=True, slots=True)
class Cell:
    """A text; or a time, in microseconds."""

    text: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an answer."""

    cells: tuple[Cell, ...]
    marked: bool = False


def rows_of(question: Question, lines: Iterable[Facts]) -> list[Row]:
    """The lines in words; those that somebody should look at are marked."""
    return [Row(tuple(_cell(column, line) for column in question.columns), _marked(question, line)) for line in lines]


def _cell(column: Column, line: Facts) -> Cell:
    value = line.get(column.key, "")
    if column.kind == "time":
        return Cell(at=value) if value else Cell()
    if column.kind == "code":
        return Cell(words.code(str(value)))
    if column.kind == "exchange":
        return Cell(words.exchange(str(value)))
    if column.kind == "person":
        return Cell(render.person(str(value)))
    if column.key == "outcome" and value == ASKED:
        return Cell(words.ONLY_ASKED)
    return Cell("" if value is None else str(value))


def _marked(question: Question, line: Facts) -> bool:
    return (
        question.alarm or line.get("outcome") == REFUSED or line.get("state") in words.TO_LOOK_AT or bool(line.get("stands_out"))
    )


def as_csv(question: Question, lines: Iterable[Facts]) -> bytes:
    """RFC 4180, with the columns' headings; codes as they are, times as instants. Nothing in it runs in a spreadsheet."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow([column.heading for column in question.columns])
    for line in lines:
        writer.writerow([_plain(column, line) for column in question.columns])
    return made.getvalue().encode()


def _plain(column: Column, line: Facts) -> str:
    value = line.get(column.key, "")
    if column.kind == "time":
        return clock.instant(value) if value else ""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(RUNS) else text
