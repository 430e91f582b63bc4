"""A receiver of notices, as an agency would run it: checks the signature, keeps each notice once, can be down."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.demo.listening import Listening, Speaking
from gateway.notification import signatures


@dataclass(slots=True)
class Receiver(Listening):
    """One agency's endpoint on this machine. ``seen`` counts how often each notice came."""

    name: str
    key: Ed25519PublicKey | None = None
    notices: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/$process-message"

    def handler(self) -> type[Speaking]:
        """Answers a post with the status of what became of it."""
        receiver = self

        class Handler(Speaking):
            def do_POST(self) -> None:
                status = receiver.take({name.lower(): value for name, value in self.headers.items()}, self.body())
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

        return Handler

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Take a delivery: 401 for a bad signature, else 200; a repeat is taken and not kept again."""
        if self.key is None or not signatures.verify(self.key, headers, body, int(time.time())):
            self.refused += 1
            return 401
        identifier = headers["webhook-id"]
        self.seen[identifier] = self.seen.get(identifier, 0) + 1
        if self.seen[identifier] == 1:
            self.notices.append(json.loads(body))
        return 200

    def topics(self) -> list[str]:
        """The topics of what was kept, in order of receipt."""
        return [topic_of(bundle) for bundle in self.notices]

    def wait(self, count: int, seconds: float = 15.0) -> bool:
        """Until so many notices are there; False where they do not come."""
        end = time.monotonic() + seconds
        while len(self.notices) < count and time.monotonic() < end:
            time.sleep(0.05)
        return len(self.notices) >= count


def topic_of(bundle: dict[str, Any]) -> str:
    """The topic of a message, ``handshake`` or ``notification`` of a backport Bundle."""
    first = bundle["entry"][0]["resource"]
    if first["resourceType"] == "MessageHeader":
        return str(first["eventCoding"]["code"])
    return next(str(part["valueCode"]) for part in first["parameter"] if part["name"] == "type")


def number_of(bundle: dict[str, Any]) -> str:
    """The event number of a message."""
    header = bundle["entry"][0]["resource"]
    return next(str(one["valueString"]) for one in header["extension"] if one["url"].endswith("/notice-number"))
