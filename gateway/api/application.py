"""The shell of the HTTP application: what stands before FastAPI's own layers, and behind every answer."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class App(FastAPI):
    """FastAPI, with operations at a fixed address found by one look-up before its middle layers.

    Those layers do nothing for them: an operation turns its own failures into outcomes and reads its own body.
    """

    fixed: dict[tuple[str, str], ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self.fixed.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if served is None:
            await super().__call__(scope, receive, _unstored(send))
        else:
            await served(scope, receive, send)


def _unstored(send: Send) -> Send:
    """Answers that no operation made, the API's own description among them, are not kept by caches either."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and not any(name == b"cache-control" for name, _ in message["headers"]):
            message["headers"] = [*message["headers"], (b"cache-control", b"no-store")]
        await send(message)

    return sent
