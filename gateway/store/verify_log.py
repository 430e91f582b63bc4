"""The whole access log, read in pages and checked against its tree, its head and its signed heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, select

from gateway.audit.checkpoint import Key
from gateway.audit.leaf import Row
from gateway.audit.merkle import Frontier
from gateway.audit.verify import Verdict, verify
from gateway.store import migrate
from gateway.store.tables import audit_checkpoint, audit_entry, audit_leaf, log_head
from gateway.store.upkeep import origin_of
from gateway.store.vault import Vault

PAGE = 5000


def verify_log(database: Path | str, vault: Vault, step: Callable[[], None] = lambda: None) -> Verdict:
    """Check a log. ``step`` is called for each entry, to show progress."""
    key = Key.of(origin_of(vault), vault.signing)
    with migrate.engine_of(database).connect() as connection:
        head = connection.execute(select(log_head.c.frontier)).scalar_one()
        notes = connection.execute(select(audit_checkpoint.c.note).order_by(audit_checkpoint.c.size)).scalars().all()
        return verify(_rows(connection, step), Frontier.from_bytes(head), notes, [key], elsewhere=_elsewhere(connection))


def _rows(connection: Connection, step: Callable[[], None]) -> Iterator[tuple[int, Row | None, bytes]]:
    wanted = select(audit_leaf.c.place, audit_leaf.c.hash, *audit_entry.columns).outerjoin(
        audit_entry, audit_entry.c.id == audit_leaf.c.entry
    )
    start = -1
    while page := connection.execute(wanted.where(audit_leaf.c.place > start).order_by(audit_leaf.c.place).limit(PAGE)).all():
        for place, leaf, *columns in page:
            step()
            yield place, Row(*columns) if columns[0] is not None else None, leaf
        start = page[-1][0]


def _elsewhere(connection: Connection) -> Callable[[bytes], int | None]:
    def find(leaf: bytes) -> int | None:
        return connection.execute(select(audit_leaf.c.place).where(audit_leaf.c.hash == leaf)).scalar()

    return find
