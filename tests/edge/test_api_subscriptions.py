"""Subscriptions through the API: made, read, changed, ended; what is not offered is refused by name."""

import json
from typing import Any

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, STRANGER
from gateway.exchanges.context import new_id
from gateway.exchanges.notices import replay_events
from gateway.fhir import systems
from tests.data.edge import count_rows, exchange, is_valid, log_of, outcome, plain, without_log
from tests.world import BASE, At, World

PATH = "/fhir/Subscription"


def wanted(person: people.Person = LEO, topic: str = "known-status-changed", **channel: Any) -> dict[str, Any]:
    made = people.subscription(person, topic, "https://trust.example/fhir", "duty-to-share-16la", case="R-1", reason="Care plan")
    made["channel"] |= channel
    return made


def rest_hook(content: str) -> dict[str, Any]:
    payload = {"extension": [{"url": systems.BACKPORT_PAYLOAD, "valueCode": content}]}
    return {"type": "rest-hook", "_payload": payload}


def stated(name: str, **number: Any) -> dict[str, Any]:
    return {"extension": [{"url": f"{systems.BACKPORT}/{name}", **number}]}


async def make(at: At, body: dict[str, Any]) -> dict[str, Any]:
    answer = await at.post(PATH, body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_subscription_is_made_read_listed_changed_and_deleted(world: World) -> None:
    """201 with Location and ETag; a message channel is active at once; after DELETE it is 410 and no longer listed."""
    at = world.coordinator()
    answer = await at.post(PATH, wanted())
    body = answer.json()
    assert (answer.status_code, body["status"], answer.headers["etag"]) == (201, "active", 'W/"1"')
    assert answer.headers["location"].endswith(f"{PATH}/{body['id']}/_history/1")
    assert body["end"]
    path = f"{PATH}/{body['id']}"
    assert (await at.get(path)).json() == body
    assert [entry["resource"] for entry in (await at.get(PATH)).json()["entry"]] == [body]
    changed = await at.put(path, {**body, "reason": "Another reason"}, 'W/"1"')
    assert (changed.status_code, changed.json()["reason"], changed.headers["etag"]) == (200, "Another reason", 'W/"2"')
    assert is_valid(changed.json())
    outcome(await at.put(path, body, 'W/"1"'), 412)
    off = await at.put(path, {**body, "status": "off"}, 'W/"2"')
    assert (off.json()["status"], (await at.get(path)).json()["status"]) == ("off", "off")
    assert [(await at.delete(path)).status_code for _ in range(2)] == [204, 204]
    for gone in (await at.get(path), await at.put(path, body), await at.get(f"{path}/$status"), await at.get(f"{path}/$events")):
        outcome(gone, 410)
    assert "entry" not in (await at.get(PATH)).json()


async def test_person_and_topic_of_a_subscription_stay(world: World) -> None:
    """What events are about cannot be changed under their numbers: 422, and the subscription is as before."""
    at = world.coordinator()
    body = await make(at, wanted())
    path = f"{PATH}/{body['id']}"
    for other in (wanted(AMINA), wanted(topic="admitted")):
        outcome(await at.put(path, other), 422)
    outcome(await at.put(path, {**body, "id": "other"}), 422)
    assert (await at.get(path)).json() == body


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a topic that is not offered", {"criteria": systems.topic("moved-house")}, "Subscription.criteria"),
    ("a search instead of a topic", {"criteria": "Flag?status=active"}, "Subscription.criteria"),
    ("no filter", {"_criteria": None}, "backport-filter-criteria"),
    ("a filter on a status", {"_criteria": "status=active"}, "backport-filter-criteria"),
    ("a filter with two parts", {"_criteria": f"patient:identifier={systems.NHS_NUMBER}|{LEO.nhs}&status=active"}, "backport-filter-criteria"),
    ("another number system", {"_criteria": f"patient:identifier=https://x.example|{LEO.nhs}"}, "backport-filter-criteria"),
    ("a number with a wrong check digit", {"_criteria": f"patient:identifier={systems.NHS_NUMBER}|9990001007"}, "backport-filter-criteria"),
    ("a channel that is not offered", {"channel": {"type": "email"}}, "Subscription.channel.type"),
    ("a payload that is not offered", {"channel": {"payload": "text/plain"}}, "Subscription.channel.payload"),
    ("a content that is not offered", {"channel": rest_hook("everything")}, "Subscription.channel.payload"),
    ("plain http", {"channel": {"endpoint": "http://trust.example/fhir"}}, "Subscription.channel.endpoint"),
    ("credentials in the endpoint", {"channel": {"endpoint": "https://QXMARK:b@trust.example/fhir"}}, "Subscription.channel.endpoint"),
    ("another scheme", {"channel": {"endpoint": "file:///etc/passwd"}}, "Subscription.channel.endpoint"),
    ("no endpoint for a rest-hook", {"channel": {**rest_hook("id-only"), "endpoint": None}}, "Subscription.channel.endpoint"),
    ("a rest-hook without a payload", {"channel": {**rest_hook("id-only"), "payload": None}}, "Subscription.channel.payload"),
    ("a rest-hook that does not say how much", {"channel": {"type": "rest-hook"}}, "Subscription.channel.payload"),
    ("a channel type of another guide", {"channel": {"_type": {"extension": [{"url": "https://x.example/zulip", "valueCode": "a"}]}}}, "Subscription.channel.type"),
    ("an extension of the channel that is not known", {"channel": {"extension": [{"url": "https://x.example/batch", "valueCode": "a"}]}}, "Subscription.channel.extension"),
    ("a heartbeat every second", {"channel": stated("backport-heartbeat-period", valueUnsignedInt=1)}, "backport-heartbeat-period"),
    ("heartbeats among messages", {"channel": stated("backport-heartbeat-period", valueUnsignedInt=60)}, "backport-heartbeat-period"),
    ("a timeout of no time", {"channel": stated("backport-timeout", valueUnsignedInt=0)}, "backport-timeout"),
    ("a timeout that is no number", {"channel": stated("backport-timeout", valueString="5")}, "backport-timeout"),
    ("a most of no notification", {"channel": stated("backport-max-count", valueUnsignedInt=1)}, "backport-max-count"),
    ("a person and a list", {"_criteria": f"patient:in=Group/abc&patient:identifier={systems.NHS_NUMBER}|{LEO.nhs}"}, "backport-filter-criteria"),
    ("an agency and nobody", {"_criteria": f"author:identifier={systems.ODS_CODE}|TMH01"}, "backport-filter-criteria"),
    ("a service that there is not", {"_criteria": f"service=plumbing&patient:identifier={systems.NHS_NUMBER}|{LEO.nhs}"}, "backport-filter-criteria"),
    ("a list that there is not", {"_criteria": "patient:in=Group/QXMARK"}, "backport-filter-criteria"),
    ("a header that splits", {"channel": {"header": ["X: QXMARK\r\nY: 2"]}}, "Subscription.channel.header"),
    ("a header that is ours", {"channel": {"header": ["webhook-id: QXMARK"]}}, "Subscription.channel.header"),
    ("a header of the transport", {"channel": {"header": ["Host: QXMARK"]}}, "Subscription.channel.header"),
    ("an end in the past", {"end": "2020-01-01T00:00:00Z"}, "Subscription.end"),
    ("an end far away", {"end": "2999-01-01T00:00:00Z"}, "Subscription.end"),
    ("an end beyond the calendar", {"end": "9999-12-31T23:59:59-13:00"}, "Subscription.end"),
    ("a status that is ours to give", {"status": "error"}, "Subscription.status"),
    ("no purpose", {"extension": None}, "purpose"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "where"), REFUSED, ids=[name for name, _, _ in REFUSED])
async def test_what_is_not_supported_is_refused_with_its_reason(
    world: World, name: str, change: dict[str, Any], where: str
) -> None:
    """422 that names the element and repeats nothing; no subscription is made."""
    body = wanted()
    for key, value in change.items():
        if key == "_criteria" and isinstance(value, str):
            value = {"extension": [{"url": systems.BACKPORT_FILTER, "valueString": value}]}
        body[key] = {**body["channel"], **value} if key == "channel" else value
    body = {key: value for key, value in body.items() if value is not None}
    body["channel"] = {key: value for key, value in body["channel"].items() if value is not None}
    before = await count_rows(world)
    issues = outcome(await world.coordinator().post(PATH, body), 422)
    assert any(where in place for issue in issues for place in issue.get("expression", ())), issues
    assert not {"QXMARK", LEO.nhs, "9990001007"} & set(json.dumps(issues).replace("|", " ").split())
    assert without_log(await count_rows(world)) == without_log(before)


async def test_the_gates_of_a_lookup_hold_for_a_subscription(world: World) -> None:
    """A purpose, role or case reference that a lookup would be refused for: 403, the same for everyone asked about."""
    tries = [
        (world.coordinator(), people.subscription(LEO, "admitted", "https://t.example/f", "safeguarding-s47", case="C")),
        (world.coordinator(), people.subscription(LEO, "admitted", "https://t.example/f", "duty-to-share-16la")),
        (world.as_("trust-epr"), wanted()),
        (world.ward(), wanted()),
    ]
    for at, body in tries:
        outcome(await at.post(PATH, body), 403)
    assert (await count_rows(world))["subscription"] == 0


async def test_header_values_are_never_read_back(world: World) -> None:
    """A subscriber's secret for its own endpoint stays here: create, read, list, update and log show none of it."""
    at = world.coordinator()
    secret = "Authorization: Bearer QXSECRET"
    made = await at.post(PATH, wanted(header=[secret, "X-Other: QXSECRET"]))
    path = f"{PATH}/{made.json()['id']}"
    assert made.json()["channel"]["header"] == ["(withheld)", "(withheld)"]
    shown = [
        made,
        await at.get(path),
        await at.get(PATH),
        await at.put(path, wanted(header=[secret])),
        await at.get(f"{path}/$status"),
    ]
    assert all("QXSECRET" not in answer.text for answer in shown)
    assert "QXSECRET" not in json.dumps(await log_of(world.auditor()))


async def test_a_subscription_that_is_sent_back_as_it_was_read_is_told_what_to_state_again(world: World) -> None:
    """Its header came as withheld: nothing is kept on the strength of that word, and the refusal says what to do."""
    at = world.coordinator()
    path = f"{PATH}/{(await at.post(PATH, wanted(header=['Authorization: Bearer QXSECRET']))).json()['id']}"
    read = (await at.get(path)).json()
    (issue,) = outcome(await at.put(path, {**read, "status": "requested"}), 422)
    assert issue["expression"] == ["Subscription.channel.header"]
    assert "state it again" in issue["diagnostics"]
    restated = {**read["channel"], "header": ["Authorization: Bearer QXSECRET"]}
    assert (await at.put(path, {**read, "channel": restated})).status_code == 200


async def test_nothing_tells_whether_the_person_is_known(fed: World) -> None:
    """Create, read, list, status and events for somebody known and for a stranger: the same bytes but ids and times."""
    at = fed.coordinator()

    async def all_of(person: people.Person, **channel: Any) -> list[bytes]:
        made = await at.post(PATH, wanted(person, **channel))
        path = f"{PATH}/{made.json()['id']}"
        answers = [
            made,
            await at.get(path),
            await at.put(path, wanted(person, **channel)),
            await at.get(f"{path}/$status"),
            await at.get(f"{path}/$events"),
        ]
        answers.append(await at.delete(path))
        return [f"{answer.status_code} {sorted(answer.headers)}".encode() + plain(answer.content) for answer in answers]

    for channel in ({}, rest_hook("id-only")):
        assert await all_of(LEO, **channel) == await all_of(STRANGER, **channel)


async def test_another_agencys_subscription_is_not_there(world: World) -> None:
    """404, the same bytes as for an id that does not exist: read, update, delete, status, events."""
    mine = await make(world.coordinator(), wanted())
    other = world.social_worker()
    paths = [f"{PATH}/{one}" for one in (mine["id"], new_id(), "x")]
    answers: list[httpx.Response] = []
    for path in paths:
        answers += [await other.get(path), await other.put(path, wanted()), await other.delete(path)]
        answers += [await other.get(f"{path}/$status"), await other.get(f"{path}/$events")]
    for answer in answers:
        outcome(answer, 404)
    assert len({answer.content for answer in answers}) == 1
    assert "entry" not in (await other.get(PATH)).json()
    assert (await world.coordinator().get(paths[0])).json() == mine


async def test_the_list_goes_by_pages_and_status(world: World) -> None:
    """Every subscription once; status narrows; deleted ones are left out."""
    at = world.coordinator()
    made = [
        await make(at, wanted(topic=topic))
        for topic in ("admitted", "discharged", "known-status-changed", "person-died", "leave-started")
    ]
    await at.put(f"{PATH}/{made[0]['id']}", {**wanted(topic="admitted"), "status": "off"})
    await at.delete(f"{PATH}/{made[1]['id']}")
    seen, following = [], f"{PATH}?_count=2"
    while following:
        bundle = (await at.get(following)).json()
        assert is_valid(bundle)
        seen += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
        following = next(
            (link["url"].removeprefix("http://gateway.test") for link in bundle["link"] if link["relation"] == "next"), ""
        )
    assert sorted(seen) == sorted(one["id"] for one in made if one is not made[1])
    off = (await at.get(f"{PATH}?status=off")).json()["entry"]
    assert [entry["resource"]["id"] for entry in off] == [made[0]["id"]]


async def _notices(world: World) -> None:
    """A plan and an enquiry about LEO, delivered as far as they can be."""
    council = world.as_("council-system")
    for what in ({"enquiry": True}, {"enquiry": True, "plan": True}):
        await council.sends("dfe-csc-api", people.children(**what))
    await world.settle()


def _parameters(answer: httpx.Response) -> dict[str, list[Any]]:
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    found: dict[str, list[Any]] = {}
    for part in answer.json()["entry"][0]["resource"]["parameter"]:
        found.setdefault(part["name"], []).append(next(value for key, value in part.items() if key != "name"))
    return found


async def test_status_says_what_the_backport_guide_asks(fed: World) -> None:
    """Searchset with one Parameters: subscription, topic, status, type and the count as text."""
    at = fed.coordinator()
    made = await make(at, wanted())
    await _notices(fed)
    answer = await at.get(f"{PATH}/{made['id']}/$status")
    assert answer.json()["type"] == "searchset"
    told = _parameters(answer)
    assert told["type"] == ["query-status"]
    assert told["status"] == [(await at.get(f"{PATH}/{made['id']}")).json()["status"]]
    assert told["topic"] == [systems.topic("known-status-changed")]
    assert told["events-since-subscription-start"] == ["2"]
    assert told["subscription"][0]["reference"].endswith(f"{PATH}/{made['id']}")


async def test_events_give_the_range_that_was_asked_for(fed: World) -> None:
    """Numbers inclusive, dense and as text; contents as asked; each entry with request and response."""
    at = fed.coordinator()
    made = await make(at, wanted())
    await _notices(fed)
    path = f"{PATH}/{made['id']}/$events"

    async def numbers(query: str) -> list[str]:
        events = _parameters(await at.get(f"{path}?{query}")).get("notification-event", [])
        return [next(part["valueString"] for part in event if part["name"] == "event-number") for event in events]

    assert await numbers("") == ["1", "2"]
    assert await numbers("eventsSinceNumber=2") == ["2"]
    assert await numbers("eventsUntilNumber=1&content=empty") == ["1"]
    assert await numbers("eventsSinceNumber=3&eventsUntilNumber=9") == []
    bundles = {content: (await at.get(f"{path}?content={content}")).json() for content in ("empty", "id-only", "full-resource")}
    assert {bundle["type"] for bundle in bundles.values()} == {"history"}
    assert [len(bundle["entry"]) for bundle in bundles.values()] == [1, 3, 3]
    assert all(entry["request"] and entry["response"] for bundle in bundles.values() for entry in bundle["entry"])
    assert ["resource" in entry for entry in bundles["id-only"]["entry"]] == [True, False, False]
    assert ["resource" in entry for entry in bundles["full-resource"]["entry"]] == [True, True, True]
    for query in ("eventsSinceNumber=x", "eventsSinceNumber=-1", "content=all", "eventsSinceNumber=1&eventsSinceNumber=2"):
        outcome(await at.get(f"{path}?{query}"), 400)


async def test_a_long_range_of_events_says_where_it_goes_on(fed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is full links to the next as it was asked for; the last page, and one that ends the range, link nowhere."""
    at = fed.coordinator()
    made = await make(at, wanted())
    await _notices(fed)
    monkeypatch.setattr(replay_events, "MANY", 1)
    first = (await at.get(f"{PATH}/{made['id']}/$events?content=id-only")).json()
    (link,) = first["link"]
    assert link["relation"] == "next"
    last = await at.get(link["url"].removeprefix(BASE))
    assert [entry["resource"]["resourceType"] for entry in last.json()["entry"][:1]] == ["Parameters"]
    assert "link" not in last.json()
    assert [part["valueString"] for event in _parameters(last)["notification-event"] for part in event[:1]] == ["2"]
    assert "link" not in (await at.get(f"{PATH}/{made['id']}/$events?eventsUntilNumber=1")).json()


async def test_what_was_done_with_subscriptions_is_on_record_and_replays_show_no_answer(fed: World) -> None:
    """Made, read, listed, replayed, ended: each its entry; of a replay the requester's auditor sees one, whatever was told."""
    at = fed.coordinator()
    made = await make(at, wanted())
    await _notices(fed)
    path = f"{PATH}/{made['id']}"
    for use in (at.get(path), at.get(PATH), at.get(f"{path}/$status"), at.get(f"{path}/$events"), at.delete(path)):
        await use
    mine = [exchange(one) for one in await log_of(fed.auditor("trust"))]
    for name, times in {
        "subscribe": 1,
        "read_subscription": 2,
        "list_subscriptions": 1,
        "replay_events": 1,
        "end_subscription": 1,
    }.items():
        assert mine.count(name) == times, name
    held = list(await log_of(fed.auditor("council"), exchange="replay_events"))
    assert len(held) == 2
    assert LEO.nhs in json.dumps(held)


@pytest.mark.parametrize("name", [["id"], {"id": 1}, None, "topic", 3])
async def test_a_parameter_that_the_operation_does_not_take_is_refused_by_name(world: World, name: Any) -> None:
    """Whatever stands where a name is due: 400, never a fault of ours."""
    body = {"resourceType": "Parameters", "parameter": [{"name": name, "valueId": "x"}]}
    issues = outcome(await world.social_worker().post(f"{PATH}/$status", body), 400)
    assert "id (valueId)" in issues[0]["diagnostics"]
