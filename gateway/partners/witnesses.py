"""Asking another agency's gateway to sign the head of our log (C2SP tlog-witness)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx

from gateway.partners.guard import Network, Refused, Resolver, resolve, vet

SECONDS = 10.0
MOST_READ = 16 << 10


@dataclass(frozen=True, slots=True)
class Replied:
    """What a witness answered: an HTTP status, 0 where there was no answer, and the text."""

    status: int
    text: str
    kind: str = ""  # content type


@dataclass(frozen=True, slots=True)
class Asking:
    """How witnesses are reached. What is allowed is the operator's, as for receivers of notices."""

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve

    async def post(self, url: str, text: str) -> Replied:
        """Post once, in ten seconds at most. Whatever happens is an answer, never an exception."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(url, text)
        except Refused as fault:
            return Replied(0, str(fault))
        except Exception as fault:
            return Replied(0, type(fault).__name__)

    async def _post(self, url: str, text: str) -> Replied:
        target = await vet(url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
        headers = {"Host": target.host_header, "Content-Type": "text/plain; charset=utf-8"}
        async with (
            httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST", target.url, content=text.encode(), headers=headers, extensions={"sni_hostname": target.host}
            ) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_READ:
                    return Replied(0, "too long an answer")
            return Replied(answer.status_code, body.decode(errors="replace"), answer.headers.get("content-type", ""))
