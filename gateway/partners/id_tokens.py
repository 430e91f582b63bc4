"""ID tokens of the issuers at which agencies' staff sign in (OpenID Connect Core 1.0, section 3.1.3.7), and PKCE (RFC 7636).

Pure: time is an argument. A token is accepted for one attempt at one issuer, or it is `TokenRefused`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.partners.jose_strict import (
    IssuerKeys,
    TokenRefused,
    base64url,
    plain_text,
    segments,
    strict_object,
    unbase64url,
    verified_id_claims,
)

SKEW = 30  # seconds an issuer's clock may be off
LATEST = 600  # seconds since an ID token was made: it was asked for just now
LIFETIME = 24 * 3600  # seconds that an issuer may give it
MOST_SUBJECT = 255  # characters (OpenID Connect Core section 2)
MOST_ROLES = 200
MOST_ROLE = 256


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt to sign in is bound to, from the way out to the way back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        """A fresh one: three random values of 256 bits."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier (RFC 7636 section 4.2)."""
        return base64url(hashlib.sha256(self.verifier.encode()).digest())


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say to be the answer to an attempt, and in which claims user and roles stand."""

    issuer: str
    client_id: str
    nonce: str
    user_claim: str
    role_claim: str


def kid_of(token: str) -> str:
    """The key that a token names; nothing is proved yet. Empty where it names none."""
    try:
        stated = strict_object(unbase64url(segments(token)[0])).get("kid")
    except (ValueError, TokenRefused):
        return ""
    return stated if isinstance(stated, str) else ""


def user_and_roles(token: str, keys: IssuerKeys, expected: Expected, now: float) -> tuple[str, tuple[str, ...]]:
    """Who an ID token is about, and the values of the role claim; TokenRefused for all that is not to be trusted."""
    claims = verified_id_claims(token, keys)
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("issuer")
    _check_audience(claims, expected.client_id)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not secrets.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise TokenRefused("nonce")
    if plain_text(claims.get("sub"), MOST_SUBJECT) is None:
        raise TokenRefused("subject")
    user = plain_text(claims.get(expected.user_claim), MOST_SUBJECT)
    if user is None:
        raise TokenRefused("user")
    return user, _roles(claims.get(expected.role_claim, []))


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """For us and for nobody else: a token that others may use too proves less (section 3.1.3.7, steps 3 to 5)."""
    audience = claims.get("aud")
    if audience not in (client_id, [client_id]) or claims.get("azp", client_id) != client_id:
        raise TokenRefused("audience")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued = claims.get("exp"), claims.get("iat")
    begins = claims.get("nbf", issued)
    if not all(type(value) is int for value in (expires, issued, begins)):  # a bool is an int to isinstance
        raise TokenRefused("times")
    assert isinstance(expires, int)
    assert isinstance(issued, int)
    if expires <= now - SKEW or expires > issued + LIFETIME:
        raise TokenRefused("expired")
    if not now - LATEST <= issued <= now + SKEW or begins > now + SKEW:
        raise TokenRefused("not-of-now")


def _roles(stated: object) -> tuple[str, ...]:
    """The values of a role claim: a text, or a list of texts."""
    values = [stated] if isinstance(stated, str) else stated
    if not isinstance(values, list) or len(values) > MOST_ROLES:
        raise TokenRefused("roles")
    return tuple(value for value in values if plain_text(value, MOST_ROLE))
