"""A long queue for one destination: nobody else waits for it, and nobody looks through it again and again."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, select

from gateway import deliverer
from gateway.demo import people
from gateway.exchanges.notices.lease_notice import Due, NotDue, lease_notice
from gateway.exchanges.notices.replay_notices import Replay
from gateway.listing.outbox import replay_all
from gateway.settings import Settings
from gateway.store import clock, migrate, outbox_ready, tables
from gateway.store.sql import Read
from tests.edge.desks import admit, council_hears_of, delivering, desk, patients, status, subscribe, until
from tests.edge.durable import ask, change
from tests.edge.test_api_subscriptions import rest_hook
from tests.world import World

DEAD = "http://127.0.0.1:9/hook"


def lengthen(settings: Settings, count: int, *, analyzed: bool = True) -> None:
    """The one notice that waits, so many times more: each about another person."""
    with migrate.engine_of(settings.database_url or settings.database_file).begin() as connection:
        like = dict(connection.execute(select(tables.outbox)).mappings().first() or {})
        start = connection.execute(select(tables.outbox.c.id)).all()
        rows = [
            {**like, "id": f"{place:032x}", "lane": place.to_bytes(32, "big"), "due": like["due"] + place}
            for place in range(len(start), len(start) + count)
        ]
        connection.execute(tables.outbox.insert(), rows)
        if analyzed:
            connection.exec_driver_sql("ANALYZE")


def look(settings: Settings, known: str = "") -> tuple[list[Any], int]:
    """What a look into the outbox brings, and how much of the database it takes: steps of SQLite, pages of PostgreSQL."""
    wanted = outbox_ready.READY.with_fixed(
        {"at": clock.now(), "share": deliverer.SHARE, "count": 1024, "known": f"<{known}>" if known else ""}
    )
    with migrate.engine_of(settings.database_url or settings.database_file).connect() as connection:
        return (_on_postgres if settings.database_url else _on_sqlite)(connection, wanted)


def _on_sqlite(connection: Connection, wanted: Any) -> tuple[list[Any], int]:
    taken = [0]
    driver: Any = connection.connection.dbapi_connection

    def step() -> int:
        taken[0] += 1
        return 0

    driver.set_progress_handler(step, 10)
    return driver.execute(outbox_ready.READY.for_sqlite, wanted).fetchall(), taken[0]


def _on_postgres(connection: Connection, wanted: Any) -> tuple[list[Any], int]:
    driver: Any = connection.connection.dbapi_connection
    rows = driver.execute(outbox_ready.READY.for_postgres, wanted).fetchall()
    ((plan,),) = driver.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + outbox_ready.READY.for_postgres, wanted).fetchall()
    return rows, plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


async def test_a_look_takes_no_longer_for_a_longer_queue(world: World) -> None:
    """Twenty times as many notices wait for a destination: a look brings as many of them, for hardly more of the database."""
    some = patients(1)
    await council_hears_of(world, some, DEAD)
    await admit(world, some)
    lengthen(world.settings, 300)
    few, before = look(world.settings)
    lengthen(world.settings, 6000)
    many, after = look(world.settings)
    assert len(few) == len(many) == deliverer.SHARE
    assert after < 3 * before  # an index of more rows is a level deeper


async def test_a_look_costs_nothing_for_a_destination_of_which_enough_is_known(world: World) -> None:
    """Its queue is not looked into at all; the others' are."""
    some, other = patients(2), patients(1, 500)
    await council_hears_of(world, some[:1], DEAD)
    await admit(world, some[:1])
    lengthen(world.settings, 300)
    ((dead,),) = ask(world.settings, "SELECT DISTINCT destination FROM outbox")
    await council_hears_of(world, other, "http://127.0.0.1:19/hook")
    await admit(world, other)
    everything, whole = look(world.settings)
    rows, taken = look(world.settings, known=dead)
    assert len(everything) == deliverer.SHARE + 1
    assert [row[2] == dead for row in rows] == [False]
    assert taken < whole / 5


async def test_how_an_empty_outbox_was_looked_through_is_not_kept(world: World) -> None:
    """The worker has looked dozens of times while nothing waited; then thousands do: it does not go through each of them."""
    some = patients(1)
    await council_hears_of(world, some, DEAD)
    change(world.settings, "ANALYZE")
    wanted = {"at": clock.now() + clock.DAY, "share": deliverer.SHARE, "count": 1024, "known": ""}
    for _ in range(40):
        assert await world.gateway.ledger.read([Read(outbox_ready.READY, wanted)]) == [[]]
    await admit(world, some)
    lengthen(world.settings, 3000, analyzed=False)
    async with asyncio.timeout(30):  # some milliseconds; minutes with each compared to each
        (found,) = await world.gateway.ledger.read([Read(outbox_ready.READY, wanted)])
    assert len(found) == deliverer.SHARE


async def test_each_destination_has_its_first_before_any_has_its_second(world: World) -> None:
    """Dozens wait for one, one each for two more: the three first are of three destinations."""
    some = patients(1)
    await council_hears_of(world, some, DEAD)
    await admit(world, some)
    lengthen(world.settings, 40)
    for port, start in ((19, 300), (29, 600)):
        later = patients(1, start)
        await council_hears_of(world, later, f"http://127.0.0.1:{port}/hook")
        await admit(world, later)
    rows, _ = look(world.settings)
    assert len({row[2] for row in rows[:3]}) == 3


async def test_destinations_take_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one post at a time, three receivers that all have a queue hear in turn."""
    monkeypatch.setattr(deliverer, "IN_FLIGHT", 1)
    some = patients(9)
    with desk() as one, desk() as two, desk() as three:
        desks = (one, two, three)
        for place, each in enumerate(desks):
            await council_hears_of(world, some[place::3], each.url)
        await admit(world, some)
        async with delivering(world):
            await until(lambda: sum(len(each.got) for each in desks) == len(some))
    heard = [place for _, place in sorted((got.at, place) for place, each in enumerate(desks) for got in each.got)]
    assert [set(heard[start : start + 3]) for start in (0, 3, 6)] == [{0, 1, 2}] * 3


async def moved(world: World, subscription: str, **channel: Any) -> None:
    """The council has this subscription sent another way."""
    at, path = world.social_worker(), f"/fhir/Subscription/{subscription}"
    read = (await at.get(path)).json()
    answer = await at.put(path, {**read, "status": "requested", "channel": {**read["channel"], **channel}})
    assert answer.status_code == 200, answer.text


async def test_what_waits_goes_where_its_subscription_goes_by_now(world: World) -> None:
    """The old receiver has failed and is left alone; the new one hears of everything that waited, at once."""
    world.gateway.deliverer.steps = (3600.0, 3600.0)
    some = patients(14)
    with desk(status(503)) as gone, desk() as new:
        made = await council_hears_of(world, some, gone.url)
        await admit(world, some)
        await world.settle()
        assert len(gone.got) < len(some)
        for one in made:
            await moved(world, one, endpoint=new.url)
        change(world.settings, "UPDATE outbox SET due = 1")
        await world.settle()
        assert len(set(new.ids())) == len(some)
    assert len(ask(world.settings, "SELECT DISTINCT destination FROM outbox")) == 1


async def test_a_notice_that_was_found_waits_for_a_new_handshake(world: World) -> None:
    """Its subscription has become a rest-hook that has not answered yet: it is not leased, whoever found it before."""
    (one,) = await council_hears_of(world, some := patients(1), DEAD)
    await admit(world, some)
    ((notice,),) = ask(world.settings, "SELECT id FROM outbox")
    await moved(world, one, **rest_hook("id-only"))
    with pytest.raises(NotDue):
        await world.gateway.ledger.run_alone(lease_notice, Due(notice))
    assert ask(world.settings, f"SELECT state FROM outbox WHERE id = '{notice}'") == [("pending",)]


async def test_what_a_worker_of_the_earlier_release_queues_goes_out(world: World) -> None:
    """It does not write where a notice goes: such rows are found, and a receiver that fails holds up its own alone."""
    world.gateway.deliverer.steps = (3600.0, 3600.0)
    some, others = patients(12), patients(3, 500)
    with desk() as one, desk(status(503)) as gone:
        await council_hears_of(world, some, gone.url)
        await council_hears_of(world, others, one.url)
        await admit(world, [*some, *others])
        change(world.settings, "UPDATE outbox SET destination = ''")
        await world.settle()
        assert len(gone.got) < len(some)
        assert len(set(one.ids())) == 3


async def test_what_is_sent_once_more_goes_where_its_subscription_goes_by_now(world: World) -> None:
    """Given up at one receiver, moved to another that fails: the first, which is back, hears of what is its own."""
    world.gateway.deliverer.steps = (0.0, 0.0)
    some, others = patients(12), patients(6, 500)
    with desk(status(400)) as old, desk(status(503)) as new:
        made = await council_hears_of(world, some, old.url)
        await admit(world, some)
        await world.settle()
        assert ask(world.settings, "SELECT DISTINCT state FROM outbox") == [("dead",)]
        for each in made:
            await moved(world, each, endpoint=new.url)
        old.behaviour = status(200)
        old.got.clear()
        world.gateway.deliverer.steps = (3600.0, 3600.0)
        assert await replay_all(world.gateway.ledger, Replay(people.COUNCIL)) == len(some)
        await council_hears_of(world, others, old.url)
        await admit(world, others)
        await world.settle()
        assert len(set(old.ids())) == len(others)
        assert new.got


async def test_a_handshake_goes_before_what_waits_for_the_same_destination(world: World) -> None:
    """However much does: nothing of its own can go without it."""
    some, new = patients(1), patients(1, 500)
    await council_hears_of(world, some, DEAD)
    await admit(world, some)
    lengthen(world.settings, 300)
    (made,) = await council_hears_of(world, new, DEAD, **rest_hook("id-only"))
    rows, _ = look(world.settings)
    assert rows[0][1] == made


@pytest.mark.parametrize("code", [200, 503], ids=["it answers", "it fails"])
async def test_a_handshake_counts_for_the_endpoint_that_it_went_to(world: World, code: int) -> None:
    """The endpoint is changed while the old one is asked: whatever that one says, the new one is asked, and hears nothing before."""
    world.gateway.deliverer.steps = (0.0,)
    (person,) = some = patients(1)
    with desk() as old, desk() as new:
        asked, change_it, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

        def slowly(handler: Any, number: int) -> None:
            loop.call_soon_threadsafe(asked.set)
            change_it.wait(20)
            status(code)(handler, number)

        old.behaviour = slowly
        (made,) = await council_hears_of(world, some, old.url, **rest_hook("id-only"))
        await admit(world, some)
        async with delivering(world):
            await asyncio.wait_for(asked.wait(), 20)
            await moved(world, made, endpoint=new.url)
            change_it.set()
            await until(lambda: len(new.got) == 2)
        kinds = [got.bundle["entry"][0]["resource"]["parameter"] for got in new.got]
        told = [next(part["valueCode"] for part in one if part["name"] == "type") for one in kinds]
        assert told == ["handshake", "event-notification"]
        assert person.nhs not in str([got.body for got in old.got])


async def test_what_waited_before_the_change_of_tables_waits_where_it_goes(world: World) -> None:
    """Each notice of the older tables has its subscription's destination; one of an inbox has its receiver."""
    some = patients(2)
    await council_hears_of(world, some[:1], DEAD)
    inbox = people.subscription(
        some[1], "known-status-changed", "", "duty-to-share-16la", case="C-9", reason="The plan rests on it"
    )
    await subscribe(world.social_worker(), {**inbox, "channel": {"type": "message", "payload": "application/fhir+json"}})
    await admit(world, some)
    before = ask(world.settings, "SELECT id, destination FROM outbox WHERE state = 'pending' ORDER BY id")
    assert len({destination for _, destination in before}) == 2
    engine = migrate.engine_of(world.settings.database_url or world.settings.database_file)
    migrate.downgrade(engine, "0012")
    migrate.upgrade(engine, world.settings.kind)
    assert ask(world.settings, "SELECT id, destination FROM outbox WHERE state = 'pending' ORDER BY id") == before
