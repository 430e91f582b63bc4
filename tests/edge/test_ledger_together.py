"""Exchanges that share a transaction, each as if it were alone: what one holds no other touches, and their order stays."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.fhir.outcomes import Unprocessable
from gateway.settings import Settings
from gateway.store.ledger import Outcome
from gateway.store.ledger_batch import keys_of
from gateway.store.ledger_together import in_runs
from gateway.store.people import COUNT_UNMATCHED
from gateway.store.sql import Hold, Read, Write
from gateway.store.standing import TOUCH_FEED
from tests.conftest import count
from tests.edge.durable import ADD, ALL, FIND, Story, ask, entry, note_at_once, opened, refuses, refuses_late, row, stored
from tests.world import settings_for

Held = tuple[str, tuple[str, ...]]


@pytest.fixture
async def ledger(settings: Settings) -> AsyncIterator[Any]:
    """A ledger with nothing in it."""
    async with opened(settings) as made:
        yield made


@pytest.fixture
def postgres_settings(postgres_url: str, tmp_path: Path, keys_folder: Path) -> Settings:
    """A fresh deployment on PostgreSQL, where several share a transaction."""
    return settings_for(tmp_path, keys_folder, postgres_url)


def token(name: str) -> bytes:
    """The token under which somebody is held."""
    return name.encode().ljust(16, b"-")


def telling(_: Any, asked: Held, moment: Any) -> Story:
    """Comes to know of one person after the other and holds each, and then tells how many were written before it."""
    name, people = asked
    yield Read(FIND, {"jti": name})
    for one in people:
        yield Hold((token(one),))
        yield Read(FIND, {"jti": name})
    before = yield Read(ALL)
    yield Write(ADD, row(name), later=True)
    return Outcome(before[0][0], (entry(name, moment),))


def either(_: Any, asked: tuple[Any, str], moment: Any) -> Story:
    """One exchange that is another's, so that different ones are of one kind."""
    exchange, name = asked
    return (yield from exchange(_, name, moment))


async def test_each_ends_as_it_would_alone(ledger: Any, settings: Settings) -> None:
    """A refusal is its own, early or late, and leaves nothing; the others land, each with its entry."""
    kinds = [note_at_once, refuses, note_at_once, refuses_late, note_at_once]
    asked = [(kinds[number % 5], f"n{number}") for number in range(25)]
    ended = await ledger.run_each(either, asked)
    good = [kind is note_at_once for kind, _ in asked]
    assert [isinstance(end, Unprocessable) for end in ended] == [not one for one in good]
    assert [end for end in ended if isinstance(end, tuple)] == [(0, 1, 1)] * 15
    seen = stored(settings)
    assert seen.names == {name for (_, name), one in zip(asked, good, strict=True) if one}
    assert seen.entries == 15


async def test_who_raises_before_it_wrote_takes_nothing_with_it(postgres_settings: Settings) -> None:
    """The others still share one transaction: a bad record of a file does not slow down the good ones."""
    async with opened(postgres_settings) as ledger:
        ended = await ledger.run_each(either, [(refuses if n == 3 else note_at_once, f"n{n}") for n in range(8)])
    assert [isinstance(end, Unprocessable) for end in ended] == [n == 3 for n in range(8)]
    assert ask(postgres_settings, "SELECT count(*), count(DISTINCT xmin::text) FROM seen_assertion") == [(7, 1)]


async def test_a_broken_rule_of_the_database_is_the_fault_of_one(ledger: Any, settings: Settings) -> None:
    """Two of the same name: the second alone does not land."""
    names = [*(f"n{number}" for number in range(6)), "n2"]
    ended = await ledger.run_each(telling, [(name, ()) for name in names])
    assert [isinstance(end, (sqlite3.IntegrityError, psycopg.IntegrityError)) for end in ended] == [False] * 6 + [True]
    assert stored(settings).names == set(names)


async def test_who_touches_the_same_person_finds_what_was_written_before(ledger: Any) -> None:
    """However late it comes to know of the person: as many were written before it as stand before it in the file."""
    chance = random.Random(7)
    for turn in range(count(10, 200)):
        asked = [(f"t{turn}-{place}", tuple(chance.sample("abcdefgh", chance.randint(0, 3)))) for place in range(12)]
        start = (await ledger.read([Read(ALL)]))[0][0][0]
        ended = [told - start for told in await ledger.run_each(telling, asked)]
        last: dict[str, int] = {}
        for place, (_, people) in enumerate(asked):
            before = max((last[one] + 1 for one in people if one in last), default=0)
            assert before <= ended[place] < len(asked)
            last |= dict.fromkeys(people, place)


async def test_those_of_different_people_share_a_transaction(postgres_settings: Settings) -> None:
    """Thirty people are one commit; where two are one person, there are two."""
    async with opened(postgres_settings) as ledger:
        await ledger.run_each(telling, [(f"n{number}", (f"p{number}",)) for number in range(30)])
        assert ask(postgres_settings, "SELECT count(DISTINCT xmin::text) FROM seen_assertion") == [(1,)]
        told = await ledger.run_each(telling, [(f"m{number}", (f"p{number % 5}",)) for number in range(10)])
    assert ask(postgres_settings, "SELECT count(DISTINCT xmin::text) FROM seen_assertion") == [(3,)]
    assert told == [30] * 5 + [35] * 5


async def test_somebody_held_elsewhere_is_waited_for(postgres_settings: Settings) -> None:
    """Whoever is deciding about a person, in whichever process, is let finish first; first met or met later."""
    (key,) = keys_of([token("b")])
    async with (
        opened(postgres_settings) as ledger,
        await psycopg.AsyncConnection.connect(postgres_settings.database_url) as other,
    ):
        for name, people in (("first", ("b",)), ("later", ("a", "b"))):
            await other.execute("SELECT pg_advisory_xact_lock_shared(%s)", (key,))
            waits = asyncio.ensure_future(ledger.run_each(telling, [(name, people), (f"{name}-too", ("c",))]))
            await asyncio.sleep(0.2)
            assert name not in stored(postgres_settings).names
            await other.commit()
            await waits
            assert {name, f"{name}-too"} <= stored(postgres_settings).names


async def test_two_workers_that_cross_each_other_both_land(postgres_settings: Settings) -> None:
    """In whatever order each comes to know of the same people."""
    people = [f"p{number}" for number in range(6)]
    async with opened(postgres_settings) as one, opened(postgres_settings) as two:
        for turn in range(count(5, 50)):
            ways = [people, people[::-1]]
            asked = [[(f"{turn}-{who}-{n}", (way[n], way[(n + 1) % 6])) for n in range(6)] for who, way in enumerate(ways)]
            ended = await asyncio.gather(one.run_each(telling, asked[0]), two.run_each(telling, asked[1]))
            assert all(isinstance(told, int) for told in [*ended[0], *ended[1]])
    assert stored(postgres_settings).entries == 12 * count(5, 50)


def test_changes_of_several_stay_in_their_own_order() -> None:
    """Rows of one table travel together, and nobody's row goes before what it rests on."""
    first = [Write(ADD, row("a1")), Write(FIND, {"jti": "a2"}), Write(ADD, row("a3"))]
    second = [Write(FIND, {"jti": "b1"}), Write(ADD, row("b2"))]
    sent = [params["jti"] for _, rows in in_runs([deque(first), deque(second)]) for params in rows]
    assert sorted(sent) == ["a1", "a2", "a3", "b1", "b2"]
    assert [name for name in sent if name[0] == "a"] == ["a1", "a2", "a3"]
    assert [name for name in sent if name[0] == "b"] == ["b1", "b2"]


def test_only_what_says_so_is_done_once() -> None:
    """That the feed is as of now is said once for a transaction; a count is counted each time."""
    fresh = Write(TOUCH_FEED, {"agency_code": "X", "as_of": 1}, once=True)
    counted = Write(COUNT_UNMATCHED, {"agency_code": "X", "table_name": "t", "the_code": "c", "at": 1})
    sent = {statement: len(rows) for statement, rows in in_runs([deque([fresh, counted]), deque([fresh, counted])])}
    assert sent == {TOUCH_FEED: 1, COUNT_UNMATCHED: 2}
