"""One exchange in a transaction of its own on PostgreSQL: it reads what it writes, and holds others off while it changes
what their decisions rest on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

import psycopg

from gateway.store import clock
from gateway.store.ledger import Buffer, Exchange, Rows, Step
from gateway.store.ledger_batch import Ended, lock_keys
from gateway.store.ledger_connections import LOST, Connection, Connections, ask, told, undo
from gateway.store.ledger_transaction import EXCLUSIVE, SHARED, Transactions, fetch, params_of
from gateway.store.sql import Read, Write

TRIES = 6
# Two workers at the same thing at once: whoever lost begins anew and finds what the other did.
TRY_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation)


class _PolicyWantedError(Exception):
    """The exchange changes policy: it is begun anew in a transaction that holds policy for itself."""


async def run_by_itself(
    connections: Connections, transactions: Transactions, context: Any, exchange: Exchange[Any, Any, Any], request: Any
) -> Any:
    """The exchange's answer, once it is durable; begun anew where two workers crossed each other. Raises Unavailable, and
    what the exchange raises."""
    lock, last = SHARED, None
    for tried in range(TRIES):
        try:
            async with connections.borrowed() as connection:
                return await _Turn(connection, transactions, lock).run(context, exchange, request)
        except _PolicyWantedError:
            lock = EXCLUSIVE
        except TRY_AGAIN as fault:
            last = fault
            await asyncio.sleep(secrets.randbelow(1000) * 0.00001 * 2**tried)
        except LOST as fault:
            raise told(fault) from fault
    raise told(last or AssertionError("policy is wanted each time"))


class _Turn:
    """One try at it, on one connection."""

    def __init__(self, connection: Connection, transactions: Transactions, lock: bytes) -> None:
        self._connection, self._transactions, self._lock = connection, transactions, lock
        self._later: list[Write] = []  # changes that travel with what is asked next

    async def run(self, context: Any, exchange: Exchange[Any, Any, Any], request: Any) -> Any:
        try:
            outcome = await self._whole(context, exchange, request)
        except BaseException:
            if not self._connection.closed:
                await undo(self._connection)
            raise
        return outcome.answer

    async def _whole(self, context: Any, exchange: Exchange[Any, Any, Any], request: Any) -> Ended:
        at = clock.now()
        await self._transactions.learn_year(self._connection, at)
        async with self._connection.pipeline() as pipeline:
            stood = await self._transactions.send_opening(self._connection, self._lock)
            await pipeline.sync()
            now = self._transactions.stood.learn(at, await stood.fetchall())
        outcome = await self._tell(exchange(context, request, now))
        buffer = Buffer()
        buffer.take(outcome)
        async with self._connection.pipeline():
            await self._send_later()
            await self._transactions.send_ending(self._connection, buffer)
        return outcome

    async def _tell(self, story: Any) -> Ended:
        """The story step by step, each as it comes."""
        found: Any = None
        try:
            while True:
                found = await self._step(story.send(found))
        except StopIteration as end:
            outcome: Ended = end.value
            return outcome

    async def _step(self, step: Step) -> Any:
        if isinstance(step, Read):
            return (await self._ask((step,)))[0]
        if isinstance(step, tuple):
            return await self._ask(step)
        if isinstance(step, Write):
            return await self._write(step)
        if step.policy and self._lock is not EXCLUSIVE:
            raise _PolicyWantedError
        await self._hold(EXCLUSIVE, step.tokens)
        return None

    async def _ask(self, reads: tuple[Read, ...]) -> list[Rows]:
        """The rows of each read, and what was to be written before, in one round trip."""
        for read in reads:
            await self._hold(SHARED, read.hold)
        if len(reads) == 1 and not self._later:
            return [await fetch(self._connection, reads[0].statement, reads[0])]
        async with self._connection.pipeline() as pipeline:
            await self._send_later()
            asked = [await ask(self._connection, read.statement.for_postgres, params_of(read.statement, read)) for read in reads]
            await pipeline.sync()
        return [await cursor.fetchall() for cursor in asked]

    async def _write(self, step: Write) -> int:
        """The number of rows that a change is of; one that travels later is told as one, as an added row is."""
        if step.may_travel:
            self._later.append(step)
            return 1
        async with self._connection.pipeline() as pipeline:
            await self._send_later()
            params = dict(step.statement.with_fixed(step.params))
            done = await ask(self._connection, step.statement.for_postgres, params)
            await pipeline.sync()
        return done.rowcount

    async def _send_later(self) -> None:
        later, self._later = self._later, []
        for step in later:
            await ask(self._connection, step.statement.for_postgres, dict(step.statement.with_fixed(step.params)))

    async def _hold(self, how: bytes, tokens: Iterable[bytes]) -> None:
        held = list(tokens)
        if held:
            async with self._connection.pipeline():
                await self._send_later()
                await ask(self._connection, how, (lock_keys(held),))
