"""The access log as the tree has it, exchange by exchange, read in pages: memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from gateway.audit.leaf import Row
from gateway.store.audit_log import in_order
from gateway.store.tables import audit_beside, audit_entry, audit_leaf

PAGE = 5000

Rows = tuple[Row, ...]  # of one exchange, in the order of its leaf; none where one of them is gone
Line = tuple[int, Rows, bytes]  # place, rows, and the leaf hash that is stored


def pages(connection: Connection, size: int | None = None) -> Iterator[list[Line]]:
    """All exchanges by place, or the first ``size``."""
    firsts = select(audit_leaf.c.place, audit_leaf.c.hash, *audit_entry.columns).outerjoin(
        audit_entry, audit_entry.c.id == audit_leaf.c.entry
    )
    after = -1
    while True:
        chosen = firsts.where(audit_leaf.c.place > after).order_by(audit_leaf.c.place).limit(PAGE)
        found = connection.execute(chosen if size is None else chosen.where(audit_leaf.c.place < size)).all()
        if not found:
            return
        others = _others(connection, after, found[-1][0])
        yield [(place, _rows(columns, others.get(place, [])), leaf) for place, leaf, *columns in found]
        after = found[-1][0]


def _others(connection: Connection, after: int, last: int) -> dict[int, list[Sequence[Any]]]:
    """The rows beside the first ones of these places; one that is gone is there without its columns."""
    chosen = (
        select(audit_leaf.c.place, *audit_entry.columns)
        .join(audit_beside, audit_beside.c.first == audit_leaf.c.entry)
        .outerjoin(audit_entry, audit_entry.c.id == audit_beside.c.entry)
        .where(audit_leaf.c.place > after, audit_leaf.c.place <= last)
    )
    others: dict[int, list[Sequence[Any]]] = {}
    for place, *columns in connection.execute(chosen):
        others.setdefault(place, []).append(columns)
    return others


def _rows(first: Sequence[Any], others: list[Sequence[Any]]) -> Rows:
    found = [first, *others]
    if any(columns[0] is None for columns in found):
        return ()
    return tuple(in_order(Row(*columns) for columns in found))
