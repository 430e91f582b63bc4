"""What became of a delivery: delivered, to be tried again, or parked where both agencies see it. On record each time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gateway.audit.entry import DONE, FAULT, Entry, Kind
from gateway.exchanges.context import Context
from gateway.exchanges.lease_notice import HANDSHAKE, Lease, notice_entry, open_notice
from gateway.exchanges.subscriptions import open_subscription
from gateway.notification.schedule import STEPS, Next, Posted, next_step
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "settle_notice"
ONE_ATTEMPT = (0.0,)  # a handshake that fails puts the subscription in error (R5 backport)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A lease and what the post gave."""

    lease: Lease
    posted: Posted
    steps: tuple[float, ...] = STEPS


def settle_notice(ctx: Context, settlement: Settlement, moment: Moment) -> Story[Next]:
    """Settle one lease. A lease that was overtaken changes nothing: its epoch is past."""
    lease = settlement.lease
    rows = yield Read(outbox.LEASED_NOTICE, {"id": lease.notice})
    chance = secrets.randbelow(1000) / 1000
    steps = ONE_ATTEMPT if lease.topic == HANDSHAKE else settlement.steps
    step = next_step(lease.attempt, settlement.posted, chance, steps)
    stored = open_notice(ctx, rows[0])
    found = yield Read(outbox.SUBSCRIPTION, {"id": lease.subscription})
    subscribed = open_subscription(ctx, found[0])
    changed = yield Write(
        outbox.SETTLE,
        {
            "notice": lease.notice,
            "held_epoch": lease.epoch,
            "new_state": step.state,
            "new_due": moment.at + int(step.wait * clock.SECOND),
            "result": settlement.posted.text[:120],
            "at": moment.at,
        },
    )
    turned = _turned(lease, step)
    if changed and turned:
        old, new = turned
        yield Write(outbox.TURN_STATUS, {"subscription_id": subscribed.id, "old_status": old, "new_status": new, "at": moment.at})
    line = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY_RESULT, DONE if step.state == "delivered" else FAULT,
        told=lease.topic,
    )  # fmt: skip
    return Outcome(step, (_with_result(line, step, settlement.posted),))


def _turned(lease: Lease, step: Next) -> tuple[str, str] | None:
    """The status from which and to which a subscription turns, if it does.

    A handshake decides whether it becomes active; a receiver that is gone or silent puts it in error. Only its agency
    brings it back from there.
    """
    if lease.topic == HANDSHAKE:
        return ("requested", "active" if step.state == "delivered" else "error")
    return ("active", "error") if step.disable or step.state == "dead" else None


def _with_result(line: Entry, step: Next, posted: Posted) -> Entry:
    return line._replace(detail=(*line.detail, ("result", step.state), ("status", str(posted.status))))
