"""What follows notices and messages up: what nobody took up in time is raised, response messages are posted.

Any number of workers may run it: the exchange that claims a row decides between them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from gateway.exchanges.context import Context
from gateway.exchanges.messaging.replies import ReplyDue, ReplyLease, ReplySettlement, lease_reply, settle_reply
from gateway.exchanges.notices.lease_notice import NotDue
from gateway.exchanges.notices.raise_overdue import Late, raise_overdue
from gateway.notification import message_headers, signatures
from gateway.notification.schedule import STEPS
from gateway.partners.delivery import Courier, Post
from gateway.store import clock, feedback
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.follow_up")

EVERY = 1.0  # seconds
AT_A_TIME = 16  # posts: one that hangs holds up the others of its turn for 15 seconds at most
MANY = 200


async def follow_up(ledger: Ledger, context: Context, courier: Courier, steps: tuple[float, ...] = STEPS) -> None:
    """Raise and post, for ever; what fails is tried again at the next turn."""
    while True:
        for turn in (lambda: raise_all(ledger), lambda: post_all(ledger, context, courier, steps)):
            await _kept_going(turn)
        await asyncio.sleep(EVERY)


async def _kept_going(turn: Callable[[], Awaitable[int]]) -> None:
    try:
        await turn()
    except Exception:
        log.exception("following up failed; trying again")


async def raise_all(ledger: Ledger) -> int:
    """Raise every notice whose time is over; gives how many this worker raised."""
    rows = (await ledger.read([Read(feedback.DUE_ACKNOWLEDGEMENTS, {"at": clock.now(), "count": MANY})]))[0]
    raised = 0
    for (notice,) in rows:
        try:
            await ledger.run_alone(raise_overdue, Late(notice))
        except NotDue:
            continue
        raised += 1
        log.info("a notice is overdue", extra={"notice": notice})
    return raised


async def post_all(ledger: Ledger, context: Context, courier: Courier, steps: tuple[float, ...] = STEPS) -> int:
    """Post the response messages that are due; gives how many this worker posted."""
    rows = (await ledger.read([Read(feedback.READY_REPLIES, {"at": clock.now(), "count": AT_A_TIME})]))[0]
    done = await asyncio.gather(*(_post(ledger, context, courier, steps, identifier) for (identifier,) in rows))
    return sum(done)


async def _post(ledger: Ledger, context: Context, courier: Courier, steps: tuple[float, ...], identifier: str) -> bool:
    try:
        lease = await ledger.run_alone(lease_reply, ReplyDue(identifier))
    except NotDue:
        return False
    posted = await courier.post(post_of(context, lease))
    step = await ledger.run_alone(settle_reply, ReplySettlement(lease, posted, steps))
    log.info("a response message was posted", extra={"notice": lease.id, "state": step.state, "status": posted.status})
    return True


def post_of(context: Context, lease: ReplyLease) -> Post:
    """A response message as it goes over the wire, signed like a notice."""
    signed = signatures.headers(context.vault.notices, lease.id, int(time.time()), lease.body)
    ours = message_headers.headers(lease.id, lease.agency)
    return Post(lease.url, lease.body, {**ours, "Content-Type": "application/fhir+json", **signed})
