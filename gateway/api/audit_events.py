"""AuditEvent search and read for auditors. Nobody creates, changes or deletes an entry."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, fhir, request_id
from gateway.exchanges.log.find_entries import found
from gateway.exchanges.log.search_audit import AuditPage, AuditQuery, record_search
from gateway.exchanges.records.resources import NOT_HERE
from gateway.fhir.outcomes import BadRequest, NotFound
from gateway.fhir.systems import ODS_CODE
from gateway.store import clock

SETTLED = 2 * clock.SECOND
PARAMETERS = frozenset({"patient:identifier", "patient.identifier", "agent", "agent:identifier", "organization", "date", "_lastUpdated", "outcome", "exchange", "purpose", "subtype", "entity", "entity:identifier", "basis", "client", "notice", "case-reference:missing", "against-wish:missing", "_id", "_count", "_sort"})  # fmt: skip


async def search(edge: Edge, request: Request) -> Response:
    """``POST /fhir/AuditEvent/_search``, newest first unless ``_sort`` says otherwise; on record before it is answered.

    Oldest first ends two seconds ago: entries that other workers are committing would come in behind the cursor.
    """
    requester = allowed(edge, request, "AuditEvent", "s")
    asked = await searches.read_search(edge, request, requester.agency, "AuditEvent", PARAMETERS)
    used = asked.used
    oldest_first = _oldest_first(used)
    since, until = searches.window([*used.get("date", []), *used.get("_lastUpdated", [])], "date")
    query = AuditQuery(
        requester=requester,
        purpose=searches.bare_code(used, "purpose"),
        subtype=searches.one(used, "subtype"),
        entity=searches.one(used, "entity") or searches.one(used, "entity:identifier"),
        basis=searches.bare_code(used, "basis"),
        client=searches.one(used, "client"),
        notice=searches.one(used, "notice"),
        no_case=_missing(used, "case-reference", "true"),
        against_wish=_missing(used, "against-wish", "false"),
        oldest_first=oldest_first,
        patient=_token(used, "patient:identifier") or _token(used, "patient.identifier"),
        agent=_agent(used),
        organisation=searches.one(used, "organization").removeprefix(f"{ODS_CODE}|"),
        outcome=searches.outcome(used),
        exchange=searches.one(used, "exchange"),
        since=since,
        until=min(until, clock.now() - SETTLED) if oldest_first else until,
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
    return await found(edge.context, edge.ledger, query)


def _oldest_first(used: dict[str, list[str]]) -> bool:
    order = searches.one(used, "_sort")
    if order not in ("", "-date", "-_lastUpdated", "date", "_lastUpdated"):
        raise BadRequest("Entries are sorted by time: _sort is date or -date.", where="_sort", code="not-supported")
    return order in ("date", "_lastUpdated")


def _missing(used: dict[str, list[str]], name: str, asked: str) -> bool:
    """Whether entries without it, or with it, are asked for: of each parameter in one way alone."""
    name = f"{name}:missing"
    text = searches.one(used, name)
    if text not in ("", asked):
        raise BadRequest(f"{name} is {asked}.", where=name, code="value")
    return bool(text)


def _token(used: dict[str, list[str]], name: str) -> str:
    value = searches.one(used, name)
    return searches.token_text(value, name) if value else ""


def _agent(used: dict[str, list[str]]) -> str:
    """A user: ``ODS|user`` or the id of a user of the auditor's own organisation."""
    return searches.one(used, "agent") or searches.one(used, "agent:identifier")
