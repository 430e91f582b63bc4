"""Connections to PostgreSQL with the settings that durability rests on, a few of them kept for one kind of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from gateway.fhir.outcomes import Unavailable
from gateway.store.arrays import Packed, PackedDumper

Connection = AsyncConnection[Any]
Cursor = AsyncCursor[Any]

NOT_WRITTEN = "The gateway cannot write its records just now. Please try again; a repeat has no second effect."
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
CONNECT_SECONDS = 5
# A commit is durable before it is answered; nobody waits for ever for a lock, or behind a worker that stands still.
SETTINGS = b"SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' \
THEN 'remote_apply' ELSE 'on' END, false), set_config('lock_timeout', '10s', false), \
set_config('idle_in_transaction_session_timeout', '30s', false)"
# For what looks through tables: a plan that was made while a table was small is not kept.
PLANNED_ANEW = b", set_config('plan_cache_mode', 'force_custom_plan', false)"


async def open_connection(dsn: str, settings: bytes = SETTINGS) -> Connection:
    """A connection that commits only when told and prepares statements at once. Raises Unavailable."""
    try:
        connection: Connection = await AsyncConnection.connect(
            dsn, autocommit=True, prepare_threshold=0, connect_timeout=CONNECT_SECONDS
        )
    except LOST as fault:
        raise Unavailable(NOT_WRITTEN) from fault
    connection.adapters.register_dumper(Packed, PackedDumper)
    try:
        await connection.execute(settings)
    except BaseException as fault:  # cancelled, too: nobody else knows of this connection
        await connection.close()
        if isinstance(fault, LOST):
            raise Unavailable(NOT_WRITTEN) from fault
        raise
    return connection


class Connections:
    """So many connections, opened when they are first needed. One that proves lost takes the idle ones with it."""

    def __init__(self, dsn: str, size: int, settings: bytes = SETTINGS):
        self._dsn, self._settings = dsn, settings
        self._idle: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._idle.put_nowait(None)

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Connection]:
        """One connection for a while; waits until one is free. Raises Unavailable where none can be opened."""
        connection = await self._idle.get()
        try:
            if connection is None:
                connection = await open_connection(self._dsn, self._settings)
            yield connection
        finally:
            if connection is not None and connection.closed:
                connection = None
                await self.close()
            self._idle.put_nowait(connection)

    async def close(self) -> None:
        """Close what is idle; it is opened again when it is needed."""
        idle = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for connection in idle:
            self._idle.put_nowait(None)
            if connection is not None:
                await connection.close()


async def ask(connection: Connection, sql: bytes, params: Any) -> Cursor:
    """Send one statement; within a pipeline its rows are there after the next sync."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(sql, params)
    return cursor


def told(fault: Exception) -> Exception:
    """What a caller is told of a fault: a database that cannot be written now is no fault of the exchange."""
    if isinstance(fault, LOST):
        unavailable = Unavailable(NOT_WRITTEN)
        unavailable.__cause__ = fault
        return unavailable
    return fault


async def undo(connection: Connection) -> None:
    """Leave nothing of the open transaction. Raises Unavailable where the connection is lost."""
    if connection.closed:
        raise Unavailable(NOT_WRITTEN)
    await connection.execute(b"ROLLBACK")
