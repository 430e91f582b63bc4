"""Heartbeats that are due, posted: several workers may look, and one of them has each."""

from __future__ import annotations

import asyncio
import logging

from gateway.deliverer import post_of
from gateway.exchanges.context import Context
from gateway.exchanges.notices.beat import DueBeat, NoBeat, beat
from gateway.partners.delivery import Courier
from gateway.store import clock, heartbeats
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.heartbeats")

AT_ONCE = 16  # posts; a receiver that hangs holds up no more than its fifteen seconds


async def send_heartbeats(ledger: Ledger, context: Context, courier: Courier) -> int:
    """Post what is due, once; gives how many heartbeats this worker had. What a receiver answers changes nothing: events
    are tried again, a heartbeat comes again."""
    (due,) = await ledger.read([Read(heartbeats.DUE_HEARTBEATS, {"at": clock.now(), "count": AT_ONCE})])
    had = await asyncio.gather(*(_send(ledger, context, courier, DueBeat(*row)) for row in due))
    return sum(had)


async def _send(ledger: Ledger, context: Context, courier: Courier, due: DueBeat) -> bool:
    try:
        lease = await ledger.run_alone(beat, due)
    except NoBeat:
        return False
    except Exception:
        log.exception("a heartbeat could not be sent; it is tried again with the next")
        return False
    if lease is not None:
        posted = await courier.post(post_of(context, lease))
        log.info("heartbeat sent", extra={"status": posted.status})
    return True
