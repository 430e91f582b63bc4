"""The clinician's page: the time from the form to the answer over the wire, its weight, and a first view in a browser.

A council's social worker comes from the mock record system with one patient after another open (SMART App Launch), of whom
40 % are known to the trust and agreed to it, 40 % are known and did not, 20 % are nobody's, and asks for the page of each.
Server and load are pinned to a core each; each page is asked for by itself and leaves on a beat of 50 ms, so 50 is the least.
``page_ms`` is the 99th percentile of these on SQLite, ``page_launch_ms`` the median of a whole launch (discovery is kept),
``page_kb`` the largest page with its style sheet and icon, ``page_view_ms`` the median time from sending the form until
chromium has painted the page, with nothing kept from before, where there is a chromium.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import time

import httpx

from benchmarks.cards import CLIENT, PURPOSE, agree, consents
from benchmarks.stand import BORN, LOAD_CORE, Deployment, deployment, gateway, nhs_numbers, on_core, result, say
from gateway import app as wiring
from gateway.demo.people import Person
from gateway.demo.record_system import CLIENT as PAGE_CLIENT
from gateway.demo.record_system import DemoRecordSystem
from gateway.exchanges.access.administer_launch import add_launch_system
from gateway.exchanges.access.launched import LaunchSystem

PEOPLE, PAGES, VIEWS = 20_000, 200, 20
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
USER = "nurse7"


def patients() -> dict[str, Person]:
    """Known and unknown people in turn, as charts."""
    known, strangers = list(nhs_numbers(PAGES)), list(nhs_numbers(PAGES // 4, start=50_000_000))
    numbers = [strangers[place // 5] if place % 5 == 4 else known[place] for place in range(PAGES)]
    return {f"p{place}": Person("", number, BORN, "EXAMPLE", "PAT") for place, number in enumerate(numbers)}


async def register(deployed: Deployment, system: DemoRecordSystem) -> None:
    """The mock record system may open the page for the council's software; its nurse is a social worker there."""
    opened = await wiring.open_gateway(deployed.settings)
    mapped = {"ward-nurse": "social-worker"}
    await opened.ledger.run_alone(add_launch_system, LaunchSystem(system.iss, CLIENT, PAGE_CLIENT, "", "", mapped))
    await wiring.close_gateway(opened)


def asked(system: DemoRecordSystem) -> tuple[list[float], list[float], int]:
    """Milliseconds of each launch and of each page, and the bytes of the largest with what it loads."""
    launches, pages, largest, told = [], [], 0, 0
    for key in system.patients:
        with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as browser:
            begun = time.perf_counter()
            form = browser.get(system.opens(key, USER))
            launches.append((time.perf_counter() - begun) * 1000)
            body = {"csrf": CSRF.findall(form.text)[0], "purpose": PURPOSE}
            begun = time.perf_counter()
            page = browser.post(f"{system.gateway}/family", data=body)
            pages.append((time.perf_counter() - begun) * 1000)
        if page.status_code != 200:
            raise RuntimeError(f"no page: {page.status_code} {page.text[:300]}")
        told += "<svg" in page.text
        largest = max(largest, len(page.content))
    if not told:
        raise RuntimeError("no page told of anything: what was to be measured was not")
    files = [httpx.get(f"{system.gateway}{path}", trust_env=False) for path in re.findall(r'"(/static/[^"]+)"', page.text)]
    return launches, pages, largest + sum(len(one.content) for one in files)


def viewed(system: DemoRecordSystem, chromium: str) -> list[float]:
    """Milliseconds from the form to what is first seen of the answer, in a browser that has kept nothing."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for key in list(system.patients)[:VIEWS]:
            page = browser.new_context().new_page()
            page.goto(system.opens(key, USER))
            page.get_by_role("button", name="Show family and services").click()
            page.wait_for_selector("#ring")
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            found.append(float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")))
        browser.close()
    return found


def measured(deployed: Deployment) -> None:
    """One deployment on SQLite."""
    agree(deployed)
    system = DemoRecordSystem(deployed.settings.url, deployed.folder / f"{CLIENT}.pem", patients()).up()
    try:
        asyncio.run(register(deployed, system))
        with gateway(deployed), on_core(LOAD_CORE):
            asyncio.run(consents(deployed))
            launches, pages, weight = asked(system)
            say(f"  pages: p50 {statistics.median(pages):.0f} ms; launches: p50 {statistics.median(launches):.0f} ms")
            result("page_ms", statistics.quantiles(pages, n=100)[98])
            result("page_launch_ms", statistics.median(launches))
            result("page_kb", weight / 1000)
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        with gateway(deployed):
            if chromium:
                result("page_view_ms", statistics.median(viewed(system, chromium)))
    finally:
        system.down()


def main() -> None:
    with deployment(PEOPLE) as deployed:
        measured(deployed)


if __name__ == "__main__":
    main()
