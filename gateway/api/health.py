"""Whether this process lives, and whether it can serve: for orchestrators, never about a person."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.edge import Edge, base_headers
from gateway.store import clock
from gateway.store.sql import Read
from gateway.store.standing import STANDING


async def live(edge: Edge, request: Request) -> Response:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "live"}, headers=base_headers(request))


async def ready(edge: Edge, request: Request) -> Response:
    """503 until the database answers within two seconds; ``log`` says whether other agencies vouch for the access log."""
    try:
        async with asyncio.timeout(2):
            await edge.ledger.read([Read(STANDING)])
    except Exception:
        return JSONResponse({"status": "not ready"}, 503, headers=base_headers(request))
    state = edge.context.vouched.state(clock.now())
    return JSONResponse({"status": "ready", "log": state}, headers=base_headers(request))
