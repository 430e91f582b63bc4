"""The record system of a made-up ward, on this machine: charts with the gateway's card, and SMART launches of its page.

It calls the hook as a record system does (signed token, the patient sent along), shows the card, and opens the page by a
SMART App Launch: discovery, authorization with PKCE, tokens, ``Patient`` and ``PractitionerRole``. Nobody need prove who they
are: nobody in it exists. Nothing but ``gateway demo`` and the tests start it, and it listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo.client import P384_BYTES, encoded, signed
from gateway.demo.listening import JSON, Answer, Listening, Speaking
from gateway.demo.people import Person
from gateway.fhir import systems

CLIENT = "think-family-page"  # under which it knows the gateway's page
KEY = "ward-record-system"
HOOK = "/cds-services/family-patient-view"
USERS = {"nurse7": ("Nia, ward nurse", "ward-nurse"), "cc4": ("Cal, care coordinator", "care-coordinator")}
STYLE = (
    "body{font:16px/1.5 sans-serif;margin:0;background:#eef1f4;color:#1c1f23}main{max-width:46rem;margin:auto;padding:1rem}"
    "header{background:#5a2a6b;color:#fff;padding:.6rem 1rem}.card{background:#fff;border-left:.4rem solid #0b6a74;"
    "padding:.4rem 1rem;margin:1rem 0}a.go{display:inline-block;background:#0b6a74;color:#fff;padding:.6rem 1rem}"
)


@dataclass(slots=True)
class DemoRecordSystem(Listening):
    """One ward's record system. ``gateway`` is where cards are asked for, ``key_file`` the key that signs those calls."""

    gateway: str
    key_file: Path
    patients: dict[str, Person]
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    launches: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)  # what was read by an access token
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def handler(self) -> type[Speaking]:
        """What answers a browser and the gateway."""
        return _handler(self)

    @property
    def root(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def iss(self) -> str:
        """Its FHIR base, which stands in its launches; also the issuer of its tokens."""
        return f"{self.root}/fhir"

    # -- SMART App Launch ------------------------------------------------------------------------------------------------

    def published(self) -> dict[str, Any]:
        """``.well-known/smart-configuration``."""
        return {
            "issuer": self.iss, "jwks_uri": f"{self.root}/jwks", "authorization_endpoint": f"{self.root}/authorize",
            "token_endpoint": f"{self.root}/token", "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "sso-openid-connect", "context-ehr-patient"],
        }  # fmt: skip

    def keys(self) -> dict[str, Any]:
        """The public half of the key that signs ID tokens."""
        numbers = self._key.public_key().public_numbers()
        x, y = (encoded(value.to_bytes(P384_BYTES)) for value in (numbers.x, numbers.y))
        return {"keys": [{"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": KEY, "x": x, "y": y}]}

    def opens(self, patient: str, user: str, purpose: str = "") -> str:
        """The address at which a browser starts the page for somebody at work with a patient open."""
        launch = secrets.token_urlsafe(12)
        self.launches[launch] = {"patient": patient, "user": user, "purpose": purpose}
        return f"{self.gateway}/launch?" + urlencode({"iss": self.iss, "launch": launch})

    def let_in(self, asked: dict[str, str], patient: str, user: str, purpose: str = "") -> str:
        """Where the browser goes next: back, with a code."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = {**asked, "patient": patient, "user": user, "purpose": purpose}
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Tokens for a code and its verifier (PKCE, S256), each code once; None where they do not fit."""
        asked = self.codes.pop(form.get("code", ""), {})
        challenge = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        held = [form.get(name) for name in ("redirect_uri", "client_id")]
        if not asked or challenge != asked["code_challenge"] or held != [asked["redirect_uri"], CLIENT]:
            return None
        access = secrets.token_urlsafe(16)
        self.tokens[access] = asked
        context = {"appContext": json.dumps({"purpose": asked["purpose"]})} if asked["purpose"] else {}
        proof = signed(self._key, {"alg": "ES384", "typ": "JWT", "kid": KEY}, self.claims(asked))
        granted = {"token_type": "Bearer", "access_token": access, "expires_in": 300, "scope": asked["scope"]}
        return {**granted, "id_token": proof, "patient": asked["patient"], **context}

    def claims(self, asked: dict[str, str]) -> dict[str, Any]:
        """What the ID token says."""
        now, user = int(time.time()), asked["user"]
        return {
            "iss": self.iss, "aud": CLIENT, "sub": user, "fhirUser": f"{self.iss}/Practitioner/{user}",
            "nonce": asked.get("nonce", ""), "iat": now, "exp": now + 300,
        }  # fmt: skip

    # -- FHIR ------------------------------------------------------------------------------------------------------------

    def resource(self, path: str, token: str) -> dict[str, Any] | None:
        """A resource for an access token: of its own patient and user, and no other."""
        asked = self.tokens.get(token)
        if asked is None:
            return None
        self.read.append(path)
        if path == f"/fhir/Patient/{asked['patient']}":
            return self.patient(asked["patient"])
        return self.roles(asked["user"]) if path == f"/fhir/PractitionerRole?practitioner={asked['user']}" else None

    def patient(self, identifier: str) -> dict[str, Any]:
        """A Patient as this ward has them."""
        person = self.patients[identifier]
        return {
            "resourceType": "Patient", "id": identifier, "birthDate": person.born, "gender": "female",
            "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs}],
            "name": [{"given": [person.given], "family": person.family}],
        }  # fmt: skip

    def roles(self, user: str) -> dict[str, Any]:
        """The roles of a user, as a search gives them."""
        role = {
            "resourceType": "PractitionerRole", "id": f"role-{user}", "active": True,
            "practitioner": {"reference": f"Practitioner/{user}"},
            "code": [{"coding": [{"system": "https://ward.example/role", "code": USERS[user][1]}]}],
        }  # fmt: skip
        return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": role}]}

    # -- CDS Hooks -------------------------------------------------------------------------------------------------------

    def call(self, patient: str, user: str) -> httpx.Response:
        """The hook that fires when a chart is opened, with the patient and the user's roles sent along."""
        url, now = f"{self.gateway}{HOOK}", int(time.time())
        claims = {"iss": self.iss, "aud": url, "iat": now, "exp": now + 240, "jti": secrets.token_hex(12)}
        key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        token = signed(key, {"alg": "ES384", "typ": "JWT", "kid": self.key_file.stem}, claims)
        body = {
            "hook": "patient-view", "hookInstance": str(uuid.uuid4()), "fhirServer": self.iss,
            "context": {"userId": f"Practitioner/{user}", "patientId": patient},
            "prefetch": {"patient": self.patient(patient), "roles": self.roles(user)},
        }  # fmt: skip
        return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False)

    def cards(self, patient: str, user: str) -> list[dict[str, Any]]:
        """The cards of a chart; none where the gateway does not answer."""
        try:
            answer = self.call(patient, user)
        except httpx.HTTPError:
            return []
        return list(answer.json()["cards"]) if answer.status_code == 200 else []


# -- its own pages -------------------------------------------------------------------------------------------------------


def home(system: DemoRecordSystem) -> str:
    """Whose chart to open, as whom."""
    links = [
        f'<li><a href="/chart?{urlencode({"patient": key, "user": user})}">{escape(person.given.title())} {escape(person.family)}'
        f" ({escape(person.label)}), as {escape(name)}</a></li>"
        for key, person in system.patients.items()
        for user, (name, _) in USERS.items()
    ]
    return _page("Rose Ward: patients", f"<p>Open a chart. Nobody here exists.</p><ul>{''.join(links)}</ul>")


def chart(system: DemoRecordSystem, patient: str, user: str) -> str:
    """A chart with the cards that came for it; each with a link to the page."""
    person = system.patients[patient]
    cards = "".join(_card(one, patient, user) for one in system.cards(patient, user))
    title = f"{escape(person.given.title())} {escape(person.family)}, born {person.born}"
    return _page(title, f"<p>NHS number {person.nhs}. Admitted to Rose Ward.</p>{cards or '<p>No card came.</p>'}")


def _card(card: dict[str, Any], patient: str, user: str) -> str:
    link = card["links"][0]
    opened = urlencode({"patient": patient, "user": user, "context": link.get("appContext", "")})
    shown = f'<a class="go" href="/open?{escape(opened)}">{escape(link["label"])}</a>'
    return f'<section class="card"><h2>{escape(card["summary"])}</h2>{_detail(card["detail"])}<p>{shown}</p></section>'


def _detail(markdown: str) -> str:
    """The few signs of markdown that a card has; what is escaped in it stays text."""
    parts = []
    for line in markdown.splitlines():
        text = escape(unescape(re.sub(r"\\(.)", r"\1", line.removeprefix("- "))))
        if line.startswith("**"):
            parts.append(f"<h3>{text.strip('*')}</h3>")
        elif line.strip():
            parts.append(f"<p>{text}</p>")
    return "".join(parts)


def choose(system: DemoRecordSystem, asked: dict[str, str]) -> str:
    """Which patient, where the page was started by itself."""
    links = [
        f'<li><a href="/as?{escape(urlencode({**asked, "patient": key, "user": user}))}">{escape(person.given.title())}, as '
        f"{escape(name)}</a></li>"
        for key, person in system.patients.items()
        for user, (name, _) in USERS.items()
    ]
    return _page("Rose Ward: which patient?", f"<ul>{''.join(links)}</ul>")


def _page(title: str, body: str) -> str:
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{STYLE}</style>'
    )
    return (
        f'<!doctype html><html lang="en-GB"><head>{head}</head><body><header>Rose Ward record system (demonstration)</header>'
        f"<main><h1>{title}</h1>{body}</main></body></html>"
    )


def answered(system: DemoRecordSystem, target: str, token: str) -> Answer:
    """What stands at an address."""
    parts = urlsplit(target)
    asked = dict(parse_qsl(parts.query))
    if parts.path.startswith("/fhir/") and not parts.path.endswith("smart-configuration"):
        found = system.resource(target, token)
        return Answer(404 if found is None else 200, json.dumps(found), JSON)
    pages: dict[str, Callable[[], Answer]] = {
        "/": lambda: Answer(200, home(system)),
        "/chart": lambda: Answer(200, chart(system, asked["patient"], asked["user"])),
        "/open": lambda: _opened(system, asked),
        "/fhir/.well-known/smart-configuration": lambda: Answer(200, json.dumps(system.published()), JSON),
        "/jwks": lambda: Answer(200, json.dumps(system.keys()), JSON),
        "/authorize": lambda: _authorized(system, asked),
        "/as": lambda: Answer(302, "", location=system.let_in(asked, asked.pop("patient"), asked.pop("user"))),
    }
    try:
        return pages[parts.path]()
    except KeyError:
        return Answer(404, _page("Nothing here", ""))


def _opened(system: DemoRecordSystem, asked: dict[str, str]) -> Answer:
    """The page is started from a chart, with the context of the card's link."""
    context = json.loads(asked.get("context") or "{}")
    return Answer(302, "", location=system.opens(asked["patient"], asked["user"], context.get("purpose", "")))


def _authorized(system: DemoRecordSystem, asked: dict[str, str]) -> Answer:
    """Back with a code where the launch says who and about whom; else it is asked."""
    if asked.get("client_id") != CLIENT or asked.get("aud") != system.iss or asked.get("code_challenge_method") != "S256":
        return Answer(400, _page("This request is not one of ours", ""))
    if "launch" not in asked:
        return Answer(200, choose(system, asked))
    launch = system.launches.pop(asked["launch"])
    return Answer(302, "", location=system.let_in(asked, launch["patient"], launch["user"], launch["purpose"]))


def _handler(system: DemoRecordSystem) -> type[Speaking]:
    class Handler(Speaking):
        def do_GET(self) -> None:
            self.say(answered(system, self.path, self.headers.get("Authorization", "").removeprefix("Bearer ")))

        def do_POST(self) -> None:
            body = self.body().decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            told = system.token({**self.basic(), **form}) if self.path == "/token" else None
            self.say(Answer(400 if told is None else 200, json.dumps(told or {"error": "invalid_grant"}), JSON))

        def basic(self) -> dict[str, str]:
            kind, _, held = self.headers.get("Authorization", "").partition(" ")
            user, _, secret = base64.b64decode(held).decode().partition(":") if kind == "Basic" else ("", "", "")
            return {"client_id": user, "secret": secret} if user else {}

    return Handler
