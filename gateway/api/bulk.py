"""``GET /fhir/$export?_type=AuditEvent`` (FHIR Bulk Data 2.0): asked for, polled, fetched as NDJSON, ended."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.api import searches, smart
from gateway.api.edge import Edge, base_headers, caller, request_id
from gateway.disclosure.requester import Requester
from gateway.exchanges.log.bulk_audit import GONE as NOT_HERE
from gateway.exchanges.log.bulk_audit import Bulk, BulkAsked, BulkOf, bulk_of, end_bulk, fetch_bulk, lines_of, plan_on, start_bulk
from gateway.exchanges.log.search_audit import AuditQuery
from gateway.fhir.outcomes import BadRequest, Forbidden, NotAcceptable, NotFound
from gateway.fhir.systems import ODS_CODE
from gateway.store import clock

NDJSON = "application/fhir+ndjson"
FORMATS = frozenset({NDJSON, "application/ndjson", "ndjson"})
KNOWN = frozenset({"_type", "_since", "_until", "_typeFilter", "_outputFormat", "_format"})
FILTERS = frozenset({"date", "_lastUpdated", "outcome", "exchange", "purpose", "subtype", "basis", "organization"})
PLANNING_SECONDS = 1.0  # of one poll


async def start(edge: Edge, request: Request) -> Response:
    """``GET /fhir/$export``: 202 with the address to ask how far it is."""
    requester = _auditor(edge, request)
    if "respond-async" not in request.headers.get("prefer", ""):
        raise BadRequest("An export is prepared while you wait elsewhere: send Prefer: respond-async.", where="Prefer")
    query = _query(request, requester)
    identifier = await edge.ledger.run(start_bulk, BulkAsked(query, str(request.url)))
    headers = {**base_headers(request), "Content-Location": f"{_root(edge)}/bulk/{identifier}"}
    return Response(status_code=202, headers=headers)


async def status(edge: Edge, request: Request) -> Response:
    """``GET /bulk/{id}``: 202 with how far it is, then the manifest."""
    wanted = _wanted(edge, request)
    bulk = await bulk_of(edge.context, edge.ledger, wanted)
    until = time.monotonic() + PLANNING_SECONDS
    while not bulk.ready and time.monotonic() < until:
        bulk = await plan_on(edge.context, edge.ledger, bulk)
    headers = base_headers(request)
    if not bulk.ready:
        headers |= {"X-Progress": f"{len(bulk.starts)} files so far", "Retry-After": "1"}
        return Response(status_code=202, headers=headers)
    expires = clock.moment(bulk.expires).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return JSONResponse(_manifest(edge, bulk), headers={**headers, "Expires": expires})


async def fetch(edge: Edge, request: Request) -> Response:
    """``GET /bulk/{id}/{place}``: one file, one entry a line."""
    wanted = _wanted(edge, request)
    bulk = await bulk_of(edge.context, edge.ledger, wanted)
    if not 0 <= wanted.file < len(bulk.starts):
        raise NotFound(NOT_HERE)
    await edge.ledger.run(fetch_bulk, wanted)
    lines = lines_of(edge.context, edge.ledger, bulk, wanted.file)
    return StreamingResponse(lines, media_type=NDJSON, headers=base_headers(request))


async def end(edge: Edge, request: Request) -> Response:
    """``DELETE /bulk/{id}``: the export is not needed any more."""
    await edge.ledger.run_alone(end_bulk, _wanted(edge, request))
    return Response(status_code=202, headers=base_headers(request))


def _auditor(edge: Edge, request: Request) -> Requester:
    requester = caller(edge, request)
    if not all(smart.allows(requester.scopes, "AuditEvent", letter) for letter in "rs"):
        raise Forbidden("The token's scopes do not allow this operation.")
    return requester


def _wanted(edge: Edge, request: Request) -> BulkOf:
    place = str(request.path_params.get("place", ""))
    number = int(place) if place.isascii() and place.isdigit() and len(place) < 7 else -1
    return BulkOf(_auditor(edge, request), request.path_params["id"], request_id(request), number)


def _query(request: Request, requester: Requester) -> AuditQuery:
    used = searches.grouped(parse_qsl(request.url.query, keep_blank_values=True))
    if used.keys() - KNOWN:
        raise BadRequest(f"An export takes {', '.join(sorted(KNOWN))}.", code="not-supported")
    if searches.one(used, "_type") != "AuditEvent":
        raise BadRequest("What can be exported is the access log: _type is AuditEvent.", where="_type", code="not-supported")
    if searches.one(used, "_outputFormat").replace(" ", "+") not in (*FORMATS, ""):
        raise NotAcceptable(f"Exports are {NDJSON}.")
    wanted = _filter(searches.one(used, "_typeFilter"))
    since = [f"ge{text}" for text in used.get("_since", [])] + [f"lt{text}" for text in used.get("_until", [])]
    window = searches.window([*since, *wanted.get("date", []), *wanted.get("_lastUpdated", [])], "_since")
    return AuditQuery(
        requester, since=window[0], until=window[1], outcome=searches.outcome(wanted), exchange=searches.one(wanted, "exchange"),
        purpose=searches.bare_code(wanted, "purpose"), basis=searches.bare_code(wanted, "basis"),
        subtype=searches.one(wanted, "subtype"), oldest_first=True, request_id=request_id(request),
        organisation=searches.one(wanted, "organization").removeprefix(f"{ODS_CODE}|"),
    )  # fmt: skip


def _filter(text: str) -> searches.Used:
    """One ``_typeFilter``: a search of AuditEvent, by what names nobody."""
    kind, _, query = text.partition("?")
    found = searches.grouped(parse_qsl(query, keep_blank_values=True))
    if text and (kind != "AuditEvent" or found.keys() - FILTERS):
        names = ", ".join(sorted(FILTERS))
        raise BadRequest(
            f"_typeFilter is AuditEvent?… with {names}; what names a person is searched by POST.", where="_typeFilter"
        )
    return found


def _root(edge: Edge) -> str:
    return edge.context.url.removesuffix("/fhir")


def _manifest(edge: Edge, bulk: Bulk) -> dict[str, object]:
    files = [{"type": "AuditEvent", "url": f"{_root(edge)}/bulk/{bulk.id}/{place}"} for place in range(len(bulk.starts))]
    return {
        "transactionTime": clock.instant(bulk.query.until), "request": bulk.url, "requiresAccessToken": True,
        "output": files, "error": [],
    }  # fmt: skip
