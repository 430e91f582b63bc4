"""Calls to the record systems that launch the clinician's page (SMART App Launch 2.2): what they publish, a code for
tokens, the patient and the user's roles.

Every call goes the way of the calls to issuers: vetted address, no redirects, a limit of time and size. The access token is
used for two reads and forgotten.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlencode

from gateway.partners.issuers import AGAIN, KEPT, IssuerFault, Issuers
from gateway.partners.jose_strict import IssuerKeys, plain_text

DISCOVERY = "/.well-known/smart-configuration"
FHIR = {"Accept": "application/fhir+json, application/json"}
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
MOST_TOKEN = 16_384  # characters of an access token
OUR_ALGORITHM = "ES256"  # of the key that stands in our JWKS


class SmartConfiguration(NamedTuple):
    """What a record system publishes, as far as we use it, and the keys that sign its ID tokens."""

    authorization_endpoint: str
    token_endpoint: str
    issuer: str
    takes_our_key: bool  # proof by our own key (private_key_jwt), where it takes its algorithm
    keys: IssuerKeys
    fetched: float


class Tokens(NamedTuple):
    """What a code was exchanged for."""

    access_token: str
    id_token: str
    patient: str  # FHIR id
    context: str  # appContext of a card's link, as the record system hands it on; empty where there is none


@dataclass(slots=True)
class RecordSystems:
    """Asks record systems. ``calls`` are those to issuers, with the operator's rules."""

    calls: Issuers
    _known: dict[str, SmartConfiguration] = field(default_factory=dict)

    async def published(self, iss: str, *, kid: str | None = None) -> SmartConfiguration:
        """What a record system publishes, kept for ten minutes, or for one where ``kid`` is not among its keys.

        Raises IssuerFault.
        """
        known = self._known.get(iss)
        if known is None or time.monotonic() - known.fetched > (AGAIN if kid and not known.keys.has(kid) else KEPT):
            known = self._known[iss] = await self._fetch(iss)
        return known

    async def _fetch(self, iss: str) -> SmartConfiguration:
        document = await self.calls.json("GET", iss + DISCOVERY)
        places = [self.calls.endpoint(document, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if "S256" not in _texts(document, "code_challenge_methods_supported"):
            raise IssuerFault("no-pkce")  # SMART App Launch 2.2 requires it
        issuer = document.get("issuer")
        if not isinstance(issuer, str) or not issuer:
            raise IssuerFault("no-issuer")
        try:
            keys = IssuerKeys.parse(await self.calls.json("GET", places[2]))
        except ValueError as fault:
            raise IssuerFault("keys") from fault
        return SmartConfiguration(places[0], places[1], issuer, _takes_our_key(document), keys, time.monotonic())

    async def redeem(self, endpoint: str, form: Mapping[str, str], basic: tuple[str, str] | None = None) -> Tokens:
        """A code for tokens and the patient in context; ``basic`` are id and secret. Raises IssuerFault."""
        more = {} if basic is None else {"Authorization": f"Basic {_basic(*basic)}"}
        answer = await self.calls.json("POST", endpoint, urlencode(form).encode(), more)
        access, proof, patient = (answer.get(name) for name in ("access_token", "id_token", "patient"))
        if plain_text(access, MOST_TOKEN) is None or not isinstance(proof, str):
            raise IssuerFault("no-tokens")
        if not isinstance(patient, str) or not FHIR_ID.fullmatch(patient):
            raise IssuerFault("no-patient")
        context = answer.get("appContext")
        return Tokens(str(access), proof, patient, context if isinstance(context, str) else "")

    async def patient(self, iss: str, tokens: Tokens) -> dict[str, Any]:
        """The patient in context. Raises IssuerFault."""
        found = await self._read(f"{iss}/Patient/{quote(tokens.patient)}", tokens)
        if found.get("resourceType") != "Patient" or found.get("id") != tokens.patient:
            raise IssuerFault("another-patient")
        return found

    async def roles(self, iss: str, tokens: Tokens, kind: str, identifier: str) -> dict[str, Any]:
        """A user's PractitionerRole, or a Bundle of those of a practitioner. Raises IssuerFault."""
        if kind == "PractitionerRole":
            return await self._read(f"{iss}/PractitionerRole/{quote(identifier)}", tokens)
        return await self._read(f"{iss}/PractitionerRole?practitioner={quote(identifier)}", tokens)

    async def _read(self, url: str, tokens: Tokens) -> dict[str, Any]:
        return await self.calls.json("GET", url, more={**FHIR, "Authorization": f"Bearer {tokens.access_token}"})


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    stated = document.get(name)
    return [one for one in stated if isinstance(one, str)] if isinstance(stated, list) else []


def _takes_our_key(document: Mapping[str, Any]) -> bool:
    methods = _texts(document, "token_endpoint_auth_methods_supported")
    return "private_key_jwt" in methods and OUR_ALGORITHM in _texts(document, "token_endpoint_auth_signing_alg_values_supported")


def _basic(user: str, secret: str) -> str:
    """RFC 6749 section 2.3.1: each form-encoded, then as in HTTP Basic."""
    return base64.b64encode(f"{quote_plus(user)}:{quote_plus(secret)}".encode()).decode()
