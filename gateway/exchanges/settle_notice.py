"""What became of a delivery: delivered, to be tried again, or parked where both agencies see it. On record each time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, FAULT, Entry, Kind
from gateway.exchanges.context import Context
from gateway.exchanges.lease_notice import HANDSHAKE, Lease, notice_entry, open_notice
from gateway.exchanges.subscriptions import open_subscription
from gateway.notification.schedule import STEPS, Next, Posted, next_step
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "settle_notice"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A lease and what the post gave."""

    lease: Lease
    posted: Posted
    steps: tuple[float, ...] = STEPS


def settle_notice(ctx: Context, settlement: Settlement, moment: Moment) -> Story[Next]:
    """Settle one lease. A lease that was overtaken changes nothing: its epoch is past."""
    lease = settlement.lease
    rows = yield Read(outbox.NOTICE, {"id": lease.notice})
    chance = secrets.randbelow(1000) / 1000
    step = next_step(lease.attempt, settlement.posted, chance, settlement.steps)
    if not rows:  # another worker holds the row at this very moment
        rows = yield Read(outbox.NOTICE, {"id": lease.notice})
    if not rows:
        raise RuntimeError("the notice is held by another worker; it will be settled by the next attempt")
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
    status = _status_after(lease, step)
    if changed and status:
        yield Write(outbox.SET_STATUS, {"subscription_id": subscribed.id, "new_status": status, "at": moment.at})
    line = notice_entry(
        NAME, subscribed, stored, moment, ctx, Kind.DELIVERY_RESULT, DONE if step.state == "delivered" else FAULT,
        told=lease.topic,
    )  # fmt: skip
    return Outcome(step, (_with_result(line, step, settlement.posted),))


def _status_after(lease: Lease, step: Next) -> str:
    """A handshake decides whether a subscription is active; a receiver that is gone or silent puts it in error."""
    if lease.topic == HANDSHAKE:
        return "active" if step.state == "delivered" else "error"
    return "error" if step.disable or step.state == "dead" else ""


def _with_result(line: Entry, step: Next, posted: Posted) -> Entry:
    return replace(line, detail=(*line.detail, ("result", step.state), ("status", str(posted.status))))
