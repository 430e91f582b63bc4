"""A stored notice as its receiver reads it, in the shape that its subscription's channel asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.outbox.stored_notices import HANDSHAKE, Stored
from gateway.exchanges.outbox.subscriptions import Subscribed
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification import bundles
from gateway.notification.bundles import Notice, Route
from gateway.notification.topics import OVERDUE, WITHOUT_A_PERSON, topic_of
from gateway.store import clock
from gateway.store.ledger import Moment


@dataclass(frozen=True, slots=True)
class Telling:
    """How a notice is told this time: under which topic and number, and what it names besides."""

    topic: str
    number: int
    corrects: tuple[str, ...] = ()  # earlier notices that reached this receiver and were wrong
    bare: bool = False  # nothing but that they were wrong: the receiver may hear no more today
    missed: tuple[int, ...] = ()  # numbers that were given up since the last notice that arrived


def shape_notice(
    ctx: Context, subscribed: Subscribed, stored: Stored, told: str, number: int, moment: Moment,
    corrects: Sequence[str] = (), bare: bool = False,
) -> Notice:  # fmt: skip
    """A notice as its receiver reads it: the person by the identifier that the receiver itself used."""
    owner = moment.feeds[stored.owner]
    topic = topic_of(ctx.topics, told)
    unnamed = bare or profile(owner).sensitive
    return Notice(
        id=stored.id,
        topic=told,
        title=topic.title,
        urgent=topic.urgent,
        reason="delete" if bare else stored.reason,
        happened="" if bare else stored.happened,
        subject={} if bare or not stored.nhs else {"system": NHS_NUMBER, "value": stored.nhs},
        owner="" if unnamed else stored.owner,
        owner_name="" if unnamed else owner.name,
        receiver=subscribed.agency,
        number=number,
        subscription=subscribed.id,
        corrects=tuple(corrects),
        respond_by=clock.instant(stored.respond_by) if stored.respond_by and not bare else "",
        overdue=stored.extra.get("overdue", ""),
        contact=stored.extra.get("contact"),
        count=stored.extra.get("count", 0),
        read="AuditEvent" if told in WITHOUT_A_PERSON - {OVERDUE} else "Patient/$known-to-services",
        recorded=clock.instant(stored.created),
    )


def route_of(ctx: Context, subscribed: Subscribed, moment: Moment) -> Route:
    """The way of one attempt, with a Bundle.id of its own."""
    return Route(new_id(), ctx.url, subscribed.channel.get("endpoint", ""), clock.instant(moment.at), ctx.base)


def shape(ctx: Context, subscribed: Subscribed, stored: Stored, telling: Telling, moment: Moment) -> bytes:
    """The bytes of one attempt: a handshake, a message or a notification."""
    route = route_of(ctx, subscribed, moment)
    if telling.topic == HANDSHAKE:
        shaped = bundles.notification(
            "handshake", route, subscribed.id, subscribed.topic, "requested", subscribed.events, content="empty"
        )
        return orjson.dumps(shaped)
    notice = shape_notice(ctx, subscribed, stored, telling.topic, telling.number, moment, telling.corrects, telling.bare)
    if subscribed.channel["type"] == "message":
        return orjson.dumps(bundles.message(notice, route, telling.missed))
    events = max(subscribed.events, telling.number)
    content = payload_content(subscribed.resource)
    shaped = bundles.notification(
        "event-notification", route, subscribed.id, subscribed.topic, subscribed.status, events, [notice], content,
        telling.missed,
    )  # fmt: skip
    return orjson.dumps(shaped)


def payload_content(resource: dict[str, Any]) -> str:
    """empty, id-only or full-resource, as the subscription's channel says (backport-payload-content)."""
    payload = resource["channel"].get("_payload") or {}
    for extension in payload.get("extension", ()):
        if str(extension.get("url", "")).endswith("/backport-payload-content"):
            return str(extension.get("valueCode", "empty"))
    return "empty"
