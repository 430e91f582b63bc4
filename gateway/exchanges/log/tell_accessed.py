"""How often something left an agency's records in answer to lookups on one day: a count for its privacy officer.

A count, and not a notice for each lookup: that a mental health trust has just asked about a child tells that somebody
close to the child is its patient, which is the trust's to tell and hangs on wishes about its own records (behaviour
section 4). Who looked at whom stands in the access log. So a lookup reads and writes nothing for this.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, and_, bindparam, or_, select

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.log.search_audit import open_entry
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.exchanges.outbox.own_notices import ACCESSED, own_notices, own_subscriptions
from gateway.store import clock
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Statement
from gateway.store.tables import audit_entry as log

PAGE = 2000
_AFTER = or_(
    log.c.recorded > bindparam("since", type_=BigInteger),
    and_(log.c.recorded == bindparam("since", type_=BigInteger), log.c.id > bindparam("after", type_=Text)),
)
DONE_LOOKUPS = Statement(
    select(*log.columns)
    .where(
        log.c.custodian == bindparam("agency", type_=Text),
        log.c.exchange == LOOKUP,
        log.c.outcome == DONE,
        log.c.recorded < bindparam("until", type_=BigInteger),
        _AFTER,
    )
    .order_by(log.c.recorded, log.c.id)
    .limit(bindparam("count", type_=Integer))
)


class AccessedOn(NamedTuple):
    """One agency and one day (UTC)."""

    agency: str
    day: date


def tell_accessed(ctx: Context, ask: AccessedOn, moment: Moment) -> Story[int]:
    """Queue the day's count for whoever of the agency subscribes to it; gives the count. Nobody is told of a day on which
    nothing left."""
    found = yield own_subscriptions(ctx, ask.agency, moment.at)
    count = (yield from _count(ctx, ask)) if found else 0
    writes = own_notices(ctx, ACCESSED, ask.day.isoformat(), found, moment, count=count) if count else ()
    entry = line(
        "tell_accessed", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=ask.agency,
        detail=(("day", ask.day.isoformat()), ("notices", str(len(writes)))),
    )  # fmt: skip
    return Outcome(count, (entry,), writes)


def _count(ctx: Context, ask: AccessedOn) -> Generator[Any, Any, int]:
    """The lookups of others in whose answer something of the agency's left."""
    start = clock.micros(datetime.combine(ask.day, time.min))
    page = {"agency": ask.agency, "since": start - 1, "until": start + clock.DAY, "after": "", "count": PAGE}
    answered: set[str] = set()
    while True:
        rows = yield Read(DONE_LOOKUPS, page)
        entries = [open_entry(ctx, row) for row in rows]
        answered.update(one.disclosure for one in entries if one.kind is Kind.DISCLOSURE and one.requester != ask.agency)
        if len(rows) < PAGE:
            return len(answered)
        page = {**page, "since": entries[-1].recorded, "after": entries[-1].id}
