"""Case lists: people on a named list are watched for from one acknowledgement to another, and nobody learns who is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, STRANGER, Person
from gateway.exchanges.context import new_id
from gateway.fhir import systems
from tests.data.edge import exchange, is_valid, log_of, outcome
from tests.edge.desks import admit, desk, patients
from tests.edge.durable import ask
from tests.world import At, World

PATH = "/fhir/Group"


def group(*some: Person, **more: Any) -> dict[str, Any]:
    """A case list of these people."""
    members = [{"entity": {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": one.nhs}}} for one in some]
    made: dict[str, Any] = {"resourceType": "Group", "type": "person", "actual": True, "name": "Team 4", **more}
    return {**made, "member": members} if members else made


def watching(case_list: str, url: str, topic: str = "known-status-changed", *filters: str, **channel: Any) -> dict[str, Any]:
    """A subscription of a social worker to everybody on a list."""
    body = people.subscription(AMINA, topic, url, "duty-to-share-16la", case="TEAM-4", reason="The team's caseload")
    stated = [f"patient:in=Group/{case_list}", *filters]
    body["_criteria"] = {"extension": [{"url": systems.BACKPORT_FILTER, "valueString": one} for one in stated]}
    return {**body, "channel": {**body["channel"], **channel}}


async def keep(at: At, *some: Person) -> tuple[str, str]:
    """A new list; gives its path and ETag."""
    made = await at.post(PATH, group(*some))
    assert made.status_code == 201, made.text
    assert is_valid(made.json())
    return f"{PATH}/{made.json()['id']}", made.headers["etag"]


async def subscribe(at: At, path: str, url: str, *more: str) -> str:
    answer = await at.post("/fhir/Subscription", watching(path.rpartition("/")[2], url, *more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def told(bundle: dict[str, Any]) -> str:
    """The NHS number of the person whom a message is about."""
    parts = bundle["entry"][1]["resource"]["parameter"][0]["part"]
    return str(next(part["valueIdentifier"]["value"] for part in parts if part["name"] == "subject"))


async def test_a_list_is_made_read_changed_and_deleted(world: World) -> None:
    """A Group with its members; an older version is refused; lists are listed without their members; deleted it is not there."""
    at = world.social_worker()
    path, etag = await keep(at, AMINA, LEO)
    read = await at.get(path)
    assert (read.json()["quantity"], len(read.json()["member"]), read.headers["etag"]) == (2, 2, 'W/"1"')
    listed = (await at.get(PATH)).json()
    assert is_valid(listed)
    assert "member" not in listed["entry"][0]["resource"]
    assert listed["entry"][0]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    changed = await at.put(path, {**group(BETH), "id": path.rpartition("/")[2]}, etag)
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    outcome(await at.put(path, group(LEO), etag), 412)
    assert [one["entity"]["identifier"]["value"] for one in (await at.get(path)).json()["member"]] == [BETH.nhs]
    assert (await at.delete(path)).status_code == 204
    outcome(await at.get(path), 404)
    assert ask(world.settings, "SELECT count(*) FROM case_list_member") == [(0,)]


async def test_who_is_added_is_watched_for_and_who_is_taken_off_is_not(world: World) -> None:
    """A change before the one and after the other acknowledgement is not told; between them it is; order and numbers hold."""
    first, second = patients(2)
    at = world.social_worker()
    with desk() as one:
        path, _ = await keep(at, first)
        subscription = await subscribe(at, path, one.url)
        await admit(world, [first, second])
        await world.settle()
        assert [told(got.bundle) for got in one.got] == [first.nhs]
        await at.put(path, group(first, second))
        await admit(world, [first, second], "A03")
        await world.settle()
        assert [told(got.bundle) for got in one.got][1:] == [first.nhs, second.nhs]
        await at.put(path, group(second))
        await admit(world, [first, second], stay="Z")
        await world.settle()
        assert [told(got.bundle) for got in one.got][3:] == [second.nhs]
        assert one.numbers() == [1, 2, 3, 4]
        assert (await at.get(f"/fhir/Subscription/{subscription}/$events")).json()["entry"][0]["resource"]


async def test_what_waits_is_not_sent_once_its_person_is_off_the_list(world: World) -> None:
    """Queued while they were on the list: at the acknowledgement of the removal it is as good as gone, and on record so."""
    some = patients(2)
    at = world.social_worker()
    with desk() as one:
        path, _ = await keep(at, *some)
        subscription = await subscribe(at, path, one.url)
        await admit(world, some)
        await at.put(path, group(some[1]))
        await world.settle()
        assert [told(got.bundle) for got in one.got] == [some[1].nhs]
        assert sorted(ask(world.settings, "SELECT state, number FROM outbox"), key=str) == [("delivered", 1), ("withheld", None)]
        await at.delete(path)
        events = (await at.get(f"/fhir/Subscription/{subscription}/$events?content=full-resource")).json()
        assert json.dumps(events).count("signal-ended") >= 1
        assert "admitted" not in json.dumps(events)


async def test_filters_narrow_a_list_by_agency_service_and_urgency(world: World) -> None:
    """All of them must hold; what does not match is not even queued, but for urgency, which hangs on what may be told."""
    some = patients(1)
    at = world.social_worker()
    trust = f"author:identifier={systems.ODS_CODE}|{people.TRUST}"
    council = f"Flag?author:identifier={systems.ODS_CODE}|{people.COUNCIL}"
    wanted = {
        (trust,): 2, (council,): 0, ("service=adult-mental-health",): 2, ("service=camhs",): 0,
        ("priority=urgent",): 2, ("priority=routine",): 0, (f"{trust}&service=adult-mental-health", "priority=urgent"): 2,
    }  # fmt: skip
    with desk() as one:
        path, _ = await keep(at, *some)
        made = {}
        for filters in wanted:
            body = watching(path.rpartition("/")[2], one.url, "known-status-changed", *filters)
            answer = await at.post("/fhir/Subscription", body)
            assert answer.status_code == 201, answer.text
            made[filters] = answer.json()["id"]
        await admit(world, some)
        await admit(world, some, "A03")
        await world.settle()
        rows = ask(world.settings, "SELECT id, events FROM subscription")
    assert {filters: dict(rows)[made[filters]] for filters in wanted} == wanted


async def test_a_list_may_name_the_case_of_each_person(world: World) -> None:
    """The notice, and its line in the access log, stand on the case reference of the person, else on the subscription's."""
    some = patients(2)
    at = world.social_worker()
    body = group(*some)
    case = {"url": systems.extension("case-reference"), "valueIdentifier": {"system": "https://c.example/case", "value": "FAM-7"}}
    body["member"][0]["extension"] = [case]
    with desk() as one:
        made = await at.post(PATH, body)
        assert (await at.get(f"{PATH}/{made.json()['id']}")).json()["member"] == made.json()["member"]
        await subscribe(at, f"{PATH}/{made.json()['id']}", one.url)
        await admit(world, some)
        await world.settle()
        assert len(one.got) == 2
    from tests.edge.test_delivery_decision import logged

    assert sorted(line.case_reference.rpartition("|")[2] for line in logged(world, "lease_notice")) == ["FAM-7", "TEAM-4"]


REFUSED = [
    ("another type", {"type": "device"}, "Group.type"),
    ("a definition", {"actual": False}, "Group.type"),
    ("an inactive list", {"active": False}, "Group.active"),
    ("a characteristic", {"code": {"text": "mothers"}}, "Group.code"),
    ("somebody twice", {"member": group(LEO, LEO)["member"]}, "Group.member"),
    ("no number", {"member": [{"entity": {"type": "Patient", "display": "QXMARK"}}]}, "Group.member[0].entity"),
    ("a wrong digit", {"member": group(replace(LEO, nhs="9990001007"))["member"]}, "Group.member[0].entity"),
    ("a member that is not active", {"member": [{**group(LEO)["member"][0], "inactive": True}]}, "Group.member[0]"),
    ("another's resource", {"member": [{"entity": {"reference": "Patient/1"}}]}, "Group.member[0].entity"),
]


@pytest.mark.parametrize(("name", "change", "where"), REFUSED, ids=[name for name, _, _ in REFUSED])
async def test_what_a_list_cannot_hold_is_refused_by_its_place(
    world: World, name: str, change: dict[str, Any], where: str
) -> None:
    """422 naming the element, repeating nothing; no list is made."""
    issues = outcome(await world.social_worker().post(PATH, {**group(AMINA), **change}), 422)
    assert [where] == issues[0].get("expression"), issues
    assert "QXMARK" not in json.dumps(issues)
    assert ask(world.settings, "SELECT count(*) FROM case_list") == [(0,)]


async def test_another_agencys_list_is_as_none(world: World) -> None:
    """Read, changed, deleted, subscribed to: the same bytes as for an id that does not exist."""
    path, _ = await keep(world.coordinator(), LEO)
    other = world.social_worker()
    answers = []
    for one in (path, f"{PATH}/{new_id()}"):
        answers += [await other.get(one), await other.put(one, group(LEO)), await other.delete(one)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    tries = [watching(one, "https://x.example/fhir") for one in (path.rpartition("/")[2], new_id())]
    refused = [await other.post("/fhir/Subscription", body) for body in tries]
    assert [answer.status_code for answer in refused] == [422, 422]
    assert refused[0].content == refused[1].content
    assert "entry" not in (await other.get(PATH)).json()


async def test_a_caseload_is_loaded_at_once_but_not_a_town(world: World) -> None:
    """Lists have a quota of their own, by client and day: within it a whole caseload goes in one request, over it nothing
    does; whoever was counted costs nothing more; many at a time are an item for the organisation's own people."""
    object.__setattr__(world.gateway.context, "list_quota", 250)
    object.__setattr__(world.gateway.context, "quota", 1)
    at = world.social_worker()
    some = patients(260)
    path, _ = await keep(at, *some[:200])
    kinds = ask(world.settings, "SELECT kind FROM review")
    assert kinds == [("case-list-grew",)]
    await at.put(path, group())
    assert (await at.put(path, group(*some[:200]))).status_code == 200
    refused = await at.put(path, group(*some))
    outcome(refused, 429)
    assert int(refused.headers["retry-after"]) <= 86_400
    assert (await at.get(path)).json()["quantity"] == 200
    fewer, _ = await keep(at, *some[:250])
    assert (await at.get(fewer)).json()["quantity"] == 250


async def test_each_person_put_on_a_list_is_on_record(world: World) -> None:
    """One entry for the list and one for each who was added or taken off, for the organisation's own auditor."""
    at = world.social_worker()
    path, _ = await keep(at, AMINA, LEO)
    await at.put(path, group(LEO, STRANGER))
    mine = [one for one in await log_of(world.auditor("council")) if exchange(one) == "keep_case_list"]
    assert len(mine) == 2 + 2 + 2
    for person, times in ((AMINA, 2), (LEO, 1), (STRANGER, 1)):
        assert sum(person.nhs in json.dumps(one) for one in mine) == times


async def test_nothing_of_a_list_lies_open(world: World) -> None:
    """Its name, its members' numbers and cases are sealed; the tables hold tokens."""
    at = world.social_worker()
    await keep(at, AMINA, LEO)
    rows = repr([ask(world.settings, f"SELECT * FROM {table}") for table in ("case_list", "case_list_member", "charge")])
    assert not [text for text in (AMINA.nhs, LEO.nhs, "Team 4") if text in rows]
