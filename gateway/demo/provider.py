"""The sign-in of the made-up agencies: an OpenID Connect issuer for each, on this machine, for the demonstration alone.

It shows the made-up staff of an agency and lets anybody be any of them. Nothing but ``gateway demo`` starts it, it
listens on 127.0.0.1 alone, and a production deployment registers no issuer that is not reached over https.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo.client import P384_BYTES, encoded, signed
from gateway.demo.listening import JSON, Answer, Listening, Speaking
from gateway.demo.people import COUNCIL, HEALTH_VISITING, SCHOOL_NURSING, TRUST, VOLUNTARY
from gateway.exchanges.access.administer_sign_in import add_provider
from gateway.exchanges.access.staff import Provider
from gateway.store.ledger import Ledger

CLIENT = "think-family-gateway"
KEY = "demo-provider"


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody at work who does not exist."""

    agency: str
    user: str
    name: str
    role: str


STAFF = (
    Worker(TRUST, "aud1", "Ada, auditor", "auditor"),
    Worker(TRUST, "dpo1", "Petra, privacy officer", "privacy-officer"),
    Worker(TRUST, "duty1", "Dev, duty worker", "duty-worker"),
    Worker(TRUST, "team1", "Tess, team manager", "team-manager"),
    Worker(COUNCIL, "aud2", "Alan, auditor", "auditor"),
    Worker(COUNCIL, "front1", "Fay, at the front door", "duty-worker"),
    Worker(HEALTH_VISITING, "hv-lead", "Hana, safeguarding lead", "safeguarding-lead"),
    Worker(VOLUNTARY, "fw3", "Farid, family worker", "duty-worker"),
    Worker(SCHOOL_NURSING, "sn-lead", "Sam, safeguarding lead", "safeguarding-lead"),
)


@dataclass(slots=True)
class DemoProvider(Listening):
    """The issuers; ``codes`` are those that wait to be redeemed, each once."""

    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def handler(self) -> type[Speaking]:
        """What answers a browser and the gateway."""
        return _handler(self)

    def issuer(self, agency: str) -> str:
        """The issuer of an agency."""
        return f"http://127.0.0.1:{self.port}/{agency}"

    def registrations(self) -> list[Provider]:
        """What an operator registers for each agency that has staff here."""
        roles = {worker.role: worker.role for worker in STAFF}
        agencies = dict.fromkeys(worker.agency for worker in STAFF)
        return [Provider(one, self.issuer(one), CLIENT, "", "sub", "roles", roles) for one in agencies]

    async def register(self, ledger: Ledger) -> None:
        """Register them, as an operator would."""
        for one in self.registrations():
            await ledger.run_alone(add_provider, one)

    def published(self, agency: str) -> dict[str, str]:
        """OpenID Connect Discovery."""
        issuer = self.issuer(agency)
        endpoints = {"authorization": "authorize", "token": "token", "end_session": "leave"}
        found = {f"{name}_endpoint": f"{issuer}/{path}" for name, path in endpoints.items()}
        return {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", **found}

    def keys(self) -> dict[str, Any]:
        """The public half of the key that signs ID tokens."""
        numbers = self._key.public_key().public_numbers()
        x, y = (encoded(value.to_bytes(P384_BYTES)) for value in (numbers.x, numbers.y))
        return {"keys": [{"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": KEY, "x": x, "y": y}]}

    def let_in(self, asked: dict[str, str], user: str) -> str:
        """Where the browser goes next: back, with a code for this user."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = {**asked, "user": user}
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def token(self, agency: str, form: dict[str, str]) -> dict[str, Any] | None:
        """An ID token for a code and the verifier that belongs to it (PKCE, S256); None where they do not fit."""
        asked = self.codes.pop(form.get("code", ""), {})
        challenge = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        held = [form.get(name) for name in ("redirect_uri", "client_id")]
        worker = next((one for one in STAFF if (one.agency, one.user) == (agency, asked.get("user"))), None)
        if worker is None or challenge != asked.get("code_challenge") or held != [asked["redirect_uri"], CLIENT]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.issuer(agency), "aud": CLIENT, "sub": worker.user, "nonce": asked.get("nonce", ""),
            "roles": [worker.role], "iat": now, "exp": now + 300,
        }  # fmt: skip
        header = {"alg": "ES384", "typ": "JWT", "kid": KEY}
        return {"token_type": "Bearer", "access_token": secrets.token_urlsafe(8), "id_token": signed(self._key, header, claims)}


def staff_page(agency: str, asked: dict[str, str]) -> str:
    """Who somebody may be."""
    links = [
        f'<li><a href="/{escape(agency)}/as?{escape(urlencode({**asked, "user": worker.user}))}">{escape(worker.name)}</a></li>'
        for worker in STAFF
        if worker.agency == agency
    ]
    return _page("Sign in (demonstration)", f"<p>Nobody here exists. Who are you?</p><ul>{''.join(links)}</ul>")


def _page(title: str, body: str) -> str:
    return f'<!doctype html><html lang="en-GB"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'


def answered(provider: DemoProvider, target: str) -> Answer:
    """What stands at an address: ``/AGENCY/...``."""
    parts = urlsplit(target)
    _, agency, path = [*parts.path.split("/", 2), "", ""][:3]
    asked = dict(parse_qsl(parts.query))
    if path == "as" and {"redirect_uri", "state", "user"} <= set(asked):
        return Answer(302, "", location=provider.let_in(asked, asked.pop("user")))
    found = {
        ".well-known/openid-configuration": lambda: Answer(200, json.dumps(provider.published(agency)), JSON),
        "jwks": lambda: Answer(200, json.dumps(provider.keys()), JSON),
        "authorize": lambda: Answer(200, staff_page(agency, asked)),
        "leave": lambda: Answer(200, _page("You have left", "<p>You are signed out here too.</p>")),
    }.get(path)
    return found() if found else Answer(404, _page("Nothing here", ""))


def _handler(provider: DemoProvider) -> type[Speaking]:
    class Handler(Speaking):
        def do_GET(self) -> None:
            self.say(answered(provider, self.path))

        def do_POST(self) -> None:
            body = self.body().decode()
            told = provider.token(self.path.split("/")[1], {name: values[0] for name, values in parse_qs(body).items()})
            self.say(Answer(400 if told is None else 200, json.dumps(told or {"error": "invalid_grant"}), JSON))

    return Handler
