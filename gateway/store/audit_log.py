"""The access log as rows: sealed entries, their leaves, and the frontier of the tree."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, Text, any_, bindparam, delete, select, update

from gateway.audit.entry import Entry, packed
from gateway.audit.leaf import SALT_SIZE, leaf_hash_of
from gateway.audit.leaf import Row as LogRow
from gateway.audit.marks import at_of, marks_of, what_marks
from gateway.audit.merkle import Frontier
from gateway.store import clock
from gateway.store.sql import Added, Statement, added_together
from gateway.store.tables import (
    audit_beside,
    audit_checkpoint,
    audit_entry,
    audit_key,
    audit_leaf,
    audit_mark,
    audit_unsealed,
    log_head,
)
from gateway.store.vault import NONCE_BYTES, Vault

NO_TOKEN = b""
TURN = 1000  # entries that are sealed at once, at most: who waits for an answer waits for their hashes
NOISE = SALT_SIZE + NONCE_BYTES  # random bytes of an entry

ADD_ENTRY = Added(audit_entry)
ADD_LEAF = Added(audit_leaf)
ADD_BESIDE = Added(audit_beside)
ADD_UNSEALED = Added(audit_unsealed)  # PostgreSQL alone
ADD_MARK = Added(audit_mark, new_only=True)
LOG = (ADD_ENTRY, ADD_UNSEALED, ADD_BESIDE, ADD_MARK)  # what a batch adds on PostgreSQL
ADD_LOG = added_together(*LOG)
ADD_YEAR = Added(audit_key, new_only=True)
ADD_CHECKPOINT = Added(audit_checkpoint, new_only=True)
HEAD = Statement(select(log_head.c.frontier))
LOCK_HEAD = Statement(select(log_head.c.frontier), select(log_head.c.frontier).with_for_update())
SET_HEAD = Statement(update(log_head).values(frontier=bindparam("frontier", type_=LargeBinary)))
YEARS = Statement(select(audit_key.c.id, audit_key.c.wrapped))
ENTRY_COLUMNS = tuple(column for column in audit_entry.columns)
UNSEALED = Statement(
    select(audit_unsealed.c.entry, audit_unsealed.c.hash).order_by(audit_unsealed.c.recorded, audit_unsealed.c.entry).limit(TURN)
)
DROP_UNSEALED = Statement(
    delete(audit_unsealed).where(audit_unsealed.c.entry == any_(bindparam("entries", type_=ARRAY(Text))))  # PostgreSQL alone
)
LAST_CHECKPOINT = Statement(
    select(audit_checkpoint.c.size, audit_checkpoint.c.note, audit_checkpoint.c.signed)
    .order_by(audit_checkpoint.c.size.desc())
    .limit(1)
)


def patient_token(vault: Vault, patient: str) -> bytes:
    """The token by which entries about a person are found; ``patient`` is ``system|value``."""
    return vault.token("audit-patient", patient) if patient else NO_TOKEN


@lru_cache(maxsize=1024)
def user_token(vault: Vault, agency: str, user: str) -> bytes:
    """The token by which entries of a user are found; users are known by their organisation and id."""
    return vault.token("audit-user", agency, user) if user else NO_TOKEN


@lru_cache(maxsize=8192)
def mark_token(vault: Vault, agency: str, name: str, value: str) -> bytes:
    """The token by which a mark is found (``gateway.audit.marks``)."""
    return vault.token("audit-mark", agency, name, value)


@lru_cache(maxsize=4096)
def _kind_tokens(vault: Vault, entry: Entry) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The tokens of the coarse and of the exact marks of an entry. Most entries are like others in all that matters here."""
    marks = [(mark_token(vault, one.agency, one.name, one.value), one.exact) for one in marks_of(entry)]
    return frozenset(token for token, exact in marks if not exact), frozenset(token for token, exact in marks if exact)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Exchanges ready to be stored: the rows of their entries in the order of the table's columns, for each exchange its
    first row and its leaf hash, the other rows with the first of their exchange, and marks in the one order in which
    everybody adds them."""

    rows: list[LogRow]
    firsts: list[LogRow]
    leaves: list[bytes]
    beside: list[tuple[str, str]]
    marks: list[tuple[bytes, int]]


def seal_exchanges(vault: Vault, exchanges: Iterable[Sequence[Entry]], at: int | None = None) -> Sealed:
    """Seal the entries of exchanges under the year's key, on record as of ``at`` where that is given. The year's key must be
    known to the vault: an entry made in the last moment of a year stays in that year."""
    listed = list(exchanges)
    entries = list(chain.from_iterable(listed))
    noise = os.urandom(NOISE * len(entries))
    rows = [_row(vault, entry, at, noise[NOISE * place : NOISE * (place + 1)]) for place, entry in enumerate(entries)]
    rest = iter(rows)
    groups = [in_order(islice(rest, len(one))) for one in listed]
    return Sealed(
        rows=rows,
        firsts=[group[0] for group in groups],
        leaves=[leaf_hash_of(group) for group in groups],
        beside=[(row.id, group[0].id) for group in groups for row in group[1:]],
        marks=_marks(vault, entries, rows),
    )


def in_order(rows: Iterable[LogRow]) -> list[LogRow]:
    """The rows of one exchange as its leaf has them: the one that stands for the request, then the others by their ids."""
    found = list(rows)
    return found if len(found) == 1 else sorted(found, key=lambda row: (not row.asked, row.id))


def _marks(vault: Vault, entries: list[Entry], rows: list[LogRow]) -> list[tuple[bytes, int]]:
    found: dict[int, set[bytes]] = {}  # by the time that they stand at: the entries of a batch have one hour
    for entry, row in zip(entries, rows, strict=True):
        coarse, exact = _kind_tokens(vault, what_marks(entry))
        found.setdefault(at_of(row.recorded, exact=False), set()).update(coarse)
        if exact:
            found.setdefault(at_of(row.recorded, exact=True), set()).update(exact)
    return sorted([(token, at) for at, tokens in found.items() for token in tokens])


def _row(vault: Vault, entry: Entry, at: int | None, noise: bytes) -> LogRow:
    year = year_of(entry.recorded)
    recorded = entry.recorded if at is None or year_of(at) != year else at
    return LogRow(
        id=entry.id,
        recorded=recorded,
        exchange=entry.exchange,
        outcome=entry.outcome,
        requester=entry.requester,
        custodian=entry.custodian,
        patient_token=patient_token(vault, entry.patient),
        user_token=user_token(vault, entry.requester, entry.user),
        purpose=entry.purpose,
        asked=int(entry.asked),
        key_id=year,
        salt=noise[:SALT_SIZE],
        body=vault.seal_audit(year, entry.id, packed(entry, recorded), noise[SALT_SIZE:]),
    )


def as_log_row(columns: Sequence[Any]) -> LogRow:
    """A stored row, columns in the order of the table."""
    return LogRow(*columns)


_YEAR_ENDS: dict[int, str] = {}


def year_of(recorded: int) -> str:
    """The year whose key seals an entry."""
    day = recorded // clock.DAY
    year = _YEAR_ENDS.get(day)
    if year is None:
        _YEAR_ENDS.clear()
        year = _YEAR_ENDS[day] = str(clock.day(recorded).year)
    return year


def leaf_rows(sealed: Sealed, size: int) -> list[tuple[int, str, bytes]]:
    """The places of new leaves after a tree of ``size``, in the order of the table's columns."""
    return [(size + step, row.id, leaf) for step, (row, leaf) in enumerate(zip(sealed.firsts, sealed.leaves, strict=True))]


def grow(frontier: bytes, leaves: list[bytes]) -> tuple[int, bytes]:
    """The size before, and the frontier after these leaves."""
    before = Frontier.from_bytes(frontier)
    return before.size, before.extend(leaves).to_bytes()
