"""Notices to an agency about what befell its own records: for its privacy officer, who subscribes without naming a person.

They lie in no lane of a person, for nothing has to come before or after them, and belong to no record that could be
taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from gateway.exchanges.context import Context, new_id
from gateway.exchanges.outbox.enqueue import Addressed, Place, new_row, topic_token
from gateway.exchanges.outbox.subscriptions import found_under
from gateway.notification.filters import Wanted
from gateway.store import outbox
from gateway.store.ledger import Moment, Rows
from gateway.store.sql import Read, Row, Write

OVERRIDE_USED, ACCESSED, FEED_STALE = "override-used", "accessed", "feed-stale"


def own_subscriptions(ctx: Context, agency: str, at: int) -> Read:
    """What an agency subscribes to without naming a person."""
    return Read(outbox.SUBSCRIPTIONS_ABOUT, {"person": found_under(ctx, agency, Wanted()), "at": at})


def own_notices(
    ctx: Context, topic: str, happened: str, found: Rows, moment: Moment, people: Iterable[str] = ("",), **extra: Any
) -> tuple[Write, ...]:
    """A notice for each of these subscriptions to the topic and each person (NHS number; empty for none)."""
    names = {topic, topic_token(ctx, topic)}
    told = {"topic": topic, "happened": happened, "reason": "new", "status": False, "was_inpatient": False}
    if extra:
        told["extra"] = extra
    heard_by = [row for row in found if row[2] in names]
    return tuple(_notice(ctx, row, {**told, "nhs": number}, moment) for row in heard_by for number in people)


def _notice(ctx: Context, columns: Row, told: dict[str, Any], moment: Moment) -> Write:
    identifier, subscription, agency, destination = new_id(), columns[0], columns[1], columns[-1]
    place = Place(ctx.vault.token("lane", agency, f"own/{identifier}"), 1, destination or agency)
    return new_row(ctx, identifier, Addressed(subscription, agency, agency), place, orjson.dumps(told), moment)
