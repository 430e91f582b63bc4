"""Notices arrive in order, once, side by side: nobody waits for another person's notices or another agency's receiver."""

from __future__ import annotations

import base64
import json
import random
import time
from typing import Any

import pytest

from gateway import deliverer
from gateway.demo import people
from gateway.demo.people import LEO
from gateway.fhir import systems
from tests.conftest import count
from tests.edge.desks import admit, council_hears_of, delivering, desk, in_turn, patients, status, subscribe, until
from tests.edge.durable import ask
from tests.world import World


async def three_changes_about_leo(world: World, url: str) -> dict[str, Any]:
    """The trust's coordinator subscribes; the council opens an enquiry, starts a plan, places the child."""
    body = people.subscription(
        LEO, "known-status-changed", url, "duty-to-share-16la", case="RIO-77", reason="Care plan of his mother"
    )
    made = await subscribe(world.coordinator(), body)
    for what in ({"enquiry": True}, {"enquiry": True, "plan": True}, {"enquiry": True, "plan": True, "placed": True}):
        await world.as_("council-system").sends("dfe-csc-api", people.children(**what))
    return made


async def test_notices_about_one_person_arrive_in_order_through_failures(fed: World) -> None:
    """A receiver that fails half of the time gets each notice, in order of what happened, numbers without a gap."""
    fed.gateway.deliverer.steps = (0.0,) * 40
    with desk(lambda handler, number: status(random.choice([200, 503]))(handler, number)) as one:
        made = await three_changes_about_leo(fed, one.url)
        await fed.settle(300)
        assert one.numbers() == [1, 2, 3]
        assert [topic for place, topic in enumerate(one.topics()) if one.ids()[place] not in one.ids()[:place]] == [
            "known-status-changed", "child-protection-plan-started", "looked-after-started",
        ]  # fmt: skip
        first = one.ids().index
        assert [first(identifier) for identifier in dict.fromkeys(one.ids())] == sorted(map(first, set(one.ids())))
        assert len(set(one.ids())) == 3
    states = ask(fed.settings, f"SELECT state, number FROM outbox WHERE subscription = '{made['id']}' ORDER BY place")
    assert states == [("delivered", 1), ("delivered", 2), ("delivered", 3)]


async def test_every_attempt_has_an_id_and_names_whom_it_is_for(fed: World) -> None:
    """Attempts at one notice have ids of their own and one to be correlated by; the target is the receiver's ODS code."""
    fed.gateway.deliverer.steps = (0.0, 0.0)
    with desk(in_turn(503)) as one:
        await three_changes_about_leo(fed, one.url)
        await fed.settle()
        first, again, other = (got.headers for got in one.got[:3])
    assert first["webhook-id"] == again["webhook-id"] != other["webhook-id"]
    assert first["x-correlation-id"] == again["x-correlation-id"] != other["x-correlation-id"]
    assert len({got.headers["x-request-id"] for got in one.got}) == len(one.got)
    target = json.loads(base64.b64decode(first["nhsd-target-identifier"]))
    assert target == {"system": systems.ODS_CODE, "value": people.TRUST}


async def test_a_notice_waits_for_the_one_before_it(fed: World) -> None:
    """While the first is not settled, the second about the same person does not go out."""
    fed.gateway.deliverer.steps = (0.0, 3600.0)
    with desk(status(503)) as one:
        await three_changes_about_leo(fed, one.url)
        await fed.settle()
        assert len(one.got) == 1
        one.behaviour = status(200)
        await fed.settle()
        assert len(one.got) == 1, "neither the first, which is due in an hour, nor the second before it"


async def test_notices_about_different_people_go_side_by_side(world: World) -> None:
    """A receiver that takes its time is served over several connections at once, and over no more than its part."""

    def slowly(handler: Any, number: int) -> None:
        time.sleep(0.1)
        status(200)(handler, number)

    some = patients(12)
    with desk(slowly) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        async with delivering(world):
            await until(lambda: len(one.got) == 12)
        assert 2 <= one.most_at_once <= deliverer.PER_DESTINATION


async def test_a_receiver_that_hangs_delays_nobody_else(world: World) -> None:
    """Dozens of notices for a receiver that never answers, and behind them some for one that does: these arrive at once."""
    waiting, quick = patients(count(80, 600)), patients(8, 5000)
    world.gateway.deliverer.courier.total = 4.0
    with desk() as dead, desk() as alive:
        dead.behaviour = dead.hang
        await council_hears_of(world, waiting, dead.url)
        hearers = world.as_("voluntary-system", "fw1", "family-worker", "early-help")
        for person in quick:
            wish = [people.permit(people.VOLUNTARY, "early-help", "existence", "status", "contact", "detail")]
            consent = people.consent(person, person, wish, agency=people.TRUST, when=people.day(1))
            assert (await world.as_("trust-epr").post("/fhir/Consent", consent)).status_code == 201
            await subscribe(hearers, people.subscription(person, "known-status-changed", alive.url, "early-help"))
        await admit(world, [*waiting, *quick])
        started = time.monotonic()
        async with delivering(world):
            await until(lambda: len({one.headers["webhook-id"] for one in alive.got}) == len(quick))
            took = time.monotonic() - started
            assert dead.most_at_once <= deliverer.PER_DESTINATION
            dead.stopping.set()
        assert took < 2.5


async def test_event_numbers_are_dense_for_each_subscription(world: World) -> None:
    """Several notices each to many subscriptions, sent side by side: every subscription counts 1, 2, 3 without a gap."""
    some = patients(10)
    with desk() as one:
        made = await council_hears_of(world, some, one.url)
        for event in ("A01", "A03", "A01", "A03"):
            await admit(world, some, event)
        async with delivering(world):
            await until(lambda: not ask(world.settings, "SELECT 1 FROM outbox WHERE state <> 'delivered'"))
    for subscription in made:
        found = [
            number
            for (number,) in ask(
                world.settings, f"SELECT number FROM outbox WHERE subscription = '{subscription}' ORDER BY place"
            )
        ]
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= 2
        assert ask(world.settings, f"SELECT events FROM subscription WHERE id = '{subscription}'") == [(len(found),)]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_two_deliverers_never_send_the_same_notice(world: World) -> None:
    """Two processes on one database, both at work: every notice goes out once, and once only is it on record as leaving."""
    from gateway.deliverer import Deliverer
    from gateway.partners.delivery import Courier
    from gateway.store.ledger_postgres import PostgresLedger
    from gateway.store.vault import load_keys

    some = patients(count(60, 1000))
    ledger = PostgresLedger(world.settings.database_url, world.gateway.context, load_keys(world.settings.keys_folder))
    await ledger.start()
    other = Deliverer(ledger, world.gateway.context, Courier(loopback_allowed=True), world.gateway.deliverer.steps)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        import asyncio

        task = asyncio.create_task(other.run())
        async with delivering(world):
            await until(lambda: not ask(world.settings, "SELECT 1 FROM outbox WHERE state <> 'delivered'"), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await other.courier.close()
        await ledger.close()
        assert len(one.ids()) == len(set(one.ids())) == len(some)
    assert ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice'") == [(len(some),)]
    assert ask(world.settings, "SELECT DISTINCT epoch, attempts FROM outbox") == [(1, 1)]
