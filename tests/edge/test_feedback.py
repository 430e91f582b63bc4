"""What receivers make of notices: acknowledged by message and without, overdue by the clock, seen by both sides."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, TRUST
from gateway.disclosure.requester import Requester
from gateway.exchanges.notices.lease_notice import NotDue
from gateway.exchanges.notices.raise_overdue import Late, raise_overdue
from gateway.exchanges.wishes.shield import ShieldRequest, set_shield
from gateway.fhir import resources, systems
from gateway.follow_up import raise_all
from gateway.notification.answers import ACKNOWLEDGEMENTS
from gateway.store.clock import HOUR
from tests.data.edge import exchange, log_of, message, outcome, plain
from tests.edge.desks import Behaviour, Desk, desk, subscribe
from tests.edge.durable import ask, change
from tests.world import At, World

CASE = {"case": "SW-7", "reason": "The children's plan"}


async def told(world: World, url: str | None) -> str:
    """The council is told of an admission, by message or, without an endpoint, in its inbox; the notice's id."""
    wanted = people.subscription(AMINA, "admitted", url or "", "duty-to-share-16la", **CASE)
    if url is None:
        del wanted["channel"]["endpoint"]
    await subscribe(world.social_worker(), wanted)
    await world.feed()
    await world.settle()
    ((notice,),) = ask(world.settings, "SELECT id FROM outbox")
    return str(notice)


def acknowledging(notice: str, code: str = "taken-up", **more: Any) -> dict[str, Any]:
    """The message with which a receiver acknowledges."""
    topic = {"system": systems.code_system("topic"), "code": "notice-acknowledged"}
    reason = {"coding": [{"system": systems.code_system("acknowledgement"), "code": code}]}
    said = {"eventCoding": topic, "response": {"identifier": notice, "code": "ok"}, "reason": reason}
    return message(**{"bundle": f"b-{code}", "header": f"m-{code}", **said, **more})


def lets_the_sender_see(world: World) -> None:
    """The council's agreement says that who told it sees what it made of it."""
    made = next(one for one in world.gateway.context.agreements.documents if one.source == COUNCIL)
    others = tuple(one for one in world.gateway.context.agreements.documents if one is not made)
    world.gateway.context.agreements.documents = (*others, type(made)(made.name, COUNCIL, "", "2", made.valid_from, made.valid_until, "business"))  # fmt: skip


async def lines(at: At, **query: str) -> list[dict[str, Any]]:
    """A page of an agency's notices."""
    answer = await at.get(f"/notices?{'&'.join(f'{name}={value}' for name, value in query.items())}")
    assert answer.status_code == 200, answer.text
    return answer.json()["notices"]


def hours_pass(world: World, hours: int) -> None:
    """As if the notices had been told so much earlier."""
    by = hours * HOUR
    change(
        world.settings, f"UPDATE acknowledgement SET told = told - {by}, respond_by = respond_by - {by}, next_at = next_at - {by}"
    )


async def test_a_notice_says_by_when_and_is_acknowledged_by_message(world: World) -> None:
    """respondBy in the signal; the reply names the notice; the sender sees that it was received, and no more."""
    with desk() as one:
        notice = await told(world, one.url)
        parts = {part["name"] for part in one.got[0].bundle["entry"][1]["resource"]["parameter"][0]["part"]}
        assert "respondBy" in parts
    council, trust = world.social_worker(), world.as_("trust-epr")
    (mine,) = await lines(council)
    assert (mine["state"], mine["id"], mine["person"]) == ("received", notice, f"{systems.NHS_NUMBER}|{AMINA.nhs}")
    answer = await council.post("/fhir/$process-message", acknowledging(notice))
    assert answer.json()["entry"][0]["resource"]["response"] == {"identifier": "m-taken-up", "code": "ok"}
    (mine,) = await lines(council, state="acknowledged")
    assert (mine["acknowledgement"], mine["acknowledgedBy"]) == ("taken-up", "sw22")
    (theirs,) = await lines(trust, side="sent")
    assert theirs["state"] == "acknowledged"
    assert "acknowledgement" not in theirs
    assert "acknowledgedBy" not in theirs
    lets_the_sender_see(world)
    (theirs,) = await lines(trust, side="sent")
    assert theirs["acknowledgement"] == "taken-up"


@pytest.mark.parametrize("code", ACKNOWLEDGEMENTS)
async def test_every_acknowledgement_is_taken_without_messaging_too(world: World, code: str) -> None:
    """A plain operation for systems without FHIR messaging; said again, the first answer stands."""
    notice = await told(world, None)
    council = world.social_worker()
    first = await council.post(f"/notices/{notice}/acknowledge", {"code": code, "note": "SW has rung the ward"})
    assert first.status_code == 200, first.text
    again = await council.post(f"/notices/{notice}/acknowledge", {"code": code})
    assert again.json() == first.json()
    (mine,) = await lines(council)
    assert (mine["acknowledgement"], mine["note"]) == (code, "SW has rung the ward")
    outcome(await council.post(f"/notices/{notice}/acknowledge", {"code": "perhaps"}), 422)


async def test_only_the_receiver_acknowledges_and_nobody_learns_of_others_notices(world: World) -> None:
    """Another agency's notice, one's own told to another, and none at all: the same bytes, by message and without."""
    notice = await told(world, None)
    for at in (world.as_("trust-epr"), world.as_("school-nursing-system")):
        answers = [await at.post(f"/notices/{name}/acknowledge", {"code": "not-ours"}) for name in (notice, "0" * 32)]
        assert {answer.status_code for answer in answers} == {404}
        assert len({plain(answer.content) for answer in answers}) == 1
        sent = [
            await at.post("/fhir/$process-message", acknowledging(name, bundle=f"b{place}", header="m" * (place + 1)))
            for place, name in enumerate((notice, "0" * 32))
        ]
        assert {answer.status_code for answer in sent} == {422}
        assert len({plain(answer.content) for answer in sent}) == 1
        assert await lines(at) == []
    (mine,) = await lines(world.social_worker())
    assert mine["state"] == "received"


async def test_what_may_no_longer_be_told_keeps_its_line_and_says_no_more(world: World) -> None:
    """Decided again on reading: the shield that the owner set since holds for the inbox too."""
    await told(world, None)
    (before,) = await lines(world.social_worker())
    assert before["topic"] == "admitted"
    holder = Requester("trust-epr", TRUST, frozenset(), "ig1")
    await world.gateway.ledger.run_alone(set_shield, ShieldRequest(holder, f"{systems.NHS_NUMBER}|{AMINA.nhs}", "at risk"))
    (after,) = await lines(world.social_worker())
    assert (after["id"], after["topic"]) == (before["id"], "signal-ended")
    assert not {"person", "owner", "happened"} & set(after)
    log = [one for one in await log_of(world.auditor()) if exchange(one) == "list_notices"]
    assert sorted(one["outcome"] for one in log) == ["0", "4"]


async def test_nobody_took_it_up_it_goes_to_the_desk_on_duty_and_both_sides_see_it(world: World) -> None:
    """Overdue at its topic's time, told to the receiver with whom it went to; once more that time, escalated; then silence."""
    with desk() as one:
        notice = await told(world, one.url)
        assert await raise_all(world.gateway.ledger) == 0
        hours_pass(world, 5)
        assert await raise_all(world.gateway.ledger) == 1
        await world.settle()
        council, trust = world.social_worker(), world.as_("trust-epr")
        assert one.topics() == ["admitted", "notice-overdue"]
        told_parts = one.got[1].bundle["entry"][1]["resource"]["parameter"][0]["part"]
        said = {part["name"]: part for part in told_parts}
        assert said["overdue"]["valueId"] == notice
        assert said["contact"]["resource"]["resourceType"] == "PractitionerRole"
        assert not resources.errors(resources.validate_bundle(one.got[1].bundle))
        (mine,) = await lines(council, state="overdue")
        assert mine["contact"]["telecom"][0]["value"] in ("01632 960201", "01632 960202")
        (theirs,) = await lines(trust, side="sent", state="overdue")
        assert theirs["id"] == notice
        queues = ask(world.settings, "SELECT agency FROM review WHERE kind = 'notice-overdue' ORDER BY agency")
        assert queues == [(COUNCIL,), (TRUST,)]
        assert await raise_all(world.gateway.ledger) == 0, "once only"
        hours_pass(world, 5)
        assert await raise_all(world.gateway.ledger) == 1
        hours_pass(world, 50)
        assert await raise_all(world.gateway.ledger) == 0
    entries = [one for one in await log_of(world.auditor()) if exchange(one) == "raise_overdue"]
    assert len(entries) == 2


async def test_an_answer_in_time_or_late_ends_the_waiting(world: World) -> None:
    """Acknowledged before its time it is never overdue; acknowledged late it is no longer."""
    notice = await told(world, None)
    hours_pass(world, 5)
    await raise_all(world.gateway.ledger)
    council = world.social_worker()
    assert [one["state"] for one in await lines(council) if one["id"] == notice] == ["overdue"]
    await council.post(f"/notices/{notice}/acknowledge", {"code": "passed-on"})
    hours_pass(world, 50)
    assert await raise_all(world.gateway.ledger) == 0
    assert [one["state"] for one in await lines(council) if one["id"] == notice] == ["acknowledged"]


async def test_of_several_workers_one_raises_it(world: World) -> None:
    """Many at once: one raises, the others find nothing to do."""
    notice = await told(world, None)
    hours_pass(world, 5)
    raised = await asyncio.gather(
        *(world.gateway.ledger.run_alone(raise_overdue, Late(notice)) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, NotDue) for one in raised) == 7, raised
    assert ask(world.settings, "SELECT level, state FROM acknowledgement WHERE notice = '" + notice + "'") == [(1, "overdue")]
    assert len(ask(world.settings, "SELECT id FROM review WHERE kind = 'notice-overdue'")) == 2


async def test_an_inbox_is_read_in_pages_the_last_told_first(world: World) -> None:
    """Three notices in pages of two; a page after the end is empty."""
    await told(world, None)
    council, trust = world.social_worker(), world.as_("trust-epr")
    for step, stay in (("A03", "M1"), ("A01", "M9")):
        if step == "A03":
            wanted = people.subscription(AMINA, "discharged", "", "duty-to-share-16la", **CASE)
            del wanted["channel"]["endpoint"]
            await subscribe(council, wanted)
        await trust.sends("hl7v2-adt", people.adt(step, AMINA, "M1").replace("|VM1", f"|V{stay}"))
        await world.settle()
    first = (await council.get("/notices?count=2")).json()
    second = (await council.get(f"/notices?count=2&after={first['next']}")).json()
    topics = [one["topic"] for one in first["notices"] + second["notices"]]
    assert topics == ["admitted", "discharged", "admitted"]
    assert second["next"] == ""
    outcome(await council.get("/notices?state=lost"), 400)
    outcome(await council.get("/notices?count=0"), 400)


async def test_an_inbox_takes_nothing_over_the_wire(world: World) -> None:
    """A subscription of type message without an endpoint: numbered, in the inbox and in $events, posted to nobody."""
    await told(world, None)
    ((state, result, number),) = ask(world.settings, "SELECT state, last_result, number FROM outbox")
    assert (state, result, number) == ("delivered", "in the inbox", 1)
    (subscription,) = {one["subscription"] for one in await lines(world.social_worker())}
    events = (await world.social_worker().get(f"/fhir/Subscription/{subscription}/$events?content=full-resource")).json()
    assert "admitted" in json.dumps(events)


def answers(code: str, times: int = 99, **more: Any) -> Behaviour:
    """A receiver that answers 200 with a response message of this code, so many times, and then ok."""

    def answer(handler: Any, count: int) -> None:
        bundle = handler.desk.got[-1].bundle
        said = {"identifier": bundle["entry"][0]["resource"]["id"], "code": code if count <= times else "ok"}
        header = {"resourceType": "MessageHeader", "source": {"endpoint": "https://r.example"}, "response": said, **more}
        body = json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


async def test_an_error_in_the_answer_to_a_message_counts_as_what_it_says(world: World) -> None:
    """transient-error is tried again; fatal-error is dead at once and visible, and the next notice still goes."""
    with desk() as one:
        one.behaviour = with_desk(one, answers("transient-error", times=1))
        await told(world, one.url)
        assert len(one.got) == 2
        assert ask(world.settings, "SELECT state, attempts FROM outbox") == [("delivered", 2)]
        one.behaviour = with_desk(one, answers("fatal-error"))
        await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", AMINA, "M1").replace("|VM1", "|V9"))
        await world.settle()
        assert ask(world.settings, "SELECT state, last_result, attempts FROM outbox ORDER BY place") == [
            ("delivered", "http 200", 2), ("dead", "fatal-error", 1),
        ]  # fmt: skip
        assert ask(world.settings, "SELECT status FROM subscription") == [("active",)]
        (mine, _) = await lines(world.as_("trust-epr"), side="sent")
        assert mine["state"] == "undelivered"


def with_desk(one: Desk, behaviour: Behaviour) -> Behaviour:
    """The behaviour, given the desk that it is of."""

    def answer(handler: Any, count: int) -> None:
        handler.desk = one
        behaviour(handler, count)

    return answer


async def test_a_receiver_may_acknowledge_in_its_answer(world: World) -> None:
    """notice-acknowledged as the response message to the post: taken up at once, by nobody named."""
    said = acknowledging("x")["entry"][0]["resource"]
    with desk() as one:
        one.behaviour = with_desk(one, answers("ok", eventCoding=said["eventCoding"], reason=said["reason"]))
        await told(world, one.url)
    (mine,) = await lines(world.social_worker())
    assert (mine["state"], mine["acknowledgement"]) == ("acknowledged", "taken-up")


async def in_the_inbox(at: At, person: people.Person, topic: str, purpose: str, case: str) -> None:
    """A subscription of an agency that is told in its inbox."""
    wanted = people.subscription(person, topic, "", purpose, case=case, reason="The plan")
    del wanted["channel"]["endpoint"]
    await subscribe(at, wanted)


@pytest.mark.parametrize("may_hear", [True, False], ids=["told", "no longer told"])
async def test_an_inbox_says_which_notices_were_wrong(world: World, may_hear: bool) -> None:
    """As a message does: by their ids, and with nothing else where nothing else may be told any more."""
    notice = await told(world, None)
    if not may_hear:
        holder = Requester("trust-epr", TRUST, frozenset(), "ig1")
        await world.gateway.ledger.run_alone(set_shield, ShieldRequest(holder, f"{systems.NHS_NUMBER}|{AMINA.nhs}", "at risk"))
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A11", AMINA, "M1"))
    await world.settle()
    council = world.social_worker()
    (correction,) = [one for one in await lines(council) if one["id"] != notice]
    assert (correction["topic"], correction["corrects"], correction["reason"]) == ("record-retracted", [notice], "delete")
    assert (
        {"person", "owner", "happened"} <= set(correction) if may_hear else not {"person", "owner", "happened"} & set(correction)
    )
    (first,) = [one for one in await lines(council) if one["id"] == notice]
    assert "corrects" not in first
    assert all("corrects" not in one for one in await lines(world.as_("trust-epr"), side="sent"))


async def test_an_inbox_says_which_notice_is_overdue(world: World) -> None:
    """The notice that nobody takes a notice up names it."""
    notice = await told(world, None)
    hours_pass(world, 5)
    await raise_all(world.gateway.ledger)
    await world.settle()
    found = {one["id"]: one.get("overdue") for one in await lines(world.social_worker())}
    assert found.pop(notice) is None
    assert list(found.values()) == [notice]
