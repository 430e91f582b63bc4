"""Receivers that are away for long: nothing is dropped silently, both agencies are told, and everything can still be had."""

from __future__ import annotations

from typing import Any

from gateway.deliverer import Deliverer
from gateway.demo.people import COUNCIL, TRUST
from gateway.exchanges.notices.given_up import UNDELIVERED
from gateway.exchanges.notices.replay_notices import Replay
from gateway.exchanges.reviews import open_item
from gateway.listing.outbox import replay_all, summary
from gateway.notification.schedule import STEPS
from gateway.partners import breaker
from gateway.store import clock, reviews
from gateway.store.outbox_view import BY_RECEIVER, OVERDUE_BY_RECEIVER
from gateway.store.sql import Read
from tests.edge.desks import Desk, admit, council_hears_of, desk, patients, status
from tests.edge.durable import ask, change
from tests.world import World

PAYLOAD = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
MISSED = "/StructureDefinition/missed-notices"
DAY = 24 * 3600


def missed(bundle: dict[str, Any]) -> list[str]:
    """The gap markers of a message."""
    return [one["valueString"] for one in bundle["entry"][0]["resource"]["extension"] if one["url"].endswith(MISSED)]


async def alerts(world: World, agency: str) -> list[Any]:
    """What the agency's queue says about notices that were given up."""
    rows = (await world.gateway.ledger.read([Read(reviews.OPEN_REVIEWS, {"agency": agency, "count": 100})]))[0]
    items = [open_item(world.gateway.context, row) for row in rows]
    return [item for item in items if item.kind == UNDELIVERED]


async def later(world: World, seconds: float) -> None:
    """Time goes by for the outbox: whatever is in it is so much older, and due so much sooner."""
    micros = int(seconds * clock.SECOND)
    change(world.settings, "UPDATE outbox SET due = due - ?, created = created - ?", micros, micros)
    world.gateway.deliverer._forgets = 0.0
    await world.settle()


async def replayed(world: World, **more: Any) -> int:
    """What an operator sends once more."""
    return await replay_all(world.gateway.ledger, Replay(COUNCIL, **more))


async def given_up(world: World, one: Desk, some: list[Any], *events: str) -> None:
    """Notices that were tried as often as the schedule says."""
    one.behaviour = status(503)
    for event in events:
        await admit(world, some, event)
        await world.settle()
    one.behaviour, one.got = status(200), []


async def test_a_dead_letter_alerts_both_agencies_once_a_day(world: World) -> None:
    """An item in each queue that names the receiver, the notice and the last result; not one for each further notice."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await given_up(world, one, some, "A01", "A03")
        first, _ = [identifier for (identifier,) in ask(world.settings, "SELECT id FROM outbox ORDER BY number")]
    for agency in (COUNCIL, TRUST):
        (item,) = await alerts(world, agency)
        told = dict(item.matter.why)
        assert (told["receiver"], told["notice"], told["result"]) == (COUNCIL, first, "http 503")
        assert item.matter.patient.endswith(some[0].nhs)
    assert await alerts(world, "THV01") == []


async def test_a_receiver_that_is_gone_alerts_both_agencies(world: World) -> None:
    """410 at once, without waiting for the end of a schedule."""
    some = patients(1)
    with desk(status(410)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
    assert [len(await alerts(world, agency)) for agency in (COUNCIL, TRUST)] == [1, 1]


async def test_the_next_notice_says_which_were_given_up(world: World) -> None:
    """A gap marker with the numbers; once, on what arrives next; and they are served to who asks."""
    some = patients(1)
    with desk() as one:
        (made,) = await council_hears_of(world, some, one.url)
        await given_up(world, one, some, "A01", "A03")
        await admit(world, some, stay="2")
        await admit(world, some, "A03", stay="2")
        await world.settle()
        assert one.numbers() == [3, 4]
        assert [missed(got.bundle) for got in one.got] == [["1-2"], []]
        events = (await world.social_worker().get(f"/fhir/Subscription/{made}/$events")).json()["entry"][0]["resource"]
        told = [part["part"][0]["valueString"] for part in events["parameter"] if part["name"] == "notification-event"]
        assert told == ["1", "2", "3", "4"]


async def test_a_rest_hook_is_told_of_the_gap_too(world: World) -> None:
    """On the event of a backport notification."""
    some = patients(1)
    with desk() as one:
        content = {"extension": [{"url": PAYLOAD, "valueCode": "id-only"}]}
        await council_hears_of(world, some, one.url, type="rest-hook", payload="application/fhir+json", _payload=content)
        await world.settle()
        await given_up(world, one, some, "A01")
        await admit(world, some, "A03")
        await world.settle()
        (event,) = [
            part for part in one.got[-1].bundle["entry"][0]["resource"]["parameter"] if part["name"] == "notification-event"
        ]
        assert [(one["url"].rpartition("/")[2], one["valueString"]) for one in event["extension"]] == [("missed-notices", "1")]


async def test_what_was_given_up_is_sent_once_more_with_its_id_and_number(world: World) -> None:
    """A dry run counts and changes nothing; the replay sends in the order of the person, under the same ids, and is on record."""
    some = patients(2)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await given_up(world, one, some, "A01", "A03")
        ids = {identifier for (identifier,) in ask(world.settings, "SELECT id FROM outbox WHERE state = 'dead'")}
        assert await replayed(world, dry_run=True) == 4
        await world.settle()
        assert one.got == []
        assert await replayed(world, topic="discharged") == 2
        assert await replayed(world) == 2
        await world.settle()
        assert set(one.ids()) == ids
        assert len(one.got) == 4
        for person in some:
            mine = [number(got) for got in one.got if person.nhs in got.body.decode()]
            assert mine == ["1", "2"]
    assert ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'replay_notices'") == [(3,)]
    assert ask(world.settings, "SELECT DISTINCT state FROM outbox") == [("delivered",)]


def number(got: Any) -> str:
    """The number that a message carries."""
    extensions = got.bundle["entry"][0]["resource"]["extension"]
    return next(str(one["valueString"]) for one in extensions if one["url"].endswith("/notice-number"))


async def test_a_replay_is_decided_again(world: World) -> None:
    """The subscription has run out since: what is replayed is withheld, on record."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await given_up(world, one, some, "A01")
        change(world.settings, "UPDATE subscription SET ends = 1")
        assert await replayed(world) == 1
        await world.settle()
        assert one.got == []
    assert ask(world.settings, "SELECT state, number FROM outbox") == [("withheld", 1)]


async def test_what_arrived_is_sent_again_only_where_that_is_asked_for(world: World) -> None:
    """A receiver that lost its own records asks for them; others are not written to twice."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        assert await replayed(world) == 0
        assert await replayed(world, since=clock.now()) == 0
        assert await replayed(world, delivered_too=True) == 1
        await world.settle()
        assert len(one.got) == 2
        assert len(set(one.ids())) == 1


async def test_the_operator_sees_how_much_waits_for_whom(world: World) -> None:
    """Waiting, failing, given up, and how long the oldest has waited."""
    world.gateway.deliverer.steps = (0.0, 3600.0)
    some = patients(2)
    with desk(status(503)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        await admit(world, some, "A03")
        found, overdue = await world.gateway.ledger.read([Read(BY_RECEIVER), Read(OVERDUE_BY_RECEIVER)])
        (line,) = summary(found, overdue, clock.now() + 60 * clock.SECOND)
        assert (line["receiver"], line["waiting"], line["failing"], line["dead"], line["overdue"]) == (COUNCIL, 2, 2, 0, 0)
        assert 60 <= line["oldest"] < 120


async def test_a_receiver_that_was_away_for_three_days_gets_everything_in_order_once(world: World) -> None:
    """Changes all the while, attempts by the schedule of 76 hours, nothing given up; the first attempt that arrives brings the others with it."""
    world.gateway.deliverer.steps = STEPS
    some = patients(3)
    one = Desk().up()
    one.down()
    await council_hears_of(world, some, f"http://127.0.0.1:{one.port}/hook")
    for day, event in enumerate(("A01", "A03", "A01", "A03", "A01", "A03")):
        await admit(world, some, event, stay=str(day // 2))
        for _ in range(4):
            half_open(world.gateway.deliverer)
            await later(world, DAY / 8)
    assert ask(world.settings, "SELECT count(*) FROM outbox WHERE state <> 'pending'") == [(0,)]
    one.up()
    try:
        half_open(world.gateway.deliverer)
        for _ in range(30):
            await later(world, DAY / 24)
        assert len(one.got) == len(set(one.ids())) == 3 * 6
        for person in some:
            assert [number(got) for got in one.got if person.nhs in got.body.decode()] == list("123456")
    finally:
        one.down()
    assert ask(world.settings, "SELECT DISTINCT state FROM outbox") == [("delivered",)]


async def test_a_destination_that_does_not_answer_is_left_alone_and_costs_no_attempts(world: World) -> None:
    """After five failures one notice at a time is tried; when that one arrives the others need not wait for their turn."""
    world.gateway.deliverer.steps = (0.0, 3600.0, 3600.0)
    some = patients(12)
    with desk(status(503)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        tried = len(one.got)
        assert breaker.ENOUGH <= tried < len(some)
        assert ask(world.settings, "SELECT count(*) FROM outbox WHERE attempts = 0") == [(len(some) - tried,)]
        one.behaviour = status(200)
        await world.settle()
        assert len(one.got) == tried, "its pause is not over"
        half_open(world.gateway.deliverer)
        await world.settle()
        assert len(set(one.ids())) == len(some)
    assert ask(world.settings, "SELECT DISTINCT state FROM outbox") == [("delivered",)]


def half_open(deliverer: Deliverer) -> None:
    """The pause of every open breaker is over."""
    for one in deliverer.breakers._failing.values():
        one.until = 0.0


async def test_other_destinations_of_the_same_agency_are_not_left_alone(world: World) -> None:
    """The breaker is the endpoint's, not the agency's."""
    world.gateway.deliverer.steps = (0.0, 3600.0, 3600.0)
    some, others = patients(8), patients(8, 300)
    with desk(status(503)) as dead, desk() as alive:
        await council_hears_of(world, some, dead.url)
        await admit(world, some)
        await world.settle()
        await council_hears_of(world, others, alive.url)
        await admit(world, others)
        await world.settle()
        assert len(alive.got) == len(others)


async def test_what_waits_too_long_for_a_destination_comes_to_its_end(world: World) -> None:
    """However long a destination is left alone: after the time of the schedule its notices are tried, and given up."""
    world.gateway.deliverer.steps = STEPS
    some = patients(10)
    with desk(status(503)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        assert ask(world.settings, "SELECT count(*) FROM outbox WHERE attempts = 0")[0][0] > 0
        await later(world, 5 * DAY)
    assert ask(world.settings, "SELECT DISTINCT state FROM outbox") == [("dead",)]
    assert [len(await alerts(world, agency)) for agency in (COUNCIL, TRUST)] == [10, 10]
