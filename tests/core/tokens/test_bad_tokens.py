"""Client assertions that must be refused: each for its own reason, each with TokenRefused and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from gateway.api.tokens import TokenRefused, peek_client_id, verify_assertion


def public_bytes(forge: Any, encoding: Any, form: Any) -> bytes:
    return forge.r1.public_key().public_bytes(encoding, form)


def hs256(forge: Any, secret: bytes, alg: str = "HS256") -> str:
    message = f"{forge.segment(forge.header(alg=alg))}.{forge.segment(forge.claims())}".encode()
    return forge.token(forge.header(alg=alg), signature=hmac.new(secret, message, hashlib.sha256).digest())


def with_header(**more: Any) -> Any:
    return lambda f: f.token(f.header(**more))


def with_claims(**more: Any) -> Any:
    return lambda f: f.token(claims=f.claims(**more))


def with_iua(**more: Any) -> Any:
    return lambda f: f.token(claims=f.iua(**more))


def without(name: str) -> Any:
    return lambda f: f.token(claims=f.without(name))


def from_now(**seconds: int) -> Any:
    return lambda f: f.token(claims=f.claims(**{name: f.now + ahead for name, ahead in seconds.items()}))


def raw_claims(change: Any) -> Any:
    return lambda f: f.token(claims=change(json.dumps(f.claims())).encode())


def raw_header(change: Any) -> Any:
    return lambda f: f.token(header=change(json.dumps(f.header())).encode())


def spki(forge: Any, encoding: Any) -> bytes:
    return public_bytes(forge, encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def openssh(forge: Any) -> bytes:
    return public_bytes(forge, serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


BAD: dict[str, tuple[str, Any]] = {
    # shape
    "empty text": ("not-three-parts", lambda f: ""),
    "not text at all": ("not-text", lambda f: None),
    "bytes": ("not-text", lambda f: f.token().encode()),
    "letters outside ASCII": ("not-text", lambda f: f.token() + "é"),
    "half a surrogate pair": ("not-text", lambda f: f.token() + "\ud800"),
    "one part": ("not-three-parts", lambda f: "abc"),
    "two parts": ("not-three-parts", lambda f: f.token().rpartition(".")[0]),
    "four parts": ("not-three-parts", lambda f: f.token() + ".x"),
    "five parts as an encrypted token": ("not-three-parts", lambda f: "a.b.c.d.e"),
    "more than 8 KiB": ("too-large", with_claims(note="x" * 8192)),
    "a zip bomb of an encrypted token": ("too-large", lambda f: "e." * 4 + "x" * 65000),
    "padding in the header": ("header", lambda f: f.token(header=f.segment(b'{"alg":"RS384"}') + "=")),
    "line break in the header": ("header", lambda f: f.token(header=f.segment(f.header()) + "\n")),
    "standard base64 alphabet in the claims": ("claims", lambda f: f.token(claims=f.segment(b"\xfb\xff").replace("-", "+"))),
    "header is not base64": ("header", lambda f: f.token(header="*")),
    # header
    "header is a list": ("header", lambda f: f.token(header=b"[]")),
    "header is not JSON": ("header", lambda f: f.token(header=b"{")),
    "header is UTF-16": ("header", lambda f: f.token(header=json.dumps(f.header()).encode("utf-16"))),
    "header 200,000 deep": ("too-large", lambda f: f.token(header=b"[" * 200_000)),
    "header 5,000 deep": ("header", lambda f: f.token(header=b"[" * 5_000)),
    "duplicate alg": ("header", raw_header(lambda t: t[:-1] + ',"alg":"RS384"}')),
    "duplicate kid": ("header", raw_header(lambda t: t[:-1] + ',"kid":"r2"}')),
    "unknown critical extension": ("header-members", with_header(crit=["x"], x=1)),
    "empty critical list": ("header-members", with_header(crit=[])),
    "jku": ("header-members", with_header(jku="https://evil.test/jwks")),
    "jwk of its own": ("header-members", lambda f: f.token(f.header(jwk=f.jwks[0]))),
    "x5u": ("header-members", with_header(x5u="https://evil.test/x")),
    "x5c": ("header-members", with_header(x5c=["MIIB"])),
    "x5t": ("header-members", with_header(x5t="abc")),
    "b64 false": ("header-members", with_header(b64=False)),
    "zip": ("header-members", with_header(zip="DEF")),
    "cty": ("header-members", with_header(cty="JWT")),
    "unknown member": ("header-members", with_header(colour="red")),
    "no typ": ("header-members", lambda f: f.token({"alg": "RS384", "kid": "r1"})),
    "no kid": ("header-members", lambda f: f.token({"alg": "RS384", "typ": "JWT"})),
    "no alg": ("header-members", lambda f: f.token({"kid": "r1", "typ": "JWT"})),
    "typ of an access token": ("type", with_header(typ="at+jwt")),
    "typ in lower case": ("type", with_header(typ="jwt")),
    "typ not text": ("type", with_header(typ=["JWT"])),
    "kid empty": ("header", with_header(kid="")),
    "kid not text": ("header", with_header(kid=1)),
    "kid too long": ("header", with_header(kid="r" * 129)),
    "kid unknown": ("unknown-key", with_header(kid="r9")),
    "kid as a path": ("unknown-key", with_header(kid="../../dev/null")),
    "alg not text": ("header", with_header(alg=["RS384"])),
    # algorithm and key
    "alg none without signature": ("algorithm", lambda f: f.token(f.header(alg="none"), signature=b"")),
    "alg None in capitals": ("algorithm", lambda f: f.token(f.header(alg="NONE"), signature=b"")),
    "HS256 with the PEM public key": ("algorithm", lambda f: hs256(f, spki(f, serialization.Encoding.PEM))),
    "HS256 with the DER public key": ("algorithm", lambda f: hs256(f, spki(f, serialization.Encoding.DER))),
    "HS256 with the OpenSSH public key": ("algorithm", lambda f: hs256(f, openssh(f))),
    "HS384 with the DER public key": ("algorithm", lambda f: hs256(f, spki(f, serialization.Encoding.DER), "HS384")),
    "HS256 signature under RS384": ("signature", lambda f: hs256(f, spki(f, serialization.Encoding.DER), "RS384")),
    "RS256": ("algorithm", lambda f: f.token(f.header(alg="RS256"), digest=hashes.SHA256())),
    "RS512": ("algorithm", lambda f: f.token(f.header(alg="RS512"), digest=hashes.SHA512())),
    "PS384": ("algorithm", with_header(alg="PS384")),
    "ES256 naming the P-384 key": ("algorithm", with_header(alg="ES256", kid="e1")),
    "ES384 naming an RSA key": ("unknown-key", with_header(alg="ES384")),
    "RS384 naming the EC key": ("unknown-key", with_header(kid="e1")),
    "kid of one key, signed by another of the same client": ("signature", with_header(kid="r2")),
    "signed by a stranger": ("signature", lambda f: f.token(key=f.stranger)),
    "signed with a 1024-bit key": ("signature", lambda f: f.token(key=f.weak)),
    "SHA-256 under the name RS384": ("signature", lambda f: f.token(digest=hashes.SHA256())),
    "no signature": ("signature", lambda f: f.token(signature=b"")),
    "signature cut short": ("signature", lambda f: f.token()[:-4]),
    "signature of another token": (
        "signature",
        lambda f: f.token(claims=f.claims(jti="j-2")).rpartition(".")[0] + "." + f.token().rpartition(".")[2],
    ),
    "zero EC signature": ("signature", lambda f: f.token(f.header(alg="ES384", kid="e1"), signature=bytes(96))),
    "EC signature in DER": ("signature", lambda f: f.token(f.header(alg="ES384", kid="e1"), signature=b"\x30" + bytes(103))),
    "padding in the signature": ("signature", lambda f: f.token() + "=="),
    "signature spelled in another way": ("signature", lambda f: respelled(f.token())),
    # claims: shape
    "claims are a list": ("claims", lambda f: f.token(claims=b"[]")),
    "claims are not JSON": ("claims", lambda f: f.token(claims=b"iss")),
    "claims with a byte order mark": ("claims", lambda f: f.token(claims=b"\xef\xbb\xbf{}")),
    "claims not UTF-8": ("claims", lambda f: f.token(claims=b'{"iss":"\xff"}')),
    "claims 5,000 deep": ("claims", raw_claims(lambda t: t[:-1] + ',"x":' + "[" * 2000 + "]" * 2000 + "}")),
    "duplicate iss": ("claims", raw_claims(lambda t: t[:-1] + ',"iss":"other"}')),
    "duplicate exp deep inside": ("claims", raw_claims(lambda t: t[:-1] + ',"x":{"a":1,"a":2}}')),
    "exp 1e400": ("claims", raw_claims(lambda t: t.replace('"exp": ', '"exp": 1e400, "was": '))),
    "exp Infinity": ("claims", raw_claims(lambda t: t.replace('"exp": ', '"exp": Infinity, "was": '))),
    "exp NaN": ("claims", raw_claims(lambda t: t.replace('"exp": ', '"exp": NaN, "was": '))),
    "exp of 5,000 digits": ("claims", raw_claims(lambda t: t.replace('"exp": ', '"exp": ' + "9" * 5000 + ', "was": '))),
    "a number of 16 digits anywhere": ("claims", with_claims(colour=10**15)),
    "65 objects and lists in all": ("claims", raw_claims(lambda t: t[:-1] + ',"x":[' + "[]," * 63 + "[]]}")),
    "exp with a fraction": ("claims", lambda f: f.token(claims=f.claims(exp=f.now + 60.5))),
    # claims: who and for whom
    "no iss": ("issuer", without("iss")),
    "iss of another client": ("issuer", with_claims(iss="other")),
    "iss a list": ("issuer", with_claims(iss=["ward-client"])),
    "no sub": ("subject", without("sub")),
    "sub of another client": ("subject", with_claims(sub="other")),
    "no aud": ("audience", without("aud")),
    "aud of another server": ("audience", with_claims(aud="https://other.test/token")),
    "aud a part of ours": ("audience", with_claims(aud="https://gateway.test")),
    "aud with a slash more": ("audience", with_claims(aud="https://gateway.test/oauth2/token/")),
    "aud an empty list": ("audience", with_claims(aud=[])),
    "aud of two servers": ("audience", with_claims(aud=["https://gateway.test/oauth2/token", "https://other.test"])),
    "aud a number": ("audience", with_claims(aud=1)),
    # claims: time
    "no exp": ("exp", without("exp")),
    "exp as text": ("exp", lambda f: f.token(claims=f.claims(exp=str(f.now + 60)))),
    "exp true": ("exp", with_claims(exp=True)),
    "exp null": ("exp", with_claims(exp=None)),
    "exp negative": ("exp", with_claims(exp=-1)),
    "expired a second ago": ("expired", from_now(exp=-1)),
    "expiring now": ("expired", from_now(exp=0)),
    "exp six minutes ahead": ("lives-too-long", from_now(exp=360)),
    "exp one second over five minutes": ("lives-too-long", from_now(exp=301)),
    "exp one year ahead": ("lives-too-long", from_now(exp=31_536_000)),
    "issued an hour ago, still running": ("lives-too-long", from_now(iat=-3600, exp=60)),
    "iat in the future": ("not-yet-valid", from_now(iat=31)),
    "iat as text": ("iat", with_claims(iat="now")),
    "iat null": ("iat", with_claims(iat=None)),
    "nbf in the future": ("not-yet-valid", from_now(nbf=60)),
    "nbf as text": ("nbf", with_claims(nbf="x")),
    # claims: identity of the token and of the user
    "no jti": ("token-id", without("jti")),
    "jti empty": ("token-id", with_claims(jti="")),
    "jti too long": ("token-id", with_claims(jti="j" * 129)),
    "jti a number": ("token-id", with_claims(jti=7)),
    "jti with a null character": ("token-id", with_claims(jti="a\x00b")),
    "jti with half a surrogate": ("token-id", with_claims(jti="a\ud800")),
    "extensions a list": ("extensions", with_claims(extensions=[])),
    "IUA claims a text": ("extensions", with_claims(extensions={"ihe_iua": "x"})),
    "user a number": ("user", with_iua(person_id=1)),
    "user too long": ("user", with_iua(person_id="u" * 65)),
    "user null": ("user", with_iua(person_id=None)),
    "role too long": ("role", with_iua(subject_role="r" * 65)),
    "role an object": ("role", with_iua(subject_role={"code": "R8000"})),
    "organisation with a line break": ("organization", with_iua(subject_organization_id="RX1\nRX2")),
    "purpose as text": ("purposes", with_iua(purpose_of_use="care-planning")),
    "purpose a number": ("purposes", with_iua(purpose_of_use=[1])),
    "purpose with a space": ("purposes", with_iua(purpose_of_use=["a b"])),
    "purpose twice": ("purposes", with_iua(purpose_of_use=["a", "a"])),
    "purpose nested": ("purposes", with_iua(purpose_of_use=[["a"]])),
    "21 purposes": ("purposes", with_iua(purpose_of_use=[f"p{i}" for i in range(21)])),
}


def respelled(token: str) -> str:
    """The same signature bytes with other unused bits in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def test_the_corpus_is_large_enough():
    """The promise is at least sixty kinds of bad token."""
    assert len(BAD) >= 60


@pytest.mark.parametrize(("reason", "make"), BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused_for_its_reason(forge, reason, make):
    """Each bad token gives TokenRefused with the word for what is wrong, and that word is all its text."""
    with pytest.raises(TokenRefused) as refused:
        verify_assertion(make(forge), forge.keys, client_id=forge.client_id, audience={forge.audience}, now=forge.now)
    assert (refused.value.reason, str(refused.value)) == (reason, reason)


@pytest.mark.parametrize(("reason", "make"), BAD.values(), ids=BAD.keys())
def test_peeking_into_a_bad_token_raises_nothing_else(forge, reason, make):
    """Looking for the client in a hostile token gives a short text or TokenRefused."""
    with suppress(TokenRefused):
        assert 0 < len(peek_client_id(make(forge))) <= 128


@pytest.mark.parametrize(("reason", "make"), BAD.values(), ids=BAD.keys())
def test_a_bad_assertion_is_no_access_token(forge, reason, make):
    """Nothing in the corpus passes as one of our access tokens either, and none of it is remembered."""
    tokens = forge.fresh()
    with pytest.raises(TokenRefused):
        tokens.verify(make(forge), forge.now)
    assert not tokens._seen
