"""What an agency's people are asked about their own records: a relationship to confirm, a line that somebody says is wrong."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.by_hand import check_staff
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.interests import check_not_of_their_own
from gateway.exchanges.reviews import (
    CLOSED_ALREADY,
    MOST_OPEN,
    NOT_HERE,
    OUTCOMES,
    SECOND_PERSON,
    Item,
    OwnQueue,
    open_item,
    seal_matter,
)
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound
from gateway.store import reviews
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a question: by whom, to which, in which words. ``nhs``: where a relationship is stated, with whom."""

    requester: Requester
    id: str
    sentence: str
    nhs: str = ""
    request_id: str = ""


def list_questions(ctx: Context, ask: OwnQueue, moment: Moment) -> Story[list[Item]]:
    """Those of the agency's own that are open, the longest due first."""
    check_current(ask.requester, moment)
    rows = yield Read(reviews.OPEN_QUESTIONS, {"agency": ask.requester.agency, "count": MOST_OPEN})
    resource = (("resource", "review"),)
    entry = line("list_questions", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=resource)
    return Outcome([open_item(ctx, row) for row in rows], (entry,))


def taken_up(ctx: Context, ask: Answered, kind: str, moment: Moment) -> Generator[Any, Any, Item]:
    """The open question, locked. Raises NotFound, Conflict where it is closed, Forbidden for whose act it is, and whose
    family it is about."""
    check_staff(ask.requester, moment)
    rows = yield Read(reviews.LOCK_REVIEW, {"agency": ask.requester.agency, "id": ask.id})
    item = open_item(ctx, rows[0]) if rows else None
    if item is None or item.kind != kind:
        raise NotFound(NOT_HERE)
    if item.closed is not None:
        raise Conflict(CLOSED_ALREADY)
    if item.matter.is_of(ask.requester):
        raise Forbidden(SECOND_PERSON)
    yield from check_not_of_their_own(ctx, ask.requester, item.matter.patient, moment)
    return item


def closing(ctx: Context, ask: Answered, item: Item, moment: Moment, *, in_order: bool) -> Generator[Any, Any, None]:
    """Close a question that was taken up."""
    outcome = OUTCOMES[0] if in_order else OUTCOMES[1]
    matter = replace(item.matter, outcome=outcome, sentence=ask.sentence, closed_by=ask.requester.user)
    changed = {"review_id": item.id, "sealed": seal_matter(ctx, matter, item.id), "at": moment.at}
    if (yield Write(reviews.CLOSE_REVIEW, changed)) != 1:
        raise Conflict(CLOSED_ALREADY)


def on_record(name: str, ask: Answered, item: Item, result: str, moment: Moment) -> Outcome[None]:
    """The line of the access log about an answer."""
    entry = line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=item.matter.patient,
        detail=(("review", item.id), ("kind", item.kind), ("result", result)),
    )  # fmt: skip
    return Outcome(None, (entry,))
