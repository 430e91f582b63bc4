"""A notice that is due: claimed, decided again for its receiver, put on record as about to be disclosed, and shaped.

All of it in one transaction. The event number is given after the Permit, dense per subscription. What may not be told
any more is withheld, on record. What may be told, but to a receiver that is gone, is numbered and put aside where both
agencies see it. The bytes are posted by the deliverer after this has been committed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, FAULT, REFUSED, Entry, Kind
from gateway.disclosure.decision import Permit, Refuse
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context, entry_id, new_id
from gateway.exchanges.decide_notice import Heard, decide_notice
from gateway.exchanges.enqueue import Queued, put
from gateway.exchanges.subscriptions import Subscribed, open_subscription
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification import bundles
from gateway.notification.bundles import Notice, Route
from gateway.notification.topics import RETRACTED, SIGNAL_ENDED, STATUS_CHANGED, Change, Topic, told_to
from gateway.store import clock, outbox, people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Row, Write
from gateway.store.vault import open_sealed

NAME = "lease_notice"
LEASE = 60 * clock.SECOND
HANDSHAKE = outbox.HANDSHAKE


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


class NotDue(Exception):
    """The notice is not to be leased now: finished, another worker's, or due later. Nothing is written."""


@dataclass(frozen=True, slots=True)
class Due:
    """The notice to lease, by id."""

    notice: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the outbox, opened."""

    id: str
    owner: str
    receiver: str
    person: str
    topic: str
    attempts: int
    epoch: int
    number: int | None
    happened: str
    reason: str
    status: bool
    was_inpatient: bool
    nhs: str


def open_notice(ctx: Context, row: Row) -> Stored:
    """A row of the table ``outbox``, columns in its order. Raises Broken."""
    body = orjson.loads(open_sealed(ctx.vault.shelf("outbox"), row[8], row[0]))
    return Stored(
        row[0], row[3], row[2], row[4], body.get("topic", row[7]), row[10], row[13], row[14], body["happened"], body["reason"],
        body["status"], body["was_inpatient"], body["nhs"],
    )  # fmt: skip


def lease_notice(ctx: Context, due: Due, moment: Moment) -> Story[Lease | None]:
    """Claim one notice; None where it was withheld or put aside. Raises NotDue."""
    rows = yield Read(outbox.NOTICE, {"id": due.notice})
    if not rows or not _is_due(rows[0], moment.at):
        raise NotDue
    stored = open_notice(ctx, rows[0])
    found = yield Read(outbox.LOCK_SUBSCRIPTION, {"id": rows[0][1]})
    subscribed = open_subscription(ctx, found[0]).with_stamp(moment.stamp)
    if stored.topic == HANDSHAKE:
        return (yield from _claim(ctx, subscribed, stored, HANDSHAKE, None, 0, moment))
    heard = yield from decide_notice(ctx, subscribed, stored.owner, moment, was_inpatient=stored.was_inpatient)
    told = _told(ctx, subscribed, stored, heard, moment.at)
    if isinstance(told, Refuse):
        return (yield from _withhold(ctx, subscribed, stored, told, moment))
    number = stored.number or subscribed.events + 1
    if stored.number is None:
        yield Write(outbox.COUNT_EVENT, {"subscription_id": subscribed.id})
        if heard.ends_here and stored.topic != SIGNAL_ENDED:
            yield from _say_that_it_ends(ctx, subscribed, stored, moment)
    if subscribed.status == "error" and (yield Read(outbox.SHUT, {"subscription_id": subscribed.id})):
        return (yield from _put_aside(ctx, subscribed, stored, told, number, moment))
    assert isinstance(heard.about_it, Permit)
    return (yield from _claim(ctx, subscribed, stored, told, heard.about_it, number, moment))


def _is_due(row: Row, at: int) -> bool:
    """Whether a row of the outbox may be claimed at this time: what was read before may have been claimed since."""
    state, due, leased_until = row[9], row[11], row[12]
    if state == outbox.LEASED:
        return bool(leased_until <= at)
    return bool(state == outbox.PENDING and due <= at)


def _told(ctx: Context, subscribed: Subscribed, stored: Stored, heard: Heard, at: int) -> str | Refuse:
    """The topic under which the receiver hears of it, or why it does not."""
    if subscribed.status == "off" or subscribed.ends <= at:
        return Refuse("owner-withheld")
    if isinstance(heard.about_it, Refuse):
        return heard.about_it
    if stored.topic == RETRACTED and subscribed.events == 0:
        return Refuse("not-known")
    told = told_to(ctx.topics.get(stored.topic) or Topic(stored.topic, stored.topic, 3, False), heard.about_it.classes)
    if told == STATUS_CHANGED and not stored.status:
        return Refuse("no-agreement")
    return told or Refuse("no-agreement")


def _say_that_it_ends(ctx: Context, subscribed: Subscribed, stored: Stored, moment: Moment) -> Generator[Any, Any, None]:
    """After the notice that ends a permitted state: one last, that no more will follow."""
    rows = yield Read(people.OWN_PERSON, {"id": stored.person, "agency": stored.owner})
    row = people.open_person(ctx.vault, rows[0])
    change = Change(SIGNAL_ENDED, stored.happened, False, "update")
    notice = Queued(subscribed.id, subscribed.agency, stored.owner, row, stored.nhs, change, True)
    yield from put(ctx, notice, moment)


def _claim(
    ctx: Context, subscribed: Subscribed, stored: Stored, told: str, permit: Permit | None, number: int, moment: Moment
) -> Generator[Any, Any, Outcome[Lease | None]]:
    claimed = yield Write(
        outbox.CLAIM,
        {
            "notice": stored.id,
            "seen_epoch": stored.epoch,
            "step": 1,
            "until": moment.at + LEASE,
            "number": number if permit else None,
            "at": moment.at,
        },
    )
    if claimed != 1:
        raise RuntimeError("a notice was claimed twice within one lock")
    body = _shape(ctx, subscribed, stored, told, number, moment)
    lease = Lease(
        stored.id, stored.epoch + 1, stored.attempts + 1, subscribed.agency, subscribed.id, subscribed.channel["endpoint"],
        tuple(subscribed.channel.get("header", ())), subscribed.channel.get("payload") or "application/fhir+json", body, told,
    )  # fmt: skip
    return Outcome(lease, (_about_to(subscribed, stored, told, permit, number, moment, ctx),))


def shape_notice(ctx: Context, subscribed: Subscribed, stored: Stored, told: str, number: int, moment: Moment) -> Notice:
    """A notice as its receiver reads it: the person by the identifier that the receiver itself used."""
    owner = moment.feeds[stored.owner]
    topic = ctx.topics.get(told) or Topic(told, told, 3, False)
    sensitive = profile(owner).sensitive
    return Notice(
        id=stored.id,
        topic=told,
        title=topic.title,
        urgent=topic.urgent,
        reason=stored.reason,
        happened=stored.happened,
        subject={"system": NHS_NUMBER, "value": stored.nhs},
        owner="" if sensitive else stored.owner,
        owner_name="" if sensitive else owner.name,
        receiver=subscribed.agency,
        number=number,
        subscription=subscribed.id,
    )


def route_of(ctx: Context, subscribed: Subscribed, moment: Moment) -> Route:
    """The way of one attempt, with a Bundle.id of its own."""
    return Route(new_id(), ctx.url, subscribed.channel.get("endpoint", ""), clock.instant(moment.at), ctx.base)


def _shape(ctx: Context, subscribed: Subscribed, stored: Stored, told: str, number: int, moment: Moment) -> bytes:
    route = route_of(ctx, subscribed, moment)
    if told == HANDSHAKE:
        shaped = bundles.notification(
            "handshake", route, subscribed.id, subscribed.topic, "requested", subscribed.events, content="empty"
        )
        return orjson.dumps(shaped)
    notice = shape_notice(ctx, subscribed, stored, told, number, moment)
    if subscribed.channel["type"] == "message":
        return orjson.dumps(bundles.message(notice, route))
    events = max(subscribed.events, number)
    content = payload_content(subscribed.resource)
    shaped = bundles.notification(
        "event-notification", route, subscribed.id, subscribed.topic, subscribed.status, events, [notice], content
    )
    return orjson.dumps(shaped)


def payload_content(resource: dict[str, Any]) -> str:
    """empty, id-only or full-resource, as the subscription's channel says (backport-payload-content)."""
    payload = resource["channel"].get("_payload") or {}
    for extension in payload.get("extension", ()):
        if str(extension.get("url", "")).endswith("/backport-payload-content"):
            return str(extension.get("valueCode", "empty"))
    return "empty"


def _withhold(
    ctx: Context, subscribed: Subscribed, stored: Stored, refusal: Refuse, moment: Moment
) -> Generator[Any, Any, Outcome[Lease | None]]:
    aside = {"notice": stored.id, "seen_epoch": stored.epoch, "new_state": outbox.WITHHELD, "number": stored.number}
    yield Write(outbox.PUT_ASIDE, {**aside, "result": "withheld", "at": moment.at})
    line = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY, REFUSED, refusal=refusal.reason, consents=refusal.consents
    )
    return Outcome(None, (line,))


def _put_aside(
    ctx: Context, subscribed: Subscribed, stored: Stored, told: str, number: int, moment: Moment
) -> Generator[Any, Any, Outcome[Lease | None]]:
    """For a receiver that is gone: numbered, there for ``$events``, shown as undelivered, posted to nobody."""
    aside = {"notice": stored.id, "seen_epoch": stored.epoch, "new_state": outbox.DEAD, "number": number}
    yield Write(outbox.PUT_ASIDE, {**aside, "result": "receiver is gone", "at": moment.at})
    line = notice_entry(NAME, subscribed, stored, moment, ctx, Kind.DELIVERY_RESULT, FAULT, told=told, number=number)
    return Outcome(None, (line,))


def _about_to(
    subscribed: Subscribed, stored: Stored, told: str, permit: Permit | None, number: int, moment: Moment, ctx: Context
) -> Entry:
    return notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY, DONE,
        tier=permit.tier if permit else None,
        basis=(permit.basis,) if permit else (),
        consents=permit.consents if permit else (),
        told=told,
        number=number,
    )  # fmt: skip


def notice_entry(
    name: str, subscribed: Subscribed, stored: Stored, moment: Moment, ctx: Context, kind: Kind, outcome: int,
    told: str = "", number: int | None = None, **more: Any,
) -> Entry:  # fmt: skip
    """A line of the access log about one notice: to whom, about whom, on what basis."""
    detail = [("notice", stored.id), ("topic", told or stored.topic), ("attempt", str(stored.attempts + 1))]
    if number:
        detail.append(("number", str(number)))
    return Entry(
        id=entry_id(moment.at),
        recorded=moment.at,
        exchange=name,
        outcome=outcome,
        kind=kind,
        requester=subscribed.agency,
        custodian=stored.owner,
        client=subscribed.requester.client_id,
        user=subscribed.requester.user,
        role=subscribed.requester.role,
        purpose=subscribed.purpose,
        case_reference=subscribed.case_reference,
        patient=f"{NHS_NUMBER}|{stored.nhs}" if stored.nhs else "",
        policy=ctx.agreements.version,
        disclosure=stored.id,
        detail=tuple(detail),
        asked=False,
        **more,
    )
