"""The loop that sends: find what is due, lease it, post it, settle it. What it does not manage stays in the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field

from gateway.exchanges.context import Context
from gateway.exchanges.lease_notice import Due, Lease, NotDue, lease_notice
from gateway.exchanges.settle_notice import Settlement, settle_notice
from gateway.fhir.outcomes import Unavailable
from gateway.notification import signatures
from gateway.notification.schedule import STEPS, Next, Posted
from gateway.partners.delivery import Courier, Post
from gateway.store import clock, outbox
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.deliverer")

POLL = 1.0  # seconds; a change wakes the loop at once
IN_FLIGHT = 8  # young posts at a time, so that lookups keep their processor
YOUNG = 1.0  # seconds; a post that takes longer is waiting, not working, and makes room for others
MOST = 64  # posts at a time, waiting ones included
PER_RECEIVER = 4
SHARE = 64  # of one receiver, in one look into the outbox
FETCH = 512
SETTLE_TRIES = 5


@dataclass(frozen=True, slots=True)
class Flight:
    """A delivery under way."""

    receiver: str
    since: float


@dataclass(slots=True)
class Deliverer:
    """Delivers until stopped. Several may run on one PostgreSQL: a claim decides between them."""

    ledger: Ledger
    context: Context
    courier: Courier
    steps: tuple[float, ...] = STEPS
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: bool = True
    _known: list[tuple[str, str]] = field(default_factory=list)  # due: notice and receiver
    _flights: dict[str, Flight] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def wake(self) -> None:
        """Something may be due."""
        self._changed = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; cancelled, it lets posts under way settle."""
        try:
            while True:
                self._wake.clear()
                await self._turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):  # wait_for can lose a cancellation that comes with the wake
                        await self._wake.wait()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=20)

    async def _turn(self) -> None:
        """Start what may start; look into the outbox when something changed, or nothing that is known may start."""
        if self._room() < 1 or (not self._changed and self._start()):
            return
        self._changed = False
        try:
            wanted = {"at": clock.now(), "share": SHARE, "count": FETCH}
            rows = (await self.ledger.read([Read(outbox.READY, wanted)]))[0]
        except Exception:
            log.exception("the outbox cannot be read")
            return
        self._known = [(notice, receiver) for notice, receiver in rows if notice not in self._flights]
        self._start()

    def _room(self) -> int:
        """How many more posts may start now."""
        now = time.monotonic()
        young = sum(now - flight.since < YOUNG for flight in self._flights.values())
        return min(IN_FLIGHT - young, MOST - len(self._flights))

    def _start(self) -> int:
        """Start what is known to be due, as far as there is room; no receiver takes more than its part of it."""
        busy = Counter(flight.receiver for flight in self._flights.values())
        room, kept = self._room(), []
        before = len(self._flights)
        for notice, receiver in self._known:
            if room < 1 or busy[receiver] >= PER_RECEIVER:
                kept.append((notice, receiver))
                continue
            room -= 1
            busy[receiver] += 1
            self._fly(notice, receiver)
        self._known = kept
        return len(self._flights) - before

    def _fly(self, notice: str, receiver: str) -> None:
        self._flights[notice] = Flight(receiver, time.monotonic())
        task = asyncio.create_task(self._deliver(notice))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    async def _deliver(self, notice: str) -> None:
        try:
            lease = await self.ledger.run_alone(lease_notice, Due(notice))
            if lease is not None:
                posted = await self.courier.post(post_of(self.context, lease))
                step = await self._settle(lease, posted)
                log.info("notice settled", extra={"notice": notice, "state": step.state, "status": posted.status})
        except NotDue:
            return
        except Exception:
            log.exception("a notice could not be delivered; it stays in the outbox", extra={"notice": notice})
            await asyncio.sleep(POLL)
        finally:
            del self._flights[notice]

    async def _settle(self, lease: Lease, posted: Posted) -> Next:
        """Put the outcome on record; a database that is away for a moment does not cost the receiver a repeat."""
        for _ in range(SETTLE_TRIES):
            with contextlib.suppress(Unavailable):
                return await self.ledger.run_alone(settle_notice, Settlement(lease, posted, self.steps))
            await asyncio.sleep(POLL)
        return await self.ledger.run_alone(settle_notice, Settlement(lease, posted, self.steps))


def post_of(context: Context, lease: Lease) -> Post:
    """A lease as it goes over the wire, signed. The subscriber's own headers go along."""
    signed = signatures.headers(context.vault.signing, lease.notice, int(time.time()), lease.body)
    stated = (header.partition(":") for header in lease.headers)
    own = {name.strip(): value.strip() for name, _, value in stated if signatures.may_be_set(name)}
    return Post(lease.endpoint, lease.body, {**own, "Content-Type": lease.content_type, **signed})
