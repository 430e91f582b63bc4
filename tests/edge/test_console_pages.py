"""The console's pages: every question, its file, the review queue closed by a second person, an export watched and fetched."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from gateway.audit.questions import QUESTIONS, Question
from gateway.demo.people import AMINA, COUNCIL, STRANGER, TRUST
from gateway.exchanges.log import bulk_audit
from gateway.settings import Settings
from gateway.web.console_cells import as_csv
from tests.edge.guardians import opened_in_danger, overrides, settled, urgent
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_web_pages import HOSTILE, recorded, signed_in, text_of
from tests.world import World

FILLED = {"number": AMINA.nhs, "consent": "Consent/none", "notice": "none"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


def filled(question: Question) -> dict[str, str]:
    return {one.name: FILLED[one.name] for one in question.fields if one.name in FILLED}


async def another_signs_in(issuer: Issuer, browser: Browser, agency: str, *groups: str) -> None:
    """A colleague at the same browser."""
    issuer.user, issuer.groups = "w2", groups
    assert (await browser.sign_in(issuer, agency)).status_code == 303


async def test_every_question_has_a_page_an_answer_and_a_file(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Its title, its columns, a file with the same columns; each look is on record; no address names anybody."""
    await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    index = await browser.get("/console")
    for question in QUESTIONS:
        assert question.title in text_of(index)
        page = await browser.get(question.path)
        assert page.status_code == 200 and question.title in text_of(page), question.name
        answer = await browser.send(question.path, **filled(question))
        assert answer.status_code == 200, (question.name, text_of(answer))
        shown = text_of(answer)
        assert all(column.heading in shown for column in question.columns) or question.nothing in shown, (question.name, shown)
        assert AMINA.nhs not in str(answer.url) and not re.findall(rf'(?:href|action)="[^"]*{AMINA.nhs}', answer.text)
        file = await browser.send(f"/console/{question.name}/csv", **filled(question))
        assert file.headers["content-type"].startswith("text/csv") and "attachment" in file.headers["content-disposition"]
        assert next(csv.reader(io.StringIO(file.text))) == [column.heading for column in question.columns]
        assert file.headers["cache-control"] == "no-store" and len(answer.content) % 4096 == 0
    asked = await recorded(fed, "trust", "ask_question")
    assert len(asked) >= 2 * len(QUESTIONS)


async def test_the_file_has_what_the_page_has(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Codes as they are, times as instants, a line for each entry."""
    await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    file = await browser.send("/console/person/csv", number=AMINA.nhs)
    found = [row for row in csv.DictReader(io.StringIO(file.text)) if row["Who"] == "sw22"]
    assert found and {(row["Role"], row["For"], row["Outcome"], row["Case"]) for row in found} == {
        ("social-worker", "safeguarding-s47", "Told", "C-1")
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[0]["When"])


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_nothing_in_a_file_runs_in_a_spreadsheet(sign: str) -> None:
    """A user who is called like a formula stays a text."""
    question = next(one for one in QUESTIONS if one.name == "log-use")
    assert f"'{sign}HYPERLINK".encode() in as_csv(question, [{"who": f'{sign}HYPERLINK("http://x")'}])


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_was_typed_comes_back_as_text(fed: World, issuer: Issuer, browser: Browser, text: str) -> None:
    """In the form, in the entry of the search, and in the file."""
    plain = "".join(sign for sign in text if sign.isprintable())
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    for path, name in (("/console/user", "user"), ("/console/consent", "consent"), ("/console/trail", "notice")):
        page = await browser.send(path, **{name: plain})
        assert page.status_code == 200
        assert not re.search(r"<script|<img|<svg|<b>|onerror=(?!alert\(1\)&)|</title></", page.text), path
        assert "60481729" not in text_of(page)
    assert (await browser.send("/console/user", user="x" * 201)).status_code == 422


async def test_an_item_is_closed_on_screen_by_a_second_person(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Who claimed danger sees that somebody else closes it, and cannot; a colleague does, in their own words, on record."""
    await settled(fed)
    await overrides(await urgent(fed, "w1"), AMINA)
    await signed_in(fed, issuer, browser, COUNCIL, "G-LEAD")
    mine = await browser.get("/console/reviews")
    assert "This is your own act" in text_of(mine) and "What came of it?" not in mine.text
    (item,) = re.findall(r'id="review-([0-9a-f]+)"', mine.text)
    closing = {"outcome": "in-order", "sentence": "I rang the ward, the danger was real."}
    assert (await browser.send(f"/console/reviews/{item}/close", **closing)).status_code == 403
    await another_signs_in(issuer, browser, COUNCIL, "G-PRIVACY")
    page = await browser.get("/console/reviews")
    assert "Danger to life was claimed" in text_of(page) and "The front door hears that she has taken the child" in text_of(page)
    for wrong in ({"outcome": "fine"}, {"sentence": "short"}):
        assert (await browser.send(f"/console/reviews/{item}/close", **{**closing, **wrong})).status_code == 422
    closed = await browser.send(f"/console/reviews/{item}/close", **closing)
    assert closed.status_code == 303
    after = text_of(await browser.get(closed.headers["location"]))
    assert "The item is closed." in after and "by w2: It was in order I rang the ward" in after and "Nothing waits" in after
    assert (await browser.send(f"/console/reviews/{item}/close", **closing)).status_code == 409


async def test_an_export_is_watched_without_scripts_and_fetched(
    fed: World, issuer: Issuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page asks for itself again until it is ready, or not, as its reader likes; files hold one entry a line."""
    from gateway.web import console_exports

    await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    monkeypatch.setattr(bulk_audit, "SETTLED", -1)
    monkeypatch.setattr(bulk_audit, "PER_FILE", 4)
    monkeypatch.setattr(bulk_audit, "PAGE", 4)
    monkeypatch.setattr(console_exports, "PLANNING_SECONDS", 0)
    started = await browser.send("/console/exports", since="2020-01-01", outcome="0")
    path = started.headers["location"]
    page = await browser.get(path)
    assert page.headers["refresh"] == "2" and "is being prepared" in text_of(page) and "<progress" in page.text
    assert "refresh" not in (await browser.get(f"{path}?still=yes")).headers
    monkeypatch.setattr(console_exports, "PLANNING_SECONDS", 5)
    ready = await browser.get(path)
    assert "refresh" not in ready.headers and "The export is ready" in text_of(ready)
    files = re.findall(r'name="file" value="(\d+)"', ready.text)
    assert len(files) >= 2
    fetched = [await browser.send(f"{path}/fetch", file=one) for one in files]
    events = [json.loads(line) for file in fetched for line in file.text.splitlines()]
    assert {one["resourceType"] for one in events} == {"AuditEvent"} and {one["outcome"] for one in events} == {"0"}
    assert len({one["id"] for one in events}) == len(events) > 4
    assert (await browser.send(f"{path}/fetch", file="99")).status_code == 404
    assert (await browser.send(f"{path}/end")).status_code == 303 and (await browser.get(path)).status_code == 404
    assert (await browser.send("/console/exports", since="yesterday")).status_code == 422


async def test_an_export_of_somebody_else_is_not_there(fed: World, issuer: Issuer, browser: Browser) -> None:
    """Nor for a colleague: it belongs to who asked."""
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    path = (await browser.send("/console/exports")).headers["location"]
    await another_signs_in(issuer, browser, TRUST, "G-AUDIT")
    assert (await browser.get(path)).status_code == 404
    assert (await browser.send(f"{path}/end")).status_code == 404


async def test_charts_have_the_figures_in_a_table_too(fed: World, issuer: Issuer, browser: Browser) -> None:
    """What the picture shows can be read; what is marked is marked by a sign, not by colour alone."""
    for number in range(6):
        await fed.ward().hears(STRANGER, "amh-care-planning", case=f"A-{number}")
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    page = await browser.get("/console/volumes")
    assert re.search(r"<svg[^>]*role=\"img\"[^>]*aria-labelledby", page.text)
    assert re.search(r"6 \(0\) !", page.text) and "nurse7 ward nurse 6 0 6.0" in text_of(page)


def test_the_outcomes_that_a_review_offers_are_those_of_the_queue() -> None:
    """No more, no fewer."""
    from gateway.exchanges.reviews import OUTCOMES
    from gateway.web import words

    assert tuple(words.REVIEW_OUTCOMES) == OUTCOMES
