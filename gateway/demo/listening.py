"""A small server of the demonstration on this machine, in a thread of its own; it can stop listening and come back."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HTML, JSON = "text/html; charset=utf-8", "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser or the gateway is told."""

    status: int
    text: str
    kind: str = HTML
    location: str = ""


class Speaking(BaseHTTPRequestHandler):
    """Answers over HTTP/1.1, and writes no log."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """What was posted."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def say(self, answer: Answer) -> None:
        """Send an answer."""
        raw = answer.text.encode()
        self.send_response(answer.status)
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(raw)), "Location": answer.location}
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the story is told elsewhere."""


@dataclass(slots=True)
class Listening(ABC):
    """What listens. ``port`` 0: any that is free, and the same one when it comes back."""

    port: int = field(default=0, kw_only=True)
    _server: ThreadingHTTPServer | None = field(default=None, init=False)

    @abstractmethod
    def handler(self) -> type[Speaking]:
        """What answers a request."""

    def up(self) -> Self:
        """Start to listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def down(self) -> None:
        """Stop listening: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
