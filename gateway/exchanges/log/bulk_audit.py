"""Bulk export of the access log for an auditor (FHIR Bulk Data 2.0): asked for, fetched file by file, ended; each on record.

An export is a window of the log up to the moment it was asked for, as this auditor may see it. It belongs to the client
and user who asked, for a day.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.log.find_entries import found
from gateway.exchanges.log.search_audit import AuditQuery, statement_of
from gateway.fhir.outcomes import NotFound
from gateway.store import clock, exports
from gateway.store.ledger import Ledger, Moment, Outcome, Story
from gateway.store.sql import Read, Write
from gateway.store.vault import open_sealed, seal

NAME = "bulk_audit"
SETTLED: Final = 2 * clock.SECOND  # entries that other workers are committing are left for the next export
KEPT: Final = clock.DAY
PER_FILE: Final = 10_000
PAGE: Final = 500
GONE: Final = "There is no such export here: it was ended, has expired, or is another's."
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class BulkAsked:
    """What an auditor wants exported, and the request as it was made."""

    query: AuditQuery
    url: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """An export as it stands. ``starts``: after which entry each file begins; ``ready``: all of them are known."""

    id: str
    url: str
    query: AuditQuery
    starts: tuple[Place, ...]
    ready: bool
    stepped: int
    expires: int


@dataclass(frozen=True, slots=True)
class BulkOf:
    """An export by its id, for whoever asks; ``file`` is the number of the file that is fetched."""

    requester: Requester
    id: str
    request_id: str = ""
    file: int = -1


def start_bulk(ctx: Context, asked: BulkAsked, moment: Moment) -> Story[str]:
    """Take up an export; gives its id."""
    yield from ()
    requester = asked.query.requester
    check_current(requester, moment)
    identifier, until = new_id(), min(asked.query.until, moment.at - SETTLED)
    body = _body(asked.url, replace(asked.query, until=until), ())
    row = {
        "id": identifier, "owner": _owner(ctx, requester), "body": _seal(ctx, identifier, body), "state": exports.PLANNING,
        "asked": moment.at, "stepped": moment.at, "expires": moment.at + KEPT,
    }  # fmt: skip
    entry = _line(requester, moment, f"export&{asked.query.described()}", asked.query.request_id)
    return Outcome(identifier, (entry,), (Write(exports.ADD_EXPORT, row),))


def fetch_bulk(ctx: Context, wanted: BulkOf, moment: Moment) -> Story[None]:
    """Put on record that a file is fetched; before a line of it is read."""
    yield from ()
    check_current(wanted.requester, moment)
    return Outcome(None, (_line(wanted.requester, moment, f"export&file={wanted.file}", wanted.request_id),))


def end_bulk(ctx: Context, wanted: BulkOf, moment: Moment) -> Story[None]:
    """End an export. Raises NotFound where it is not the caller's."""
    check_current(wanted.requester, moment)
    params = {"export_id": wanted.id, "owner": _owner(ctx, wanted.requester)}
    if not (yield Write(exports.DROP_EXPORT, params)):
        raise NotFound(GONE)
    return Outcome(None, (_line(wanted.requester, moment, "export&ended", wanted.request_id),))


async def bulk_of(ctx: Context, ledger: Ledger, wanted: BulkOf) -> Bulk:
    """An export of the caller's. Raises NotFound."""
    params = {"export_id": wanted.id, "owner": _owner(ctx, wanted.requester)}
    (rows,) = await ledger.read([Read(exports.EXPORT, params)])
    if not rows or rows[0][4] < clock.now():
        raise NotFound(GONE)
    sealed, state, _, stepped, expires = rows[0]
    body = orjson.loads(open_sealed(ctx.vault.shelf("audit-export"), sealed, wanted.id))
    query = AuditQuery(wanted.requester, oldest_first=True, **body["query"])
    starts = tuple((recorded, identifier) for recorded, identifier in body["starts"])
    return Bulk(wanted.id, body["url"], query, starts, state == exports.READY, stepped, expires)


async def plan_on(ctx: Context, ledger: Ledger, bulk: Bulk) -> Bulk:
    """Find where the next file begins; the export as it stands then."""
    if not bulk.starts and not (await ledger.read([statement_of(ctx, replace(bulk.query, count=1))]))[0]:
        return await _kept(ctx, ledger, replace(bulk, ready=True))
    last = bulk.starts[-1] if bulk.starts else None
    here = replace(bulk.query, before=last, count=PAGE)
    for _ in range(PER_FILE // PAGE if bulk.starts else 0):
        (rows,) = await ledger.read([statement_of(ctx, here)])
        if len(rows) <= PAGE:
            return await _kept(ctx, ledger, replace(bulk, ready=True))
        here = replace(here, before=(rows[PAGE - 1][1], rows[PAGE - 1][0]))
    begins = here.before or (-1, "")
    return await _kept(ctx, ledger, replace(bulk, starts=(*bulk.starts, begins)))


async def _kept(ctx: Context, ledger: Ledger, bulk: Bulk) -> Bulk:
    body = _seal(ctx, bulk.id, _body(bulk.url, bulk.query, bulk.starts))
    step = exports.Stepped(bulk.id, body, exports.READY if bulk.ready else exports.PLANNING, bulk.stepped)
    await ledger.run_alone(exports.keep_step, step)
    return await bulk_of(ctx, ledger, BulkOf(bulk.query.requester, bulk.id))


async def lines_of(ctx: Context, ledger: Ledger, bulk: Bulk, number: int) -> AsyncIterator[bytes]:
    """The NDJSON of one file, a page at a time."""
    end = bulk.starts[number + 1] if number + 1 < len(bulk.starts) else None
    query = replace(bulk.query, before=bulk.starts[number], end=end, count=PAGE)
    while True:
        page = await found(ctx, ledger, query)
        yield b"".join(orjson.dumps(event) + b"\n" for event in page.events)
        if page.cursor is None:
            return
        query = replace(query, before=page.cursor)


def _owner(ctx: Context, requester: Requester) -> bytes:
    return ctx.vault.token("audit-export", requester.agency, requester.client_id, requester.user)


def _body(url: str, query: AuditQuery, starts: tuple[Place, ...]) -> bytes:
    names = ("outcome", "exchange", "since", "until", "purpose", "subtype", "basis", "organisation")
    return orjson.dumps({"url": url, "query": {name: getattr(query, name) for name in names}, "starts": starts})


def _seal(ctx: Context, identifier: str, body: bytes) -> bytes:
    return seal(ctx.vault.shelf("audit-export"), body, identifier)


def _line(requester: Requester, moment: Moment, query: str, request_id: str) -> Any:
    return line(
        NAME, requester, moment, Kind.SEARCH, DONE, request_id=request_id, purpose="audit", detail=(("query", query),)
    )  # fmt: skip
