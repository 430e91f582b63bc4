"""Cards in the electronic record (CDS Hooks): the time from a call to its card, over the wire, on SQLite and PostgreSQL.

A council's system asks for cards about people of whom 40 % are known to the trust and agreed to it, 40 % are known and did
not, 20 % are nobody's; each call carries a signed token of its own (ES384), used once, and a person of about 2 kB. Server
and load are pinned to a core each. Calls come by themselves, 20 a second on average and at random (Poisson), as records are
opened by many people who do not wait for each other: 72,000 an hour. Every card leaves on a beat of 50 ms, so 50 is the
least. ``card_p99_ms`` is the worse of the two databases.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import statistics
import time
import uuid
from contextlib import ExitStack
from typing import Any

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks.stand import BORN, LOAD_CORE, Deployment, deployment, gateway, nhs_numbers, on_core, postgres, result, say
from gateway import app as wiring
from gateway.demo import people
from gateway.demo.client import signed
from gateway.demo.people import Person
from gateway.exchanges.access.register_card_client import CardRegistration, register_card_client
from gateway.fhir import systems

PEOPLE = 20_000
CALLS, A_SECOND = 1000, 20.0
ISSUER = "https://epr.northmoor.example"
CLIENT, PURPOSE = "council-system", "child-in-need-s17"


async def register(deployed: Deployment) -> None:
    """The council's system may ask for cards; the filled deployment's people are the trust's."""
    opened = await wiring.open_gateway(deployed.settings)
    await opened.ledger.run_alone(register_card_client, CardRegistration(CLIENT, ISSUER, PURPOSE))
    await wiring.close_gateway(opened)


def agree(deployed: Deployment) -> None:
    """The trust shares for this purpose with whoever agreed to it."""
    document = deployed.settings.agreements / "northmoor-trust.toml"
    line = f'[[default]]\nreceiver_kind = "children-social-care"\npurposes = ["{PURPOSE}"]\ntier = 2\nbasis = "person-wish"\n'
    document.write_text(f"{document.read_text()}\n{line}")


async def consents(deployed: Deployment) -> None:
    """Every second known person says that the council may hear."""
    rule = people.permit(people.COUNCIL, PURPOSE, "existence", "status", "contact")
    headers = {"Authorization": f"Bearer {deployed.token('trust-epr', '', '', ())}", "Content-Type": "application/fhir+json"}
    async with httpx.AsyncClient(trust_env=False, timeout=30, base_url=deployed.settings.url) as client:
        for number in list(nhs_numbers(CALLS * 4 // 5))[::2]:
            person = Person("", number, BORN, "EXAMPLE", "P")
            body = people.consent(person, person, [rule], agency=people.TRUST, when=people.day(2))
            answer = await client.post("/fhir/Consent", json=body, headers=headers)
            if answer.status_code != 201:
                raise RuntimeError(f"no consent: {answer.text[:300]}")


def calls(deployed: Deployment, url: str) -> list[tuple[str, bytes]]:
    """Tokens and bodies, made before the clock runs."""
    known = list(nhs_numbers(CALLS * 4 // 5))
    strangers = list(nhs_numbers(CALLS - len(known), start=50_000_000))
    key = load_pem_private_key((deployed.folder / f"{CLIENT}.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return [(_token(key, url), _body(number)) for number in _mixed(known, strangers)]


def _mixed(known: list[str], strangers: list[str]) -> list[str]:
    return [(strangers if place % 5 == 4 else known)[place // 5 if place % 5 == 4 else place * 4 // 5] for place in range(CALLS)]


def _token(key: ec.EllipticCurvePrivateKey, url: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": url, "iat": now, "exp": now + 290, "jti": secrets.token_hex(12)}
    return signed(key, {"alg": "ES384", "typ": "JWT", "kid": CLIENT}, claims)


def _body(number: str) -> bytes:
    patient: dict[str, Any] = {
        "resourceType": "Patient", "id": "p", "birthDate": BORN, "name": [{"family": "EXAMPLE", "given": ["P"]}],
        "identifier": [{"system": systems.NHS_NUMBER, "value": number}], "text": {"status": "generated", "div": "x" * 1800},
    }  # fmt: skip
    made = {
        "hook": "patient-view", "hookInstance": str(uuid.uuid4()), "fhirServer": "https://epr.northmoor.example/fhir",
        "context": {"userId": "Practitioner/sw22", "patientId": "p"}, "prefetch": {"patient": patient},
    }  # fmt: skip
    return orjson.dumps(made)


async def load(url: str, prepared: list[tuple[str, bytes]]) -> list[float]:
    """Milliseconds of each call, from when it was due."""
    chance, times, told = random.Random(1), list[float](), 0

    async def one(client: httpx.AsyncClient, token: str, body: bytes) -> None:
        nonlocal told
        begun = time.perf_counter()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await client.post(url, content=body, headers=headers)
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"no card: {answer.status_code} {answer.text[:300]}")
        told += "One service" in answer.text

    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.TaskGroup() as calls:
        for token, body in prepared:
            calls.create_task(one(client, token, body))
            await asyncio.sleep(chance.expovariate(A_SECOND))
    if not told:
        raise RuntimeError("no card told of anything: what was to be measured was not")
    return times


def measured(deployed: Deployment, name: str) -> float:
    """The 99th percentile in milliseconds."""
    agree(deployed)
    asyncio.run(register(deployed))
    url = f"{deployed.settings.url}/cds-services/family-patient-view"
    with gateway(deployed), on_core(LOAD_CORE):
        asyncio.run(consents(deployed))
        asyncio.run(load(url, calls(deployed, url)[:100]))
        cuts = statistics.quantiles(asyncio.run(load(url, calls(deployed, url))), n=100)
    say(f"  {name}: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")
    return cuts[98]


def main() -> None:
    with ExitStack() as stack:
        sqlite = stack.enter_context(deployment(PEOPLE))
        on_postgres = stack.enter_context(deployment(PEOPLE, stack.enter_context(postgres())))
        result("card_p99_ms", max(measured(sqlite, "SQLite"), measured(on_postgres, "PostgreSQL")))


if __name__ == "__main__":
    main()
