"""Signed tokens, read strictly: the only place that imports python-jose.

python-jose checks a signature well when it is given one prebuilt key and one algorithm; everything around that is
done here, because it accepts what RFC 8725 says must be refused (unknown ``crit``, any ``typ``, any key of a set,
1024-bit RSA, duplicate members) and throws errors of many kinds. Here a token is either accepted or `TokenRefused`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jose import jws
from jose.backends.base import Key
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyRSAKey

MAX_TOKEN = 8 * 1024  # characters of a whole token
MAX_NESTS = 64  # objects and arrays in one header or payload, which bounds the depth too
MAX_DIGITS = 15  # an integer claim stays far below 2**53
MAX_KEYS = 20  # keys that one client may register
MAX_ID = 128  # characters of a key id
RSA_BITS = (2048, 8192)
RSA_EXPONENTS = range(65537, 2**32, 2)  # odd, and small enough to be quick

CLIENT_ALGORITHMS = frozenset({"RS384", "ES384"})
ISSUER_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384"})  # of issuers that sign people in
KEY_TYPES = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES384": "EC", "ES256": "EC"}
CURVES: dict[str, tuple[str, int, ec.EllipticCurve]] = {
    "P-256": ("ES256", 32, ec.SECP256R1()),
    "P-384": ("ES384", 48, ec.SECP384R1()),
}
SECRETS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
SPARE_MEMBERS = frozenset({"typ", "x5t", "x5t#S256"})  # that an issuer may add or leave out; none is rested on


class TokenRefused(Exception):
    """A token that proves nothing. ``reason`` is a fixed word for metrics and audit: never the token, never a claim."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def plain_text(value: object, most: int) -> str | None:
    """The value if it is printable text of 1 to ``most`` characters, else None: no control characters, no half surrogates."""
    return value if isinstance(value, str) and 0 < len(value) <= most and value.isprintable() else None


def unbase64url(text: str) -> bytes:
    """The bytes of unpadded base64url (RFC 7515 section 2); ValueError for every spelling but the one canonical."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def base64url(raw: bytes) -> str:
    """Unpadded base64url (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _no_number(text: str) -> float:
    raise ValueError("only integers are allowed")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number)


def strict_object(raw: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259, UTF-8) without duplicate members, fractions, long numbers or deep nesting; else ValueError."""
    if raw.count(b"{") + raw.count(b"[") > MAX_NESTS:
        raise ValueError("nested too deeply")
    value = _DECODER.decode(raw.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - every malformed part is a ValueError
    return value


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key with the one algorithm that it verifies (RFC 8725 section 3.1). ``key`` is python-jose's, prebuilt."""

    kid: str
    kty: str
    algorithm: str
    key: Key

    @classmethod
    def parse(cls, jwk: Mapping[str, Any], algorithms: Collection[str] = CLIENT_ALGORITHMS) -> PinnedKey:
        """The key of one public JWK (RFC 7517, 7518); ValueError says in plain words what is wrong with it.

        RSA of 2048 to 8192 bits is pinned to RS384, curve P-384 to ES384, curve P-256 to ES256 (where allowed); an
        issuer's RSA key to the algorithm that it states, or to RS256 (OpenID Connect Discovery's own default).
        """
        kid = _registered_kid(jwk)
        kty = jwk.get("kty")
        if kty not in ("RSA", "EC"):
            raise ValueError("key type must be RSA or EC; symmetric keys are never accepted")
        algorithm, key = _rsa(jwk, algorithms) if kty == "RSA" else _ec(jwk)
        if algorithm not in algorithms or jwk.get("alg", algorithm) != algorithm:
            raise ValueError("the key's algorithm must be one of " + ", ".join(sorted(algorithms)) + " and fit the key")
        return cls(kid, kty, algorithm, key)


def _registered_kid(jwk: Mapping[str, Any]) -> str:
    if not isinstance(jwk, Mapping):
        raise ValueError("a key must be a JSON object")  # noqa: TRY004 - a registration that cannot be used
    if not SECRETS.isdisjoint(jwk):
        raise ValueError("this is a private or symmetric key: register the public part only, and replace this key")
    if jwk.get("use", "sig") != "sig" or not _verifies(jwk):
        raise ValueError("the key is not for signatures (use must be sig, key_ops must hold verify)")
    kid = plain_text(jwk.get("kid"), MAX_ID)
    if kid is None:
        raise ValueError("every key needs a kid of 1 to 128 printable characters")
    return kid


def _verifies(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations


def _bytes_of(jwk: Mapping[str, Any], member: str) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str) or not 0 < len(text) <= 2048:
        raise ValueError(f"member {member} is missing or too long")
    try:
        return unbase64url(text)
    except ValueError:
        raise ValueError(f"member {member} is not base64url") from None


def _rsa(jwk: Mapping[str, Any], algorithms: Collection[str]) -> tuple[str, Key]:
    n, e = (int.from_bytes(_bytes_of(jwk, member)) for member in ("n", "e"))
    if not RSA_BITS[0] <= n.bit_length() <= RSA_BITS[1]:
        raise ValueError("an RSA key must have 2048 to 8192 bits")
    if n % 2 == 0 or e not in RSA_EXPONENTS:
        raise ValueError("the RSA modulus or exponent is not a sound one")
    algorithm = _rsa_algorithm(jwk.get("alg"), algorithms)
    return algorithm, CryptographyRSAKey(rsa.RSAPublicNumbers(e, n).public_key(), algorithm)


def _rsa_algorithm(stated: object, algorithms: Collection[str]) -> str:
    """What an RSA key verifies: as it states, where that is allowed; else the one that whoever registers it must use."""
    if isinstance(stated, str) and stated in algorithms and KEY_TYPES.get(stated) == "RSA":
        return stated
    return "RS256" if "RS256" in algorithms else "RS384"


def _ec(jwk: Mapping[str, Any]) -> tuple[str, Key]:
    curve_name = jwk.get("crv")
    if not isinstance(curve_name, str) or curve_name not in CURVES:
        raise ValueError("an EC key must be on curve P-384")
    algorithm, size, curve = CURVES[curve_name]
    x, y = (_bytes_of(jwk, member) for member in ("x", "y"))
    if len(x) != size or len(y) != size:
        raise ValueError("the EC coordinates have the wrong length")
    try:
        public = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise ValueError("the EC point is not on its curve") from None
    return algorithm, CryptographyECKey(public, algorithm)


class KeyRing:
    """Public keys, found by key id and key type: never more than one fits (SMART Backend Services, RFC 7515 section 6)."""

    def __init__(self, keys: Iterable[PinnedKey]):
        self._keys: dict[tuple[str, str], PinnedKey] = {}
        for key in keys:
            if self._keys.setdefault((key.kid, key.kty), key) is not key:
                raise ValueError("two keys of one type share a kid")

    def __len__(self) -> int:
        return len(self._keys)

    def has(self, kid: str) -> bool:
        """Whether a key has this id."""
        return any(known == kid for known, _ in self._keys)

    def pick(self, kid: str, algorithm: str) -> PinnedKey:
        """The one key for this header, or TokenRefused; the algorithm must be the key's own."""
        kty = KEY_TYPES.get(algorithm)
        if kty is None:
            raise TokenRefused("algorithm")
        key = self._keys.get((kid, kty))
        if key is None:
            raise TokenRefused("unknown-key")
        if key.algorithm != algorithm:
            raise TokenRefused("algorithm")
        return key


class ClientKeys(KeyRing):
    """The registered keys of one client: RS384 and ES384 only (SMART App Launch 2.2, asymmetric client authentication)."""

    @classmethod
    def parse(cls, jwks: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> ClientKeys:
        """From a JWK Set (RFC 7517) or its list of keys; ValueError, in plain words, if any key could not be trusted."""
        keys = jwks.get("keys") if isinstance(jwks, Mapping) else jwks
        if not isinstance(keys, (list, tuple)) or not 0 < len(keys) <= MAX_KEYS:
            raise ValueError("a client needs 1 to 20 keys, as a list or under the member keys")
        return cls([PinnedKey.parse(jwk) for jwk in keys])


class IssuerKeys(KeyRing):
    """The keys that an issuer publishes for ID tokens. Those that we could not verify with are left out: it has others."""

    @classmethod
    def parse(cls, jwks: Mapping[str, Any]) -> IssuerKeys:
        """From a JWK Set; ValueError where it is none, or holds no key for us."""
        stated = jwks.get("keys")
        if not isinstance(stated, list) or len(stated) > MAX_KEYS:
            raise ValueError("an issuer publishes up to 20 keys under the member keys")
        keys = []
        for jwk in stated:
            with contextlib.suppress(ValueError):
                keys.append(PinnedKey.parse(jwk, ISSUER_ALGORITHMS))
        if not keys:
            raise ValueError("the issuer publishes no key that signs by " + ", ".join(sorted(ISSUER_ALGORITHMS)))
        return cls(keys)


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """Our own private P-256 key for access tokens (ES256), with the public half that verifies it."""

    private: Key
    public: PinnedKey
    jwk: Mapping[str, Any]

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """From an unencrypted PEM private key; the kid is its thumbprint (RFC 7638). ValueError if not on P-256."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (TypeError, ValueError):
            raise ValueError("the key that signs access tokens is not an unencrypted PEM private key") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise ValueError("the key that signs access tokens must be an EC key on curve P-256")
        jwk = _public_jwk(private.public_key())
        return cls(CryptographyECKey(private, "ES256"), PinnedKey.parse(jwk, {"ES256"}), jwk)

    def sign(self, typ: str, payload: bytes) -> str:
        """A compact JWS (RFC 7515) of these claims, its header stating alg, kid and typ."""
        signed: str = jws.sign(payload, self.private, headers={"typ": typ, "kid": self.public.kid}, algorithm="ES256")
        return signed


def _public_jwk(public: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    numbers = public.public_numbers()
    shape = {"crv": "P-256", "kty": "EC", "x": base64url(numbers.x.to_bytes(32)), "y": base64url(numbers.y.to_bytes(32))}
    thumbprint = hashlib.sha256(json.dumps(shape, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**shape, "kid": base64url(thumbprint), "use": "sig", "alg": "ES256", "key_ops": ["verify"]}


def segments(token: str) -> tuple[str, str, str]:
    """Header, claims and signature of a compact JWS (RFC 7515 section 3.1) of at most 8 KiB, or TokenRefused."""
    if not isinstance(token, str) or not token.isascii():
        raise TokenRefused("not-text")
    if len(token) > MAX_TOKEN:
        raise TokenRefused("too-large")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefused("not-three-parts")
    return parts[0], parts[1], parts[2]


def _object(segment: str, reason: str) -> dict[str, Any]:
    try:
        return strict_object(unbase64url(segment))
    except Exception:  # whatever a hostile text provokes is a refusal, without the text
        raise TokenRefused(reason) from None


def read_header(segment: str, typ: str, jku: str = "") -> tuple[str, str]:
    """Key id and algorithm of a header that holds alg, kid and typ and nothing else (RFC 8725 sections 3.1, 3.10, 3.11);
    but for ``jku``, which may name the one address that is registered for its keys."""
    header = _object(segment, "header")
    if jku and header.pop("jku", jku) != jku:
        raise TokenRefused("jku")
    if header.keys() != HEADER_MEMBERS:
        raise TokenRefused("header-members")
    if header["typ"] != typ:
        raise TokenRefused("type")
    kid, algorithm = plain_text(header["kid"], MAX_ID), header["alg"]
    if kid is None or not isinstance(algorithm, str):
        raise TokenRefused("header")
    return kid, algorithm


def read_claims(segment: str) -> dict[str, Any]:
    """The claims of a payload segment, strictly parsed and not verified; TokenRefused if they are not a sound object."""
    return _object(segment, "claims")


def verified_claims(token: str, keys: KeyRing, typ: str, jku: str = "") -> dict[str, Any]:
    """The claims of a token of this type that one of these keys signed, with that key's own algorithm; or TokenRefused."""
    head, body, signature = segments(token)
    kid, algorithm = read_header(head, typ, jku)
    _check_signature(token, signature, keys.pick(kid, algorithm))
    return read_claims(body)


def verified_id_claims(token: str, keys: IssuerKeys) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core section 2) that one of these keys signed; or TokenRefused.

    Issuers may leave ``typ`` out of its header and name their certificate there; anything else in it, ``crit`` above
    all, is refused.
    """
    head, body, signature = segments(token)
    header = _object(head, "header")
    if header.keys() - SPARE_MEMBERS != {"alg", "kid"} or header.get("typ", "JWT") != "JWT":
        raise TokenRefused("header-members")
    kid, algorithm = plain_text(header["kid"], MAX_ID), header["alg"]
    if kid is None or not isinstance(algorithm, str):
        raise TokenRefused("header")
    _check_signature(token, signature, keys.pick(kid, algorithm))
    return read_claims(body)


def _check_signature(token: str, signature: str, key: PinnedKey) -> None:
    try:
        unbase64url(signature)
        jws.verify(token, key.key, algorithms=[key.algorithm])
    except Exception:  # python-jose throws many kinds; none of them is an acceptance
        raise TokenRefused("signature") from None
