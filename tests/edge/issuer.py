"""An OpenID Connect issuer of an agency, over real HTTP, that keeps the rules it can check and breaks the one it is told to.

Independent of the gateway's own code: PyJWT signs and verifies. ``spoil`` alters what it says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.exchanges.access.administer_sign_in import add_provider
from gateway.exchanges.access.staff import Provider
from tests.world import BASE, World

CLIENT = "gateway-at-agency"
ROLES = {
    "G-AUDIT": "auditor",
    "G-DUTY": "duty-worker",
    "G-LEAD": "safeguarding-lead",
    "G-PRIVACY": "privacy-officer",
    "G-TEAM": "team-manager",
}


@dataclass
class Issuer:
    """One issuer on this machine; ``user`` and ``groups`` are of whoever signs in next."""

    user: str = "w1"
    groups: Any = ("G-DUTY",)
    algorithm: str = "RS256"
    secret: str = ""
    claims: dict[str, Any] = field(default_factory=dict)  # in place of the right ones; None leaves a claim out
    header: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    token: str = ""  # in place of the right one
    status: int = 200
    jwks: Any = None  # the gateway's own keys, where it proves itself by key
    forms: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rsa, self.curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
        self.stranger = rsa.generate_private_key(65537, 2048)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/realm"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def key(self) -> Any:
        return {"RS": self.rsa, "ES": self.curve}[self.algorithm[:2]]

    def keys(self) -> dict[str, Any]:
        """A set as issuers publish it: with a key for encryption and one of a kind that we do not know beside it."""
        own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.rsa.public_key()))
        curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.curve.public_key()))
        return {
            "keys": [
                {**own, "kid": "enc", "use": "enc"},
                {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "odd"},
                {name: own[name] for name in ("kty", "n", "e")} | {"kid": "RS", "use": "sig"},
                {name: curve[name] for name in ("kty", "crv", "x", "y")} | {"kid": "ES", "use": "sig"},
            ]
        }

    def discovery(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in places.items()}, **self.document}

    def enter(self, address: str) -> str:
        """What a browser does at the issuer: signs in, and is sent back. Gives the address it is sent to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_urlsafe(12)
        self.codes[code] = {**asked, "user": self.user}
        return asked["redirect_uri"].removeprefix(BASE) + "?" + urlencode({"code": code, "state": asked["state"]})

    def redeem(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The token endpoint: code once, PKCE, redirect address, client."""
        self.forms.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or not self._is_proved(form):
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert asked["code_challenge_method"] == "S256"
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return self.status, {"access_token": "a", "token_type": "Bearer", "id_token": self.token or self.sign(asked)}

    def _is_proved(self, form: dict[str, str]) -> bool:
        if self.secret:
            return form.get("client_secret") == self.secret
        if "client_assertion" not in form:
            return False
        keys = [jwt.PyJWK(one).key for one in self.jwks["keys"] if one.get("alg") == "ES256"]
        claims = jwt.decode(form["client_assertion"], keys[0], algorithms=["ES256"], audience=f"{self.url}/token")
        return claims["iss"] == claims["sub"] == CLIENT

    def sign(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        right = {
            "iss": self.url, "aud": CLIENT, "sub": self.user, "groups": list(self.groups) if isinstance(self.groups, tuple) else self.groups,
            "nonce": asked.get("nonce", ""), "iat": now, "exp": now + 300,
        }  # fmt: skip
        claims = {name: value for name, value in {**right, **self.claims}.items() if value is not None}
        header = {"kid": self.algorithm[:2], **self.header}
        key = self.header.get("key", None) or self.key()
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={k: v for k, v in header.items() if k != "key"})

    async def register(self, world: World, agency: str, **more: Any) -> None:
        """As an operator would."""
        given = {"issuer": self.url, "client_id": CLIENT, "secret": self.secret, "user_claim": "sub", "role_claim": "groups"}
        await world.gateway.ledger.run_alone(add_provider, Provider(agency, roles=ROLES, **{**given, **more}))
        self.jwks = (await world.client.get("/oauth2/jwks")).json()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            told = {"/realm/.well-known/openid-configuration": issuer.discovery, "/realm/jwks": issuer.keys}.get(self.path)
            self.say(404 if told is None else 200, {} if told is None else told())

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.say(*issuer.redeem({name: values[0] for name, values in form.items()}))

        def say(self, status: int, body: Any) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None: ...

    return Handler


@dataclass
class Browser:
    """What a browser keeps and sends, and nothing else: cookies, forms, redirects as answers."""

    world: World
    client: httpx.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={"Accept": "text/html", **headers})

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        return await self.client.post(path, data=form, headers={"Accept": "text/html", **headers})

    async def send(self, path: str, **form: str) -> httpx.Response:
        """A form with the secret of the page it stands on."""
        return await self.post(path, {"csrf": await self.csrf(), **form})

    async def csrf(self) -> str:
        page = await self.get("/signed-out")
        return page.text.split('name="csrf" value="')[1].split('"')[0]

    async def begin(self, agency: str, then: str = "") -> httpx.Response:
        return await self.get(f"/sign-in/start?agency={agency}&next={then}")

    async def sign_in(self, issuer: Issuer, agency: str, then: str = "") -> httpx.Response:
        """Out to the issuer and back; the answer of the way back."""
        out = await self.begin(agency, then)
        assert out.status_code == 303, out.text
        return await self.get(issuer.enter(out.headers["location"]))
