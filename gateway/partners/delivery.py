"""Posting notices over httpx: one small client per destination, no redirects, no proxy, little read of the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import httpx

from gateway.notification.schedule import Posted
from gateway.partners.guard import Network, Refused, vet

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
TOTAL = 15.0
PER_DESTINATION = httpx.Limits(max_connections=4, max_keepalive_connections=2, keepalive_expiry=30)
MOST_READ = 64 << 10


@dataclass(slots=True)
class Post:
    """One delivery as it goes over the wire."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Courier:
    """Delivers posts. ``loopback_allowed`` and ``allowed`` are the operator's, never a subscriber's."""

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def post(self, post: Post) -> Posted:
        """Post once. Whatever happens is an outcome, never an exception."""
        try:
            target = await vet(post.url, loopback_allowed=self.loopback_allowed, allowed=self.allowed)
            client = self._client(f"{target.scheme}://{target.host}:{target.port}")
            headers = {**post.headers, "Host": target.host_header}
            extensions = {"sni_hostname": target.host}
            async with client.stream("POST", target.url, content=post.body, headers=headers, extensions=extensions) as answer:
                await _read_some(answer)
                return Posted(answer.status_code, f"http {answer.status_code}", _retry_after(answer))
        except Refused as fault:
            return Posted(0, f"refused: {fault}")
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return Posted(0, f"no answer: {type(fault).__name__}")

    def _client(self, destination: str) -> httpx.AsyncClient:
        if destination not in self._clients:
            self._clients[destination] = httpx.AsyncClient(
                timeout=TIMEOUT, limits=PER_DESTINATION, follow_redirects=False, trust_env=False
            )
        return self._clients[destination]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()


async def _read_some(answer: httpx.Response) -> None:
    """Read what a receiver says up to a limit of size and time; the rest is not waited for."""
    size, started = 0, time.monotonic()
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MOST_READ or time.monotonic() - started > TOTAL:
            return


def _retry_after(answer: httpx.Response) -> float:
    stated = answer.headers.get("retry-after", "")
    return float(stated) if stated.isascii() and stated.isdigit() else 0.0
