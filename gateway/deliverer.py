"""The loop that sends: find what is due, lease it, post it, settle it. What it does not manage stays in the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field

from gateway.exchanges.context import Context
from gateway.exchanges.lease_notice import Due, Lease, lease_notice
from gateway.exchanges.settle_notice import Settlement, settle_notice
from gateway.notification import signatures
from gateway.notification.schedule import STEPS
from gateway.partners.delivery import Courier, Post
from gateway.store import clock, outbox
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.deliverer")

POLL = 1.0  # seconds; a change wakes the loop at once
IN_FLIGHT = 8  # posts at a time, so that lookups keep their processor
FETCH = 64


@dataclass(slots=True)
class Deliverer:
    """Delivers until stopped. Several may run on one PostgreSQL: a claim decides between them."""

    ledger: Ledger
    context: Context
    courier: Courier
    steps: tuple[float, ...] = STEPS
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; cancelled, it lets posts under way settle."""
        try:
            while True:
                self._wake.clear()
                await self._turn()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL)
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=20)

    async def _turn(self) -> None:
        try:
            rows = (await self.ledger.read([Read(outbox.READY, {"at": clock.now(), "count": FETCH})]))[0]
        except Exception:
            log.exception("the outbox cannot be read")
            return
        for (notice,) in rows:
            if notice in self._busy or len(self._tasks) >= IN_FLIGHT:
                continue
            self._busy.add(notice)
            task = asyncio.create_task(self._deliver(notice))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _deliver(self, notice: str) -> None:
        try:
            lease = await self.ledger.run_alone(lease_notice, Due(notice))
            if lease is not None:
                posted = await self.courier.post(post_of(self.context, lease))
                step = await self.ledger.run_alone(settle_notice, Settlement(lease, posted, self.steps))
                log.info("notice settled", extra={"notice": notice, "state": step.state, "status": posted.status})
        except Exception:
            log.exception("a notice could not be delivered; it stays in the outbox", extra={"notice": notice})
            await asyncio.sleep(POLL)
        finally:
            self._busy.discard(notice)


def post_of(context: Context, lease: Lease) -> Post:
    """A lease as it goes over the wire, signed."""
    signed = signatures.headers(context.vault.signing, lease.notice, int(time.time()), lease.body)
    stated = dict(header.split(":", 1) for header in lease.headers)
    own = {name.strip(): value.strip() for name, value in stated.items()}
    return Post(lease.endpoint, lease.body, {**own, "Content-Type": lease.content_type, **signed})
