"""What became of a delivery: delivered, to be tried again, or parked where both agencies see it. On record each time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, FAULT, Entry, Kind
from gateway.exchanges.context import Context, entry_id
from gateway.exchanges.notices.acknowledgements import acknowledged_at_once
from gateway.exchanges.notices.given_up import say_undelivered
from gateway.exchanges.notices.lease_notice import NoticeLease
from gateway.exchanges.outbox.stored_notices import HANDSHAKE, notice_entry
from gateway.notification.answers import FATAL, NOTHING, Answered, answered, as_said
from gateway.notification.schedule import STEPS, Next, Posted, next_step
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "settle_notice"
ONE_ATTEMPT = (0.0,)  # a handshake that fails puts the subscription in error (R5 backport)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A lease and what the post gave. ``recovered``: the destination answers again after it had not."""

    lease: NoticeLease
    posted: Posted
    steps: tuple[float, ...] = STEPS
    recovered: str = ""  # token of the destination


def settle_notice(ctx: Context, settlement: Settlement, moment: Moment) -> Story[Next]:
    """Settle one lease. A lease that was overtaken changes nothing: its epoch is past."""
    said = _said(settlement)
    settlement = replace(settlement, posted=as_said(settlement.posted, said))
    lease = settlement.lease
    rows = yield Read(outbox.LEASE, {"key": lease.notice})
    step = Next(outbox.DEAD) if said.code == FATAL else _step(settlement, moment.at)
    is_mine = bool(rows) and rows[0][1:] == (lease.epoch, outbox.LEASED)
    writes = _writes(ctx, settlement, step, moment) if is_mine else ()
    if said.acknowledgement:
        writes = (*writes, acknowledged_at_once(ctx, lease.notice, lease.topic, said.acknowledgement, moment))
    line = notice_entry(
        NAME, lease.subscribed, lease.stored, moment, ctx, Kind.DELIVERY_RESULT, DONE if step.state == "delivered" else FAULT,
        told=lease.topic,
    )  # fmt: skip
    line = _with_result(line, step, settlement.posted)
    own = line._replace(id=entry_id(moment.at), custodian=lease.receiver, kind=Kind.RECEIVED)
    told = (own._replace(detail=(*own.detail, ("acknowledgement", said.acknowledgement))),) if said.acknowledgement else ()
    return Outcome(step, (line, *told), writes)


def _said(settlement: Settlement) -> Answered:
    """What the receiver says in the body of its answer, where it was sent a FHIR message and took it."""
    lease, posted = settlement.lease, settlement.posted
    is_message = lease.subscribed.channel.get("type") == "message" and lease.topic != HANDSHAKE
    return answered(lease.notice, posted.body) if is_message and posted.delivered else NOTHING


def _step(settlement: Settlement, at: int) -> Next:
    lease = settlement.lease
    steps = ONE_ATTEMPT if lease.topic == HANDSHAKE else settlement.steps
    age = (at - lease.stored.tried_since) / clock.SECOND
    return next_step(lease.attempt, settlement.posted, secrets.randbelow(1000) / 1000, steps, age)


def _writes(ctx: Context, settlement: Settlement, step: Next, moment: Moment) -> tuple[Write, ...]:
    lease, result = settlement.lease, settlement.posted.text[:120]
    settled: dict[str, Any] = {
        "notice": lease.notice,
        "held_epoch": lease.epoch,
        "new_state": step.state,
        "wait": int(step.wait * clock.SECOND),
        "result": result,
        "at": moment.at,
    }
    writes = [Write(outbox.SETTLE, settled)]
    turned = _turned(settlement, step)
    if turned:
        old, new = turned
        seen = {"subscription_id": lease.subscription, "old_status": old, "seen_version": lease.subscribed.version}
        writes.append(Write(outbox.TURN_STATUS, {**seen, "new_status": new, "at": moment.at}))
    if settlement.recovered:
        writes.append(Write(outbox.BRING_FORWARD, {"destination": settlement.recovered, "at": moment.at}))
    if step.state == outbox.DEAD:
        writes += say_undelivered(ctx, lease.stored, result, moment)
    return tuple(writes)


def _turned(settlement: Settlement, step: Next) -> tuple[str, str] | None:
    """The status from which and to which a subscription turns, if it does.

    A handshake decides whether it becomes active; a receiver that is gone or silent puts it in error. Only its agency
    brings it back from there.
    """
    if settlement.lease.topic == HANDSHAKE:
        return ("requested", "active" if step.state == "delivered" else "error")
    gives_up = step.disable or (step.state == "dead" and settlement.posted.text != FATAL)  # it refuses one notice, no more
    return ("active", "error") if gives_up else None


def _with_result(line: Entry, step: Next, posted: Posted) -> Entry:
    return line._replace(detail=(*line.detail, ("result", step.state), ("status", str(posted.status))))
