"""Call-back requests as they are kept: one row for each agency that holds the person, sealed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from gateway.exchanges.context import Context
from gateway.store.ledger import Moment
from gateway.store.sql import Row
from gateway.store.vault import open_sealed, seal

SHELF = "call-back"
NOT_HERE = "There is no such call-back request, or it is not addressed to you."


@dataclass(frozen=True, slots=True)
class CallBack:
    """Who wants to be rung back about whom. Times are microseconds."""

    id: str
    person: str  # system|value
    asker: str
    asker_name: str
    user: str
    role: str
    name: str
    phone: str
    purpose: str
    reason: str
    made: int
    due: int
    closed: int | None = None
    closed_by: str = ""
    sentence: str = ""


KEPT_IN_COLUMNS = ("id", "asker", "asker_name", "made", "due", "closed")


def row_of(ctx: Context, owner: str, one: CallBack) -> dict[str, Any]:
    """The row of the table ``call_back`` for one owner."""
    columns = {"id": one.id, "owner": owner, "asker": one.asker, "made": one.made, "due": one.due, "closed": one.closed}
    return {**columns, "body": seal_call_back(ctx, one)}


def seal_call_back(ctx: Context, one: CallBack) -> bytes:
    """The sealed column; it opens for this row only."""
    body = {name: value for name, value in asdict(one).items() if name not in KEPT_IN_COLUMNS}
    return seal(ctx.vault.shelf(SHELF), orjson.dumps(body), one.id)


def open_call_back(ctx: Context, row: Row, moment: Moment) -> CallBack:
    """A row of the table ``call_back``, columns in its order. Raises Broken."""
    identifier, _, asker, body, made, due, closed = row
    told = orjson.loads(open_sealed(ctx.vault.shelf(SHELF), body, identifier))
    feed = moment.feeds.get(asker)
    return CallBack(
        id=identifier, asker=asker, asker_name=feed.name if feed else asker, made=made, due=due, closed=closed, **told
    )
