"""The clinician's page: for what it may ask, what it shows first, what it never tells, and what it costs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.api.edge import PAGE, TICK
from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, STRANGER, TRUST
from gateway.exchanges.access.launched import Launched, PatientInContext
from gateway.exchanges.access.offers import offers
from gateway.fhir import systems
from gateway.settings import Settings
from gateway.store import clock
from tests.edge.ehr import Ehr, asks, ehr_of, opened
from tests.edge.guardians import IN_DANGER, JUSTIFICATION, opened_in_danger, settled
from tests.edge.issuer import Browser
from tests.edge.record_system import CARE, leave, record_system
from tests.edge.test_ledger_faults import no_room
from tests.edge.test_lookup_no_leak import CAUSES, known
from tests.edge.test_web_pages import HOSTILE, text_of
from tests.edge.test_web_sign_in import entries
from tests.stories.county import flag, patient, related, somebody, tells, wishes
from tests.world import World, put_in_force

DUTY = "duty-to-share-16la"
CASE = {"case": "RIO-77", "reason": "His mother's relapse bears on his safety"}
FAMILY = ("existence", "status", "contact", "relative-identity", "marker")


@pytest.fixture
async def ward(fed: World) -> AsyncIterator[Ehr]:
    """The ward's record system, registered."""
    made = ehr_of(fed.keys)
    await made.register(fed)
    yield made
    made.down()


async def answered(world: World, ward: Ehr, browser: Browser, person: people.Person, **more: str) -> httpx.Response:
    """The page of a patient, for care planning."""
    await opened(world, ward, browser, person)
    page = await asks(browser, **more)
    assert page.status_code == 200, page.text
    return page


def masked(page: httpx.Response) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a page but for ids, times, the session's secret and the patient's own banner."""
    kept = {name: value for name, value in page.headers.items() if name not in ("x-request-id", "date", "content-length")}
    text = re.sub(r'<div class="patient-banner">.*?</div>', "#", page.text.rstrip("\n"), flags=re.DOTALL)
    text = re.sub(r'name="csrf" value="[^"]+"', "#", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "#", text)
    text = re.sub(r'datetime="[^"]+">[^<]+<', "#", text)
    return page.status_code, kept, text


# -- what it may be asked for --------------------------------------------------------------------------------------------


async def test_only_what_client_role_and_agreements_leave_open_is_offered(fed: World, ward: Ehr, browser: Browser) -> None:
    """A nurse plans care; the council's agreement opens the duty to care coordinators alone."""
    await opened(fed, ward, browser, AMINA)
    page = await browser.get("/family")
    assert f'value="{CARE}"' in page.text and f'value="{DUTY}"' not in page.text
    await opened(fed, ward, browser, AMINA, user="cc4")
    page = await browser.get("/family")
    assert re.findall(r'name="purpose" id="[^"]+" value="([^"]+)"', page.text) == [CARE, DUTY]
    assert (await asks(browser, "safeguarding-s47")).status_code == 422


async def test_what_the_card_was_for_is_offered_first(fed: World, ward: Ehr, browser: Browser) -> None:
    """The card's appContext comes back with the tokens; it opens nothing that is not open anyway."""
    await opened(fed, ward, browser, AMINA, user="cc4", purpose=DUTY)
    first = re.findall(r'value="([^"]+)" required[^>]* checked', (await browser.get("/family")).text)
    assert first == [DUTY]
    await opened(fed, ward, browser, AMINA, user="cc4", purpose="safeguarding-s47")
    assert "safeguarding-s47" not in (await browser.get("/family")).text


async def test_a_role_without_any_agreement_is_told_so(fed: World, ward: Ehr, browser: Browser) -> None:
    """It depends on who asks alone."""
    ctx, feeds = fed.gateway.context, fed.web.feeds
    nobody = Launched(
        "1", "TSN01", "school-nursing-system", "sn1", ("school-nurse",), "c", PatientInContext("9990001006", "1991-03-14")
    )
    assert offers(ctx, nobody, feeds, clock.now()) == ()
    await opened(fed, ward, browser, AMINA)
    assert (await browser.get("/family")).text.count("no service shares with you") == 0


# -- what it shows -------------------------------------------------------------------------------------------------------


async def test_who_is_involved_and_how_to_reach_them_stands_first(fed: World, ward: Ehr, browser: Browser) -> None:
    """Before the picture, the wishes and all else: organisation, status, since, the lead's name and number, desks."""
    person = await known(fed, 7, leave(TRUST, CARE, *FAMILY))
    page = text_of(await answered(fed, ward, browser, person))
    order = ["Who is involved, and whom to ring", "Southshire Council", "intensive now since 5 January 2026", "Jo Lead: 01632 960299",
             "Southshire front door: 01632 960201", "As of", "The family, as far as you may see it", "What the patient wants",
             "What follows for you", "Ask the service before you pass it on", "What is not said here", "Do not file this page"]  # fmt: skip
    places = [page.find(text) for text in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)


async def test_the_picture_has_the_child_that_may_be_named_and_the_same_in_words(fed: World, ward: Ehr, browser: Browser) -> None:
    """Amina's leave for Leo: his name, what they are to each other, parental responsibility, who knows him."""
    said = {"url": systems.extension("parental-responsibility"), "extension": [{"url": "value", "valueCode": "yes"}]}
    await tells(fed, "council-system", related(AMINA, LEO, "SON", extension=[said]))
    await wishes(fed, "council-system", LEO, AMINA, leave(TRUST, CARE, *FAMILY))
    page = await answered(fed, ward, browser, AMINA)
    (svg,) = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
    assert "<title" in svg and "<desc" in svg and 'role="img"' in svg
    for text in ("LEO", "AMINA EXAMPLE", "born 2 June 2019", "Southshire Council", "Parental responsibility: yes"):
        assert text in svg, text
    words = text_of(page).partition("The same in words")[2]
    assert "LEO NHS number 999 000 1014 son; This patient has parental responsibility" in words
    assert "1 Southshire Council Children's Services: referred, not started" in words


async def test_a_child_that_may_not_be_named_is_drawn_without_a_name(fed: World, ward: Ehr, browser: Browser) -> None:
    """The decision released status and contact, and not who it is."""
    await wishes(fed, "council-system", LEO, AMINA, leave())
    page = await answered(fed, ward, browser, AMINA)
    assert "A child of this patient" in page.text
    assert "LEO" not in page.text and LEO.nhs not in page.text and "2 June 2019" not in page.text


async def test_the_patients_own_wishes_are_read_back_in_plain_words(fed: World, ward: Ehr, browser: Browser) -> None:
    """As the user's own organisation wrote them down, dated; the search for them is on record."""
    await wishes(fed, "trust-epr", AMINA, AMINA, people.permit("TVF01", "early-help", "existence", "contact"))
    page = text_of(await answered(fed, ward, browser, AMINA))
    assert "Home Hearth Family Support" in page.partition("What the patient wants")[2].partition("What follows")[0]
    assert "Written down by your organisation" in page
    (entry,) = await entries(fed, "read_own_wishes")
    assert (entry.user, entry.custodian, entry.patient) == ("nurse7", TRUST, f"{systems.NHS_NUMBER}|{AMINA.nhs}")


async def test_other_agencies_wishes_are_not_shown(fed: World, ward: Ehr, browser: Browser) -> None:
    """What the council wrote down counts in the answer and stays there."""
    person = await known(fed, 7, leave(), leave("TVF01", "early-help"))
    page = text_of(await answered(fed, ward, browser, person))
    assert "intensive now" in page and "Home Hearth" not in page
    assert "has written down no wish" in page


async def test_hostile_texts_of_agencies_and_charts_are_text(fed: World, ward: Ehr, browser: Browser) -> None:
    """Names of people, professionals and children: shown, in the picture too, and nothing of them is markup."""
    for place, text in enumerate(HOSTILE):
        person = somebody(place)
        made = flag(person, f"h{place}")
        made["contained"][0]["practitioner"]["display"] = made["contained"][0]["telecom"][0]["value"] = text.replace("\x00", "")
        await tells(fed, "council-system", patient(person), made)
        await wishes(fed, "council-system", person, person, leave(TRUST, CARE, *FAMILY))
        ward.said_patient = {"name": [{"text": text}]}
        page = await answered(fed, ward, browser, person)
        body = re.sub(r"<svg class.*?>", "", page.text)
        assert not re.search(r"<(script|img|svg|textarea)\b", body) and not re.search(r"<[^>]*\son\w+=", body), text


# -- what it never tells -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", CAUSES)
async def test_every_negative_page_is_a_strangers(fed: World, ward: Ehr, browser: Browser, cause: str) -> None:
    """Unknown, refused, shielded, adopted: status, headers and text are the same but for id, time and the chart's own banner."""
    person = await CAUSES[cause](fed)
    pages = [await answered(fed, ward, browser, one) for one in (STRANGER, person)]
    assert masked(pages[0]) == masked(pages[1])
    assert all(len(one.content) % PAGE == 0 for one in pages)
    assert "This is not a no" in pages[0].text and "<svg" not in pages[0].text


async def test_a_page_leaves_on_the_beat_whatever_it_says(fed: World, ward: Ehr, browser: Browser) -> None:
    """Known, unknown and a form with a fault."""
    person = await known(fed, 7, leave())
    loop = asyncio.get_running_loop()
    for one, purpose in ((person, CARE), (STRANGER, CARE), (STRANGER, "nonsense")):
        await opened(fed, ward, browser, one)
        csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
        begun = loop.time()
        await browser.post("/family", {"csrf": csrf, "purpose": purpose})
        assert loop.time() - begun >= TICK - 0.001


# -- what it costs and leaves on record ----------------------------------------------------------------------------------


async def test_card_and_page_cost_one_place_of_the_quota_a_day(fed: World, ward: Ehr, browser: Browser) -> None:
    """One user, one patient: the card, the page and its repeats are one charge, each on record."""
    epr = await record_system(fed)
    await epr.card(AMINA)
    before = await charges(fed)
    await answered(fed, ward, browser, AMINA)
    await asks(browser)
    assert await charges(fed) == before
    found = await entries(fed, "look_up_status")
    assert len({one.disclosure for one in found}) == 3
    assert {(one.client, one.user, one.purpose) for one in found} == {("trust-epr", "nurse7", CARE)}
    await answered(fed, ward, browser, BETH)
    assert await charges(fed) == before + 2  # the hour's place, and the day by which later hours cost nothing
    await opened(fed, ward, browser, LEO, user="cc4")
    await asks(browser, DUTY, **CASE)
    assert await charges(fed) == before + 3  # a duty counts as any lookup


async def charges(world: World) -> int:
    from sqlalchemy import func, select

    from gateway.store import tables
    from gateway.store.sql import Read, Statement

    return int((await world.gateway.ledger.read([Read(Statement(select(func.count()).select_from(tables.charge)))]))[0][0][0])


# -- duties --------------------------------------------------------------------------------------------------------------


async def test_a_duty_asks_for_the_case_before_anybody_is_looked_at(fed: World, ward: Ehr, browser: Browser) -> None:
    """First the details, without a fault; with one missing it says which; nothing is looked up until all is there."""
    await opened(fed, ward, browser, AMINA, user="cc4")
    page = await asks(browser, DUTY)
    assert page.status_code == 200 and "Before anybody is looked at" in page.text and "There is a problem" not in page.text
    page = await asks(browser, DUTY, case="RIO-77", reason=" ")
    assert page.status_code == 422 and "Say why" in page.text and 'value="RIO-77"' in page.text
    assert not await entries(fed, "look_up_status")
    page = text_of(await asks(browser, DUTY, **CASE))
    assert "involved now" in page
    found = await entries(fed, "look_up_status")
    assert {(one.case_reference, one.purpose, one.role) for one in found} == {
        (f"{systems.local_id(TRUST, 'case')}|RIO-77", DUTY, "care-coordinator")
    }
    assert CASE["reason"] in str(found[0].detail)


async def test_a_duty_says_what_it_cannot_say_why_and_whom_to_ring(fed: World, ward: Ehr, browser: Browser) -> None:
    """No children on file: not a no; a shielded child: ring; each with the desk and as of when."""
    await opened(fed, ward, browser, STRANGER, user="cc4")
    page = text_of(await asks(browser, DUTY, **CASE))
    unsaid = page.partition("What is not said here")[2]
    assert "not in its records" in unsaid and "says nothing about need or risk" in unsaid
    assert "Nobody has told us of such a relative" in unsaid and "Southshire front door: 01632 960201" in unsaid
    assert "neither a yes nor a no" in unsaid
    await tells(fed, "council-system", patient(LEO, restriction="protected"))
    await opened(fed, ward, browser, AMINA, user="cc4")
    page = text_of(await asks(browser, DUTY, **CASE))
    assert "No machine may answer this. Ring the desk" in page and "LEO" not in page


# -- override ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With agreements for emergencies on both sides."""
    path = settings.agreements / "southshire-council.toml"
    path.write_text(path.read_text() + IN_DANGER.replace("children-social-care", "adult-mental-health"))
    return opened_in_danger(settings)


DANGER = {"case": "RIO-77", "kind": "2", "alert": "5", "justification": JUSTIFICATION}


async def test_an_override_needs_type_reason_and_justification(fed: World, browser: Browser) -> None:
    """Pairs that the Summary Care Record refuses are refused; then it answers, and both sides have something to look at."""
    await settled(fed)
    ward = ehr_of(fed.keys, "trust-urgent")
    try:
        await ward.register(fed, "trust-urgent")
        await opened(fed, ward, browser, AMINA, user="cc4")
        page = await asks(browser, "emergency")
        assert page.status_code == 200 and "Let" in page.text.replace("let", "Let")
        for wrong in ({"kind": "1", "alert": "5"}, {"kind": "2", "alert": "4"}, {"justification": "too short"}, {"case": ""}):
            answer = await asks(browser, "emergency", **{**DANGER, **wrong})
            assert answer.status_code == 422 and "There is a problem" in answer.text, wrong
        assert not await entries(fed, "look_up_status")
        page = await asks(browser, "emergency", **DANGER)
        assert page.status_code == 200 and "Family and services" in page.text
        found = await entries(fed, "look_up_status")
        assert {one.purpose for one in found} == {"emergency"}
        assert JUSTIFICATION in str(found[0].detail) and "override" in {one.kind for one in found}
    finally:
        ward.down()


# -- stops ---------------------------------------------------------------------------------------------------------------


async def test_over_the_quota_the_page_shows_whom_to_ring(fed: World, ward: Ehr, browser: Browser) -> None:
    """Nobody is looked at, and it says nothing about anybody."""
    object.__setattr__(fed.gateway.context, "quota", 1)
    await answered(fed, ward, browser, AMINA)
    await opened(fed, ward, browser, BETH)
    page = await asks(browser)
    assert page.status_code == 429 and int(page.headers["retry-after"]) <= 3600
    assert "01632 960201" in page.text and "says nothing about any person" in page.text


async def test_while_agreements_change_the_page_shows_whom_to_ring(fed: World, ward: Ehr, browser: Browser) -> None:
    """503 with the duty numbers."""
    await opened(fed, ward, browser, AMINA)
    csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    await fed.gateway.ledger.run_alone(put_in_force, "another")
    page = await browser.post("/family", {"csrf": csrf, "purpose": CARE})
    assert page.status_code == 503 and "01632 960201" in page.text


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_when_nothing_can_be_written_the_page_shows_whom_to_ring(fed: World, ward: Ehr, browser: Browser) -> None:
    """No answer without its entry: duty numbers instead."""
    await opened(fed, ward, browser, AMINA)
    csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    with no_room(fed.settings.database_file):
        page = await browser.post("/family", {"csrf": csrf, "purpose": CARE})
    assert page.status_code == 503 and "01632 960201" in page.text


async def test_a_page_is_light(fed: World, ward: Ehr, browser: Browser) -> None:
    """Everything that a first view loads is under 100 kB, the style sheet included."""
    await wishes(fed, "council-system", LEO, AMINA, leave(TRUST, CARE, *FAMILY))
    page = await answered(fed, ward, browser, AMINA)
    files: list[Any] = [await browser.get(path) for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)]
    assert sum(len(one.content) for one in [page, *files]) < 100_000
