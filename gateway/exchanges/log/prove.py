"""Proofs for auditors and witnesses: on record before anything is read, like every look at the access log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Text, bindparam, select, union_all

from gateway.audit.checkpoint import Checkpoint
from gateway.audit.cosignature import with_lines
from gateway.audit.entry import DONE, Kind
from gateway.audit.leaf import Row, entry_bytes, leaf_of, way_within
from gateway.audit.merkle import verify_consistency, verify_inclusion
from gateway.audit.receipt import Enclosed, Receipt
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.log.search_audit import AuditQuery, statement_of
from gateway.fhir.outcomes import BadRequest, NotFound
from gateway.store import audit_log, log_tree, upkeep, witnesses
from gateway.store.ledger import Ledger, Moment, Outcome, Story
from gateway.store.sql import Read, Statement
from gateway.store.tables import audit_beside, audit_checkpoint, audit_entry, audit_leaf

NAME = "prove"
NO_HEAD = "No head of that size was signed. Leave size out for the last one."
NOT_IN = "That entry is not in the tree of the signed head. A new entry is in the next one, within a minute."
NOTE_AT = Statement(select(audit_checkpoint.c.note).where(audit_checkpoint.c.size == bindparam("size", type_=BigInteger)))
LEAF_AT = Statement(select(audit_leaf.c.hash).where(audit_leaf.c.place == bindparam("place", type_=BigInteger)))
ENTRY = bindparam("entry", type_=Text)
FIRST_OF = Statement(select(audit_beside.c.first).where(audit_beside.c.entry == ENTRY))
PLACE_OF = Statement(select(audit_leaf.c.place, audit_leaf.c.hash).where(audit_leaf.c.entry == ENTRY))
ROWS_OF = Statement(  # of an exchange by its first entry
    union_all(
        select(*audit_entry.columns).where(audit_entry.c.id == ENTRY),
        select(*audit_entry.columns)
        .join(audit_beside, audit_beside.c.entry == audit_entry.c.id)
        .where(audit_beside.c.first == ENTRY),
    )
)


@dataclass(frozen=True, slots=True)
class ProofWanted:
    """What is to be proved: ``what`` is checkpoint, inclusion, consistency or receipt. Without a size, for the last signed head."""

    requester: Requester
    what: str
    index: int = 0
    old: int = 0
    size: int | None = None
    entry: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof that was checked against ``note``, the signed head. ``leaf``: the leaf hash, or the old root."""

    size: int
    note: str
    leaf: bytes = b""
    proof: tuple[bytes, ...] = ()


def record_proof(ctx: Context, wanted: ProofWanted, moment: Moment) -> Story[None]:
    """Put the question on record."""
    yield from ()
    check_current(wanted.requester, moment)
    entry = line(
        NAME, wanted.requester, moment, Kind.SEARCH, DONE, request_id=wanted.request_id, purpose="audit",
        detail=(("query", wanted.what),),
    )  # fmt: skip
    return Outcome(None, (entry,))


async def prove(ctx: Context, ledger: Ledger, wanted: ProofWanted) -> Proved:
    """The signed head, and what was asked to be proved of it. Raises NotFound, BadRequest, Unavailable."""
    head, note = await _head(ctx, ledger, wanted.size)
    if wanted.what == "consistency":
        return await _consistency(ctx, ledger, wanted.old, head, note)
    if wanted.what == "inclusion":
        (rows,) = await ledger.read([Read(LEAF_AT, {"place": wanted.index})])
        if not rows or wanted.index >= head.size:
            raise NotFound(NOT_IN)
        return Proved(head.size, note, rows[0][0], await _path(ledger, rows[0][0], wanted.index, head))
    return Proved(head.size, note)


async def receipt_of(ctx: Context, ledger: Ledger, wanted: ProofWanted) -> Receipt | None:
    """The receipt of an entry that this auditor may see; None where there is none. Its holder gets the bytes of the entry and
    its way to the leaf too; the asker's auditor gets the leaf, which says what the request says."""
    query = AuditQuery(wanted.requester, id=wanted.entry, count=1)
    shown, firsts = await ledger.read([statement_of(ctx, query), Read(FIRST_OF, {"entry": wanted.entry})])
    if not shown:
        return None
    first = {"entry": firsts[0][0] if firsts else wanted.entry}
    places, found = await ledger.read([Read(PLACE_OF, first), Read(ROWS_OF, first)])
    head, note = await _head(ctx, ledger, None)
    if not places or places[0][0] >= head.size:
        raise NotFound(NOT_IN)
    place, leaf = places[0]
    rows = audit_log.in_order(audit_log.as_log_row(columns) for columns in found)
    path = await _path(ledger, leaf, place, head)
    return Receipt(place, path, note, _enclosed(rows, wanted))


def _enclosed(rows: list[Row], wanted: ProofWanted) -> Enclosed:
    """What a receipt holds beside its proof."""
    number = next(number for number, row in enumerate(rows) if row.id == wanted.entry)
    if rows[number].custodian != wanted.requester.agency:
        return Enclosed(leaf_of(rows))
    return Enclosed(leaf_of(rows), entry_bytes(rows[number]), way_within(rows, number))


async def _head(ctx: Context, ledger: Ledger, size: int | None) -> tuple[Checkpoint, str]:
    """A signed head, by our own key, with the cosignatures below."""
    signed = await upkeep.last_signed(ledger, ctx.vault)
    if signed is not None and size is not None and size != signed.head.size:
        (notes,) = await ledger.read([Read(NOTE_AT, {"size": size})])
        signed = upkeep.read_signed(ctx.vault, notes[0][0], signed.restores) if notes else None
    if signed is None:
        raise NotFound(NO_HEAD)
    (lines,) = await ledger.read([Read(witnesses.COSIGNATURES, {"size": signed.head.size})])
    return signed.head, with_lines(signed.note, [row[0] for row in lines])


async def _path(ledger: Ledger, leaf: bytes, index: int, head: Checkpoint) -> tuple[bytes, ...]:
    proof = await log_tree.prove_inclusion(ledger, index, head.size)
    if not verify_inclusion(leaf, index, head.size, proof, head.root):
        raise RuntimeError("the tree of the access log does not give the signed root: run gateway audit verify")
    return proof


async def _consistency(ctx: Context, ledger: Ledger, old: int, head: Checkpoint, note: str) -> Proved:
    if old > head.size:
        raise BadRequest("old is larger than size: a proof leads from the smaller tree to the larger.", where="old", code="value")
    proof = await log_tree.prove_consistency(ledger, old, head.size)
    (old_root,) = await log_tree.roots_of(ledger, [(0, old)])
    if not verify_consistency(old, head.size, old_root, head.root, proof):
        raise RuntimeError("the tree of the access log does not give the signed root: run gateway audit verify")
    return Proved(head.size, note, old_root, proof)
