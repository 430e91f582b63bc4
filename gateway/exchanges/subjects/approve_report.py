"""Subject access, third: a second person approves a report, or it is withdrawn. What is approved does not change any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.reviews import NEEDS_USER
from gateway.exchanges.subjects.subject_reports import ReportRequest, SubjectReport, keep, open_for_change
from gateway.fhir.outcomes import Conflict, Forbidden
from gateway.store import subjects
from gateway.store.ledger import Moment, Outcome, Story

SECOND_PERSON = "A report is approved by somebody who neither prepared it nor decided on a line of it."
UNDECIDED = "Lines of this report wait for a decision: decide on each before it is approved."


def approve_report(ctx: Context, ask: ReportRequest, moment: Moment) -> Story[SubjectReport]:
    """Approve. Raises NotFound, Forbidden for whoever had a hand in it, Conflict while lines wait or it is finished."""
    report, cipher = yield from _worked_on(ctx, ask, moment)
    if ask.requester.user in report.hands:
        raise Forbidden(SECOND_PERSON)
    if report.undecided:
        raise Conflict(UNDECIDED)
    report = replace(report, state=subjects.APPROVED, approved_by=ask.requester.user, approved=moment.at)
    entry = _entry("approve_report", ask, report, moment, ("prepared-by", report.prepared_by))
    return Outcome(report, (entry,), (keep(report, cipher, moment),))


def withdraw_report(ctx: Context, ask: ReportRequest, moment: Moment) -> Story[SubjectReport]:
    """Give a report up that was not approved. Raises NotFound, Forbidden, Conflict."""
    report, cipher = yield from _worked_on(ctx, ask, moment)
    report = replace(report, state=subjects.WITHDRAWN, facts=(), decisions={})
    return Outcome(report, (_entry("withdraw_report", ask, report, moment),), (keep(report, cipher, moment),))


def _worked_on(ctx: Context, ask: ReportRequest, moment: Moment) -> Any:
    check_current(ask.requester, moment)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    return (yield from open_for_change(ctx, ask, moment))


def _entry(name: str, ask: ReportRequest, report: SubjectReport, moment: Moment, *more: tuple[str, str]) -> Entry:
    return line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=report.person,
        purpose="subject-access", detail=(("report", report.id), *more),
    )  # fmt: skip
