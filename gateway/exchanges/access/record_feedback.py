"""What clinicians made of cards (CDS Hooks feedback), kept once however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.cards import ADD_FEEDBACK
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write
from gateway.store.vault import seal

NAME = "record_feedback"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one card. ``body``: when, which suggestions, the reason, in the words of CDS Hooks."""

    card: str
    outcome: str  # accepted | overridden
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FeedbackSent:
    """One delivery of feedback; all of it is kept, or nothing."""

    requester: Requester
    items: tuple[Feedback, ...]
    request_id: str = ""


def record_feedback(ctx: Context, sent: FeedbackSent, moment: Moment) -> Story[int]:
    """Keep what is new of it; gives how many that was."""
    kept = 0
    for one in sent.items:
        kept += yield Write(ADD_FEEDBACK, _row(ctx, sent.requester, one, moment))
    detail = (("result", str(kept)),)
    entry = line(NAME, sent.requester, moment, Kind.RECEIVED, DONE, request_id=sent.request_id, detail=detail)
    return Outcome(kept, (entry,))


def _row(ctx: Context, requester: Requester, one: Feedback, moment: Moment) -> dict[str, Any]:
    """The same feedback has the same row, whatever time it comes at. A comment may name somebody: it is sealed."""
    body = orjson.dumps(one.body, option=orjson.OPT_SORT_KEYS)
    key = ctx.vault.token("card-feedback", requester.client_id, one.card, one.outcome, body.decode())
    return {
        "id": key,
        "client": requester.client_id,
        "card": one.card,
        "outcome": one.outcome,
        "received": moment.at,
        "body": seal(ctx.vault.shelf(f"feedback/{requester.agency}"), body, key.hex()),
    }
