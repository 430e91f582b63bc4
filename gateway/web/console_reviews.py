"""The review queue on screen: what an organisation's own people have to look at, closed by a second person."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from gateway.exchanges.access.staff import name_of
from gateway.exchanges.reviews import OUTCOMES, Closing, Item, OwnQueue, close_review, list_reviews
from gateway.fhir.outcomes import Unprocessable
from gateway.store import clock
from gateway.web import words
from gateway.web.visits import Page, Visit

PATH = "/console/reviews"
LEAST, MOST = 10, 1000
SAID = {
    "closed": "The item is closed.",
    "again": "What you found is on record. The record goes on being withheld, and this is due again.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """An item with what is said of it in words. ``mine``: the reader's own act, which somebody else closes."""

    item: Item
    title: str
    organisation: str
    facts: tuple[tuple[str, str], ...]
    overdue: bool
    mine: bool


async def show(visit: Visit) -> Response:
    """``GET /console/reviews``: what is open, the longest due first; then what was closed last."""
    return await _queue(visit)


async def _queue(visit: Visit) -> Response:
    found = await visit.web.ledger.run(list_reviews, OwnQueue(visit.requester, visit.request_id))
    now = clock.now()
    cards = [_card(visit, one, now) for one in found]
    waiting, done = [one for one in cards if one.item.closed is None], [one for one in cards if one.item.closed is not None]
    said = SAID.get(visit.request.query_params.get("said", ""), "")
    return visit.page("console_reviews.html", waiting=waiting, done=done, outcomes=words.REVIEW_OUTCOMES, said=said)


async def close(visit: Visit) -> Response:
    """``POST /console/reviews/{id}/close``. Raises Unprocessable, NotFound, Conflict, Forbidden for whose act it is."""
    outcome, sentence = visit.form.get("outcome", ""), visit.form.get("sentence", "").strip()
    if outcome not in OUTCOMES:
        raise Unprocessable("Say what came of it: choose one of the three. Go back to do so.")
    if not LEAST <= len(sentence) <= MOST:
        raise Unprocessable(f"Say in {LEAST} to {MOST} characters what came of it. Go back to do so.")
    ask = Closing(visit.requester, visit.request.path_params["id"], outcome, sentence, visit.request_id)
    closed = await visit.web.ledger.run_alone(close_review, ask)
    return visit.to(f"{PATH}?said={'again' if closed.closed is None else 'closed'}")


def _card(visit: Visit, item: Item, now: int) -> Card:
    facts = tuple(
        (words.code(name).capitalize(), _fact(name, value)) for name, value in item.matter.why if name not in words.UNSAID
    )
    return Card(
        item, words.REVIEWS.get(item.kind, words.code(item.kind).capitalize()), name_of(visit.web.feeds, item.matter.agency), facts,
        item.closed is None and item.due < now, item.matter.is_of(visit.requester),
    )  # fmt: skip


def _fact(name: str, value: str) -> str:
    return value if name in words.IN_OWN_WORDS else words.code(value)


PAGES = (
    Page("console_reviews", "GET", PATH, show, "system/review.s"),
    Page("console_review_close", "POST", f"{PATH}/{{id:fhirid}}/close", close, "system/review.u"),
)
