"""What may be shared with whom, and why: asked before a decision, about nobody, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.demo.people import AGENCIES, AMINA, COUNCIL, SCHOOL_NURSING, TRUST, VOLUNTARY
from gateway.disclosure.requester import Requester
from gateway.exchanges.lookup.check_share import ShareAnswer, ShareRequest, check_share
from gateway.fhir import systems
from gateway.store import clock
from gateway.store.ledger import Feed, Moment
from tests.data.edge import count_rows, exchange, is_valid, log_of, outcome, reference, without_log
from tests.world import At, World, part

LAW = "Children Act 2004 section 16LA"


def question(purpose: str, *classes: str, receiver: str = "", **more: str) -> dict[str, Any]:
    """Parameters of a check."""
    parameters: list[dict[str, Any]] = [
        {"name": "purpose", "valueCoding": {"system": systems.code_system("purpose"), "code": purpose}}
    ]
    parameters += [{"name": "class", "valueCode": code} for code in classes]
    if receiver:
        parameters.append({"name": "receiver", "valueIdentifier": {"system": systems.ODS_CODE, "value": receiver}})
    parameters += [{"name": name, "valueCode": code} for name, code in more.items()]
    return {"resourceType": "Parameters", "parameter": parameters}


async def checks(at: At, *asked: str, **more: str) -> dict[str, Any]:
    """The Parameters of an answered check."""
    answer = await at.post("/fhir/$check-share", question(*asked, **more))
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    return answer.json()


def codes(parts: dict[str, Any] | list[dict[str, Any]], name: str) -> list[str]:
    """The codes of the parts of a name."""
    listed = parts["parameter"] if isinstance(parts, dict) else parts
    return [one.get("valueCode") or one["valueCodeableConcept"]["coding"][0]["code"] for one in listed if one["name"] == name]


def told(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the caller may be told, by organisation."""
    found = [one["part"] for one in answer["parameter"] if one["name"] == "told"]
    return {part(one, "organization")["identifier"]["value"]: one for one in found}


async def test_a_nurse_asks_what_the_trust_may_tell_the_council_in_an_enquiry(world: World) -> None:
    """Up to whom to ring, on section 47, only to a social worker, with the duty to consider telling the person named."""
    answer = await checks(world.ward(), "safeguarding-s47", receiver=COUNCIL)
    assert part(answer, "may") is True
    assert part(answer, "tier") == 2
    assert codes(answer, "class") == ["existence", "status", "contact", "relative-identity", "marker"]
    assert codes(answer, "basis") == ["CA1989-s47"]
    assert codes(answer, "obligation") == ["tell-only-this-person", "review-by"]
    assert codes(answer, "role") == ["social-worker"]
    words = part(answer, "explanation")
    for said in (
        "Children Act 1989 section 47",
        "Southshire Council",
        "social worker",
        "only that person",
        "case reference",
        "Caldicott Guardian",
    ):
        assert said in words
    assert part(answer, "policy") == world.gateway.context.agreements.version


async def test_a_wish_purpose_is_said_to_need_the_persons_agreement(world: World) -> None:
    """And in the other direction the council tells the ward, on the person's wish."""
    answer = await checks(world.ward(), "amh-care-planning", receiver=COUNCIL)
    assert part(answer, "may") is False
    heard = told(answer)[COUNCIL]
    assert part(heard, "may") is True
    assert codes(heard, "basis") == ["person-wish"]
    assert "if the person has agreed" in part(heard, "explanation")
    assert "the same as for somebody who is not known" in part(heard, "explanation")


async def test_without_a_receiver_it_is_the_caller_who_would_hear(world: World) -> None:
    """Who may tell the social worker, and how much of it in all."""
    answer = await checks(world.social_worker(), "duty-to-share-16la")
    assert (part(answer, "may"), part(answer, "tier")) == (True, 3)
    assert set(told(answer)) == {TRUST}
    assert "Northmoor Mental Health NHS Trust" in part(answer, "explanation")
    words = part(told(answer)[TRUST], "explanation")
    assert LAW in words and "in force since 30 September 2026" in words
    assert "the judgement of who holds the information" in words
    nobody = await checks(world.as_("school-nursing-system", "sn1", "school-nurse", "early-help"), "early-help")
    assert part(nobody, "may") is False
    assert not told(nobody)
    assert "no organisation shares" in part(nobody, "explanation")


async def test_a_purpose_that_the_token_does_not_carry_lets_the_caller_hear_nothing(world: World) -> None:
    """The other direction is the receiver's own."""
    answer = await checks(world.ward(), "duty-to-share-16la", receiver=COUNCIL)
    assert part(answer, "may") is True
    assert part(told(answer)[COUNCIL], "may") is False


async def test_a_class_of_data_is_judged_by_itself(world: World) -> None:
    """Whom to ring may be told, details may not, and an address never."""
    ward = world.ward()
    contact = await checks(ward, "safeguarding-s47", "contact", receiver=COUNCIL)
    assert (part(contact, "tier"), codes(contact, "class")) == (2, ["contact"])
    detail = await checks(ward, "safeguarding-s47", "detail", receiver=COUNCIL)
    assert part(detail, "may") is False
    address = await checks(ward, "safeguarding-s47", "address", receiver=COUNCIL)
    assert part(address, "may") is False
    assert "never shares where a person lives" in part(address, "explanation")


async def test_a_yes_to_a_part_of_the_question_says_what_it_is_not_for(world: World) -> None:
    """Whom to ring may be told; the explanation names the details that were not agreed, and the address that nobody hears."""
    answer = await checks(world.ward(), "safeguarding-s47", "contact", "detail", "address", receiver=COUNCIL)
    assert (part(answer, "may"), codes(answer, "class")) == (True, ["contact"])
    words = part(answer, "explanation")
    assert "never shares where a person lives, with anybody" in words
    assert "has not agreed to tell Southshire Council Children's Services what the involvement is, by name for this" in words
    alone = part(await checks(world.ward(), "safeguarding-s47", "contact", receiver=COUNCIL), "explanation")
    assert "never shares" not in alone and "has not agreed" not in alone


async def test_a_kind_of_agency_and_a_role_may_be_named(world: World) -> None:
    """Any voluntary service may hear for early help; a council's clerk may not in an enquiry."""
    answer = await checks(world.ward(), "early-help", receiverKind="voluntary")
    assert part(answer, "may") is True
    assert "the voluntary service" in part(answer, "explanation")
    clerk = await checks(world.ward(), "safeguarding-s47", receiver=COUNCIL, receiverRole="clerk")
    assert part(clerk, "may") is False
    assert "social worker" in part(clerk, "explanation")
    nurses = await checks(world.ward(), "early-help", receiver=SCHOOL_NURSING)
    assert part(nurses, "may") is False


async def test_the_safeguarding_lead_is_shown_where_the_agency_has_one(world: World) -> None:
    """With the words that send people there; else to whom the organisation has."""
    without = await checks(world.ward(), "early-help", receiver=VOLUNTARY)
    assert part(without, "advice") is None
    assert "Caldicott Guardian" in part(without, "explanation")
    feed = Feed(
        "X1",
        "A Trust",
        "adult-mental-health",
        '{"desks": [{"kind": "safeguarding-lead", "name": "Lead", "phone": "1"}]}',
        True,
        "2020-01-01",
        None,
        48,
        1,
    )
    answer = play(world, ShareRequest(Requester("c", "X1", frozenset()), "early-help"), feed)
    assert [desk["code"][0]["text"] for desk in answer.desks] == ["Lead"]
    assert "safeguarding lead shown here" in answer.asked.explanation


def play(world: World, ask: ShareRequest, *more: Feed, on: datetime | None = None) -> ShareAnswer:
    """The exchange on a day of one's own choosing."""
    ctx = world.gateway.context
    feeds = {one.code: Feed(one.code, one.name, one.kind, '{"desks": []}', True, "2020-01-01", None, 48, 1) for one in AGENCIES}
    at = clock.micros(on or datetime(2026, 11, 21, tzinfo=UTC))
    story = check_share(ctx, ask, Moment(at, ctx.agreements.version, "", {**feeds, **{one.code: one for one in more}}))
    with pytest.raises(StopIteration) as done:
        next(story)
    answer: ShareAnswer = done.value.value.answer
    return answer


async def test_a_duty_that_is_not_in_force_is_said_in_words(world: World) -> None:
    """The day before its law begins nothing is shared by it, and the words send to other law and the desk."""
    ask = ShareRequest(Requester("c", TRUST, frozenset()), "duty-to-share-16la", receiver=COUNCIL)
    before = play(world, ask, on=datetime(2026, 9, 29, 23, 59, tzinfo=UTC)).asked
    assert (before.may, before.reason) == (False, "duty-not-in-force")
    assert LAW in before.explanation
    assert "not in force before 30 September 2026" in before.explanation
    assert play(world, ask, on=datetime(2026, 9, 30, tzinfo=UTC)).asked.may


async def test_it_touches_no_person_and_takes_none(fed: World) -> None:
    """A person is refused with 422; a check reads and writes nothing but its line in the log."""
    ward = fed.ward()
    await ward.headers()
    before = without_log(await count_rows(fed))
    sent = question("early-help", receiver=VOLUNTARY)
    for name, value in (("person", {"resource": {"resourceType": "Patient"}}), ("subject", {"valueReference": reference(AMINA)})):
        asked = {**sent, "parameter": [*sent["parameter"], {"name": name, **value}]}
        outcome(await ward.post("/fhir/$check-share", asked), 422)
    await checks(ward, "early-help", receiver=VOLUNTARY)
    assert without_log(await count_rows(fed)) == before


async def test_a_check_is_on_record_with_what_was_asked(world: World) -> None:
    """For the asking organisation's auditor: who, for which purpose, about which receiver, what came of it."""
    await checks(world.ward(), "safeguarding-s47", "contact", receiver=COUNCIL)
    (event,) = await log_of(world.auditor("trust"), exchange="check_share")
    assert exchange(event) == "check_share"
    assert is_valid(event)
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "safeguarding-s47"
    facts = {one["type"]: one["valueString"] for entity in event["entity"] for one in entity.get("detail", ())}
    assert facts["receiver"] == COUNCIL
    assert facts["may"] == "yes"
    assert not await log_of(world.auditor("council"), exchange="check_share")


@pytest.mark.parametrize(
    "sent",
    [
        question("tea-time"),
        question("early-help", "horoscope"),
        question("early-help", receiver="NOBODY"),
        question("early-help", receiverKind="martians"),
        question("early-help", receiver=COUNCIL, receiverKind="voluntary"),
        question("early-help", receiverRole="A B"),
        {"resourceType": "Parameters", "parameter": []},
        {"resourceType": "Parameters", "parameter": [{"name": "class", "valueCode": "contact"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "purpose"}]},
        {"resourceType": "Bundle"},
        [],
    ],
)
async def test_what_cannot_be_asked_is_refused_with_its_place(world: World, sent: Any) -> None:
    """422 that names the part; codes that are not known are no different from none."""
    (issue,) = outcome(await world.ward().post("/fhir/$check-share", sent), 422)
    assert issue["expression"]


async def test_it_needs_its_scope(world: World) -> None:
    """A token for something else does not open it."""
    outcome(await world.auditor().post("/fhir/$check-share", question("early-help")), 403)
