"""The tree of the access log on PostgreSQL: entries that are durable get their places, one worker at a time."""

from __future__ import annotations

from gateway.store import audit_log
from gateway.store.arrays import packed
from gateway.store.ledger_connections import Connection

SEQUENCER_LOCK = 2
TURN = audit_log.TURN
MINE = b"SELECT pg_try_advisory_xact_lock(%b::bigint)"


async def seal_open(connection: Connection) -> int:
    """Give the entries that are not yet in the tree their places; 0 where there are none, or another worker is at it."""
    async with connection.transaction():
        cursor = await connection.execute(MINE, (SEQUENCER_LOCK,), binary=True)
        row = await cursor.fetchone()
        return await _seal(connection) if row and row[0] else 0


async def _seal(connection: Connection) -> int:
    cursor = connection.cursor(binary=True)
    await cursor.execute(audit_log.LOCK_HEAD.for_postgres)
    frontier = (await cursor.fetchall())[0][0]
    await cursor.execute(audit_log.UNSEALED.for_postgres, dict(audit_log.UNSEALED.fixed))
    rows = await cursor.fetchall()
    if not rows:
        return 0
    entries, leaves = [row[0] for row in rows], [row[1] for row in rows]
    size, grown = audit_log.grow(frontier, leaves)
    places = audit_log.ADD_LEAF.packed((range(size, size + len(rows)), entries, leaves))
    await cursor.execute(audit_log.ADD_LEAF.many_for_postgres, places)
    await cursor.execute(audit_log.DROP_UNSEALED.for_postgres, {"entries": packed("text", entries)})
    await cursor.execute(audit_log.SET_HEAD.for_postgres, {"frontier": grown})
    return len(rows)
