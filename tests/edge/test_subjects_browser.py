"""Subject access, holds and erasure in a real browser: accessible on a phone and on a desk, from right to left, and on paper."""

from __future__ import annotations

import pytest

from gateway.demo.people import AMINA, BETH
from gateway.exchanges.subjects.ask_erasure import ask_erasure
from tests.edge.test_legal_holds import erasing, hold, lift
from tests.edge.test_subject_access import finished, prepare
from tests.edge.test_web_browser import CHROMIUM, Screen, screen
from tests.world import World

__all__ = ["screen"]  # the fixture

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine (Debian: apt install chromium)"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]
PATH = "/console/subject-access"


async def something_to_show(world: World) -> tuple[str, str]:
    """A report that is worked on and one that is approved, holds that stand and were lifted, an erasure that waits."""
    await world.feed()
    await world.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    approved, worked_on = await finished(world, AMINA, release=True), await prepare(world, AMINA)
    await hold(world, AMINA)
    gone = await hold(world, BETH)
    for user in ("dpo1", "dpo2"):
        await lift(world, gone, user)
    await world.gateway.ledger.run_alone(ask_erasure, erasing(BETH))
    return worked_on, approved


@pytest.mark.parametrize("width", [320, 1280])
async def test_the_pages_pass_axe(world: World, screen: Screen, width: int) -> None:
    """WCAG 2.2 A and AA as far as a program can tell; the report itself too, in Urdu and in Easy Read."""
    await screen.page.set_viewport_size({"width": width, "height": 800})
    worked_on, approved = await something_to_show(world)
    await screen.sign_in("Northmoor", "Ada")
    for path in (PATH, f"{PATH}/{worked_on}", f"{PATH}/{approved}", "/console/holds"):
        await screen.to(path)
        for summary in await screen.page.locator("summary").all():
            await summary.click()
        await screen.check()
    for language in ("ur", "en-easy"):
        await screen.to(f"{PATH}/{approved}")
        await screen.page.get_by_label("Language").select_option(language)
        await screen.page.get_by_role("button", name="Give the report").click()
        await screen.page.wait_for_selector(".letter")
        await screen.check()
    assert not [one for one in screen.asked if AMINA.nhs in one]
    assert not screen.faults


async def test_a_line_is_decided_on_by_keyboard_alone(world: World, screen: Screen) -> None:
    """Tick it, say why, and it is on record."""
    worked_on, _ = await something_to_show(world)
    await screen.sign_in("Northmoor", "Ada")
    await screen.to(f"{PATH}/{worked_on}")
    await screen.tab_to("Lines that wait")  # the table itself, which scrolls
    await screen.page.keyboard.press("Tab")
    await screen.page.keyboard.press("Space")
    await screen.tab_to("The person is told")
    await screen.page.keyboard.press("ArrowDown")
    await screen.tab_to("Why?")
    await screen.page.keyboard.type("The enquiry is still going on.")
    await screen.press("Decide on the chosen lines")
    said = await screen.text()
    assert "Your decision is on record." in said, said
    assert "Kept back" in said
