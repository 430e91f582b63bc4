"""Calls to the issuers at which agencies' staff sign in: what they publish, their keys, a code for an ID token.

Every call goes through the outbound guard: https, addresses that are public or on the operator's list, no redirects, no
proxy of the environment, a limit of time and size.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from gateway.partners.guard import Network, Refused, Resolver, check_url, resolve, vet
from gateway.partners.jose_strict import IssuerKeys
from gateway.partners.trust import authorities

DISCOVERY = "/.well-known/openid-configuration"
TOTAL = 10.0  # seconds for one call, all of it
MOST_READ = 256 << 10
KEPT = 600.0  # seconds that what an issuer publishes is kept
AGAIN = 60.0  # seconds after which its keys may be fetched anew, for a key that was not among them
AT_ONCE = 8  # calls to issuers
PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class IssuerFault(Exception):
    """An issuer cannot be used just now; the text is a fixed word for the log, never what it answered."""


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer publishes (OpenID Connect Discovery 1.0), as far as we use it, and its keys."""

    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str
    keys: IssuerKeys
    fetched: float


@dataclass(slots=True)
class Issuers:
    """Asks issuers. ``loopback_allowed`` and ``allowed`` are the operator's."""

    loopback_allowed: bool = False
    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve
    total: float = TOTAL
    trusted: ssl.SSLContext = field(default_factory=authorities)
    _known: dict[str, Published] = field(default_factory=dict)
    _calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def published(self, issuer: str, *, kid: str | None = None) -> Published:
        """What an issuer publishes, kept for ten minutes, or for one where ``kid`` is a key that is not among its keys.

        Raises IssuerFault.
        """
        known = self._known.get(issuer)
        if known is None or time.monotonic() - known.fetched > (AGAIN if kid and not known.keys.has(kid) else KEPT):
            known = self._known[issuer] = await self._fetch(issuer)
        return known

    async def _fetch(self, issuer: str) -> Published:
        document = await self.json("GET", issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != issuer:
            raise IssuerFault("another-issuer")
        endpoints = {name: self.endpoint(document, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        leaving = self.endpoint(document, "end_session_endpoint") if "end_session_endpoint" in document else ""
        try:
            keys = IssuerKeys.parse(await self.json("GET", endpoints["jwks_uri"]))
        except ValueError as fault:
            raise IssuerFault("keys") from fault
        return Published(endpoints["authorization_endpoint"], endpoints["token_endpoint"], leaving, keys, time.monotonic())

    def endpoint(self, document: Mapping[str, Any], name: str) -> str:
        """An address that a document states, if it may be called. Raises IssuerFault."""
        stated = document.get(name)
        try:
            check_url(stated if isinstance(stated, str) else "", loopback_allowed=self.loopback_allowed)
        except Refused as fault:
            raise IssuerFault(name) from fault
        return str(stated)

    async def redeem(self, endpoint: str, form: Mapping[str, str]) -> str:
        """A code for an ID token, at the issuer's token endpoint. Raises IssuerFault."""
        answer = await self.json("POST", endpoint, urlencode(form).encode())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IssuerFault("no-id-token")
        return token

    async def json(self, method: str, url: str, body: bytes = b"", more: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at an address; ``more`` are headers beside the usual. Raises IssuerFault, whatever happens."""
        try:
            async with self._calls, asyncio.timeout(self.total):
                read = await self._call(method, url, body, more or {})
            document = orjson.loads(read)
        except IssuerFault:
            raise
        except Refused as fault:
            raise IssuerFault("address") from fault
        except orjson.JSONDecodeError as fault:
            raise IssuerFault("not-json") from fault
        except Exception as fault:
            raise IssuerFault("no-answer") from fault
        if not isinstance(document, dict):
            raise IssuerFault("not-json")
        return document

    async def _call(self, method: str, url: str, body: bytes, more: Mapping[str, str]) -> bytes:
        target = await vet(url, loopback_allowed=self.loopback_allowed, allowed=self.allowed, resolver=self.resolver)
        headers = {**PLAIN, **(FORM if body else {}), **more, "Host": target.host_header}
        extensions = {"sni_hostname": target.host}
        async with (
            httpx.AsyncClient(timeout=self.total, follow_redirects=False, trust_env=False, verify=self.trusted) as client,
            client.stream(method, target.url, content=body, headers=headers, extensions=extensions) as answer,
        ):
            if answer.status_code != 200:
                raise IssuerFault(f"http-{answer.status_code}")
            return await _read(answer)


async def _read(answer: httpx.Response) -> bytes:
    """The body as it came, up to the limit; IssuerFault beyond it."""
    parts, size = [], 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MOST_READ:
            raise IssuerFault("too-large")
        parts.append(part)
    return b"".join(parts)
