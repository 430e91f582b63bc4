"""A small world for tests: the demonstration's agencies and clients on a gateway of their own, SQLite or PostgreSQL."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from gateway import deployment
from gateway.api.application import App
from gateway.audit.entry import DONE, Kind
from gateway.demo import people
from gateway.demo.client import assertion
from gateway.demo.people import Person
from gateway.exchanges import administer
from gateway.exchanges.lines import line
from gateway.fhir import systems
from gateway.settings import HERE, Settings
from gateway.store.audit_log import UNSEALED
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.sql import Hold, Read, Write
from gateway.store.standing import SET_POLICY
from gateway.web.visits import Web

BASE = "http://gateway.test"
FHIR_JSON = "application/fhir+json"
ENDPOINTS = ("https://sender.example/fhir", "http://127.0.0.1:9/fhir")  # from where its clients send messages


class Answered(NamedTuple):
    """An answer to a request: how, where, with what, and under which request id."""

    method: str
    path: str
    status: int
    request_id: str


@dataclass(slots=True)
class World:
    """A running gateway without a socket. ``client`` speaks HTTP to it; ``as_`` is one person at work in an agency."""

    settings: Settings
    gateway: deployment.Gateway
    client: httpx.AsyncClient
    keys: Path
    app: App
    tokens: dict[tuple[Any, ...], str] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)  # every answer of this gateway to the test, in order

    async def heard(self, answer: httpx.Response) -> None:
        """Keep what was answered, for the check of the log after the test."""
        sent = answer.request
        self.answered.append(Answered(sent.method, sent.url.path, answer.status_code, answer.headers.get("x-request-id", "")))

    @property
    def web(self) -> Web:
        """What its pages stand on."""
        found: Web = self.app.state.web
        return found

    async def token(self, client_id: str, user: str = "", role: str = "", *purposes: str) -> str:
        """An access token through the real token endpoint."""
        key = (client_id, user, role, purposes)
        if key not in self.tokens:
            answer = await self.token_answer(self.sign(client_id, user=user, role=role, purposes=purposes), _scopes(client_id))
            assert answer.status_code == 200, answer.text
            self.tokens[key] = answer.json()["access_token"]
        return self.tokens[key]

    def sign(self, client_id: str, **acting: Any) -> str:
        """A client assertion for the token endpoint."""
        return assertion(client_id, f"{BASE}/oauth2/token", self.keys / f"{client_id}.pem", **acting)

    async def token_answer(self, signed: str, scope: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed,
            "scope": scope,
        }
        return await self.client.post("/oauth2/token", data=form)

    def as_(self, client_id: str, user: str = "", role: str = "", *purposes: str) -> At:
        return At(self, client_id, user, role, purposes)

    def ward(self) -> At:
        return self.as_("trust-epr", "nurse7", "ward-nurse", "amh-care-planning")

    def coordinator(self) -> At:
        return self.as_("trust-epr", "cc4", "care-coordinator", "duty-to-share-16la")

    def social_worker(self) -> At:
        return self.as_("council-system", "sw22", "social-worker", "safeguarding-s47", "duty-to-share-16la")

    def auditor(self, agency: str = "trust") -> At:
        return self.as_(f"{agency}-auditor", "aud1", "auditor", "audit")

    async def feed(self) -> None:
        """What the two agencies send on day one: see step 1 of the demonstration, without wishes."""
        council, trust = self.as_("council-system"), self.as_("trust-epr")
        await council.sends("crosswalk", people.crosswalk())
        await council.sends("relationships", people.relationships())
        await council.sends("dfe-csc-api", people.children())
        admissions = people.adt("A01", people.AMINA, "M1", kin=people.LEO) + people.adt("A04", people.BETH, "M2")
        await trust.sends("hl7v2-adt", admissions)

    async def settle(self, rounds: int = 50) -> None:
        """Deliver until nothing is due any more."""
        for _ in range(rounds):
            await self.gateway.deliverer._turn()
            if not self.gateway.deliverer._tasks:
                return
            while self.gateway.deliverer._tasks:
                await __import__("asyncio").sleep(0.005)

    async def seal(self) -> None:
        """Give every entry its place in the tree (PostgreSQL does so beside the requests)."""
        ledger = self.gateway.ledger
        if not isinstance(ledger, PostgresLedger):
            return
        while True:
            await ledger.seal()
            if not (await ledger.read([Read(UNSEALED)]))[0]:  # the sealer beside the requests may have been at it
                return


@dataclass(slots=True)
class At:
    """One person at work in one agency's software."""

    world: World
    client_id: str
    user: str
    role: str
    purposes: tuple[str, ...]

    async def headers(self, kind: str = FHIR_JSON) -> dict[str, str]:
        token = await self.world.token(self.client_id, self.user, self.role, *self.purposes)
        return {"Authorization": f"Bearer {token}", "Content-Type": kind}

    async def post(self, path: str, body: Any, kind: str = FHIR_JSON, **headers: str) -> httpx.Response:
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return await self.world.client.post(path, content=content, headers={**await self.headers(kind), **headers})

    async def put(self, path: str, body: Any, etag: str | None = None) -> httpx.Response:
        headers = await self.headers()
        if etag is not None:
            headers["If-Match"] = etag
        return await self.world.client.put(path, content=json.dumps(body), headers=headers)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.world.client.get(path, headers={**await self.headers(), **headers})

    async def delete(self, path: str) -> httpx.Response:
        return await self.world.client.delete(path, headers=await self.headers())

    async def sends(self, fmt: str, data: Any) -> dict[str, Any]:
        """A file of records; gives the counts of the report."""
        body = json.dumps(data) if isinstance(data, (list, dict)) else data
        answer = await self.post(f"/records/{fmt}", body, "application/octet-stream")
        assert answer.status_code == 200, answer.text
        return {part["name"]: part["valueUnsignedInt"] for part in answer.json()["parameter"] if "valueUnsignedInt" in part}

    async def asks(self, person: Person, purpose: str, *about: str, **more: str) -> httpx.Response:
        return await self.post("/fhir/Patient/$known-to-services", people.lookup(person, purpose, *about, **more))

    async def hears(self, person: Person, purpose: str, *about: str, **more: str) -> dict[str, Any]:
        """The Parameters of an answered lookup."""
        answer = await self.asks(person, purpose, *about, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def searches(self, kind: str, **form: str) -> httpx.Response:
        query = httpx.QueryParams({name.replace("__", ":"): value for name, value in form.items()})
        return await self.post(f"/fhir/{kind}/_search", str(query), "application/x-www-form-urlencoded")

    async def searches_for(self, kind: str, person: Person, **form: str) -> list[dict[str, Any]]:
        """Resources of a type about a person."""
        answer = await self.searches(kind, **{"patient__identifier": f"{systems.NHS_NUMBER}|{person.nhs}", **form})
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", ())]


def part(parameters: dict[str, Any] | list[dict[str, Any]], name: str) -> Any:
    """The value of a parameter or part, None where it is absent."""
    parts = parameters["parameter"] if isinstance(parameters, dict) else parameters
    found = next((one for one in parts if one["name"] == name), None)
    return None if found is None else next(value for key, value in found.items() if key != "name")


def groups(answer: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The agency groups of an answer, each a list of parts."""
    return [one["part"] for one in answer["parameter"] if one["name"] == "agency"]


def _scopes(client_id: str) -> str:
    return next(one.scopes for one in people.CLIENTS if one.id == client_id)


async def register(gateway: deployment.Gateway, jwks: dict[str, Any]) -> None:
    """The demonstration's agencies and clients."""
    for agency in people.AGENCIES:
        await gateway.ledger.run_alone(administer.add_agency, agency)
    for one in people.CLIENTS:
        client = administer.NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, jwks[one.id], ENDPOINTS)
        await gateway.ledger.run_alone(administer.add_client, client)


def put_in_force(_: Any, version: str, moment: Moment) -> Story[None]:
    """Another version of the agreements is in force, as if another process had published it."""
    yield Hold(policy=True)
    yield Write(SET_POLICY, {"policy": version})
    entry = line("put_in_force", administer.OPERATOR, moment, Kind.ADMINISTRATION, DONE, detail=(("agreements", version),))
    return Outcome(None, (entry,))


def settings_for(folder: Path, keys: Path, database_url: str, **more: Any) -> Settings:
    """Settings of a test deployment: the example agreements, quick retries, no deliverer of its own."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    agreements = data / "agreements"
    if not agreements.exists():
        shutil.copytree(HERE / "mappings" / "agreements" / "example", agreements)
    given = {"kind": "test", "data": data, "keys": keys, "database_url": database_url, "url": BASE, "agreements": agreements}
    given["quota_persons_per_hour"] = 1_000_000
    return Settings(**{**given, "deliver": False, "retry_seconds": "0,0,0,0", "checkpoint_seconds": 60.0, **more})


def now() -> int:
    return int(time.time())
