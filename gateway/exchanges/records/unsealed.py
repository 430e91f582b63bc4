"""Rows of people, without those whom their own record seals by adoption: to everybody who looks for them they are as a
stranger, to their agency's own staff too (Adoption and Children Act 2002; behaviour sections 1 and 2.2).

What is looked for by person, or all of it, is looked for so: ``Patient/$match``, searches, the wishes of a person. A record
that is read or searched by its own id is not: who has that id wrote the record, and may have to correct it. What a feed says of
somebody sealed is taken as ever.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from gateway.exchanges.context import Context
from gateway.exchanges.records.dossiers import sealed
from gateway.store import people
from gateway.store.people import Held, Opened
from gateway.store.sql import Read, Row


def unsealed(ctx: Context, rows: Iterable[str]) -> Generator[Any, Any, dict[str, Opened]]:
    """The rows with these ids, with their records, but for those that are sealed by adoption."""
    opened = yield from _opened(ctx, rows)
    return {row.id: row for row in opened if not sealed([row])}


def naming_nobody_sealed(ctx: Context, found: Sequence[Held]) -> Generator[Any, Any, list[Held]]:
    """These records without the relationships to people who are sealed by adoption."""
    others = yield from _opened(ctx, [held.related for held in found if held.related])
    hidden = {row.id for row in others if sealed([row])}
    return [held for held in found if held.related not in hidden]


def opened_page(ctx: Context, page: Sequence[Row]) -> Generator[Any, Any, list[Held]]:
    """The records of a page of ``people.OWN_RECORDS`` whose people are unsealed, and which name nobody who is sealed."""
    owners = yield from unsealed(ctx, [row[0] for row in page])
    found = [people.open_record(owners[row[0]].cipher, row[5:]) for row in page if row[0] in owners]
    return (yield from naming_nobody_sealed(ctx, found))


def _opened(ctx: Context, rows: Iterable[str]) -> Generator[Any, Any, list[Opened]]:
    wanted = list(dict.fromkeys(rows))
    if not wanted:
        return []
    found = yield tuple(Read(people.DOSSIER_BY_ROW, {"key": one}) for one in wanted)
    return [row for columns in found for row in people.open_dossier(ctx.vault, columns)]


def own_row(ctx: Context, agency: str, token: bytes) -> Generator[Any, Any, Opened | None]:
    """An agency's row of a person by a keyed token, with its records; None where there is none, or it is sealed."""
    rows = yield Read(people.OWN_BY_TOKEN, {"token": token, "agency": agency})
    found: dict[str, Opened] = yield from unsealed(ctx, [columns[0] for columns in rows])
    return next(iter(found.values()), None)
