"""What can I share, and the forms of a patient's page, in a real browser: by keyboard, on a phone, without breaches of WCAG."""

from __future__ import annotations

import pytest

from gateway.demo.people import AMINA, COUNCIL, LEO
from gateway.web.launch_visits import COOKIE
from tests.edge.at_work import at_work
from tests.edge.issuer import Browser
from tests.edge.test_by_hand import asking, dispute, relationship, run
from tests.edge.test_by_hand import dispute_record as bring
from tests.edge.test_by_hand import record_relationship as take_down
from tests.edge.test_web_browser import CHROMIUM, Screen
from tests.edge.test_web_browser import screen as screen
from tests.world import World

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine (Debian: apt install chromium)"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]
ACTS = ("watch", "wish", "relationship", "markers", "wrong", "call-back")


async def open_patient(world: World, screen: Screen, browser: Browser) -> None:
    """The coordinator's window with the mother's record open."""
    await at_work(world, browser, AMINA, "care-coordinator")
    held = browser.client.cookies[world.web.cookie(COOKIE)]
    await screen.context.add_cookies([{"name": world.web.cookie(COOKIE), "value": held, "url": screen.root}])


async def test_somebody_finds_out_what_they_may_share_by_keyboard_alone(world: World, screen: Screen) -> None:
    """From a refusal to the answer, nobody signed in, nothing but our own address asked."""
    await screen.to("/inbox/nowhere")
    await screen.press("What can I share?")
    await screen.tab_to("Where do you work?")
    await screen.page.keyboard.type("Northmoor")
    await screen.tab_to("With whom do you want to share")
    await screen.page.keyboard.type("Southshire Council")  # a list of choices, as a browser has it
    await screen.tab_to("What is it for?")
    await screen.page.keyboard.type("Child protection enquiry")
    await screen.press("Show what may be shared")
    assert "You to them: yes, this may be shared" in await screen.text()
    assert "01632 960101" in await screen.text()
    assert [one for one in screen.faults if "404" not in one] == []
    assert all(url.startswith(screen.root) for url in screen.asked)


async def test_a_clinician_marks_a_crisis_plan_by_keyboard_alone(fed: World, screen: Screen, browser: Browser) -> None:
    """The form, its fault, and the marker; the number stands in no address."""
    await open_patient(fed, screen, browser)
    await screen.to("/act")
    await screen.press("Set or end markers")
    await screen.press("Set this marker")
    assert (await screen.page.title()).startswith("Error: ")
    await screen.tab_to("Choose one of the answers.")
    await screen.tab_to("Has a crisis plan")
    await screen.page.keyboard.press("ArrowDown")
    await screen.press("Set this marker")
    assert "The marker is set." in await screen.text() and "Crisis plan names who cares for the children" in await screen.text()
    await screen.press("End this: Crisis plan names")
    assert "The marker has ended." in await screen.text()
    assert not [url for url in screen.asked if AMINA.nhs in url]
    assert [one for one in screen.faults if "422" not in one] == []


@pytest.mark.parametrize("width", [320, 1280])
async def test_every_form_passes_axe_on_a_phone_and_on_a_desk(fed: World, screen: Screen, browser: Browser, width: int) -> None:
    """Empty and with its faults; and the page of who answers."""
    await screen.page.set_viewport_size({"width": width, "height": 800})
    for path in ("/check-share", "/check-share?who=TMH01", "/check-share?who=TMH01&whom=TLA01&purpose=safeguarding-s47"):
        await screen.to(path)
        await screen.check()
    await open_patient(fed, screen, browser)
    await screen.to("/act")
    await screen.check()
    for act in ACTS:
        await screen.to(f"/act/{act}")
        await screen.check()
        await screen.page.locator("form.ask button").click()
        await screen.page.wait_for_selector("[role=alert]")
        await screen.check()
    for asked in (take_down, relationship(**asking())), (bring, dispute(COUNCIL, LEO)):
        await run(fed, *asked)
    await screen.sign_in("Southshire Council", "Fay")
    await screen.to("/inbox/questions")
    await screen.check()
    await screen.page.get_by_text("Answer: Another organisation").click()
    await screen.check()
    assert [one for one in screen.faults if "422" not in one] == []
