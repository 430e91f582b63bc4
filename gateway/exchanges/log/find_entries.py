"""A page of a search of the access log that is on record: where to look, by marks, and what is found there.

Marks say in which hours, or at which instants, there is anything that an auditor may be looking for; what is read there is
judged by what that auditor is shown of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gateway.audit.marks import HOUR
from gateway.audit.told import Facts, facts_of
from gateway.exchanges.context import Context
from gateway.exchanges.log.search_audit import MAX_COUNT, AuditPage, AuditQuery, mark_of, shown, statement_of
from gateway.store import audit_marks
from gateway.store.ledger import Ledger, Rows
from gateway.store.sql import Params, Read
from gateway.store.standing import FEEDS

MOST_SIFTED = 10  # reads for one page: a page may come short, its next link goes on
AT_ONCE = 100  # instants that are read in one go, or hours that are looked at
STRETCHES = 20  # of hours, that are read in one go
Span = tuple[int, int]  # from and until


async def found(ctx: Context, ledger: Ledger, query: AuditQuery) -> AuditPage:
    """A page of a query that is on record. Where entries are sifted it reads on until the page is full, up to a limit."""
    events: list[dict[str, Any]] = []
    wanted = query.count
    for _ in range(MOST_SIFTED):
        spans, more = await _where_to_look(ctx, ledger, query)
        *answers, feeds = await ledger.read([*(statement_of(ctx, _within(query, span)) for span in spans), Read(FEEDS)])
        names = {row[0]: row[1] for row in feeds}
        page = await asyncio.to_thread(_joined, ctx, query, list(zip(spans, answers, strict=True)), names)
        events += page.events
        cursor = page.cursor or (_edge(query, spans[-1]) if more else None)
        if cursor is None or len(events) >= wanted or not (query.sifts or more):
            return AuditPage(tuple(events), cursor)
        query = replace(query, before=cursor, count=query.count - len(page.events))
    return AuditPage(tuple(events), cursor)


async def lines_up_to(ctx: Context, ledger: Ledger, query: AuditQuery, most: int) -> tuple[list[Facts], tuple[int, str] | None]:
    """The newest lines of a query that is on record, up to about so many, and where those before begin."""
    lines: list[Facts] = []
    query = replace(query, count=min(most, MAX_COUNT))
    while True:
        page = await found(ctx, ledger, query)
        lines += [facts_of(event) for event in page.events]
        if page.cursor is None or len(lines) >= most:
            return lines, page.cursor
        query = replace(query, before=page.cursor, count=min(most - len(lines), MAX_COUNT))


def _within(query: AuditQuery, span: Span) -> AuditQuery:
    return replace(query, since=max(query.since, span[0]), until=min(query.until, span[1]))


def _edge(query: AuditQuery, span: Span) -> tuple[int, str]:
    """The cursor behind a span that has been looked through."""
    return (span[1], "") if query.oldest_first else (span[0], "")


async def _where_to_look(ctx: Context, ledger: Ledger, query: AuditQuery) -> tuple[list[Span], bool]:
    """Stretches of time to look through next, in the order of the page, and whether there may be more behind them.

    A few stretches of hours; many instants where one thing is asked for. What is older than marks is looked through whole.
    """
    everything = (query.since, query.until)
    wanted = [query.thing] if query.thing else query.kinds
    if query.has_index or not wanted:
        return [everything], False
    length = 1 if query.thing else HOUR
    times, since = await ledger.read([_times(ctx, query, wanted, length), Read(audit_marks.MARKED_SINCE)])
    unmarked = (query.since, min(since[0][0], query.until)) if since[0][0] > query.since else None
    found = [(row[0], row[0] + length) for row in times]
    if query.thing:
        spans, cut = found, len(found) == AT_ONCE
    else:
        spans, cut = _stretches(found)
    return _with_unmarked(query, spans, cut, unmarked)


def _with_unmarked(query: AuditQuery, spans: list[Span], cut: bool, unmarked: Span | None) -> tuple[list[Span], bool]:
    if unmarked is None:
        return spans or [(query.until, query.until)], cut
    if query.oldest_first and (query.before is None or query.before[0] < unmarked[1]):
        return [unmarked], True
    if query.oldest_first or cut:
        return spans or [(query.until, query.until)], cut
    return ([*spans], True) if spans else ([unmarked], False)


def _times(ctx: Context, query: AuditQuery, wanted: Sequence[tuple[str, str]], length: int) -> Read:
    """From which time on a mark may be of entries that this page has not shown."""
    first, last = query.since - length + 1, query.until - 1
    if query.before is not None:
        at, identifier = query.before
        first = max(first, at - length + 1) if query.oldest_first else first
        last = last if query.oldest_first else min(last, at if identifier else at - 1)
    marks = {f"mark{place}": mark_of(ctx, query, one) for place, one in enumerate(wanted)}
    return Read(audit_marks.times(len(wanted), query.oldest_first), {**marks, "first": first, "last": last, "count": AT_ONCE})


def _stretches(hours: list[Span]) -> tuple[list[Span], bool]:
    """Hours that follow one another as one stretch, the first few of them, and whether any are left."""
    found: list[Span] = []
    for start, end in hours:
        if found and start in (found[-1][1], found[-1][0] - HOUR):
            found[-1] = (min(found[-1][0], start), max(found[-1][1], end))
        else:
            found.append((start, end))
    return found[:STRETCHES], len(hours) == AT_ONCE or len(found) > STRETCHES


def _joined(ctx: Context, query: AuditQuery, answers: Iterable[tuple[Span, Rows]], names: Params) -> AuditPage:
    """The pages of some stretches as one; with a cursor where it ends within one of them."""
    events: list[dict[str, Any]] = []
    for span, rows in answers:
        rest = replace(_within(query, span), count=query.count - len(events))
        page = shown(ctx, rest, rows, names)
        events += page.events
        if page.cursor is not None or len(events) >= query.count:
            return AuditPage(tuple(events), page.cursor or _edge(query, span))
    return AuditPage(tuple(events), None)
