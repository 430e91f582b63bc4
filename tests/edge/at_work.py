"""A clinician who came from their record system with a patient open, without the way there (that has tests of its own)."""

from __future__ import annotations

import secrets
from contextlib import suppress

from gateway.demo.people import Person
from gateway.exchanges.access.administer_launch import add_launch_system
from gateway.exchanges.access.launch import Arrived, Launch, launch
from gateway.exchanges.access.launched import LaunchSystem, PatientInContext
from gateway.fhir.outcomes import Conflict
from gateway.store import clock
from gateway.store.launches import launch_token
from gateway.web.launch_visits import COOKIE
from tests.edge.issuer import Browser
from tests.world import World


async def at_work(
    world: World, browser: Browser, person: Person, *roles: str, client: str = "trust-epr", user: str = "nurse7"
) -> Browser:
    """The browser with a person's record open, in these roles of the record system's client."""
    ledger, iss = world.gateway.ledger, f"https://{client}.example/fhir"
    with suppress(Conflict):  # its record system is registered once
        await ledger.run_alone(add_launch_system, LaunchSystem(iss, client, "pages", "", "", {}))
    held, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    patient = PatientInContext(person.nhs, person.born, f"{person.given} {person.family}", "female")
    ask = Launch(
        iss, secrets.token_urlsafe(8), clock.now() + clock.HOUR, lambda _: Arrived(user, roles, patient),
        launch_token(world.gateway.context.vault, held), csrf, clock.HOUR,
    )  # fmt: skip
    opened = await ledger.run_alone(launch, ask)
    assert opened.launched is not None, opened.reason
    browser.client.cookies.set(world.web.cookie(COOKIE), held)
    CSRF[id(browser)] = csrf
    return browser


CSRF: dict[int, str] = {}


def secret(browser: Browser) -> str:
    """What a form of this session carries."""
    return CSRF[id(browser)]
