"""What the card service remembers of who may call: their keys, their browsers' pages, whom they may hear from.

It is read anew at every call. What is remembered serves one end: when the database does not answer, a caller that proves
its key still gets the duty numbers, and no word about anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from gateway.api import smart
from gateway.api.tokens import ClientKeys, TokenRefused, verify_card_token
from gateway.exchanges.access.admit_card_client import CardClient, Knock, card_client
from gateway.exchanges.access.issue_token import Claimed
from gateway.partners.key_sets import KeySets, KeysUnavailable
from gateway.store.cards import CARD_CLIENT
from gateway.store.ledger import Feed, Ledger
from gateway.store.sql import Read

SURFACE = "$known-to-services"
FRESH = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Door:
    """A client that may ask for cards, with its keys as JSON and the agencies that it last could hear from."""

    client: CardClient
    keys: bytes
    covered: tuple[Feed, ...] = ()


@dataclass(slots=True)
class Doors:
    """Callers by their issuer. The operator registers them, so there are few."""

    key_sets: KeySets = field(default_factory=KeySets)
    known: dict[str, Door] = field(default_factory=dict)
    origins: frozenset[str] = frozenset()
    _read: dict[str, tuple[float, CardClient]] = field(default_factory=dict)

    async def find(self, ledger: Ledger, issuer: str) -> tuple[CardClient | None, bytes]:
        """The client of an issuer with its keys, from the address that is registered for them or from its registration.

        What was read a moment ago need not be read again: the exchange reads it anyway, and goes by that. Raises Unavailable.
        """
        at, client = self._read.get(issuer, (-FRESH, None))
        if client is not None and time.monotonic() - at < FRESH:
            return client, await self._keys(client)
        ((*rows,),) = await ledger.read([Read(CARD_CLIENT, {"issuer": issuer})])
        if not rows:
            self.known.pop(issuer, None)
            return None, b""
        client = card_client(rows[0])
        self._read[issuer] = (time.monotonic(), client)
        return client, await self._keys(client)

    def refused(self, issuer: str) -> None:
        """It is read again next time: its registration may have changed."""
        self._read.pop(issuer, None)

    async def _keys(self, client: CardClient) -> bytes:
        if not client.jku or client.revoked:
            return client.jwks.encode()
        try:
            return await self.key_sets.at(client.jku)
        except KeysUnavailable:
            return b""


def knock(token: str, issuer: str, keys: bytes, url: str, jku: str) -> Callable[[CardClient], Claimed]:
    """How the token is checked by the client that is registered at that moment; keys from another address do not count."""

    def verify(client: CardClient) -> Claimed:
        if client.jku != jku or not keys:
            raise ValueError("keys-unavailable")
        return checked(token, issuer, client, keys if client.jku else client.jwks.encode(), url)

    return verify


def checked(token: str, issuer: str, client: CardClient, keys: bytes, url: str) -> Claimed:
    """What a token claims, signed with one of these keys for the address that was called. ValueError with a reason."""
    try:
        ring = ClientKeys.parse(orjson.loads(keys))
        found = verify_card_token(token, ring, issuer=issuer, jku=client.jku, audience=url, now=time.time())
    except TokenRefused as refused:
        raise ValueError(refused.reason) from None
    except (ValueError, AttributeError):
        raise ValueError("keys-unreadable") from None
    return Claimed(client.id, found.jti, found.exp, found.organization, found.user, found.role, found.purposes)


def grant(registered: str) -> frozenset[str]:
    """The scope of a lookup, where the client has it. ValueError where it has not."""
    held = smart.parse_scopes(registered)
    if not smart.allows(held, SURFACE):
        raise ValueError("no-scope")
    return frozenset({f"system/{SURFACE}"})


__all__ = ["SURFACE", "Door", "Doors", "Knock", "checked", "grant", "knock"]
