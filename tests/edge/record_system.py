"""A record system that asks for cards: it signs its calls and sends the patient along, well or badly as a test wants."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo import people
from gateway.demo.client import signed
from gateway.demo.people import Person
from gateway.exchanges.access.register_card_client import CardRegistration, register_card_client
from gateway.fhir import systems
from tests.world import BASE, World

ISSUER = "https://epr.northmoor.example/r4"
CARE = "amh-care-planning"


def person_of(person: Person, **more: Any) -> dict[str, Any]:
    """A Patient as the record system has it."""
    return {
        "resourceType": "Patient", "id": "pat-1", "birthDate": person.born,
        "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs}, {"system": "https://epr.example/mrn", "value": "M1"}],
        "name": [{"family": person.family, "given": [person.given]}], **more,
    }  # fmt: skip


def role_of(code: str = "ward-nurse", practitioner: str = "nurse7", **more: Any) -> dict[str, Any]:
    """A PractitionerRole as the record system has it."""
    return {
        "resourceType": "PractitionerRole", "id": "role-1", "active": True,
        "practitioner": {"reference": f"Practitioner/{practitioner}"},
        "code": [{"coding": [{"system": "https://epr.example/role", "code": code}]}], **more,
    }  # fmt: skip


def call_body(person: Person, hook: str = "patient-view", **more: Any) -> dict[str, Any]:
    """A call as CDS Hooks 2.0 has it."""
    context = {"userId": "Practitioner/nurse7", "patientId": "pat-1", "encounterId": "enc-1"}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": role_of()}]}
    made = {
        "hook": hook, "hookInstance": str(uuid.uuid4()), "fhirServer": "https://epr.northmoor.example/fhir",
        "context": context, "prefetch": {"patient": person_of(person), "roles": bundle, "role": None},
    }  # fmt: skip
    return {**made, **more}


@dataclass(slots=True)
class RecordSystem:
    """One registered record system."""

    world: World
    client_id: str = "trust-epr"
    issuer: str = ISSUER
    header: dict[str, Any] = field(default_factory=dict)

    def token(self, url: str, **claims: Any) -> str:
        """A token for one call; a claim of None is left out."""
        now = int(time.time())
        made = {"iss": self.issuer, "aud": url, "iat": now, "exp": now + 240, "jti": secrets.token_hex(12)}
        stated = {name: value for name, value in {**made, **claims}.items() if value is not None}
        header = {"alg": "ES384", "typ": "JWT", "kid": self.client_id, **self.header}
        key = serialization.load_pem_private_key((self.world.keys / f"{self.client_id}.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return signed(key, header, stated)

    async def calls(self, person: Person, hook: str = "patient-view", **more: Any) -> httpx.Response:
        """A card is asked for."""
        return await self.posts(f"/cds-services/family-{hook}", call_body(person, hook, **more))

    async def posts(self, path: str, body: Any, token: str = "", **headers: str) -> httpx.Response:
        """Any body, with a good token unless another is given."""
        stated = {"Authorization": f"Bearer {token or self.token(f'{BASE}{path}')}", "Content-Type": "application/json"}
        content = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return await self.world.client.post(path, content=content, headers={**stated, **headers})

    async def card(self, person: Person, hook: str = "patient-view", **more: Any) -> dict[str, Any]:
        """The one card of an answered call."""
        answer = await self.calls(person, hook, **more)
        assert answer.status_code == 200, answer.text
        (card,) = answer.json()["cards"]
        return dict(card)


async def record_system(world: World, client: str = "trust-epr", **more: Any) -> RecordSystem:
    """A record system that is registered for cards."""
    issuer = more.pop("issuer", ISSUER)
    made = CardRegistration(client, issuer, more.pop("purpose", CARE), **more)
    await world.gateway.ledger.run_alone(register_card_client, made)
    return RecordSystem(world, client, issuer)


CONSENTED = ("existence", "status", "contact")


def leave(receiver: str = people.TRUST, purpose: str = CARE, *classes: str) -> dict[str, Any]:
    """Leave for this organisation to hear so much for care planning."""
    return people.permit(receiver, purpose, *(classes or CONSENTED))
