"""What can I share? The page for everybody: about nobody, from the agreements, linked from every refusal."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from gateway.demo import people
from gateway.demo.people import COUNCIL, HEALTH_VISITING, TRUST, VOLUNTARY
from gateway.exchanges.administer import NewAgency, add_agency
from tests.data.edge import count_rows
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_web_pages import HOSTILE, SAFE, signed_in, text_of
from tests.world import World

RIGHT = {"who": TRUST, "whom": COUNCIL, "purpose": "safeguarding-s47", "role": "care-coordinator"}


def address(**asked: str) -> str:
    """The page with a question in its address."""
    return "/check-share?" + urlencode(asked)


async def test_anybody_asks_without_signing_in_and_is_told_what_why_what_to_say_and_whom_to_ask(
    world: World, browser: Browser
) -> None:
    """A nurse of the trust about an enquiry of the council: up to whom to ring, and nothing by name."""
    page = await browser.get(address(**RIGHT))
    shown = text_of(page)
    assert page.status_code == 200
    for said in (
        "You to them: yes, this may be shared",
        "Northmoor Mental Health NHS Trust may tell Southshire Council",
        "whom to ring",
        "Children Act 1989, section 47: an enquiry",
        "Speak of it with the person it is about, and with nobody else of the family.",
        "Set a day on which you look at your decision again",
        "What to tell the family: Decide whether it is safe to tell the person named, and only that person",
        "Southshire Council Children's Services to you: not by this gateway",
        "Caldicott Guardian",
        "Northmoor duty desk: 01632 960101",
    ):
        assert said in shown, said
    assert "what the involvement is, by name" not in shown.split("This page is about nobody")[0]


async def test_a_wish_is_said_to_be_needed(world: World, browser: Browser) -> None:
    """A health visitor hears from the council whom to ring and nothing more, if the person has agreed to it."""
    shown = text_of(await browser.get(address(who=HEALTH_VISITING, whom=COUNCIL, purpose="early-help")))
    assert "to you: yes, this may be shared" in shown
    assert "that a person is known to the service and whom to ring, if the person has agreed to it" in shown
    assert "The person has agreed to it." in shown and "Ask whoever told you before you pass it on." in shown


async def test_what_is_not_agreed_is_said_without_a_word_of_anybody(world: World, browser: Browser) -> None:
    """No agreement, a purpose of others, and what is never shared each have their own words; none calls anybody safe."""
    for asked, said in (
        ({**RIGHT, "whom": VOLUNTARY, "purpose": "child-in-need-s17"}, "has not agreed to tell"),
        ({**RIGHT, "whom": VOLUNTARY, "purpose": "duty-to-share-16la"}, "is not open to Home Hearth"),
        ({**RIGHT, "about": "diagnosis"}, "This gateway never shares a diagnosis"),
        ({**RIGHT, "whom": "kind:police"}, "has not agreed to tell the police"),
    ):
        shown = text_of(await browser.get(address(**asked)))
        assert said in shown and "You to them: not by this gateway" in shown, asked
        assert "ring" in shown and not re.search(r"\b(is|are) safe\b", shown)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"who": TRUST}, ["whom", "purpose"]),
        ({**RIGHT, "who": "NOWHERE"}, ["who"]),
        ({**RIGHT, "whom": TRUST}, ["whom"]),
        ({**RIGHT, "purpose": "audit"}, ["purpose"]),
        ({**RIGHT, "role": "queen"}, ["role"]),
        ({**RIGHT, "about": "shoe-size"}, ["about"]),
        *(({**RIGHT, "who": text}, ["who"]) for text in HOSTILE[:5]),
    ],
)
async def test_what_is_missing_or_not_offered_is_named_field_by_field(
    world: World, browser: Browser, asked: dict[str, str], fields: list[str]
) -> None:
    """On top of the page, each with a link to its field; what was written is nowhere run."""
    page = await browser.get(address(**asked))
    assert page.status_code == 422 and "<title>Error: What can I share?" in page.text
    assert re.findall(r'<li><a href="#(\w+)">', page.text) == fields
    assert all(f'id="{name}"' in page.text for name in fields)
    assert "<script>" not in page.text and "onerror=" not in page.text


async def test_the_question_names_nobody_and_reads_no_record(world: World, browser: Browser) -> None:
    """The same page to the byte whether anybody is on file or not, but for its reference."""
    before = await browser.get(address(**RIGHT))
    await world.feed()
    after = await browser.get(address(**RIGHT))
    assert re.sub(r'"reference">[^<]+', "", before.text) == re.sub(r'"reference">[^<]+', "", after.text)
    assert {name: after.headers[name] for name in SAFE} == SAFE


async def test_questions_of_nobody_cannot_fill_the_log(world: World, browser: Browser) -> None:
    """A hundred of them make an entry or two, with their number; whoever is signed in has one for each."""
    start = (await count_rows(world))["audit_entry"]
    for _ in range(100):
        assert (await browser.get(address(**RIGHT))).status_code == 200
    assert 1 <= (await count_rows(world))["audit_entry"] - start <= 3


async def test_who_is_signed_in_finds_their_own_organisation_and_role_picked(
    world: World, issuer: Issuer, browser: Browser
) -> None:
    """And each of their questions is on record under their name."""
    await signed_in(world, issuer, browser, TRUST)
    page = await browser.get("/check-share")
    assert f'<option value="{TRUST}" selected>' in page.text and '<option value="duty-worker" selected>' in page.text
    start = (await count_rows(world))["audit_entry"]
    for _ in range(3):
        await browser.get(address(**RIGHT))
    assert (await count_rows(world))["audit_entry"] == start + 3


async def test_an_agency_that_is_marked_sensitive_is_not_named_to_everybody(world: World, browser: Browser) -> None:
    """Neither to pick nor among those who tell."""
    refuge = NewAgency(
        "TDA01", "Safe House Example", "voluntary", {"sensitive": True, "desks": people.AGENCIES[3].profile["desks"]}
    )
    await world.gateway.ledger.run_alone(add_agency, refuge)
    assert "Safe House" not in (await browser.get("/check-share")).text
    assert (await browser.get(address(**{**RIGHT, "whom": "TDA01"}))).status_code == 422
    assert "Safe House" not in (await browser.get(address(**{**RIGHT, "whom": "kind:voluntary"}))).text


async def test_every_refusal_leads_here(world: World, issuer: Issuer, browser: Browser) -> None:
    """The page of an error, whoever reads it, the console's too; and the foot of every page."""
    await signed_in(world, issuer, browser, TRUST)
    refused = await browser.get("/console")
    assert refused.status_code == 403 and '<a href="/check-share">What can I share, with whom, and why?</a>' in refused.text
    for path in ("/inbox", "/sign-in", "/nowhere-at-all"):
        page = await browser.get(path)
        assert 'href="/check-share"' in page.text or page.status_code == 404, path
