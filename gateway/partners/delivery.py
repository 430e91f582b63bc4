"""Posting notices over httpx: one small client per destination, no redirects, no proxy, little read of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.notification.schedule import Posted
from gateway.partners.guard import Network, Refused, Resolver, Target, resolve, vet
from gateway.partners.trust import authorities

CONNECTIONS = 4  # to one destination
KEPT = 30.0  # seconds that an idle connection stays open
CONNECT = 5.0  # seconds
TOTAL = 15.0  # seconds for all of it: name, connection, request, answer
MOST_READ = 64 << 10
MOST_CLIENTS = 256


@dataclass(slots=True)
class Post:
    """One delivery as it goes over the wire."""

    url: str
    body: bytes
    headers: dict[str, str]
    seconds: float = 0.0  # how long its receiver wants it to take at most; 0: as long as any


@dataclass(slots=True)
class Client:
    """The connections to one destination, and how many posts are using them."""

    http: Any  # an AsyncClient of the library
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
    trusted: ssl.SSLContext = field(default_factory=authorities)
    library: str = "httpx"  # or httpx2, which has the same interface
    _clients: OrderedDict[str, Client] = field(default_factory=OrderedDict)

    async def post(self, post: Post) -> Posted:
        """Post once, in 15 seconds at most. Whatever happens is an outcome, never an exception."""
        try:
            async with asyncio.timeout(min(self.total, post.seconds or self.total)):
                target = await vet(post.url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
                return await self._post(post, target)
        except Refused as fault:
            return Posted(0, f"refused: {fault}")
        except Exception as fault:
            return Posted(0, f"no answer: {type(fault).__name__}")

    async def _post(self, post: Post, target: Target) -> Posted:
        headers = {"Accept-Encoding": "identity", **post.headers, "Host": target.host_header}
        extensions = {"sni_hostname": target.host}
        async with (
            self._client(f"{target.scheme}://{target.host}:{target.port}") as client,
            client.stream("POST", target.url, content=post.body, headers=headers, extensions=extensions) as answer,
        ):
            said = await _read_some(answer, self.total / 5)
            stated = answer.headers.get("retry-after", "")
            return Posted(answer.status_code, f"http {answer.status_code}", retry_after(stated, time.time()), said)

    def _open(self) -> Any:
        library = importlib.import_module(self.library)
        return library.AsyncClient(
            timeout=library.Timeout(self.total, connect=CONNECT),
            limits=library.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT),
            follow_redirects=False,
            trust_env=False,
            verify=self.trusted,
        )

    @contextlib.asynccontextmanager
    async def _client(self, destination: str) -> AsyncIterator[Any]:
        client = self._clients.get(destination)
        if client is None:
            client = self._clients[destination] = Client(self._open())
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


async def _read_some(answer: Any, seconds: float) -> bytes:
    """What a receiver says, up to a limit of size and time; its status is known, the rest is not waited for."""
    said = bytearray()
    with contextlib.suppress(Exception):  # whatever goes wrong from here on
        async with asyncio.timeout(seconds):
            async for part in answer.aiter_raw():
                said += part[: MOST_READ - len(said)]
                if len(said) >= MOST_READ:
                    break
    return bytes(said)


def retry_after(stated: str, now: float) -> float:
    """The seconds of a Retry-After, given as seconds or as a date (RFC 9110); 0 where it is neither, or past."""
    if stated.isascii() and stated.isdigit():
        return float(stated)
    try:
        return max(0.0, parsedate_to_datetime(stated).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
