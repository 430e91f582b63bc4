"""Retention: the records of an agency whose time is over are put forward to be erased, each to be carried out by a second person.

A record's time is over when its month has passed and nothing in it has changed for as long as records are kept. One that a hold
keeps, or against whose erasure anything else stands, is left and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.erasures import Erasure, erasure_row
from gateway.exchanges.records.persons import KEPT_YEARS
from gateway.exchanges.reviews import NEEDS_USER
from gateway.exchanges.subjects.ask_erasure import check_may_be_erased
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.elements import identifiers
from gateway.fhir.outcomes import Conflict, Forbidden
from gateway.store import clock, people, subjects
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "ask_expired"
MOST = 50  # that one call puts forward
GROUND, REASON = "retention-ended", f"Nothing has changed for {KEPT_YEARS} years"


@dataclass(frozen=True, slots=True)
class ExpiredRequest:
    """Who puts forward what of their organisation's records has expired."""

    requester: Requester
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class PutForward:
    """What came of it: erasures that wait for a second person, and how many records are kept for some other reason."""

    erasures: tuple[str, ...]
    kept: int


def ask_expired(ctx: Context, ask: ExpiredRequest, moment: Moment) -> Story[PutForward]:
    """Put forward at most fifty. A transaction of its own. Raises Forbidden without a user."""
    check_current(ask.requester, moment)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    today = clock.day(moment.at)
    month, before = f"{today.year}-{today.month:02d}", moment.at - KEPT_YEARS * 366 * clock.DAY
    wanted = {"agency": ask.requester.agency, "month": month, "before": before, "count": MOST}
    entries: list[Entry] = []
    made: list[str] = []
    kept = 0
    for columns in (yield Read(subjects.EXPIRED, wanted)):
        named = identifiers(people.open_person(ctx.vault, columns).patient)
        if not named:
            continue
        desk, row = yield from own_record(ctx, ask.requester, named[0], moment)
        try:
            yield from check_may_be_erased(desk, row)
        except Conflict:
            kept += 1
            continue
        user = ask.requester.user
        one = Erasure(new_id(), desk.agency, row.id, subjects.ASKED, moment.at, None, 0, GROUND, user, REASON, named[0])
        yield Write(subjects.ADD_ERASURE, erasure_row(ctx, one))
        made.append(one.id)
        entries.append(_entry(ask, moment, named[0], ("erasure", one.id), ("ground", GROUND)))
    counted = _entry(ask, moment, "", ("result", str(len(made))), ("kept", str(kept)))
    return Outcome(PutForward(tuple(made), kept), (counted, *entries))


def _entry(ask: ExpiredRequest, moment: Moment, patient: str, *detail: tuple[str, str]) -> Entry:
    return line(
        NAME, ask.requester, moment, Kind.ADMINISTRATION, DONE, request_id=ask.request_id, patient=patient, detail=detail,
        asked=not patient,
    )  # fmt: skip
