"""Key sets (RFC 7517) of partners, fetched from the address that is registered for them and kept as long as they say.

The address is the operator's choice, never a caller's; it is vetted like any other that the gateway connects to. A
partner that does not answer is asked again after ten seconds, so that nobody makes us ask without end.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass, field

import httpx

from gateway.partners.guard import Network, Resolver, resolve, vet
from gateway.partners.trust import authorities

TOTAL = 3.0  # seconds for all of it: a card is waited for
MOST_READ = 64 << 10
UNSTATED = 60.0  # seconds that a set is kept whose partner says nothing
MOST_KEPT = 300.0
ASK_AGAIN = 10.0
MAX_AGE = re.compile(r"max-age=(\d{1,9})")


class KeysUnavailable(ValueError):
    """The keys cannot be fetched just now; the text is a machine reason."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was fetched, or that nothing was; until when."""

    body: bytes | None
    until: float


@dataclass(slots=True)
class KeySets:
    """Key sets by their address."""

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve
    total: float = TOTAL
    trusted: ssl.SSLContext = field(default_factory=authorities)
    _kept: dict[str, Kept] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def at(self, url: str) -> bytes:
        """The set at an address, as it came: read strictly by whoever uses it. Raises KeysUnavailable."""
        async with self._turns.setdefault(url, asyncio.Lock()):
            kept = self._kept.get(url)
            if kept is None or kept.until <= time.monotonic():
                kept = self._kept[url] = await self._fetched(url)
        if kept.body is None:
            raise KeysUnavailable("keys-unavailable")
        return kept.body

    async def _fetched(self, url: str) -> Kept:
        try:
            async with asyncio.timeout(self.total):
                return await self._fetch(url)
        except Exception:  # refused by the guard, no answer, no end: there are no keys
            return Kept(None, time.monotonic() + ASK_AGAIN)

    async def _fetch(self, url: str) -> Kept:
        target = await vet(url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
        headers = {"Host": target.host_header, "Accept": "application/jwk-set+json, application/json"}
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=self.trusted) as client,
            client.stream("GET", target.url, headers=headers, extensions={"sni_hostname": target.host}) as answer,
        ):
            if answer.status_code != 200:
                return Kept(None, time.monotonic() + ASK_AGAIN)
            body = await _body(answer)
        return Kept(body, time.monotonic() + _lasting(answer.headers.get("cache-control", "")))


async def _body(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MOST_READ:
            raise KeysUnavailable("keys-too-large")
        parts.append(part)
    return b"".join(parts)


def _lasting(cache_control: str) -> float:
    """For how long a set may be kept: as the partner says, and never longer than five minutes."""
    stated = cache_control.lower()
    if "no-store" in stated or "no-cache" in stated:
        return 0.0
    match = MAX_AGE.search(stated)
    return min(float(match[1]), MOST_KEPT) if match else UNSTATED
