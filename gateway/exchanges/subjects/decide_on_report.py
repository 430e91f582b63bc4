"""Subject access, second: on each line that was kept back somebody decides, with a reason, whether the person is told.

Nothing is told that nobody decided on. Every decision is an entry of its own in the access log, also the one to keep it back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import Fact
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.reviews import NEEDS_USER
from gateway.exchanges.subjects.subject_reports import LEAST_REASON, Decision, ReportRequest, SubjectReport, keep, open_for_change
from gateway.fhir.outcomes import Forbidden, Unprocessable
from gateway.store.ledger import Moment, Outcome, Story

NAME = "decide_on_report"
NOT_KEPT_BACK = "A line that was chosen is not among those that are kept back."
NO_LINE = "Choose at least one line."
NO_REASON = f"Say in at least {LEAST_REASON} characters why."


@dataclass(frozen=True, slots=True)
class DecideRequest:
    """Lines of a report, by their ids: to be told, or kept back, and why."""

    requester: Requester
    report: str
    lines: tuple[str, ...]
    release: bool
    reason: str
    request_id: str = ""


def decide_on_report(ctx: Context, ask: DecideRequest, moment: Moment) -> Story[SubjectReport]:
    """Decide; a line may be decided on anew until the report is approved. Raises NotFound, Conflict, Unprocessable, Forbidden."""
    check_current(ask.requester, moment)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    report, cipher = yield from open_for_change(ctx, ReportRequest(ask.requester, ask.report), moment)
    chosen = _chosen(ask, report)
    decided = {one.id: Decision(ask.release, ask.reason, ask.requester.user, moment.at) for one in chosen}
    before = tuple(sorted(report.hands - {report.prepared_by}))
    report = replace(report, decisions={**report.decisions, **decided}, decided_before=before)
    return Outcome(report, tuple(_entry(ask, report, one, moment) for one in chosen), (keep(report, cipher, moment),))


def _chosen(ask: DecideRequest, report: SubjectReport) -> list[Fact]:
    if len(ask.reason.strip()) < LEAST_REASON:
        raise Unprocessable(NO_REASON, where="reason", code="required")
    if not ask.lines:
        raise Unprocessable(NO_LINE, where="lines", code="required")
    waiting = {one.id: one for one in report.kept_back}
    if not waiting.keys() >= set(ask.lines):
        raise Unprocessable(NOT_KEPT_BACK, where="lines", code="not-found")
    return [waiting[name] for name in dict.fromkeys(ask.lines)]


def _entry(ask: DecideRequest, report: SubjectReport, one: Fact, moment: Moment) -> Entry:
    result = "released" if ask.release else "kept-back"
    detail = (
        ("report", report.id), ("line", one.id), ("kept-back-for", " ".join(one.reasons)), ("result", result), ("reason", ask.reason),
    )  # fmt: skip
    return line(
        NAME, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=report.person,
        purpose="subject-access", detail=detail,
    )  # fmt: skip
