"""Native records in: a file of any mapped format, and the DfE daily API at the address that councils know."""

from __future__ import annotations

import hashlib
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api import hand_in
from gateway.api.edge import Edge, allowed, base_headers, body_of, fhir, request_id
from gateway.api.load_report import Report
from gateway.api.loading import Desk, load
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import parse_profile
from gateway.exchanges.context import Context, new_id
from gateway.fhir import systems
from gateway.fhir.outcomes import BadRequest, Forbidden, TooLarge, Unprocessable
from gateway.mapping.records import Sender
from gateway.store import clock
from gateway.store.ledger import Ledger
from gateway.store.sql import Read
from gateway.store.standing import FEEDS

LA_CODE = re.compile(r"[0-9]{3}")
LARGER = (
    "At most {most} bytes are taken while you wait. Send a larger file to /records/{{format}} with Prefer: respond-async, "
    "which takes up to {handed_in} bytes."
)


async def sender_of(ledger: Ledger, context: Context, agency: str, la_code: str = "") -> Sender:
    """What the maps must know of a sender, from its registration. Raises Forbidden for another council's code."""
    rows = (await ledger.read([Read(FEEDS)]))[0]
    row = next((row for row in rows if row[0] == agency), None)
    if row is None:
        raise Forbidden("Your organisation is not registered here.")
    described = parse_profile(row[0], row[1], row[3])
    if la_code and la_code != described.la_code:
        raise Forbidden("This local authority code is not your organisation's.")
    return Sender(
        agency=agency,
        la_code=described.la_code,
        authorities={"NHS": systems.NHS_NUMBER, **described.authorities},
        base=context.base,
        received=clock.instant(clock.now()),
    )


def _desk(edge: Edge, requester: Requester, request: Request, data: bytes) -> Desk:
    return Desk(edge.ledger, edge.context, requester, request_id(request), hashlib.sha256(data).hexdigest())


async def _body(edge: Edge, request: Request) -> bytes:
    most = edge.context.most_records
    try:
        return await body_of(request, most)
    except TooLarge:
        raise TooLarge(LARGER.format(most=most, handed_in=edge.context.most_handed_in)) from None


async def receive_file(edge: Edge, request: Request) -> Response:
    """``POST /records/{format}``: the report names every record that did not land, and why; at once, or to be fetched later."""
    requester = allowed(edge, request, "records", "c")
    if hand_in.is_wanted(request):
        await sender_of(edge.ledger, edge.context, requester.agency)
        return await hand_in.take(edge, request, requester)
    data = await _body(edge, request)
    sender = await sender_of(edge.ledger, edge.context, requester.agency)
    report = Report()
    await load(_desk(edge, requester, request, data), request.path_params["format"], data, sender, report)
    edge.wake()
    if report.received and not report.accepted:
        raise Unprocessable.of(report.findings())
    return fhir(request, report.as_fhir())


async def receive_children(edge: Edge, request: Request) -> Response:
    """The DfE daily children's social care API 1.0.1: at most 100 children, a receipt for them."""
    requester = allowed(edge, request, "records", "c")
    la_code = request.path_params["la_code"]
    if not LA_CODE.fullmatch(la_code):
        raise BadRequest("The local authority code has three digits.", where="la_code")
    data = await _body(edge, request)
    sender = await sender_of(edge.ledger, edge.context, requester.agency, la_code)
    report = Report()
    await load(_desk(edge, requester, request, data), "dfe-csc-api", data, sender, report)
    edge.wake()
    if report.received and not report.accepted:
        raise BadRequest.of(report.findings())
    if not report.received:
        return Response(status_code=204, headers=base_headers(request))
    receipt = new_id()
    uuid = f"{receipt[:8]}-{receipt[8:12]}-4{receipt[13:16]}-8{receipt[17:20]}-{receipt[20:]}"
    return JSONResponse(uuid, headers={**base_headers(request), "X-Records-Refused": str(report.refused)})
