"""Terms of ``match_terms`` for people whose records came in before there were any: a page of rows at a time, every agency's.

Records write their own terms as they come in, and what is here already stays as it is, so this may be run again and beside them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.apply import hold_token
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.match_terms import term_token
from gateway.exchanges.persons import Desk
from gateway.fhir.elements import identifiers
from gateway.identity.described import terms
from gateway.store import people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Hold, Read, Write

NAME = "index_people"
AT_ONCE = 200


class Indexed(NamedTuple):
    """How many rows were gone through, and after which to go on; empty at the end."""

    rows: int
    after: str


def index_people(ctx: Context, after: str, moment: Moment) -> Story[Indexed]:
    """The next page of rows. A transaction of its own."""
    found = yield from _page(ctx, after)
    yield Hold(tuple({hold_token(Desk(ctx, row.agency, moment), text) for row in found for text in identifiers(row.patient)}))
    held = yield from _page(ctx, after)  # as they are now that they are held
    for row in held:
        for term in terms(row.patient):
            yield Write(people.ADD_TERM, {"token": term_token(ctx, row.agency, term), "person": row.id}, later=True)
    entry = line(NAME, OPERATOR, moment, Kind.ADMINISTRATION, DONE, detail=(("count", str(len(held))),))
    return Outcome(Indexed(len(held), held[-1].id if len(held) == AT_ONCE else ""), (entry,))


def _page(ctx: Context, after: str) -> Generator[Any, Any, list[Opened]]:
    rows = yield Read(people.PEOPLE_AFTER, {"after": after, "count": AT_ONCE})
    return [people.open_person(ctx.vault, columns) for columns in rows]
