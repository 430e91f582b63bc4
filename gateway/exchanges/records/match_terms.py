"""The terms under which ``match_patient`` finds an agency's people: kept in step with what is held of who somebody is.

Each is a keyed token of the agency and the term: the same birth date at two agencies gives two tokens, and the rows of
different agencies never meet in one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gateway.exchanges.context import Context
from gateway.identity.described import terms
from gateway.store import people
from gateway.store.people import Opened, Resource
from gateway.store.sql import Write

SAID = ("name", "birthDate")  # what terms are made of


def term_token(ctx: Context, agency: str, term: str) -> bytes:
    """The keyed token of a term as an agency's own rows carry it."""
    return ctx.vault.token("match-term", agency, term)


def terms_written(ctx: Context, agency: str, row: Opened, patient: Resource) -> Generator[Any, Any, None]:
    """Write the terms of a row whose identity becomes this; those that no longer hold of it go."""
    if all(row.patient.get(part) == patient.get(part) for part in SAID):
        return
    before, after = terms(row.patient), terms(patient)
    for term in before - after:
        yield Write(people.DROP_TERM, {"token": term_token(ctx, agency, term), "person_id": row.id})
    for term in after - before:
        yield Write(people.ADD_TERM, {"token": term_token(ctx, agency, term), "person": row.id}, later=True)


def terms_moved(ctx: Context, agency: str, survivor: Opened, other: Opened, joined: Resource) -> Generator[Any, Any, None]:
    """Two rows become one: the other is found no more, the survivor by what it has now."""
    yield Write(people.DROP_TERMS, {"person_id": other.id})
    yield from terms_written(ctx, agency, survivor, joined)
