"""The access log as it is stored: whoever alters, takes, moves or adds an entry is found, and the first such entry is named."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.people import AMINA, STRANGER
from gateway.store.upkeep import keep_up
from gateway.store.vault import load_keys, make_keys
from gateway.store.verify_log import verify_log
from tests.edge.durable import all_sealed, ask, change
from tests.world import World

GATEWAY = Path(sys.executable).with_name("gateway")


@pytest.fixture
async def logged(fed: World) -> World:
    """A world with lookups in its log, sealed, its head signed."""
    for person in (AMINA, STRANGER) * 3:
        await fed.social_worker().hears(person, "safeguarding-s47", case="C-1")
    await all_sealed(fed.settings, fed.gateway.ledger)
    await keep_up(fed.gateway.ledger, fed.gateway.context.vault)
    return fed


def verdict_of(world: World) -> tuple[bool, str | None, int | None]:
    """What the verifier says."""
    found = verify_log(world.settings.database_url or world.settings.database_file, load_keys(world.settings.keys_folder))
    return found.ok, str(found.fault) if found.fault else None, found.first_bad


def command(world: World) -> subprocess.CompletedProcess[str]:
    """``gateway audit verify`` on the world's database."""
    settings = world.settings
    environment = {
        "PATH": "/usr/bin:/bin", "GATEWAY_KIND": "test", "GATEWAY_DATA": str(settings.data),
        "GATEWAY_KEYS": str(settings.keys_folder), "GATEWAY_DATABASE_URL": settings.database_url,
    }  # fmt: skip
    return subprocess.run([GATEWAY, "audit", "verify"], env=environment, capture_output=True, text=True, timeout=120)


def at(world: World, place: int) -> str:
    """The id of the entry at a place."""
    return str(ask(world.settings, f"SELECT entry FROM audit_leaf WHERE place = {place}")[0][0])


async def test_a_log_that_nobody_touched_verifies(logged: World) -> None:
    """Also from the command line, which says how many entries there are and how far signed heads reach."""
    assert verdict_of(logged) == (True, None, None)
    told = await asyncio.to_thread(command, logged)
    assert told.returncode == 0
    assert "as they were written" in told.stdout


ALTERATIONS = [
    ("UPDATE audit_entry SET outcome = 0, recorded = recorded + 1 WHERE id = ?", "altered"),
    ("UPDATE audit_entry SET requester = 'X99' WHERE id = ?", "altered"),
    ("UPDATE audit_entry SET patient_token = salt WHERE id = ?", "altered"),
    ("UPDATE audit_entry SET body = salt WHERE id = ?", "altered"),
    ("UPDATE audit_leaf SET hash = (SELECT hash FROM audit_leaf AS l WHERE l.place = 1) WHERE entry = ?", "altered"),
    ("DELETE FROM audit_entry WHERE id = ?", "missing"),
    ("DELETE FROM audit_leaf WHERE entry = ?", "gap"),
]


@pytest.mark.parametrize(("sql", "fault"), ALTERATIONS)
async def test_the_first_entry_that_is_not_as_written_is_named(logged: World, sql: str, fault: str) -> None:
    """One column, one hash, one row: the place is named."""
    change(logged.settings, sql, at(logged, 6))
    change(logged.settings, "UPDATE audit_entry SET outcome = 8, purpose = 'x' WHERE id = ?", at(logged, 9))
    assert verdict_of(logged) == (False, fault, 6)


@pytest.mark.parametrize(("sql", "says"), [(ALTERATIONS[0][0], "Entry 6 is altered"), (ALTERATIONS[5][0], "Entry 6 is missing")])
async def test_the_command_line_names_the_first_fault(logged: World, sql: str, says: str) -> None:
    """``gateway audit verify`` says it in one line and exits with 1."""
    change(logged.settings, sql, at(logged, 6))
    told = await asyncio.to_thread(command, logged)
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith(says)


async def test_entries_that_changed_places_are_named(logged: World) -> None:
    """Two whole rows swapped with their leaves' hashes left where they were."""
    one, other = at(logged, 3), at(logged, 7)
    change(logged.settings, "UPDATE audit_leaf SET entry = 'x' WHERE place = 3")
    change(logged.settings, "UPDATE audit_leaf SET entry = ? WHERE place = 7", one)
    change(logged.settings, "UPDATE audit_leaf SET entry = ? WHERE place = 3", other)
    assert verdict_of(logged) == (False, "reordered", 3)


async def test_a_tail_that_was_cut_is_missed(logged: World) -> None:
    """Entries, leaves and head taken back together: the signed head still counts them."""
    from gateway.audit.merkle import Frontier

    size = int(ask(logged.settings, "SELECT count(*) FROM audit_leaf")[0][0])
    kept = [bytes(leaf) for (leaf,) in ask(logged.settings, "SELECT hash FROM audit_leaf ORDER BY place")][: size - 3]
    change(logged.settings, "DELETE FROM audit_entry WHERE id IN (SELECT entry FROM audit_leaf WHERE place >= ?)", size - 3)
    change(logged.settings, "DELETE FROM audit_leaf WHERE place >= ?", size - 3)
    change(logged.settings, "UPDATE log_head SET frontier = ?", Frontier().extend(kept).to_bytes())
    assert verdict_of(logged) == (False, "truncated", size - 3)


async def test_an_entry_that_was_slipped_in_is_found(logged: World) -> None:
    """A row that an auditor would read but that has no place in the tree was not written by the gateway."""
    size = int(ask(logged.settings, "SELECT count(*) FROM audit_leaf")[0][0])
    columns = "recorded, exchange, outcome, requester, custodian, patient_token, user_token, purpose, asked, key_id, salt, body"
    slipped = f"INSERT INTO audit_entry (id, {columns}) SELECT 'slipped', {columns} FROM audit_entry WHERE id = ?"
    change(logged.settings, slipped, at(logged, 4))
    assert verdict_of(logged) == (False, "altered", size)


async def test_a_head_signed_by_somebody_else_vouches_for_nothing(logged: World, tmp_path: Path) -> None:
    """A log with another deployment's keys is not this deployment's log."""
    make_keys(tmp_path / "other.keys", "test")
    found = verify_log(logged.settings.database_url or logged.settings.database_file, load_keys(tmp_path / "other.keys"))
    assert not found.ok


async def test_a_log_without_a_head_is_a_plain_refusal(logged: World) -> None:
    """Not a traceback: one line that says what is gone."""
    change(logged.settings, "DELETE FROM log_head")
    told = await asyncio.to_thread(command, logged)
    assert told.returncode != 0
    assert "Traceback" not in told.stderr
    assert "head is gone" in told.stderr


async def test_a_log_can_be_verified_while_it_grows(logged: World) -> None:
    """The check stands on one moment: entries that come meanwhile are no fault."""
    stop = asyncio.Event()

    async def ask_on() -> int:
        asked = 0
        while not stop.is_set():
            await logged.social_worker().hears(STRANGER, "safeguarding-s47", case="C-1")
            await all_sealed(logged.settings, logged.gateway.ledger)
            asked += 1
        return asked

    asking = asyncio.create_task(ask_on())
    verdicts = [await asyncio.to_thread(verdict_of, logged) for _ in range(25)]
    stop.set()
    assert await asking > 3
    assert verdicts == [(True, None, None)] * 25
