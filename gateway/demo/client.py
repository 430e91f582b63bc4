"""A client of an agency, as its own software would be: signs an assertion, gets a token, calls the API."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

P384_BYTES = 48


def new_key(path: Path) -> dict[str, Any]:
    """Make a P-384 key, keep it in a file for its owner alone, and give the public JWKS to register."""
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(private)
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": path.stem}
    return {"keys": [{**jwk, "x": encoded(numbers.x.to_bytes(P384_BYTES)), "y": encoded(numbers.y.to_bytes(P384_BYTES))}]}


def encoded(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assertion(client_id: str, audience: str, key_file: Path, **acting: Any) -> str:
    """A client assertion (RFC 7523, ES384). ``acting``: user, role, purposes, agency."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = int(time.time())
    header = {"alg": "ES384", "typ": "JWT", "kid": key_file.stem}
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + 240,
        "jti": secrets.token_hex(16),
    }
    stated = {
        "subject_organization_id": acting.get("agency", ""),
        "person_id": acting.get("user", ""),
        "subject_role": acting.get("role", ""),
        "purpose_of_use": list(acting.get("purposes", ())),
    }
    claims["extensions"] = {"ihe_iua": {name: value for name, value in stated.items() if value}}
    return signed(key, header, claims)


def signed(key: ec.EllipticCurvePrivateKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A compact JWS by ES384 (RFC 7515, RFC 7518)."""
    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA384())))
    return f"{text}.{encoded(r.to_bytes(P384_BYTES) + s.to_bytes(P384_BYTES))}"


def fetch_token(credentials: dict[str, Any], client_id: str, user: str, role: str, purposes: list[str]) -> str:
    """A token for a client of ``credentials.json``. Raises ValueError in plain words."""
    client = next((one for one in credentials["clients"] if one["client_id"] == client_id), None)
    if client is None:
        known = ", ".join(one["client_id"] for one in credentials["clients"])
        raise ValueError(f"there is no client {client_id}; known are {known}")
    endpoint = credentials["token_endpoint"]
    signed = assertion(client_id, endpoint, Path(client["private_key_file"]), user=user, role=role, purposes=purposes)
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
        "scope": client["scopes"],
    }
    try:
        answer = httpx.post(endpoint, data=form, timeout=10, trust_env=False)
    except httpx.HTTPError as fault:
        raise ValueError(f"{endpoint} does not answer: is the gateway running?") from fault
    if answer.status_code != 200:
        raise ValueError(f"the token endpoint refused: {answer.text}")
    return str(answer.json()["access_token"])


@dataclass(slots=True)
class Client:
    """One person at work in one agency's software."""

    credentials: dict[str, Any]
    client_id: str
    user: str = ""
    role: str = ""
    purposes: tuple[str, ...] = ()
    _token: str = ""
    _until: float = 0.0
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def headers(self) -> dict[str, str]:
        if time.monotonic() > self._until:
            self._token = fetch_token(self.credentials, self.client_id, self.user, self.role, list(self.purposes))
            self._until = time.monotonic() + 200
        return {"Authorization": f"Bearer {self._token}"}

    def post(self, path: str, body: Any, kind: str = "application/fhir+json") -> httpx.Response:
        """POST to a path below the gateway's root; a dict or list is sent as JSON."""
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        root = self.credentials["base"].removesuffix("/fhir")
        return self.http.post(f"{root}{path}", content=content, headers={**self.headers(), "Content-Type": kind})

    def put(self, path: str, body: Any, etag: str) -> httpx.Response:
        root = self.credentials["base"].removesuffix("/fhir")
        headers = {**self.headers(), "Content-Type": "application/fhir+json", "If-Match": etag}
        return self.http.put(f"{root}{path}", content=json.dumps(body), headers=headers)

    def get(self, path: str) -> httpx.Response:
        root = self.credentials["base"].removesuffix("/fhir")
        return self.http.get(f"{root}{path}", headers=self.headers())
