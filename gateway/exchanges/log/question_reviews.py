"""What waits in an organisation's own queue, as answers to an auditor's questions."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.audit.told import Facts
from gateway.exchanges.context import Context
from gateway.exchanges.log.find_reviews import AFTER_WISH, NO_CASE
from gateway.exchanges.log.search_audit import AuditQuery
from gateway.exchanges.reviews import MOST_OPEN, OVERRIDE, OVERRIDE_ALERT, Item, open_item
from gateway.store import clock, reviews
from gateway.store.ledger import Ledger
from gateway.store.sql import Read
from gateway.store.standing import FEEDS

Answer = tuple[list[Facts], None]


async def overrides(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> Answer:
    """Claims of danger to life that nobody has looked at yet: one's own, and those of others about one's own people."""
    return await _open(ctx, ledger, query, (OVERRIDE, OVERRIDE_ALERT)), None


async def no_matching_case(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> Answer:
    """Statutory lookups that nothing has come of, and duties claimed after a wish."""
    return await _open(ctx, ledger, query, (NO_CASE, AFTER_WISH)), None


async def _open(ctx: Context, ledger: Ledger, query: AuditQuery, kinds: tuple[str, ...]) -> list[Facts]:
    wanted = {"agency": query.requester.agency, "count": MOST_OPEN}
    rows, feeds = await ledger.read([Read(reviews.open_of(kinds), wanted), Read(FEEDS)])
    names, now = {row[0]: row[1] for row in feeds}, clock.now()
    return [_line(open_item(ctx, row), names, now) for row in rows]


def _line(item: Item, names: Mapping[str, str], now: int) -> Facts:
    matter = item.matter
    why = dict(matter.why)
    return {
        "opened": item.opened,
        "age": (now - item.opened) // clock.DAY,
        "due": item.due,
        "who": matter.user,
        "role": matter.role,
        "organisation": names.get(matter.agency, matter.agency),
        "person": matter.patient,
        "reason": why.get("override-reason", ""),
        "rule": item.kind,
        "state": "Overdue" if item.due < now else "Open",
    }
