"""A forge for tokens: good ones, and every kind of bad one, signed with real keys made for the test."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.api.tokens import AccessTokens, ClientKeys, SigningKey

Part = dict[str, Any] | bytes | str


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def ec_jwk(key: ec.EllipticCurvePrivateKey, **more: Any) -> dict[str, Any]:
    size = (key.curve.key_size + 7) // 8
    at = key.public_key().public_numbers()
    curve = {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
    return {"kty": "EC", "crv": curve, "x": b64(at.x.to_bytes(size)), "y": b64(at.y.to_bytes(size))} | more


def rsa_jwk(key: rsa.RSAPrivateKey, **more: Any) -> dict[str, Any]:
    at = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(at.n), "e": number(at.e)} | more


def ec_sign(key: ec.EllipticCurvePrivateKey, message: bytes, digest: hashes.HashAlgorithm) -> bytes:
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    return r.to_bytes(size) + s.to_bytes(size)


class Forge:
    """Keys of one client (r1, r2 RSA; e1 P-384) and of strangers, and tokens made from any header, claims and key."""

    client_id = "ward-client"
    audience = "https://gateway.test/oauth2/token"
    issuer = "https://gateway.test"
    ec_jwk, rsa_jwk = staticmethod(ec_jwk), staticmethod(rsa_jwk)

    def __init__(self) -> None:
        self.r1, self.r2, self.stranger = (rsa.generate_private_key(65537, 2048) for _ in range(3))
        self.weak = rsa.generate_private_key(65537, 1024)
        self.e1, self.p256, self.p521 = (ec.generate_private_key(c()) for c in (ec.SECP384R1, ec.SECP256R1, ec.SECP521R1))
        self.jwks = [
            rsa_jwk(self.r1, kid="r1", alg="RS384", use="sig", key_ops=["verify"], ext=True),
            rsa_jwk(self.r2, kid="r2"),
            ec_jwk(self.e1, kid="e1", alg="ES384"),
        ]
        self.keys = ClientKeys.parse(self.jwks)
        pem = self.p256.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.own = SigningKey.from_pem(pem)
        self.now = int(time.time())

    def fresh(self) -> AccessTokens:
        """An issuer with an empty memory."""
        return AccessTokens(self.issuer, f"{self.issuer}/fhir", self.own)

    def header(self, **more: Any) -> dict[str, Any]:
        return {"alg": "RS384", "kid": "r1", "typ": "JWT"} | more

    def claims(self, **more: Any) -> dict[str, Any]:
        iua = {
            "subject_organization_id": "RX1",
            "person_id": "u-17",
            "subject_role": "R8000",
            "purpose_of_use": ["care-planning", "section-47"],
        }
        base = {"iss": self.client_id, "sub": self.client_id, "aud": self.audience, "exp": self.now + 240, "jti": "j-1"}
        return base | {"iat": self.now, "extensions": {"ihe_iua": iua}} | more

    def iua(self, **more: Any) -> dict[str, Any]:
        return self.claims(extensions={"ihe_iua": self.claims()["extensions"]["ihe_iua"] | more})

    def without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in self.claims().items() if name not in names}

    def segment(self, part: Part) -> str:
        if isinstance(part, dict):
            part = json.dumps(part).encode()
        return part if isinstance(part, str) else b64(part)

    def signature(self, message: bytes, key: Any, digest: hashes.HashAlgorithm) -> bytes:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return ec_sign(key, message, digest)
        return key.sign(message, padding.PKCS1v15(), digest)

    def token(
        self,
        header: Part | None = None,
        claims: Part | None = None,
        key: Any = None,
        digest: Any = None,
        signature: bytes | None = None,
    ) -> str:
        """A compact token; any part may be given as a dict, as raw bytes, or as the finished segment."""
        head = self.segment(self.header() if header is None else header)
        body = self.segment(self.claims() if claims is None else claims)
        message = f"{head}.{body}".encode()
        made = self.signature(message, key or self.r1, digest or hashes.SHA384()) if signature is None else signature
        return f"{head}.{body}.{b64(made)}"

    def es384(self, claims: Part | None = None) -> str:
        return self.token(self.header(alg="ES384", kid="e1"), claims, self.e1)


@pytest.fixture(scope="session")
def forge() -> Forge:
    """One set of keys for the whole run."""
    return Forge()
