"""The whole access log, read in pages and checked against its tree, its head and its signed heads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select

from gateway.audit.checkpoint import Key
from gateway.audit.merkle import Frontier
from gateway.audit.restore import parse_restore
from gateway.audit.verify import Fault, Verdict, verify
from gateway.store import migrate
from gateway.store.log_pages import Line, pages
from gateway.store.tables import (
    audit_beside,
    audit_checkpoint,
    audit_entry,
    audit_leaf,
    audit_restore,
    audit_unsealed,
    log_head,
)
from gateway.store.upkeep import log_keys
from gateway.store.vault import Vault


def verify_log(database: Path | str, vault: Vault, step: Callable[[], None] = lambda: None) -> Verdict:
    """Check a log, as it stood at one moment, also beside a gateway that writes on. ``step`` is called for each entry, to
    show progress. Raises DatabaseFault where there is no log to be checked."""
    with migrate.told(), migrate.engine_of(database).connect() as connection:
        head = connection.execute(select(log_head.c.frontier)).scalar()
        if head is None:
            raise migrate.DatabaseFault("the database holds no access log: its head is gone")
        notes = connection.execute(select(audit_checkpoint.c.note).order_by(audit_checkpoint.c.size)).scalars().all()
        restores = connection.execute(select(audit_restore.c.note).order_by(audit_restore.c.size)).scalars().all()
        verdict = _verdict(connection, head, notes, restores, log_keys(vault, len(restores)), step)
        return _without_strangers(connection, verdict) if verdict.ok else verdict


def _verdict(
    connection: Connection,
    head: bytes,
    notes: Sequence[str],
    restores: Sequence[str],
    keys: Sequence[Key],
    step: Callable[[], None],
) -> Verdict:
    try:
        frontier = Frontier.from_bytes(head)
    except ValueError:
        return Verdict(False, 0, 0, Fault.HEAD, "The head of the log cannot be read.")
    verdict = verify(_lines(connection, step), frontier, notes, keys, elsewhere=_elsewhere(connection), restores=restores)
    if verdict.ok and restores:
        return dataclasses.replace(verdict, says=f"{verdict.says} {_restored(keys, restores)}")
    return verdict


def _restored(keys: Sequence[Key], notes: Sequence[str]) -> str:
    """What declared restores say."""
    kept = [str(parse_restore(note, keys).size) for note in notes]
    return f"It was restored from backup, as declared, at {', '.join(kept)} entries."


def _without_strangers(connection: Connection, verdict: Verdict) -> Verdict:
    """A row that is neither in the tree nor waiting for its place was put there by somebody else."""
    first = func.coalesce(audit_beside.c.first, audit_entry.c.id)
    strangers = (
        select(audit_entry.c.id)
        .outerjoin(audit_beside, audit_beside.c.entry == audit_entry.c.id)
        .outerjoin(audit_leaf, audit_leaf.c.entry == first)
        .outerjoin(audit_unsealed, audit_unsealed.c.entry == first)
        .where(audit_leaf.c.entry.is_(None), audit_unsealed.c.entry.is_(None))
    )
    found = connection.execute(strangers.order_by(audit_entry.c.recorded).limit(1)).scalar()
    if found is None:
        return verdict
    says = f"Row {found} is not one of these {verdict.entries} entries: it was not written by the gateway, or its leaf is gone."
    return Verdict(False, verdict.entries, verdict.entries, Fault.ALTERED, says)


def _lines(connection: Connection, step: Callable[[], None]) -> Iterator[Line]:
    for page in pages(connection):
        for line in page:
            step()
            yield line


def _elsewhere(connection: Connection) -> Callable[[bytes], int | None]:
    def find(leaf: bytes) -> int | None:
        return connection.execute(select(audit_leaf.c.place).where(audit_leaf.c.hash == leaf)).scalar()

    return find
