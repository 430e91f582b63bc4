"""The register of erasures beside the keys: kept up while the gateway runs, and replayed before it serves."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from gateway.exchanges.subjects.erase_person import Again, replay_erasure
from gateway.store import subjects
from gateway.store.erasure_register import IS_THERE, Line, read_register, write_missing
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.erasing")

AT_ONCE = 500  # rows that are looked for in one read
EVERY = 20.0  # seconds


async def replay(ledger: Ledger, keys: Path) -> int:
    """Erase again what a restore brought back; gives how many. Raises RegisterFault: then nothing may be served."""
    lines = await asyncio.to_thread(read_register, keys)
    found = 0
    for start in range(0, len(lines), AT_ONCE):
        part = lines[start : start + AT_ONCE]
        there = await ledger.read([Read(IS_THERE, {"id": one.row}) for one in part])
        for one in (line for line, rows in zip(part, there, strict=True) if rows):
            found += await ledger.run_alone(replay_erasure, Again(one.row, one.agency, one.erased))
    if found:
        log.warning("a restore had brought back what was erased; it is erased again", extra={"state": str(found)})
    return found


async def keep_register(ledger: Ledger, keys: Path) -> int:
    """Write to the file what the database has more; gives how many. Raises RegisterFault, OSError."""
    (rows,) = await ledger.read([Read(subjects.REGISTER)])
    return await asyncio.to_thread(write_missing, keys, [Line(*row) for row in rows])


async def keeping_register(ledger: Ledger, keys: Path) -> None:
    """Keep the file up, for ever; said once where it cannot be written, as on a read-only mount."""
    said = False
    while True:
        try:
            await keep_register(ledger, keys)
            said = False
        except Exception:
            if not said:
                log.exception("the register of erasures beside the keys cannot be written: after a restore they would be undone")
            said = True
        await asyncio.sleep(EVERY)
