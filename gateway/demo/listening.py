"""A small server of the demonstration on this machine, in a thread of its own; it can stop listening and come back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(slots=True)
class Listening:
    """What listens. ``port`` 0: any that is free, and the same one when it comes back."""

    port: int = field(default=0, kw_only=True)
    _server: ThreadingHTTPServer | None = field(default=None, init=False)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers a request."""
        raise NotImplementedError

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
