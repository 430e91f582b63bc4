"""Disclosures that passed over a wish, as an answer to an auditor's question: ranked, with what a review made of each.

The holder's auditor alone is answered: that a wish refuses is told in the holder's own lines and in no asker's. A review is
one of the agency's own queue: a claim of danger opens it with the disclosure; what is found afterwards goes by
an id that is made of the disclosure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.audit.against_wishes import WORDS, Review, Told, score, standing
from gateway.audit.told import Facts
from gateway.exchanges.context import Context
from gateway.exchanges.log.find_entries import lines_up_to
from gateway.exchanges.log.find_reviews import AFTER_WISH, NO_CASE, item_id
from gateway.exchanges.log.search_audit import AuditQuery
from gateway.exchanges.lookup.lookups import EMERGENCY
from gateway.exchanges.reviews import OVERRIDE, OVERRIDE_ALERT, Item, open_item
from gateway.store import clock, reviews
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

BESIDE: Final = clock.HOUR  # an entry is on record as of its commit, an item as of the decision just before
MOST: Final = 500  # disclosures that are ranked for one page, the newest first
Place = tuple[int, str]


async def against_wishes(
    ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]
) -> tuple[list[Facts], Place | None]:
    """What most needs a look first, each with its reasons; the next page goes on with those before."""
    told, cursor = await lines_up_to(ctx, ledger, replace(query, against_wish=True), MOST)
    found = await _reviews(ctx, ledger, query.requester.agency, told)
    now = clock.now()
    times = Counter((one["who"], one["person"]) for one in told)
    ranked = [_ranked(one, found.get(one["disclosure"], Review()), times[one["who"], one["person"]], now) for one in told]
    return sorted(ranked, key=lambda one: (-one["score"], -one["when"])), cursor


def _ranked(line: Facts, review: Review, times: int, now: int) -> Facts:
    classes = frozenset(line["against"].split(", "))
    scored = score(Told(classes, line["purpose"] == EMERGENCY, bool(line["case"]), times), review, now)
    return {
        **line, "score": scored.score, "reasons": scored.reasons, "why": "; ".join(WORDS[one] for one in scored.reasons),
        "state": standing(review, now), "reviewed": review.closed,
    }  # fmt: skip


async def _reviews(ctx: Context, ledger: Ledger, agency: str, told: Sequence[Facts]) -> dict[str, Review]:
    """What came of the items of each disclosure, by its id."""
    disclosures = list(dict.fromkeys(one["disclosure"] for one in told if one["disclosure"]))
    if not disclosures:
        return {}
    ids = [item_id(ctx, kind, one, agency) for one in disclosures for kind in (AFTER_WISH, NO_CASE)]
    times = [one["when"] for one in told]
    opened = {"agency": agency, "first": min(times) - BESIDE, "last": max(times) + BESIDE}
    claimed, *later = await ledger.read([
        Read(reviews.opened_of((OVERRIDE, OVERRIDE_ALERT)), opened),
        *(Read(reviews.ONE_REVIEW, {"agency": agency, "id": one}) for one in ids),
    ])  # fmt: skip
    items: dict[str, list[Item]] = {}
    for item in (open_item(ctx, row) for rows in (claimed, *later) for row in rows):
        items.setdefault(item.matter.disclosure, []).append(item)
    return {one: _together(items[one]) for one in disclosures if one in items}


def _together(items: Iterable[Item]) -> Review:
    """Closed once all of them are: one that is open still waits for somebody."""
    listed = list(items)
    waiting = [one.due for one in listed if one.closed is None]
    closed = sorted((one.closed, one.matter.outcome) for one in listed if one.closed is not None)
    return Review(
        closed=0 if waiting else closed[-1][0],
        due=min(waiting, default=0),
        outcome=next((outcome for _, outcome in closed if outcome != "in-order"), closed[-1][1] if closed else ""),
        after_a_wish=any(one.kind == AFTER_WISH for one in listed),
    )
