"""The ledger on SQLite, the embedded default (WAL, synchronous=FULL).

The event loop runs the waiting exchanges in one open transaction; a thread does nothing but the durable commit, so
that one fsync serves many; then all their answers are released. Alone, a request waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from gateway.fhir.outcomes import Unavailable
from gateway.store import audit_log, clock
from gateway.store.ledger import Answer, Buffer, Context, Exchange, Moment, Outcome, Request, Rows, Step, Upkeep
from gateway.store.sql import Read, Write
from gateway.store.standing import STOOD, Stood
from gateway.store.vault import Vault

log = logging.getLogger("gateway.ledger")

BATCH = 64
NOT_WRITTEN = "The gateway cannot write its records just now. Nothing was done; please try again."


@dataclass(slots=True)
class Job:
    """An exchange that waits, and who waits for it."""

    exchange: Exchange[Any, Any, Any]
    request: Any
    future: asyncio.Future[Any]
    alone: bool


@dataclass(slots=True)
class Ended:
    """How a job ended in the open transaction; told to nobody before the commit."""

    job: Job
    answer: Any = None
    fault: BaseException | None = None


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with the settings that durability rests on."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("PRAGMA busy_timeout=5000")
    db.execute("PRAGMA foreign_keys=ON")
    if read_only:
        db.execute("PRAGMA query_only=ON")
    else:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")  # what is erased is written over, whatever SQLite was built with
        db.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: pages that change often are copied back less often
        db.execute("PRAGMA cache_size=-32000")
    return db


def _fetch(db: sqlite3.Connection, read: Read) -> Rows:
    return db.execute(read.statement.for_sqlite, read.statement.with_fixed(read.params)).fetchall()


def _told(fault: BaseException) -> BaseException:
    """What a caller is told of a fault: a database that cannot be written now is no fault of the exchange."""
    if isinstance(fault, sqlite3.OperationalError) or type(fault) is sqlite3.DatabaseError:
        told = Unavailable(NOT_WRITTEN)
        told.__cause__ = fault
        return told
    return fault


class SqliteLedger(Generic[Context]):
    """See ``gateway.store.ledger.Ledger``."""

    def __init__(self, path: Path, context: Context, vault: Vault):
        self._path = path
        self._context = context
        self._vault = vault
        self._db = connect(path)
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="read")
        self._stood = Stood()
        self._waiting: list[Job] = []
        self._one_by_one = 0  # jobs of an undone batch that are still to be tried by themselves
        self._broken = False
        self._busy = False
        self._closed = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def run(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        answer: Answer = await self._join(exchange, request, alone=False)
        return answer

    async def run_alone(self, exchange: Exchange[Context, Request, Answer], request: Request) -> Answer:
        answer: Answer = await self._join(exchange, request, alone=True)
        return answer

    async def run_each(
        self, exchange: Exchange[Context, Request, Answer], requests: Sequence[Request]
    ) -> list[Answer | Exception]:
        jobs = [self._join(exchange, request, alone=True) for request in requests]
        answers: list[Answer | Exception] = await asyncio.gather(*jobs, return_exceptions=True)
        return answers

    async def read(self, reads: Sequence[Read]) -> list[Rows]:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._snapshot, reads)

    async def close(self) -> None:
        self._closed = True
        await self._quiet.wait()
        self._committer.shutdown()
        self._readers.shutdown()
        self._db.close()

    def _snapshot(self, reads: Sequence[Read]) -> list[Rows]:
        try:
            db = connect(self._path, read_only=True)
        except sqlite3.Error as fault:
            raise _told(fault) from fault
        try:
            db.execute("BEGIN")
            return [_fetch(db, read) for read in reads]
        except sqlite3.Error as fault:
            raise _told(fault) from fault
        finally:
            db.close()

    def _join(self, exchange: Exchange[Any, Any, Any], request: Any, *, alone: bool) -> asyncio.Future[Any]:
        if self._closed:
            raise Unavailable("The gateway is closing. Please try again.")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(Job(exchange, request, future, alone))
        if not self._busy:
            self._busy = True
            self._quiet.clear()
            loop.call_soon(self._batch)
        return future

    def _batch(self) -> None:
        limit = 1 if self._one_by_one else BATCH
        self._one_by_one = max(0, self._one_by_one - 1)
        jobs = self._waiting[:limit]
        del self._waiting[:limit]
        try:
            self._mend()
            at = clock.now()
            self._learn_year(at)
            self._db.execute("BEGIN IMMEDIATE")
            ended = self._perform(jobs, at)
        except Exception as fault:
            self._undo(jobs, fault)
            return
        commit = self._committer.submit(self._db.execute, "COMMIT")
        loop = asyncio.get_running_loop()
        commit.add_done_callback(lambda done: loop.call_soon_threadsafe(self._after_commit, jobs, ended, done))

    def _after_commit(self, jobs: list[Job], ended: list[Ended], commit: Future[Any]) -> None:
        fault = commit.exception()
        if fault is not None:
            self._undo(jobs, fault)
            return
        self._next()
        for end in ended:
            if end.job.future.done():
                continue
            if end.fault is None:
                end.job.future.set_result(end.answer)
            else:
                end.job.future.set_exception(end.fault)

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            asyncio.get_running_loop().call_soon(self._batch)
        else:
            self._quiet.set()

    def _undo(self, jobs: list[Job], fault: BaseException) -> None:
        """Nothing of the batch happened. One bad member must not fail the others: run them one by one."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._broken = True
        if len(jobs) > 1:
            self._one_by_one += len(jobs)
            self._waiting[:0] = jobs
        else:
            self._fail(jobs, fault)
        self._next()

    def _mend(self) -> None:
        """A connection that could not even be rolled back is replaced; what was not committed goes with it."""
        if self._broken:
            self._db.close()
            self._db = connect(self._path)
            self._broken = False

    def _fail(self, jobs: list[Job], fault: BaseException) -> None:
        told = _told(fault)
        if told is not fault:
            log.error("exchanges could not be written", exc_info=fault)
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(told)

    def _perform(self, jobs: list[Job], at: int) -> list[Ended]:
        """Run the jobs in the open transaction and write what they return, their audit entries sealed."""
        now = self._stood.learn(at, self._rows(STOOD.for_sqlite))
        buffer = Buffer()
        ended = [self._one(job, now, buffer) for job in jobs]
        self._flush(buffer)
        self._seal(buffer)
        return ended

    def _one(self, job: Job, now: Moment, buffer: Buffer) -> Ended:
        if job.alone:
            self._flush(buffer)
            self._db.execute("SAVEPOINT exchange")
        try:
            outcome = self._drive(job, now)
        except Exception as fault:
            if job.alone:
                self._db.execute("ROLLBACK TO exchange")
                self._db.execute("RELEASE exchange")
            return Ended(job, fault=_told(fault))
        if job.alone:
            self._db.execute("RELEASE exchange")
        buffer.take(outcome)
        return Ended(job, outcome.answer)

    def _drive(self, job: Job, now: Moment) -> Outcome[Any] | Upkeep[Any]:
        story = job.exchange(self._context, job.request, now)
        found: Any = None
        try:
            while True:
                found = self._step(story.send(found), alone=job.alone)
        except StopIteration as end:
            outcome: Outcome[Any] | Upkeep[Any] = end.value
            return outcome

    def _step(self, step: Step, *, alone: bool) -> Any:
        if type(step) is Read:
            return _fetch(self._db, step)
        if type(step) is tuple:
            return [_fetch(self._db, read) for read in step]
        if not alone:
            raise TypeError("an exchange that shares a batch reads first and writes at its end")
        if isinstance(step, Write):
            return self._db.execute(step.statement.for_sqlite, step.statement.with_fixed(step.params)).rowcount
        return None  # a Hold: the open transaction already holds everything

    def _rows(self, sql: str) -> Rows:
        return self._db.execute(sql).fetchall()

    def _flush(self, buffer: Buffer) -> None:
        for statement, rows in buffer.by_statement.items():
            self._db.executemany(statement.for_sqlite, [statement.with_fixed(row) for row in rows])
        buffer.by_statement.clear()

    def _seal(self, buffer: Buffer) -> None:
        if not buffer.exchanges:
            return
        sealed = audit_log.seal_exchanges(self._vault, buffer.exchanges)
        size, frontier = audit_log.grow(self._rows(audit_log.HEAD.for_sqlite)[0][0], sealed.leaves)
        self._db.executemany(audit_log.ADD_ENTRY.many_for_sqlite, sealed.rows)
        self._db.executemany(audit_log.ADD_LEAF.many_for_sqlite, audit_log.leaf_rows(sealed, size))
        self._db.executemany(audit_log.ADD_BESIDE.many_for_sqlite, sealed.beside)
        self._db.executemany(audit_log.ADD_MARK.many_for_sqlite, sealed.marks)
        self._db.execute(audit_log.SET_HEAD.for_sqlite, {"frontier": frontier})

    def _learn_year(self, at: int) -> None:
        """The key of a year is durable before anything is sealed with it: committed by itself, apart from any batch."""
        year = audit_log.year_of(at)
        if self._vault.knows_year(year):
            return
        fresh = {"id": year, "wrapped": self._vault.new_year_key(year)}
        self._db.execute(audit_log.ADD_YEAR.for_sqlite, fresh)
        for known, wrapped in self._rows(audit_log.YEARS.for_sqlite):
            self._vault.learn_year(known, wrapped)
