"""One exchange in a transaction of its own on PostgreSQL: it reads what it writes, and holds others off while it changes
what their decisions rest on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

import psycopg

from gateway.store import clock
from gateway.store.ledger import Buffer, Exchange, Step
from gateway.store.ledger_batch import Ended, lock_keys
from gateway.store.ledger_connections import LOST, Connection, Connections, told, undo
from gateway.store.ledger_transaction import EXCLUSIVE, SHARED, Transactions, fetch
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
            await self._hold(SHARED, step.hold)
            return await fetch(self._connection, step.statement, step)
        if isinstance(step, tuple):
            return [await self._step(read) for read in step]
        if isinstance(step, Write):
            params = dict(step.statement.with_fixed(step.params))
            return (await self._connection.execute(step.statement.for_postgres, params)).rowcount
        if step.policy and self._lock is not EXCLUSIVE:
            raise _PolicyWantedError
        await self._hold(EXCLUSIVE, step.tokens)
        return None

    async def _hold(self, how: bytes, tokens: Iterable[bytes]) -> None:
        keys = lock_keys(tokens)
        if keys:
            await self._connection.execute(how, (keys,), binary=True)
