"""Erasure, first: one of the owner's people asks for it, and hears at once what stands against it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.outbox.enqueue import Happened, enqueue
from gateway.exchanges.outbox.stored_notices import open_notice
from gateway.exchanges.outbox.subscriptions import list_token, open_subscription
from gateway.exchanges.records.dossiers import is_shielded
from gateway.exchanges.records.erasures import GROUNDS, WRONG, Erasure, changed, erasure_row, open_erasure
from gateway.exchanges.records.persons import Desk
from gateway.exchanges.records.purge import must_be_kept
from gateway.exchanges.records.withholdings import is_withholding
from gateway.exchanges.reviews import NEEDS_USER, open_item
from gateway.exchanges.subjects.legal_holds import check_reason
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.elements import identifiers, nhs_number
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound, Unprocessable
from gateway.notification.topics import RETRACTED
from gateway.store import case_lists, outbox, subjects
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Read, Write

NOT_HERE = "There is no such erasure, or it is not your organisation's."
NOT_ASKED = "This erasure is finished."
ASKED_ALREADY = "Its erasure has been asked for already: a second person carries it out."
AGAINST = {
    "hold": "a legal hold stands on it, or on the record of somebody who is related to the person in it",
    "shield": "it is shielded, or withheld under a duty",
    "review": "a review about it is open",
    "report": "a report to the person is being worked on",
    "taken-back": "word that something was wrong has not reached everybody who was told",
    "watched": "your organisation still subscribes to changes about the person, or has them on a case list",
}
MOST, MOST_LISTS = 500, 2000


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """The caller's own organisation's record of a person (``system|value``) is to be erased, on which ground and why."""

    requester: Requester
    person: str
    ground: str
    reason: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """One erasure of the caller's own organisation, by its id."""

    requester: Requester
    id: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnErasures:
    """Who asks for the register of their organisation."""

    requester: Requester
    request_id: str = ""


def ask_erasure(ctx: Context, ask: EraseRequest, moment: Moment) -> Story[str]:
    """Ask; gives the id. On the ground that it should never have been held, whoever was told of it is told so at once (UK
    GDPR Article 19). Raises NotFound, Forbidden, Unprocessable, Conflict naming all that stands against it."""
    if ask.ground not in GROUNDS:
        raise Unprocessable(f"The ground is one of {', '.join(GROUNDS)}.", where="ground", code="value")
    check_reason(ask.reason)
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    if (yield Read(subjects.ASKED_OF, {"person_id": row.id})):
        raise Conflict(ASKED_ALREADY)
    yield from check_may_be_erased(desk, row)
    if ask.ground == WRONG:
        yield from enqueue(ctx, desk.agency, [Happened(row.id, desk.taken_back("delete"))], {row.id: row}, moment)
    user = ask.requester.user
    made = Erasure(new_id(), desk.agency, row.id, subjects.ASKED, moment.at, None, 0, ask.ground, user, ask.reason, ask.person)
    entry = _entry("ask_erasure", ask, made, moment, ("reason", ask.reason))
    return Outcome(made.id, (entry,), (Write(subjects.ADD_ERASURE, erasure_row(ctx, made)),))


def withdraw_erasure(ctx: Context, ask: ErasureRequest, moment: Moment) -> Story[None]:
    """Give up what was asked for. Raises NotFound, Conflict, Forbidden."""
    made = yield from asked_for(ctx, ask, moment)
    gone = replace(made, state=subjects.WITHDRAWN)
    return Outcome(None, (_entry("withdraw_erasure", ask, made, moment),), (changed(ctx, gone),))


def list_erasures(ctx: Context, ask: OwnErasures, moment: Moment) -> Story[list[Erasure]]:
    """The agency's register: what was asked for and what was done, the last first."""
    check_current(ask.requester, moment)
    rows = yield Read(subjects.ERASURES, {"agency": ask.requester.agency, "count": MOST})
    entry = line(
        "list_erasures", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=(("resource", "erasure"),)
    )
    return Outcome([open_erasure(ctx, row) for row in rows], (entry,))


def asked_for(ctx: Context, ask: ErasureRequest, moment: Moment) -> Generator[Any, Any, Erasure]:
    """An erasure that waits for a second person, held until the commit. Raises NotFound, Conflict, Forbidden."""
    check_current(ask.requester, moment)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    rows = yield Read(subjects.LOCK_ERASURE, {"agency": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    made = open_erasure(ctx, rows[0])
    if made.state != subjects.ASKED:
        raise Conflict(NOT_ASKED)
    return made


def check_may_be_erased(desk: Desk, row: Opened) -> Generator[Any, Any, None]:
    """Nothing stands against it. Raises Conflict naming all that does."""
    checks = {
        "hold": (yield from must_be_kept(row)),
        "shield": is_shielded(row.patient) or any(is_withholding(one) for one in row.patient.get("extension", ())),
        "review": (yield from _under_review(desk, row)),
        "report": (yield from _reported_on(desk, row)),
        "taken-back": (yield from _being_taken_back(desk, row)),
        "watched": (yield from _watched(desk, row)),
    }
    found = [AGAINST[name] for name, holds in checks.items() if holds]
    if found:
        raise Conflict(f"This record is not erased: {'; '.join(found)}.")


def _under_review(desk: Desk, row: Opened) -> Generator[Any, Any, bool]:
    own = set(identifiers(row.patient))
    rows = yield Read(subjects.REVIEWS_OF, {"agency": desk.agency})
    return any(columns[6] is None and open_item(desk.ctx, columns).matter.patient in own for columns in rows)


def _reported_on(desk: Desk, row: Opened) -> Generator[Any, Any, bool]:
    rows = yield Read(subjects.REPORTS_OF, {"person_id": row.id})
    return any(columns[3] == subjects.OPEN for columns in rows)


def _being_taken_back(desk: Desk, row: Opened) -> Generator[Any, Any, bool]:
    rows = yield Read(outbox.ABOUT_ROW, {"row": row.id})
    notices = [open_notice(desk.ctx, columns) for columns in rows]
    return any(one.topic == RETRACTED and one.state in outbox.UNFINISHED for one in notices)


def _watched(desk: Desk, row: Opened) -> Generator[Any, Any, bool]:
    number = nhs_number(row.patient)
    if not number:
        return False
    token = desk.ctx.vault.nhs_token(number)
    rows = yield Read(subjects.OWN_SUBSCRIPTIONS_ABOUT, {"agency": desk.agency, "token": token})
    own = [open_subscription(desk.ctx, columns) for columns in rows]
    if any(one.status != "off" and not one.deleted and one.ends > desk.moment.at for one in own):
        return True
    lists = yield Read(case_lists.OWN_LISTS, {"agency": desk.agency, "after": "", "count": MOST_LISTS})
    mine = {list_token(desk.ctx, columns[0]) for columns in lists}
    return any(columns[0] in mine for columns in (yield Read(subjects.LISTED, {"token": token})))


def _entry(name: str, ask: EraseRequest | ErasureRequest, one: Erasure, moment: Moment, *more: tuple[str, str]) -> Entry:
    return line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=one.person,
        detail=(("erasure", one.id), ("ground", one.ground), *more),
    )  # fmt: skip
