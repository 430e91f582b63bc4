"""The auditors' console: the saved questions of the access log, each a form, an answer in pages, and a file.

What names a person travels in the body of a form, never in an address; a question is on record before it is answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import partial
from typing import Any

from starlette.responses import Response

from gateway.audit.questions import QUESTIONS, Question, search_of
from gateway.audit.told import Facts
from gateway.exchanges.log.ask_question import Asked, Lines, ask_question
from gateway.exchanges.log.search_audit import HEAD
from gateway.fhir import systems
from gateway.identity import nhs_number
from gateway.notification.duty import ENGLAND
from gateway.store import clock
from gateway.store.ledger import Rows
from gateway.web import charts, render
from gateway.web.console_cells import as_csv, rows_of
from gateway.web.visits import Page, Visit

SCOPE = "system/AuditEvent.s"
COUNT = 100
MOST_IN_FILE = 5000
MOST_TEXT = 200
MOST_BARS = 12
SUMMED = 2000
WRONG_NUMBER = "Enter a NHS number: ten digits, as it is written on letters. This one is not a valid number."
WRONG_DAY = "Enter days as they are offered, or as 2026-11-04."
MISSING = "Fill this in: nothing is asked without it."
TOO_LONG = f"At most {MOST_TEXT} characters."
Faults = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as its page shows it."""

    rows: list[Any]
    following: str
    head: tuple[int, int] | None
    since: int
    sums: list[tuple[str, int]]
    bars: charts.Bars | None
    days: charts.Columns | None


async def index(visit: Visit) -> Response:
    """``GET /console``: the questions."""
    person, *others = QUESTIONS
    return visit.page("console.html", person=person, questions=others, **_page(person, {}, [], None))


async def ask(question: Question, visit: Visit) -> Response:
    """``GET /console/{question}``: its form; the answer, where nothing is to be filled in."""
    if not question.fields:
        return await answer(question, visit)
    return visit.page("console_question.html", **_page(question, {}, [], None))


async def answer(question: Question, visit: Visit) -> Response:
    """``POST /console/{question}``: a page of the answer."""
    asked, faults = _read(question, visit)
    if faults:
        return visit.page("console_question.html", 422, **_page(question, visit.form, faults, None))
    lines, head = await _answered(visit, asked)
    return visit.page("console_question.html", **_page(question, visit.form, [], await _shown(visit, asked, lines, head)))


async def download(question: Question, visit: Visit) -> Response:
    """``POST /console/{question}/csv``: the answer as a file."""
    asked, faults = _read(question, visit)
    if faults:
        return visit.page("console_question.html", 422, **_page(question, visit.form, faults, None))
    lines = await _all(visit, replace(asked, count=500, before=None))
    body = as_csv(question, lines)
    headers = {
        **render.HEADERS, **visit.headers(), "Content-Disposition": f'attachment; filename="{question.name}.csv"',
    }  # fmt: skip
    return Response(body, 200, headers, "text/csv; charset=utf-8")


def _page(question: Question, given: Any, faults: Faults, shown: Shown | None) -> dict[str, Any]:
    names = {one.name: f"{{{one.name}}}" for one in question.fields}
    return {
        "question": question, "given": given, "faults": faults, "shown": shown, "at_fault": {name for name, _ in faults},
        "search": search_of(question, names), "scope": SCOPE,
    }  # fmt: skip


def _read(question: Question, visit: Visit) -> tuple[Asked, Faults]:
    """What was filled in, and what is wrong with it."""
    form, faults = visit.form, []
    days: dict[str, int] = {"since": 0, "until": 0}
    given: dict[str, str] = {}
    for one in question.fields:
        text = form.get(one.name, "").strip()
        if one.kind == "number":
            number = nhs_number.parse(text)
            given["person"] = f"{systems.NHS_NUMBER}|{number}"
            faults += [] if number else [(one.name, WRONG_NUMBER)]
        elif one.kind == "day":
            start = midnight(text)
            days[one.name] = start or 0
            faults += [(one.name, WRONG_DAY)] if start is None else []
        else:
            given[one.name] = text
            faults += [(one.name, MISSING)] if one.required and not text else []
            faults += [(one.name, TOO_LONG)] if len(text) > MOST_TEXT else []
    until = days["until"] + clock.DAY if days["until"] else 0
    asked = Asked(
        visit.requester, question.name, given, days["since"], until, COUNT, _place(form.get("before", "")), visit.request_id
    )
    return asked, faults


async def _answered(visit: Visit, asked: Asked) -> tuple[Lines, tuple[int, int] | None]:
    """The answer, with size and time of the newest signed head."""
    ledger = visit.web.ledger
    lines = await ask_question(visit.web.context, ledger, asked)
    (heads,) = await ledger.read([HEAD])
    return lines, _head(heads)


def _head(heads: Rows) -> tuple[int, int] | None:
    return (int(heads[0][0]), int(heads[0][2])) if heads else None


async def _all(visit: Visit, asked: Asked) -> list[Facts]:
    """The answer page after page, up to a limit; one question, on record with each page that is read."""
    found: list[Facts] = []
    while True:
        lines = await ask_question(visit.web.context, visit.web.ledger, asked)
        found += lines.lines
        if lines.cursor is None or len(found) >= MOST_IN_FILE:
            return found[:MOST_IN_FILE]
        asked = replace(asked, before=lines.cursor)


async def _shown(visit: Visit, asked: Asked, lines: Lines, head: tuple[int, int] | None) -> Shown:
    following = "" if lines.cursor is None else f"{lines.cursor[0]}.{lines.cursor[1]}"
    sums = (
        Counter((one["reason"] or "no reason given", one["organisation"]) for one in lines.lines)
        if asked.name == "refusals"
        else Counter()
    )
    return Shown(
        rows_of(asked.question, lines.lines), following, head, lines.since,
        [(f"{reason.replace('-', ' ')}, {organisation}", count) for (reason, organisation), count in sums.most_common()],
        _bars(lines.lines) if asked.name == "volumes" else None,
        _days(lines.lines) if asked.name == "person" else None,
    )  # fmt: skip


def _bars(lines: Iterable[Facts]) -> charts.Bars:
    return charts.bars((one["who"], one["week"], one["usual"], one["stands_out"]) for one in list(lines)[:MOST_BARS])


def _days(lines: Iterable[Facts]) -> charts.Columns | None:
    """The days of this page's lines, up to eight weeks from the newest back."""
    days = [one["when"] // clock.DAY for one in lines]
    if not days:
        return None
    counts = Counter(days)
    first = max(min(days), max(days) - 55)
    return charts.columns([counts[day] for day in range(first, max(days) + 1)])


def midnight(text: str) -> int | None:
    """When a day begins in England; 0 for none, None for what is no day."""
    if not text:
        return 0
    try:
        return clock.micros(datetime.combine(datetime.fromisoformat(text).date(), time.min, ENGLAND))
    except ValueError:
        return None


def _place(text: str) -> tuple[int, str] | None:
    """The cursor of a page, as its form carries it."""
    recorded, _, identifier = text.partition(".")
    return (int(recorded), identifier[:64]) if recorded.isascii() and recorded.isdigit() and len(recorded) <= 18 else None


def pages() -> Iterable[Page]:
    """Each question's form, answer and file."""
    yield Page("console", "GET", "/console", index, SCOPE)
    for one in QUESTIONS:
        if one.path != "/console":
            yield Page(f"console_{one.name}", "GET", one.path, partial(ask, one), SCOPE)
        yield Page(f"console_{one.name}_answer", "POST", one.path, partial(answer, one), SCOPE)
        yield Page(f"console_{one.name}_csv", "POST", f"/console/{one.name}/csv", partial(download, one), SCOPE)
