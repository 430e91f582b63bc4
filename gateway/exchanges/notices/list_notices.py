"""An agency's notices, a page at a time: what it was told, or what was told of its own records.

What it was told is decided again on reading, as ``$events`` is: what may no longer be told keeps its line and says no more.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.decision import Permit
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.look_up_log import passed_over
from gateway.exchanges.notices.acknowledgements import Awaited, open_awaited
from gateway.exchanges.notices.decide_notice import decide_notice
from gateway.exchanges.outbox.stored_notices import Stored, open_notice
from gateway.exchanges.outbox.subscriptions import Subscribed, for_person, open_subscription
from gateway.exchanges.outbox.told_before import that_were_told
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification.topics import RETRACTED, SIGNAL_ENDED, told_to, topic_of
from gateway.store import clock, feedback, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Row

NAME = "list_notices"
SIDES = ("received", "sent")
UNDELIVERED = "undelivered"
FIRST = (2**62, "~")  # before every notice
OLDEST = (-1, "")  # before every notice, the oldest first
MOST_DIGITS = 18  # of a number that every database holds


@dataclass(frozen=True, slots=True)
class ListNotices:
    """A page of notices: ``side`` received or sent; ``state`` empty for all; ``after`` where the page before ended.

    ``oldest_first`` is of the side received.
    """

    requester: Requester
    side: str = "received"
    state: str = ""
    after: str = ""
    count: int = 50
    request_id: str = ""
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice as a list shows it. Times are microseconds; what may not or no longer be told is empty."""

    id: str
    topic: str
    title: str
    urgent: bool
    person: str  # system|value
    happened: str
    told: int
    owner: str
    owner_name: str
    receiver: str
    receiver_name: str
    number: int  # of its subscription's events; 0 on the side sent: a gap would tell of notices that are not its own
    subscription: str
    reason: str
    state: str  # received | acknowledged | overdue, of the side sent also undelivered
    respond_by: int
    acknowledgement: str
    acknowledged: int | None
    acknowledged_by: str
    note: str
    contact: dict[str, Any] | None  # whom an overdue one went to
    corrects: tuple[str, ...] = ()  # earlier notices, told to this agency, that were wrong
    overdue: str = ""  # the earlier notice that nobody has taken up


@dataclass(frozen=True, slots=True)
class NoticePage:
    """A page, and after what the next one begins; empty at the end."""

    notices: tuple[NoticeLine, ...]
    next: str


def list_notices(ctx: Context, ask: ListNotices, moment: Moment) -> Story[NoticePage]:
    """The agency's own notices, the last told first."""
    check_current(ask.requester, moment)
    told, last = place_of(ask.after, OLDEST if ask.oldest_first else FIRST)
    wanted = {
        "agency": ask.requester.agency, "any_state": int(not ask.state), "state": ask.state, "told": told, "last": last,
        "count": ask.count + 1,
    }  # fmt: skip
    rows = yield Read(feedback.RECEIVED_OLDEST_FIRST if ask.oldest_first else feedback.NOTICES[ask.side], wanted)
    found = [_opened(ctx, row) for row in rows[: ask.count]]
    entry = line(
        NAME, ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id,
        detail=(("resource", "notice"), ("query", ask.side)),
    )  # fmt: skip
    following = f"{found[-1][1].told}.{found[-1][1].notice}" if len(rows) > ask.count else ""
    if ask.side == "sent":
        lines = tuple(_sent(ctx, stored, awaited, moment) for stored, awaited in found)
        return Outcome(NoticePage(lines, following), (entry,))
    shown, entries = yield from _received(ctx, ask, found, moment)
    return Outcome(NoticePage(tuple(shown), following), (entry, *entries))


def place_of(after: str, first: tuple[int, str] = FIRST) -> tuple[int, str]:
    """Where a page begins, from the end of the page before; what is no such end begins with the first page."""
    told, _, notice = after.partition(".")
    return (int(told), notice) if told.isascii() and told.isdigit() and len(told) <= MOST_DIGITS else first


Opened = tuple[Stored, Awaited]


def _opened(ctx: Context, row: Row) -> Opened:
    cut = feedback.OUTBOX_COLUMNS
    return open_notice(ctx, row[:cut]), open_awaited(ctx, row[cut:])


def _received(
    ctx: Context, ask: ListNotices, found: list[Opened], moment: Moment
) -> Generator[Any, Any, tuple[list[NoticeLine], list[Entry]]]:
    """Each notice decided again for the subscription that it came by. Which earlier ones were wrong is told whatever has
    become of the permission, as it is when a notice is sent."""
    by_id: dict[str, Subscribed] = {}
    for identifier in dict.fromkeys(stored.subscription for stored, _ in found):
        rows = yield Read(outbox.SUBSCRIPTION, {"id": identifier})
        by_id[identifier] = open_subscription(ctx, rows[0]).with_stamp(moment.stamp)
    shown, entries = [], []
    for stored, awaited in found:
        subscribed = by_id[stored.subscription]
        permit, topic = yield from _decided(ctx, subscribed, stored, moment)
        corrects = yield from that_were_told(stored)
        shown.append(_line(ctx, stored, awaited, subscribed.id, topic, moment, corrects))
        entries.append(_entry(ctx, ask, subscribed, stored, permit, moment))
    return shown, entries


def _decided(
    ctx: Context, subscribed: Subscribed, stored: Stored, moment: Moment
) -> Generator[Any, Any, tuple[Permit | None, str]]:
    """Permit and topic of a notice today; no permit and no topic where it may not be told any more."""
    one = yield from for_person(ctx, subscribed, stored.nhs)
    if one.deleted or (one.wanted.case_list and one.status == "off"):
        return None, ""
    heard = yield from decide_notice(ctx, one, stored.owner, moment, was_inpatient=stored.was_inpatient)
    if not isinstance(heard.about_it, Permit):
        return None, ""
    topic = told_to(topic_of(ctx.topics, stored.topic), heard.about_it.classes)
    return (heard.about_it, topic) if topic else (None, "")


def _line(
    ctx: Context, stored: Stored, awaited: Awaited, subscription: str, topic: str, moment: Moment,
    corrects: tuple[str, ...] = (),
) -> NoticeLine:  # fmt: skip
    owner = moment.feeds[stored.owner]
    named = bool(topic) and not profile(owner).sensitive
    code = topic or (RETRACTED if corrects else SIGNAL_ENDED)
    told = topic_of(ctx.topics, code)
    said = awaited.said
    return NoticeLine(
        id=stored.id,
        topic=told.code,
        title=told.title,
        urgent=told.urgent,
        person=f"{NHS_NUMBER}|{stored.nhs}" if topic else "",
        happened=stored.happened if topic else "",
        told=awaited.told,
        owner=stored.owner if named else "",
        owner_name=owner.name if named else "",
        receiver=awaited.receiver,
        receiver_name=moment.feeds[awaited.receiver].name,
        number=stored.number or 0,
        subscription=subscription,
        reason=stored.reason if topic else "delete" if corrects else "",
        state=awaited.state,
        respond_by=awaited.respond_by,
        acknowledgement=said.code,
        acknowledged=awaited.answered,
        acknowledged_by=said.by,
        note=said.note,
        contact=said.contact,
        corrects=corrects,
        overdue=stored.extra.get("overdue", ""),
    )


def _sent(ctx: Context, stored: Stored, awaited: Awaited, moment: Moment) -> NoticeLine:
    """A notice about one's own record: that it was received, and what came of it where the receiver's agreement says so."""
    shown = _line(ctx, stored, awaited, "", stored.topic, moment)
    shown = replace(shown, owner=stored.owner, owner_name=moment.feeds[stored.owner].name, note="", acknowledged_by="", number=0)
    if not ctx.agreements.says_what_came(awaited.receiver, clock.day(moment.at)):
        shown = replace(shown, acknowledgement="")
    waits = stored.state != outbox.DELIVERED and awaited.state == feedback.RECEIVED
    return replace(shown, state=UNDELIVERED) if waits else shown


def _entry(
    ctx: Context, ask: ListNotices, subscribed: Subscribed, stored: Stored, permit: Permit | None, moment: Moment
) -> Entry:
    return line(
        NAME, ask.requester, moment, Kind.DELIVERY if permit else Kind.NEGATIVE, DONE if permit else REFUSED,
        request_id=ask.request_id, custodian=stored.owner, purpose=subscribed.purpose, patient=f"{NHS_NUMBER}|{stored.nhs}",
        tier=permit.tier if permit else None, basis=(permit.basis,) if permit else (), policy=ctx.agreements.version,
        detail=(("notice", stored.id), ("topic", stored.topic), *passed_over(permit)), asked=False,
    )  # fmt: skip
