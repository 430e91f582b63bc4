"""A notice that is due: claimed, decided again for its receiver, put on record as about to be disclosed, and shaped.

All of it in one transaction, which it shares with others that are leased at the same time. The event number is given
after the Permit, dense per subscription. What may not be told any more is withheld, on record. What may be told, but to
a receiver that is gone, is numbered and put aside where both agencies see it. That an earlier notice was wrong is told
to whoever was told it, with nothing else where nothing else may be told. The bytes are posted by the deliverer after
this has been committed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, FAULT, REFUSED, Entry, Kind
from gateway.disclosure.decision import Permit, Refuse
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.look_up_log import decided_by, passed_over
from gateway.exchanges.notices.acknowledgements import expect_answer
from gateway.exchanges.notices.decide_notice import Heard, decide_notice
from gateway.exchanges.notices.given_up import say_undelivered
from gateway.exchanges.notices.shape_notice import Telling, shape
from gateway.exchanges.notices.shape_notice import payload_content as payload_content
from gateway.exchanges.notices.shape_notice import route_of as route_of
from gateway.exchanges.notices.shape_notice import shape_notice as shape_notice
from gateway.exchanges.outbox.enqueue import Queued, put
from gateway.exchanges.outbox.stored_notices import HANDSHAKE as HANDSHAKE
from gateway.exchanges.outbox.stored_notices import WIDTH
from gateway.exchanges.outbox.stored_notices import Stored as Stored
from gateway.exchanges.outbox.stored_notices import notice_entry as notice_entry
from gateway.exchanges.outbox.stored_notices import open_notice as open_notice
from gateway.exchanges.outbox.subscriptions import Subscribed, for_person, open_subscription
from gateway.exchanges.outbox.told_before import that_were_told
from gateway.notification.topics import OVERDUE, RETRACTED, SIGNAL_ENDED, STATUS_CHANGED, Change, told_to, topic_of
from gateway.store import clock, outbox, people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "lease_notice"
LEASE = 60 * clock.SECOND
GONE = "receiver is gone"
UNSUBSCRIBED = "not-subscribed"  # code system refusal-reason


@dataclass(frozen=True, slots=True)
class Lease:
    """What the deliverer posts, and what it settles afterwards."""

    notice: str
    epoch: int
    attempt: int
    receiver: str
    subscription: str
    endpoint: str
    headers: tuple[str, ...]
    content_type: str
    body: bytes
    topic: str
    seconds: int  # backport-timeout, 0 where the receiver states none


@dataclass(frozen=True, slots=True)
class NoticeLease(Lease):
    """The lease of a stored notice, with what its settling puts on record."""

    stored: Stored
    subscribed: Subscribed
    decided: int  # microseconds: when what the decision rests on was read


class NotDue(Exception):
    """The notice is not to be leased now: finished, another worker's, or due later. Nothing is written."""


class WantsTurn(Exception):
    """Another notice has to be queued with this one: lease it in a transaction of its own. Nothing is written."""


@dataclass(frozen=True, slots=True)
class Due:
    """The notice to lease, by id. ``alone``: in a transaction of its own. Two of one notice never share one."""

    notice: str
    alone: bool = True


def lease_notice(ctx: Context, due: Due, moment: Moment) -> Story[NoticeLease | None]:
    """Claim one notice; None where it was withheld or put aside. Raises NotDue, WantsTurn."""
    rows = yield Read(outbox.DUE_NOTICE, {"key": due.notice, "at": moment.at})
    if not rows:
        raise NotDue
    stored = open_notice(ctx, rows[0][:WIDTH])
    subscribed = open_subscription(ctx, rows[0][WIDTH:]).with_stamp(moment.stamp)
    if stored.topic == HANDSHAKE:
        return _claim(ctx, subscribed, stored, Telling(HANDSHAKE, 0), None, moment)
    if subscribed.status == "requested":  # it was sent elsewhere since the notice was found
        raise NotDue
    corrects = yield from that_were_told(stored)
    subscribed = yield from for_person(ctx, subscribed, stored.nhs)
    heard = yield from decide_notice(ctx, subscribed, stored.owner, moment, was_inpatient=stored.was_inpatient)
    telling = _telling(ctx, subscribed, stored, heard, corrects, moment.at)
    if isinstance(telling, Refuse):
        return _withhold(ctx, subscribed, stored, telling, moment)
    if stored.number is None and heard.ends_here and stored.topic != SIGNAL_ENDED:
        if not due.alone:
            raise WantsTurn
        yield from _say_that_it_ends(ctx, subscribed, stored, moment)
    permit = heard.about_it if isinstance(heard.about_it, Permit) and not telling.bare else None
    return (yield from _told_now(ctx, subscribed, stored, telling, permit, moment))


def _told_now(
    ctx: Context, subscribed: Subscribed, stored: Stored, telling: Telling, permit: Permit | None, moment: Moment
) -> Generator[Any, Any, Outcome[NoticeLease | None]]:
    """Claim what may be told, or put it where its receiver finds it."""
    topic = topic_of(ctx.topics, telling.topic)
    awaited = yield from expect_answer(ctx, stored.id, subscribed.agency, stored.owner, topic, moment)
    stored = replace(stored, respond_by=awaited.respond_by)
    is_shut = subscribed.status == "error" and (yield Read(outbox.SHUT, {"subscription_id": subscribed.id}))
    if is_shut or not subscribed.channel.get("endpoint"):
        return _put_aside(ctx, subscribed, stored, telling, awaited.writes, moment)
    if telling.number > 1:
        given_up = yield Read(outbox.GIVEN_UP, {"key": subscribed.id})
        telling = replace(telling, missed=tuple(number for _, number in given_up if number < telling.number))
    return _claim(ctx, subscribed, stored, telling, permit, moment, awaited.writes)


def _telling(
    ctx: Context, subscribed: Subscribed, stored: Stored, heard: Heard, corrects: tuple[str, ...], at: int
) -> Telling | Refuse:
    """How the receiver hears of it, or why it does not.

    Who was told something that was wrong hears that much whatever has become of its permission, its agreement or its
    subscription (UK GDPR Article 19): which notice it was, and nothing of anybody.
    """
    number = stored.number or subscribed.events + 1
    told = _told(ctx, subscribed, stored, heard, at)
    if stored.topic == RETRACTED and not corrects:
        return Refuse("not-known")
    if not isinstance(told, Refuse):
        return Telling(told, number, corrects)
    return Telling(RETRACTED, number, corrects, bare=True) if corrects else told


def _told(ctx: Context, subscribed: Subscribed, stored: Stored, heard: Heard, at: int) -> str | Refuse:
    """The topic under which the receiver may hear of it, or why it may not."""
    if subscribed.status == "off" or subscribed.ends <= at:
        return Refuse(UNSUBSCRIBED)
    if isinstance(heard.about_it, Refuse):
        return heard.about_it
    told = told_to(topic_of(ctx.topics, stored.topic), heard.about_it.classes)
    if told == STATUS_CHANGED and not stored.status:
        return Refuse("no-agreement")
    if told and told not in (SIGNAL_ENDED, OVERDUE) and not subscribed.wanted.takes_urgency(urgent=ctx.topics[told].urgent):
        return Refuse(UNSUBSCRIBED)
    return told or Refuse("no-agreement")


def _say_that_it_ends(ctx: Context, subscribed: Subscribed, stored: Stored, moment: Moment) -> Generator[Any, Any, None]:
    """After the notice that ends a permitted state: one last, that no more will follow."""
    rows = yield Read(people.OWN_PERSON, {"id": stored.person, "agency": stored.owner})
    row = people.open_person(ctx.vault, rows[0])
    change = Change(SIGNAL_ENDED, stored.happened, False, "update")
    notice = Queued(subscribed.id, subscribed.agency, stored.owner, row, stored.nhs, change, True)
    yield from put(ctx, notice, moment)


def _claim(
    ctx: Context, subscribed: Subscribed, stored: Stored, telling: Telling, permit: Permit | None, moment: Moment,
    more: tuple[Write, ...] = (),
) -> Outcome[NoticeLease | None]:  # fmt: skip
    number = telling.number or None
    claim = {"notice": stored.id, "seen_epoch": stored.epoch, "lease": LEASE, "number": number, "at": moment.at}
    body = shape(ctx, subscribed, stored, telling, moment)
    lease = NoticeLease(
        stored.id, stored.epoch + 1, stored.attempts + 1, subscribed.agency, subscribed.id, subscribed.channel["endpoint"],
        tuple(subscribed.channel.get("header", ())), subscribed.channel.get("payload") or "application/fhir+json", body,
        telling.topic, subscribed.of_channel("backport-timeout"), stored, subscribed, moment.at,
    )  # fmt: skip
    entry = _about_to(subscribed, stored, telling, permit, moment, ctx)
    return Outcome(lease, (entry,), (Write(outbox.CLAIM, claim), *_counted(stored, telling), *more))


def _counted(stored: Stored, telling: Telling) -> tuple[Write, ...]:
    """A number is used up when it is first given."""
    if stored.number is not None or not telling.number:
        return ()
    return (Write(outbox.COUNT_EVENT, {"subscription_id": stored.subscription}),)


def _withhold(
    ctx: Context, subscribed: Subscribed, stored: Stored, refusal: Refuse, moment: Moment
) -> Outcome[NoticeLease | None]:
    aside = {"notice": stored.id, "seen_epoch": stored.epoch, "new_state": outbox.WITHHELD, "number": stored.number}
    line = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY, REFUSED, refusal=refusal.reason, consents=refusal.consents
    )
    line = line._replace(detail=(*line.detail, *decided_by(refusal.withheld)))
    return Outcome(None, (line,), (Write(outbox.PUT_ASIDE, {**aside, "result": "withheld", "at": moment.at}),))


def _put_aside(
    ctx: Context, subscribed: Subscribed, stored: Stored, telling: Telling, more: tuple[Write, ...], moment: Moment
) -> Outcome[NoticeLease | None]:
    """Numbered, there for ``$events`` and the inbox, and posted to nobody: for a receiver that is gone, shown as
    undelivered; for one that takes no calls, kept for its inbox."""
    takes_calls = bool(subscribed.channel.get("endpoint"))
    state, result = (outbox.DEAD, GONE) if takes_calls else (outbox.DELIVERED, "in the inbox")
    aside = {"notice": stored.id, "seen_epoch": stored.epoch, "new_state": state, "number": telling.number}
    outcome = FAULT if takes_calls else DONE
    line = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY_RESULT, outcome, told=telling.topic, number=telling.number
    )
    put_aside = Write(outbox.PUT_ASIDE, {**aside, "result": result, "at": moment.at})
    alerts = say_undelivered(ctx, stored, result, moment) if takes_calls else ()
    return Outcome(None, (line,), (put_aside, *_counted(stored, telling), *more, *alerts))


def _about_to(
    subscribed: Subscribed, stored: Stored, telling: Telling, permit: Permit | None, moment: Moment, ctx: Context
) -> Entry:
    entry = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY, DONE,
        tier=permit.tier if permit else None,
        basis=(permit.basis,) if permit else (),
        consents=permit.consents if permit else (),
        told=telling.topic,
        number=telling.number,
    )  # fmt: skip
    return entry._replace(detail=(*entry.detail, *passed_over(permit)))
