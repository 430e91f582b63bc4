"""The two kinds of token: a client's signed assertion, and our own access token.

Their rules exclude each other (RFC 8725 section 3.12): type, algorithm, keys, issuer and audience all differ, so
neither passes for the other. Time is an argument; the caller remembers ``jti`` until ``exp`` against replay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from gateway.api.smart import parse_scopes, scope_text
from gateway.disclosure.requester import Requester
from gateway.partners.jose_strict import (
    MAX_TOKEN,
    ClientKeys,
    KeyRing,
    PinnedKey,
    SigningKey,
    TokenRefused,
    plain_text,
    read_claims,
    read_header,
    segments,
    verified_claims,
)

__all__ = [
    "AccessTokens",
    "Assertion",
    "ClientKeys",
    "PinnedKey",
    "SigningKey",
    "TokenRefused",
    "peek_client_id",
    "peek_issuer",
    "verify_assertion",
    "verify_card_token",
]

LIFETIME = 300  # seconds: the most that SMART Backend Services allows, for both kinds
SKEW = 30  # seconds a partner's clock may be off
MAX_CLAIM = 128  # characters of an identifier in a claim
MAX_ADDRESS = 512  # characters of an issuer that is an address
MAX_USER = 64
MAX_PURPOSES = 20
ASSERTION_TYPE = "JWT"
ACCESS_TYPE = "at+jwt"  # RFC 9068


@dataclass(frozen=True, slots=True)
class Acting:
    """For whom and why, as the IUA extension states it (IHE ITI IUA, ``extensions.ihe_iua``). Empty where not stated."""

    organization: str = ""
    user: str = ""
    role: str = ""
    purposes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client that has proved its key (RFC 7523). Refuse a (client_id, jti) seen before; forget it after ``exp``.

    ``organization`` is a claim, not a fact: the agency is the one registered for the client.
    """

    client_id: str
    jti: str
    exp: int
    organization: str = ""
    user: str = ""
    role: str = ""
    purposes: frozenset[str] = frozenset()


# --- claims --------------------------------------------------------------------------------------------------------


def _text(claims: Mapping[str, Any], name: str, reason: str, most: int = MAX_CLAIM) -> str:
    value = plain_text(claims.get(name), most)
    if value is None:
        raise TokenRefused(reason)
    return value


def _optional_text(claims: Mapping[str, Any], name: str, reason: str, most: int) -> str:
    return _text(claims, name, reason, most) if name in claims else ""


def _instant(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or value < 0:  # a bool is an int to isinstance
        raise TokenRefused(name)
    return value


def _audience(claims: Mapping[str, Any], accepted: Collection[str]) -> None:
    """``aud`` is one accepted value, character for character, alone or as a list of one (RFC 7519 section 4.1.3)."""
    value = claims.get("aud")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    known = (accepted,) if isinstance(accepted, str) else accepted
    if not isinstance(value, str) or value not in known:
        raise TokenRefused("audience")


def _expiry(claims: Mapping[str, Any], now: float) -> int:
    """``exp`` of a token that is valid now and lives at most five minutes, by our clock or by its own ``iat``."""
    exp = _instant(claims, "exp")
    issued = _instant(claims, "iat") if "iat" in claims else int(now)
    begins = _instant(claims, "nbf") if "nbf" in claims else issued
    if exp <= now:
        raise TokenRefused("expired")
    if max(issued, begins) > now + SKEW:
        raise TokenRefused("not-yet-valid")
    if exp > max(now, issued) + LIFETIME or exp > issued + LIFETIME + SKEW:
        raise TokenRefused("lives-too-long")
    return exp


def _acting(claims: Mapping[str, Any]) -> Acting:
    extensions = claims.get("extensions", {})
    iua = extensions.get("ihe_iua", {}) if isinstance(extensions, dict) else None
    if not isinstance(iua, dict):
        raise TokenRefused("extensions")
    return Acting(
        _optional_text(iua, "subject_organization_id", "organization", MAX_USER),
        _optional_text(iua, "person_id", "user", MAX_USER),
        _optional_text(iua, "subject_role", "role", MAX_USER),
        _purposes(iua.get("purpose_of_use", [])),
    )


def _purposes(value: object) -> frozenset[str]:
    """Purpose codes: text without spaces, at most twenty, none twice."""
    if not isinstance(value, list) or len(value) > MAX_PURPOSES:
        raise TokenRefused("purposes")
    codes = frozenset(code for code in value if plain_text(code, MAX_USER) and " " not in code)
    if len(codes) != len(value):
        raise TokenRefused("purposes")
    return codes


# --- client assertions ---------------------------------------------------------------------------------------------


def peek_client_id(token: str) -> str:
    """The client that an assertion names, to look up its keys. Nothing is proved yet; TokenRefused if it is malformed."""
    head, body, _ = segments(token)
    read_header(head, ASSERTION_TYPE)
    return _text(read_claims(body), "iss", "issuer")


def verify_assertion(token: str, keys: ClientKeys, *, client_id: str, audience: Collection[str], now: float) -> Assertion:
    """A client assertion checked in full (RFC 7523 section 3, RFC 8725, SMART Backend Services), or TokenRefused alone.

    ``audience`` is the token endpoint as clients may write it; ``now`` is in seconds since 1970. Costs one signature
    check (about 0.05 ms for RS384, 0.5 ms for ES384). Replay is the caller's to refuse, by client and ``jti``.
    """
    claims = verified_claims(token, keys, ASSERTION_TYPE)
    if _text(claims, "iss", "issuer") != client_id:
        raise TokenRefused("issuer")
    if _text(claims, "sub", "subject") != client_id:
        raise TokenRefused("subject")
    _audience(claims, audience)
    exp = _expiry(claims, now)
    acting = _acting(claims)
    jti = _text(claims, "jti", "token-id")
    return Assertion(client_id, jti, exp, acting.organization, acting.user, acting.role, acting.purposes)


def peek_issuer(token: str) -> str:
    """The issuer that a token names, to look up who that is. Nothing is proved yet; TokenRefused if it is malformed."""
    _, body, _ = segments(token)
    return _text(read_claims(body), "iss", "issuer", MAX_ADDRESS)


def verify_card_token(token: str, keys: ClientKeys, *, issuer: str, jku: str, audience: str, now: float) -> Assertion:
    """A token of a CDS Hooks client checked in full (CDS Hooks 2.0, trusting CDS clients), or TokenRefused alone.

    ``audience`` is the address that was called; the header may name ``jku`` where one is registered, and no other.
    ``client_id`` of what is returned is the issuer's. Replay is the caller's to refuse.
    """
    claims = verified_claims(token, keys, ASSERTION_TYPE, jku)
    if _text(claims, "iss", "issuer", MAX_ADDRESS) != issuer:
        raise TokenRefused("issuer")
    _audience(claims, (audience,))
    exp = _expiry(claims, now)
    if "iat" not in claims:
        raise TokenRefused("iat")
    acting = _acting(claims)
    jti = _text(claims, "jti", "token-id")
    return Assertion(issuer, jti, exp, acting.organization, acting.user, acting.role, acting.purposes)


# --- access tokens -------------------------------------------------------------------------------------------------


class AccessTokens:
    """Issues and verifies our access tokens (RFC 9068, ``at+jwt``), valid for 300 seconds.

    Signed with ES256: we are issuer and audience both, so no partner's profile binds us, and P-256 signs and verifies
    about six times faster than P-384 at a strength (128 bits) far beyond five minutes' need. ``retired`` are public
    keys whose tokens may still be alive. Verified tokens are remembered by SHA-256, never by their text, at most
    ``remember`` of them; the keys of one object never change, so neither does what it remembers.
    """

    def __init__(self, issuer: str, audience: str, key: SigningKey, retired: Iterable[PinnedKey] = (), *, remember: int = 4096):
        self._issuer, self._audience, self._key = issuer, audience, key
        self._keys = KeyRing([key.public, *(old for old in retired if old.kid != key.public.kid)])
        self._remember = remember
        self._seen: OrderedDict[bytes, tuple[int, Requester]] = OrderedDict()

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """The public key that our tokens are verified with."""
        return self._key.jwk

    def issue(self, requester: Requester, now: float) -> tuple[str, int]:
        """A token for this requester and its lifetime in seconds. ValueError if it could not be verified again."""
        claims = _access_claims(requester, int(now)) | {"iss": self._issuer, "aud": self._audience}
        token = self._key.sign(ACCESS_TYPE, orjson.dumps(claims))
        if len(token) > MAX_TOKEN or not _issuable(claims, requester):
            raise ValueError("the requester does not fit into an access token")
        return token, LIFETIME

    def verify(self, token: str, now: float) -> Requester:
        """Whom this token speaks for, or TokenRefused alone. Its ``stamp`` is the caller's to compare with the database."""
        return self.lookup(token, now)[1]

    def lookup(self, token: str, now: float) -> tuple[int, Requester]:
        """The same with ``exp`` before it (for introspection, RFC 7662); expiry is checked on every call."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise TokenRefused("too-large")
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._seen.get(digest)
        if found is None:
            found = self._verified(token, now)
            self._keep(digest, found)
        elif found[0] <= now:
            self._seen.pop(digest, None)
            raise TokenRefused("expired")
        return found

    def _keep(self, digest: bytes, found: tuple[int, Requester]) -> None:
        self._seen[digest] = found
        if len(self._seen) > self._remember:
            self._seen.popitem(last=False)

    def _verified(self, token: str, now: float) -> tuple[int, Requester]:
        claims = verified_claims(token, self._keys, ACCESS_TYPE)
        if claims.get("iss") != self._issuer:
            raise TokenRefused("issuer")
        _audience(claims, (self._audience,))
        _instant(claims, "iat")
        return _expiry(claims, now), _requester(claims)


def _access_claims(requester: Requester, now: int) -> dict[str, Any]:
    iua = {"subject_organization_id": requester.agency, "purpose_of_use": sorted(requester.purposes)}
    if requester.user:
        iua["person_id"] = requester.user
    if requester.role:
        iua["subject_role"] = requester.role
    return {
        "sub": requester.client_id,
        "client_id": requester.client_id,
        "agency": requester.agency,
        "scope": scope_text(requester.scopes),
        "stamp": requester.stamp,
        "jti": requester.token_id,
        "iat": now,
        "exp": now + LIFETIME,
        "extensions": {"ihe_iua": iua},
    }


def _issuable(claims: Mapping[str, Any], requester: Requester) -> bool:
    try:
        return _requester(claims) == requester
    except TokenRefused:
        return False


def _requester(claims: Mapping[str, Any]) -> Requester:
    client_id, agency, acting = _text(claims, "client_id", "client"), _text(claims, "agency", "agency", MAX_USER), _acting(claims)
    if claims.get("sub") != client_id:
        raise TokenRefused("subject")
    if acting.organization != agency:
        raise TokenRefused("organization")
    token_id = _text(claims, "jti", "token-id")
    stamp = _text(claims, "stamp", "stamp")
    return Requester(client_id, agency, _scopes(claims), acting.user, acting.role, acting.purposes, stamp, token_id)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    text = claims.get("scope")
    if not isinstance(text, str):
        raise TokenRefused("scope")
    try:
        return parse_scopes(text)
    except ValueError:
        raise TokenRefused("scope") from None
