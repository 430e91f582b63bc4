"""A file that is handed in to be loaded later: ``Prefer: respond-async`` on ``POST /records/{format}``, asked after, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from gateway.api.edge import Edge, allowed, base_headers, check_body, fhir, header, request_id
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.hand_in import Handed, HandedOf, end_hand_in, handed_of, take_in
from gateway.fhir.outcomes import BadRequest, Conflict, NotFound
from gateway.mapping.load_page import page
from gateway.mapping.reading import find
from gateway.mapping.unreadable import UnknownFormat
from gateway.store import clock

STILL_LOADING = "The file is still being loaded. Its report is there when it is in."


def is_wanted(request: Request) -> bool:
    """Whether the caller would rather wait elsewhere."""
    return "respond-async" in header(request, b"prefer")


async def take(edge: Edge, request: Request, requester: Requester) -> Response:
    """The file is taken in as a whole, and 202 says where to ask how far it is."""
    fmt = request.path_params["format"]
    try:
        find(edge.context.mappings, fmt)
    except UnknownFormat as fault:
        raise NotFound.of(fault.issues) from None
    check_body(request, edge.context.most_handed_in)
    file = Handed("", requester, fmt, request_id(request))
    identifier = await take_in(edge.context, edge.ledger, file, _pieces(request))
    headers = {**base_headers(request), "Content-Location": f"{edge.context.url.removesuffix('/fhir')}/loads/{identifier}"}
    return Response(status_code=202, headers=headers)


async def status(edge: Edge, request: Request) -> Response:
    """``GET /loads/{id}``: 202 with how far it is, then the report."""
    file = await handed_of(edge.context, edge.ledger, _wanted(edge, request))
    if file.report is None:
        headers = {**base_headers(request), "X-Progress": f"{file.records} records so far", "Retry-After": "1"}
        return Response(status_code=202, headers=headers)
    return fhir(request, file.report, headers=_expiring(file))


async def report_page(edge: Edge, request: Request) -> Response:
    """``GET /loads/{id}/page``: the report as a page that people can read."""
    file = await handed_of(edge.context, edge.ledger, _wanted(edge, request))
    if file.report is None:
        raise Conflict(STILL_LOADING, headers={"Retry-After": "1"})
    return HTMLResponse(page(file.report), headers={**base_headers(request), **_expiring(file)})


async def end(edge: Edge, request: Request) -> Response:
    """``DELETE /loads/{id}``: no more of the file is loaded; what is in stays."""
    await edge.ledger.run_alone(end_hand_in, _wanted(edge, request))
    return Response(status_code=202, headers=base_headers(request))


def _wanted(edge: Edge, request: Request) -> HandedOf:
    return HandedOf(allowed(edge, request, "records", "c"), request.path_params["id"], request_id(request))


def _expiring(file: Handed) -> dict[str, str]:
    return {"Expires": clock.moment(file.expires).strftime("%a, %d %b %Y %H:%M:%S GMT")}


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises BadRequest where it breaks off, and where there is none."""
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            yield piece
    except ClientDisconnect:
        raise BadRequest("The request ended before its body did.") from None
    if not size:
        raise BadRequest("There is no file in the request: send it as the body.")
