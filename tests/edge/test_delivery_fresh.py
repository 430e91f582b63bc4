"""What was withdrawn before the first byte does not leave: lines are opened before leases, and an old lease is given back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.deliverer import DECIDED, post_of
from gateway.exchanges.notices.give_back_notice import give_back_notice
from gateway.exchanges.notices.lease_notice import Due, NoticeLease, lease_notice
from gateway.store import clock
from tests.edge.desks import admit, council_hears_of, desk, patients, until
from tests.edge.durable import ask, change
from tests.edge.test_delivery_decision import amina_wants, logged, the_family_service_hears_of_amina, trust_sends
from tests.world import World

ROW = "SELECT state, attempts, number FROM outbox"


class NameServer:
    """One that takes its time."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.set()
        await self.may_answer.wait()
        return ["127.0.0.1"]


@pytest.fixture
def names(fed: World) -> NameServer:
    """The name server that the deliverer asks."""
    fed.gateway.deliverer.courier.resolver = server = NameServer()
    return server


async def ended(world: World) -> None:
    """No delivery is under way."""
    await until(lambda: not world.gateway.deliverer._tasks)


async def test_what_is_withdrawn_while_the_receiver_is_being_reached_does_not_leave(fed: World, names: NameServer) -> None:
    """The name server is slow; she withdraws meanwhile, and has it acknowledged: nothing leaves, no number is used up."""
    with desk() as one:
        made = await amina_wants(fed, permits=True)
        await the_family_service_hears_of_amina(fed, f"http://localhost:{one.port}/hook")
        await trust_sends(fed, "A03")
        await fed.gateway.deliverer._turn()
        await names.asked.wait()
        assert ask(fed.settings, ROW) == [("pending", 0, None)], "nothing is decided for a receiver that is not reached yet"
        await amina_wants(fed, permits=False, made=made)
        names.may_answer.set()
        await ended(fed)
        assert one.got == []
    assert ask(fed.settings, ROW) == [("withheld", 0, None)]


async def test_a_lease_whose_first_byte_is_late_is_given_back_and_decided_again(fed: World) -> None:
    """Leased, then held up: nothing leaves under the old decision. She has withdrawn by the next: withheld. Each is on record."""
    deliverer = fed.gateway.deliverer
    with desk() as one:
        made = await amina_wants(fed, permits=True)
        await the_family_service_hears_of_amina(fed, one.url)
        await trust_sends(fed, "A03")
        deliverer.fresh = 0.0
        await deliverer._turn()
        await ended(fed)
        assert ask(fed.settings, ROW) == [("pending", 0, 1)], "it is due, and has not been tried"
        await amina_wants(fed, permits=False, made=made)
        deliverer.fresh = 5.0
        await fed.settle()
        assert one.got == []
    assert ask(fed.settings, ROW) == [("withheld", 0, 1)]
    (line,) = logged(fed, "give_back_notice")
    assert (line.outcome, dict(line.detail)["result"]) == (8, "given-back")
    assert [line.outcome for line in logged(fed, "lease_notice")] == [0, 4]
    assert deliverer.counts == {"given-back": 1, "withheld": 1}


async def test_a_lease_that_was_given_back_costs_no_attempt_and_no_number(world: World) -> None:
    """However often: the notice then arrives, once, as the first attempt, under the number that it was given first."""
    deliverer = world.gateway.deliverer
    with desk() as one:
        await council_hears_of(world, patients(1), one.url)
        await admit(world, patients(1))
        deliverer.fresh = 0.0
        for _ in range(3):
            await deliverer._turn()
            await ended(world)
            assert ask(world.settings, ROW) == [("pending", 0, 1)]
        deliverer.fresh = 5.0
        await world.settle()
        assert one.numbers() == [1]
        assert len(one.got) == 1
    assert ask(world.settings, ROW) == [("delivered", 1, 1)]


async def leased(world: World, url: str) -> NoticeLease:
    """A notice for the council, leased."""
    await council_hears_of(world, patients(1), url)
    await admit(world, patients(1))
    ((notice,),) = ask(world.settings, "SELECT id FROM outbox")
    found = await world.gateway.ledger.run_alone(lease_notice, Due(str(notice)))
    assert found is not None
    return found


async def test_a_process_that_stood_still_after_its_decision_sends_nothing_under_it(world: World) -> None:
    """Stopped between the decision and the knowledge of it, for however long: the age of the decision counts as well."""
    deliverer = world.gateway.deliverer
    with desk() as one:
        fresh = await leased(world, one.url)
        old = replace(fresh, decided=fresh.decided - int(DECIDED * clock.SECOND))
        opened = await deliverer.courier.open(one.url)
        assert deliverer._until(old) <= time.monotonic() < deliverer._until(fresh)
        posts = [await deliverer.courier.post_on(opened, post_of(world.gateway.context, fresh), deliverer._until(old))]
        assert one.got == []
        posts.append(await deliverer.courier.post_on(opened, post_of(world.gateway.context, fresh), deliverer._until(fresh)))
        await deliverer.courier.close_line(opened)
        assert [(posted.begun, posted.delivered) for posted in posts] == [(False, False), (True, True)]
        assert len(one.got) == 1


async def test_who_was_overtaken_gives_nothing_back(world: World) -> None:
    """The lease ran out and another deliverer has the notice: its lease stands, the other's end is on record all the same."""
    stale = await leased(world, "http://127.0.0.1:1025/")
    change(world.settings, "UPDATE outbox SET leased_until = 1")
    fresh = await world.gateway.ledger.run_alone(lease_notice, Due(stale.notice))
    await world.gateway.ledger.run(give_back_notice, stale)
    assert ask(world.settings, "SELECT state, attempts, epoch FROM outbox") == [("leased", 2, 2)]
    assert fresh is not None
    await world.gateway.ledger.run(give_back_notice, fresh)
    assert ask(world.settings, "SELECT state, attempts, epoch FROM outbox") == [("pending", 1, 2)]
    assert len(logged(world, "give_back_notice")) == 2


async def test_an_endpoint_that_moved_while_the_old_one_was_being_reached_is_the_one_that_hears(
    fed: World, names: NameServer
) -> None:
    """The subscription names another receiver by the time of the lease: the old one gets nothing, the new one gets it once."""
    worker = fed.social_worker()
    fed.gateway.deliverer.fresh = 60.0  # a slow machine gives no lease back here
    with desk() as old, desk() as new:
        (made,) = await council_hears_of(fed, patients(1), f"http://localhost:{old.port}/hook")
        await admit(fed, patients(1))
        await fed.gateway.deliverer._turn()
        await names.asked.wait()
        shown: Any = await worker.get(f"/fhir/Subscription/{made}")
        body = shown.json()
        body["channel"]["endpoint"] = new.url
        assert (await worker.put(f"/fhir/Subscription/{made}", body, shown.headers["etag"])).status_code == 200
        names.may_answer.set()
        await fed.settle()
        assert old.got == []
        assert new.numbers() == [1]
        assert len(new.got) == 1
    assert ask(fed.settings, ROW) == [("delivered", 1, 1)]
