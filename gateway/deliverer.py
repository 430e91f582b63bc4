"""The loop that sends: find what is due, lease it, post it, settle it. What it does not manage stays in the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from gateway.exchanges.context import Context
from gateway.exchanges.notices.decide_notice import Unvouched
from gateway.exchanges.notices.give_back_notice import give_back_notice
from gateway.exchanges.notices.lease_notice import Due, Lease, NotDue, NoticeLease, WantsTurn, lease_notice
from gateway.exchanges.notices.settle_notice import Settlement, settle_notice
from gateway.exchanges.outbox.subscriptions import open_subscription
from gateway.fhir.outcomes import Unavailable
from gateway.notification import message_headers, signatures
from gateway.notification.schedule import STEPS, Next, Posted, horizon
from gateway.partners.breaker import Breakers
from gateway.partners.delivery import Courier, Opened, Post
from gateway.store import clock, outbox, outbox_ready
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.deliverer")

POLL = 1.0  # seconds; a change wakes the loop at once
IN_FLIGHT = 32  # young posts at a time: they share transactions
YOUNG = 1.0  # seconds; a post that takes longer is waiting, not working, and makes room for others
MOST = 128  # posts at a time, waiting ones included
PER_DESTINATION = 4
SHARE = 128  # of one destination, in one look into the outbox
FETCH = 1024
RESTED = 4  # a look that took long is followed by so many times its length without one
SETTLE_TRIES = 5
FRESH = 1.0  # seconds in which a lease has its first byte sent, or is given back to be decided again
DECIDED = 10.0  # seconds in which it has, counted from what the decision rests on: where this process stood still meanwhile
REMEMBERED = 4096  # destinations
KNOWN_FOR = 30.0  # seconds; then what waits for destinations that are left alone is looked for again, too


@dataclass(frozen=True, slots=True)
class Ready:
    """A notice that may go out, as the outbox has it."""

    notice: str
    subscription: str
    destination: str
    since: int  # microseconds: since when it is being tried


@dataclass(frozen=True, slots=True)
class Flight:
    """A delivery under way."""

    destination: str
    since: float


@dataclass(slots=True)
class Deliverer:
    """Delivers until stopped. Several may run on one PostgreSQL: a claim decides between them."""

    ledger: Ledger
    context: Context
    courier: Courier
    steps: tuple[float, ...] = STEPS
    breakers: Breakers = field(default_factory=Breakers)
    fresh: float = FRESH
    counts: Counter[str] = field(default_factory=Counter)  # of settled attempts: delivered, failed, dead; withheld, given-back
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: bool = True
    _next_look: float = 0.0
    _forgets: float = 0.0
    _known: dict[str, deque[Ready]] = field(default_factory=dict)  # what is due, by destination; none is empty
    _flights: dict[str, Flight] = field(default_factory=dict)
    _leasing: set[str] = field(default_factory=set)  # subscriptions: two of one would count the same number
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _urls: dict[str, str] = field(default_factory=dict)  # of a destination, or of a subscription that has another

    def wake(self) -> None:
        """Something may be due."""
        self._changed = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; cancelled, it lets posts under way settle."""
        try:
            while True:
                self._wake.clear()
                rest = self._next_look - time.monotonic()
                if rest > 0:
                    self._start()
                else:
                    await self._turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rest if rest > 0 else POLL):
                        await self._wake.wait()  # not in wait_for, which can lose a cancellation that comes with the wake
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=20)

    async def _turn(self) -> None:
        """Start what may start; look into the outbox when something changed, or nothing that is known may start."""
        begun = time.monotonic()
        if self._room() < 1 or (self._start() and not self._changed and begun < self._forgets):
            return
        self._changed = False
        known = "".join(f"<{one}>" for one in self._not_looked_for(begun))
        wanted = {"at": clock.now(), "share": SHARE, "count": FETCH, "known": known}
        try:
            (rows,) = await self.ledger.read([Read(outbox_ready.READY, wanted)])
        except Exception:
            log.exception("the outbox cannot be read")
            return
        ended = time.monotonic()
        self._next_look = ended + RESTED * (ended - begun)
        self._learn_of([Ready(*row) for row in rows])
        self._start()

    def _not_looked_for(self, now: float) -> set[str]:
        """Destinations of which enough is known, or which are left alone; now and then none. What has waited as long as its
        schedule goes out all the same, so late at most: nothing to a long one."""
        if now >= self._forgets:
            self._known.clear()
            self._forgets = now + KNOWN_FOR
            return set()
        is_long = horizon(self.steps) > 100 * KNOWN_FOR
        return {*self._known, *(self.breakers.left_alone(now) if is_long else ())}

    def _learn_of(self, found: list[Ready]) -> None:
        """Add what is new, be it that a notice is known to go elsewhere and goes here by now."""
        already = {(one.notice, one.destination) for waiting in self._known.values() for one in waiting}
        for one in found:
            if one.notice not in self._flights and (one.notice, one.destination) not in already:
                self._known.setdefault(one.destination, deque()).append(one)

    def _room(self) -> int:
        """How many more posts may start now."""
        now = time.monotonic()
        young = sum(now - flight.since < YOUNG for flight in self._flights.values())
        return min(IN_FLIGHT - young, MOST - len(self._flights))

    def _start(self) -> int:
        """Start what is known to be due, as far as there is room: one for each destination in turn, and no more to one than
        its part of it."""
        busy = Counter(flight.destination for flight in self._flights.values())
        room, before = self._room(), len(self._flights)
        turns = deque(self._known)
        while turns and room > 0:
            destination = turns.popleft()
            waiting = self._known.pop(destination)
            one = self._next_of(destination, waiting) if busy[destination] < PER_DESTINATION else None
            if waiting:
                self._known[destination] = waiting  # behind the others, the next time too
            if one is not None:
                room -= 1
                busy[destination] += 1
                self._fly(one)
                turns.extend([destination] if waiting else ())
        return len(self._flights) - before

    def _next_of(self, destination: str, waiting: deque[Ready]) -> Ready | None:
        """Take out the first that may start now. Where the destination is left alone just now, what has waited as long as
        its schedule goes out all the same: it must come to an end."""
        may_start = self.breakers.may_start(destination, time.monotonic())
        until = math.inf if may_start else clock.now() - horizon(self.steps) * clock.SECOND
        for place, one in enumerate(waiting):
            if one.since <= until and one.notice not in self._flights and one.subscription not in self._leasing:
                del waiting[place]
                return one
        return None

    def _fly(self, one: Ready) -> None:
        self._flights[one.notice] = Flight(one.destination, time.monotonic())
        self._leasing.add(one.subscription)
        self.breakers.started(one.destination)
        task = asyncio.create_task(self._deliver(one))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    async def _deliver(self, one: Ready) -> None:
        try:
            await self._one_attempt(one)
        except NotDue:
            self.breakers.given_back(one.destination)
        except Unvouched:
            self.breakers.given_back(one.destination)
            await asyncio.sleep(POLL)
        except Exception:
            self.breakers.given_back(one.destination)
            log.exception("a notice could not be delivered; it stays in the outbox", extra={"notice": one.notice})
            await asyncio.sleep(POLL)
        finally:
            del self._flights[one.notice]

    async def _one_attempt(self, one: Ready) -> None:
        """A line first, then the lease, then the post at once: what is withdrawn while a line is opened does not leave."""
        opened = await self._open(one)
        try:
            lease = await self._lease(one)
            if lease is None:
                self.breakers.given_back(one.destination)
                self.counts["withheld"] += 1
                return
            posted = await self.courier.post_on(opened, post_of(self.context, lease), self._until(lease))
        finally:
            await self.courier.close_line(opened)
        await (self._settle if posted.begun else self._give_back)(one, lease, posted)

    async def _open(self, one: Ready) -> Opened:
        """A line to where the notice goes; none for who takes no calls."""
        url = self._urls.get(one.subscription, self._urls.get(one.destination))
        if url is None:
            (rows,) = await self.ledger.read([Read(outbox.SUBSCRIPTION, {"id": one.subscription})])
            if len(self._urls) >= REMEMBERED:
                self._urls.clear()
            url = self._urls[one.destination] = open_subscription(self.context, rows[0]).channel.get("endpoint", "")
        return await self.courier.open(url) if url else Opened(url)

    def _until(self, lease: NoticeLease) -> float:
        """Until when the first byte of a lease may leave, by the clock that does not jump."""
        age = (clock.now() - lease.decided) / clock.SECOND
        return time.monotonic() + min(self.fresh, DECIDED - age)

    async def _lease(self, one: Ready) -> NoticeLease | None:
        """Together with others that are leased now; by itself where another notice follows from it."""
        try:
            return await self.ledger.run(lease_notice, Due(one.notice, alone=False))
        except WantsTurn:
            return await self.ledger.run_alone(lease_notice, Due(one.notice))
        finally:
            self._leasing.discard(one.subscription)
            self._wake.set()

    def _learn(self, destination: str, posted: Posted) -> str:
        """What the breaker learns of an attempt; gives the destination where it answers again."""
        if not posted.answers:
            self.breakers.failed(destination, time.monotonic())
            return ""
        return destination if self.breakers.answered(destination) else ""

    async def _settle(self, one: Ready, lease: NoticeLease, posted: Posted) -> None:
        """Put the outcome on record; a database that is away for a moment does not cost the receiver a repeat."""
        settlement = Settlement(lease, posted, self.steps, self._learn(one.destination, posted))
        step = await self._settled(settlement)
        self.counts["failed" if step.state == outbox.PENDING else step.state] += 1
        log.info("notice settled", extra={"notice": one.notice, "state": step.state, "status": posted.status})

    async def _settled(self, settlement: Settlement) -> Next:
        for _ in range(SETTLE_TRIES):
            with contextlib.suppress(Unavailable):
                return await self.ledger.run(settle_notice, settlement)
            await asyncio.sleep(POLL)
        return await self.ledger.run(settle_notice, settlement)

    async def _give_back(self, one: Ready, lease: NoticeLease, _: Posted) -> None:
        """It waited too long for its first byte, or goes elsewhere by now: to be decided again before anything leaves."""
        self.breakers.given_back(one.destination)
        self._urls[one.subscription] = lease.endpoint
        await self.ledger.run(give_back_notice, lease)
        self.counts["given-back"] += 1
        log.warning("a notice was not sent in time and is decided again", extra={"notice": one.notice})


def post_of(context: Context, lease: Lease) -> Post:
    """A lease as it goes over the wire, signed. The subscriber's own headers go along."""
    signed = signatures.headers(context.vault.notices, lease.notice, int(time.time()), lease.body)
    stated = (header.partition(":") for header in lease.headers)
    own = {name.strip(): value.strip() for name, _, value in stated if signatures.may_be_set(name)}
    ours = message_headers.headers(lease.notice, lease.receiver)
    return Post(lease.endpoint, lease.body, {**ours, **own, "Content-Type": lease.content_type, **signed}, lease.seconds)
