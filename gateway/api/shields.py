"""``Patient/$shield`` and ``Patient/$lift-shield``: the owner's own record of a person, opened to nobody by machine."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, allowed, fhir, json_body, request_id
from gateway.api.parameters import read_parts
from gateway.disclosure.requester import Requester
from gateway.exchanges.shield import ShieldRequest, lift_shield, set_shield

OPERATION = "$shield"
NAMES = frozenset({"person", "reason"})
RECEIVED = {"resourceType": "Parameters", "parameter": [{"name": "received", "valueBoolean": True}]}


async def shield(edge: Edge, request: Request) -> Response:
    """Set a shield; it holds from the answer on."""
    ask = read_shield(await json_body(request), allowed(edge, request, OPERATION), request_id(request))
    await edge.ledger.run_alone(set_shield, ask)
    return fhir(request, RECEIVED)


async def lift(edge: Edge, request: Request) -> Response:
    """Ask for a shield to be lifted, or confirm what another user asked."""
    ask = read_shield(await json_body(request), allowed(edge, request, OPERATION), request_id(request))
    await edge.ledger.run_alone(lift_shield, ask)
    return fhir(request, RECEIVED)


def read_shield(body: Any, requester: Requester, request_id: str) -> ShieldRequest:
    """Person and reason of a Parameters resource. Raises Unprocessable naming the part."""
    parts = read_parts(body, NAMES, frozenset(), ("person", "reason"))
    return ShieldRequest(requester, parts.identifier("person"), parts.text("reason", ("valueString",)).strip(), request_id)
