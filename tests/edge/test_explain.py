"""Why was this shared then, or not: an auditor reads what decided it, in plain English, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, TRUST
from gateway.disclosure.agreements import compile_agreements, documents_in
from tests.data.edge import exchange, is_valid, log_of, outcome
from tests.world import At, World, part, put_in_force

CARE, ENQUIRY = "amh-care-planning", "safeguarding-s47"


def of_event(identifier: str) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "event", "valueId": identifier}]}


def of_disclosure(identifier: str, day: str = "") -> dict[str, Any]:
    dated = [{"name": "date", "valueDate": day}] if day else []
    return {"resourceType": "Parameters", "parameter": [{"name": "disclosure", "valueId": identifier}, *dated]}


async def explains(at: At, asked: dict[str, Any]) -> dict[str, Any]:
    """The Parameters of an explanation."""
    answer = await at.post("/fhir/AuditEvent/$explain", asked)
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    return answer.json()


def words(found: dict[str, Any]) -> str:
    return "\n".join(one["valueString"] for one in found["parameter"] if one["name"] == "explanation")


def refusal(found: dict[str, Any]) -> str:
    concept = part(found, "refusal")
    return str(concept["coding"][0]["code"]) if concept else ""


def again(found: dict[str, Any]) -> tuple[str, list[str]]:
    parts = part(found, "again")
    return part(parts, "result"), [one["valueCode"] for one in parts if one["name"] == "gone"]


async def agreed(council: At, *, only_inpatient: bool = False) -> dict[str, Any]:
    """The mother lets the ward hear of her child."""
    rules = [people.permit(TRUST, CARE, "existence", "status", "contact", "relative-identity")]
    made = people.consent(LEO, AMINA, rules, agency=COUNCIL, when="2026-01-01", only_inpatient=only_inpatient)
    answer = await council.post("/fhir/Consent", made)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_disclosure_on_a_wish_is_explained_with_the_wish_as_it_stood(fed: World) -> None:
    """Who, what for, on which line of which file, on which words; the same again, even after she took them back."""
    council = fed.as_("council-system")
    consent = await agreed(council)
    answer = await fed.ward().hears(AMINA, CARE, "children")
    asked = of_disclosure(part(answer, "disclosure"))
    body = {name: value for name, value in consent.items() if name != "meta"}
    gone = await council.put(f"/fhir/Consent/{consent['id']}", {**body, "status": "inactive"}, 'W/"1"')
    assert gone.status_code == 200, gone.text
    found = await explains(fed.auditor("council"), asked)
    assert (part(found, "view"), part(found, "outcome")) == ("holder", "disclosed")
    assert part(part(found, "line"), "place").startswith("southshire-council.toml:")
    assert part(part(found, "line"), "tier") == 2
    wish = part(found, "consent")
    assert part(wish, "reference") == f"Consent/{consent['id']}/_history/1"
    assert "Somebody who decides for Leo has agreed that Northmoor Mental Health NHS Trust may be told that" in part(
        wish, "plain"
    )
    for said in (
        "Northmoor Mental Health NHS Trust asked by its user nurse7 in the role of ward nurse",
        "on the basis person-wish",
        "in force still",
        "as it stood then, said:",
        "it comes out the same",
    ):
        assert said in words(found)
    assert again(found) == ("same", [])


async def test_while_in_hospital_is_decided_again_as_of_then(fed: World) -> None:
    """She has been discharged since; then she was in, and it comes out as it did."""
    council, trust = fed.as_("council-system"), fed.as_("trust-epr")
    await agreed(council, only_inpatient=True)
    heard = await fed.ward().hears(AMINA, CARE, "children")
    assert part(heard, "basis")
    await trust.sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
    after = await fed.ward().hears(AMINA, CARE, "children")
    auditor = fed.auditor("council")
    assert again(await explains(auditor, of_disclosure(part(heard, "disclosure")))) == ("same", [])
    refused = await explains(auditor, of_disclosure(part(after, "disclosure")))
    assert (part(refused, "outcome"), refusal(refused)) == ("nothing", "wish-condition-not-met")
    assert "such as a stay in hospital" in words(refused)
    assert again(refused) == ("same", [])


async def test_a_refusal_for_want_of_a_wish_is_explained(fed: World) -> None:
    """No wish on file; the line would have let it."""
    answer = await fed.ward().hears(AMINA, CARE, "children")
    found = await explains(fed.auditor("council"), of_disclosure(part(answer, "disclosure")))
    assert refusal(found) == "wish-missing"
    assert "nobody who may decide it had agreed" in words(found)
    assert "No wish of the person was on file" in words(found)
    assert again(found) == ("same", [])


async def test_a_duty_is_explained_by_the_line_and_its_reason(fed: World) -> None:
    """With the day when it was given, however far back."""
    answer = await fed.social_worker().hears(AMINA, ENQUIRY, case="C-1")
    day = part(answer, "asOf")[:10]
    found = await explains(fed.auditor("trust"), of_disclosure(part(answer, "disclosure"), day))
    assert "The council's enquiry needs to know whether we are involved" in words(found)
    assert part(part(found, "line"), "basis")["coding"][0]["code"] == "CA1989-s47"
    assert again(found) == ("same", [])


async def test_the_requesters_auditor_is_told_what_follows_from_the_request(fed: World) -> None:
    """The same words, whether something left or not; nothing of policy, wishes or reasons."""
    await agreed(fed.as_("council-system"))
    heard = await fed.ward().hears(AMINA, CARE, "children")
    not_heard = await fed.ward().hears(people.BETH, CARE, "children")
    found = [await explains(fed.auditor("trust"), of_disclosure(part(one, "disclosure"))) for one in (heard, not_heard)]
    for one in found:
        assert {each["name"] for each in one["parameter"]} == {"event", "view", "outcome", "purpose", "explanation"}
        assert (part(one, "view"), part(one, "outcome")) == ("requester", "elsewhere")
    assert len({words(one).partition(", ")[2] for one in found}) == 1


async def other_agreements(world: World) -> None:
    """The same agreements with a line more to read: another version."""
    ctx, folder = world.gateway.context, world.settings.agreements
    documents = [(name, text + b"\n# read again in spring\n") for name, text in documents_in(folder)]
    ctx.agreements.become(compile_agreements(documents, ctx.purposes))
    await world.gateway.ledger.run_alone(put_in_force, ctx.agreements.version)
    world.tokens.clear()


async def test_what_was_not_decided_by_versions_says_what_is_gone(fed: World) -> None:
    """A record that came in is no decision; a stranger is a state that is not kept; older agreements are not in force."""
    auditor = fed.auditor("council")
    written = next(one for one in await log_of(auditor) if exchange(one) == "receive_record")
    found = await explains(auditor, of_event(written["id"]))
    assert (part(found, "outcome"), again(found)) == ("done", ("not-possible", ["not-a-decision"]))
    answer = await fed.ward().hears(people.STRANGER, CARE)
    found = await explains(auditor, of_disclosure(part(answer, "disclosure")))
    assert refusal(found) == "not-known"
    assert again(found) == ("not-possible", ["state"])
    known = await fed.social_worker().hears(AMINA, ENQUIRY, case="C-1")
    await other_agreements(fed)
    found = await explains(fed.auditor("trust"), of_disclosure(part(known, "disclosure")))
    assert part(found, "policyInForce") is False
    assert part(found, "line") is None
    assert again(found) == ("not-possible", ["policy"])
    assert "not in force any more" in words(found)


async def test_a_consent_of_another_organisation_is_named_and_not_told(fed: World) -> None:
    """What the trust wrote down of the mother's wish is for the trust to tell."""
    rules = [people.permit(TRUST, CARE, "existence", "contact", "relative-identity")]
    made = people.consent(LEO, AMINA, rules, agency="THV01", when="2026-01-01")
    written = await fed.as_("trust-epr").post("/fhir/Consent", made)
    assert written.status_code == 201
    answer = await fed.ward().hears(AMINA, CARE, "children")
    found = await explains(fed.auditor("council"), of_disclosure(part(answer, "disclosure")))
    assert f"Consent/{written.json()['id']}/_history/1 is held by another organisation" in words(found)
    assert "may be told" not in words(found)
    assert again(found) == ("same", [])


async def test_to_ask_for_an_explanation_is_on_record(fed: World) -> None:
    """Who asked, about which entry, of whom; also where there was none."""
    answer = await fed.social_worker().hears(AMINA, ENQUIRY, case="C-1")
    trust = fed.auditor("trust")
    found = await explains(trust, of_disclosure(part(answer, "disclosure")))
    outcome(await trust.post("/fhir/AuditEvent/$explain", of_event("nothing")), 404)
    events = await log_of(trust, exchange="explain_decision")
    assert sorted(one["outcome"] for one in events) == ["0", "4"]
    assert all(is_valid(one) for one in events)
    assert part(found, "event") in json.dumps(events)


async def test_others_entries_are_not_there(fed: World) -> None:
    """The same 404 for an entry of another agency and for none."""
    event = (await log_of(fed.auditor("council"), exchange="receive_record"))[0]
    answers = [await fed.auditor("trust").post("/fhir/AuditEvent/$explain", of_event(one)) for one in (event["id"], "nothing")]
    for one in answers:
        outcome(one, 404)
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    "sent",
    [
        {"resourceType": "Parameters", "parameter": []},
        {"resourceType": "Parameters", "parameter": [{"name": "date", "valueDate": "2026-01-01"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "event", "valueId": "a"}, {"name": "disclosure", "valueId": "b"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "event", "valueInteger": 1}]},
        {"resourceType": "Parameters", "parameter": [{"name": "person", "valueId": "a"}]},
    ],
)
async def test_one_entry_is_named(world: World, sent: dict[str, Any]) -> None:
    """422 for none, for two, and for something else."""
    outcome(await world.auditor().post("/fhir/AuditEvent/$explain", sent), 422)


async def test_it_is_for_auditors(world: World) -> None:
    """The scope of a search of the log."""
    outcome(await world.ward().post("/fhir/AuditEvent/$explain", of_event("a")), 403)


async def test_a_notice_is_explained_without_being_decided_again(fed: World) -> None:
    """It left, and what it was decided on is said not to be kept by itself."""
    told = people.subscription(
        AMINA, "admitted", "http://127.0.0.1:9/fhir", "duty-to-share-16la", case="C-1", reason="Plan of the child"
    )
    answer = await fed.social_worker().post("/fhir/Subscription", told)
    assert answer.status_code == 201, answer.text
    await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", AMINA, "M1", visit="V9"))
    await fed.settle(3)
    events = [one for one in await log_of(fed.auditor("trust")) if exchange(one) in ("lease_notice", "settle_notice")]
    assert events
    for event in events:
        found = await explains(fed.auditor("trust"), of_event(event["id"]))
        assert again(found) == ("not-possible", ["decided-otherwise"])
        assert part(found, "outcome") in ("disclosed", "undelivered", "nothing", "done")
