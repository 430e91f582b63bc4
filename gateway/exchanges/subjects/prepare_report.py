"""Subject access, first: one of the agency's people puts together what is held about a person and who looked.

Of this agency alone: its record, the wishes that lie with it, its access log. Lookups of relatives by which the person's
record was found are in that log under the relative; they are found by the relationships that anybody has told us of.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import About, Fact
from gateway.exchanges.access.staff import name_of
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.log.search_audit import open_entry
from gateway.exchanges.lookup.interests import check_not_of_their_own
from gateway.exchanges.records import dossiers
from gateway.exchanges.subjects.subject_facts import Looked, held_facts, log_facts, shown_name
from gateway.exchanges.subjects.subject_reports import SubjectReport, report_row
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.elements import identifiers, nhs_number
from gateway.fhir.outcomes import Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import clock, people, subjects
from gateway.store.audit_log import patient_token
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Read, Write

NAME = "prepare_report"
MOST = 2000  # entries of the log in one report
TOO_MANY = f"The log has more than {MOST} entries about this person since then: ask for a shorter time, and make several reports."
AHEAD = "The day on which the person asked has not come yet."
NUMBER = f"{NHS_NUMBER}|"


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """Whose report (``system|value``); when they asked and from when on (microseconds, 0: from the first entry); how it is
    known that it is they who ask."""

    requester: Requester
    person: str
    asked: int
    checked: str
    since: int = 0
    request_id: str = ""


def prepare_report(ctx: Context, ask: PrepareRequest, moment: Moment) -> Story[str]:
    """Put a report together; gives its id. Raises NotFound, Forbidden, Unprocessable. A transaction of its own."""
    if ask.asked > moment.at + clock.DAY:
        raise Unprocessable(AHEAD, where="asked", code="value")
    yield from check_not_of_their_own(ctx, ask.requester, ask.person, moment)
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    rows = yield Read(people.RECORDS_OF_PERSON, {"person_id": row.id})
    for one in (people.open_record(row.cipher, columns) for columns in rows):
        row.records.setdefault(one.type, []).append(one)
    facts = [*(yield from _held(ctx, row)), *(yield from _looked(ctx, ask, row, moment))]
    report = SubjectReport(
        new_id(), desk.agency, row.id, subjects.OPEN, ask.asked, moment.at, ask.person,
        _about(ask, row, moment), tuple(facts), ask.requester.user, moment.at, ask.checked,
    )  # fmt: skip
    waiting = str(len(report.kept_back))
    entry = line(
        NAME, ask.requester, moment, Kind.READ, DONE, request_id=ask.request_id, patient=ask.person, purpose="subject-access",
        detail=(("report", report.id), ("facts", str(len(facts))), ("kept-back", waiting)),
    )  # fmt: skip
    return Outcome(report.id, (entry,), (Write(subjects.ADD_REPORT, report_row(report, row.cipher)),))


def _about(ask: PrepareRequest, row: Opened, moment: Moment) -> About:
    number = nhs_number(row.patient)
    others = tuple(text.split("|", 1)[1] for text in identifiers(row.patient) if not text.startswith(NUMBER))
    shown = f"{number[:3]} {number[3:6]} {number[6:]}" if number else ""
    since = clock.instant(ask.since)[:10] if ask.since else ""
    name, born = shown_name(row.patient), str(row.patient.get("birthDate", ""))
    return About(name, born, shown, others, name_of(moment.feeds, row.agency), clock.instant(moment.at), since)


def _held(ctx: Context, row: Opened) -> Generator[Any, Any, list[Fact]]:
    """What the agency holds. Relatives whose own record it keeps closed are found by reading that."""
    related = sorted({one.related for one in row.of_type("RelatedPerson") if one.related})
    closed = set()
    for identifier in related:
        found = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER_BY_ROW, {"key": identifier})))
        closed |= {one.id for one in found if dossiers.restriction(one)}
    holds = yield Read(subjects.STANDING_HOLDS, {"key": row.id})
    return list(held_facts(row, closed, [columns[1] for columns in holds]))


def _looked(ctx: Context, ask: PrepareRequest, row: Opened, moment: Moment) -> Generator[Any, Any, list[Fact]]:
    """What the agency's log has about the person, under their own numbers and under their relatives'."""
    own = frozenset({*identifiers(row.patient), ask.person})
    entries: list[Entry] = []
    for text in sorted(own | (yield from _relatives(ctx, row))):
        wanted = {"agency": row.agency, "token": patient_token(ctx.vault, text), "since": ask.since, "count": MOST + 1}
        entries += [open_entry(ctx, columns) for columns in (yield Read(subjects.ENTRIES_ABOUT, wanted))]
        if len(entries) > MOST:
            raise Unprocessable(TOO_MANY, where="since", code="too-long")
    others = {text for one in entries for text in (one.patient, *one.found)} - own
    protected = yield from _protected(ctx, row.agency, others)
    closed = bool(dossiers.restriction(row))
    looked = Looked(own, row.agency, closed, protected, ctx.purposes, moment.feeds)
    return list(log_facts(entries, looked))


def _relatives(ctx: Context, row: Opened) -> Generator[Any, Any, frozenset[str]]:
    """NHS numbers (``system|value``) of those who are related to the person by anybody's word: where to look in the log."""
    number = nhs_number(row.patient)
    known = [row]
    if number:
        known = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": ctx.vault.nhs_token(number)})))
    found = {text for one in known for held in one.of_type("RelatedPerson") for text in identifiers(held.body)}
    for one in known:
        for columns in (yield Read(people.RELATED_TO, {"person_id": one.id})):
            found.update(identifiers(people.open_person(ctx.vault, columns[:5]).patient))
    return frozenset(text for text in found if text.startswith(NUMBER))


def _protected(ctx: Context, agency: str, named: Iterable[str]) -> Generator[Any, Any, frozenset[str]]:
    """Those of some people whose record this agency keeps closed."""
    found = set()
    for text in sorted(one for one in named if one.startswith(NUMBER)):
        rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": ctx.vault.nhs_token(text[len(NUMBER) :])})))
        if any(dossiers.restriction(one) for one in rows if one.agency == agency):
            found.add(text)
    return frozenset(found)
