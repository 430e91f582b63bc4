"""While the access log cannot be written nothing is disclosed, on whichever surface somebody asks: 503, and whom to ring."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress

import httpx
import psycopg
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, TRUST
from gateway.fhir import systems
from gateway.fhir.outcomes import Unavailable
from gateway.settings import Settings
from tests.data.edge import outcome
from tests.edge.desks import desk, subscribe
from tests.edge.ehr import Ehr, ehr_of, opened
from tests.edge.guardians import opened_in_danger, overrides, settled, urgent
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_web_pages import signed_in, text_of
from tests.edge.test_web_subject_access import prepared
from tests.world import World

S47, TELLING = "safeguarding-s47", ("inpatient", "admitted", "CA1989-s47", AMINA.nhs, AMINA.given, AMINA.family)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def ward(fed: World) -> AsyncIterator[Ehr]:
    """The ward's record system, registered."""
    made = ehr_of(fed.keys)
    await made.register(fed)
    yield made
    made.down()


@contextmanager
def log_away(settings: Settings) -> Iterator[None]:
    """The table of the log is gone; the rest of the database is as it was."""
    _run(settings, "ALTER TABLE audit_entry RENAME TO audit_gone")
    try:
        yield
    finally:
        _run(settings, "ALTER TABLE audit_gone RENAME TO audit_entry")


def _run(settings: Settings, statement: str) -> None:
    if settings.on_postgres:
        with psycopg.connect(settings.database_url, autocommit=True) as other:
            other.execute(statement)
    else:
        with closing(sqlite3.connect(settings.database_file)) as other:
            other.execute(statement)


async def test_no_answer_for_software_without_its_entry(world: World, settings: Settings) -> None:
    """A lookup, an override's, a notice read again, an inbox, one's own records, the log itself: 503 and not a word of anybody."""
    await settled(world)
    with desk() as one:
        subscription = await subscribed(world, one.url)
        await world.feed()
        await world.settle()
        assert len(one.got) == 1
    worker, danger, auditor = world.social_worker(), await urgent(world), world.auditor()
    surfaces: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "a lookup": lambda: worker.asks(AMINA, S47, case="C-1"),
        "an override": lambda: overrides(danger, AMINA),
        "$events": lambda: worker.get(f"/fhir/Subscription/{subscription}/$events"),
        "the inbox": lambda: worker.get("/notices"),
        "own records": lambda: world.as_("trust-epr").searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|{AMINA.nhs}"),
        "the log": lambda: auditor.searches("AuditEvent"),
    }
    told = {name: await ask() for name, ask in surfaces.items()}
    assert {name: one.status_code for name, one in told.items()} == dict.fromkeys(surfaces, 200)
    assert {name for name, one in told.items() if AMINA.nhs in one.text or "known" in one.text} >= {"a lookup", "an override"}
    with log_away(settings):
        for name, ask in surfaces.items():
            answer = await ask()
            (issue,) = outcome(answer, 503)
            assert issue["code"] == "transient" and not says_anything(answer), name
    assert (await surfaces["a lookup"]()).status_code == 200


async def test_no_notice_leaves_without_its_entry(world: World, settings: Settings) -> None:
    """It waits while the log is away, and goes out afterwards."""
    with desk() as one:
        await subscribed(world, one.url)
        await world.feed()
        with log_away(settings):
            with suppress(Unavailable):
                await world.settle(rounds=2)
            assert one.got == []
        await world.settle()
        assert len(one.got) == 1


async def test_no_page_shows_anything_without_its_entry(
    fed: World, settings: Settings, ward: Ehr, issuer: Issuer, browser: Browser
) -> None:
    """The clinician's page shows whom to ring; the person's report, the console and the inbox say to try again."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY", "G-AUDIT", "G-DUTY")
    report = await prepared(browser)
    forms = {report: {}, f"{report}/give": {"language": "en", "form": "page"}, "/console": {"number": AMINA.nhs}, "/inbox": {}}
    csrf = await browser.csrf()

    async def ask(path: str) -> httpx.Response:
        posted = forms[path]
        return await (browser.post(path, {"csrf": csrf, **posted}) if posted else browser.get(path))

    assert AMINA.family in (await ask(report)).text and "social worker" in text_of(await ask("/console"))
    await opened(fed, ward, browser, AMINA)
    family = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    with log_away(settings):
        shown = await browser.post("/family", {"csrf": family, "purpose": "amh-care-planning"})
        assert shown.status_code == 503 and "01632 960201" in shown.text and LEO.given not in text_of(shown)
        for path in forms:
            page = await ask(path)
            assert page.status_code == 503, path
            assert not says_anything(page) and "sw22" not in page.text, path


def says_anything(answer: httpx.Response) -> bool:
    """Whether an answer has a word of the person or of their record."""
    return any(word in answer.text for word in TELLING)


async def subscribed(world: World, url: str) -> str:
    """The council is to be told of her admission."""
    body = people.subscription(AMINA, "admitted", url, "duty-to-share-16la", case="SW-7", reason="The children's plan")
    return str((await subscribe(world.social_worker(), body))["id"])
