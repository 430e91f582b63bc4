"""Subject access at the console: put a report together, decide on what is kept back, have it approved, give it to the person.

Who is meant travels in the body of a form; addresses carry the random id of a report alone.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from starlette.responses import Response

from gateway.disclosure.subject_report import REASONS, Fact, as_text
from gateway.exchanges.subjects.approve_report import approve_report, withdraw_report
from gateway.exchanges.subjects.decide_on_report import DecideRequest, decide_on_report
from gateway.exchanges.subjects.give_report import GiveRequest, OwnReports, give_report, list_reports, look_at_report
from gateway.exchanges.subjects.prepare_report import PrepareRequest, prepare_report
from gateway.exchanges.subjects.subject_reports import LEAST_REASON, NOT_HERE, ReportRequest, SubjectReport
from gateway.fhir import systems
from gateway.fhir.outcomes import NotFound, Unprocessable
from gateway.identity import nhs_number
from gateway.notification.duty import ENGLAND
from gateway.store import clock
from gateway.web import render
from gateway.web.visits import Visit

SCOPE = "system/subject-access.u"
PATH = "/console/subject-access"
AT_ONCE = 40  # lines in one form
LINE = "line-"
LEAST_CHECKED, MOST_TEXT = 5, 500
SAID = {
    "decided": "Your decision is on record.",
    "approved": "The report is approved. It can be given to the person now.",
    "withdrawn": "The report is withdrawn.",
}
STATES = {"open": "Being worked on", "approved": "Approved", "withdrawn": "Withdrawn"}
WRONG_NUMBER = "Enter a NHS number: ten digits, as it is written on letters. Go back to do so."
WRONG_DAY = "Enter days as they are offered, or as 2026-11-04. Go back to do so."
NOT_CHECKED = f"Say in {LEAST_CHECKED} to {MOST_TEXT} characters how you know that it is they who ask. Go back to do so."
NO_CHOICE = "Choose whether the person is told, and at least one line. Go back to do so."
NO_REASON = f"Say in {LEAST_REASON} to {MOST_TEXT} characters why. Go back to do so."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a report as those who work on it read it, with why it is kept back and what was decided."""

    fact: Fact
    said: str
    why: str  # what it was for
    against: tuple[str, ...]
    decision: str
    decided: str  # by whom, and the reason


async def show(visit: Visit) -> Response:
    """``GET /console/subject-access``: the agency's reports, and the form for another."""
    reports = await visit.web.ledger.run(list_reports, OwnReports(visit.requester, visit.request_id))
    listed = [(one, due_of(one)) for one in reports]
    today = clock.moment(clock.now()).astimezone(ENGLAND).date().isoformat()
    return visit.page("subject_access.html", listed=listed, states=STATES, now=clock.now(), today=today, said=_said(visit))


async def prepare(visit: Visit) -> Response:
    """``POST /console/subject-access``: a report of one person. Raises Unprocessable, NotFound."""
    form = visit.form
    number = nhs_number.parse(form.get("number", ""))
    if number is None:
        raise Unprocessable(WRONG_NUMBER)
    checked = _text(form, "checked", LEAST_CHECKED, NOT_CHECKED)
    ask = PrepareRequest(
        visit.requester, f"{systems.NHS_NUMBER}|{number}", _day(form.get("asked", "")) or clock.now(), checked,
        _day(form.get("since", "")), visit.request_id,
    )  # fmt: skip
    report = await visit.web.ledger.run_alone(prepare_report, ask)
    return visit.to(f"{PATH}/{report}")


async def work(visit: Visit) -> Response:
    """``GET /console/subject-access/{id}``: what is in a report and what is kept back. Raises NotFound."""
    report = await visit.web.ledger.run(look_at_report, _request(visit))
    if report is None:
        raise NotFound(NOT_HERE)
    texts = visit.web.context.subject_texts
    lines = [_line(one, report, texts["en"]) for one in report.facts]
    waiting = [one for one in lines if one.fact.waits() and not one.decision]
    return visit.page(
        "subject_report_work.html",
        report=report,
        due=due_of(report),
        state=STATES[report.state],
        waiting=waiting[:AT_ONCE],
        more=len(waiting) - len(waiting[:AT_ONCE]),
        decided=[one for one in lines if one.decision],
        plain=[one for one in lines if not one.fact.waits()],
        may_approve=visit.requester.user not in report.hands,
        languages=[(code, one.name, one.lang) for code, one in texts.items()],
        said=_said(visit),
    )


async def decide(visit: Visit) -> Response:
    """``POST /console/subject-access/{id}/decide``: on the lines that were ticked. Raises Unprocessable, NotFound, Conflict."""
    form = visit.form
    lines = tuple(name.removeprefix(LINE) for name in form if name.startswith(LINE))
    if form.get("choice") not in ("release", "keep") or not lines:
        raise Unprocessable(NO_CHOICE)
    reason = _text(form, "reason", LEAST_REASON, NO_REASON)
    report = visit.request.path_params["id"]
    ask = DecideRequest(visit.requester, report, lines, form["choice"] == "release", reason, visit.request_id)
    await visit.web.ledger.run_alone(decide_on_report, ask)
    return visit.to(f"{PATH}/{report}?said=decided")


async def approve(visit: Visit) -> Response:
    """``POST /console/subject-access/{id}/approve``: by a second person. Raises NotFound, Forbidden, Conflict."""
    report = await visit.web.ledger.run_alone(approve_report, _request(visit))
    return visit.to(f"{PATH}/{report.id}?said=approved")


async def withdraw(visit: Visit) -> Response:
    """``POST /console/subject-access/{id}/withdraw``: give up what was not approved. Raises NotFound, Forbidden, Conflict."""
    await visit.web.ledger.run_alone(withdraw_report, _request(visit))
    return visit.to(f"{PATH}?said=withdrawn")


async def give(visit: Visit) -> Response:
    """``POST /console/subject-access/{id}/give``: the report in a language, as a page to print or as plain text."""
    ask = GiveRequest(visit.requester, visit.request.path_params["id"], visit.form.get("language", ""), visit.request_id)
    report = await visit.web.ledger.run(give_report, ask)
    if visit.form.get("form") == "text":
        return render.plain_text(as_text(report), "report.txt", visit.headers())
    return visit.page("subject_report.html", report=report)


def due_of(report: SubjectReport) -> date:
    """The last day on which it may be answered: a month after it was asked for (UK GDPR Article 12(3))."""
    asked = clock.moment(report.asked).astimezone(ENGLAND).date()
    year, month = (asked.year + asked.month // 12, asked.month % 12 + 1)
    return date(year, month, min(asked.day, calendar.monthrange(year, month)[1]))


def _line(fact: Fact, report: SubjectReport, texts: Any) -> Line:
    found = report.decisions.get(fact.id)
    decision = "" if found is None else "Told" if found.released else "Kept back"
    decided = "" if found is None else f"{found.by}: {found.reason}"
    purpose = texts["purpose"].get(fact.purpose, "") if fact.section == "log" else ""
    return Line(fact, texts[fact.table][fact.code], purpose, tuple(REASONS[one] for one in fact.reasons), decision, decided)


def _request(visit: Visit) -> ReportRequest:
    return ReportRequest(visit.requester, visit.request.path_params["id"], visit.request_id)


def _text(form: Mapping[str, str], name: str, least: int, otherwise: str) -> str:
    """What was written in a field, without what surrounds it. Raises Unprocessable."""
    text = form.get(name, "").strip()
    if not least <= len(text) <= MOST_TEXT:
        raise Unprocessable(otherwise)
    return text


def _day(text: str) -> int:
    """When a day begins in England, in microseconds; 0 for none. Raises Unprocessable."""
    if not text:
        return 0
    try:
        return clock.micros(datetime.combine(date.fromisoformat(text), time.min, ENGLAND))
    except ValueError:
        raise Unprocessable(WRONG_DAY) from None


def _said(visit: Visit) -> str:
    return SAID.get(visit.request.query_params.get("said", ""), "")
