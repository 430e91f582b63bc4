"""An outbox filled in bulk, a deliverer on one core, and eight receivers on the other: how many a second, with what memory.

What stands in the outbox is what the exchanges would have written: a person, a subscription and a notice each, sealed.
Each notice is leased, decided, put on record, signed, posted over a real socket, and settled, as in production.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select, update

from benchmarks.stand import LOAD_CORE, SERVER_CORE, Deployment, free_port, nhs_numbers, on_core
from gateway import app as wiring
from gateway.demo import people
from gateway.demo.people import COUNCIL, TRUST, Person
from gateway.deployment import Gateway, unsigned_agreements
from gateway.disclosure.requester import Requester
from gateway.exchanges.agreements.agreements_in_force import take_up
from gateway.exchanges.context import Context
from gateway.exchanges.outbox.enqueue import topic_token
from gateway.exchanges.outbox.subscriptions import Subscribed, destination_of, seal_subscription
from gateway.store import clock, migrate, outbox, tables
from gateway.store.sql import Read, Statement, one_of
from gateway.store.vault import seal

RECEIVERS = 8
PURPOSE = "duty-to-share-16la"
WORKER = Requester("council-system", COUNCIL, frozenset(), "sw1", "social-worker", frozenset({PURPOSE}))
OPEN = Statement(
    select(func.count()).select_from(tables.outbox).where(one_of(tables.outbox.c.state, (*outbox.UNFINISHED, outbox.DEAD)))
)


class Sink(asyncio.Protocol):
    """A receiver that answers 200 at once; ``dead`` ones never answer."""

    dead = False

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            if not self.dead:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Silent(Sink):
    """A receiver that takes everything and says nothing."""

    dead = True


def _listen(ports: list[int], silent: int) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for place, port in enumerate(ports):
            await loop.create_server(Silent if place < silent else Sink, "127.0.0.1", port)
        await asyncio.sleep(3600)

    asyncio.run(serve())


@contextmanager
def receivers(count: int = RECEIVERS, silent: int = 0) -> Iterator[list[int]]:
    """Receivers in a process of their own, on the core of the load; gives their ports."""
    ports = [free_port() for _ in range(count)]
    with on_core(LOAD_CORE):
        process = multiprocessing.get_context("spawn").Process(target=_listen, args=(ports, silent), daemon=True)
        process.start()
    for port in ports:
        _wait_for(port)
    try:
        yield ports
    finally:
        process.terminate()
        process.join()


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the receivers did not start")


def fill_outbox(deployed: Deployment, ctx: Context, ports: list[int], count: int, state: str = outbox.PENDING) -> None:
    """A subscription and a notice for each of ``count`` people that the deployment was filled with."""
    now = clock.now()
    engine = migrate.engine_of(deployed.settings.database_url or deployed.settings.database_file)
    with engine.begin() as connection:
        batch: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for place, number in enumerate(nhs_numbers(count)):
            batch.append(_rows(ctx, place, number, f"http://127.0.0.1:{ports[place % len(ports)]}/hook", state, now))
            if len(batch) == 2000 or place == count - 1:
                connection.execute(tables.subscription.insert(), [rows[0] for rows in batch])
                connection.execute(tables.outbox.insert(), [rows[1] for rows in batch])
                batch.clear()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")


def _rows(ctx: Context, place: int, number: str, url: str, state: str, now: int) -> tuple[dict[str, Any], dict[str, Any]]:
    identifier, notice = f"{place:032x}", f"{place + (1 << 120):032x}"
    wanted = people.subscription(
        Person("", number, "1985-06-15", "EXAMPLE", "A"), "known-status-changed", url, PURPOSE, case="C-1", reason="benchmark"
    )
    made = Subscribed(
        identifier, COUNCIL, "known-status-changed", ctx.vault.nhs_token(number), "active", 0, now + clock.DAY, 1, now, wanted,
        WORKER, PURPOSE, "C-1", "", number, "benchmark",
    )  # fmt: skip
    body = {
        "nhs": number,
        "topic": "known-status-changed",
        "happened": "2026-11-20",
        "reason": "new",
        "status": True,
        "was_inpatient": False,
    }
    subscription = {
        "id": identifier, "agency": COUNCIL, "topic": topic_token(ctx, made.topic), "person": made.person, "status": "active",
        "body": seal_subscription(ctx, made), "events": 0, "ends": made.ends, "version": 1, "updated": now,
        "destination": destination_of(ctx, url),
    }  # fmt: skip
    queued = {
        "id": notice, "subscription": identifier, "receiver": COUNCIL, "owner": TRUST, "person": f"{place:032x}",
        "lane": ctx.vault.token("lane", COUNCIL, number), "place": 1, "topic": outbox.NOTE,
        "body": seal(ctx.vault.shelf("outbox"), orjson.dumps(body), notice), "state": state, "attempts": 0, "due": now,
        "leased_until": None, "epoch": 0, "number": None, "last_result": "", "created": now, "updated": now, "tried_since": None,
        "destination": destination_of(ctx, url),
    }  # fmt: skip
    return subscription, queued


def change_states(deployed: Deployment, count: int) -> None:
    """As if so many of what was delivered had been given up."""
    engine = migrate.engine_of(deployed.settings.database_url or deployed.settings.database_file)
    with engine.begin() as connection:
        chosen = select(tables.outbox.c.id).limit(count)
        connection.execute(update(tables.outbox).where(tables.outbox.c.id.in_(chosen)).values(state=outbox.DEAD))


async def left(gateway: Gateway) -> int:
    """How many notices have not arrived."""
    return int((await gateway.ledger.read([Read(OPEN)]))[0][0][0])


def rss() -> float:
    """Resident memory of this process in MB."""
    text = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) / 1024


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took: seconds, processor seconds, and memory in MB before, half-way, afterwards, and at its highest."""

    seconds: float
    cpu: float
    memory: tuple[float, float, float]
    highest: float


async def drain(gateway: Gateway, count: int) -> Drained:
    """Deliver ``count`` notices, which is all that wait."""
    os.sched_setaffinity(0, {int(SERVER_CORE)})
    counts = gateway.deliverer.counts
    memory, middle, already = [rss()], 0, counts["delivered"]
    begun, used = time.monotonic(), time.process_time()
    running = asyncio.create_task(gateway.deliverer.run())
    try:
        while (done := counts["delivered"] - already) < count:  # the outbox itself is not asked: that takes its time, too
            await asyncio.sleep(0.05)
            memory.append(rss())
            middle = len(memory) - 1 if done < count / 2 else middle
        taken, cpu = time.monotonic() - begun, time.process_time() - used
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if await left(gateway):
        raise RuntimeError("notices are left")
    return Drained(taken, cpu, (memory[0], memory[middle], memory[-1]), max(memory))


@contextmanager
def opened(deployed: Deployment) -> Iterator[Any]:
    """A loop as ``gateway deliver`` has it, and the gateway on it."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gateway = runner.run(_open(deployed))
        try:
            yield runner, gateway
        finally:
            runner.run(wiring.close_gateway(gateway))


async def _open(deployed: Deployment) -> Gateway:
    gateway = await wiring.open_gateway(deployed.settings)
    stated = await gateway.ledger.run_alone(take_up, unsigned_agreements(deployed.settings))
    gateway.context.agreements.become(stated)
    return gateway
