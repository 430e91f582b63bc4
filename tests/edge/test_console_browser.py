"""The console in a real browser: by keyboard alone, with hostile names, on a phone, and without breaches of WCAG 2.2 AA.

As ``test_web_browser``: Debian's chromium; where there is none these tests are not run, and say so.
"""

from __future__ import annotations

import pytest

from gateway.audit.questions import QUESTIONS
from gateway.demo.people import AMINA, STRANGER
from gateway.settings import Settings
from tests.edge.durable import change
from tests.edge.guardians import opened_in_danger, overrides, settled, urgent
from tests.edge.test_web_browser import CHROMIUM, Screen
from tests.edge.test_web_browser import screen as screen
from tests.edge.test_web_pages import HOSTILE
from tests.stories.county import wishes
from tests.world import World

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine (Debian: apt install chromium)"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]
FILLED = {"number": AMINA.nhs, "consent": "Consent/none", "notice": "none"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


async def test_an_auditor_asks_and_closes_a_review_by_keyboard_alone(fed: World, screen: Screen) -> None:
    """From the sign-in to a question's answer, to the queue, an item closed with a sentence, and out."""
    await settled(fed)
    await overrides(await urgent(fed, "sw22"), AMINA)
    await screen.to("/sign-in")
    await screen.press("Southshire Council")
    await screen.press("Alan, auditor")
    await screen.press("Access log")
    await screen.press("Who was refused?")
    await screen.press("Show the answer")
    assert "Answer" in await screen.text()
    await screen.press("Reviews")
    await screen.tab_to("Close this item: Danger to life was claimed")
    await screen.page.keyboard.press("Enter")
    await screen.tab_to("It was in order")
    await screen.page.keyboard.press("Space")
    await screen.tab_to("In your own words")
    await screen.page.keyboard.type("I rang the ward, the danger was real")
    await screen.press("Put on record")
    assert "The item is closed." in await screen.text() and "I rang the ward" in await screen.text()
    assert screen.faults == []
    assert not [url for url in screen.asked if not url.startswith("http://127.0.0.1:")]
    assert not [url for url in screen.asked if AMINA.nhs in url]


@pytest.mark.parametrize("width", [320, 1280])
async def test_every_question_passes_axe_on_a_phone_and_on_a_desk(fed: World, screen: Screen, width: int) -> None:
    """Forms, answers, charts, faults, the queue and an export: WCAG 2.2 A and AA as far as a program can tell."""
    await screen.page.set_viewport_size({"width": width, "height": 800})
    await settled(fed)
    await wishes(fed, "trust-epr", AMINA, AMINA)
    await overrides(await urgent(fed, "sw22"), AMINA)
    for number in range(6):
        await fed.ward().hears(STRANGER, "amh-care-planning", case=f"A-{number}")
    await screen.sign_in("Northmoor", "Ada")
    for path in ("/console", "/console/reviews", "/console/exports"):
        await screen.to(path)
        await screen.check()
    for question in QUESTIONS:
        await screen.to(question.path)
        for one in question.fields:
            if one.name in FILLED:
                await screen.page.locator(f"#{one.name}").fill(FILLED[one.name])
        if question.fields:
            await screen.page.locator("form.ask button").click()
            await screen.page.wait_for_selector("#found")
        await screen.check()
    await screen.to("/console/user")
    await screen.page.locator("#since").evaluate("one => { one.type = 'text'; one.value = 'yesterday'; }")
    await screen.page.locator("form.ask button").click()
    await screen.page.wait_for_selector("[role=alert]")
    await screen.check()
    await screen.to("/console/exports")
    await screen.page.get_by_role("button", name="Prepare the export").click()
    await screen.page.wait_for_selector("h1")
    await screen.check()


async def test_hostile_texts_are_text_on_the_console(fed: World, screen: Screen) -> None:
    """Names of agencies, users and what was typed: nothing runs, nothing is fetched, nothing breaks out of its place."""
    await settled(fed)
    await wishes(fed, "trust-epr", AMINA, AMINA)
    for text in HOSTILE:
        plain = "".join(sign for sign in text if sign.isprintable())
        await overrides(await urgent(fed, plain), AMINA)
    change(fed.settings, "UPDATE agency SET name = '<script>alert(9)</script>' WHERE code = 'TLA01'")
    change(fed.settings, "UPDATE agency SET version = version + 1")
    await screen.sign_in("Northmoor", "Ada")
    for path in ("/console/reviews", "/console/overrides", "/console/volumes"):
        await screen.to(path)
        read = await screen.text()
        assert "<script>alert(9)</script>" in read, path
    for path, field, filled in (("/console", "#number", AMINA.nhs), ("/console/against-wishes", "#since", "")):
        await screen.to(path)
        await screen.page.locator(field).fill(filled)
        await screen.page.locator("form.ask button").click()
        await screen.page.wait_for_selector("table")
        read = " ".join((await screen.text()).split())
        for text in HOSTILE:
            plain = "".join(sign for sign in text if sign.isprintable())
            assert " ".join(plain.split()) in read, (path, text)
    await screen.to("/console/user")
    await screen.page.locator("#user").fill(HOSTILE[1])
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_selector("#found")
    assert await screen.page.locator("#user").input_value() == HOSTILE[1]
    assert screen.faults == []
    assert await screen.page.locator("script, img, [onerror], [onload]").count() == 0
