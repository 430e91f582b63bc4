"""Heartbeats of rest-hooks: as often as asked, by one worker, of nobody, and not where an event came anyway."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.app import close_gateway, open_gateway
from gateway.fhir import resources
from gateway.heartbeats import send_heartbeats
from tests.edge.desks import admit, council_hears_of, desk, patients, status, until
from tests.edge.durable import ask, change
from tests.edge.test_delivery_decision import kinds, rest_hook, state_of, value
from tests.world import World

PERIOD = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"


def beating(seconds: int = 60) -> dict[str, Any]:
    """A rest-hook that asks for heartbeats."""
    return rest_hook("id-only", extension=[{"url": PERIOD, "valueUnsignedInt": seconds}])


def later(world: World, seconds: int = 61) -> None:
    """As if so much time had passed since anything was due or delivered."""
    micros = seconds * 1_000_000
    change(world.settings, f"UPDATE heartbeat SET due = due - {micros}")
    change(world.settings, f"UPDATE outbox SET updated = updated - {micros}")


async def beat(world: World) -> int:
    gateway = world.gateway
    return await send_heartbeats(gateway.ledger, gateway.context, gateway.deliverer.courier)


async def test_a_heartbeat_comes_when_its_period_is_over_and_tells_of_nobody(world: World) -> None:
    """Type heartbeat, status active, the count of events unchanged, no event; then not again before the next period."""
    some = patients(1)
    with desk() as one:
        (made,) = await council_hears_of(world, some, one.url, **beating())
        assert await beat(world) == 0
        await world.settle()
        await admit(world, some)
        await world.settle()
        later(world)
        assert [await beat(world), await beat(world)] == [1, 0]
        assert kinds(one) == ["handshake", "event-notification", "heartbeat"]
    bundle, raw = one.got[2].bundle, one.got[2].body.decode()
    assert not list(resources.validate(bundle, expected="Bundle"))
    assert (value(bundle, "status"), value(bundle, "events-since-subscription-start"), len(bundle["entry"])) == ("active", "1", 1)
    assert "notification-event" not in raw
    assert some[0].nhs not in raw
    assert "webhook-signature" in one.got[2].headers
    assert ask(world.settings, f"SELECT events FROM subscription WHERE id = '{made}'") == [(1,)]


async def test_an_event_within_the_period_is_sign_of_life_enough(world: World) -> None:
    """The heartbeat is put off to a period after the event."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url, **beating(600))
        await world.settle()
        later(world, 601)
        await admit(world, some)
        await world.settle()
        assert await beat(world) == 1
        assert kinds(one) == ["handshake", "event-notification"]
        later(world, 601)
        await beat(world)
        assert kinds(one)[2:] == ["heartbeat"]


async def test_several_workers_send_each_heartbeat_once(world: World) -> None:
    """Eight looks at once, and on PostgreSQL those of another process: one post for each subscription."""
    gateways = [world.gateway]
    if world.settings.on_postgres:
        gateways.append(await open_gateway(world.settings))
    with desk() as one:
        await council_hears_of(world, patients(3), one.url, **beating())
        await world.settle()
        later(world)
        looks = [send_heartbeats(each.ledger, each.context, each.deliverer.courier) for each in gateways for _ in range(4)]
        assert sum(await asyncio.gather(*looks)) == 3
        assert kinds(one).count("heartbeat") == 3
    for other in gateways[1:]:
        await close_gateway(other)


async def test_an_attempt_is_given_up_after_the_time_that_the_subscription_states(world: World) -> None:
    """A receiver that hangs: ours would be ten minutes, the subscription says one second (backport-timeout)."""
    some = patients(1)
    world.gateway.deliverer.steps = (0.0,)
    timeout = {"url": PERIOD.replace("heartbeat-period", "timeout"), "valueUnsignedInt": 1}
    with desk() as one:
        (made,) = await council_hears_of(world, some, one.url, **rest_hook("id-only", extension=[timeout]))
        await world.settle()
        one.behaviour = one.hang
        world.gateway.deliverer.courier.total = 600.0
        await admit(world, some)
        await world.gateway.deliverer._turn()
        await until(lambda: not world.gateway.deliverer._tasks)
    rows = ask(world.settings, f"SELECT last_result FROM outbox WHERE subscription = '{made}' AND number = 1")
    assert rows == [("no answer: TimeoutError",)]


async def test_no_heartbeat_goes_where_the_subscription_is_not_active(world: World) -> None:
    """In error, switched off or deleted; a receiver that fails a heartbeat loses nothing by it."""
    with desk(status(500)) as one:
        (made,) = await council_hears_of(world, patients(1), one.url, **beating())
        await world.settle()
        later(world)
        assert (await beat(world), await state_of(world, made)) == (0, "error")
        one.behaviour = status(200)
        worker = world.social_worker()
        shown = await worker.get(f"/fhir/Subscription/{made}")
        await worker.put(f"/fhir/Subscription/{made}", {**shown.json(), "status": "requested"})
        await world.settle()
        one.behaviour = status(503)
        later(world)
        assert (await beat(world), await state_of(world, made)) == (1, "active")
        assert kinds(one) == ["handshake", "handshake", "heartbeat"]
        await worker.delete(f"/fhir/Subscription/{made}")
        assert ask(world.settings, "SELECT count(*) FROM heartbeat") == [(0,)]
