"""Read and search of the caller's own agency: its Organization, and its desks as PractitionerRoles."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, fhir, request_id
from gateway.api.resources import answered, kind_of, shown
from gateway.exchanges.records.directory import DirectorySearch, read_directory, search_directory
from gateway.exchanges.records.resources import Page, ReadRequest

TYPES: Final = ("Organization", "PractitionerRole")
NAMED_BY: Final = {"Organization": ("identifier",), "PractitionerRole": ("organization:identifier", "organization.identifier")}
PARAMETERS: Final = {
    "Organization": frozenset({"_id", "_count", "name", *NAMED_BY["Organization"]}),
    "PractitionerRole": frozenset({"_id", "_count", *NAMED_BY["PractitionerRole"]}),
}


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/{type}/{id}``."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "r")
    ask = ReadRequest(requester, kind, request.path_params["id"], request_id=request_id(request))
    return answered(request, await edge.ledger.run(read_directory, ask))


async def search(edge: Edge, request: Request) -> Response:
    """``GET /fhir/{type}`` and ``POST /fhir/{type}/_search``."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "s")
    asked = await searches.read_search(edge, request, requester.agency, kind, PARAMETERS[kind])
    used = asked.used
    ask = DirectorySearch(
        requester, kind, _organisation(used, kind), searches.one(used, "name"), searches.identifier(used),
        searches.count(used), int(asked.place or 0), request_id(request),
    )  # fmt: skip
    page: Page = await edge.ledger.run(search_directory, ask)
    return fhir(request, asked.bundle([shown(held) for held in page.found], page.after or None))


def _organisation(used: searches.Used, kind: str) -> str:
    """``system|value`` of the organisation that is named; empty where none is. Raises BadRequest."""
    stated = next((name for name in NAMED_BY[kind] if name in used), "")
    return searches.token_text(searches.one(used, stated), stated) if stated else ""
