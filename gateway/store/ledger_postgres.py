"""The ledger on PostgreSQL: the same exchanges, a batch per connection over a pipeline.

All reads of a batch travel in one round trip and all writes with the COMMIT in a second: exchanges begin on what stood
when the ledger last looked, and begin anew where the first round trip says that it has changed. Exchanges hold shared
advisory locks on the persons they decide about and on policy; who changes wishes or policy takes the exclusive one
in a transaction alone. (``FOR SHARE`` would miss rows that are new.) Locks are waited for in one order only; a batch
that comes to know of a person later tries the lock, and begins anew with all of them where it is taken. A batch that
crossed another at the same thing is begun anew; one that fails otherwise, or again, is run one by one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Generic

import psycopg

from gateway.fhir.outcomes import Unavailable
from gateway.store import clock
from gateway.store.ledger import Answer, Buffer, Context, Exchange, Moment, Request, Rows
from gateway.store.ledger_alone import TRIES, TRY_AGAIN, run_by_itself
from gateway.store.ledger_batch import Job, Part, Questions, lock_keys
from gateway.store.ledger_connections import (
    LOST,
    NOT_WRITTEN,
    PLANNED_ANEW,
    SETTINGS,
    Connection,
    Connections,
    Cursor,
    ask,
    told,
    undo,
)
from gateway.store.ledger_sequencer import seal_open
from gateway.store.ledger_together import run_each
from gateway.store.ledger_transaction import SHARED, TRY_SHARED, Transactions, fetch, send_all
from gateway.store.sql import Read
from gateway.store.vault import Vault

log = logging.getLogger("gateway.ledger")

BATCH = 64
BATCH_CONNECTIONS = 2
ALONE_CONNECTIONS = 4
READ_CONNECTIONS = 4
SNAPSHOT = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _CrossedError(Exception):
    """A lock out of turn was taken by somebody else: begin anew and take these first, in their order."""

    def __init__(self, tokens: frozenset[bytes]):
        super().__init__()
        self.tokens = tokens


class PostgresLedger(Generic[Context]):
    """See ``gateway.store.ledger.Ledger``. ``start`` before use."""

    def __init__(self, dsn: str, context: Context, vault: Vault):
        self._context = context
        self._transactions = Transactions(vault)
        self._waiting: list[Job] = []
        self._turns = 0
        self._is_dispatching = False
        self._for_batches = Connections(dsn, BATCH_CONNECTIONS)
        self._for_one = Connections(dsn, ALONE_CONNECTIONS)
        self._for_reads = Connections(dsn, READ_CONNECTIONS, SETTINGS + PLANNED_ANEW)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def start(self) -> None:
        """Open a first connection and learn the keys of the log. Raises Unavailable."""
        async with self._for_one.borrowed() as connection:
            await self._transactions.learn_year(connection, clock.now())

    async def run(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        self._refuse_if_closed()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(exchange, request, future))
        self._dispatch_soon()
        return await future

    async def run_alone(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        self._refuse_if_closed()
        task = self._in_background(run_by_itself(self._for_one, self._transactions, self._context, exchange, request))
        answer: Answer = await asyncio.shield(task)  # who goes away does not tear a commit apart
        return answer

    async def run_each(
        self, exchange: Exchange[Context, Request, Answer], requests: Sequence[Request]
    ) -> list[Answer | Exception]:
        self._refuse_if_closed()
        task = self._in_background(run_each(self._for_one, self._transactions, self._context, exchange, requests))
        answers: list[Answer | Exception] = await asyncio.shield(task)
        return answers

    async def read(self, reads: Sequence[Read]) -> list[Rows]:
        try:
            async with self._for_reads.borrowed() as connection, connection.transaction():
                await connection.execute(SNAPSHOT)
                return [await fetch(connection, read.statement, read) for read in reads]
        except LOST as fault:
            raise Unavailable(NOT_WRITTEN) from fault

    async def seal(self) -> int:
        """Give the entries that are not yet in the tree their places; one worker at a time does it."""
        async with self._for_one.borrowed() as connection:
            return await seal_open(connection)

    async def close(self) -> None:
        self._closed = True
        while self._tasks or self._waiting:
            await asyncio.sleep(0)  # what was asked for a moment ago begins
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for connections in (self._for_batches, self._for_one, self._for_reads):
            await connections.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise Unavailable("The gateway is closing. Please try again.")

    def _in_background(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its waiter may have gone; nobody else is told

    # -- a batch ------------------------------------------------------------------------------------------------------

    def _dispatch_soon(self) -> None:
        """What arrives together goes together."""
        if not self._is_dispatching:
            self._is_dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_dispatching = False
        while self._waiting and self._turns < BATCH_CONNECTIONS:
            jobs = self._waiting[:BATCH]
            del self._waiting[:BATCH]
            self._turns += 1
            self._in_background(self._turn(jobs))

    async def _turn(self, jobs: list[Job]) -> None:
        try:
            async with self._for_batches.borrowed() as connection:
                await self._guarded(connection, jobs)
        except Exception as fault:
            self._fail(jobs, fault)
        finally:
            self._turns -= 1
            self._dispatch()

    async def _guarded(self, connection: Connection, jobs: list[Job]) -> None:
        """Run a batch; where it fails as a whole, run its members one by one."""
        try:
            await self._uncrossed(connection, jobs)
        except Exception as fault:
            await undo(connection)
            crossed = isinstance(fault, TRY_AGAIN)
            if len(jobs) == 1 and not crossed:
                raise
            if crossed and await self._once_more(connection, jobs):
                return
        else:
            return
        for job in jobs:
            await self._by_itself(connection, job)

    async def _once_more(self, connection: Connection, jobs: list[Job]) -> bool:
        """Begin a batch anew that was at the same thing as another: it finds what the other did, and seldom fails again."""
        try:
            await self._uncrossed(connection, jobs)
        except Exception:
            await undo(connection)
            return False
        return True

    async def _uncrossed(self, connection: Connection, jobs: list[Job]) -> None:
        """Run a batch; begin anew with more locks taken first where it crossed somebody's."""
        ahead: frozenset[bytes] = frozenset()
        while True:
            try:
                await self._batch(connection, jobs, ahead)
            except _CrossedError as crossed:
                await undo(connection)
                ahead = ahead | crossed.tokens
            else:
                return

    async def _by_itself(self, connection: Connection, job: Job) -> None:
        last: Exception | None = None
        for _ in range(TRIES):
            try:
                await self._uncrossed(connection, [job])
            except Exception as fault:
                last = fault
                await undo(connection)
                if not isinstance(fault, TRY_AGAIN):
                    break
            else:
                return
        self._fail([job], last or AssertionError("not tried"))

    def _fail(self, jobs: list[Job], fault: Exception) -> None:
        shown = told(fault)
        if shown is not fault:
            log.error("exchanges could not be written", exc_info=fault)
        for job in jobs:
            job.fail(shown)

    async def _batch(self, connection: Connection, jobs: list[Job], ahead: frozenset[bytes]) -> None:
        at = clock.now()
        await self._transactions.learn_year(connection, at)
        async with connection.pipeline() as pipeline:
            foreseen = self._transactions.stood.moment(at)
            parts = self._begun(jobs, foreseen) if foreseen else []
            questions = Questions.of(parts)
            held = ahead | questions.hold
            stood = await self._transactions.send_opening(connection, SHARED, held)
            asked = await send_all(connection, questions.sent())
            await pipeline.sync()
            now = self._transactions.stood.learn(at, await stood.fetchall())
            if now == foreseen:
                await self._hand_out([part for part in parts if part.asked], questions, asked)
            else:
                parts = self._begun(jobs, now)
            while asking := [part for part in parts if part.asked]:
                held = await self._round(connection, pipeline, asking, held)
            buffer = Buffer()
            for part in parts:
                if part.outcome is not None:
                    buffer.take(part.outcome)
            await self._transactions.send_ending(connection, buffer)
        for part in parts:
            part.release()

    def _begun(self, jobs: list[Job], now: Moment) -> list[Part]:
        """The exchanges up to their first question; they have done nothing yet that would have to be undone."""
        parts = [Part(job, job.exchange(self._context, job.request, now)) for job in jobs]
        for part in parts:
            part.send(None)
        return parts

    async def _round(
        self, connection: Connection, pipeline: psycopg.AsyncPipeline, parts: list[Part], held: frozenset[bytes]
    ) -> frozenset[bytes]:
        """Ask what the parts ask and hand it out; gives the tokens that are now held."""
        questions = Questions.of(parts)
        wanted = frozenset(questions.hold) - held
        free = await ask(connection, TRY_SHARED if held else SHARED, (lock_keys(wanted),)) if wanted else None
        asked = await send_all(connection, questions.sent())
        await pipeline.sync()
        if free is not None and held and not (await free.fetchall())[0][0]:
            raise _CrossedError(held | wanted)
        await self._hand_out(parts, questions, asked)
        return held | wanted

    async def _hand_out(self, parts: list[Part], questions: Questions, asked: list[Cursor]) -> None:
        """Give each part the rows that it asked for."""
        rest = questions.sort([await cursor.fetchall() for cursor in asked])
        for part in parts:
            part.answer([questions.deal(read, rest) for read in part.asked])
