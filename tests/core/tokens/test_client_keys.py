"""Registration of a client's keys, and our own signing key."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.tokens import ClientKeys, PinnedKey, SigningKey, TokenRefused

# HL7's own examples use these members for public keys: kty, crv, x, y, key_ops, ext, kid, alg
BAD_KEYS: dict[str, tuple[str, Any]] = {
    "RSA of 1024 bits": ("2048", lambda f: f.rsa(f.weak)),
    "private RSA key": ("private", lambda f: f.rsa(f.r1, d="AQAB")),
    "RSA prime": ("private", lambda f: f.rsa(f.r1, p="AQAB")),
    "private EC key": ("private", lambda f: f.ec(f.e1, d="AQAB")),
    "symmetric key": ("private or symmetric", lambda f: {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}),
    "symmetric without its value": ("RSA or EC", lambda f: {"kty": "oct", "kid": "s"}),
    "Edwards curve": ("RSA or EC", lambda f: {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "o"}),
    "P-256": ("ES384, RS384", lambda f: f.ec(f.p256)),
    "P-521": ("P-384", lambda f: f.ec(f.p521)),
    "curve not text": ("P-384", lambda f: f.ec(f.e1, crv=["P-384"])),
    "alg RS256": ("ES384, RS384", lambda f: f.rsa(f.r1, alg="RS256")),
    "alg of the other kind": ("ES384, RS384", lambda f: f.rsa(f.r1, alg="ES384")),
    "alg null": ("ES384, RS384", lambda f: f.rsa(f.r1, alg=None)),
    "for encryption": ("not for signatures", lambda f: f.rsa(f.r1, use="enc")),
    "operations without verify": ("not for signatures", lambda f: f.rsa(f.r1, key_ops=["encrypt"])),
    "operations not a list": ("not for signatures", lambda f: f.rsa(f.r1, key_ops="verify")),
    "no kid": ("kid", lambda f: f.rsa(f.r1, kid=None)),
    "kid too long": ("kid", lambda f: f.rsa(f.r1, kid="k" * 129)),
    "modulus missing": ("member n", lambda f: f.rsa(f.r1, n=None)),
    "modulus with padding": ("member n", lambda f: f.rsa(f.r1, n=f.jwks[0]["n"] + "==")),
    "modulus of 16,384 bits": ("2048 to 8192", lambda f: f.rsa(f.r1, n="_" * 2000)),
    "modulus endless": ("too long", lambda f: f.rsa(f.r1, n="_" * 4000)),
    "modulus even": ("sound", lambda f: f.rsa(f.r1, n="_" * 341 + "-" + "A")),
    "exponent 3": ("sound", lambda f: f.rsa(f.r1, e="Aw")),
    "exponent even": ("sound", lambda f: f.rsa(f.r1, e="AQAC")),
    "exponent enormous": ("sound", lambda f: f.rsa(f.r1, e=f.jwks[0]["n"])),
    "point not on the curve": ("not on its curve", lambda f: f.ec(f.e1, y=f.jwks[2]["x"])),
    "coordinate too short": ("length", lambda f: f.ec(f.e1, x="AQAB")),
    "coordinate not text": ("member x", lambda f: f.ec(f.e1, x=5)),
    "not an object": ("JSON object", lambda f: "key"),
}


class Shop:
    """The forge, with JWKs of single keys."""

    def __init__(self, forge: Any):
        self.forge = forge

    def __getattr__(self, name: str) -> Any:
        return getattr(self.forge, name)

    def rsa(self, key: Any, **more: Any) -> dict[str, Any]:
        return self.forge.rsa_jwk(key, kid="k") | more

    def ec(self, key: Any, **more: Any) -> dict[str, Any]:
        return self.forge.ec_jwk(key, kid="k") | more


@pytest.mark.parametrize(("words", "make"), BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_an_unsound_key_is_refused_in_plain_words(forge, words, make):
    """Registration fails with ValueError that tells the client's administrator what to mend."""
    with pytest.raises(ValueError, match=words):
        ClientKeys.parse([make(Shop(forge))])


@pytest.mark.parametrize("jwks", [[], {}, {"keys": []}, {"keys": "x"}, "x", None, [{}] * 21])
def test_a_set_must_hold_one_to_twenty_keys(jwks):
    """No keys, too many, or something else instead of a list is refused."""
    with pytest.raises(ValueError, match=r"1 to 20"):
        ClientKeys.parse(jwks)


def test_two_keys_of_one_type_may_not_share_a_kid(forge):
    """Exactly one key fits a header: held at registration."""
    with pytest.raises(ValueError, match="share a kid"):
        ClientKeys.parse([forge.jwks[0], forge.jwks[1] | {"kid": "r1"}])


def test_a_set_may_be_given_whole_or_as_its_list(forge):
    """Both inline forms of registration hold the same keys."""
    assert len(ClientKeys.parse({"keys": forge.jwks})) == len(ClientKeys.parse(forge.jwks)) == 3


def test_no_key_is_found_by_another_algorithm(forge):
    """A key answers to its own algorithm only."""
    for kid, algorithm in (("r1", "RS256"), ("r1", "ES384"), ("e1", "ES256"), ("e1", "HS256"), ("x", "RS384")):
        with pytest.raises(TokenRefused):
            forge.keys.pick(kid, algorithm)


def test_our_signing_key_publishes_its_public_half(forge):
    """The JWK has the thumbprint as kid and no private member, and can verify alone (a retired key)."""
    assert set(forge.own.jwk) == {"crv", "kty", "x", "y", "kid", "use", "alg", "key_ops"}
    assert PinnedKey.parse(forge.own.jwk, {"ES256"}).kid == forge.own.public.kid
    assert len(forge.own.jwk["kid"]) == 43


def pem(key: Any, password: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_only_an_open_p256_key_signs(forge):
    """Another curve, RSA, an encrypted file or no key at all is refused with ValueError."""
    for wrong in (pem(forge.e1), pem(forge.r1), pem(forge.p256, b"x"), b"nothing"):
        with pytest.raises(ValueError, match="access tokens"):
            SigningKey.from_pem(wrong)
    assert SigningKey.from_pem(pem(ec.generate_private_key(ec.SECP256R1()))).public.algorithm == "ES256"


def test_a_signing_key_shows_nothing_of_itself(forge):
    """Its text form, as a log would show it, holds no key."""
    assert "private=" not in repr(forge.own)
