"""Which calls there are: what ``/openapi.json`` describes, as a page that fetches nothing from elsewhere.

It stands at the same address as the pages that people sign in to, so no script of anybody else may run on it.
"""

from __future__ import annotations

from starlette.responses import Response

from gateway.web.visits import Visit

PATH = "/docs"


async def show(visit: Visit) -> Response:
    """``GET /docs``: method, address, what it does, what it takes, and whether it needs a token."""
    paths = visit.request.app.openapi()["paths"]
    calls = [
        {
            "method": method.upper(),
            "path": path,
            "does": said.get("summary", said["operationId"]),
            "takes": ", ".join(said.get("requestBody", {}).get("content", {})),
            "token": bool(said.get("security")),
        }
        for path, methods in sorted(paths.items())
        for method, said in methods.items()
    ]
    return visit.page("calls.html", calls=calls)
