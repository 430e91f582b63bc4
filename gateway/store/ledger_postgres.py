"""The ledger on PostgreSQL: the same exchanges, a batch per connection over a pipeline.

All reads of a batch travel in one round trip and all writes with the COMMIT in a second: exchanges begin on what stood
when the ledger last looked, and begin anew where the first round trip says that it has changed. Exchanges hold shared
advisory locks on the persons they decide about and on policy; who changes wishes or policy takes the exclusive one
in a transaction alone. (``FOR SHARE`` would miss rows that are new.) Locks are waited for in one order only; a batch
that comes to know of a person later tries the lock, and begins anew with all of them where it is taken. A batch that
fails is run one by one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Generic

import psycopg

from gateway.fhir.outcomes import Unavailable
from gateway.store import audit_log, clock
from gateway.store.ledger import Answer, Buffer, Context, Exchange, Moment, Request, Rows, Step
from gateway.store.ledger_batch import Ended, Job, Part, Questions, lock_keys, statements
from gateway.store.ledger_connections import LOST, NOT_WRITTEN, Connection, Connections, Cursor, ask, told, undo
from gateway.store.ledger_sequencer import seal_open
from gateway.store.sql import Keyed, Read, Statement, Write
from gateway.store.standing import STOOD, Stood
from gateway.store.vault import Vault

log = logging.getLogger("gateway.ledger")

BATCH = 64
BATCH_CONNECTIONS = 2
ALONE_CONNECTIONS = 4
READ_CONNECTIONS = 4
POLICY_LOCK = 1
TRIES = 6
SHARED = b"SELECT pg_advisory_xact_lock_shared(k) FROM unnest(%b::bigint[]) AS k"
TRY_SHARED = b"SELECT coalesce(bool_and(pg_try_advisory_xact_lock_shared(k)), true) FROM unnest(%b::bigint[]) AS k"
EXCLUSIVE = b"SELECT pg_advisory_xact_lock(k) FROM unnest(%b::bigint[]) AS k"
SNAPSHOT = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Two workers at the same thing at once: whoever lost begins anew and finds what the other did.
TRY_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation)


class _PolicyWantedError(Exception):
    """The exchange changes policy: it is begun anew in a transaction that holds policy for itself."""


class _CrossedError(Exception):
    """A lock out of turn was taken by somebody else: begin anew and take these first, in their order."""

    def __init__(self, tokens: frozenset[bytes]):
        super().__init__()
        self.tokens = tokens


class PostgresLedger(Generic[Context]):
    """See ``gateway.store.ledger.Ledger``. ``start`` before use."""

    def __init__(self, dsn: str, context: Context, vault: Vault):
        self._context = context
        self._vault = vault
        self._stood = Stood()
        self._waiting: list[Job] = []
        self._turns = 0
        self._for_batches = Connections(dsn, BATCH_CONNECTIONS)
        self._for_one = Connections(dsn, ALONE_CONNECTIONS)
        self._for_reads = Connections(dsn, READ_CONNECTIONS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def start(self) -> None:
        """Open a first connection and learn the keys of the log. Raises Unavailable."""
        async with self._for_one.borrowed() as connection:
            await self._learn_year(connection, clock.now())

    async def run(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        self._refuse_if_closed()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(exchange, request, future))
        self._dispatch()
        return await future

    async def run_alone(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        self._refuse_if_closed()
        task = self._in_background(self._insist(exchange, request))
        answer: Answer = await asyncio.shield(task)  # who goes away does not tear a commit apart
        return answer

    async def read(self, reads: Sequence[Read]) -> list[Rows]:
        try:
            async with self._for_reads.borrowed() as connection, connection.transaction():
                await connection.execute(SNAPSHOT)
                return [await self._fetch(connection, read.statement, read) for read in reads]
        except LOST as fault:
            raise Unavailable(NOT_WRITTEN) from fault

    async def seal(self) -> int:
        """Give the entries that are not yet in the tree their places; one worker at a time does it."""
        async with self._for_one.borrowed() as connection:
            return await seal_open(connection)

    async def close(self) -> None:
        self._closed = True
        while self._tasks:
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

    # -- one exchange in a transaction of its own ---------------------------------------------------------------------

    async def _insist(self, exchange: Exchange[Any, Any, Any], request: Any) -> Any:
        """Run alone; begin anew where two workers crossed each other."""
        lock, last = SHARED, None
        for tried in range(TRIES):
            try:
                async with self._for_one.borrowed() as connection:
                    return await self._alone(connection, exchange, request, lock)
            except _PolicyWantedError:
                lock = EXCLUSIVE
            except TRY_AGAIN as fault:
                last = fault
                await asyncio.sleep(secrets.randbelow(1000) * 0.00001 * 2**tried)
            except LOST as fault:
                raise told(fault) from fault
        raise told(last or AssertionError("policy is wanted each time"))

    async def _alone(self, connection: Connection, exchange: Exchange[Any, Any, Any], request: Any, lock: bytes) -> Any:
        try:
            outcome = await self._whole(connection, exchange, request, lock)
        except BaseException:
            if not connection.closed:
                await undo(connection)
            raise
        return outcome.answer

    async def _whole(self, connection: Connection, exchange: Exchange[Any, Any, Any], request: Any, lock: bytes) -> Ended:
        """One exchange in one transaction, each step as it comes."""
        at = clock.now()
        await self._learn_year(connection, at)
        async with connection.pipeline() as pipeline:
            stood = await self._send_opening(connection, lock)
            await pipeline.sync()
            now = self._stood.learn(at, await stood.fetchall())
        outcome = await self._tell(connection, exchange(self._context, request, now), lock)
        buffer = Buffer()
        buffer.take(outcome)
        async with connection.pipeline():
            await self._commit(connection, buffer)
        return outcome

    async def _tell(self, connection: Connection, story: Any, lock: bytes) -> Ended:
        found: Any = None
        try:
            while True:
                found = await self._step(connection, story.send(found), lock)
        except StopIteration as end:
            outcome: Ended = end.value
            return outcome

    async def _step(self, connection: Connection, step: Step, lock: bytes) -> Any:
        if isinstance(step, Read):
            await self._hold(connection, SHARED, step.hold)
            return await self._fetch(connection, step.statement, step)
        if isinstance(step, tuple):
            return [await self._step(connection, read, lock) for read in step]
        if isinstance(step, Write):
            cursor = await connection.execute(step.statement.for_postgres, dict(step.statement.with_fixed(step.params)))
            return cursor.rowcount
        if step.policy and lock is not EXCLUSIVE:
            raise _PolicyWantedError
        await self._hold(connection, EXCLUSIVE, step.tokens)
        return None

    async def _hold(self, connection: Connection, how: bytes, tokens: Iterable[bytes]) -> None:
        keys = lock_keys(tokens)
        if keys:
            await connection.execute(how, (keys,), binary=True)

    async def _fetch(self, connection: Connection, statement: Statement, read: Read | None = None) -> Rows:
        cursor = await connection.execute(statement.for_postgres, _params(statement, read), binary=True)
        return await cursor.fetchall()

    async def _learn_year(self, connection: Connection, at: int) -> None:
        """The key of a year is durable before anything is sealed with it: committed by itself, apart from any exchange."""
        year = audit_log.year_of(at)
        if self._vault.knows_year(year):
            return
        fresh = {"id": year, "wrapped": self._vault.new_year_key(year)}
        await connection.execute(audit_log.ADD_YEAR.for_postgres, fresh)
        for known, wrapped in await self._fetch(connection, audit_log.YEARS):
            self._vault.learn_year(known, wrapped)

    # -- a batch ------------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
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
            if len(jobs) == 1 and not isinstance(fault, TRY_AGAIN):
                raise
        else:
            return
        for job in jobs:
            await self._by_itself(connection, job)

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
        await self._learn_year(connection, at)
        async with connection.pipeline() as pipeline:
            foreseen = self._stood.moment(at)
            parts = self._begun(jobs, foreseen) if foreseen else []
            questions = Questions.of(parts)
            held = ahead | questions.hold
            stood = await self._send_opening(connection, SHARED, held)
            asked = await self._send(connection, questions)
            await pipeline.sync()
            now = self._stood.learn(at, await stood.fetchall())
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
            await self._commit(connection, buffer)
        for part in parts:
            part.release()

    def _begun(self, jobs: list[Job], now: Moment) -> list[Part]:
        """The exchanges up to their first question; they have done nothing yet that would have to be undone."""
        parts = [Part(job, job.exchange(self._context, job.request, now)) for job in jobs]
        for part in parts:
            part.send(None)
        return parts

    async def _send_opening(self, connection: Connection, lock: bytes, held: Iterable[bytes] = ()) -> Cursor:
        """Begin a transaction with policy and persons held; gives what everything in it stands on, after the next sync."""
        await ask(connection, b"BEGIN", None)
        if lock is EXCLUSIVE:
            await ask(connection, EXCLUSIVE, ([POLICY_LOCK],))
        else:
            await ask(connection, SHARED, ([POLICY_LOCK, *lock_keys(held)],))
        return await ask(connection, STOOD.for_postgres, {})

    async def _commit(self, connection: Connection, buffer: Buffer) -> None:
        """Send all writes and the COMMIT; they are done when the pipeline is left."""
        for sql, params in statements(self._vault, buffer, clock.now()):
            await ask(connection, sql, params)
        await ask(connection, b"COMMIT", None)

    async def _round(
        self, connection: Connection, pipeline: psycopg.AsyncPipeline, parts: list[Part], held: frozenset[bytes]
    ) -> frozenset[bytes]:
        """Ask what the parts ask and hand it out; gives the tokens that are now held."""
        questions = Questions.of(parts)
        wanted = frozenset(questions.hold) - held
        free = await ask(connection, TRY_SHARED if held else SHARED, (lock_keys(wanted),)) if wanted else None
        asked = await self._send(connection, questions)
        await pipeline.sync()
        if free is not None and held and not (await free.fetchall())[0][0]:
            raise _CrossedError(held | wanted)
        await self._hand_out(parts, questions, asked)
        return held | wanted

    async def _send(self, connection: Connection, questions: Questions) -> list[Cursor]:
        """Send the reads of a round: the keyed ones, then the plain ones."""
        keyed = [
            await ask(connection, statement.for_postgres, {**statement.fixed, "keys": list(found)})
            for statement, found in questions.keyed.items()
        ]
        plain = [await ask(connection, read.statement.for_postgres, _params(read.statement, read)) for read in questions.plain]
        return keyed + plain

    async def _hand_out(self, parts: list[Part], questions: Questions, asked: list[Cursor]) -> None:
        """Give each part the rows that it asked for."""
        rows = [await cursor.fetchall() for cursor in asked]
        for found, mine in zip(questions.keyed.values(), rows, strict=False):
            for row in mine:
                found[row[0]].append(row)
        rest = iter(rows[len(questions.keyed) :])
        for part in parts:
            part.answer([questions.deal(read, rest) for read in part.asked])


def _params(statement: Statement, read: Read | None) -> dict[str, Any]:
    if read is None:
        return dict(statement.fixed)
    if isinstance(statement, Keyed):
        return {**statement.fixed, "keys": [read.params["key"]]}
    return dict(statement.with_fixed(read.params))
