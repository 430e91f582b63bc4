"""Export of the access log on screen: asked for, watched while it is prepared, fetched file by file.

The page of an export that is being prepared asks for itself again every two seconds, by a header, and without scripts; a
link stops that for whoever does not want a page to change by itself (WCAG 2.2.2).
"""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response, StreamingResponse

from gateway.exchanges.log.bulk_audit import (
    GONE,
    Bulk,
    BulkAsked,
    BulkOf,
    bulk_of,
    end_bulk,
    fetch_bulk,
    lines_of,
    plan_on,
    start_bulk,
)
from gateway.exchanges.log.search_audit import LATEST, AuditQuery
from gateway.fhir.outcomes import NotFound
from gateway.store import clock
from gateway.web import render
from gateway.web.console import SCOPE, WRONG_DAY, midnight
from gateway.web.visits import Page, Visit

PATH = "/console/exports"
NDJSON = "application/fhir+ndjson"
AGAIN = "2"  # seconds
PLANNING_SECONDS = 0.2  # of one look


async def ask(visit: Visit) -> Response:
    """``GET /console/exports``: from when to when."""
    return visit.page("console_exports.html", given={}, faults=[], said=visit.request.query_params.get("said") == "ended")


async def start(visit: Visit) -> Response:
    """``POST /console/exports``: take it up, and lead to its page."""
    days = {name: midnight(visit.form.get(name, "")) for name in ("since", "until")}
    faults = [(name, WRONG_DAY) for name, day in days.items() if day is None]
    if faults:
        return visit.page("console_exports.html", 422, given=visit.form, faults=faults, said=False)
    until = days["until"] + clock.DAY if days["until"] else LATEST
    query = AuditQuery(
        visit.requester, since=days["since"] or 0, until=until, oldest_first=True, request_id=visit.request_id,
        outcome=int(visit.form["outcome"]) if visit.form.get("outcome") in ("0", "4", "8") else None,
    )  # fmt: skip
    identifier = await visit.web.ledger.run(start_bulk, BulkAsked(query, PATH))
    return visit.to(f"{PATH}/{identifier}")


async def watch(visit: Visit) -> Response:
    """``GET /console/exports/{id}``: how far it is; its files when it is ready. Raises NotFound."""
    context, ledger = visit.web.context, visit.web.ledger
    bulk = await bulk_of(context, ledger, _wanted(visit))
    until = time.monotonic() + PLANNING_SECONDS
    while not bulk.ready and time.monotonic() < until:
        bulk = await plan_on(context, ledger, bulk)
    still = visit.request.query_params.get("still") == "yes"
    answer = visit.page("console_export.html", bulk=bulk, share=_share(bulk), still=still, **_window(bulk))
    if not bulk.ready and not still:
        answer.headers["Refresh"] = AGAIN
    return answer


async def fetch(visit: Visit) -> Response:
    """``POST /console/exports/{id}/fetch``: one file, one entry a line. Raises NotFound."""
    context, ledger = visit.web.context, visit.web.ledger
    wanted = _wanted(visit)
    bulk = await bulk_of(context, ledger, wanted)
    if not 0 <= wanted.file < len(bulk.starts):
        raise NotFound(GONE)
    await ledger.run(fetch_bulk, wanted)
    name = f'attachment; filename="access-log-{wanted.file + 1}.ndjson"'
    headers = {**render.HEADERS, **visit.headers(), "Content-Disposition": name}
    return StreamingResponse(lines_of(context, ledger, bulk, wanted.file), headers=headers, media_type=NDJSON)


async def end(visit: Visit) -> Response:
    """``POST /console/exports/{id}/end``: it is not needed any more. Raises NotFound."""
    await visit.web.ledger.run_alone(end_bulk, _wanted(visit))
    return visit.to(f"{PATH}?said=ended")


def _wanted(visit: Visit) -> BulkOf:
    text = visit.form.get("file", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else -1
    return BulkOf(visit.requester, visit.request.path_params["id"], visit.request_id, number)


def _share(bulk: Bulk) -> int:
    """How much of the time that is exported has been looked through, in per cent."""
    if bulk.ready:
        return 100
    begins = max(bulk.query.since, bulk.starts[0][0]) if bulk.starts else 0
    found = bulk.starts[-1][0] if bulk.starts else 0
    whole = max(bulk.query.until - begins, 1)
    return max(0, min(99, 100 * (found - begins) // whole))


def _window(bulk: Bulk) -> dict[str, Any]:
    return {"since": bulk.query.since, "until": bulk.query.until, "files": range(len(bulk.starts))}


PAGES = (
    Page("console_exports", "GET", PATH, ask, SCOPE),
    Page("console_export_start", "POST", PATH, start, SCOPE),
    Page("console_export", "GET", f"{PATH}/{{id:fhirid}}", watch, SCOPE),
    Page("console_export_fetch", "POST", f"{PATH}/{{id:fhirid}}/fetch", fetch, SCOPE),
    Page("console_export_end", "POST", f"{PATH}/{{id:fhirid}}/end", end, SCOPE),
)
