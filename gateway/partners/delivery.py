"""Posting notices over httpx: one small client per destination, no redirects, no proxy, little read of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from gateway.notification.schedule import Posted
from gateway.partners.guard import Network, Refused, Resolver, Target, resolve, vet

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
TOTAL = 15.0  # seconds for all of it: name, connection, request, answer
PER_DESTINATION = httpx.Limits(max_connections=4, max_keepalive_connections=2, keepalive_expiry=30)
MOST_READ = 64 << 10
MOST_CLIENTS = 256


@dataclass(slots=True)
class Post:
    """One delivery as it goes over the wire."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Client:
    """The connections to one destination, and how many posts are using them."""

    http: httpx.AsyncClient
    users: int = 0


@dataclass(slots=True)
class Courier:
    """Delivers posts. ``loopback_allowed`` and ``allowed`` are the operator's, never a subscriber's.

    Destinations never share connections: two names at one address are two certificates to be checked.
    """

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve
    total: float = TOTAL
    trusted: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)
    _clients: OrderedDict[str, Client] = field(default_factory=OrderedDict)

    async def post(self, post: Post) -> Posted:
        """Post once, in 15 seconds at most. Whatever happens is an outcome, never an exception."""
        try:
            async with asyncio.timeout(self.total):
                target = await vet(post.url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
                return await self._post(post, target)
        except Refused as fault:
            return Posted(0, f"refused: {fault}")
        except Exception as fault:
            return Posted(0, f"no answer: {type(fault).__name__}")

    async def _post(self, post: Post, target: Target) -> Posted:
        headers = {**post.headers, "Host": target.host_header}
        extensions = {"sni_hostname": target.host}
        async with (
            self._client(f"{target.scheme}://{target.host}:{target.port}") as client,
            client.stream("POST", target.url, content=post.body, headers=headers, extensions=extensions) as answer,
        ):
            with contextlib.suppress(httpx.HTTPError, TimeoutError):
                await _read_some(answer, self.total / 5)
            return Posted(answer.status_code, f"http {answer.status_code}", _retry_after(answer))

    @contextlib.asynccontextmanager
    async def _client(self, destination: str) -> AsyncIterator[httpx.AsyncClient]:
        client = self._clients.get(destination)
        if client is None:
            http = httpx.AsyncClient(
                timeout=TIMEOUT, limits=PER_DESTINATION, follow_redirects=False, trust_env=False, verify=self.trusted
            )
            client = self._clients[destination] = Client(http)
        self._clients.move_to_end(destination)
        client.users += 1
        try:
            yield client.http
        finally:
            client.users -= 1
            await self._forget_some()

    async def _forget_some(self) -> None:
        """Close the connections that were longest unused; subscribers choose destinations, so there could be any number."""
        for destination in list(self._clients)[: max(0, len(self._clients) - MOST_CLIENTS)]:
            if self._clients[destination].users == 0:
                await self._clients.pop(destination).http.aclose()

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.http.aclose()
        self._clients.clear()


async def _read_some(answer: httpx.Response, seconds: float) -> None:
    """Read what a receiver says up to a limit of size and time; its status is known, the rest is not waited for."""
    size = 0
    async with asyncio.timeout(seconds):
        async for part in answer.aiter_raw():
            size += len(part)
            if size > MOST_READ:
                return


def _retry_after(answer: httpx.Response) -> float:
    stated = answer.headers.get("retry-after", "")
    return float(stated) if stated.isascii() and stated.isdigit() else 0.0
