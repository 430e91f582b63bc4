"""The pages in a real browser: by keyboard alone, with hostile names, on a phone, and without breaches of WCAG 2.2 AA.

Debian's chromium through Playwright. Where there is no chromium on the machine these tests are not run, and say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, ConsoleMessage, Page, async_playwright

from gateway.demo.people import AMINA
from gateway.demo.provider import DemoProvider
from gateway.exchanges.administer import NewAgency, add_agency
from gateway.follow_up import raise_all
from tests.edge.durable import change
from tests.edge.served import free_port
from tests.edge.test_feedback import hours_pass, told
from tests.edge.test_web_pages import HOSTILE, asked_back
from tests.world import World

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOST_TABS = 60

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine (Debian: apt install chromium)"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]


@dataclass
class Screen:
    """A browser's window on a served gateway; ``faults`` is whatever the browser complained of."""

    root: str
    page: Page
    context: BrowserContext
    provider: DemoProvider
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def listen(self) -> Self:
        self.page.on("console", lambda one: self.faults.append(one.text) if self.is_our_error(one) else None)
        self.page.on("dialog", lambda one: self.faults.append(f"dialog: {one.message}"))
        self.page.on("pageerror", lambda one: self.faults.append(str(one)))
        self.page.on("request", lambda one: self.asked.append(one.url))
        return self

    def is_our_error(self, said: ConsoleMessage) -> bool:
        """Whether the browser complains of one of our pages, not of the demonstration's sign-in, which has no icon."""
        return said.type == "error" and said.location["url"].startswith(self.root)

    async def to(self, path: str) -> None:
        await self.page.goto(self.root + path)

    async def tab_to(self, text: str) -> None:
        """Press Tab until what has the focus says this."""
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Tab")
            if text in await self.page.evaluate(FOCUSED):
                return
        raise AssertionError(f"{text!r} cannot be reached by keyboard on {self.page.url}")

    async def press(self, text: str, key: str = "Enter") -> None:
        await self.tab_to(text)
        async with self.page.expect_navigation():
            await self.page.keyboard.press(key)

    async def sign_in(self, agency: str, name: str) -> None:
        await self.to("/sign-in")
        await self.page.get_by_role("link", name=agency).click()
        await self.page.get_by_role("link", name=name).click()
        await self.page.wait_for_url(self.root + "/**")

    async def text(self) -> str:
        return await self.page.inner_text("body")

    async def check(self) -> None:
        """No breach of WCAG 2.2 AA that axe-core finds; nothing wider than the window."""
        told = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}  # what passes is not described
        found = await Axe().run(self.page, options=told)
        assert not found.response["violations"], (self.page.url, found.generate_report())
        assert await self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), self.page.url


FOCUSED = """() => { const one = document.activeElement;
    return one === document.body ? '' : one.type === 'radio' || ['TEXTAREA', 'INPUT', 'SELECT'].includes(one.tagName) ? one.labels[0].textContent : one.textContent; }"""


@contextlib.asynccontextmanager
async def window(world: World) -> AsyncIterator[tuple[Page, BrowserContext]]:
    """A browser's window, and the world served over a real socket, at an address that its pages know by then."""
    port = free_port()
    world.web.root = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(world.app, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = await browser.new_context(locale="en-GB")
            yield await context.new_page(), context
            await browser.close()
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def screen(world: World) -> AsyncIterator[Screen]:
    """A window of a desk's size, on the served world, with the demonstration's sign-in."""
    provider = DemoProvider().up()
    await provider.register(world.gateway.ledger)
    try:
        async with window(world) as (page, context):
            yield Screen(world.web.root, page, context, provider).listen()
    finally:
        provider.down()


async def test_a_duty_worker_does_a_days_work_by_keyboard_alone(world: World, screen: Screen) -> None:
    """Sign in, read a notice, answer it, read the answer, sign out; focus is always to be seen; nobody else is asked for anything."""
    await told(world, None)
    await screen.to("/sign-in")
    await screen.press("Southshire Council Children's Services")
    await screen.press("Fay, at the front door")
    assert "Admitted to hospital" in await screen.text() and "999 000 1006" in await screen.text()
    await screen.tab_to("Answer: Admitted")
    assert await screen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await screen.page.keyboard.press("Enter")
    await screen.tab_to("We have taken this up")
    await screen.page.keyboard.press("ArrowDown")
    await screen.page.keyboard.press("ArrowDown")
    await screen.tab_to("Note for your own agency")
    await screen.page.keyboard.type("The ward's worker rings the front door")
    await screen.press("Send this answer")
    assert "Your answer is on record." in await screen.text()
    await screen.press("Answered notices")
    assert "We have passed this to those it concerns" in await screen.text()
    assert "The ward's worker rings the front door" in await screen.text()
    await screen.press("Sign out")
    assert "You are signed out" in await screen.text()
    await screen.to("/inbox")
    assert await screen.page.title() == "Sign in - Think Family Gateway"
    assert screen.faults == []
    assert {url.split("/")[2] for url in screen.asked} == {screen.root.split("/")[2], f"127.0.0.1:{screen.provider.port}"}


async def test_the_skip_link_comes_first_and_leads_past_the_navigation(world: World, screen: Screen) -> None:
    """One Tab and Enter, and the next Tab is in the page's own part."""
    await screen.sign_in("Southshire Council", "Fay")
    await screen.page.keyboard.press("Tab")
    assert await screen.page.evaluate(FOCUSED) == "Skip to main content"
    await screen.page.keyboard.press("Enter")
    await screen.page.keyboard.press("Tab")
    assert await screen.page.evaluate("document.activeElement.closest('main') !== null")


async def test_hostile_names_are_text_in_a_real_browser(fed: World, screen: Screen) -> None:
    """Nothing runs, nothing is fetched, nothing breaks out of its place; whoever reads sees the signs as they are."""
    texts = [text.replace("\x00", "") for text in HOSTILE]
    for place, text in enumerate(texts):
        profile = {"desks": [{"kind": "duty-desk", "name": text, "phone": text, "hours": text}]}
        await fed.gateway.ledger.run_alone(add_agency, NewAgency(f"TXX{place}", text, "voluntary", profile))
        await asked_back(fed, name=text, phone=text, reason=text)
    change(fed.settings, "UPDATE agency SET name = '<script>alert(9)</script>' WHERE code = 'TMH01'")
    change(fed.settings, "UPDATE agency SET version = version + 1")
    await screen.sign_in("script", "Dev")
    await screen.to("/inbox/call-backs")
    read = await screen.text()
    for text in texts:
        assert " ".join(text.split()) in " ".join(read.split()), text
    assert "<script>alert(9)</script>" in read
    await screen.to("/inbox/nowhere")
    await screen.to("/sign-in")
    assert "<script>alert(9)</script>" in await screen.text()
    assert [one for one in screen.faults if "404" not in one] == []
    assert not [url for url in screen.asked if not url.startswith(("http://127.0.0.1:",))]
    assert await screen.page.locator("script, img, svg, [onerror], [onload]").count() == 0


@pytest.mark.parametrize("width", [320, 1280])
async def test_every_page_passes_axe_on_a_phone_and_on_a_desk(world: World, screen: Screen, width: int) -> None:
    """WCAG 2.2 A and AA as far as a program can tell, and no scrolling to and fro at 320 pixels."""
    await screen.page.set_viewport_size({"width": width, "height": 800})
    await told(world, None)
    hours_pass(world, 5)
    await raise_all(world.gateway.ledger)
    await asked_back(world)
    await screen.to("/sign-in")
    await screen.check()
    await screen.sign_in("Southshire Council", "Fay")
    await screen.check()
    await screen.page.get_by_text("Answer: Admitted").click()
    await screen.check()
    for path in ("/inbox/answered", "/inbox/nowhere", "/console"):
        await screen.to(path)
        await screen.check()
    await screen.to("/inbox")
    await screen.page.get_by_role("button", name="Sign out").click()
    await screen.check()
    await screen.sign_in("Northmoor", "Dev")
    await screen.to("/inbox/call-backs")
    await screen.page.get_by_text("Close this request").first.click()
    await screen.check()
    await screen.context.clear_cookies()
    await screen.sign_in("Northmoor", "Ada")
    await screen.check()
    await screen.page.get_by_label("NHS number").fill("999 000 1007")
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_selector("[role=alert]")
    await screen.check()
    await screen.page.get_by_label("NHS number").fill(AMINA.nhs)
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_selector("table")
    await screen.check()
    assert AMINA.nhs not in screen.page.url


async def test_on_paper_the_forms_and_the_navigation_are_left_out(world: World, screen: Screen) -> None:
    """What is printed is what was told, and the warning where not to file it."""
    await told(world, None)
    await screen.sign_in("Southshire Council", "Fay")
    await screen.page.emulate_media(media="print")
    for selector in ("nav", "details", ".who form"):
        assert not await screen.page.locator(selector).first.is_visible(), selector
    assert "Do not file this page" in await screen.text()


async def test_forms_of_another_site_sign_nobody_out(world: World, screen: Screen) -> None:
    """A page elsewhere that posts to ours: the browser sends no session along, and nothing happens."""
    await screen.sign_in("Southshire Council", "Fay")
    other = await screen.context.new_page()
    await other.route("http://elsewhere.test/", lambda route: route.fulfill(content_type="text/html", body=FORGED % screen.root))
    await other.goto("http://elsewhere.test/")
    await other.wait_for_url(f"{screen.root}/sign-out")
    assert "Nothing was done" in await other.inner_text("main")
    await screen.to("/inbox")
    assert "front1" in await screen.text()


FORGED = """<form method=post action="%s/sign-out"><input name=csrf value=x></form><script>document.forms[0].submit()</script>"""


async def test_no_other_site_can_frame_a_page(world: World, screen: Screen) -> None:
    """frame-ancestors 'none': a page inside another page shows nothing."""
    await screen.sign_in("Southshire Council", "Fay")
    other = await screen.context.new_page()
    body = f'<iframe src="{screen.root}/sign-in" title="x"></iframe>'
    await other.route("http://elsewhere.test/", lambda route: route.fulfill(content_type="text/html", body=body))
    await other.goto("http://elsewhere.test/")
    await other.wait_for_timeout(500)
    shown = [await frame.inner_text("body") for frame in other.frames[1:] if not frame.is_detached()]
    assert not [text for text in shown if "Choose the organisation" in text]
