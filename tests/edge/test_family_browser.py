"""From the chart to the card to the page in a real browser: by keyboard alone, on a phone, with hostile names, and refused.

Debian's chromium through Playwright. Where there is no chromium on the machine these tests are not run, and say so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.demo.people import AMINA, BETH, LEO, STRANGER, TRUST, Person
from gateway.demo.provider import DemoProvider
from gateway.demo.record_system import CLIENT, DemoRecordSystem
from gateway.exchanges.access.administer_launch import add_launch_system
from gateway.exchanges.access.launched import LaunchSystem
from gateway.exchanges.access.register_card_client import CardRegistration, register_card_client
from gateway.settings import Settings
from tests.edge.durable import change
from tests.edge.guardians import IN_DANGER, JUSTIFICATION, opened_in_danger, settled
from tests.edge.record_system import CARE, leave
from tests.edge.test_family import CASE, DUTY, FAMILY
from tests.edge.test_web_browser import CHROMIUM, Screen, window
from tests.edge.test_web_pages import HOSTILE
from tests.stories.county import flag, patient, related, tells, wishes
from tests.world import World

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine (Debian: apt install chromium)"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]
WARD = "trust-urgent"  # its users may plan care, and look where somebody's life is in danger
PEOPLE = {"amina": AMINA, "beth": BETH, "ned": STRANGER, "leo": LEO}


@dataclass
class Ward(Screen):
    """A window at work in the ward's record system."""

    charts: DemoRecordSystem = field(kw_only=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With agreements for emergencies on both sides."""
    path = settings.agreements / "southshire-council.toml"
    path.write_text(path.read_text() + IN_DANGER.replace("children-social-care", "adult-mental-health"))
    return opened_in_danger(settings)


@pytest.fixture
async def ward(fed: World) -> AsyncIterator[Ward]:
    """A window, the ward's record system behind it, and the world served over a real socket."""
    await settled(fed)
    async with window(fed) as (page, context):
        root = fed.web.root
        object.__setattr__(fed.gateway.context, "url", f"{root}/fhir")
        system = DemoRecordSystem(root, fed.keys / f"{WARD}.pem", dict(PEOPLE)).up()
        await fed.gateway.ledger.run_alone(register_card_client, CardRegistration(WARD, system.iss, CARE))
        await fed.gateway.ledger.run_alone(add_launch_system, LaunchSystem(system.iss, WARD, CLIENT, "", "", {}))
        try:
            yield Ward(root, page, context, DemoProvider(), charts=system).listen()
        finally:
            system.down()


async def chart(screen: Ward, who: str, user: str = "nurse7") -> None:
    await screen.page.goto(f"{screen.charts.root}/chart?patient={who}&user={user}")


async def page_of(screen: Ward, who: str, user: str = "nurse7") -> None:
    """From the chart by the card's link to the page, and its form."""
    await chart(screen, who, user)
    await screen.page.get_by_role("link", name="Open the family page").click()
    await screen.page.wait_for_url(f"{screen.root}/family")


async def shows(screen: Ward, who: str, user: str = "nurse7") -> None:
    """The answer for planning care."""
    await page_of(screen, who, user)
    await screen.page.get_by_role("button", name="Show family and services").click()
    await screen.page.wait_for_selector("#ring")


async def leave_for_leo(world: World) -> None:
    await tells(world, "council-system", related(AMINA, LEO, "SON"))
    await wishes(world, "council-system", LEO, AMINA, leave(TRUST, CARE, *FAMILY))


async def test_a_nurse_gets_from_the_chart_to_the_number_to_ring_by_keyboard_alone(fed: World, ward: Ward) -> None:
    """Chart, card, launch, purpose, page: focus is always to be seen; nothing is asked of any other host."""
    await leave_for_leo(fed)
    await chart(ward, "amina")
    assert "One service told us of work with this family" in await ward.text()
    await ward.press("Open the family page")
    await ward.page.wait_for_url(f"{ward.root}/family")
    await ward.tab_to("To plan this patient's care")
    await ward.press("Show family and services")
    text = await ward.text()
    assert text.index("Southshire front door: 01632 960201") < text.index("The family, as far as you may see it")
    assert "LEO" in text and AMINA.nhs not in ward.page.url and "amina" not in ward.page.url
    await ward.tab_to("Family picture")
    assert await ward.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await ward.press("Close this patient")
    assert "This patient is closed here" in await ward.text()
    assert ward.faults == []
    hosts = {url.split("/")[2] for url in ward.asked if not url.startswith("data:")}
    assert hosts == {ward.root.split("/")[2], ward.charts.root.split("/")[2]}


@pytest.mark.parametrize("width", [320, 1280])
async def test_every_path_passes_axe_on_a_phone_and_on_a_ward_pc(fed: World, ward: Ward, width: int) -> None:
    """The choice, the answer with its picture, a refusal, details, faults, cannot say, an override, a stop, closed, launch."""
    await ward.page.set_viewport_size({"width": width, "height": 800})
    await leave_for_leo(fed)
    await page_of(ward, "amina", "cc4")
    await ward.check()
    await shows(ward, "amina", "cc4")
    assert await ward.page.locator("svg.family").count() == 1
    await ward.check()
    await ward.page.get_by_label("Because somebody's life is in danger now").check()
    await ward.page.get_by_role("button", name="Go on").click()
    await ward.page.wait_for_selector("#case")
    await ward.check()
    await ward.page.locator("form.ask").evaluate("form => form.noValidate = true")
    await ward.page.get_by_role("button", name="Look, and let them be told").click()
    await ward.page.wait_for_selector("[role=alert]")
    await ward.check()
    await fill_danger(ward)
    await ward.page.wait_for_selector("#ring")
    await ward.check()
    await shows(ward, "ned")
    assert "This is not a no" in await ward.text()
    await ward.check()
    object.__setattr__(fed.gateway.context, "quota", 1)
    await shows(ward, "beth")
    await page_of(ward, "leo")
    await ward.page.get_by_role("button", name="Show family and services").click()
    await ward.page.wait_for_selector("text=This cannot be asked now: ring")
    await ward.check()
    await ward.page.get_by_role("button", name="Close this patient").click()
    await ward.check()
    await ward.to("/launch")
    await ward.check()
    assert ward.faults == [one for one in ward.faults if "422" in one or "429" in one]


async def fill_danger(screen: Ward) -> None:
    await screen.page.get_by_label("Reference of your case").fill("RIO-77")
    await screen.page.get_by_label("I look without one").check()
    await screen.page.get_by_label("It is an emergency", exact=True).check()
    await screen.page.get_by_label("What the danger is").fill(JUSTIFICATION)
    await screen.page.get_by_role("button", name="Look, and let them be told").click()


async def test_refused_and_unknown_look_the_same_in_the_chart_and_on_the_page(fed: World, ward: Ward) -> None:
    """Card and page of Beth, who refused, and of a stranger: the same words, the same places."""
    seen = []
    for who, name in (("beth", BETH), ("ned", STRANGER)):
        await chart(ward, who)
        card = await ward.page.locator(".card").inner_text()
        await shows(ward, who)
        boxes = await ward.page.evaluate(
            "[...document.querySelectorAll('h2')].map(one => [one.textContent, one.getBoundingClientRect().y])"
        )
        seen.append((card, _without(await ward.page.inner_text("main"), name), boxes))
    assert seen[0] == seen[1]


def _without(text: str, person: Person) -> str:
    """What a page says beneath the chart's own banner, without its time and reference."""
    assert person.given in text
    return text.partition("Who is involved")[2].partition("Asked for:")[0]


async def test_what_cannot_be_said_has_a_reason_and_a_number(fed: World, ward: Ward) -> None:
    """The duty's path: case and reason first; a child that is protected is a desk to ring, not a name."""
    await tells(fed, "council-system", patient(LEO, restriction="protected"))
    object.__setattr__(ward.charts, "key_file", fed.keys / "trust-epr.pem")
    change(fed.settings, "DELETE FROM launch_system")
    await fed.gateway.ledger.run_alone(add_launch_system, LaunchSystem(ward.charts.iss, "trust-epr", CLIENT, "", "", {}))
    await ward.page.goto(ward.charts.opens("amina", "cc4"))
    await ward.page.get_by_label("Because a child's safety or welfare may need it").check()
    await ward.page.get_by_role("button", name="Show family and services").click()
    await ward.page.get_by_label("Reference of your case").fill(CASE["case"])
    await ward.page.get_by_label("Why you need to know").fill(CASE["reason"])
    await ward.check()
    await ward.page.get_by_role("button", name="Show family and services").click()
    await ward.page.wait_for_selector("#unsaid")
    text = await ward.text()
    assert "No machine may answer this. Ring the desk" in text and "LEO" not in text and DUTY not in ward.page.url
    await ward.check()


async def test_a_page_that_was_left_open_asks_about_nobody_once_another_chart_is_open(fed: World, ward: Ward) -> None:
    """Two windows of one browser: the older one's form does nothing and says so."""
    await page_of(ward, "amina")
    other = await ward.context.new_page()
    await other.goto(ward.charts.opens("beth", "nurse7"))
    await ward.page.get_by_role("button", name="Show family and services").click()
    await ward.page.wait_for_selector("text=Nothing was done")
    await ward.to("/family")
    assert "BETH SAMPLE" in await ward.text()


async def test_a_lost_session_leads_back_to_the_record_system(fed: World, ward: Ward) -> None:
    """A form says that nothing was done; a page leads to the launch."""
    await page_of(ward, "amina")
    change(fed.settings, "DELETE FROM session")
    await ward.page.get_by_role("button", name="Show family and services").click()
    await ward.page.wait_for_selector("text=Nothing was done")
    await ward.check()
    await ward.to("/family")
    assert ward.page.url == f"{ward.root}/launch"


async def test_hostile_names_are_text_in_the_picture_and_on_the_page(fed: World, ward: Ward) -> None:
    """Nothing runs, nothing is fetched; whoever reads sees the signs."""
    texts = [text.replace("\x00", "") for text in HOSTILE]
    made = flag(LEO, "hostile")
    made["contained"][0]["practitioner"]["display"] = texts[0]
    named = related(AMINA, LEO, "SON", name=[{"given": [texts[1]]}])
    await tells(fed, "council-system", named, made)
    await wishes(fed, "council-system", LEO, AMINA, leave(TRUST, CARE, *FAMILY))
    change(fed.settings, "UPDATE agency SET name = '<svg onload=alert(9)>' WHERE code = 'TLA01'")
    change(fed.settings, "UPDATE agency SET version = version + 1")
    PEOPLE_HOSTILE = Person("hostile", AMINA.nhs, AMINA.born, texts[4], texts[2])
    ward.charts.patients["amina"] = PEOPLE_HOSTILE
    await shows(ward, "amina")
    read = await ward.text()
    for text in (texts[0], texts[1], texts[2], texts[4], "<svg onload=alert(9)>"):
        assert " ".join(text.split())[:70] in " ".join(read.split()), text
    assert ward.faults == []
    assert await ward.page.locator("script, img, [onerror], [onload]").count() == 0
    assert not [url for url in ward.asked if not url.startswith("http://127.0.0.1:")]


async def test_on_paper_stand_the_numbers_the_picture_and_where_not_to_file_it(fed: World, ward: Ward) -> None:
    """Forms and navigation are left out."""
    await leave_for_leo(fed)
    await shows(ward, "amina", "cc4")
    await ward.page.emulate_media(media="print")
    for selector in ("form", ".skip"):
        assert not [one for one in await ward.page.locator(selector).all() if await one.is_visible()], selector
    assert await ward.page.locator("svg.family").is_visible()
    text = await ward.text()
    assert "01632 960201" in text and "Do not file this page, or a print of it" in text
