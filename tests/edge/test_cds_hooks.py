"""Cards in the electronic record (CDS Hooks 2.0): the published rules, each held by a test; what they tell and when."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from gateway.api.cds_hooks_cards import plain
from gateway.api.edge import PAGE, TICK
from gateway.audit.entry import DONE, Kind
from gateway.demo.people import AMINA, LEO, STRANGER, Person
from gateway.disclosure.requester import Requester
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.charge import charge_for
from gateway.fhir.codes import CARD_OVERRIDES, HOOKS
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.cards import FEEDBACK
from gateway.store.charges import hour_mark
from gateway.store.ledger import Moment, Outcome
from gateway.store.sql import Read
from gateway.store.vault import open_sealed
from tests.conftest import count
from tests.edge.record_system import CARE, RecordSystem, call_body, leave, person_of, record_system, role_of
from tests.edge.test_ledger_faults import no_room
from tests.edge.test_lookup_no_leak import CAUSES, known
from tests.stories.county import flag, patient, somebody, tells, wishes
from tests.world import BASE, World, put_in_force

PATH = "/cds-services/family-patient-view"
ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def agreed(world: World, place: int = 7, **more: Any) -> Person:
    """A person with a plan at the council who has agreed that the trust hears of it."""
    return await known(world, place, leave(), **more)


def masked(answer: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and bytes of an answer without its id."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status_code, headers, ID.sub(b"#", answer.content)


# -- discovery ---------------------------------------------------------------------------------------------------------


async def test_discovery_lists_every_service_with_what_the_specification_requires(world: World) -> None:
    """hook, id and description of each; prefetch templates use the tokens that a client knows; nobody needs a token."""
    answer = await world.client.get("/cds-services")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    services = answer.json()["services"]
    assert [one["hook"] for one in services] == list(HOOKS)
    for one in services:
        assert one["id"] == f"family-{one['hook']}"
        assert one["description"]
        assert one["title"]
        for template in one["prefetch"].values():
            tokens = re.findall(r"\{\{([^}]*)\}\}", template)
            assert tokens
            assert set(tokens) <= {"context.patientId", "userPractitionerId", "userPractitionerRoleId"}
        assert no_empty(one)


def no_empty(value: Any) -> bool:
    """Whether nothing in a document is null or empty (CDS Hooks 2.0, HTTP status and nulls)."""
    if isinstance(value, dict):
        return bool(value) and all(no_empty(one) for one in value.values())
    if isinstance(value, list):
        return bool(value) and all(no_empty(one) for one in value)
    return value not in (None, "")


# -- what a card is ----------------------------------------------------------------------------------------------------


def breaches(card: dict[str, Any], *, launchable: bool = True) -> list[str]:
    """Rules of the specification that a card breaks."""
    links = card.get("links", [])
    rules = {
        "summary": 0 < len(card.get("summary", "")) < 140,
        "indicator": card.get("indicator") in ("info", "warning", "critical"),
        "source": bool(card.get("source", {}).get("label")),
        "uuid": bool(ID.fullmatch(card.get("uuid", "").encode())),
        "selectionBehavior": "suggestions" not in card or card.get("selectionBehavior") in ("at-most-one", "any"),
        "overrideReasons": all(one["code"] and one["system"] and one["display"] for one in card.get("overrideReasons", [])),
        "links": all(one["label"] and one["url"].startswith("http") and one["type"] in ("absolute", "smart") for one in links),
        "appContext": all(one["type"] == "smart" or "appContext" not in one for one in links),
        "launch": links[0]["type"] == ("smart" if launchable else "absolute"),
        "empty": no_empty(card),
        "members": set(card) <= {"uuid", "summary", "detail", "indicator", "source", "overrideReasons", "links"},
    }
    return [name for name, kept in rules.items() if not kept]


@pytest.mark.parametrize("hook", HOOKS)
async def test_every_card_keeps_the_rules(fed: World, hook: str) -> None:
    """Known and unknown, for each hook; a link to the page is a SMART launch where the record system has a FHIR server."""
    epr = await record_system(fed)
    for person in (await agreed(fed), STRANGER):
        answer = await epr.calls(person, hook)
        assert answer.status_code == 200
        assert len(answer.content) % PAGE == 0
        (card,) = answer.json()["cards"]
        assert breaches(card) == []
        assert card["links"][0]["url"] == f"{BASE}/launch"
        assert json.loads(card["links"][0]["appContext"]) == {"purpose": CARE}
        assert [one["code"] for one in card["overrideReasons"]] == list(CARD_OVERRIDES)
        body = call_body(person, hook)
        del body["fhirServer"]
        answer = await epr.posts(f"/cds-services/family-{hook}", body)
        assert breaches(answer.json()["cards"][0], launchable=False) == []


async def test_a_card_says_what_is_known_since_when_and_whom_to_ring(fed: World) -> None:
    """Organisation, status, since, last contact, lead professional with number, desks; what to ask and tell; how to keep it."""
    card = await (await record_system(fed)).card(await agreed(fed))
    assert card["summary"] == "One service told us of work with this family. Ring before you plan."
    for words in (
        r"This patient: Southshire Council Children's Services",
        "intensive now since 5 January 2026, last contact October 2026",
        "Ring Jo Lead 01632 960299",
        "Southshire front door 01632 960201 (Monday to Friday, 8\\.30 to 5\\.30)",
        "Ask who is at home",
        "Tell the patient what you saw",
        "Ask the service before you pass it on.",
        "Do not copy this into notes, letters or a portal",
    ):
        assert words.replace("'", "'") in card["detail"].replace("Children\\'s", "Children's"), words


async def test_a_patients_child_is_asked_about_too(fed: World) -> None:
    """What an adult ward needs: the child is on the mother's record at the council, and she agreed for him."""
    await wishes(fed, "council-system", LEO, AMINA, leave())
    card = await (await record_system(fed)).card(AMINA)
    assert "A child of this patient: Southshire" in card["detail"]
    assert "9990001014" not in json.dumps(card)
    assert "LEO" not in json.dumps(card)


@pytest.mark.parametrize("hook", HOOKS)
async def test_the_card_of_a_stranger_says_it_is_not_a_no(fed: World, hook: str) -> None:
    """It has the same parts, the desks among them, and what to ask at this moment."""
    epr = await record_system(fed)
    card, told = await epr.card(STRANGER, hook), await epr.card(await agreed(fed), hook)
    assert "not a no" in card["summary"]
    headings = re.findall(r"^\*\*(.+)\*\*$", card["detail"], re.MULTILINE)
    assert headings == re.findall(r"^\*\*(.+)\*\*$", told["detail"], re.MULTILINE)
    assert set(card) == set(told)
    assert {name: card[name] for name in ("indicator", "source", "overrideReasons", "links")} == {
        name: told[name] for name in ("indicator", "source", "overrideReasons", "links")
    }
    assert "01632 960201" in card["detail"]


# -- no leak -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", CAUSES)
async def test_every_negative_card_is_the_same(fed: World, cause: str) -> None:
    """Unknown, refused, shielded, adopted: status, headers and bytes are a stranger's, but for the id."""
    epr = await record_system(fed)
    person = await CAUSES[cause](fed)
    same_id = {"X-Request-Id": "one"}
    answers = [await epr.posts(PATH, call_body(one), **same_id) for one in (STRANGER, person)]
    assert answers[0].status_code == 200
    assert masked(answers[0]) == masked(answers[1])


async def test_a_card_leaves_on_the_beat_whatever_it_says(fed: World) -> None:
    """Known and unknown alike, never before the first beat."""
    epr = await record_system(fed)
    loop = __import__("asyncio").get_running_loop()
    for person in (await agreed(fed), STRANGER) * count(3, 20):
        begun = loop.time()
        await epr.calls(person)
        assert loop.time() - begun >= TICK - 0.001


async def test_a_duty_is_never_claimed_by_a_card(fed: World) -> None:
    """Whatever purposes the client has besides: the council's enquiry is no card, and a record known by duty alone is silent."""
    with pytest.raises(Exception, match="rest on the person's wish"):
        await record_system(fed, "council-system", purpose="safeguarding-s47")
    epr = await record_system(fed)
    await epr.card(STRANGER)
    entries = await entries_about(fed, STRANGER)
    assert entries
    assert {code["code"] for one in entries for code in one["purposeOfEvent"][0]["coding"]} == {CARE}


HOSTILE = "<script>alert(1)</script> [x](https://evil.example) ![i](https://evil.example/i.png) **b** `c` www.evil.example a@evil.example | # \u202e\nnew"


async def test_what_an_agency_wrote_is_shown_and_does_nothing(fed: World) -> None:
    """A lead professional with a hostile name and number: no HTML, no link, no image, no line of its own."""
    person = somebody(7)
    made = flag(person, "k7")
    made["contained"][0]["practitioner"]["display"] = HOSTILE
    made["contained"][0]["telecom"][0]["value"] = "01632 [1](javascript:alert(1))"
    await tells(fed, "council-system", patient(person), made)
    await wishes(fed, "council-system", person, person, leave())
    detail = (await (await record_system(fed)).card(person))["detail"]
    assert "script" in detail
    for sign in ("<", ">", "](", "![", "@", "\u202e", "`c`", "**b**", "www.", "https://evil"):
        assert sign not in detail.replace("\\`", "").replace("\\*", ""), sign
    assert not [line for line in detail.splitlines() if line and not line.startswith(("- ", "**"))]


def test_plain_text_has_no_mark_that_markdown_reads() -> None:
    """Every ASCII sign that GitHub-flavoured markdown may read stands behind a backslash or as an entity."""
    for sign in map(chr, range(33, 127)):
        shown = plain(f"a {sign} b")
        if sign in "<>&@":
            assert sign not in shown.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")
        elif not sign.isalnum() and sign not in "',":
            assert f"\\{sign}" in shown
    assert plain("a\u202eb\u0000c\nd") == "a b c d"
    assert len(plain("x" * 9999)) == 160


# -- who asks ----------------------------------------------------------------------------------------------------------


async def entries_about(world: World, person: Person) -> list[dict[str, Any]]:
    """What the asker's auditor sees of lookups about a person."""
    await world.seal()
    return await world.auditor().searches_for("AuditEvent", person, _count="100", exchange="look_up_status")


async def test_the_user_and_role_of_the_call_are_on_record(fed: World) -> None:
    """By the record system's own id; the token's word counts before the body's."""
    epr = await record_system(fed)
    await epr.card(STRANGER)
    text = json.dumps(await entries_about(fed, STRANGER))
    assert "nurse7" in text
    assert "ward-nurse" in text
    iua = {"ihe_iua": {"person_id": "cc4", "subject_role": "care-coordinator", "purpose_of_use": [CARE]}}
    token = epr.token(f"{BASE}{PATH}", extensions=iua)
    assert (await epr.posts(PATH, call_body(AMINA), token)).status_code == 200
    text = json.dumps(await entries_about(fed, AMINA))
    assert "cc4" in text
    assert "care-coordinator" in text


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ([role_of()], True),
        ([role_of("porter")], False),
        ([role_of(), role_of("care-coordinator")], False),
        ([role_of(), role_of("porter")], True),
        ([role_of(practitioner="another")], False),
        ([role_of(active=False)], False),
        ([], False),
    ],
)
async def test_a_role_counts_that_is_the_users_and_registered(fed: World, roles: list[dict[str, Any]], told: bool) -> None:
    """One that fits, of the user's own; where none or several fit nobody's role is claimed."""
    epr = await record_system(fed)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in roles]}
    await epr.card(STRANGER, prefetch={"patient": person_of(STRANGER), "roles": bundle})
    assert ("ward-nurse" in json.dumps(await entries_about(fed, STRANGER))) == told


async def test_a_user_who_is_a_role_is_its_practitioner(fed: World) -> None:
    """PractitionerRole/id with the role sent along: the same person as elsewhere, for quotas and conflicts of interest."""
    epr = await record_system(fed)
    context = {"userId": "PractitionerRole/role-1", "patientId": "pat-1"}
    prefetch = {"patient": person_of(STRANGER), "role": role_of()}
    await epr.card(STRANGER, context=context, prefetch=prefetch)
    text = json.dumps(await entries_about(fed, STRANGER))
    assert "nurse7" in text
    assert "role-1" not in text


# -- how often ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A quota of five, which tests of other things do not reach."""
    return settings.model_copy(update={"quota_persons_per_hour": 5})


async def test_a_day_costs_once_and_every_look_is_on_record(fed: World) -> None:
    """The same patient again is answered, decided and audited without another charge; the sixth patient is stopped."""
    epr = await record_system(fed)
    for _ in range(8):
        assert "not a no" in (await epr.card(STRANGER))["summary"]
    assert len(await entries_about(fed, STRANGER)) == 8
    for place in range(4):
        await epr.card(somebody(place))
    stopped = await epr.card(somebody(4))
    assert breaches(stopped) == []
    assert stopped["indicator"] == "warning"
    assert "cannot be answered now" in stopped["summary"]
    assert "01632 960201" in stopped["detail"]
    assert "not a no" in (await epr.card(STRANGER))["summary"]


DAY = 21_000 * clock.DAY  # some midnight (UTC)
WHO = Requester("trust-epr", "TMH01", frozenset(), "nurse7")


def charged_at(ctx: Any, at: int, moment: Moment) -> Any:
    """How many rows a card costs at a time."""
    charge = charge_for(ctx, WHO, "somebody", replace(moment, at=at), by_day=True)
    writes = charge.taken((yield charge.reads) if charge.reads else [])
    entry = line("charged_at", WHO, moment, Kind.SEARCH, DONE)
    return Outcome(len(writes or ()), (entry,), writes or ())


async def test_a_charge_lasts_for_its_day_whatever_the_hour(world: World) -> None:
    """A place and the day's row at nine; nothing at ten or at night, on this worker and on another; the next day again."""
    ledger, context = world.gateway.ledger, world.gateway.context
    hours = [9, 10, 10, 23]
    assert [await ledger.run_alone(charged_at, DAY + hour * clock.HOUR) for hour in hours] == [2, 0, 0, 0]
    context.counted.clear()
    assert await ledger.run_alone(charged_at, DAY + 15 * clock.HOUR) == 0
    assert await ledger.run_alone(charged_at, DAY + 33 * clock.HOUR) == 2
    charge = charge_for(context, WHO, "somebody", Moment(DAY + 9 * clock.HOUR, "", "", {}), by_day=True)
    assert charge.day[:4] == hour_mark(DAY + clock.DAY - 1)  # swept when the day is over, and not before


async def test_over_the_quota_a_known_person_and_a_stranger_are_stopped_alike(fed: World) -> None:
    """The stop rests on the request alone: the same bytes but for the id."""
    epr = await record_system(fed)
    someone = await agreed(fed)
    for place in range(5):
        await epr.card(somebody(place))
    answers = [await epr.posts(PATH, call_body(one), **{"X-Request-Id": "one"}) for one in (someone, STRANGER)]
    assert masked(answers[0]) == masked(answers[1])
    assert answers[0].json()["cards"][0]["indicator"] == "warning"


async def test_while_the_agreements_change_the_duty_numbers_are_shown(fed: World) -> None:
    """What is 503 for a lookup is a card with the numbers here."""
    epr = await record_system(fed)
    await epr.card(STRANGER)
    await fed.gateway.ledger.run_alone(put_in_force, "another version")
    stopped = await epr.card(STRANGER)
    assert stopped["indicator"] == "warning"
    assert "01632 960201" in stopped["detail"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_when_nothing_can_be_written_who_proves_its_key_gets_the_duty_numbers(fed: World) -> None:
    """Whoever proves nothing, and who was never seen before, gets 503; nobody is asked about."""
    epr = await record_system(fed)
    person = await agreed(fed)
    await epr.card(STRANGER)
    await record_system(fed, "council-system", issuer="https://council.example", purpose="child-in-need-s17")
    new = RecordSystem(fed, "council-system", "https://council.example")
    with no_room(fed.settings.database_file):
        stopped = await epr.card(person)
        lied = await epr.posts(PATH, call_body(STRANGER), epr.token("https://elsewhere.example"))
        unseen = await new.calls(STRANGER)
    assert stopped["indicator"] == "warning"
    assert "01632 960201" in stopped["detail"]
    assert "This patient" not in stopped["detail"]
    assert (lied.status_code, unseen.status_code) == (503, 503)


# -- feedback ----------------------------------------------------------------------------------------------------------

FEEDBACK_PATH = f"{PATH}/feedback"


def said(card: str, **more: Any) -> dict[str, Any]:
    """One item of feedback."""
    reason = {"reason": {"code": "already-known", "system": "https://gateway.example/fhir/CodeSystem/card-override"}}
    made = {"card": card, "outcome": "overridden", "overrideReason": {**reason, "userComment": "AMINA told me"}}
    return {"feedback": [{**made, "outcomeTimestamp": "2026-11-22T10:00:00Z", **more}]}


async def test_feedback_is_kept_once_however_often_it_is_sent(fed: World) -> None:
    """200 each time; another outcome is another row; the comment is sealed."""
    epr = await record_system(fed)
    card = (await epr.card(STRANGER))["uuid"]
    for _ in range(3):
        assert (await epr.posts(FEEDBACK_PATH, said(card))).status_code == 200
    accepted = said(card, outcome="accepted", acceptedSuggestions=[{"id": "a"}])
    del accepted["feedback"][0]["overrideReason"]
    assert (await epr.posts(FEEDBACK_PATH, accepted)).status_code == 200
    (rows,) = await fed.gateway.ledger.read([Read(FEEDBACK, {"client_id": "trust-epr"})])
    assert sorted((client, named, outcome) for client, named, outcome, *_ in rows) == [
        ("trust-epr", card, "accepted"),
        ("trust-epr", card, "overridden"),
    ]
    assert not any(b"AMINA" in row[4] for row in rows)


async def test_feedback_can_be_opened_by_its_key(fed: World) -> None:
    """What was sealed is what was said."""
    from sqlalchemy import select

    from gateway.store.sql import Statement
    from gateway.store.tables import card_feedback

    epr = await record_system(fed)
    await epr.posts(FEEDBACK_PATH, said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5"))
    stored = Statement(select(card_feedback.c.id, card_feedback.c.body))
    ((row,),) = await fed.gateway.ledger.read([Read(stored)])
    opened = open_sealed(fed.gateway.context.vault.shelf("feedback/TMH01"), bytes(row[1]), bytes(row[0]).hex())
    assert json.loads(opened)["overrideReason"]["userComment"] == "AMINA told me"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"feedback": []},
        said("no-uuid"),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", outcome="ignored"),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", outcome=["accepted"]),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", outcomeTimestamp="yesterday"),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", outcomeTimestamp="2026-11-22T10:00:00"),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", outcome="accepted", acceptedSuggestions="all"),
        said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5", overrideReason="because"),
    ],
)
async def test_feedback_that_is_none_is_refused_with_its_place(fed: World, broken: dict[str, Any]) -> None:
    """400, and nothing of it is kept."""
    epr = await record_system(fed)
    answer = await epr.posts(FEEDBACK_PATH, broken)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"]
    ((*rows,),) = await fed.gateway.ledger.read([Read(FEEDBACK, {"client_id": "trust-epr"})])
    assert rows == []


async def test_a_token_for_a_card_is_none_for_feedback(fed: World) -> None:
    """The audience is the address that is called, to the letter."""
    epr = await record_system(fed)
    answer = await epr.posts(FEEDBACK_PATH, said("6e2a7a4e-6a4d-4a6e-9f29-3c8dd1c3f4a5"), epr.token(f"{BASE}{PATH}"))
    assert answer.status_code == 401
