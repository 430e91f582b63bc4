"""Posting notices on lines to their receivers: no redirects, no proxy, little read of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.notification.schedule import NOT_BEGUN, Posted
from gateway.partners.guard import Network, Refused, Resolver, leads_to_the_same, path_of, resolve, vet
from gateway.partners.lines import Line, Lines
from gateway.partners.trust import authorities

TOTAL = 15.0  # seconds for all of it: name, connection, request, answer
MOST_READ = 64 << 10
ALWAYS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "think-family-gateway"}


@dataclass(slots=True)
class Post:
    """One delivery as it goes over the wire."""

    url: str
    body: bytes
    headers: dict[str, str]
    seconds: float = 0.0  # how long its receiver wants it to take at most; 0: as long as any


@dataclass(slots=True)
class Opened:
    """What came of opening a line: the line, or why there is none; and how long that took."""

    url: str
    line: Line | None = None
    fault: Posted = NOT_BEGUN
    seconds: float = 0.0


@dataclass(slots=True)
class Courier:
    """Delivers posts. ``loopback_allowed`` and ``allowed`` are the operator's, never a subscriber's."""

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve
    total: float = TOTAL
    trusted: ssl.SSLContext = field(default_factory=authorities)
    library: str = "httpx"  # or httpx2, which has the same interface
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Lines(self.trusted, self.library)

    async def post(self, post: Post) -> Posted:
        """Post once, in 15 seconds at most. Whatever happens is an outcome, never an exception."""
        opened = await self.open(post.url, post.seconds)
        try:
            return await self.post_on(opened, post)
        finally:
            await self.close_line(opened)

    async def open(self, url: str, seconds: float = 0.0) -> Opened:
        """A line to where this URL leads; to be closed by ``close_line``. No line is an outcome, too."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(min(self.total, seconds or self.total)):
                target = await vet(url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
                return Opened(url, await self.lines.take(target), seconds=time.monotonic() - begun)
        except Exception as fault:
            return Opened(url, None, _outcome(fault), time.monotonic() - begun)

    async def close_line(self, opened: Opened) -> None:
        """Whoever opened it has no more use for it; others may."""
        if opened.line is not None:
            await self.lines.give_back(opened.line)

    async def post_on(self, opened: Opened, post: Post, until: float | None = None) -> Posted:
        """Post once on a line that leads there. ``until``, of the monotonic clock: later than that, no first byte leaves."""
        if not leads_to_the_same(opened.url, post.url):
            return NOT_BEGUN
        if opened.line is None:
            return opened.fault
        total = max(0.0, self.total - opened.seconds)
        try:
            async with asyncio.timeout(min(total, post.seconds or total)):
                line = await self.lines.renewed(opened.line)
                return await self._send(line, post) if until is None or time.monotonic() < until else NOT_BEGUN
        except Exception as fault:
            return _outcome(fault)

    async def _send(self, line: Line, post: Post) -> Posted:
        headers = _encoded({**ALWAYS, **post.headers, "Host": line.target.host_header, "Content-Length": str(len(post.body))})
        request = self.lines.request(line, path_of(post.url), headers, post.body)
        answer = await line.http.handle_async_request(request)
        try:
            said = await _read_some(answer, self.total / 5)
        finally:
            await answer.aclose()
        asked = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
        return Posted(answer.status, f"http {answer.status}", retry_after(asked.decode("latin-1"), time.time()), said)

    async def close(self) -> None:
        """Close all connections."""
        await self.lines.close()


def _outcome(fault: Exception) -> Posted:
    """What is said of a post that got no answer."""
    return Posted(0, f"refused: {fault}" if isinstance(fault, Refused) else f"no answer: {type(fault).__name__}")


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as bytes, each name once, the last of it. Raises ValueError where one cannot be sent."""
    named = {name.lower(): (name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()}
    return list(named.values())


async def _read_some(answer: Any, seconds: float) -> bytes:
    """What a receiver says, up to a limit of size and time; its status is known, the rest is not waited for."""
    said = bytearray()
    with contextlib.suppress(Exception):  # whatever goes wrong from here on
        async with asyncio.timeout(seconds):
            async for part in answer.stream:
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
