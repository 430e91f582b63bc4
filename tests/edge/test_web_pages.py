"""Pages for staff: who may open them, what they show, that forms are ours, and that nothing runs in them."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest

from gateway.api.operations import OPERATIONS
from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, SCHOOL_NURSING, STRANGER, TRUST, VOLUNTARY
from gateway.disclosure.requester import Requester
from gateway.exchanges.administer import NewAgency, add_agency
from gateway.exchanges.casework.request_contact import ContactRequest, request_contact
from gateway.exchanges.lookup.grounds import Grounds
from gateway.exchanges.wishes.shield import ShieldRequest, set_shield
from gateway.fhir import systems
from gateway.follow_up import raise_all
from gateway.web import words
from gateway.web.launch_visits import PATIENT
from gateway.web.routes import PAGES
from tests.architecture.test_house import published
from tests.data.edge import exchange, log_of
from tests.edge.desks import admit, patients, subscribe
from tests.edge.durable import ask, change
from tests.edge.issuer import Browser, Issuer
from tests.edge.test_feedback import hours_pass, told
from tests.world import World

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); '",
    "{{ 7777 * 7777 }}{% for x in y %}",
    "</title></textarea><svg onload=alert(1)>",
    "javascript:alert(1)//&lt;b&gt;",
    "\u202egnp.exe \u0000\u2028x",
)
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}  # fmt: skip


async def signed_in(world: World, issuer: Issuer, browser: Browser, agency: str, *groups: str) -> Browser:
    """The browser with somebody of an agency signed in; duty worker unless other groups are named."""
    issuer.groups = groups or ("G-DUTY",)
    await issuer.register(world, agency)
    came = await browser.sign_in(issuer, agency)
    assert came.status_code == 303, came.text
    return browser


def text_of(page: httpx.Response) -> str:
    """What somebody reads on a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.text)))


async def recorded(world: World, agency: str, name: str) -> list[dict[str, Any]]:
    """Entries of an exchange by whoever is signed in, as the agency's auditor sees them."""
    found = [one for one in await log_of(world.auditor(agency)) if exchange(one) == name]
    return [
        one for one in found if any(agent.get("who", {}).get("identifier", {}).get("value") == "w1" for agent in one["agent"])
    ]


async def test_without_a_session_every_page_leads_to_the_sign_in_and_no_form_does_anything(
    world: World, browser: Browser
) -> None:
    """A page is asked for again afterwards; a form is not: it says that nothing was done."""
    closed = [page for page in PAGES if page.scope]
    assert len(closed) >= 8
    for page in closed:
        path = page.path.replace("{id:fhirid}", "a1")
        if page.method == "GET":
            answer = await browser.get(path)
            door = "/launch" if page.scope == PATIENT else f"/sign-in?next={path}"
            assert (answer.status_code, answer.headers["location"]) == (303, door)
        else:
            answer = await browser.post(path, {"csrf": "x"})
            assert answer.status_code == 401 and "Nothing was done" in answer.text
        assert {name: answer.headers[name] for name in SAFE} == SAFE


async def test_every_answer_carries_the_headers_that_keep_it_safe(world: World, issuer: Issuer, browser: Browser) -> None:
    """Pages, errors, redirects: no scripts, no frames, no caches, no addresses handed on; no script stands in any page."""
    await signed_in(world, issuer, browser, TRUST, "G-DUTY", "G-AUDIT")
    answers = [await browser.get(page.path) for page in PAGES if page.method == "GET"]
    answers += [await browser.get(path) for path in ("/inbox/nowhere", "/console/x", "/sign-in/elsewhere", "/")]
    answers += [await browser.post("/inbox", {}), await browser.get("/sign-out")]
    assert [one.status_code for one in answers[-2:]] == [405, 405]
    for answer in answers:
        assert {name: answer.headers[name] for name in SAFE} == SAFE, answer.url
        assert "<script" not in answer.text and " style=" not in answer.text and not re.search(r"\son\w+=", answer.text)
        assert not re.findall(r'(?:src|href|action)="(?!/|#|tel:|http://gateway.test|http://127.0.0.1)', answer.text)


async def test_the_page_of_calls_has_each_call_and_nothing_from_elsewhere(world: World, browser: Browser) -> None:
    """It stands beside the console: a script of anybody else on it could read what an auditor sees."""
    answer = await browser.get("/docs")
    assert answer.status_code == 200
    for call in OPERATIONS:
        assert f"{call.method} {call.path}<" in answer.text
    assert "<script" not in answer.text
    assert not re.findall(r'(?:src|href)="(?!/|#)', answer.text)
    assert {name: answer.headers[name] for name in SAFE} == SAFE


async def test_programs_get_their_own_errors_and_people_get_pages(world: World, browser: Browser) -> None:
    """The same address answers each in their own words."""
    page = await browser.get("/inbox/nowhere")
    assert page.status_code == 404 and "There is nothing here" in page.text
    assert (await world.client.get("/inbox/nowhere")).json()["resourceType"] == "OperationOutcome"
    assert (await browser.get("/fhir/nowhere")).json()["resourceType"] == "OperationOutcome"
    assert (await browser.get("/")).headers["location"] == "/sign-in"


async def test_static_files_are_kept_and_nothing_else_is_served(world: World, browser: Browser) -> None:
    """They change their address with their content."""
    page = await browser.get("/sign-in")
    for path in re.findall(r'(?:href)="(/static/[^"]+)"', page.text):
        answer = await browser.get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/static/page.html", "/static/..%2ftemplates%2fpage.html", "/static/render.py"):
        assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("group", "opens", "closed"),
    [
        ("G-AUDIT", ["/console"], ["/inbox", "/inbox/answered", "/inbox/call-backs"]),
        ("G-PRIVACY", ["/console"], ["/inbox"]),
        ("G-DUTY", ["/inbox", "/inbox/answered", "/inbox/call-backs"], ["/console"]),
        ("G-LEAD", ["/inbox", "/inbox/call-backs"], ["/console"]),
    ],
)
async def test_a_role_opens_its_own_pages_and_no_other(
    world: World, issuer: Issuer, browser: Browser, group: str, opens: list[str], closed: list[str]
) -> None:
    """The navigation shows what opens; what does not is refused, on record with the user."""
    await signed_in(world, issuer, browser, TRUST, group)
    for path in opens:
        page = await browser.get(path)
        assert page.status_code == 200 and f'href="{path}"' in page.text or path == "/inbox/answered"
        assert not [one for one in closed if f'href="{one}"' in page.text]
    for path in closed:
        page = await browser.get(path)
        assert page.status_code == 403 and "Your role does not open this page" in page.text
    form = "/inbox/x1/acknowledge" if "/inbox" in closed else "/console"
    assert (await browser.send(form, code="taken-up", number=AMINA.nhs)).status_code == 403
    refusals = await recorded(world, "trust", "record_refusal")
    assert len(refusals) >= len(closed)


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"csrf": ""}, {}),
        ({"csrf": "x" * 43}, {}),
        ({}, {}),
        (None, {"Origin": "https://elsewhere.example"}),
        (None, {"Origin": "null"}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
        (None, {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_a_form_from_elsewhere_does_nothing(
    world: World, issuer: Issuer, browser: Browser, form: dict[str, str] | None, headers: dict[str, str]
) -> None:
    """Without this session's secret, or sent from another site though with it: refused, on record, the notice untouched."""
    notice = await told(world, None)
    await signed_in(world, issuer, browser, COUNCIL)
    sent = {"code": "taken-up", **({"csrf": await browser.csrf()} if form is None else form)}
    answer = await browser.post(f"/inbox/{notice}/acknowledge", sent, **headers)
    assert answer.status_code == 403 and "Nothing was done" in answer.text
    assert ask(world.settings, "SELECT state FROM acknowledgement") == [("received",)]
    assert len(await recorded(world, "council", "record_refusal")) == 1
    assert (await browser.send(f"/inbox/{notice}/acknowledge", code="taken-up")).status_code == 303


async def test_a_form_that_cannot_be_read_is_refused_in_plain_words(world: World, issuer: Issuer, browser: Browser) -> None:
    """Too large, a field twice, another content type, bytes that are no form."""
    await signed_in(world, issuer, browser, COUNCIL)
    kind, token = "application/x-www-form-urlencoded", await browser.csrf()
    for status, body, stated in (
        (413, b"a=" + b"x" * 70_000, kind),
        (400, f"csrf={token}&code=a&code=b".encode(), kind),
        (400, b"\xff\xfe=%ff", kind),
        (400, b"&".join(b"a%d=1" % one for one in range(60)), kind),
        (400, b"{}", "application/json"),
        (400, b"", "multipart/form-data"),
    ):
        answer = await browser.client.post("/inbox/a1/acknowledge", content=body, headers={"Content-Type": stated})
        assert answer.status_code == status, (body[:20], answer.status_code)
        assert "<h1>" in answer.text


async def test_an_agency_without_software_reads_its_notices_and_answers_them(
    world: World, issuer: Issuer, browser: Browser
) -> None:
    """What happened, to whom, since when, whom to ring, by when; the answer is on record with user and role."""
    notice = await told(world, None)
    await signed_in(world, issuer, browser, COUNCIL)
    page = await browser.get("/inbox")
    shown = text_of(page)
    for expected in (
        "Waiting for an answer (1)", "Admitted to hospital", "Urgent", "NHS number 999 000 1006",
        "Northmoor Mental Health NHS Trust", "Northmoor duty desk: 01632 960101", "Northmoor crisis line: 01632 960102",
        "Answer by", "Since",
    ):  # fmt: skip
        assert expected in shown, (expected, shown)
    assert "9990001006" not in str(page.url) and not re.findall(r'(?:href|action)="[^"]*9990001006', page.text)
    answer = await browser.send(f"/inbox/{notice}/acknowledge", code="passed-on", note="To the team\nof the ward")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?said=answered")
    after = text_of(await browser.get("/inbox?said=answered"))
    assert "Your answer is on record." in after and "Nothing here waits for an answer" in after
    answered = text_of(await browser.get("/inbox/answered"))
    assert (
        "We have passed this to those it concerns" in answered and "by w1" in answered and "To the team of the ward" in answered
    )
    (entry,) = await recorded(world, "council", "acknowledge_notice")
    (user,) = [one for one in entry["agent"] if one["requestor"]]
    assert (user["who"]["identifier"]["value"], user["role"][0]["text"]) == ("w1", "duty-worker")


async def test_an_answer_is_one_of_five_and_only_to_ones_own_notices(world: World, issuer: Issuer, browser: Browser) -> None:
    """Another code is refused; another agency's notice and none at all are the same 404."""
    notice = await told(world, None)
    await signed_in(world, issuer, browser, TRUST)
    pages = [await browser.send(f"/inbox/{name}/acknowledge", code="not-ours") for name in (notice, "0" * 32)]
    assert [one.status_code for one in pages] == [404, 404]
    one, other = (re.sub(r"[0-9a-f]{32}", "#", page.text) for page in pages)
    assert one == other
    for code in ("perhaps", ""):
        assert (await browser.send(f"/inbox/{notice}/acknowledge", code=code)).status_code == 422
    assert (await browser.send(f"/inbox/{notice}/acknowledge", code="not-ours", note="x" * 1001)).status_code == 422
    assert ask(world.settings, "SELECT state FROM acknowledgement") == [("received",)]


async def test_what_is_overdue_stands_on_top_with_whom_it_went_to(world: World, issuer: Issuer, browser: Browser) -> None:
    """However old it is."""
    await told(world, None)
    hours_pass(world, 5)
    await raise_all(world.gateway.ledger)
    change(world.settings, "UPDATE acknowledgement SET told = told - 1 WHERE state = 'overdue'")
    await signed_in(world, issuer, browser, COUNCIL)
    page = text_of(await browser.get("/inbox"))
    assert "Overdue (1)" in page and "Passed on to" in page
    assert page.index("Overdue (1)") < page.index("Admitted to hospital")
    if "Waiting for an answer" in page:
        assert page.index("Overdue (1)") < page.index("Waiting for an answer")


async def test_what_may_no_longer_be_told_says_so_and_no_more(world: World, issuer: Issuer, browser: Browser) -> None:
    """Decided again on reading; both pages are filled to the same measure."""
    await told(world, None)
    await signed_in(world, issuer, browser, COUNCIL)
    before = await browser.get("/inbox")
    holder = Requester("trust-epr", TRUST, frozenset(), "ig1")
    await world.gateway.ledger.run_alone(set_shield, ShieldRequest(holder, f"{systems.NHS_NUMBER}|{AMINA.nhs}", "at risk"))
    after = await browser.get("/inbox")
    assert "can no longer be told to you" in after.text
    assert not [word for word in ("999 000 1006", "9990001006", "Northmoor", "Admitted") if word in after.text]
    assert {len(one.content) % 4096 for one in (before, after)} == {0}
    assert "content-encoding" not in after.headers


async def test_inboxes_of_agencies_are_their_own(world: World, issuer: Issuer, browser: Browser) -> None:
    """Another agency's duty worker sees nothing of it."""
    await told(world, None)
    await signed_in(world, issuer, browser, VOLUNTARY)
    page = await browser.get("/inbox")
    assert "Nothing here" in page.text and "999 000 1006" not in page.text


async def asked_back(world: World, name: str = "Nurse One", phone: str = "01632 960999", reason: str = "To plan") -> None:
    """Somebody asks to be rung back about Amina, whom the trust holds."""
    requester = Requester("school-nursing-system", SCHOOL_NURSING, frozenset(), "sn1", "school-nurse", frozenset({"early-help"}))
    request = ContactRequest(requester, AMINA.nhs, AMINA.born, Grounds("early-help", reason=reason), name, phone)
    await world.gateway.ledger.run_alone(request_contact, request)


async def test_a_call_back_request_is_seen_rung_and_closed(fed: World, issuer: Issuer, browser: Browser) -> None:
    """The number to ring and by when; a sentence closes it, on record; a second closing is told that it is closed."""
    await asked_back(fed)
    await signed_in(fed, issuer, browser, TRUST)
    page = await browser.get("/inbox/call-backs")
    shown = text_of(page)
    for expected in (
        "Nurse One asks to be rung",
        "01632 960999",
        "Southshire School Nursing",
        "999 000 1006",
        "Ring by",
        "To plan",
    ):
        assert expected in shown, expected
    (identifier,) = re.findall(r"/inbox/call-backs/([0-9a-f]{32})/close", page.text)
    assert (await browser.send(f"/inbox/call-backs/{identifier}/close", sentence="short")).status_code == 422
    answer = await browser.send(f"/inbox/call-backs/{identifier}/close", sentence="Rung back, a visit is agreed.")
    assert answer.headers["location"] == "/inbox/call-backs?said=closed"
    after = text_of(await browser.get(answer.headers["location"]))
    assert "The call-back request is closed." in after and "Nobody waits to be rung back" in after
    again = await browser.send(f"/inbox/call-backs/{identifier}/close", sentence="Rung back, a visit is agreed.")
    assert again.status_code == 409 and "closed already" in again.text
    assert len(await recorded(fed, "trust", "close_call_back")) == 1


@pytest.mark.parametrize("text", HOSTILE)
async def test_text_of_others_is_text_and_never_markup(fed: World, issuer: Issuer, browser: Browser, text: str) -> None:
    """Names of agencies, users, numbers and reasons that would run if they were not escaped."""
    plain = text.replace("\x00", "")
    profile = {"desks": [{"kind": "duty-desk", "name": plain, "phone": plain, "hours": plain}]}
    await fed.gateway.ledger.run_alone(add_agency, NewAgency("TXX99", plain, "voluntary", profile))
    await asked_back(fed, name=plain, phone=plain, reason=plain)
    issuer.user = "".join(sign for sign in text if sign.isprintable())
    await issuer.register(fed, "TXX99")
    issuer.groups = ("G-DUTY", "G-AUDIT")
    assert (await browser.sign_in(issuer, "TXX99")).status_code == 303
    pages = [await browser.get("/inbox"), await browser.get("/sign-in")]
    change(fed.settings, "UPDATE call_back SET owner = 'TXX99'")
    pages.append(await browser.get("/inbox/call-backs"))
    pages.append(await browser.send("/console", number=plain[:15], since=plain[:15]))
    for page in pages:
        assert not re.search(r"<script|<img|<svg|<b>|onerror=(?!alert\(1\)&)|</title></", page.text), page.url
        assert "{{" not in page.text or "{{ 7777 * 7777 }}" in page.text
        assert "60481729" not in text_of(page)
    assert plain.strip() in html.unescape(pages[0].text)


async def test_the_auditor_sees_who_looked_at_a_person_and_who_was_refused(fed: World, issuer: Issuer, browser: Browser) -> None:
    """The holder's auditor: who, of which agency, what for, what came of it and why; the search itself is on record."""
    await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    await fed.as_("school-nursing-system", "sn9", "school-nurse", "early-help").hears(AMINA, "early-help")
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    page = await browser.send("/console", number="999 000 1006")
    shown = text_of(page)
    assert page.status_code == 200 and "NHS number 999 000 1006" in shown
    for expected in (
        "sw22 social worker Southshire Council Children's Services Asked whether this person is known safeguarding s47 Told",
        "sn9 school nurse Southshire School Nursing Asked whether this person is known early help Refused no agreement",
    ):
        assert expected in shown, (expected, shown)
    assert "Sent a record Done" in shown
    assert len(page.content) % 4096 == 0
    assert AMINA.nhs not in str(page.url) and not re.findall(rf'(?:href|action)="[^"]*{AMINA.nhs}', page.text)
    assert len(await recorded(fed, "trust", "ask_question")) == 1


async def test_the_askers_auditor_sees_what_was_asked_and_not_what_was_answered(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """A known person, a refused one and a stranger: the same lines but for the number."""
    ward = fed.ward()
    for person in (AMINA, BETH, STRANGER):
        await ward.hears(person, "amh-care-planning", "children")
    issuer.user = "auditor7"
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    found = set()
    for person in (BETH, STRANGER):
        page = text_of(await browser.send("/console", number=person.nhs))
        lines = re.findall(r"nurse7 ward nurse [^0-9]*? amh care planning \w+", page)
        assert lines, page
        found |= {line for line in lines if line.endswith("Asked")}
    assert len(found) == 1, found


async def test_the_console_reads_in_pages_and_says_what_vouches_for_it(fed: World, issuer: Issuer, browser: Browser) -> None:
    """A hundred and more entries; the next page begins where the first ended; a signed head is named at the foot."""
    from gateway.store.upkeep import keep_up

    worker = fed.social_worker()
    for number in range(103):
        await worker.hears(STRANGER, "safeguarding-s47", case=f"C-{number}")
    await signed_in(fed, issuer, browser, COUNCIL, "G-AUDIT")
    first = await browser.send("/console", number=STRANGER.nhs)
    following = re.search(r'name="before" value="([^"]+)"', first.text)
    assert following and first.text.count("<tr") == 101
    await fed.seal()
    await keep_up(fed.gateway.ledger, fed.gateway.context.vault)
    second = await browser.send("/console", number=STRANGER.nhs, before=following[1])
    assert 3 <= second.text.count("<tr") - 1 <= 106 and 'name="before"' not in second.text
    assert re.search(r"The first \d+ entries of the log are under a head that was signed", text_of(second))


async def test_a_wrong_number_or_day_is_told_beside_its_field(fed: World, issuer: Issuer, browser: Browser) -> None:
    """What was typed stays; the fault leads to its field; nothing is searched."""
    await signed_in(fed, issuer, browser, TRUST, "G-AUDIT")
    for number, since, field in (("999 000 1007", "", "number"), ("", "", "number"), (AMINA.nhs, "yesterday", "since")):
        page = await browser.send("/console", number=number, since=since)
        assert page.status_code == 422 and "There is a problem" in page.text and f'href="#{field}"' in page.text
        assert f'value="{number}"' in page.text
    assert await recorded(fed, "trust", "ask_question") == []
    early = await browser.send("/console", number=AMINA.nhs, since="2020-01-01", until="2020-12-31")
    assert "Nothing is on record about this number" in early.text


async def test_where_the_log_cannot_be_written_nothing_is_shown_and_desks_are(
    fed: World, issuer: Issuer, browser: Browser
) -> None:
    """503 with whom to ring, from memory: no entry, no page."""
    await asked_back(fed)
    await signed_in(fed, issuer, browser, TRUST)
    assert "Nurse One" in (await browser.get("/inbox/call-backs")).text
    change(fed.settings, "ALTER TABLE audit_entry RENAME TO gone")
    page = await browser.get("/inbox/call-backs")
    change(fed.settings, "ALTER TABLE gone RENAME TO audit_entry")
    assert page.status_code == 503
    assert "Nurse One" not in page.text and "999 000 1006" not in page.text
    for expected in ("This says nothing about any person", "Northmoor duty desk", "01632 960101", "01632 960202"):
        assert expected in text_of(page)
    assert (await browser.get("/inbox/call-backs")).status_code == 200


async def test_an_agency_marked_sensitive_is_not_among_the_numbers(fed: World, browser: Browser, issuer: Issuer) -> None:
    """Its desk is rung by who is told of it, and nobody reads its name on an error page."""
    profile = {"sensitive": True, "desks": [{"kind": "duty-desk", "name": "Quiet desk", "phone": "01632 960777"}]}
    await fed.gateway.ledger.run_alone(add_agency, NewAgency("TSV01", "Quiet House", "voluntary", profile))
    await issuer.register(fed, TRUST)
    issuer.document = {"issuer": "x"}
    page = await browser.begin(TRUST)
    assert page.status_code == 503 and "01632 960101" in page.text
    assert "Quiet" not in page.text and "960777" not in page.text


def test_the_answers_that_a_page_offers_are_the_published_ones() -> None:
    """No more, no fewer."""
    assert set(words.ACKNOWLEDGEMENTS) == published("acknowledgement")


async def test_what_no_page_gave_is_no_failure(world: World, issuer: Issuer, browser: Browser) -> None:
    """Control characters are refused in words; a place that no page can have is the first page."""
    await signed_in(world, issuer, browser, COUNCIL, "G-DUTY", "G-AUDIT")
    for path in (
        "/sign-in/start?agency=%00", "/signed-out?agency=%00", "/inbox?after=1.%00", "/inbox?overdue=1.%00",
        "/inbox/call-backs?after=1.%00", "/inbox?said=%1b", "/sign-in?%00=x",
    ):  # fmt: skip
        page = await browser.get(path)
        assert page.status_code == 400 and "characters that cannot be read" in page.text, path
    for form in ({"before": "1.\x00"}, {"before": "1.a", "since": "\x00"}, {"number\x00": "x"}):
        page = await browser.send("/console", **{"number": AMINA.nhs, **form})
        assert page.status_code == 400, form
    assert (await browser.send(f"/inbox/{'0' * 32}/acknowledge", code="taken-up", note="a\x00b")).status_code == 400
    assert (await browser.send(f"/inbox/{'0' * 32}/acknowledge", code="taken-up", note="two\r\n\tlines")).status_code == 404
    for place in ("9" * 19 + ".a1", "9" * 60 + ".a1"):
        for path in (f"/inbox?after={place}", f"/inbox?overdue={place}", f"/inbox/call-backs?after={place}"):
            assert (await browser.get(path)).status_code == 200, path
        assert (await browser.send("/console", number=AMINA.nhs, before=place)).status_code == 200


async def test_every_overdue_notice_is_reached_the_oldest_first(world: World, issuer: Issuer, browser: Browser) -> None:
    """More than a page of them: the count says that there are more, and a link of its own leads to them."""
    some = patients(27, 300)
    for person in some:
        wanted = people.subscription(person, "admitted", "", "duty-to-share-16la", case="C-9", reason="The plan rests on it")
        del wanted["channel"]["endpoint"]
        await subscribe(world.social_worker(), wanted)
    await admit(world, some)
    await world.settle()
    hours_pass(world, 5)
    await raise_all(world.gateway.ledger)
    late = [
        one for (one,) in ask(world.settings, "SELECT notice FROM acknowledgement WHERE state = 'overdue' ORDER BY told, notice")
    ]
    assert len(late) == 27
    await signed_in(world, issuer, browser, COUNCIL)
    first = await browser.get("/inbox")
    assert "Overdue (25 and more)" in text_of(first)
    assert re.findall(r'id="notice-(\w+)"', first.text)[:25] == late[:25]
    (more,) = re.findall(r'href="(/inbox\?overdue=[^"]+)"', first.text)
    second = await browser.get(more)
    assert "Overdue (2)" in text_of(second) and "overdue=" not in second.text
    assert re.findall(r'id="notice-(\w+)"', second.text) == late[25:]


async def test_the_inbox_shows_which_notice_was_wrong(world: World, issuer: Issuer, browser: Browser) -> None:
    """By the reference that stands at the earlier one, even where nothing else may be told any more."""
    notice = await told(world, None)
    holder = Requester("trust-epr", TRUST, frozenset(), "ig1")
    await world.gateway.ledger.run_alone(set_shield, ShieldRequest(holder, f"{systems.NHS_NUMBER}|{AMINA.nhs}", "at risk"))
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A11", AMINA, "M1"))
    await world.settle()
    await signed_in(world, issuer, browser, COUNCIL)
    page = text_of(await browser.get("/inbox"))
    assert f"Wrong notice {notice}" in page and f"Reference of this notice {notice}" in page
    assert "What you were told before is taken back" in page
    assert "999 000 1006" not in page
