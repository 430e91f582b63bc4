"""A response message to be posted to who sent a message with ``async=true``: leased, posted by the follow-up, settled.

The response names no person. It waits, sealed, with the address that it goes to; that one was checked against the client's
registered endpoints before the message was taken.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, FAULT, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.notices.lease_notice import NotDue
from gateway.notification.schedule import STEPS, Next, Posted, next_step
from gateway.store import clock, feedback, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write
from gateway.store.vault import open_sealed, seal

LEASE = 60 * clock.SECOND
SHELF = "reply"


@dataclass(frozen=True, slots=True)
class ReplyDue:
    """The response to lease, by id."""

    id: str


@dataclass(frozen=True, slots=True)
class ReplyLease:
    """What is posted, and what is settled afterwards."""

    id: str
    agency: str
    client: str
    epoch: int
    attempt: int
    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ReplySettlement:
    """A lease and what the post gave."""

    lease: ReplyLease
    posted: Posted
    steps: tuple[float, ...] = STEPS


def queued(ctx: Context, requester: Requester, identifier: str, url: str, bundle: bytes, moment: Moment) -> Write:
    """The write that puts a response into the queue, with the message that it answers."""
    body = orjson.dumps({"url": url, "bundle": bundle.decode()})
    row: dict[str, Any] = {
        "id": identifier,
        "agency": requester.agency,
        "client": requester.client_id,
        "state": outbox.PENDING,
        "attempts": 0,
        "due": moment.at,
        "leased_until": None,
        "epoch": 0,
        "body": seal(ctx.vault.shelf(SHELF), body, identifier),
        "last_result": "",
        "created": moment.at,
        "updated": moment.at,
    }
    return Write(feedback.ADD_REPLY, row)


def lease_reply(ctx: Context, due: ReplyDue, moment: Moment) -> Story[ReplyLease]:
    """Claim one response. Raises NotDue where it is finished, another worker's, or due later."""
    rows = yield Read(feedback.REPLY, {"id": due.id})
    if not rows or not _is_due(rows[0], moment.at):
        raise NotDue
    identifier, agency, client, _, attempts, _, _, epoch, body, *_ = rows[0]
    claim = {"reply_id": identifier, "seen_epoch": epoch, "until": moment.at + LEASE, "at": moment.at}
    if (yield Write(feedback.CLAIM_REPLY, claim)) != 1:
        raise NotDue
    told = orjson.loads(open_sealed(ctx.vault.shelf(SHELF), body, identifier))
    lease = ReplyLease(identifier, agency, client, epoch + 1, attempts + 1, told["url"], told["bundle"].encode())
    return Outcome(lease, (_line("lease_reply", lease, moment, Kind.DELIVERY, DONE),))


def _is_due(row: Any, at: int) -> bool:
    state, due, leased_until = row[3], row[5], row[6]
    return bool(leased_until <= at) if state == outbox.LEASED else bool(state == outbox.PENDING and due <= at)


def settle_reply(ctx: Context, settlement: ReplySettlement, moment: Moment) -> Story[Next]:
    """Settle one lease; one that was overtaken changes nothing."""
    lease, posted = settlement.lease, settlement.posted
    step = next_step(lease.attempt, posted, secrets.randbelow(1000) / 1000, settlement.steps)
    due = moment.at + int(step.wait * clock.SECOND)
    changed = {"reply_id": lease.id, "held_epoch": lease.epoch, "new_state": step.state, "new_due": due, "at": moment.at}
    yield Write(feedback.SETTLE_REPLY, {**changed, "result": posted.text[:120]})
    outcome = DONE if step.state == outbox.DELIVERED else FAULT
    more = (("result", step.state), ("status", str(posted.status)))
    return Outcome(step, (_line("settle_reply", lease, moment, Kind.DELIVERY_RESULT, outcome, *more),))


def _line(name: str, lease: ReplyLease, moment: Moment, kind: Kind, outcome: int, *more: tuple[str, str]) -> Entry:
    requester = Requester(lease.client, lease.agency, frozenset())
    detail = (("reply", lease.id), ("attempt", str(lease.attempt)), *more)
    return line(name, requester, moment, kind, outcome, detail=detail, asked=False)
