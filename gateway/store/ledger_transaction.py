"""What every transaction on PostgreSQL begins and ends with, whether it holds one exchange or a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.store import audit_log, clock
from gateway.store.ledger import Buffer, Rows
from gateway.store.ledger_batch import Written, lock_keys, statements
from gateway.store.ledger_connections import Connection, Cursor, ask
from gateway.store.sql import Read, Statement
from gateway.store.standing import STOOD, Stood
from gateway.store.vault import Vault

POLICY_LOCK = 1
SHARED = b"SELECT pg_advisory_xact_lock_shared(k) FROM unnest(%b::bigint[]) AS k"
TRY_SHARED = b"SELECT coalesce(bool_and(pg_try_advisory_xact_lock_shared(k)), true) FROM unnest(%b::bigint[]) AS k"
EXCLUSIVE = b"SELECT pg_advisory_xact_lock(k) FROM unnest(%b::bigint[]) AS k"
TRY_EXCLUSIVE = b"SELECT coalesce(bool_and(pg_try_advisory_xact_lock(k)), true) FROM unnest(%b::bigint[]) AS k"


class Transactions:
    """Openings and endings, and what was last seen to stand."""

    __slots__ = ("_vault", "stood")

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.stood = Stood()

    async def learn_year(self, connection: Connection, at: int) -> None:
        """The key of a year is durable before anything is sealed with it: committed by itself, apart from any exchange."""
        year = audit_log.year_of(at)
        if self._vault.knows_year(year):
            return
        fresh = {"id": year, "wrapped": self._vault.new_year_key(year)}
        await connection.execute(audit_log.ADD_YEAR.for_postgres, fresh)
        for known, wrapped in await fetch(connection, audit_log.YEARS):
            self._vault.learn_year(known, wrapped)

    async def send_opening(self, connection: Connection, lock: bytes, held: Iterable[bytes] = ()) -> Cursor:
        """Begin a transaction with policy and persons held; gives what everything in it stands on, after the next sync."""
        await ask(connection, b"BEGIN", None)
        await ask(connection, lock, (lock_keys(held, POLICY_LOCK),))
        return await ask(connection, STOOD.for_postgres, {})

    async def send_ending(self, connection: Connection, buffer: Buffer) -> None:
        """Send all writes and the COMMIT; they are done when the pipeline is left."""
        await send_all(connection, statements(self._vault, buffer, clock.now()))
        await ask(connection, b"COMMIT", None)


async def fetch(connection: Connection, statement: Statement, read: Read | None = None) -> Rows:
    """The rows of one read, at once."""
    cursor = await connection.execute(statement.for_postgres, params_of(statement, read), binary=True)
    return await cursor.fetchall()


def params_of(statement: Statement, read: Read | None) -> dict[str, Any]:
    """The parameters of a read by itself."""
    return dict(statement.fixed if read is None else statement.with_fixed(read.params))


async def send_all(connection: Connection, statements: Iterable[Written]) -> list[Cursor]:
    """Send statements within a pipeline; their cursors in the same order."""
    return [await ask(connection, sql, params) for sql, params in statements]
