"""Reviews: what an agency's own people have to look at, and how an item is closed.

No item is closed by the one whose act it is: an override, a lookup without a case, a claim that did not fit are looked
at by a second person, who says in a sentence what came of it. Both acts are on record.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.disclosure.working_days import Holidays
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound
from gateway.store import clock, reviews
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Row, Write
from gateway.store.vault import open_sealed, seal

OVERRIDE, OVERRIDE_ALERT = "override", "override-alert"
CONFLICT = "conflict-of-interest"
WITHHOLDING = "withholding"  # what the owner withholds under a duty, to be looked at again by a date
WORKING_DAYS = 3
MOST_OPEN, MOST_CLOSED = 500, 100
OUTCOMES = ("in-order", "not-in-order", "passed-on")
NOT_HERE = "There is no such review item, or it is not in your organisation's queue."
CLOSED_ALREADY = "This item has been closed already."
SECOND_PERSON = "An item is closed by somebody else than the one whose act it is."
NEEDS_USER = "This needs a token that names its user."


@dataclass(frozen=True, slots=True)
class Matter:
    """What an item is about: whose act it is, about whom, and why it was opened."""

    agency: str  # whose user acted
    user: str
    client: str = ""
    role: str = ""
    patient: str = ""  # system|value
    purpose: str = ""
    case_reference: str = ""
    why: tuple[tuple[str, str], ...] = ()
    disclosure: str = ""
    outcome: str = ""  # of the one who closed it
    sentence: str = ""
    closed_by: str = ""
    users: tuple[str, ...] = ()  # whose acts it is together, where it is nobody's alone

    def is_of(self, requester: Requester) -> bool:
        """Whether it is the requester's own act, or partly."""
        return self.agency == requester.agency and requester.user in (self.user, *self.users)


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the queue, opened."""

    id: str
    kind: str
    agency: str
    matter: Matter
    opened: int
    due: int
    closed: int | None


@dataclass(frozen=True, slots=True)
class OwnQueue:
    """Who asks for the queue of their organisation."""

    requester: Requester
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """An item to be closed: with which outcome, in whose words."""

    requester: Requester
    id: str
    outcome: str
    sentence: str
    request_id: str = ""


def opening(
    ctx: Context, kind: str, agency: str, matter: Matter, moment: Moment, identifier: str = "", due: int | None = None
) -> Write:
    """An item in the queue of an agency, due in three working days or as given. The same identifier opens it once."""
    identifier = identifier or new_id()
    return Write(
        reviews.ADD_REVIEW,
        {
            "id": identifier,
            "kind": kind,
            "agency": agency,
            "body": seal_matter(ctx, matter, identifier),
            "opened": moment.at,
            "due": working_days_after(moment.at, WORKING_DAYS, ctx.holidays) if due is None else due,
            "closed": None,
        },
    )


def working_days_after(at: int, days: int, holidays: Holidays) -> int:
    """The same time so many working days later."""
    day = clock.day(at)
    return at + (holidays.after(day, days) - day).days * clock.DAY


def seal_matter(ctx: Context, matter: Matter, identifier: str) -> bytes:
    """The sealed column of an item; it opens for this row only."""
    return seal(ctx.vault.shelf("review"), orjson.dumps(asdict(matter)), identifier)


def open_item(ctx: Context, columns: Row) -> Item:
    """A row of the table ``review``, columns in its order. Raises Broken."""
    identifier, kind, agency, body, opened, due, closed = columns
    told = orjson.loads(open_sealed(ctx.vault.shelf("review"), body, identifier))
    why = tuple((name, value) for name, value in told.pop("why"))
    users = tuple(told.pop("users", ()))
    return Item(identifier, kind, agency, Matter(why=why, users=users, **told), opened, due, closed)


def list_reviews(ctx: Context, ask: OwnQueue, moment: Moment) -> Story[list[Item]]:
    """The agency's own queue: what is open, the longest due first; then what was closed last."""
    check_current(ask.requester, moment)
    agency = ask.requester.agency
    waiting, done = yield (
        Read(reviews.OPEN_REVIEWS, {"agency": agency, "count": MOST_OPEN}),
        Read(reviews.CLOSED_REVIEWS, {"agency": agency, "count": MOST_CLOSED}),
    )
    entry = line(
        "list_reviews", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=(("resource", "review"),)
    )
    return Outcome([open_item(ctx, row) for row in (*waiting, *done)], (entry,))


def close_review(ctx: Context, ask: Closing, moment: Moment) -> Story[Item]:
    """Close an item of one's own queue; what goes on being withheld is due again instead. Raises NotFound, Conflict where
    it is closed, Forbidden for whose act it is."""
    check_current(ask.requester, moment)
    item = yield from _mine(ctx, ask)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    if item.matter.is_of(ask.requester):
        raise Forbidden(SECOND_PERSON)
    matter = replace(item.matter, outcome=ask.outcome, sentence=ask.sentence, closed_by=ask.requester.user)
    again = _due_again(ctx, item, ask.outcome, moment.at)
    statement = reviews.CLOSE_REVIEW if again is None else reviews.POSTPONE_REVIEW
    changed = {"review_id": item.id, "sealed": seal_matter(ctx, matter, item.id), "at": moment.at if again is None else again}
    if item.closed is not None or (yield Write(statement, changed)) != 1:
        raise Conflict(CLOSED_ALREADY)
    entry = line(
        "close_review", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=matter.patient,
        detail=(("review", item.id), ("kind", item.kind), ("result", ask.outcome)),
    )  # fmt: skip
    looked_at = replace(item, matter=matter)
    return Outcome(replace(looked_at, closed=moment.at) if again is None else replace(looked_at, due=again), (entry,))


def _due_again(ctx: Context, item: Item, outcome: str, at: int) -> int | None:
    """When an item that stays is due again: what is withheld, until it is lifted or ends. In order: after its period
    once more; else soon, for somebody has to lift it or decide anew. None for an item that is closed."""
    if item.kind != WITHHOLDING:
        return None
    facts = dict(item.matter.why)
    until = int(facts.get("ends", 0)) or None
    if until is not None and until <= at:
        return None
    if outcome == OUTCOMES[0]:
        again = at + int(facts["review-days"]) * clock.DAY
    else:
        again = working_days_after(at, WORKING_DAYS, ctx.holidays)
    return again if until is None else min(again, until)


def _mine(ctx: Context, ask: Closing) -> Generator[Any, Any, Item]:
    rows = yield Read(reviews.LOCK_REVIEW, {"agency": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    return open_item(ctx, rows[0])
