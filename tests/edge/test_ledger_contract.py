"""What every exchange may rely on, on both databases: nothing is answered before it is durable, nothing lands by halves."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from gateway.audit.entry import parse
from gateway.fhir.outcomes import Unavailable, Unprocessable
from gateway.settings import Settings
from gateway.store import audit_log
from gateway.store.ledger import Outcome
from gateway.store.sql import Read
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log
from tests.conftest import count
from tests.edge.durable import (
    ADD,
    ALL,
    FIND,
    all_sealed,
    ask,
    entry,
    lengthens,
    note,
    note_at_once,
    opened,
    refuses,
    refuses_late,
    row,
    stored,
    writes_too_early,
)

CONSTRAINT = (sqlite3.IntegrityError, psycopg.IntegrityError)


@pytest.fixture
async def ledger(settings: Settings) -> AsyncIterator[Any]:
    """A ledger with nothing in it."""
    async with opened(settings) as made:
        yield made


@pytest.mark.parametrize("way", ["run", "run_alone"])
async def test_an_answer_leaves_after_its_writes_and_its_entry_are_durable(ledger: Any, settings: Settings, way: str) -> None:
    """At the moment of release a second connection sees the row and the audit entry."""
    exchange = note if way == "run" else note_at_once
    for number in range(count(25, 500)):
        await getattr(ledger, way)(exchange, f"n{number}")
        seen = stored(settings)
        assert f"n{number}" in seen.names
        assert seen.entries == number + 1


async def test_an_answer_of_a_batch_leaves_after_the_whole_batch_is_durable(ledger: Any, settings: Settings) -> None:
    """Whoever of a batch is told first already finds what is theirs, however many wait with them."""

    async def told(name: str) -> None:
        await ledger.run(note, name)
        assert name in stored(settings).names

    await asyncio.gather(*(told(f"n{number}") for number in range(150)))
    assert stored(settings).entries == 150


async def test_changes_of_a_batch_are_each_made_whether_of_many_rows_or_of_one(ledger: Any, settings: Settings) -> None:
    """Changes of a batch travel together; two of one row count twice, and no row gets another's."""
    names = [f"n{number}" for number in range(20)]
    await asyncio.gather(*(ledger.run(note, name) for name in names))
    await asyncio.gather(*(ledger.run(lengthens, (name, place + 1)) for place, name in enumerate(names)))
    await asyncio.gather(*(ledger.run(lengthens, (name, 100)) for name in names[:10] * 2))
    found = dict(ask(settings, "SELECT jti, expires FROM seen_assertion"))
    assert found == {name: 2**60 + place + 1 + (200 if place < 10 else 0) for place, name in enumerate(names)}


async def test_an_exchange_that_raises_leaves_nothing_and_the_others_land(ledger: Any, settings: Settings) -> None:
    """A refusal within a batch is told to its caller alone."""
    asked = [(refuses if number % 5 == 0 else note, f"n{number}") for number in range(60)]
    ended = await asyncio.gather(*(ledger.run(*one) for one in asked), return_exceptions=True)
    assert [isinstance(end, Unprocessable) for end in ended] == [number % 5 == 0 for number in range(60)]
    seen = stored(settings)
    assert seen.names == {f"n{number}" for number in range(60) if number % 5}
    assert seen.entries == 48


async def test_an_exchange_that_breaks_the_form_fails_alone(ledger: Any, settings: Settings) -> None:
    """Who writes before the end of a batch has no transaction to do it in; its neighbours do not notice."""
    ended = await asyncio.gather(
        ledger.run(note, "a"), ledger.run(writes_too_early, "b"), ledger.run(note, "c"), return_exceptions=True
    )
    assert [type(end) for end in ended] == [str, TypeError, str]
    assert stored(settings).names == {"a", "c"}
    assert await ledger.run(note, "d") == "d"


async def test_an_outcome_without_an_audit_entry_cannot_be_made() -> None:
    """No answer exists that the access log does not know of."""
    with pytest.raises(AssertionError, match="audit entry"):
        Outcome("answer", ())


async def test_an_entry_that_cannot_be_sealed_fails_its_exchange_alone(ledger: Any, settings: Settings) -> None:
    """Nothing is done without its line: where the line cannot be written, neither is the row."""

    def unspeakable(_: Any, name: str, moment: Any) -> Any:
        yield Read(FIND, {"jti": name})
        return Outcome(name, (entry("\ud800", moment),))

    ended = await asyncio.gather(
        ledger.run(note, "a"), ledger.run(unspeakable, "b"), ledger.run(note, "c"), return_exceptions=True
    )
    assert [type(end) for end in ended] == [str, TypeError, str]
    assert (stored(settings).names, stored(settings).entries) == ({"a", "c"}, 2)


@pytest.mark.parametrize("way", ["run", "run_alone"])
async def test_a_broken_constraint_fails_one_member_and_not_the_others(ledger: Any, settings: Settings, way: str) -> None:
    """A batch that the database refuses is run one by one; the exchange at fault is told, the rest land once."""
    exchange = note if way == "run" else note_at_once
    await ledger.run(note, "taken")
    names = ["a", "taken", "b", "c", "taken", "d"]
    ended = await asyncio.gather(*(getattr(ledger, way)(exchange, name) for name in names), return_exceptions=True)
    assert [isinstance(end, CONSTRAINT) for end in ended] == [name == "taken" for name in names]
    assert stored(settings).names == {"taken", "a", "b", "c", "d"}
    assert stored(settings).entries == 5
    many = await asyncio.gather(*(ledger.run(note, f"after{number}") for number in range(80)))
    assert len(many) == 80, "batches are whole again afterwards"


async def test_two_of_one_batch_that_exclude_each_other_end_with_one(ledger: Any, settings: Settings) -> None:
    """The same row twice in one batch: exactly one lands."""
    ended = await asyncio.gather(*(ledger.run(note, "same") for _ in range(10)), return_exceptions=True)
    assert sum(end == "same" for end in ended) == 1
    assert stored(settings).entries == 1


async def test_an_exchange_alone_reads_its_own_writes(ledger: Any) -> None:
    """What it wrote is there when it looks again, and the number of rows is told."""
    assert await ledger.run_alone(note_at_once, "a") == (0, 1, 1)


async def test_an_exchange_alone_is_undone_whole(ledger: Any, settings: Settings) -> None:
    """A refusal after a write takes the write back; those beside it stay."""
    ended = await asyncio.gather(
        ledger.run_alone(note_at_once, "a"), ledger.run_alone(refuses_late, "b"), ledger.run(note, "c"), return_exceptions=True
    )
    assert isinstance(ended[1], Unprocessable)
    assert stored(settings).names == {"a", "c"}
    assert await ledger.run_alone(note_at_once, "b") == (0, 1, 1)


async def test_many_at_once_give_exact_counts_and_a_dense_tree(ledger: Any, settings: Settings) -> None:
    """Hundreds of exchanges of every kind: each lands once, the places of the log have no gap, and the log verifies."""
    size = count(600, 20_000)
    kinds = [random.choice([note, note, note_at_once, refuses, refuses_late]) for _ in range(size)]

    async def one(number: int, kind: Any) -> bool:
        await asyncio.sleep(random.random() * 0.2)
        way = ledger.run_alone if kind in (note_at_once, refuses_late) else ledger.run
        try:
            await way(kind, f"n{number}")
        except Unprocessable:
            return False
        return True

    landed = await asyncio.gather(*(one(number, kind) for number, kind in enumerate(kinds)))
    await all_sealed(settings, ledger)
    seen = stored(settings)
    assert seen.names == {f"n{number}" for number, kind in enumerate(kinds) if kind in (note, note_at_once)}
    assert seen.entries == sum(landed) == len(seen.names)
    assert seen.places == tuple(range(seen.entries))
    assert seen.unsealed == 0
    assert verify_log(settings.database_url or settings.database_file, load_keys(settings.keys_folder)).ok


async def test_callers_who_go_away_leave_whole_exchanges(ledger: Any, settings: Settings) -> None:
    """A caller who hangs up in the middle: the row and its entry are both there, or neither; everyone else is served."""
    size = count(120, 3000)

    async def one(number: int) -> str:
        way, exchange = (ledger.run_alone, note_at_once) if number % 2 else (ledger.run, note)
        await way(exchange, f"n{number}")
        return f"n{number}"

    tasks = [asyncio.create_task(one(number)) for number in range(size)]
    for task in tasks[::3]:
        await asyncio.sleep(random.random() * 0.002)
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    await ledger.run(note, "last")
    await ledger.run_alone(note_at_once, "very last")
    await asyncio.sleep(0.3)
    seen = stored(settings)
    told = {end for end in ended if isinstance(end, str)}
    assert told | {"last", "very last"} <= seen.names
    assert len(told) >= size * 2 // 3
    assert seen.entries == len(seen.names)


async def test_the_key_of_a_year_is_kept_even_if_the_first_exchange_fails(settings: Settings) -> None:
    """What is sealed in the access log can be opened after a restart, whatever happened to the first batch of the year."""
    vault = load_keys(settings.keys_folder)
    async with opened(settings) as ledger:
        ended = await asyncio.gather(*(ledger.run(note, "same") for _ in range(2)), return_exceptions=True)
        assert any(isinstance(end, CONSTRAINT) for end in ended)
        with pytest.raises(Unprocessable):
            await ledger.run_alone(refuses_late, "late")
        await ledger.run_alone(note_at_once, "good")
    for year, wrapped in ask(settings, "SELECT id, wrapped FROM audit_key"):
        vault.learn_year(year, bytes(wrapped))
    columns = ", ".join(column.name for column in audit_log.ENTRY_COLUMNS)
    rows = [audit_log.as_log_row(found) for found in ask(settings, f"SELECT {columns} FROM audit_entry")]
    assert len(rows) == 2
    assert all(parse(vault.open_audit(one.key_id, one.id, bytes(one.body))).exchange == "note" for one in rows)


async def test_a_long_read_sees_one_moment(ledger: Any) -> None:
    """All questions of one read are answered from one snapshot, while exchanges go on."""

    async def write() -> None:
        for number in range(60):
            await ledger.run(note, f"n{number}")

    async def look() -> list[tuple[int, int]]:
        found = []
        for _ in range(40):
            first, _, second = await ledger.read([Read(ALL), Read(FIND, {"jti": "n1"}), Read(ALL)])
            found.append((first[0][0], second[0][0]))
        return found

    _, seen = await asyncio.gather(write(), look())
    assert all(first == second for first, second in seen)


async def test_a_closing_ledger_ends_what_it_began_and_takes_no_more(settings: Settings) -> None:
    """At a stop, what was accepted is answered; what comes later is told to try again."""
    async with opened(settings) as ledger:
        tasks = [asyncio.create_task(ledger.run(note, f"n{number}")) for number in range(100)]
        tasks += [asyncio.create_task(ledger.run_alone(note_at_once, f"m{number}")) for number in range(20)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*tasks)) == 120
    assert len(stored(settings).names) == 120
    for way in (ledger.run, ledger.run_alone):
        with pytest.raises(Unavailable):
            await way(note, "late")


def test_rows_of_the_small_exchanges_fit_their_table() -> None:
    """The table that these tests write to has the columns that they fill."""
    assert set(row("a")) == set(ADD.columns)


@pytest.mark.parametrize("way", ["run", "run_alone"])
async def test_what_was_asked_before_a_ledger_closes_ends(ledger: Any, settings: Settings, way: str) -> None:
    """Closing waits for it, however lately it was asked; what comes after is turned away, and nothing of it lands."""
    exchange = note if way == "run" else note_at_once
    asked = [asyncio.create_task(getattr(ledger, way)(exchange, f"n{number}")) for number in range(3)]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.sleep(0)
    assert all(task.done() and not task.exception() for task in asked)
    with pytest.raises(Unavailable):
        await getattr(ledger, way)(exchange, "late")
    assert stored(settings).names == {"n0", "n1", "n2"}
