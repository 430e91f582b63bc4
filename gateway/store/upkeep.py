"""Housekeeping: signed heads of the access log (C2SP tlog-checkpoint), assertions that have run out, quotas of past hours."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, select

from gateway.audit.checkpoint import Checkpoint, Key, parse_and_verify, sign
from gateway.audit.merkle import Frontier, verify_consistency
from gateway.audit.restore import next_origin
from gateway.store.audit_log import ADD_CHECKPOINT, HEAD, LAST_CHECKPOINT
from gateway.store.charges import FORGET_CHARGES, hour_mark
from gateway.store.handed_in import FORGET_FILES
from gateway.store.ledger import Ledger, Moment, Rows, Upkeep
from gateway.store.log_tree import keep_roots, prove_consistency
from gateway.store.sessions import FORGET_SESSIONS
from gateway.store.sql import Read, Statement, Write
from gateway.store.tables import audit_export, audit_restore, seen_assertion
from gateway.store.vault import Vault

FORGET = Statement(delete(seen_assertion).where(seen_assertion.c.expires < bindparam("at", type_=BigInteger)))
FORGET_EXPORTS = Statement(delete(audit_export).where(audit_export.c.expires < bindparam("at", type_=BigInteger)))
RESTORES = Statement(select(audit_restore.c.size, audit_restore.c.entry, audit_restore.c.note).order_by(audit_restore.c.size))
MINUTE = 60_000_000


class Rewritten(Exception):
    """The tree does not begin with the one that was signed before: somebody changed what must not change. Nothing is signed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head to be signed, as it was found to go on from the last one."""

    origin: str
    size: int
    root: bytes
    restores: int
    vault: Vault


def origin_of(vault: Vault, restores: int = 0) -> str:
    """The origin line of this deployment's log: the same for as long as its signing key is, but for declared restores."""
    mark = hashlib.sha256(vault.signing.public_key().public_bytes_raw()).hexdigest()[:16]
    origin = f"gateway.example/access-log/{mark}"
    for _ in range(restores):
        origin = next_origin(origin)
    return origin


def log_keys(vault: Vault, restores: int) -> tuple[Key, ...]:
    """The key of the log under each origin that it has had, oldest first."""
    return tuple(Key.of(origin_of(vault, life), vault.signing) for life in range(restores + 1))


async def keep_up(ledger: Ledger, vault: Vault) -> int:
    """Sign the head of the log if it has grown since; gives its size. Raises Rewritten, and signs nothing, where the tree
    is not the one signed before with more behind it."""
    (frontier,), last, restores = await ledger.read([Read(HEAD), Read(LAST_CHECKPOINT), Read(RESTORES)])
    head = Frontier.from_bytes(frontier[0])
    await keep_roots(ledger, head.size)
    if head.size and not (last and last[0][0] == head.size):
        await _check_goes_on(ledger, vault, head, last, len(restores))
    origin = origin_of(vault, len(restores))
    size: int = await ledger.run_alone(_sign, Head(origin, head.size, head.root(), len(restores), vault))
    return size


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed head: the note without cosignatures, and what it says."""

    note: str
    head: Checkpoint
    restores: int  # that were declared so far


async def last_signed(ledger: Ledger, vault: Vault) -> Signed | None:
    """The last signed head; None where there is none. Raises BadCheckpoint where it is not by our key."""
    last, restores = await ledger.read([Read(LAST_CHECKPOINT), Read(RESTORES)])
    return read_signed(vault, last[0][1], len(restores)) if last else None


def read_signed(vault: Vault, note: str, restores: int) -> Signed:
    """A stored note of ours. Raises BadCheckpoint."""
    return Signed(note, parse_and_verify(note, log_keys(vault, restores)), restores)


async def _check_goes_on(ledger: Ledger, vault: Vault, head: Frontier, rows: Rows, restores: int) -> None:
    if not rows:
        return
    last = read_signed(vault, rows[0][1], restores).head
    if last.size > head.size:
        raise Rewritten(f"the log has {head.size} entries, and a head of {last.size} was signed")
    proof = await prove_consistency(ledger, last.size, head.size)
    if not verify_consistency(last.size, head.size, last.root, head.root(), proof):
        raise Rewritten(f"the first {last.size} entries are not those that were signed")


def _sign(_: Any, head: Head, moment: Moment) -> Generator[Any, Any, Upkeep[int]]:
    last, restores = yield (Read(LAST_CHECKPOINT), Read(RESTORES))
    yield Write(FORGET, {"at": moment.at - MINUTE})
    yield Write(FORGET_SESSIONS, {"before": moment.at})
    yield Write(FORGET_EXPORTS, {"at": moment.at})
    yield Write(FORGET_FILES, {"at": moment.at})
    yield Write(FORGET_CHARGES, {"before": hour_mark(moment.at - MINUTE)})
    if head.size == 0 or (last and last[0][0] >= head.size) or len(restores) != head.restores:
        return Upkeep(head.size)
    note = sign(head.origin, head.size, head.root, head.vault.signing)
    row = {"size": head.size, "note": note, "signed": moment.at}
    return Upkeep(head.size, (Write(ADD_CHECKPOINT, row),))
