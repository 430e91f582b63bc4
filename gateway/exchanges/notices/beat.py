"""A heartbeat that is due: claimed by one worker, shaped, on record. It tells of nobody; it is posted once and not repeated.

No event number is used up. Where the receiver heard of an event within the period there is nothing to add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.notices.lease_notice import Lease
from gateway.exchanges.notices.shape_notice import route_of
from gateway.exchanges.outbox.subscriptions import Subscribed, open_subscription
from gateway.notification import bundles
from gateway.store import clock, heartbeats, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

HEARTBEAT = "heartbeat"


class NoBeat(Exception):
    """Nothing is to be sent now: another worker has moved this heartbeat on, or its subscription has ended. Nothing is written."""


@dataclass(frozen=True, slots=True)
class DueBeat:
    """A heartbeat that was seen to be due at a time."""

    subscription: str
    due: int


def beat(ctx: Context, seen: DueBeat, moment: Moment) -> Story[Lease | None]:
    """Claim one heartbeat; None where an event was delivered within its period. Raises NoBeat."""
    rows = yield Read(heartbeats.HEARTBEAT, {"id": seen.subscription})
    found = yield Read(outbox.SUBSCRIPTION, {"id": seen.subscription})
    if not rows or not found or rows[0][2] != seen.due:
        raise NoBeat
    subscribed = open_subscription(ctx, found[0])
    if subscribed.status != "active" or subscribed.ends <= moment.at:
        raise NoBeat
    period = rows[0][1] * clock.SECOND
    heard = (yield Read(heartbeats.LAST_DELIVERED, {"id": seen.subscription}))[0][0] or 0
    spoke_lately = heard + period > moment.at
    moved = {"subscription_id": seen.subscription, "seen_due": seen.due}
    if (yield Write(heartbeats.MOVE_HEARTBEAT, {**moved, "new_due": (heard if spoke_lately else moment.at) + period})) != 1:
        raise NoBeat
    lease = None if spoke_lately else _shaped(ctx, subscribed, moment)
    entry = line(
        "beat", subscribed.requester, moment, Kind.DELIVERY, DONE, asked=False, purpose=subscribed.purpose,
        detail=(("subscription", subscribed.id), ("result", "sent" if lease else "not needed")),
    )  # fmt: skip
    return Outcome(lease, (entry,))


def _shaped(ctx: Context, subscribed: Subscribed, moment: Moment) -> Lease:
    route = route_of(ctx, subscribed, moment)
    shaped: dict[str, Any] = bundles.notification(
        HEARTBEAT, route, subscribed.id, subscribed.topic, subscribed.status, subscribed.events, content="empty"
    )
    channel = subscribed.channel
    return Lease(
        new_id(), 0, 1, subscribed.agency, subscribed.id, channel["endpoint"], tuple(channel.get("header", ())),
        channel.get("payload") or "application/fhir+json", orjson.dumps(shaped), HEARTBEAT,
        subscribed.of_channel("backport-timeout"),
    )  # fmt: skip
