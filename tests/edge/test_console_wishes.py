"""Who was told against the person's wish: found, ranked and explained for the holder, and for nobody else."""

from __future__ import annotations

import csv
import io

import pytest

from gateway.audit.questions import BY_NAME, search_of
from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, TRUST
from gateway.disclosure.requester import Requester
from gateway.exchanges.log import question_wishes
from gateway.exchanges.log.ask_question import Asked, ask_question
from gateway.exchanges.reviews import OVERRIDE_ALERT, Closing, close_review, open_item
from gateway.reconciling import find_in
from gateway.settings import Settings
from gateway.store import clock, reviews
from gateway.store.sql import Read
from tests.data.edge import exchange, log_of, outcome
from tests.edge.desks import desk, subscribe
from tests.edge.durable import change
from tests.edge.guardians import opened_in_danger, overrides, settled, urgent
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_console_questions import answer, lines
from tests.edge.test_web_pages import signed_in, text_of
from tests.stories.county import CARE, S47, wishes
from tests.world import World

NAME, SHARE = "against-wishes", "duty-to-share-16la"
OBLIGED = {"tell-only-this-person", "review-by", "seek-advice"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def refused(fed: World) -> World:
    """Amina has said that nobody is told; Beth has said nothing."""
    await settled(fed)
    await wishes(fed, "trust-epr", AMINA, AMINA)
    return fed


async def closed(world: World, agency: str, result: str) -> None:
    """A second person closes the one item that a claim of danger opened in the queue of an agency."""
    ledger = world.gateway.ledger
    wanted = {"agency": agency, "count": 9}
    ((row,),) = await ledger.read([Read(reviews.open_of((OVERRIDE_ALERT,)), wanted)])
    second = Requester(f"pages-{agency}", agency, frozenset(), "dpo1", "guardian")
    await ledger.run_alone(close_review, Closing(second, row[0], result, "I rang the duty team and asked"))
    assert open_item(world.gateway.context, row).matter.agency == COUNCIL


async def test_a_duty_that_passed_over_a_wish_is_found_with_its_obligations(refused: World) -> None:
    """On what basis, what the wish refuses, what goes with it, that nobody has reviewed it; not who has refused nothing."""
    await refused.social_worker().hears(AMINA, S47, case="C-1")
    await refused.social_worker().hears(BETH, S47, case="C-2")
    (found,) = await lines(refused, TRUST, NAME)
    assert (found["who"], found["basis"], found["person"].rpartition("|")[2]) == ("sw22", "CA1989-s47", AMINA.nhs)
    assert {"existence", "status"} <= set(found["against"].split(", "))
    assert set(found["obligations"].split(", ")) >= OBLIGED
    assert found["consents"].startswith("Consent/") and found["case"].endswith("C-1")
    assert (found["state"], found["reviewed"]) == ("None was opened", 0)
    assert found["reasons"] == ("not-reviewed", "refused-outright", "duty") and "a duty stands before a wish" in found["why"]


async def test_the_asker_learns_of_no_wish(refused: World) -> None:
    """Neither by the question nor by a search, nor from the entry: that a wish refuses is the holder's alone."""
    await refused.social_worker().hears(AMINA, S47, case="C-1")
    assert await lines(refused, COUNCIL, NAME) == []
    assert await log_of(refused.auditor("council"), **{"against-wish__missing": "false"}) == []
    mine = [one for one in await log_of(refused.auditor("council")) if exchange(one) == "look_up_status"]
    assert mine and "against-wish" not in str(mine) and "seek-advice" not in str(mine)


async def test_what_a_wish_lets_through_is_not_against_it(fed: World) -> None:
    """A wish that refuses nothing of what the duty opens; one that has been withdrawn."""
    await wishes(fed, "trust-epr", AMINA, AMINA)
    (consent,) = await fed.as_("trust-epr").searches_for("Consent", AMINA)
    withdrawn = await fed.as_("trust-epr").put(f"/fhir/Consent/{consent['id']}", {**consent, "status": "inactive"}, 'W/"1"')
    assert withdrawn.status_code == 200, withdrawn.text
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    assert await lines(fed, TRUST, NAME) == []


async def test_a_claim_of_danger_stands_with_its_review(refused: World) -> None:
    """Open until a second person of the holder has looked; then closed, and when. Not in order comes before all others."""
    await overrides(await urgent(refused, "sw22"), AMINA)
    (before,) = await lines(refused, TRUST, NAME)
    assert (before["state"], before["reviewed"], before["basis"]) == ("Open", 0, "vital-interests")
    assert before["reasons"] == ("danger-claimed", "not-reviewed", "refused-outright")
    await closed(refused, TRUST, "in-order")
    await overrides(await urgent(refused, "sw23"), AMINA)
    waiting, reviewed = await lines(refused, TRUST, NAME)
    assert [(one["who"], one["state"]) for one in (waiting, reviewed)] == [("sw23", "Open"), ("sw22", "Closed")]
    assert waiting["score"] > reviewed["score"] and reviewed["reviewed"] >= reviewed["when"]
    await closed(refused, TRUST, "not-in-order")
    first, _ = await lines(refused, TRUST, NAME)
    assert first["who"] == "sw23" and first["reasons"][0] == "not-in-order"


async def test_a_duty_claimed_after_the_wish_was_answered_with_nothing(refused: World) -> None:
    """The item that is found the day after belongs to this disclosure, and says why it comes first."""
    await wishes(refused, "council-system", LEO, AMINA)
    coordinator = refused.as_("trust-epr", "cc4", "care-coordinator", CARE, SHARE)
    await coordinator.hears(LEO, CARE)
    await coordinator.hears(LEO, SHARE, case="R-1", reason="The plan rests on it")
    assert await find_in(refused.gateway.ledger, refused.gateway.context, clock.now())
    (found,) = await lines(refused, COUNCIL, NAME)
    assert found["reasons"][0] == "after-a-wish" and found["state"] == "Open"


async def test_a_notice_under_a_duty_is_among_them(refused: World) -> None:
    """What was sent against a wish is found as what was asked for is."""
    with desk() as one:
        await subscribe(refused.social_worker(), people.subscription(AMINA, "discharged", one.url, S47, case="SW-7"))
        await refused.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await refused.settle()
        assert one.got
    (found,) = await lines(refused, TRUST, NAME)
    assert found["what"] == "lease_notice" and found["obligations"] and found["state"] == "None was opened"


async def test_marks_and_the_search_find_what_a_look_at_every_entry_finds(refused: World) -> None:
    """By marks alone, without them, and by the search that the page names."""
    await refused.social_worker().hears(AMINA, S47, case="C-1")
    await overrides(await urgent(refused, "sw22"), AMINA)
    marked = [one["entry"] for one in await lines(refused, TRUST, NAME)]
    question = BY_NAME[NAME]
    parameters = search_of(question, {one.name: "" for one in question.fields})
    searched = await log_of(refused.auditor("trust"), **{name.replace(":", "__"): value for name, value in parameters})
    assert sorted(marked) == sorted(one["id"] for one in searched) and len(marked) == 2
    change(refused.settings, f"UPDATE audit_marked SET since = {2**61}")
    assert [one["entry"] for one in await lines(refused, TRUST, NAME)] == marked
    outcome(await refused.auditor("trust").get("/fhir/AuditEvent?against-wish:missing=true"), 400)


async def test_a_page_goes_on_with_what_was_before(refused: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are ranked for one page, the newest; the next one has those before, each once."""
    monkeypatch.setattr(question_wishes, "MOST", 1)
    await overrides(await urgent(refused, "sw22"), AMINA)
    await refused.social_worker().hears(AMINA, S47, case="C-1")
    newest = await answer(refused, TRUST, NAME)
    assert [one["purpose"] for one in newest.lines] == [S47] and newest.cursor is not None
    auditor = Requester(f"pages-{TRUST}", TRUST, frozenset(), "aud7", "auditor", frozenset({"audit"}))
    older = await ask_question(refused.gateway.context, refused.gateway.ledger, Asked(auditor, NAME, before=newest.cursor))
    assert [one["purpose"] for one in older.lines] == ["emergency"]


async def test_its_page_says_why_in_words(refused: World, issuer: Issuer, browser: Browser) -> None:
    """Each row with its reasons, what was asked of whoever heard it, and how its review stands; the file has the same."""
    await overrides(await urgent(refused, "sw22"), AMINA)
    await signed_in(refused, issuer, browser, TRUST, "G-AUDIT")
    page = text_of(await browser.send(f"/console/{NAME}"))
    assert "danger to life was claimed; nobody has reviewed it" in page and "seek advice" in page and "Open" in page
    (row,) = csv.DictReader(io.StringIO((await browser.send(f"/console/{NAME}/csv")).text))
    assert (row["On what basis"], row["Review"], row["Reviewed"]) == ("vital-interests", "Open", "")
    assert set(row["Obligations given"].split(", ")) >= OBLIGED
