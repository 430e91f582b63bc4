"""Erasures as they are kept: one that is asked for names whose record it is, one that is done names nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from gateway.exchanges.context import Context
from gateway.store import subjects
from gateway.store.sql import Row, Write
from gateway.store.vault import open_sealed, seal

SHELF = "erasure"
WRONG = "wrong-or-unlawful"
GROUNDS = {
    "retention-ended": "The time for which it is kept is over",
    "asked-by-person": "The person asked, and nothing in law keeps it (UK GDPR Article 17)",
    WRONG: "It should never have been held: whoever was told hears now that it is taken back",
    "court-order": "A court ordered it",
}
JOINED = "joined"  # ground of a row that had been joined with the one that was erased: a restore may bring it back as it was
REPLAYED = "replayed"  # ground of one that was done again after a restore and is in no table


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure, opened. Times are microseconds. ``person`` is empty once it is done."""

    id: str
    agency: str
    row: str
    state: str  # asked | withdrawn | erased
    asked: int
    erased: int | None
    records: int
    ground: str
    asked_by: str
    reason: str = ""
    person: str = ""
    erased_by: str = ""


def sealed_erasure(ctx: Context, one: Erasure) -> bytes:
    """The sealed column. Of an erasure that is done or given up neither the person nor the reason stays."""
    told = {name: asdict(one)[name] for name in ("ground", "asked_by", "erased_by")}
    if one.state == subjects.ASKED:
        told |= {"person": one.person, "reason": one.reason}
    return seal(ctx.vault.shelf(SHELF), orjson.dumps(told), one.id)


def open_erasure(ctx: Context, columns: Row) -> Erasure:
    """A row of the table ``erasure``, columns in its order. Raises Broken."""
    identifier, agency, row, state, body, asked, erased, records = columns
    told = orjson.loads(open_sealed(ctx.vault.shelf(SHELF), body, identifier))
    return Erasure(identifier, agency, row, state, asked, erased, records, **told)


def erasure_row(ctx: Context, one: Erasure) -> dict[str, Any]:
    """The row of the table ``erasure``."""
    columns = {"id": one.id, "agency": one.agency, "person": one.row, "state": one.state, "asked": one.asked}
    return {**columns, "erased": one.erased, "records": one.records, "body": sealed_erasure(ctx, one)}


def changed(ctx: Context, one: Erasure) -> Write:
    """An erasure that was asked for, as it is now."""
    done = {"new_state": one.state, "done": one.erased, "number": one.records}
    return Write(subjects.SET_ERASURE, {"erasure_id": one.id, "sealed": sealed_erasure(ctx, one), **done})


def erased_token(ctx: Context, agency: str, identifier: str) -> bytes:
    """The token by which a person who was erased is known again; another than any by which rows are found."""
    return ctx.vault.token("erased", agency, identifier)


def remembered(ctx: Context, one: Erasure, identifiers: Iterable[str]) -> tuple[Write, ...]:
    """That these identifiers were erased, as tokens that cannot be read back."""
    return tuple(
        Write(subjects.ADD_ERASED_TOKEN, {"token": erased_token(ctx, one.agency, text), "agency": one.agency, "erasure": one.id})
        for text in identifiers
    )
