"""After the fact, day by day: the lookups of all agencies are gone through for what somebody has to look at."""

from __future__ import annotations

import logging

from gateway.audit.entry import Entry
from gateway.exchanges.context import Context
from gateway.exchanges.log.find_reviews import PAGE, entries_of, find_reviews, page_of_lookups, suspects
from gateway.exchanges.log.tell_accessed import AccessedOn, tell_accessed
from gateway.exchanges.notices.tell_stale_feed import tell_stale_feed
from gateway.exchanges.outbox.own_notices import own_subscriptions
from gateway.store import clock
from gateway.store.cards import CARD_PURPOSES
from gateway.store.ledger import Ledger
from gateway.store.sql import Read
from gateway.store.standing import FEEDS
from gateway.store.turns import Turn, take_turn

log = logging.getLogger("gateway.reconciling")

DAYS = 31  # of the access log that are gone through: more than ten working days with every bank holiday of Christmas
TURN = Turn("find-reviews")


async def find_daily(ledger: Ledger, context: Context, now: int) -> int | None:
    """The day's round, if no other worker has had its turn; None where one has."""
    if not await ledger.run_alone(take_turn, TURN):
        return None
    years = unlisted_years(context, now)
    if years:
        log.warning("bank holidays of a year are not listed: there they count as working days", extra={"state": years})
    found = await find_in(ledger, context, now)
    await _tell_own(ledger, context, now)
    log.info("gone through past lookups for what is to be looked at", extra={"state": str(found)})
    return found


async def _tell_own(ledger: Ledger, context: Context, now: int) -> None:
    """Yesterday's count of disclosures, and that records are late, to each agency that hears of what befalls its own."""
    agencies = [row[0] for row in (await ledger.read([Read(FEEDS)]))[0]]
    found = await ledger.read([own_subscriptions(context, agency, now) for agency in agencies])
    yesterday = clock.day(now - clock.DAY)
    for agency in [agency for agency, rows in zip(agencies, found, strict=True) if rows]:
        await ledger.run_alone(tell_accessed, AccessedOn(agency, yesterday))
        await ledger.run_alone(tell_stale_feed, agency)


def unlisted_years(context: Context, now: int) -> str:
    """The years of a round in which bank holidays are not listed; empty where all are."""
    days = clock.day(now - DAYS * clock.DAY), clock.day(now)
    return ", ".join(str(year) for year in context.holidays.missing(*days))


async def find_in(ledger: Ledger, context: Context, now: int, days: int = DAYS) -> int:
    """Open what the lookups of all agencies give cause for; the number of items that are there because of it."""
    feeds, by_cards = await ledger.read([Read(FEEDS), Read(CARD_PURPOSES)])
    cards = frozenset((client, purpose) for client, purpose in by_cards)
    found = 0
    for code in [row[0] for row in feeds]:
        entries = await _entries(ledger, context, code, now - days * clock.DAY)
        found += await ledger.run_alone(find_reviews, suspects(context, code, entries, now, cards))
    return found


async def _entries(ledger: Ledger, context: Context, agency: str, since: int) -> list[Entry]:
    """The entries of an agency's lookups since a time, a page at a time."""
    entries: list[Entry] = []
    after = ""
    while True:
        rows = (await ledger.read([page_of_lookups(agency, since, after)]))[0]
        entries += entries_of(context, rows)
        if len(rows) < PAGE:
            return entries
        since, after = entries[-1].recorded, entries[-1].id
