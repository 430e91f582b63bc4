"""The access log through the API: who finds what, in which words, and that nothing is missing from it."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, RUBY, STRANGER, TRUST
from gateway.exchanges import administer
from gateway.exchanges.log.search_audit import AuditQuery, render, statement_of
from gateway.fhir import systems
from tests.data.edge import exchange, flag, is_valid, log_of, message, outcome, plain
from tests.world import At, World

PATH = "/fhir/AuditEvent"


def named(person: people.Person) -> str:
    return f"{systems.NHS_NUMBER}|{person.nhs}"


def refusal(event: dict[str, Any]) -> str:
    return next((one["code"] for one in event["subtype"] if one["system"].endswith("/refusal-reason")), "")


async def test_a_search_by_person_agent_date_outcome_exchange_and_organisation(fed: World) -> None:
    """Each narrows; together they are joined by and; what does not fit is 400."""
    await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1")
    await fed.ward().asks(AMINA, "amh-care-planning", "children")
    auditor = fed.auditor("trust")
    lookups = await log_of(auditor, patient__identifier=named(AMINA), exchange="look_up_status")
    assert lookups
    assert all(AMINA.nhs in json.dumps(one) for one in lookups)
    by_worker = await log_of(auditor, agent=f"{COUNCIL}|sw22")
    assert {exchange(one) for one in by_worker} == {"look_up_status"}
    mine = await log_of(auditor, agent="nurse7")
    assert mine
    assert not {one["id"] for one in mine} & {one["id"] for one in by_worker}
    assert {one["id"] for one in await log_of(auditor, organization=f"{systems.ODS_CODE}|{COUNCIL}")} >= {
        one["id"] for one in by_worker
    }
    assert {one["outcome"] for one in await log_of(auditor, outcome="0")} == {"0"}
    assert {one["outcome"] for one in await log_of(fed.auditor("council"), outcome="4")} == {"4"}
    assert await log_of(auditor, date="ge2020-01-01", exchange="look_up_status")
    assert not await log_of(auditor, date="lt2020-01-01")
    assert not await log_of(auditor, patient__identifier=named(STRANGER), exchange="look_up_status")
    for form in (
        {"outcome": "9"},
        {"date": "soon"},
        {"patient__identifier": AMINA.nhs},
        {"_sort": "patient"},
        {"_count": "0"},
        {"_cursor": "x"},
    ):
        outcome(await auditor.searches("AuditEvent", **form), 400)
    outcome(await auditor.get(f"{PATH}?agent=sw22"), 400)


async def test_an_entry_is_read_by_its_id_by_those_who_may_see_it(fed: World) -> None:
    """The same resource as in a search; another agency's entry and none at all are the same 404."""
    await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1")
    (event,) = await log_of(fed.auditor("trust"), agent=f"{COUNCIL}|sw22")
    assert (await fed.auditor("trust").get(f"{PATH}/{event['id']}")).json() == event
    own = (await log_of(fed.auditor("trust"), exchange="receive_record"))[0]
    hidden = [await fed.auditor("council").get(f"{PATH}/{one}") for one in (own["id"], "0" * 32, "a")]
    for answer in hidden:
        outcome(answer, 404)
    assert len({answer.content for answer in hidden}) == 1


async def test_pages_are_stable_while_others_write(world: World) -> None:
    """Newest first, each entry once; what is written meanwhile does not shift the pages."""
    council, auditor = world.as_("council-system"), world.auditor("council")
    for number in range(12):
        await council.get(f"/fhir/Flag/x{number}")
    answer = await auditor.searches("AuditEvent", exchange="read_resource", _count="5")
    seen: list[str] = []
    while True:
        bundle = answer.json()
        assert is_valid(bundle)
        assert "total" not in bundle
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        await asyncio.gather(*(council.get("/fhir/Flag/y") for _ in range(4)))
        split = urlsplit(following[0])
        answer = await auditor.get(f"{split.path}?{split.query}")
    assert len(seen) == len(set(seen)) == 12


async def test_the_next_link_of_a_search_for_a_person_names_nobody(fed: World) -> None:
    """Followed by GET it goes on with the same person; its address holds no number."""
    auditor = fed.auditor("council")
    first = (await auditor.searches("AuditEvent", patient__identifier=named(LEO), _count="1")).json()
    split = urlsplit(next(link["url"] for link in first["link"] if link["relation"] == "next"))
    assert LEO.nhs not in json.dumps(first["link"])
    second = (await auditor.get(f"{split.path}?{split.query}")).json()
    assert LEO.nhs in json.dumps(second["entry"])
    assert second["entry"][0]["resource"]["id"] != first["entry"][0]["resource"]["id"]
    outcome(await fed.auditor("trust").get(f"{split.path}?{split.query}"), 400)


async def test_the_holder_sees_people_and_reasons_and_the_asker_what_it_asked(fed: World) -> None:
    """A refused lookup: the cause stands in the holder's view; the asker's says that it asked, and no more."""
    nurse = fed.ward()
    await nurse.asks(LEO, "amh-care-planning")
    (held,) = [one for one in await log_of(fed.auditor("council"), agent=f"{TRUST}|nurse7") if exchange(one) == "look_up_status"]
    assert (held["outcome"], refusal(held)) == ("4", "wish-missing")
    assert LEO.nhs in json.dumps(held)
    (asked,) = await log_of(fed.auditor("trust"), agent="nurse7", exchange="look_up_status")
    assert (asked["outcome"], refusal(asked)) == ("0", "")
    assert COUNCIL not in json.dumps(asked)


@pytest.mark.parametrize(
    ("at", "purpose", "people_asked"),
    [
        (("trust-epr", "nurse7", "ward-nurse", "amh-care-planning"), "amh-care-planning", (LEO, STRANGER, BETH)),
        (("council-system", "sw22", "social-worker", "safeguarding-s47"), "safeguarding-s47", (AMINA, STRANGER, BETH)),
        (("school-nursing-system", "sn1", "school-nurse", "early-help"), "early-help", (LEO, STRANGER)),
    ],
    ids=["wish", "duty", "no agreement"],
)
async def test_the_askers_own_view_is_the_same_whatever_was_answered(
    fed: World, at: Any, purpose: str, people_asked: Any
) -> None:
    """One entry for each question, the same bytes but ids, times and who was asked about."""
    asker = fed.as_(*at)
    council = fed.as_("council-system")
    wish = people.consent(
        LEO, AMINA, [people.permit(TRUST, purpose, "existence", "status", "contact")], agency=COUNCIL, when="2026-01-01"
    )
    assert (await council.post("/fhir/Consent", wish)).status_code == 201
    answers = [await asker.asks(person, purpose, case="C") for person in people_asked]
    assert {answer.status_code for answer in answers} == {200}
    rows = await _visible(fed, asker)
    assert len(rows) == len(people_asked)
    shown = {plain(json.dumps(one, sort_keys=True).encode()) for one in rows}
    assert len(shown) == 1


async def _visible(world: World, asker: At) -> list[dict[str, Any]]:
    """The lookups of an asker as its own auditor's search would render them."""
    from gateway.disclosure.requester import Requester
    from gateway.exchanges.log.search_audit import open_entry

    agency = next(one.agency for one in people.CLIENTS if one.id == asker.client_id)
    query = AuditQuery(Requester("auditor", agency, frozenset()), exchange="look_up_status", agent=asker.user)
    context = world.gateway.context
    (rows,) = await world.gateway.ledger.read([statement_of(context, query)])
    entries = [open_entry(context, row) for row in rows]
    return [render(context, agency, entry, {}) for entry in entries if entry.custodian != agency]


async def test_nobody_sees_entries_between_other_agencies(fed: World) -> None:
    """The council's lookups at the trust: the council's and the trust's auditors find them, nobody else's entry shows."""
    await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1")
    await fed.as_("health-visiting-system", "hv1", "health-visitor", "early-help").asks(RUBY, "early-help")
    for agency, code in (("trust", TRUST), ("council", COUNCIL)):
        for event in await log_of(fed.auditor(agency)):
            codes = {
                agent["who"]["identifier"]["value"] for agent in event["agent"] if agent["who"].get("type") == "Organization"
            }
            assert code in codes, event
    trusts = json.dumps(await log_of(fed.auditor("trust")))
    assert "health-visiting-system" not in trusts


@pytest.mark.parametrize(
    "form", [{"outcome": "0"}, {"outcome": "4"}, {"outcome": "8"}, {"organization": COUNCIL}, {"organization": TRUST}, {}]
)
async def test_no_criterion_tells_the_asker_what_was_answered(fed: World, form: dict[str, str]) -> None:
    """Searched by outcome or organisation, a refused question and one about a stranger are found alike, or not at all."""
    nurse = fed.ward()
    for person in (LEO, STRANGER):
        await nurse.asks(person, "amh-care-planning")
    found = [
        [
            plain(json.dumps(one, sort_keys=True).encode())
            for one in await log_of(
                fed.auditor("trust"), agent="nurse7", exchange="look_up_status", patient__identifier=named(person), **form
            )
        ]
        for person in (LEO, STRANGER)
    ]
    assert found[0] == found[1]
    assert len(found[0]) == (form in ({"outcome": "0"}, {"organization": TRUST}, {}))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nobody_writes_to_the_log(world: World, method: str) -> None:
    """405, whoever asks, and the log is as it was but for what was done to ask."""
    event = {"resourceType": "AuditEvent"}
    for path in (PATH, f"{PATH}/abc"):
        answer = await world.client.request(method, path, json=event, headers=await world.auditor().headers())
        outcome(answer, 405)


async def test_a_look_at_the_log_is_in_the_log(world: World) -> None:
    """The search itself, by whom and for whom, before its answer; a read too."""
    auditor = world.auditor("council")
    first = await log_of(auditor, patient__identifier=named(LEO))
    assert [exchange(one) for one in first] == ["search_audit"]
    await auditor.get(f"{PATH}/abc")
    searches = await log_of(auditor, exchange="search_audit")
    assert len(searches) == 3
    asked = {base64.b64decode(entity["query"]).decode() for one in searches for entity in one["entity"] if "query" in entity}
    assert asked == {"patient", "id", "exchange"}
    assert all("aud1" in json.dumps(one) for one in searches)
    outcome(await world.as_("council-system").get(PATH), 403)


async def test_every_exchange_of_a_story_left_its_entry_and_each_is_valid(fed: World) -> None:
    """Lookups answered, refused and of strangers, records, messages, tokens good and bad, reads, searches, subscriptions,
    administration, malformed requests: one for each at least, as R4 has it."""
    worker, council, nurse, coordinator = fed.social_worker(), fed.as_("council-system"), fed.ward(), fed.coordinator()
    await worker.asks(AMINA, "safeguarding-s47", case="C-1")
    await worker.asks(STRANGER, "safeguarding-s47", case="C-1")
    await nurse.asks(BETH, "amh-care-planning", "children")
    await nurse.asks(AMINA, "safeguarding-s47")
    made = (await council.post("/fhir/Flag", flag(LEO))).json()
    await council.put(f"/fhir/Flag/{made['id']}", flag(LEO, status="entered-in-error"), 'W/"1"')
    await council.get(f"/fhir/Flag/{made['id']}")
    await council.searches_for("Flag", LEO)
    await council.post("/fhir/$process-message", message(flag(LEO, "cp-plan")))
    wanted = people.subscription(LEO, "known-status-changed", "https://t.example/f", "duty-to-share-16la", case="R", reason="x")
    subscription = (await coordinator.post("/fhir/Subscription", wanted)).json()
    await council.sends("dfe-csc-api", people.children(enquiry=True, plan=True))
    await fed.settle()
    path = f"/fhir/Subscription/{subscription['id']}"
    for use in (
        coordinator.get(path),
        coordinator.get("/fhir/Subscription"),
        coordinator.get(f"{path}/$events"),
        coordinator.delete(path),
    ):
        await use
    await council.post("/fhir/Flag", "{")
    await fed.token_answer(fed.sign("council-system", role="ward-nurse"), "system/Flag.rs")
    await fed.gateway.ledger.run_alone(administer.revoke_client, "school-nursing-system")
    await council.get("/fhir/Flag")
    fed.tokens.clear()
    events = [one for agency in ("council", "trust") for one in await log_of(fed.auditor(agency))]
    found = {(exchange(one), one["outcome"]) for one in events}
    assert found >= {
        ("look_up_status", "0"), ("look_up_status", "4"), ("receive_record", "0"), ("receive_message", "0"), ("issue_token", "0"),
        ("issue_token", "4"), ("read_resource", "0"), ("search_resources", "0"), ("write_resource", "0"), ("subscribe", "0"),
        ("read_subscription", "0"), ("list_subscriptions", "0"), ("replay_events", "0"), ("end_subscription", "0"),
        ("lease_notice", "0"), ("record_refusal", "4"), ("search_audit", "0"), ("add_agency", "0"), ("add_client", "0"),
    }, found  # fmt: skip
    assert "settle_notice" in {name for name, _ in found}
    assert all(is_valid(one) for one in events)
    assert len(events) > 40
