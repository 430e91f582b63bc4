"""From what happened to the outbox: one row for each subscription that is to hear of it, in the same transaction.

Nothing is decided here. Whether and how much a receiver hears is decided when the notice is leased for sending; only
what the decision will need of the state before the change is kept with the row, sealed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from gateway.disclosure.decision import ADOPTED
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.outbox.subscriptions import open_subscription
from gateway.exchanges.outbox.told_before import Happened as Happened
from gateway.exchanges.outbox.told_before import Wrong, told_wrongly
from gateway.fhir.codes import INPATIENT
from gateway.fhir.dates import first_day
from gateway.fhir.elements import coding, extension_value, flag_detail, identifiers
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification.topics import RETRACTED, STATUS_CHANGED, Change, hears
from gateway.store import clock, outbox
from gateway.store.ledger import Moment
from gateway.store.people import Opened
from gateway.store.sql import Read, Write
from gateway.store.vault import seal

Resource = dict[str, Any]


def enqueue(
    ctx: Context, agency: str, happened: list[Happened], opened: dict[str, Opened], moment: Moment
) -> Generator[Any, Any, int]:
    """Write the outbox rows of what happened; gives their number."""
    written = 0
    for one in happened:
        row = opened[one.row]
        if extension_value(row.patient, "restriction", "valueCode") in ADOPTED:
            continue
        wrong = yield from told_wrongly(ctx, one)
        for number in _nhs_numbers(row) if one.change.topic != RETRACTED else ():
            written += yield from _for_person(ctx, agency, one, row, number, wrong, moment)
        written += yield from _correct(ctx, one, row, wrong, moment)
    return written


def _correct(ctx: Context, one: Happened, row: Opened, wrong: dict[str, Wrong], moment: Moment) -> Generator[Any, Any, int]:
    """Tell those who were told what was wrong and do not hear of the change itself."""
    change = replace(one.change, topic=RETRACTED, status=True)
    for subscription, told in wrong.items():
        notice = Queued(
            subscription, told.receiver, told.owner, row, told.number, change, False, record=one.record, corrects=told.notices
        )
        yield from put(ctx, notice, moment)
    if one.merged_into:
        yield Write(outbox.MOVE_NOTICES, {"loser": one.row, "survivor": one.merged_into})
    return len(wrong)


def _nhs_numbers(row: Opened) -> list[str]:
    return [text.split("|", 1)[1] for text in identifiers(row.patient) if text.startswith(f"{NHS_NUMBER}|")]


def _for_person(
    ctx: Context, agency: str, one: Happened, row: Opened, number: str, wrong: dict[str, Wrong], moment: Moment
) -> Generator[Any, Any, int]:
    token = ctx.vault.nhs_token(number)
    found = yield Read(outbox.SUBSCRIPTIONS_ABOUT, {"person": token, "at": moment.at})
    wanted = _heard_by(ctx, one.change)
    source = _source(agency, one, moment)
    written = 0
    for columns in found:
        subscription, receiver, topic = columns[:3]
        if receiver == agency or topic not in wanted:
            continue
        if open_subscription(ctx, columns).wanted.takes_source(*source):
            told = wrong.pop(subscription, None)
            notice = Queued(
                subscription, receiver, agency, row, number, one.change, was_inpatient(one.before, moment),
                record=one.record, corrects=told.notices if told else (),
            )  # fmt: skip
            yield from put(ctx, notice, moment)
            written += 1
    return written


def _source(agency: str, one: Happened, moment: Moment) -> tuple[str, str]:
    """Whose record it is, and of which service, for the filters of subscriptions. An agency marked sensitive is not named
    to them either: who hears by a filter of its name would know that it is the one that is not named."""
    feed = moment.feeds.get(agency)
    if feed is None or profile(feed).sensitive:
        return "", ""
    categories = [coding(each, "/CodeSystem/service") for each in (one.after or one.before or {}).get("category", ())]
    return agency, next(filter(None, categories), feed.kind)


def _heard_by(ctx: Context, change: Change) -> set[str]:
    """Subscriptions to which topics hear of a change, as the table names topics: by keyed token, or as they are."""
    among = ctx.topics if change.topic == RETRACTED else (change.topic, STATUS_CHANGED)
    names = {name for name in among if hears(name, change)}
    return names | {topic_token(ctx, name) for name in names}


def topic_token(ctx: Context, topic: str) -> str:
    """How a topic stands in the table of subscriptions: what somebody is told of is part of what befell a person."""
    return ctx.vault.token("topic", topic).hex()


@dataclass(frozen=True, slots=True)
class Queued:
    """A notice to be put into the outbox."""

    subscription: str
    receiver: str
    owner: str
    row: Opened
    number: str  # NHS number
    change: Change
    was_inpatient: bool
    extra: dict[str, Any] = field(default_factory=dict)  # what else it tells: of an overdue one, which, and whom it went to
    record: str = ""
    corrects: tuple[str, ...] = ()  # earlier notices that were wrong


def put(ctx: Context, notice: Queued, moment: Moment) -> Generator[Any, Any, None]:
    """Add a notice at the end of its lane (receiver and person)."""
    identifier = new_id()
    place = yield from next_place(ctx.vault.token("lane", notice.receiver, notice.number), notice.subscription)
    body = orjson.dumps(
        {
            "nhs": notice.number,
            "topic": notice.change.topic,
            "happened": notice.change.happened,
            "reason": notice.change.reason,
            "status": notice.change.status,
            "was_inpatient": notice.was_inpatient,
            "record": notice.record,
            **({"corrects": notice.corrects} if notice.corrects else {}),
            **({"extra": notice.extra} if notice.extra else {}),
        }
    )
    to = Addressed(notice.subscription, notice.receiver, notice.owner, notice.row.id)
    yield new_row(ctx, identifier, to, place, body, moment)


class Place(NamedTuple):
    """Where a notice stands: its lane (receiver and person), its place there, and what else goes the same way: to its
    subscription's destination, or into its receiver's inbox."""

    lane: bytes
    number: int
    destination: str


def next_place(lane: bytes, subscription: str) -> Generator[Any, Any, Place]:
    """The place at the end of a lane."""
    ((last, destination),) = yield Read(outbox.LAST_PLACE, {"lane": lane, "subscription": subscription})
    return Place(lane, last + 1, destination)


class Addressed(NamedTuple):
    """Under which subscription a notice goes, to whom, out of whose record and of which person's row, and as what."""

    subscription: str
    receiver: str
    owner: str
    person: str = ""
    topic: str = outbox.NOTE


AHEAD = 7 * clock.DAY  # a handshake goes before whatever waits for the same destination: others cannot go without it


def new_row(ctx: Context, identifier: str, to: Addressed, place: Place, body: bytes, moment: Moment) -> Write:
    """A row of the outbox that is due now; ``body`` is sealed here."""
    return Write(
        outbox.ADD_NOTICE,
        {
            "id": identifier,
            "subscription": to.subscription,
            "receiver": to.receiver,
            "owner": to.owner,
            "person": to.person,
            "lane": place.lane,
            "place": place.number,
            "topic": to.topic,
            "body": seal(ctx.vault.shelf("outbox"), body, identifier),
            "state": outbox.PENDING,
            "attempts": 0,
            "due": moment.at - (AHEAD if to.topic == outbox.HANDSHAKE else 0),
            "leased_until": None,
            "epoch": 0,
            "number": None,
            "last_result": "",
            "created": moment.at,
            "updated": moment.at,
            "tried_since": None,
            "destination": place.destination,
        },
    )


def was_inpatient(before: Resource | None, moment: Moment) -> bool:
    """Whether the changed record had the person in hospital until now."""
    if before is None or flag_detail(before) not in INPATIENT or before.get("status") == "entered-in-error":
        return False
    end = first_day(before.get("period", {}).get("end"))
    return end is None or end > clock.day(moment.at)
