"""The agreements by which an entry of the access log was decided, made again of documents that were published.

Documents are stored after they have ended. Whether it is the same version is told by the hash on record, which is over
purposes, documents and revoked lines: another version is never taken for it. What came from a folder is not stored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice, product
from typing import Any

import orjson

from gateway.audit.entry import Entry
from gateway.disclosure.agreements import Agreements, version_of
from gateway.disclosure.purposes import PolicyFault
from gateway.exchanges.agreements.agreements_in_force import REVOKED, compiled, revoked_lines
from gateway.exchanges.context import Context
from gateway.store import agreements
from gateway.store.ledger import Rows
from gateway.store.sql import Read, Row

MOST = 256  # states of revoked lines that are tried; when a line was revoked is not stored, only after which other one


def agreements_of_then(ctx: Context, entry: Entry) -> Generator[Any, Any, Agreements | None]:
    """The agreements of the version on record; None where what they were made of is not stored, or not as it was signed."""
    if not entry.policy or entry.policy == ctx.agreements.version:
        return ctx.agreements if entry.policy else None
    rows, approvers = yield (Read(agreements.IN_FORCE_AT, {"at": entry.recorded}), agreements.APPROVERS)
    for stood in islice(_states(rows), MOST):
        if version_of([(row[2], row[3]) for row in stood], ctx.purposes, revoked_lines(stood)) == entry.policy:
            return _compiled(ctx, stood, approvers)
    return None


def _compiled(ctx: Context, rows: Rows, approvers: Rows) -> Agreements | None:
    try:
        return compiled(ctx.vault, ctx.purposes, [rows, approvers, [(row[1],) for row in rows]])
    except PolicyFault:
        return None


def _states(rows: Rows) -> Iterator[Rows]:
    """The documents with fewer and fewer of their revoked lines: those that were revoked last are put back first."""
    for stood in product(*(list(_earlier(row)) for row in sorted(rows, key=lambda row: (row[1], row[0])))):
        yield list(stood)


def _earlier(row: Row) -> Iterator[Row]:
    """A document as it is stored, then as it stood before each of its revocations, back to none."""
    signatures = orjson.loads(row[4])
    lines = list(signatures.pop(REVOKED, {}).items())
    for kept in range(len(lines), -1, -1):
        stated = {**signatures, REVOKED: dict(lines[:kept])} if kept else signatures
        yield (*row[:4], orjson.dumps(stated).decode(), *row[5:])
