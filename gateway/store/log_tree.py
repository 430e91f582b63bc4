"""Proofs in the tree of the access log, made from leaves and kept roots of subtrees; nothing is handed out unchecked."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, func, select

from gateway.audit.merkle import Range, consistency_ranges, inclusion_ranges
from gateway.audit.tiles import FAN, LEVELS, Kept, full_roots, is_whole, kept_for, root_of
from gateway.fhir.outcomes import Unavailable
from gateway.store.ledger import Ledger, Moment, Rows, Upkeep
from gateway.store.sql import Added, Read, Statement, Write
from gateway.store.tables import audit_leaf, audit_node

ADD_NODE = Added(audit_node, new_only=True)
_FIRST, _AFTER = bindparam("first", type_=BigInteger), bindparam("after", type_=BigInteger)
_LEVEL = bindparam("level", type_=Integer)
LEAVES = Statement(
    select(audit_leaf.c.place, audit_leaf.c.hash)
    .where(audit_leaf.c.place >= _FIRST, audit_leaf.c.place < _AFTER)
    .order_by(audit_leaf.c.place)
)
NODES = Statement(
    select(audit_node.c.place, audit_node.c.hash)
    .where(audit_node.c.level == _LEVEL, audit_node.c.place >= _FIRST, audit_node.c.place < _AFTER)
    .order_by(audit_node.c.place)
)
NEXT_NODE = Statement(select(func.coalesce(func.max(audit_node.c.place) + 1, 0)).where(audit_node.c.level == _LEVEL))
TILES_AT_ONCE = 64
NOT_YET = "The tree of the access log is being prepared. Please try again in a minute."


async def roots_of(ledger: Ledger, ranges: Iterable[Range]) -> tuple[bytes, ...]:
    """The roots of these parts of the tree. Raises Unavailable where kept roots are not there yet."""
    wanted = [kept_for(one) for one in ranges]
    flat = [kept for parts in wanted for kept in parts]
    found = dict(zip(flat, await ledger.read([_read(kept) for kept in flat]), strict=True)) if flat else {}
    return tuple(root_of([_hashes(kept, found[kept]) for kept in parts]) for parts in wanted)


async def prove_inclusion(ledger: Ledger, index: int, size: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.1. ValueError for an index outside the tree; Unavailable."""
    return await roots_of(ledger, inclusion_ranges(index, size))


async def prove_consistency(ledger: Ledger, old: int, new: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.2. ValueError where old is 0 or larger than new; Unavailable."""
    return await roots_of(ledger, consistency_ranges(old, new))


def _read(kept: Kept) -> Read:
    bounds = {"first": kept.first, "after": kept.after}
    return Read(NODES, {**bounds, "level": kept.level}) if kept.level else Read(LEAVES, bounds)


def _hashes(kept: Kept, rows: Rows) -> list[bytes]:
    if not is_whole(kept, (row[0] for row in rows)):
        raise Unavailable(NOT_YET)
    return [row[1] for row in rows]


async def keep_roots(ledger: Ledger, size: int) -> None:
    """Keep the roots of all full subtrees of the first ``size`` leaves that are not kept yet."""
    for level in LEVELS:
        while await _keep_some(ledger, level, size):
            pass


async def _keep_some(ledger: Ledger, level: int, size: int) -> bool:
    """The next few of a level; whether there were any."""
    place = (await ledger.read([Read(NEXT_NODE, {"level": level})]))[0][0][0]
    after = min(size >> level, place + TILES_AT_ONCE)
    if place >= after:
        return False
    below = Kept(level - FAN, place << FAN, after << FAN)
    (rows,) = await ledger.read([_read(below)])
    roots = await asyncio.to_thread(full_roots, _hashes(below, rows))
    kept = tuple({"level": level, "place": place + step, "hash": root} for step, root in enumerate(roots))
    await ledger.run_alone(_keep, kept)
    return True


def _keep(_: Any, kept: tuple[dict[str, Any], ...], moment: Moment) -> Generator[Any, Any, Upkeep[None]]:
    yield from ()
    return Upkeep(None, tuple(Write(ADD_NODE, row) for row in kept))
