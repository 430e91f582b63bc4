"""Subject access, last: an approved report is given to the person, in a language. That is a disclosure, to them, each time."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import Report, report_of, told
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.interests import check_not_of_their_own
from gateway.exchanges.subjects.subject_reports import NOT_HERE, ReportRequest, SubjectReport, open_report
from gateway.fhir.outcomes import Conflict, NotFound, Unprocessable
from gateway.store import subjects
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "give_report"
NOT_APPROVED = "This report has not been approved by a second person."
MOST = 200  # reports in the list


@dataclass(frozen=True, slots=True)
class GiveRequest:
    """A report, and the language in which the person reads it."""

    requester: Requester
    id: str
    language: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnReports:
    """Who asks for the reports of their organisation."""

    requester: Requester
    request_id: str = ""


def give_report(ctx: Context, ask: GiveRequest, moment: Moment) -> Story[Report]:
    """The report as the person reads it. Raises NotFound, Forbidden, Conflict where it is not approved, Unprocessable."""
    check_current(ask.requester, moment)
    if ask.language not in ctx.subject_texts:
        known = ", ".join(ctx.subject_texts)
        raise Unprocessable(f"There are no texts in {ask.language}; there are {known}.", where="language", code="value")
    rows = yield Read(subjects.REPORT, {"agency": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    report, _ = open_report(ctx, rows[0])
    yield from check_not_of_their_own(ctx, ask.requester, report.person, moment)
    if report.state != subjects.APPROVED:
        raise Conflict(NOT_APPROVED)
    made = report_of(report.about, told(report.facts, report.released), ctx.subject_texts[ask.language])
    entry = line(
        NAME, ask.requester, moment, Kind.DISCLOSURE, DONE, request_id=ask.request_id, patient=report.person,
        purpose="subject-access", basis=("own-record",), disclosure=report.id,
        detail=(("report", report.id), ("language", ask.language)),
    )  # fmt: skip
    return Outcome(made, (entry,))


def look_at_report(ctx: Context, ask: ReportRequest, moment: Moment) -> Story[SubjectReport | None]:
    """A report for those who work on it, what is kept back too; None where it is not the agency's. Raises Forbidden."""
    check_current(ask.requester, moment)
    rows = yield Read(subjects.REPORT, {"agency": ask.requester.agency, "id": ask.id})
    found = open_report(ctx, rows[0])[0] if rows else None
    if found is not None:
        yield from check_not_of_their_own(ctx, ask.requester, found.person, moment)
    entry = line(
        "look_at_report", ask.requester, moment, Kind.READ, DONE if found else REFUSED, request_id=ask.request_id,
        refusal="" if found else "not-known", patient=found.person if found else "", purpose="subject-access",
        detail=(("report", ask.id),),
    )  # fmt: skip
    return Outcome(found, (entry,))


def list_reports(ctx: Context, ask: OwnReports, moment: Moment) -> Story[list[SubjectReport]]:
    """The agency's own reports, the last asked for first."""
    check_current(ask.requester, moment)
    rows = yield Read(subjects.REPORTS, {"agency": ask.requester.agency, "count": MOST})
    entry = line(
        "list_reports", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, purpose="subject-access",
        detail=(("resource", "report"),),
    )  # fmt: skip
    return Outcome([open_report(ctx, row)[0] for row in rows], (entry,))
