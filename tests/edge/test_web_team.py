"""For who manages a team: a case list gone through, from our own records, and whose family is known elsewhere."""

from __future__ import annotations

import re
from datetime import date

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, STRANGER, TRUST
from gateway.exchanges.casework.markers import set_marker
from gateway.follow_up import raise_all
from gateway.settings import Settings
from gateway.web.team import AT_ONCE
from tests.data.edge import exchange, log_of
from tests.edge.desks import patients
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_by_hand import mark, run
from tests.edge.test_case_lists import group
from tests.edge.test_feedback import hours_pass, told
from tests.edge.test_web_pages import signed_in, text_of
from tests.world import World

SOMEBODY = patients(20, 400)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A quota that two forms use up."""
    return settings.model_copy(update={"quota_persons_per_hour": AT_ONCE + 3})


async def listed(world: World, *some: people.Person, client: str = "trust-epr") -> str:
    """A case list of the agency; gives its page."""
    made = await world.as_(client).post("/fhir/Group", group(*some))
    assert made.status_code == 201, made.text
    return f"/team/{made.json()['id']}"


async def manager(world: World, issuer: Issuer, browser: Browser, agency: str = TRUST) -> Browser:
    return await signed_in(world, issuer, browser, agency, "G-TEAM")


async def agree(world: World) -> None:
    """The mother agrees, with the council, that the trust hears of her child for her care."""
    rules = [people.permit(TRUST, "amh-care-planning", "existence", "status", "contact")]
    wish = people.consent(LEO, AMINA, rules, agency=COUNCIL, when=f"{date.today().isoformat()}T00:00:00Z")
    assert (await world.as_("council-system").post("/fhir/Consent", wish)).status_code == 201


async def test_a_manager_sees_who_was_not_asked_about_children_and_whose_notices_are_overdue(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """From the agency's own markers and notices; nobody elsewhere is looked at for it."""
    page = await listed(fed, AMINA, BETH, STRANGER)
    await run(fed, set_marker, mark("children-asked-none", BETH, "2026-11-02"))
    await manager(fed, issuer, browser)
    assert 'href="/team"' in (await browser.get("/inbox")).text
    assert f'href="{page}"' in (await browser.get("/team")).text
    shown = text_of(await browser.get(page))
    for said in (
        "On this list 3",
        "Not asked about children 2",
        "With overdue notices 0",
        "AMINA EXAMPLE 999 000 1006",
        "Asked about children: none 2 November 2026",
        "No name on your record",
    ):
        assert said in shown, said
    log = await log_of(fed.auditor("trust"))
    assert [exchange(one) for one in log if exchange(one) in ("review_case_list", "look_up_status")] == ["review_case_list"]


async def test_an_overdue_notice_stands_with_its_person(world: World, issuer: Issuer, browser: Browser) -> None:
    """Told to the council, taken up by nobody in its time."""
    page = await listed(world, AMINA, client="council-system")
    await told(world, None)
    hours_pass(world, 200)
    await raise_all(world.gateway.ledger)
    await manager(world, issuer, browser, COUNCIL)
    assert "With overdue notices 1" in text_of(await browser.get(page))


async def test_a_family_known_elsewhere_is_a_lookup_each_and_only_when_somebody_asks(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """The mother's child is told with whom to ring; of the mother who has not agreed, and of a stranger, nothing: alike."""
    await agree(fed)
    page = await listed(fed, AMINA, BETH, STRANGER)
    await manager(fed, issuer, browser)
    form = {"from": "0", "next": "0", "purpose": "amh-care-planning"}
    answer = await browser.send(page, **form)
    known = text_of(answer).split("From your own organisation's records")[0]
    assert (
        "NHS number 999 000 1006 A child of this patient: Southshire Council" in known
        and "Southshire front door: 01632 960201" in known
    )
    assert "999 000 1022" not in known and "999 000 1049" not in known and "That is not a no" in known
    log = await log_of(fed.auditor("trust"))
    asked = [one for one in log if exchange(one) == "look_up_status"]
    assert len(asked) == 3 and all("w1" in str(one["agent"]) and "team-manager" in str(one["agent"]) for one in asked)


async def test_only_purposes_that_rest_on_agreement_are_offered(fed: World, issuer: Issuer, browser: Browser) -> None:
    """A duty is claimed for a case, not for a list; what was not chosen is asked for."""
    page = await listed(fed, AMINA)
    await manager(fed, issuer, browser)
    offered = re.findall(r'name="purpose" id="purpose-[\w-]+" value="([\w-]+)"', (await browser.get(page)).text)
    assert offered == ["amh-care-planning"]
    for purpose in ("safeguarding-s47", "duty-to-share-16la", ""):
        refused = await browser.send(page, **{"from": "0", "next": "0", "purpose": purpose})
        assert refused.status_code == 422 and "Choose for what you ask." in refused.text
    assert not [one for one in await log_of(fed.auditor("trust")) if exchange(one) == "look_up_status"]


async def test_a_long_list_is_asked_about_a_few_at_a_time_within_the_quota_and_once_a_day(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """The first fifteen, then as many as the hour has left, said so; the same again costs nothing."""
    page = await listed(fed, *SOMEBODY)
    await manager(fed, issuer, browser)
    form = {"from": "0", "purpose": "amh-care-planning"}
    first = text_of(await browser.send(page, **form, next="0"))
    assert "Asked about 15 for" in first and "Ask about the next 5" in first
    again = text_of(await browser.send(page, **form, next="0"))
    assert "Asked about 15 for" in again and "Not everybody" not in again
    last = text_of(await browser.send(page, **form, next="15"))
    assert "Asked about 3 for" in last and "Not everybody could be asked about" in last and "Ask about the next 2" in last


async def test_another_agencys_list_is_as_none_and_other_roles_have_no_such_page(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """The same page of an error for both; nobody is looked at."""
    page = await listed(fed, AMINA)
    await manager(fed, issuer, browser, COUNCIL)
    answers = [await browser.get(path) for path in (page, "/team/nowhere")]
    bodies = [re.sub(r'"reference">[^<]+', "", one.text) for one in answers]
    assert [one.status_code for one in answers] == [404, 404] and bodies[0] == bodies[1]
    assert (await browser.send(page, **{"from": "0", "next": "0", "purpose": "child-in-need-s17"})).status_code == 404
    for text in ("-1", "1e3", "9" * 20, "x"):
        assert (await browser.get(f"{page}?from={text}")).status_code == 400
    issuer.groups = ("G-DUTY",)
    await browser.sign_in(issuer, COUNCIL)
    assert (await browser.get("/team")).status_code == 403
