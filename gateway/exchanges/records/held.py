"""Where a sender's record stands: under the key that it came with.

A key that names the person by one of its numbers may come with another of them the next time (a message with the NHS number
alone): a stay is then found under the keys of all the numbers that the sender has for that person, and of that person only;
and so is what a relative is to them, under all the numbers of either.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from gateway.exchanges.records.persons import Desk, rows_named
from gateway.fhir.elements import identifiers
from gateway.mapping.people import other_keys, other_link_keys
from gateway.store import people
from gateway.store.people import Held, Opened
from gateway.store.sql import Read, Row

KEYED_BY_PERSON = frozenset({"Flag", "RelatedPerson"})


def held_under(desk: Desk, kind: str, key: str) -> Generator[Any, Any, tuple[Held, str] | None]:
    """What is stored under a sender's key, and whose row it stands in."""
    rows = desk.records.pop((kind, key), None)
    if rows is None:
        rows = yield Read(people.RECORD_BY_SOURCE, source_of(desk, kind, key))
    return (yield from _opened(desk, rows[0])) if rows else None


def held_of(
    desk: Desk, kind: str, key: str, person: str, relative: Iterable[str] = ()
) -> Generator[Any, Any, tuple[Held, str] | None]:
    """What is stored under a key; or, of a Flag or a RelatedPerson, under the same key by another number of the person
    ``system|value``, or of the ``relative``."""
    held = yield from held_under(desk, kind, key)
    if held is not None or kind not in KEYED_BY_PERSON or not person:
        return held
    row = yield from desk.row_named(person)
    if row is None:
        return None
    others = yield from _other_keys(desk, kind, key, row, relative)
    for rows in (yield tuple(Read(people.RECORD_BY_SOURCE, source_of(desk, kind, other)) for other in others)) if others else ():
        if rows and rows[0][-1] == row.id:
            return (yield from _opened(desk, rows[0]))
    return None


def _other_keys(desk: Desk, kind: str, key: str, row: Opened, relative: Iterable[str]) -> Generator[Any, Any, list[str]]:
    numbers = identifiers(row.patient)
    if kind == "Flag":
        return other_keys(key, numbers)
    known = yield from rows_named(desk, list(relative))
    return other_link_keys(key, numbers, [text for one in known.values() for text in identifiers(one.patient)])


def _opened(desk: Desk, columns: Row) -> Generator[Any, Any, tuple[Held, str]]:
    *record, person = columns
    owner = yield from desk.open_row(person)
    return people.open_record(owner.cipher, tuple(record)), person


def source_of(desk: Desk, kind: str, key: str) -> dict[str, Any]:
    """By what a record is found: the keyed token of its key."""
    return {"agency": desk.agency, "type": kind, "source": desk.ctx.vault.token("source", desk.agency, kind, key)}
