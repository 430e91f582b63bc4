"""Subject access at the console: prepared, decided on, approved by a second person, given in a language."""

from __future__ import annotations

import re
from typing import Any

import httpx

from gateway.demo.people import AMINA, COUNCIL, STRANGER, TRUST
from gateway.exchanges.access.staff import ROLES
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_subject_access import recorded
from tests.edge.test_web_pages import SAFE, signed_in, text_of
from tests.world import World

PATH = "/console/subject-access"
REASON = "She was at the conference and knows of it."


async def prepared(browser: Browser, number: str = AMINA.nhs) -> str:
    """The address of a report that somebody has just put together."""
    answer = await browser.send(PATH, number=number, asked="2026-11-20", checked="Seen with her passport", since="")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def lines(page: httpx.Response) -> dict[str, str]:
    """The lines of a page that wait for a decision, as fields of a form."""
    return dict.fromkeys(re.findall(r'name="(line-[^"]+)"', page.text), "1")


async def another(browser: Browser, issuer: Issuer, user: str, group: str = "G-AUDIT") -> None:
    """Somebody else of the same agency at the same browser."""
    await browser.send("/sign-out")
    issuer.user, issuer.groups = user, (group,)
    assert (await browser.sign_in(issuer, TRUST)).status_code == 303


async def test_a_report_from_the_request_to_the_paper(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Prepared by the privacy officer, an enquiry kept back, approved by an auditor, printed in Urdu and as plain text."""
    await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    address = await prepared(browser)
    assert AMINA.nhs not in address
    page = await browser.get(address)
    said = text_of(page)
    assert page.status_code == 200 and "AMINA EXAMPLE" in said and "20 December 2026" in said
    assert "under a legal duty; part of an enquiry" in said
    assert "Approve the report" not in said
    decided = await browser.send(f"{address}/decide", choice="keep", reason=REASON, **lines(page))
    assert decided.headers["location"] == f"{address}?said=decided"
    assert "You had a hand in this report" in text_of(await browser.get(address))
    refused = await browser.send(f"{address}/approve")
    assert refused.status_code == 403 and "neither prepared it" in text_of(refused)
    await another(browser, issuer, "w2")
    assert (await browser.send(f"{address}/approve")).status_code == 303
    paper = await browser.send(f"{address}/give", language="ur", form="page")
    assert paper.status_code == 200 and '<html lang="ur" dir="rtl">' in paper.text
    assert {name: paper.headers[name] for name in SAFE} == SAFE
    assert "AMINA EXAMPLE" in text_of(paper) and "Southshire" not in paper.text and REASON not in paper.text
    text = await browser.send(f"{address}/give", language="en-easy", form="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "What we know about you" in text.text and len(text.content) % 4096 == 0
    assert len(await recorded(fed, "give_report")) == 2


async def test_another_agency_and_another_role_see_nothing(fed: World, issuer: Issuer, browser: Browser) -> None:
    """A report's address opens for its own agency's privacy officers and auditors; for others it is not there."""
    assert {role for role, scopes in ROLES.items() if "system/subject-access.u" in scopes} == {"auditor", "privacy-officer"}
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    address = await prepared(browser)
    await another(browser, issuer, "w3", "G-DUTY")
    assert (await browser.get(address)).status_code == 403
    await browser.send("/sign-out")
    other = Issuer()
    try:
        await signed_in(fed, other, browser, COUNCIL, "G-PRIVACY")
        assert (await browser.get(address)).status_code == 404
        for act in ("approve", "withdraw", "give"):
            assert (await browser.send(f"{address}/{act}", language="en")).status_code == 404
        assert "AMINA" not in (await browser.get(PATH)).text
    finally:
        other.close()


async def test_what_cannot_be_done_is_said_plainly(fed: World, issuer: Issuer, browser: Browser) -> None:
    """A wrong number, somebody we hold nothing of, no reason, no choice: nothing is done."""
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    form: dict[str, Any] = {"number": AMINA.nhs, "asked": "2026-11-20", "checked": "Seen with her passport"}
    for change, status, says in (
        ({"number": "123"}, 422, "Enter a NHS number"),
        ({"number": STRANGER.nhs}, 404, "not"),
        ({"checked": "x"}, 422, "how you know"),
        ({"asked": "yesterday"}, 422, "Enter days"),
        ({"asked": "2099-01-01"}, 422, "has not come yet"),
    ):
        answer = await browser.send(PATH, **{**form, **change})
        assert answer.status_code == status and re.search(says, text_of(answer)), (change, text_of(answer))
    assert "No report has been prepared yet." in text_of(await browser.get(PATH))
    address = await prepared(browser)
    assert (await browser.send(f"{address}/decide", choice="keep", reason=REASON)).status_code == 422
    withdrawn = await browser.send(f"{address}/withdraw")
    assert withdrawn.headers["location"] == f"{PATH}?said=withdrawn"
    assert "The report is withdrawn." in text_of(await browser.get(withdrawn.headers["location"]))


async def test_a_form_without_the_secret_of_the_page_does_nothing(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Neither a report is made nor one approved from elsewhere."""
    await signed_in(fed, issuer, browser, TRUST, "G-PRIVACY")
    address = await prepared(browser)
    for path in (PATH, f"{address}/approve", f"{address}/withdraw", f"{address}/give"):
        answer = await browser.post(path, {"csrf": "guess", "number": AMINA.nhs})
        assert answer.status_code == 403 and "Nothing was done" in text_of(answer)
