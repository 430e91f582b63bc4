"""How the log itself stands: its size, its signed head, who vouches for it, gaps, restores, the last check."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.audit.checkpoint import BadCheckpoint
from gateway.audit.merkle import Frontier
from gateway.audit.told import Facts
from gateway.exchanges.context import Context
from gateway.exchanges.log import record_check
from gateway.exchanges.log.search_audit import AuditQuery, open_entry
from gateway.store import clock, log_health, upkeep, witnesses
from gateway.store.audit_log import LAST_CHECKPOINT
from gateway.store.ledger import Ledger, Rows
from gateway.store.sql import Read

SOUND, BEWARE, BROKEN = "In order", "Look at this", "Broken"
OLD = 15 * 60 * clock.SECOND  # a head that is due every minute
NEWEST = 100_000  # leaves that are counted at each look
UNSEALED = 60 * clock.SECOND
CHECKED_WITHIN = 31 * clock.DAY
SIGNS = "signs"


async def health(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> tuple[list[Facts], None]:
    """One line for each thing that an auditor should know of the log."""
    now = clock.now()
    checks = {"exchange": record_check.NAME, "since": 0}
    head, waiting, restored, vouching, checked = await ledger.read([
        Read(log_health.HEAD), Read(log_health.WAITING), Read(log_health.RESTORED),
        Read(witnesses.WITNESSES), Read(log_health.CHECKS, checks),
    ])  # fmt: skip
    size = Frontier.from_bytes(head[0][0]).size
    return [
        await _size(ledger, size),
        await _signed(ctx, ledger, size, now),
        _waiting(waiting, now),
        *_witnesses(vouching, now),
        *[
            _line("Restored from a backup", BEWARE, f"taken back to {size} entries, entry {entry}", at)
            for size, entry, at in restored
        ],
        _checked(ctx, checked, now),
    ], None


async def _size(ledger: Ledger, size: int) -> Facts:
    """Whether the newest places are all taken; every place is looked at by ``gateway audit verify``."""
    first = max(0, size - NEWEST)
    (rows,) = await ledger.read([Read(log_health.NEWEST_LEAVES, {"first": first, "size": size})])
    missing = size - first - rows[0][0]
    value = (
        f"{size}, the newest {size - first} without a gap" if not missing else f"{size}, of which {missing} leaves are missing"
    )
    return _line("Entries in the tree", BROKEN if missing else SOUND, value)


async def _signed(ctx: Context, ledger: Ledger, size: int, now: int) -> Facts:
    """The newest signed head, by our own key."""
    try:
        signed = await upkeep.last_signed(ledger, ctx.vault)
    except BadCheckpoint as fault:
        return _line("Signed head", BROKEN, f"it is not by this log's key: {fault}")
    if signed is None:
        return _line("Signed head", BEWARE if size else SOUND, "none has been signed yet")
    at = await _signed_at(ledger)
    grown = size > signed.head.size
    value = f"{signed.head.size} entries, root {signed.head.root.hex()[:16]}…"
    return _line("Signed head", BEWARE if grown and now - at > OLD else SOUND, value, at)


async def _signed_at(ledger: Ledger) -> int:
    (rows,) = await ledger.read([Read(LAST_CHECKPOINT)])
    return int(rows[0][2])


def _waiting(rows: Rows, now: int) -> Facts:
    count, oldest = rows[0]
    if not count:
        return _line("Entries without a place", SOUND, "none")
    return _line("Entries without a place", BEWARE if now - oldest > UNSEALED else SOUND, str(count), oldest)


def _witnesses(rows: Rows, now: int) -> list[Facts]:
    if not rows:
        return [_line("Witnesses", BEWARE, "no other agency signs the heads of this log")]
    found = []
    for name, _, _, state, known, vouched, _ in rows:
        late = now - vouched > clock.HOUR
        stands = BROKEN if state == "inconsistent" else BEWARE if late or state != SIGNS else SOUND
        found.append(_line("Witness", stands, f"{name}: {state}, up to {known} entries", vouched))
    return found


def _checked(ctx: Context, rows: Rows, now: int) -> Facts:
    """The last check of every entry against the tree."""
    if not rows:
        return _line(
            "Last check of every entry", BEWARE, "none is on record: whoever runs the gateway runs gateway audit verify --record"
        )
    entry = open_entry(ctx, rows[0])
    says = dict(entry.detail).get("result", "")
    stands = BROKEN if entry.outcome else BEWARE if now - entry.recorded > CHECKED_WITHIN else SOUND
    return _line("Last check of every entry", stands, says, entry.recorded)


def _line(item: str, state: str, value: str, at: int = 0) -> Facts:
    return {"item": item, "state": state, "value": value, "at": at}
