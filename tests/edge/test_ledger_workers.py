"""Several workers on one PostgreSQL: one token once, one dense log, locks that never stand still."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from gateway.demo.people import TRUST
from gateway.exchanges import administer
from gateway.exchanges.access.issue_token import ADD_ASSERTION
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.fhir.outcomes import Conflict, Unavailable
from gateway.settings import Settings
from gateway.store.ledger import Outcome
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.sql import Hold, Read, Write
from gateway.store.standing import FEEDS, SET_STAMP, STANDING, feeds_of
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log
from tests.conftest import count
from tests.edge.desks import until
from tests.edge.durable import ADD, ALL, FIND, ask, deciding, entry, holding, note, note_at_once, opened, row, stored
from tests.world import World, _scopes, put_in_force

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)


@pytest.fixture
async def workers(settings: Settings) -> AsyncIterator[list[Any]]:
    """Two workers on one database."""
    async with opened(settings) as one, opened(settings) as other:
        yield [one, other]


async def test_an_assertion_counts_once_whichever_worker_gets_it(world: World) -> None:
    """The same assertion twice in parallel at two workers: exactly one token, each time."""

    def use(_: Any, jti: str, moment: Any) -> Any:
        changed = yield Write(ADD_ASSERTION, {"client": "c", "jti": jti, "expires": 2**60})
        return Outcome(changed, (entry(jti, moment),))

    async with opened(world.settings) as other:
        for number in range(count(100, 1000)):
            used = await asyncio.gather(world.gateway.ledger.run_alone(use, f"j{number}"), other.run_alone(use, f"j{number}"))
            assert sorted(used) == [0, 1]
    for number in range(count(5, 50)):
        signed = world.sign("trust-epr", user=f"u{number}", role="ward-nurse", purposes=("amh-care-planning",))
        answers = await asyncio.gather(*(world.token_answer(signed, _scopes("trust-epr")) for _ in range(4)))
        assert [answer.status_code for answer in answers].count(200) == 1


async def test_two_workers_that_seal_give_one_dense_tree(workers: list[Any], settings: Settings) -> None:
    """Both give places while both write: no gap, no place twice, and the log verifies."""
    going = True

    async def sealing(ledger: PostgresLedger[Any]) -> None:
        while going:
            await ledger.seal()
            await asyncio.sleep(random.random() * 0.004)

    sealers = [asyncio.create_task(sealing(one)) for one in workers]
    names = [f"n{number}" for number in range(count(400, 20_000))]

    async def writing(name: str) -> None:
        await asyncio.sleep(random.random() * 0.5)
        await random.choice(workers).run(note, name)

    await asyncio.gather(*(writing(name) for name in names))
    going = False
    await asyncio.gather(*sealers)
    while await workers[0].seal():
        pass
    seen = stored(settings)
    assert seen.places == tuple(range(len(names)))
    assert verify_log(settings.database_url, load_keys(settings.keys_folder)).ok


async def test_a_deadlock_is_begun_anew_and_both_end(workers: list[Any], settings: Settings) -> None:
    """Two who take the same locks in opposite order: the database breaks it up, both land, each once."""
    one, two = b"A" * 16, b"B" * 16

    def crossing(_: Any, ask: tuple[str, bytes, bytes], moment: Any) -> Any:
        name, first, second = ask
        yield Hold((first,))
        for _ in range(20):
            yield Read(ALL)
        yield Hold((second,))
        yield Write(ADD, row(name))
        return Outcome(name, (entry(name, moment),))

    ended = await asyncio.gather(workers[0].run_alone(crossing, ("a", one, two)), workers[1].run_alone(crossing, ("b", two, one)))
    assert ended == ["a", "b"]
    assert stored(settings).names == {"a", "b"}


async def test_a_batch_that_crossed_another_is_begun_anew_as_a_whole(workers: list[Any], settings: Settings) -> None:
    """What the other did is found then: the rest of the batch waits for no transactions one after another."""

    def finds_or_adds(_: Any, name: str, moment: Any) -> Any:
        found = yield Read(FIND, {"jti": name})
        return Outcome(bool(found), (entry(name, moment),), () if found else (Write(ADD, row(name)),))

    with psycopg.connect(settings.database_url) as other:
        other.execute("INSERT INTO seen_assertion (client, jti, expires) VALUES ('c', 'shared', 1)")
        asked = [asyncio.create_task(workers[0].run(finds_or_adds, name)) for name in ("a", "b", "shared", "d", "e", "f")]
        await until(lambda: ask(settings, "SELECT 1 FROM pg_locks WHERE NOT granted"))
    assert await asyncio.gather(*asked) == [False, False, True, False, False, False]
    assert ask(settings, "SELECT count(DISTINCT recorded) FROM audit_entry") == [(1,)]  # all six together, none by itself


async def test_lookups_that_find_relatives_and_changes_of_whole_families_never_stand_still(
    workers: list[Any], settings: Settings
) -> None:
    """Locks on persons found one after the other against locks on all of them: hundreds of each, and no deadlock to wait for."""
    family = [bytes([letter]) * 16 for letter in b"ABCDEF"]
    size = count(150, 3000)

    async def deciding_on(number: int) -> None:
        await asyncio.sleep(random.random() * 0.3)
        rounds = tuple((token,) for token in random.sample(family, 3))
        await random.choice(workers).run(deciding, (f"d{number}", rounds))

    async def changing(number: int) -> None:
        await asyncio.sleep(random.random() * 0.3)
        await random.choice(workers).run_alone(holding, (f"c{number}", tuple(random.sample(family, 4))))

    before = ask(settings, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(deciding_on(number) for number in range(size)), *(changing(number) for number in range(size // 3)))
    took = asyncio.get_running_loop().time() - started
    await asyncio.sleep(0.1)
    after = ask(settings, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    assert len(stored(settings).names) == size + size // 3
    assert after == before
    assert took < 30


async def test_policy_is_changed_by_one_at_a_time(world: World) -> None:
    """Two operators who register the same agency at once: one does, the other is told that it is there."""
    agency = administer.NewAgency("TNEW1", "New", "voluntary", {})
    async with opened(world.settings) as other:
        ended = await asyncio.gather(
            world.gateway.ledger.run_alone(administer.add_agency, agency),
            other.run_alone(administer.add_agency, agency),
            *(world.gateway.ledger.run_alone(put_in_force, world.gateway.context.agreements.version) for _ in range(6)),
            *(other.run_alone(put_in_force, world.gateway.context.agreements.version) for _ in range(6)),
            return_exceptions=True,
        )
    assert sorted(type(end).__name__ for end in ended[:2]) == ["Conflict", "NoneType"]
    assert ended[2:] == [None] * 12
    assert isinstance(next(end for end in ended[:2] if end), Conflict)


async def test_two_operators_who_change_an_agency_at_once_both_have_their_way(world: World) -> None:
    """What one names is not set back by the other, who read it before; the version counts both."""
    mine, theirs = administer.AgencyChange(TRUST, name="Northmoor"), administer.AgencyChange(TRUST, fresh_hours=24)
    async with opened(world.settings) as other:
        before = feeds_of((await other.read([Read(FEEDS)]))[0])[TRUST]
        for _ in range(3):
            await asyncio.gather(
                world.gateway.ledger.run_alone(administer.change_agency, mine), other.run_alone(administer.change_agency, theirs)
            )
        after = feeds_of((await other.read([Read(FEEDS)]))[0])[TRUST]
    assert after == before._replace(name="Northmoor", fresh_hours=24, version=before.version + 6)


async def test_a_revoked_client_gets_nothing_after_the_acknowledgement(world: World) -> None:
    """From the moment that the revocation is acknowledged, no worker answers with a token of before."""
    token = await world.token("council-system", "sw22", "social-worker", "safeguarding-s47")
    requester = world.gateway.edge.tokens.verify(token, time.time())
    ask_for = LookupRequest(requester, "9990001049", "1990-05-05", True, "safeguarding-s47", case_reference="s|C-1")
    vault = load_keys(world.settings.keys_folder)
    other = PostgresLedger(world.settings.database_url, world.gateway.context, vault)
    await other.start()
    try:
        done = asyncio.Event()
        late: list[str] = []

        async def asking(ledger: Any) -> int:
            answered = 0
            while True:
                after = done.is_set()
                answer = await ledger.run(look_up_status, ask_for)
                if after:
                    late.append(answer.refused)
                    if len(late) > 100:
                        return answered
                answered += not answer.refused

        asked = [asyncio.create_task(asking(ledger)) for ledger in (world.gateway.ledger, other) for _ in range(8)]
        await asyncio.sleep(0.2)
        await other.run_alone(administer.revoke_client, "council-system")
        done.set()
        assert sum(await asyncio.gather(*asked)) > 0
        assert set(late) == {"token-superseded"}
    finally:
        await other.close()


async def test_no_batch_stands_on_what_another_worker_has_changed(workers: list[Any]) -> None:
    """A worker begins on the versions that it saw last, and begins anew where another has changed them: each exchange is
    told of its own moment what was in force then."""
    begun: list[str] = []

    def looks(_: Any, name: str, moment: Any) -> Any:
        begun.append(name)
        rows = yield Read(STANDING)
        return Outcome((moment.stamp, rows[0][1]), (entry(name, moment),))

    def changes(_: Any, stamp: str, moment: Any) -> Any:
        yield Hold(policy=True)
        yield Write(SET_STAMP, {"stamp": stamp})
        return Outcome(None, (entry(stamp, moment),))

    one, other = workers
    for number in range(count(50, 1000)):
        await other.run_alone(changes, f"s{number}")
        told = await asyncio.gather(*(one.run(looks, f"n{number}-{place}") for place in range(3)))
        assert told == [(f"s{number}", f"s{number}")] * 3
    assert len(begun) - len(set(begun)) >= number  # some exchange of each round was begun twice


async def test_who_stands_still_with_a_lock_stops_the_others_for_seconds_only(workers: list[Any], settings: Settings) -> None:
    """A worker that hangs inside a transaction: the others are told 503, and go on when the database has ended it."""
    token = b"A" * 16
    key = int.from_bytes(token[:8], "big", signed=True)
    async with await psycopg.AsyncConnection.connect(settings.database_url) as hanging:
        await hanging.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
        for one in workers:
            async with one._for_batches.borrowed() as first:
                await first.execute("SET lock_timeout = '200ms'")
        with pytest.raises(Unavailable):
            await workers[0].run(deciding, ("a", ((token,),)))
        assert await workers[0].run(note, "b") == "b"
        await hanging.rollback()
    assert await workers[0].run(deciding, ("c", ((token,),))) == "c"
    async with workers[0]._for_one.borrowed() as one:
        names = ("lock_timeout", "synchronous_commit", "idle_in_transaction_session_timeout")
        found = [(await (await one.execute("SELECT current_setting(%s)", (name,))).fetchone())[0] for name in names]
    assert found == ["10s", "on", "30s"]


async def test_a_worker_that_is_cut_off_serves_again(workers: list[Any], settings: Settings) -> None:
    """An administrator ends all of its connections: one 503 at most for each that was open, then service."""
    for number in range(6):
        await workers[0].run_alone(note_at_once, f"warm{number}")
        await workers[0].run(note, f"batch{number}")
    with psycopg.connect(settings.database_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    refused = 0
    for number in range(40):
        with contextlib.suppress(Unavailable):
            await workers[0].run(note, f"n{number}")
            await workers[0].run_alone(note_at_once, f"m{number}")
            continue
        refused += 1
    assert refused <= 3
