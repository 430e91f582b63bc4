"""Erasure, second: another of the owner's people carries it out. The person's key is destroyed, and all that it opens with it.

What is left: the access log, which a public body must keep and whose entries are under keys of their own; the register of
erasures, which names nobody; and for each receiver the numbers of the notices it had, so that no gap tells of one.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.casework.call_backs import open_call_back
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.outbox.subscriptions import open_subscription, seal_subscription
from gateway.exchanges.records.erasures import JOINED, REPLAYED, Erasure, changed, erasure_row, remembered
from gateway.exchanges.records.persons import Desk
from gateway.exchanges.records.purge import empty
from gateway.exchanges.reviews import open_item
from gateway.exchanges.subjects.ask_erasure import ErasureRequest, asked_for, check_may_be_erased
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.elements import identifiers, nhs_number
from gateway.fhir.outcomes import Conflict, Forbidden
from gateway.notification.filters import Wanted
from gateway.notification.topics import RETRACTED
from gateway.store import clock, outbox, people, shields, subjects
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Hold, Read, Write
from gateway.store.vault import NONCE_BYTES, seal

NAME = "erase_person"
SECOND_PERSON = "An erasure is carried out by somebody else than the one who asked for it."
JOINED_SINCE = "This record has been joined with another since its erasure was asked for: look at it and ask again."
WRAPPED_BYTES = NONCE_BYTES + 32 + 16  # nonce, key, tag


@dataclass(frozen=True, slots=True)
class Again:
    """An erasure of the register that a restore from backup undid: the row, its agency, when it was done."""

    row: str
    agency: str
    erased: int


def erase_person(ctx: Context, ask: ErasureRequest, moment: Moment) -> Story[Erasure]:
    """Erase; gives the line of the register. A transaction of its own. Raises NotFound, Forbidden, Conflict."""
    made = yield from asked_for(ctx, ask, moment)
    if made.asked_by == ask.requester.user:
        raise Forbidden(SECOND_PERSON)
    desk, row = yield from own_record(ctx, ask.requester, made.person, moment)
    if row.id != made.row:
        raise Conflict(JOINED_SINCE)
    yield from check_may_be_erased(desk, row)
    joined = yield from _joined_into(desk, row)
    if any(since > made.asked for _, since in joined):
        raise Conflict(JOINED_SINCE)
    records = yield from _remove(desk, row)
    for other, _ in joined:
        yield from _remove(desk, other)
        gone = replace(made, id=new_id(), row=other.id, state=subjects.ERASED, erased=moment.at, ground=JOINED)
        yield Write(subjects.ADD_ERASURE, erasure_row(ctx, replace(gone, erased_by=ask.requester.user)))
    done = replace(made, state=subjects.ERASED, erased=moment.at, records=records, erased_by=ask.requester.user)
    writes = (changed(ctx, done), *remembered(ctx, done, identifiers(row.patient)))
    first = ("first", made.asked_by)
    entry = _entry(NAME, ask, made, moment, first, ("records", str(records)))
    return Outcome(replace(done, person="", reason=""), (entry,), writes)


def replay_erasure(ctx: Context, again: Again, moment: Moment) -> Story[bool]:
    """After a restore from backup: erase once more what the register beside the keys names; whether there was anything.

    It asks nobody: two people have decided it, and what stood against it then had been cleared.
    """
    desk = Desk(ctx, again.agency, moment)
    found = yield Read(people.OWN_PERSON, {"id": again.row, "agency": again.agency})
    if not found:
        entry = line("replay_erasure", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=again.agency)
        return Outcome(False, (entry,))
    row = people.open_person(ctx.vault, found[0])
    yield Hold(tuple(ctx.vault.nhs_token(number) for number in filter(None, [nhs_number(row.patient)])))
    yield Write(shields.DROP_SHIELD, {"person_id": row.id})
    records = yield from _remove(desk, row)
    one = Erasure(
        new_id(), again.agency, again.row, subjects.ERASED, again.erased, again.erased, records, REPLAYED, OPERATOR.client_id
    )
    yield Write(subjects.ADD_ERASURE, erasure_row(ctx, one))
    detail = (("erasure", one.id), ("result", "erased"), ("records", str(records)))
    entry = line("replay_erasure", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=again.agency, detail=detail)
    return Outcome(True, (entry,), remembered(ctx, one, identifiers(row.patient)))


def _joined_into(desk: Desk, row: Opened) -> Generator[Any, Any, list[tuple[Opened, int]]]:
    """The empty rows of those that were joined with a row, or with one that was, each with the time; a backup has them full."""
    emptied = yield Read(subjects.EMPTIED, {"agency": desk.agency})
    rows = [(people.open_person(desk.ctx.vault, columns[:5]), columns[5]) for columns in emptied]
    found: list[tuple[Opened, int]] = []
    into = [row.id]
    while into:
        named = {f"Patient/{one}" for one in into}
        more = [
            one for one in rows if any(link.get("other", {}).get("reference") in named for link in one[0].patient.get("link", ()))
        ]
        found += more
        into = [one.id for one, _ in more]
    return found


def _remove(desk: Desk, row: Opened) -> Generator[Any, Any, int]:
    """Everything of a person at this agency goes; gives the number of records. The key first, in place."""
    held = yield Read(people.RECORDS_OF_PERSON, {"person_id": row.id})
    blank = secrets.token_bytes(len(people.seal_patient(row.cipher, row.id, row.patient)))
    spoilt = {"person_id": row.id, "noise": secrets.token_bytes(WRAPPED_BYTES), "blank": blank}
    yield Write(subjects.SPOIL_KEY, spoilt)
    yield from _silence(desk, row)
    yield from _forget_beside(desk, row)
    for statement in (subjects.DROP_REPORTS, subjects.DROP_HOLDS):
        yield Write(statement, {"person_id": row.id})
    yield from empty(row)
    yield Write(subjects.DROP_PERSON, {"person_id": row.id, "agency": desk.agency})
    return len(held)


def _silence(desk: Desk, row: Opened) -> Generator[Any, Any, None]:
    """Of every notice about the person its number stays and nothing else; one that waits is not sent any more, and nobody
    is asked to take it up."""
    yield Write(subjects.DROP_ANSWERS, {"person_id": row.id})
    told = {"topic": RETRACTED, "happened": clock.day(desk.moment.at).isoformat(), "reason": "delete"}
    body = orjson.dumps({**told, "status": False, "was_inpatient": False, "nhs": ""})
    for columns in (yield Read(outbox.ABOUT_ROW, {"row": row.id})):
        waits = columns[9] in outbox.UNFINISHED
        state, result = (outbox.WITHHELD, "erased") if waits else (columns[9], columns[15])
        sealed = seal(desk.ctx.vault.shelf("outbox"), body, columns[0])
        blanked = {"notice": columns[0], "new_state": state, "sealed": sealed, "result": result, "at": desk.moment.at}
        yield Write(subjects.BLANK_NOTICE, blanked)


def _forget_beside(desk: Desk, row: Opened) -> Generator[Any, Any, None]:
    """Call-back requests, closed reviews and ended subscriptions of this agency that name the person."""
    ctx, own = desk.ctx, set(identifiers(row.patient))
    for columns in (yield Read(subjects.CALL_BACKS_OF, {"agency": desk.agency})):
        if open_call_back(ctx, columns, desk.moment).person in own:
            yield Write(subjects.DROP_CALL_BACK, {"call_back_id": columns[0]})
    for columns in (yield Read(subjects.REVIEWS_OF, {"agency": desk.agency})):
        if open_item(ctx, columns).matter.patient in own:
            yield Write(subjects.DROP_REVIEW, {"review_id": columns[0]})
    number = nhs_number(row.patient)
    if number:
        yield from _forget_subscriptions(desk, number)


def _forget_subscriptions(desk: Desk, number: str) -> Generator[Any, Any, None]:
    token = desk.ctx.vault.nhs_token(number)
    for columns in (yield Read(subjects.OWN_SUBSCRIPTIONS_ABOUT, {"agency": desk.agency, "token": token})):
        one = open_subscription(desk.ctx, columns)
        plain = {name: value for name, value in one.resource.items() if name in ("resourceType", "criteria", "channel")}
        bare = replace(one, resource=plain, nhs="", case_reference="", reason="", deleted=True, wanted=Wanted())
        sealed = seal_subscription(desk.ctx, bare)
        nobody = desk.ctx.vault.token("nobody", one.id)
        blanked = {"subscription_id": one.id, "nobody": nobody, "sealed": sealed, "at": desk.moment.at}
        yield Write(subjects.BLANK_SUBSCRIPTION, blanked)


def _entry(name: str, ask: ErasureRequest, one: Erasure, moment: Moment, *more: tuple[str, str]) -> Entry:
    return line(
        name, ask.requester, moment, Kind.ADMINISTRATION, DONE, request_id=ask.request_id, patient=one.person,
        detail=(("erasure", one.id), ("ground", one.ground), *more),
    )  # fmt: skip
