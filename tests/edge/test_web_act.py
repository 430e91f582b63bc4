"""What a clinician does from a patient's page, and what the owners of records answer: forms, their refusals, what comes of it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from gateway.demo.people import AMINA, COUNCIL, LEO, RUBY, STRANGER, TRUST, VOLUNTARY, Person
from gateway.exchanges.casework.dispute_record import SAID_BY
from gateway.exchanges.casework.own_watches import WatchesOf, own_watches
from gateway.exchanges.casework.record_relationship import ROLES, TOLD_BY
from gateway.web import words
from gateway.web.routes import PAGES
from tests.data.edge import count_rows, exchange, log_of, without_log
from tests.edge.at_work import at_work, secret
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_by_hand import children_of, council_worker, nurse, questions, standing
from tests.edge.test_web_pages import HOSTILE, SAFE, signed_in, text_of
from tests.world import World, groups, part

DUTY = {"purpose": "duty-to-share-16la", "case": "C-9", "reason": "The plan of the family rests on it"}
UNTIL = (date.today() + timedelta(days=30)).isoformat()
WATCH = {**DUTY, "topics.child-protection-plan-started": "on", "topics.known-status-changed": "on", "until": UNTIL}
WISH = {
    "whose": "patient", "kind": "own-wish", "capacity": "had", "present": "Her sister", "what": "share", f"to.{COUNCIL}": "on",
    "for.amh-care-planning": "on", "until": UNTIL,
}  # fmt: skip
RELATED = {"role": "CHILD", "nhs": RUBY.nhs, "told_by": "the-person"}
WRONG = {**DUTY, "owner_of": COUNCIL, "sentence": "The plan ended in March", "said_by": "a-parent", "phone": "01632 960111"}
CALL = {**DUTY, "name": "Nurse Seven", "phone": "01632 960111"}
FORMS: dict[str, dict[str, str]] = {
    "watch": WATCH, "wish": WISH, "relationship": RELATED, "markers": {"code": "young-carer"}, "wrong": WRONG, "call-back": CALL,
}  # fmt: skip


async def coordinator(world: World, browser: Browser, person: Person = AMINA) -> Browser:
    return await at_work(world, browser, person, "care-coordinator")


async def sends(browser: Browser, act: str, **form: str) -> httpx.Response:
    """A form of the session, sent from the page."""
    return await browser.post(f"/act/{act}", {"csrf": secret(browser), **form})


def faults(page: httpx.Response) -> list[str]:
    """The fields that an error summary names, each of which is on the page."""
    found = re.findall(r'<li><a href="#([\w-]+)">', page.text)
    assert all(f'id="{name}"' in page.text for name in found)
    return found


async def test_the_page_offers_what_the_record_system_is_registered_for(fed: World, browser: Browser) -> None:
    """With the patient on top; nothing about them in an address; a link from the family's page."""
    await coordinator(fed, browser)
    page = await browser.get("/act")
    shown = text_of(page)
    for said in (
        "Watch this person",
        "Write down what the family wants",
        "Record a relationship",
        "Set or end markers",
        "this is wrong",
        "rung back",
        "999 000 1006",
    ):
        assert said in shown
    assert 'href="/act"' in (await browser.get("/family")).text
    for name in FORMS:
        form = await browser.get(f"/act/{name}")
        assert form.status_code == 200 and AMINA.nhs not in str(form.url)
        assert {header: form.headers[header] for header in SAFE} == SAFE
        assert len(form.content) % 4096 == 0


async def test_a_record_system_that_may_not_write_offers_and_does_nothing(fed: World, browser: Browser) -> None:
    """The health visitors' system subscribes and asks; it keeps no records here."""
    await at_work(fed, browser, LEO, "health-visitor", client="health-visiting-system", user="hv1")
    shown = text_of(await browser.get("/act"))
    assert "Watch this person" in shown and "markers" not in shown
    before = without_log(await count_rows(fed))
    for name in ("wish", "relationship", "markers"):
        assert (await browser.get(f"/act/{name}")).status_code == 403
        refused = await sends(browser, name, **FORMS[name])
        assert refused.status_code == 403 and "/check-share" in refused.text
    assert without_log(await count_rows(fed)) == before


def test_whatever_asks_about_somebody_leaves_on_the_beat() -> None:
    """Each form that may touch another agency's record, answered or refused."""
    asking = [page for page in PAGES if page.method == "POST" and page.path.startswith(("/act", "/team"))]
    assert {page.path for page in asking if not page.paced} == {"/act/watch/end"}


async def test_a_form_without_its_session_or_secret_does_nothing(fed: World, browser: Browser) -> None:
    """Closed, of another patient, from elsewhere: said in plain words, and nothing changed."""
    posts = [page.path for page in PAGES if page.path.startswith("/act") and page.method == "POST"]
    assert len(posts) == 8
    for path in posts:
        assert (await browser.post(path, {"csrf": "x"})).status_code == 401
    await coordinator(fed, browser)
    stale = secret(browser)
    await coordinator(fed, browser, LEO)
    before = without_log(await count_rows(fed))
    for path, form in ((path, FORMS.get(path.removeprefix("/act/"), {})) for path in posts):
        assert (await browser.post(path, {**form, "csrf": stale})).status_code == 403
        assert (
            await browser.post(path, {**form, "csrf": secret(browser)}, Origin="https://elsewhere.example")
        ).status_code == 403
    assert without_log(await count_rows(fed)) == before


@pytest.mark.parametrize("name", FORMS)
async def test_an_empty_form_names_every_field_that_is_missing(fed: World, browser: Browser, name: str) -> None:
    """On top, each with a link; nothing is kept, and nobody is charged for."""
    await coordinator(fed, browser)
    before = without_log(await count_rows(fed))
    page = await sends(browser, name)
    assert page.status_code == 422 and "<title>Error: " in page.text
    assert (
        faults(page)[0]
        == {
            "watch": "topics",
            "wish": "whose",
            "relationship": "role",
            "markers": "code",
            "wrong": "owner_of",
            "call-back": "name",
        }[name]
    )
    assert without_log(await count_rows(fed)) == before


@pytest.mark.parametrize("text", HOSTILE[:6])
async def test_hostile_text_is_shown_as_text_and_never_run(fed: World, browser: Browser, text: str) -> None:
    """In every field of every form, sent back with its faults."""
    await coordinator(fed, browser)
    for name, right in FORMS.items():
        page = await sends(browser, name, **dict.fromkeys(right, text))
        assert page.status_code == 422, name
        assert "<script>" not in page.text and "<img" not in page.text and "<svg" not in page.text


# -- watch ---------------------------------------------------------------------------------------------------------------


async def test_a_person_is_watched_in_a_teams_name_until_a_day_and_no_longer_when_it_is_ended(
    fed: World, browser: Browser
) -> None:
    """The plan that starts is told in the trust's inbox; after the end nothing more is."""
    await coordinator(fed, browser, LEO)
    made = await sends(browser, "watch", **WATCH, team="Rose Ward team")
    assert made.headers["location"] == "/act?said=watch"
    kept = await fed.gateway.ledger.run(own_watches, WatchesOf(nurse(), LEO.nhs))
    assert sorted((one.topic, one.purpose, one.case_reference.rpartition("|")[2], one.requester.user) for one in kept) == [
        ("child-protection-plan-started", "duty-to-share-16la", "C-9", "nurse7"),
        ("known-status-changed", "duty-to-share-16la", "C-9", "nurse7"),
    ]  # fmt: skip
    assert all(str(one.resource["end"]).startswith(UNTIL[:7]) for one in kept)
    page = await browser.get("/act/watch")
    assert text_of(page).count("For Rose Ward team, by nurse7, until") == 2
    ends = re.findall(r'name="watch" value="(\w+)"', page.text)
    for one in ends:
        assert (await sends(browser, "watch/end", watch=one)).headers["location"] == "/act?said=watch-ended"
    assert "watches already" not in (await browser.get("/act/watch")).text


async def test_watching_says_the_same_of_everybody(fed: World, browser: Browser) -> None:
    """Known or a stranger: the same way on, the same page but for the patient."""
    pages = []
    for person in (AMINA, STRANGER):
        await coordinator(fed, browser, person)
        made = await sends(browser, "watch", **WATCH)
        shown = text_of(await browser.get(made.headers["location"]))
        pages.append((made.status_code, made.headers["location"], "You watch this person now" in shown))
    assert pages[0] == pages[1] == (303, "/act?said=watch", True)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"purpose": "safeguarding-s47"}, "purpose"),
        ({"purpose": "emergency"}, "purpose"),
        ({"case": ""}, "case"),
        ({"reason": ""}, "reason"),
        ({"until": date.today().isoformat()}, "until"),
        ({"until": (date.today() + timedelta(days=400)).isoformat()}, "until"),
        ({"until": "soon"}, "until"),
    ],
)
async def test_a_watch_that_cannot_be_is_refused_at_its_field(
    fed: World, browser: Browser, more: dict[str, str], named: str
) -> None:
    """And what was entered right stands in the form still."""
    await coordinator(fed, browser)
    page = await sends(browser, "watch", **{**WATCH, **more})
    assert page.status_code == 422 and faults(page) == [named]
    assert 'id="topics-child-protection-plan-started" value="on" checked' in page.text


# -- wishes --------------------------------------------------------------------------------------------------------------


async def test_a_wish_is_read_back_in_plain_words_and_counts_at_once(fed: World, browser: Browser) -> None:
    """She agrees that the voluntary service hears of her; it is answered from then on, and was not before."""
    charity = fed.as_("voluntary-system", "fw1", "family-worker", "early-help")
    assert groups(await charity.hears(AMINA, "early-help")) == []
    await coordinator(fed, browser)
    agreed = {**WISH, "for.early-help": "on", f"to.{VOLUNTARY}": "on", "classes.status": "on"}
    shown = text_of(await sends(browser, "wish", **agreed))
    assert "Read it to the person" in shown and "Also there: Her sister" in shown
    assert "Amina has agreed that" in shown and "Home Hearth Family Support" in shown and "Amina could decide this" in shown
    assert [part(one, "answer") for one in groups(await charity.hears(AMINA, "early-help"))] == ["known"]


async def test_a_parent_decides_for_their_child_with_capacity_and_who_was_there(fed: World, browser: Browser) -> None:
    """It stands on the child's record, made by the parent; who was there is for the organisation's own eyes."""
    await coordinator(fed, browser)
    page = await sends(browser, "wish", **{**WISH, "whose": "child", "child": LEO.nhs, "kind": "parent-for-child"})
    assert page.status_code == 200, page.text
    kept = (await fed.as_("trust-epr").searches_for("Consent", LEO))[0]
    told = {one["url"].rpartition("/")[2]: one.get("valueCode") or one.get("valueString") for one in kept["extension"]}
    assert told == {"capacity": "had", "wish-kind": "parent-for-child", "present": "Her sister"}
    assert kept["performer"][0]["identifier"]["value"] == AMINA.nhs


async def test_a_refusal_by_name_is_written_down(fed: World, browser: Browser) -> None:
    """Only this: not to the council."""
    await coordinator(fed, browser)
    refused = {
        "whose": "patient",
        "kind": "own-wish",
        "capacity": "had",
        "present": "Nobody",
        "what": "refuse",
        f"not_to.{COUNCIL}": "on",
    }
    shown = text_of(await sends(browser, "wish", **refused))
    assert "Amina has said that Southshire Council Children's Services may not be told anything." in shown


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"whose": "child"}, "child"),
        ({"kind": "attorney"}, "decider"),
        ({f"to.{COUNCIL}": None}, "to"),
        ({"what": "refuse", "until": ""}, "not_to"),
        ({"what": "nothing"}, "limits"),
        ({"present": ""}, "present"),
        ({"capacity": ""}, "capacity"),
        ({"kind": "child-own"}, "kind"),
        ({"until": "2020-01-01"}, "until"),
    ],
)
async def test_a_wish_that_is_not_whole_is_asked_for_again(
    fed: World, browser: Browser, more: dict[str, Any], named: str
) -> None:
    """Never guessed."""
    await coordinator(fed, browser)
    form = {name: value for name, value in {**WISH, **more}.items() if value is not None}
    page = await sends(browser, "wish", **form)
    assert page.status_code == 422 and faults(page) == [named]
    assert await fed.as_("trust-epr").searches_for("Consent", AMINA) == []


# -- the record, and what is brought to others -----------------------------------------------------------------------------


async def test_a_relationship_is_taken_down_and_confirmed_by_who_knows(fed: World, issuer: Issuer, browser: Browser) -> None:
    """The trust's coordinator takes it down and asks; the council states it on its page; the coordinator then hears."""
    await coordinator(fed, browser)
    asked = {**RELATED, **DUTY, "others.yes": "on", "phone": "01632 960111"}
    assert (await sends(browser, "relationship", **asked)).headers["location"] == "/act?said=relationship"
    assert len([one for one in await children_of(fed, AMINA) if one[0] == "known"]) == 1
    await signed_in(fed, issuer, browser, COUNCIL)
    page = await browser.get("/inbox/questions")
    shown = text_of(page)
    for said in (
        "Another organisation asks who somebody's relative is",
        "who is the parent of this person",
        "NHS number 999 000 1030",
        "nurse7, Northmoor",
        "01632 960111",
        "Who said so The patient",
    ):
        assert said in shown, said
    assert AMINA.nhs not in page.text and "999 000 1006" not in shown
    item = (await questions(fed, council_worker()))[0].id
    answer = {"answer": "state", "sentence": "Birth certificate on file"}
    assert (await browser.send(f"/inbox/questions/{item}", **answer, number="123")).status_code == 422
    assert (await browser.send(f"/inbox/questions/{item}", **{**answer, "sentence": "Yes"}, number=AMINA.nhs)).status_code == 422
    assert (
        (await browser.send(f"/inbox/questions/{item}", **answer, number=AMINA.nhs))
        .headers["location"]
        .endswith("?said=answered")
    )
    assert len([one for one in await children_of(fed, AMINA) if one[0] == "known"]) == 2
    assert "Nobody asks anything" in (await browser.get("/inbox/questions")).text


async def test_taking_a_relationship_down_says_the_same_whoever_is_on_file(fed: World, browser: Browser) -> None:
    """A child whom the council holds, and nobody."""
    await coordinator(fed, browser)
    ways = [
        await sends(browser, "relationship", **{**RELATED, **DUTY, "others.yes": "on", "phone": "01632 960111", "nhs": one.nhs})
        for one in (RUBY, STRANGER)
    ]
    told = [({name: value for name, value in one.headers.items() if name != "x-request-id"}, one.status_code) for one in ways]
    assert told[0] == told[1] and told[0][1] == 303


async def test_markers_are_set_shown_and_ended(fed: World, browser: Browser) -> None:
    """With their day; one that the record system tells is ended there."""
    await coordinator(fed, browser)
    assert (await sends(browser, "markers", code="crisis-plan-names-childcare", on="2026-11-01")).status_code == 303
    shown = text_of(await browser.get("/act/markers?said=set"))
    assert "The marker is set." in shown and "Crisis plan names who cares for the children Since 1 November 2026" in shown
    ahead = await sends(browser, "markers", code="young-carer", on=(date.today() + timedelta(days=3)).isoformat())
    assert ahead.status_code == 422 and faults(ahead) == ["on"]
    assert (await sends(browser, "markers/end", code="crisis-plan-names-childcare")).status_code == 303
    assert (await sends(browser, "markers/end", code="crisis-plan")).status_code == 422
    assert await standing(fed, AMINA) == {"crisis-plan-names-childcare": "inactive"}


async def test_this_is_wrong_is_brought_to_whose_record_it_is_and_answered_there(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """The council reads the words and marks its own record; a page that was answered already says so."""
    await coordinator(fed, browser, LEO)
    assert (await sends(browser, "wrong", **WRONG)).headers["location"] == "/act?said=wrong"
    await signed_in(fed, issuer, browser, COUNCIL)
    shown = text_of(await browser.get("/inbox/questions"))
    assert "Somebody says that your record is wrong" in shown and "The plan ended in March" in shown and "A parent" in shown
    item = (await questions(fed, council_worker()))[0].id
    told = {"answer": "accept", "sentence": "We look at it with the chair"}
    assert (await browser.send(f"/inbox/questions/{item}", **told)).status_code == 303
    assert (await browser.send(f"/inbox/questions/{item}", **told)).status_code == 409
    assert await standing(fed, LEO, "council-system") == {"disputed-by-person": "active"}


async def test_a_colleague_answers_for_our_own_record_and_never_who_took_it_down(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """The same user of the same organisation is refused, in words that say why."""
    await at_work(fed, browser, AMINA, "care-coordinator", user="w1")
    assert (await sends(browser, "relationship", **RELATED)).status_code == 303
    own = {name: value for name, value in WRONG.items() if name in ("sentence", "said_by")}
    assert (await sends(browser, "wrong", **own, owner_of=TRUST)).status_code == 303
    assert await standing(fed, AMINA) == {"disputed-by-person": "active"}
    await signed_in(fed, issuer, browser, TRUST)
    for one in await questions(fed, nurse("other")):
        answer = "confirm" if one.kind == "relationship-to-confirm" else "stands"
        refused = await browser.send(f"/inbox/questions/{one.id}", answer=answer, sentence="She said the same today")
        assert refused.status_code == 403 and "somebody else than the one whose act it is" in refused.text
    assert len(await questions(fed, nurse("other"))) == 2


async def test_a_number_is_left_for_whoever_holds_a_record(fed: World, issuer: Issuer, browser: Browser) -> None:
    """The council sees it in its call-back requests; the page says the same of a stranger."""
    for person in (LEO, STRANGER):
        await coordinator(fed, browser, person)
        assert (await sends(browser, "call-back", **CALL, why="The meeting on Friday")).headers[
            "location"
        ] == "/act?said=call-back"
    wrong = await sends(browser, "call-back", **{**CALL, "phone": "ring me"})
    assert wrong.status_code == 422 and faults(wrong) == ["phone"]
    await signed_in(fed, issuer, browser, COUNCIL)
    shown = text_of(await browser.get("/inbox/call-backs"))
    assert shown.count("Nurse Seven asks to be rung") == 1 and "999 000 1014" in shown


async def test_every_act_is_on_record_with_user_and_role(fed: World, browser: Browser) -> None:
    """For the patient's own auditor, under the name of its exchange, which the console has words for."""
    await coordinator(fed, browser)
    for name, form in FORMS.items():
        assert (await sends(browser, name, **form)).status_code in (200, 303), name
    log = await log_of(fed.auditor("trust"))
    found = {exchange(one) for one in log if "nurse7" in str(one["agent"])}
    assert found >= {"subscribe", "write_resource", "record_relationship", "set_marker", "dispute_record", "request_contact"}
    assert not [one for one in ("record_relationship", "set_marker", "dispute_record") if one not in words.EXCHANGES]


def test_the_words_of_the_forms_are_those_that_are_taken() -> None:
    """No choice that the exchange refuses, none that is left out."""
    assert tuple(words.RELATIONSHIPS) == ROLES and tuple(words.TOLD_BY) == TOLD_BY and tuple(words.SAID_BY) == SAID_BY
