"""That an agency's own records are late: for whoever of it subscribes, once a day for as long as they are.

Wishes are not answered from a stale feed, and a duty hears ``data-too-old``: the agency must learn of it before its
partners ring.
"""

from __future__ import annotations

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.agencies import is_fresh
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.outbox.own_notices import FEED_STALE, own_notices, own_subscriptions
from gateway.store import clock
from gateway.store.ledger import Moment, Outcome, Story


def tell_stale_feed(ctx: Context, agency: str, moment: Moment) -> Story[int]:
    """Queue the notice for each of the agency's subscriptions to it; gives their number, 0 where the records are in time."""
    feed = moment.feeds[agency]
    late = feed.data_as_of if not is_fresh(feed, moment.at) else None
    found = (yield own_subscriptions(ctx, agency, moment.at)) if late is not None else []
    writes = own_notices(ctx, FEED_STALE, clock.day(late).isoformat(), found, moment) if late is not None else ()
    entry = line(
        "tell_stale_feed", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=agency,
        detail=(("notices", str(len(writes))),),
    )  # fmt: skip
    return Outcome(len(writes), (entry,), writes)
