"""A record system that launches the clinician's page, over real HTTP: the demonstration's, told to break what a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.demo import people
from gateway.demo.people import Person
from gateway.demo.record_system import CLIENT, DemoRecordSystem, answered
from gateway.exchanges.access.administer_launch import add_launch_system
from gateway.exchanges.access.launched import LaunchSystem
from tests.edge.issuer import Browser
from tests.world import BASE, World

WARD = "trust-epr"


@dataclass
class Ehr(DemoRecordSystem):
    """What it says instead of the right thing; None leaves a member out."""

    said_claims: dict[str, Any] = field(default_factory=dict)
    said_document: dict[str, Any] = field(default_factory=dict)
    said_patient: dict[str, Any] = field(default_factory=dict)
    said_tokens: dict[str, Any] = field(default_factory=dict)
    said_role: dict[str, Any] = field(default_factory=dict)
    role_codes: tuple[str, ...] = ()
    secret: str = ""
    generous: bool = False  # takes a code more than once
    forms: list[dict[str, str]] = field(default_factory=list)

    def published(self) -> dict[str, Any]:
        return _without({**super().published(), **self.said_document})

    def claims(self, asked: dict[str, str]) -> dict[str, Any]:
        return _without({**super().claims(asked), **self.said_claims})

    def patient(self, identifier: str) -> dict[str, Any]:
        return _without({**super().patient(identifier), **self.said_patient})

    def resource(self, path: str, token: str) -> dict[str, Any] | None:
        user = self.tokens[token]["user"] if token in self.tokens else ""
        found = super().resource(path, token)
        if user and path.startswith("/fhir/PractitionerRole/"):
            return {**self.roles(user)["entry"][0]["resource"], "id": path.rpartition("/")[2], **self.said_role}
        return found

    def roles(self, user: str) -> dict[str, Any]:
        made = super().roles(user)
        if self.role_codes:
            made["entry"][0]["resource"]["code"] = [{"coding": [{"code": code} for code in self.role_codes]}]
        return made

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        self.forms.append(form)
        if self.secret and form.get("secret") != self.secret:
            return None
        held = dict(self.codes)
        told = super().token(form)
        if self.generous:
            self.codes = held
        return told and _without({**told, **self.said_tokens})

    async def register(self, world: World, client: str = WARD, **more: Any) -> None:
        """As an operator would."""
        given = {"secret": self.secret, "role_claim": "", "roles": {}, **more}
        await world.gateway.ledger.run_alone(add_launch_system, LaunchSystem(self.iss, client, CLIENT, **given))

    async def launch(self, browser: Browser, person: Person, user: str = "nurse7", purpose: str = "") -> httpx.Response:
        """From the chart to the record system and back; the answer of the way back."""
        self.patients["p1"] = person
        out = await browser.get(self.opens("p1", user, purpose).removeprefix(BASE))
        assert out.status_code == 303, out.text
        return await browser.get(self.enter(out.headers["location"]))

    def enter(self, address: str) -> str:
        """What a browser does at the record system. Gives the address on our side that it is sent to."""
        there = answered(self, address.removeprefix(self.root), "")
        assert there.location, there.text
        return there.location.removeprefix(BASE)


def _without(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def ehr_of(keys: Path, client: str = WARD) -> Ehr:
    """One that listens; ``down`` ends it."""
    made = Ehr(BASE, keys / f"{client}.pem", {"p1": people.AMINA})
    made.up()
    return made


async def opened(world: World, ehr: Ehr, browser: Browser, person: Person, **more: Any) -> None:
    """Somebody is at work with this patient open."""
    came = await ehr.launch(browser, person, **more)
    assert (came.status_code, came.headers["location"]) == (303, "/family"), came.text


async def asks(browser: Browser, purpose: str = "amh-care-planning", **form: str) -> httpx.Response:
    """The page's form, with the secret of the page it stands on."""
    page = await browser.get("/family")
    assert page.status_code == 200, page.headers
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    return await browser.post("/family", {"csrf": csrf, "purpose": purpose, **form})
