"""Who asks more than usual: lookups by organisation and by one's own users, against the eight weeks before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.audit.told import Facts
from gateway.audit.volumes import WEEK, WEEKS, Volume, volumes
from gateway.exchanges.context import Context
from gateway.exchanges.log.search_audit import AuditQuery, open_entry
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.store import clock
from gateway.store.ledger import Ledger, Rows
from gateway.store.sql import Read
from gateway.store.standing import FEEDS
from gateway.store.volumes import BY_ORGANISATION, BY_USER, ONE_OF_USER

MOST_USERS = 50  # who stand out most; their names are read one by one
ABOUT_OURS, BY_OURS = "About your people", "By your staff"


async def count_volumes(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> tuple[list[Facts], None]:
    """One line for each organisation that asked about one's own people, and for each user of one's own."""
    agency = query.requester.agency
    until = clock.now() // clock.HOUR * clock.HOUR + clock.HOUR
    wanted = {"agency": agency, "since": until - (WEEKS + 1) * WEEK, "until": until, "exchange": LOOKUP}
    by_organisation, by_user, feeds = await ledger.read([Read(BY_ORGANISATION, wanted), Read(BY_USER, wanted), Read(FEEDS)])
    names = {row[0]: row[1] for row in feeds}
    organisations: list[Volume[str]] = volumes(_counts(by_organisation), until)
    everybody: list[Volume[bytes]] = volumes(_counts(by_user), until)
    lines = [_line(ABOUT_OURS, names.get(one.source, one.source), "", one) for one in organisations]
    users = [one for one in everybody if one.source][:MOST_USERS]
    entries = await ledger.read([Read(ONE_OF_USER, {"user": one.source, "agency": agency}) for one in users])
    for one, rows in zip(users, entries, strict=True):
        who = open_entry(ctx, rows[0])
        lines.append(_line(BY_OURS, who.user, who.role, one))
    return lines, None


def _counts(rows: Rows) -> list[tuple[Any, int, int]]:
    return [(row[0], row[1], row[2]) for row in rows]


def _line(side: str, who: str, role: str, one: Volume[Any]) -> Facts:
    return {
        "side": side, "who": who, "role": role, "week": one.week, "usual": round(one.usual), "times": f"{one.times:.1f}",
        "busiest": one.busiest, "most": one.most, "days": one.days, "stands_out": one.stands_out,
    }  # fmt: skip
