"""The ledger on PostgreSQL: the same exchanges, a batch per connection over a pipeline.

All reads of a batch travel in one round trip and all writes with the COMMIT in a second. Exchanges hold shared
advisory locks on the persons they decide about and on policy; who changes wishes or policy takes the exclusive lock
in a transaction alone. (``FOR SHARE`` would miss rows that are new.) A batch that fails is run one by one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic

import psycopg
from psycopg import AsyncConnection, AsyncCursor, IsolationLevel

from gateway.audit.leaf import row_leaf
from gateway.fhir.outcomes import Unavailable
from gateway.store import audit_log, clock
from gateway.store.ledger import Answer, Buffer, Context, Exchange, Moment, Outcome, Request, Rows, Step, Upkeep
from gateway.store.sql import Added, Hold, Keyed, Read, Statement, Write
from gateway.store.standing import FEEDS, STANDING, moment
from gateway.store.vault import Vault

log = logging.getLogger("gateway.ledger")

BATCH = 64
BATCH_CONNECTIONS = 2
ALONE_CONNECTIONS = 4
POLICY_LOCK = 1
SEQUENCER_LOCK = 2
SHARED = b"SELECT pg_advisory_xact_lock_shared(k) FROM unnest(%b::bigint[]) AS k"
EXCLUSIVE = b"SELECT pg_advisory_xact_lock(k) FROM unnest(%b::bigint[]) AS k"
NOT_WRITTEN = "The gateway cannot write its records just now. Please try again; a repeat has no second effect."
TRY_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)

Connection = AsyncConnection[Any]


def lock_keys(tokens: Iterable[bytes]) -> list[int]:
    """Advisory lock keys of persons, in the one order in which everybody takes them."""
    return sorted({int.from_bytes(token[:8], "big", signed=True) for token in tokens})


@dataclass(slots=True)
class Job:
    exchange: Exchange[Any, Any, Any]
    request: Any
    future: asyncio.Future[Any]


@dataclass(slots=True)
class Part:
    """One exchange within a batch: its generator, what it waits for, how it ended."""

    job: Job
    story: Generator[Step, Any, Outcome[Any] | Upkeep[Any]]
    asked: tuple[Read, ...] = ()
    single: bool = True
    outcome: Outcome[Any] | Upkeep[Any] | None = None
    fault: Exception | None = None

    def send(self, found: Any) -> None:
        try:
            step = self.story.send(found)
        except StopIteration as end:
            self.outcome = end.value
            self.asked = ()
        except Exception as fault:
            self.fault = fault
            self.asked = ()
        else:
            self._ask(step)

    def _ask(self, step: Step) -> None:
        if isinstance(step, Read):
            self.asked, self.single = (step,), True
        elif isinstance(step, tuple):
            self.asked, self.single = step, False
        else:
            raise AssertionError("an exchange that shares a batch reads first and writes at its end")

    def answer(self, found: list[Rows]) -> None:
        self.send(found[0] if self.single else found)


@dataclass(slots=True)
class Questions:
    """The reads of one round, with those of one keyed statement joined into one."""

    plain: list[Read] = field(default_factory=list)
    keyed: dict[Keyed, dict[Any, Rows]] = field(default_factory=dict)
    hold: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Questions:
        questions = cls()
        for part in parts:
            for read in part.asked:
                questions.hold.update(read.hold)
                if isinstance(read.statement, Keyed):
                    questions.keyed.setdefault(read.statement, {}).setdefault(read.params["key"], [])
                else:
                    questions.plain.append(read)
        return questions


async def open_connection(dsn: str) -> Connection:
    """A connection that commits only when told, prepares statements at once, and speaks binary."""
    connection = await AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=0)
    await connection.execute("SET synchronous_commit = on")
    return connection


class PostgresLedger(Generic[Context]):
    """See ``gateway.store.ledger.Ledger``. ``start`` before use."""

    def __init__(self, dsn: str, context: Context, vault: Vault):
        self._dsn = dsn
        self._context = context
        self._vault = vault
        self._waiting: list[Job] = []
        self._free: list[Connection | None] = [None] * BATCH_CONNECTIONS
        self._alone: asyncio.Queue[Connection | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        for _ in range(ALONE_CONNECTIONS):
            self._alone.put_nowait(None)
        async with self._borrowed() as connection:
            await self._learn_year(connection, clock.now())

    async def run(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        if self._closed:
            raise Unavailable("The gateway is closing. Please try again.")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(exchange, request, future))
        self._dispatch()
        return await future

    async def run_alone(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        for last in (False, False, True):
            try:
                async with self._borrowed() as connection:
                    answer: Answer = await self._whole(connection, exchange, request)
                    return answer
            except TRY_AGAIN as fault:
                if last:
                    raise Unavailable(NOT_WRITTEN) from fault
            except psycopg.OperationalError as fault:
                raise Unavailable(NOT_WRITTEN) from fault
        raise AssertionError("not reached")

    async def read(self, reads: Sequence[Read]) -> list[Rows]:
        connection = await AsyncConnection.connect(self._dsn)
        async with connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            found = []
            for read in reads:
                cursor = await connection.execute(read.statement.for_postgres, dict(read.statement.with_fixed(read.params)))
                found.append(await cursor.fetchall())
            return found

    async def close(self) -> None:
        self._closed = True
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._free:
            if connection is not None:
                await connection.close()
        while not self._alone.empty():
            waiting = self._alone.get_nowait()
            if waiting is not None:
                await waiting.close()

    async def seal(self) -> int:
        """Give the entries that are not yet in the tree their places; one worker at a time does it."""
        async with self._borrowed() as connection, connection.transaction():
            cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))
            row = await cursor.fetchone()
            if not (row and row[0]):
                return 0
            return await self._seal_open(connection)

    async def _seal_open(self, connection: Connection) -> int:
        head = await self._fetch(connection, audit_log.LOCK_HEAD)
        rows = [audit_log.as_log_row(columns) for columns in await self._fetch(connection, audit_log.UNSEALED)]
        if not rows:
            return 0
        leaves = [row_leaf(row) for row in rows]
        size, frontier = audit_log.grow(head[0][0], leaves)
        cursor = connection.cursor()
        places = [
            {"place": size + step, "entry": row.id, "hash": leaf}
            for step, (row, leaf) in enumerate(zip(rows, leaves, strict=True))
        ]
        await cursor.executemany(audit_log.ADD_LEAF.for_postgres, places)
        await cursor.executemany(audit_log.DROP_UNSEALED.for_postgres, [{"entry": row.id} for row in rows])
        await cursor.execute(audit_log.SET_HEAD.for_postgres, {"frontier": frontier})
        return len(rows)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        connection = await self._alone.get()
        try:
            if connection is None or connection.broken or connection.closed:
                connection = await self._connect()
            yield connection
        finally:
            self._alone.put_nowait(connection)

    async def _connect(self) -> Connection:
        try:
            return await open_connection(self._dsn)
        except psycopg.OperationalError as fault:
            raise Unavailable(NOT_WRITTEN) from fault

    async def _whole(self, connection: Connection, exchange: Exchange[Any, Any, Any], request: Any) -> Any:
        """One exchange in one transaction, each step as it comes."""
        async with connection.transaction():
            now = await self._moment(connection)
            story = exchange(self._context, request, now)
            found: Any = None
            try:
                while True:
                    found = await self._step(connection, story.send(found))
            except StopIteration as end:
                outcome: Outcome[Any] | Upkeep[Any] = end.value
            buffer = Buffer()
            buffer.take(outcome)
            for sql, params in self._write_batch(buffer):
                await connection.execute(sql, params, binary=True)
        return outcome.answer

    async def _step(self, connection: Connection, step: Step) -> Any:
        if isinstance(step, Read):
            await self._hold(connection, SHARED, step.hold)
            return await self._fetch(connection, step.statement, step)
        if isinstance(step, tuple):
            return [await self._step(connection, read) for read in step]
        if isinstance(step, Write):
            cursor = await connection.execute(step.statement.for_postgres, dict(step.statement.with_fixed(step.params)))
            return cursor.rowcount
        if step.policy:
            await connection.execute(EXCLUSIVE, ([POLICY_LOCK],), binary=True)
        await self._hold(connection, EXCLUSIVE, step.tokens)
        return None

    async def _hold(self, connection: Connection, how: bytes, tokens: Iterable[bytes]) -> None:
        keys = lock_keys(tokens)
        if keys:
            await connection.execute(how, (keys,))

    async def _fetch(self, connection: Connection, statement: Statement, read: Read | None = None) -> Rows:
        params = dict(statement.with_fixed(read.params if read else {}))
        if isinstance(statement, Keyed):
            params = {**statement.fixed, "keys": [params["key"]]}
        cursor = await connection.execute(statement.for_postgres, params, binary=True)
        return await cursor.fetchall()

    async def _moment(self, connection: Connection) -> Moment:
        at = clock.now()
        await self._learn_year(connection, at)
        return moment(at, await self._fetch(connection, STANDING), await self._fetch(connection, FEEDS))

    async def _learn_year(self, connection: Connection, at: int) -> None:
        year = audit_log.year_of(at)
        if self._vault.knows_year(year):
            return
        fresh = {"id": year, "wrapped": self._vault.new_year_key(year)}
        await connection.execute(audit_log.ADD_YEAR.for_postgres, fresh)
        for known, wrapped in await self._fetch(connection, audit_log.YEARS):
            self._vault.learn_year(known, wrapped)

    def _dispatch(self) -> None:
        while self._waiting and self._free:
            connection = self._free.pop()
            jobs = self._waiting[:BATCH]
            del self._waiting[:BATCH]
            task = asyncio.get_running_loop().create_task(self._turn(connection, jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _turn(self, connection: Connection | None, jobs: list[Job]) -> None:
        try:
            if connection is None or connection.broken or connection.closed:
                connection = await self._connect()
            await self._guarded(connection, jobs)
        except Exception as fault:
            self._fail(jobs, fault)
        finally:
            self._free.append(connection)
            self._dispatch()

    async def _guarded(self, connection: Connection, jobs: list[Job]) -> None:
        """Run a batch; where it fails as a whole, run its members one by one."""
        try:
            await self._batch(connection, jobs)
        except psycopg.Error:
            if connection.broken:
                raise
            await connection.execute("ROLLBACK")
            if len(jobs) == 1:
                raise
            for job in jobs:
                await self._alone_after_failure(connection, job)

    async def _alone_after_failure(self, connection: Connection, job: Job) -> None:
        try:
            await self._batch(connection, [job])
        except psycopg.Error as fault:
            if not connection.broken:
                await connection.execute("ROLLBACK")
            self._fail([job], fault)

    def _fail(self, jobs: list[Job], fault: Exception) -> None:
        told: Exception = fault
        if isinstance(fault, psycopg.Error):
            log.error("a batch failed: %s", type(fault).__name__)
            told = Unavailable(NOT_WRITTEN)
            told.__cause__ = fault
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(told)

    async def _batch(self, connection: Connection, jobs: list[Job]) -> None:
        at = clock.now()
        await self._learn_year(connection, at)
        async with connection.pipeline() as pipeline:
            opening = [await self._ask(connection, b"BEGIN", None)]
            await self._ask(connection, SHARED, ([POLICY_LOCK],))
            opening.append(await self._ask(connection, STANDING.for_postgres, {}))
            opening.append(await self._ask(connection, FEEDS.for_postgres, {}))
            await pipeline.sync()
            now = moment(at, await opening[1].fetchall(), await opening[2].fetchall())
            parts = [Part(job, job.exchange(self._context, job.request, now)) for job in jobs]
            for part in parts:
                part.send(None)
            while any(part.asked for part in parts):
                await self._round(connection, pipeline, [part for part in parts if part.asked])
            buffer = Buffer()
            for part in parts:
                if part.outcome is not None:
                    buffer.take(part.outcome)
            for sql, params in self._write_batch(buffer):
                await self._ask(connection, sql, params)
            await self._ask(connection, b"COMMIT", None)
            await pipeline.sync()
        self._release(parts)

    def _release(self, parts: list[Part]) -> None:
        for part in parts:
            if part.job.future.done():
                continue
            if part.outcome is not None:
                part.job.future.set_result(part.outcome.answer)
            else:
                part.job.future.set_exception(part.fault or AssertionError("an exchange that did not end"))

    async def _round(self, connection: Connection, pipeline: psycopg.AsyncPipeline, parts: list[Part]) -> None:
        questions = Questions.of(parts)
        if questions.hold:
            await self._ask(connection, SHARED, (lock_keys(questions.hold),))
        keyed = [
            (statement, await self._ask(connection, statement.for_postgres, {**statement.fixed, "keys": list(found)}))
            for statement, found in questions.keyed.items()
        ]
        plain = [await self._ask(connection, read.statement.for_postgres, dict(read.statement.with_fixed(read.params))) for read in questions.plain]
        await pipeline.sync()
        for statement, cursor in keyed:
            for row in await cursor.fetchall():
                questions.keyed[statement][row[0]].append(row)
        rest = iter([await cursor.fetchall() for cursor in plain])
        for part in parts:
            part.answer([self._deal(read, questions, rest) for read in part.asked])

    @staticmethod
    def _deal(read: Read, questions: Questions, rest: Any) -> Rows:
        if isinstance(read.statement, Keyed):
            return questions.keyed[read.statement][read.params["key"]]
        rows: Rows = next(rest)
        return rows

    @staticmethod
    async def _ask(connection: Connection, sql: bytes, params: Any) -> AsyncCursor[Any]:
        cursor = connection.cursor(binary=True)
        await cursor.execute(sql, params)
        return cursor

    def _write_batch(self, buffer: Buffer) -> list[tuple[bytes, Any]]:
        """Statements of a batch: rows added go in one statement per table."""
        statements: list[tuple[bytes, Any]] = []
        for statement, rows in buffer.by_statement.items():
            if isinstance(statement, Added):
                statements.append(_unnest(statement, rows))
            else:
                statements.extend((statement.for_postgres, dict(statement.with_fixed(row))) for row in rows)
        sealed = audit_log.seal_entries(self._vault, buffer.entries)
        if sealed.rows:
            statements.append(_unnest(audit_log.ADD_ENTRY, sealed.rows))
            unsealed = [{"entry": row["id"], "recorded": row["recorded"]} for row in sealed.rows]
            statements.append(_unnest(audit_log.ADD_UNSEALED, unsealed))
        return statements


def _unnest(statement: Added, rows: Sequence[Any]) -> tuple[bytes, list[list[Any]]]:
    return statement.many_for_postgres, [[row[name] for row in rows] for name in statement.columns]
