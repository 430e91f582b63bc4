"""Holds and erasure at the console: by two people, with the register for everybody of the office to see."""

from __future__ import annotations

import re

import httpx

from gateway.demo.people import AMINA, STRANGER, TRUST
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_web_pages import signed_in, text_of
from tests.edge.test_web_subject_access import another
from tests.world import World

HOLDS, ERASURES = "/console/holds", "/console/erasures"
REASON = "Claim against the trust, letter of 3 November"
ERASING = {"number": AMINA.nhs, "ground": "retention-ended", "reason": "Eight years have passed"}


def address(page: httpx.Response, act: str) -> str:
    """Where the form of an act on the first card sends."""
    found = re.search(rf'action="([^"]+/{act})"', page.text)
    assert found, act
    return found[1]


async def test_a_hold_is_set_by_one_and_lifted_by_two(fed: World, issuer: Issuer, browser: Browser) -> None:
    """While it stands an erasure is refused with the reason; the second person lifts it."""
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    answer = await browser.send(HOLDS, number=AMINA.nhs, reason=REASON)
    assert answer.headers["location"] == f"{HOLDS}?said=set"
    page = await browser.get(answer.headers["location"])
    assert "The hold stands." in text_of(page) and "999 000 1006" in text_of(page) and REASON in text_of(page)
    refused = await browser.send(ERASURES, **ERASING)
    assert refused.status_code == 409 and "a legal hold stands on it" in text_of(refused)
    lift = address(page, "lift")
    assert AMINA.nhs not in lift
    assert (await browser.send(lift, reason="The claim was settled")).headers["location"] == f"{HOLDS}?said=lifting"
    page = await browser.get(HOLDS)
    assert "A second person lifts it" in text_of(page) and f'action="{lift}"' not in page.text
    await another(browser, issuer, "w2")
    assert (await browser.send(lift, reason="The claim was settled")).headers["location"] == f"{HOLDS}?said=lifted"
    assert "w1 and w2" in text_of(await browser.get(HOLDS))


async def test_an_erasure_is_asked_for_by_one_and_carried_out_by_another(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Who asked cannot carry it out; the second ticks that it is the right record; the register names nobody."""
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    assert (await browser.send(ERASURES, **ERASING)).headers["location"] == f"{HOLDS}?said=asked"
    page = await browser.get(HOLDS)
    give_up = address(page, "withdraw")
    erase = give_up.replace("/withdraw", "/erase")
    assert f'action="{erase}"' not in page.text
    assert (await browser.send(erase, sure="yes")).status_code == 403
    await another(browser, issuer, "w2")
    assert address(await browser.get(HOLDS), "erase") == erase
    assert (await browser.send(erase)).status_code == 422
    assert (await browser.send(erase, sure="yes")).headers["location"] == f"{HOLDS}?said=erased"
    page = await browser.get(HOLDS)
    said = text_of(page)
    assert "Erased" in said and "The time for which it is kept is over" in said
    assert AMINA.nhs not in page.text and "999 000 1006" not in said and "Eight years" not in said
    assert (await browser.send(ERASURES, **ERASING)).status_code == 404
    assert (await browser.send(give_up)).status_code == 409


async def test_what_is_not_complete_does_nothing(fed: World, issuer: Issuer, browser: Browser) -> None:
    """A wrong number, no reason, no ground, a stranger; and an erasure may be given up."""
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    for path, form, status in (
        (HOLDS, {"number": "1", "reason": REASON}, 422),
        (HOLDS, {"number": AMINA.nhs, "reason": "x"}, 422),
        (HOLDS, {"number": STRANGER.nhs, "reason": REASON}, 404),
        (ERASURES, {**ERASING, "ground": "because"}, 422),
        (ERASURES, {**ERASING, "reason": ""}, 422),
        (f"{HOLDS}/{'0' * 32}/lift", {"reason": REASON}, 404),
        (f"{ERASURES}/{'0' * 32}/erase", {"sure": "yes"}, 404),
    ):
        assert (await browser.send(path, **form)).status_code == status, (path, form)
    said = text_of(await browser.get(HOLDS))
    assert "No hold stands." in said and "Nothing has been erased yet." in said
    await browser.send(ERASURES, **ERASING)
    given_up = await browser.send(address(await browser.get(HOLDS), "withdraw"))
    assert given_up.headers["location"] == f"{HOLDS}?said=given-up"
    assert "Given up" in text_of(await browser.get(HOLDS))


async def test_the_pages_open_to_privacy_officers_and_auditors_alone(world: World, issuer: Issuer, browser: Browser) -> None:
    """A duty worker sees neither the link nor the page."""
    await signed_in(world, issuer, browser, TRUST, "G-DUTY")
    assert f'href="{HOLDS}"' not in (await browser.get("/inbox")).text
    for path in (HOLDS, "/console/subject-access"):
        assert (await browser.get(path)).status_code == 403
    await another(browser, issuer, "w2", "G-PRIVACY")
    page = await browser.get(HOLDS)
    assert page.status_code == 200 and 'href="/console/subject-access"' in page.text
