"""AuditEvent search and read for auditors. Nobody creates, changes or deletes an entry."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, fhir, request_id
from gateway.exchanges.resources import NOT_HERE
from gateway.exchanges.search_audit import AuditPage, AuditQuery, record_search, shown, statement_of
from gateway.fhir.outcomes import BadRequest, NotFound
from gateway.fhir.systems import ODS_CODE
from gateway.store.sql import Read
from gateway.store.standing import FEEDS

PARAMETERS = frozenset({"patient:identifier", "patient.identifier", "agent", "agent:identifier", "organization", "date", "_lastUpdated", "outcome", "exchange", "_id", "_count", "_sort"})  # fmt: skip


async def search(edge: Edge, request: Request) -> Response:
    """``POST /fhir/AuditEvent/_search``, newest first; the search itself is on record before it is answered."""
    requester = allowed(edge, request, "AuditEvent", "s")
    asked = await searches.read_search(edge, request, requester.agency, "AuditEvent", PARAMETERS)
    used = asked.used
    if searches.one(used, "_sort") not in ("", "-date", "-_lastUpdated"):
        raise BadRequest("Entries come newest first: _sort is -date.", where="_sort", code="not-supported")
    since, until = searches.window([*used.get("date", []), *used.get("_lastUpdated", [])], "date")
    query = AuditQuery(
        requester=requester,
        patient=_token(used, "patient:identifier") or _token(used, "patient.identifier"),
        agent=_agent(used),
        organisation=searches.one(used, "organization").removeprefix(f"{ODS_CODE}|"),
        outcome=_outcome(used),
        exchange=searches.one(used, "exchange"),
        since=since,
        until=until,
        count=searches.count(used),
        before=tuple(asked.place) if asked.place else None,
        id=searches.identifier(used),
        request_id=request_id(request),
    )
    page = await answered(edge, query)
    return fhir(request, asked.bundle(list(page.events), page.cursor))


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/AuditEvent/{id}``."""
    requester = allowed(edge, request, "AuditEvent", "r")
    page = await answered(edge, AuditQuery(requester, id=request.path_params["id"], request_id=request_id(request)))
    if not page.events:
        raise NotFound(NOT_HERE)
    return fhir(request, page.events[0])


async def answered(edge: Edge, query: AuditQuery) -> AuditPage:
    """A query on record, then read and rendered."""
    await edge.ledger.run(record_search, query)
    rows, feeds = await edge.ledger.read([statement_of(edge.context, query), Read(FEEDS)])
    return shown(edge.context, query, rows, {row[0]: row[1] for row in feeds})


def _token(used: dict[str, list[str]], name: str) -> str:
    value = searches.one(used, name)
    return searches.token_text(value, name) if value else ""


def _agent(used: dict[str, list[str]]) -> str:
    """A user: ``ODS|user`` or the id of a user of the auditor's own organisation."""
    return searches.one(used, "agent") or searches.one(used, "agent:identifier")


def _outcome(used: dict[str, list[str]]) -> int | None:
    text = searches.one(used, "outcome")
    if not text:
        return None
    if text not in ("0", "4", "8", "12"):
        raise BadRequest("outcome is 0, 4, 8 or 12.", where="outcome", code="value")
    return int(text)
