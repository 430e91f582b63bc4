"""A notice that nobody has taken up in its topic's time: overdue, and told to the desk that is on duty by the clock.

Once more that time, and it goes to the escalation contact. Both sides see it: in their lists of notices, in their queues
of reviews and in the access log. Of several workers the one that raises the level does all of it; the others find nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context, entry_id
from gateway.exchanges.notices.acknowledgements import Awaited, open_awaited, seal_said
from gateway.exchanges.notices.lease_notice import NotDue
from gateway.exchanges.outbox.enqueue import Queued, put
from gateway.exchanges.outbox.stored_notices import Stored, notice_entry, open_notice
from gateway.exchanges.outbox.subscriptions import Subscribed, open_subscription
from gateway.exchanges.reviews import Matter, opening
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification.duty import escalation_contact, kind_of, on_duty
from gateway.notification.topics import OVERDUE, Change
from gateway.store import clock, feedback, outbox, people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "raise_overdue"
Contact = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Late:
    """The notice to raise, by id."""

    notice: str


def raise_overdue(ctx: Context, late: Late, moment: Moment) -> Story[str]:
    """Raise one notice; gives the kind of contact it went to. Raises NotDue where another worker did, or it was answered."""
    rows = yield Read(feedback.LOCK_ACKNOWLEDGEMENT, {"notice": late.notice})
    awaited = open_awaited(ctx, rows[0]) if rows else None
    if awaited is None or awaited.next_at is None or awaited.next_at > moment.at:
        raise NotDue
    contact = _contact(ctx, awaited, moment)
    said = replace(awaited.said, contact=contact)
    again = moment.at + (awaited.respond_by - awaited.told) if awaited.level == 0 else None
    seen = {"told_notice": awaited.notice, "seen_level": awaited.level, "at": moment.at, "then_at": again}
    if (yield Write(feedback.RAISE, {**seen, "sealed": seal_said(ctx, awaited.notice, said)})) != 1:
        raise NotDue
    stored = open_notice(ctx, (yield Read(feedback.NOTICE_ROW, {"id": awaited.notice}))[0])
    subscribed = open_subscription(ctx, (yield Read(outbox.SUBSCRIPTION, {"id": stored.subscription}))[0])
    yield from _tell_receiver(ctx, subscribed, stored, contact, moment)
    for agency in dict.fromkeys((awaited.receiver, awaited.owner)):
        yield opening(ctx, OVERDUE, agency, _matter(awaited, stored, contact, agency), moment)
    kind = kind_of(contact) if contact else ""
    return Outcome(kind, _entries(ctx, subscribed, stored, awaited, kind, moment))


def _contact(ctx: Context, awaited: Awaited, moment: Moment) -> Contact:
    """Whom it goes to: the receiver's desk on duty by the clock; the second time its escalation contact."""
    described = profile(moment.feeds[awaited.receiver], ctx.base)
    choose = on_duty if awaited.level == 0 else escalation_contact
    found = choose(described.desks, clock.moment(moment.at), ctx.holidays.days)
    return dict(found) if found else None


def _tell_receiver(
    ctx: Context, subscribed: Subscribed, stored: Stored, contact: Contact, moment: Moment
) -> Generator[Any, Any, None]:
    """A notice of its own, by the way of the one that was not taken up; whether it may be told is decided when it is sent."""
    rows = yield Read(people.OWN_PERSON, {"id": stored.person, "agency": stored.owner})
    if not rows or subscribed.status == "off" or subscribed.ends <= moment.at:
        return
    extra = {"overdue": stored.id, **({"contact": contact} if contact else {})}
    change = Change(OVERDUE, clock.instant(moment.at), status=False, reason="update")
    row = people.open_person(ctx.vault, rows[0])
    yield from put(ctx, Queued(subscribed.id, subscribed.agency, stored.owner, row, stored.nhs, change, False, extra), moment)


def _matter(awaited: Awaited, stored: Stored, contact: Contact, agency: str) -> Matter:
    """What stands in the queue of one side: the owner's record by its own topic, the receiver's as it was told."""
    topic = stored.topic if agency == awaited.owner else awaited.said.told_as
    why = [("notice", awaited.notice), ("topic", topic), ("receiver", awaited.receiver)]
    if contact:
        why.append(("contact", kind_of(contact)))
    return Matter(agency="", user="", patient=f"{NHS_NUMBER}|{stored.nhs}", why=tuple(why), disclosure=awaited.notice)


def _entries(
    ctx: Context, subscribed: Subscribed, stored: Stored, awaited: Awaited, kind: str, moment: Moment
) -> tuple[Entry, ...]:
    """A line for the log of each side."""
    theirs = notice_entry(NAME, subscribed, stored, moment, ctx, Kind.DELIVERY_RESULT, DONE, told=awaited.said.told_as)
    theirs = theirs._replace(detail=(*theirs.detail, ("result", feedback.OVERDUE), ("contact", kind)))
    if awaited.owner == awaited.receiver:
        return (theirs,)
    return (theirs, theirs._replace(id=entry_id(moment.at), custodian=awaited.receiver))
