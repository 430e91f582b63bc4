"""Lines to receivers: opened before anything is leased for them, used by one post at a time, kept open for a while.

What is leased is decided, so nothing that takes time may stand between a lease and its first byte: the name is looked
up, the connection opened and its certificate checked before. A pool that opens connections when it is given a request
cannot do that; what speaks HTTP on a line is the library's.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from gateway.partners.guard import Target

CONNECTIONS = 4  # to one destination
KEPT = 30.0  # seconds that an idle connection stays open
CONNECT = 5.0  # seconds
MOST_DESTINATIONS = 256  # to which idle connections are kept: subscribers choose destinations, so there could be any number
TRANSPORTS = {"httpx": "httpcore", "httpx2": "httpcore2"}  # what each library itself speaks HTTP with

Key = tuple[str, str, int]


@dataclass(slots=True)
class Line:
    """A connection to a vetted address, as one post has it."""

    target: Target
    stream: Any  # an AsyncNetworkStream of the library
    http: Any  # its AsyncHTTP11Connection on that stream
    until: float

    def is_good(self) -> bool:
        """Whether it can be used: not kept too long, not closed, and the receiver has not closed it or spoken out of turn."""
        is_open = time.monotonic() < self.until and not self.http.is_closed()
        return is_open and not self.stream.get_extra_info("is_readable")


@dataclass(slots=True)
class Destination:
    """The lines to one scheme, name and port. Two names at one address are two certificates to be checked."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    idle: list[Line] = field(default_factory=list)
    users: int = 0


@dataclass(slots=True)
class Lines:
    """All lines of one process."""

    trusted: ssl.SSLContext
    library: str = "httpx"
    _transport: Any = None
    _destinations: OrderedDict[Key, Destination] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._transport = importlib.import_module(TRANSPORTS[self.library])

    async def take(self, target: Target) -> Line:
        """A good line, an idle one or one opened now; waits where as many as may be are in use. Raises what connecting
        raises."""
        key = target.scheme, target.host, target.port
        there = self._destinations.setdefault(key, Destination())
        self._destinations.move_to_end(key)
        there.users += 1
        try:
            await there.places.acquire()
        except BaseException:
            there.users -= 1
            raise
        try:
            return await self._idle(there, target) or await self._open(target)
        except BaseException:
            self._leave(there)
            raise

    async def give_back(self, line: Line) -> None:
        """The post that had it has ended; it is kept where another may follow on it."""
        target = line.target
        there = self._destinations[target.scheme, target.host, target.port]
        line.until = time.monotonic() + KEPT
        if line.http.is_closed():
            self._leave(there)
        else:
            there.idle.append(line)
            self._leave(there)
            await self._forget_some()

    async def renewed(self, line: Line) -> Line:
        """The line itself while it is good, or one opened in its place."""
        if not line.is_good():
            await self._close(line)
            fresh = await self._open(line.target)
            line.stream, line.http, line.until = fresh.stream, fresh.http, fresh.until
        return line

    def request(self, line: Line, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
        """A POST in the library's form."""
        url = self._url(line.target, path)
        return self._transport.Request("POST", url, headers=headers, content=body)

    def _url(self, target: Target, path: str = "/") -> Any:
        return self._transport.URL(
            scheme=target.scheme.encode(), host=target.address.encode(), port=target.port, target=path.encode()
        )

    def _leave(self, there: Destination) -> None:
        there.places.release()
        there.users -= 1

    async def _idle(self, there: Destination, target: Target) -> Line | None:
        while there.idle:
            line = there.idle.pop()
            if line.target.address == target.address and line.is_good():
                return line
            await self._close(line)
        return None

    async def _open(self, target: Target) -> Line:
        stream = await self._transport.AnyIOBackend().connect_tcp(target.address, target.port, timeout=CONNECT)
        if target.scheme == "https":
            stream = await stream.start_tls(self.trusted, target.host, timeout=CONNECT)
        http = self._transport.AsyncHTTP11Connection(self._url(target).origin, stream)
        return Line(target, stream, http, time.monotonic() + KEPT)

    async def _close(self, line: Line) -> None:
        with contextlib.suppress(Exception):  # it is of no use any more, however it ends
            await line.http.aclose()

    async def _forget_some(self) -> None:
        """Close the lines that were longest unused."""
        for key in list(self._destinations)[: max(0, len(self._destinations) - MOST_DESTINATIONS)]:
            if self._destinations[key].users == 0:
                for line in self._destinations.pop(key).idle:
                    await self._close(line)

    async def close(self) -> None:
        """Close all that are idle."""
        for there in self._destinations.values():
            while there.idle:
                await self._close(there.idle.pop())

    def __len__(self) -> int:
        """How many are idle."""
        return sum(len(there.idle) for there in self._destinations.values())
