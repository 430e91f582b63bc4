"""A withdrawal takes effect at its acknowledgement, for every worker: shown by racing it, and from the access log alone."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.audit.entry import Entry, parse
from gateway.demo import people
from gateway.demo.people import AMINA, TRUST, VOLUNTARY
from gateway.disclosure.requester import Requester
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.exchanges.records.resources import WriteRequest, write_resource
from gateway.exchanges.wishes.shield import ShieldRequest, lift_shield, set_shield
from gateway.fhir import systems
from gateway.store import audit_log
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log
from tests.conftest import count
from tests.edge.durable import all_sealed, ask
from tests.world import World

BY_NUMBER = people.reference(AMINA)
BY_LOCAL_ID = {"type": "Patient", "identifier": {"system": systems.local_id(TRUST, "rio"), "value": "M1"}}


@contextlib.asynccontextmanager
async def two_workers(world: World) -> AsyncIterator[list[Any]]:
    """The world's own ledger and, on PostgreSQL, that of a second worker on the same database."""
    if not world.settings.on_postgres:
        yield [world.gateway.ledger] * 2
        return
    other = PostgresLedger(world.settings.database_url, world.gateway.context, load_keys(world.settings.keys_folder))
    await other.start()
    try:
        yield [world.gateway.ledger, other]
    finally:
        await other.close()


def wish(patient: dict[str, Any], *, permits: bool) -> dict[str, Any]:
    """What Amina wants: that the family service may hear, or that nobody does."""
    rules = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")] if permits else []
    return {**people.consent(AMINA, AMINA, rules, agency=TRUST, when=people.day(1)), "patient": patient}


def logged(world: World) -> list[Entry]:
    """The access log as its holder reads it, in its own order."""
    vault = load_keys(world.settings.keys_folder)
    for year, wrapped in ask(world.settings, "SELECT id, wrapped FROM audit_key"):
        vault.learn_year(year, bytes(wrapped))
    columns = ", ".join(f"e.{column.name}" for column in audit_log.ENTRY_COLUMNS)
    rows = ask(
        world.settings,
        f"SELECT {columns} FROM audit_entry e LEFT JOIN audit_beside b ON b.entry = e.id "
        "JOIN audit_leaf l ON l.entry = coalesce(b.first, e.id) ORDER BY l.place",
    )
    return [parse(vault.open_audit(row[10], row[0], bytes(row[12]))) for row in rows]


def used_out_of_turn(entries: list[Entry]) -> list[str]:
    """Lookups that rest on another version of the wish than the one that was last on record before them."""
    found, current = [], ""
    for one in entries:
        if one.exchange == "write_resource":
            current = dict(one.detail)["resource"]
        elif one.exchange == "look_up_status" and one.custodian == TRUST and one.consents != (current,):
            found.append(f"{one.consents} where {current} was in force")
    return found


class Race:
    """Lookups at both workers around writes of a wish at either."""

    def __init__(self, world: World, ledgers: list[Any], patient: dict[str, Any]) -> None:
        stamp = ask(world.settings, "SELECT stamp FROM standing")[0][0]
        self.ledgers, self.patient = ledgers, patient
        self.asker = Requester(
            "voluntary-system", VOLUNTARY, frozenset(), "fw1", "family-worker", frozenset({"early-help"}), stamp
        )
        self.owner = Requester("trust-epr", TRUST, frozenset(), stamp=stamp)
        self.id, self.version = "", None
        self.discloses = False

    async def look(self, wait: float) -> bool:
        """One lookup; whether anything was disclosed."""
        await asyncio.sleep(wait)
        lookup = LookupRequest(self.asker, AMINA.nhs, AMINA.born, True, "early-help")
        answer = await random.choice(self.ledgers).run(look_up_status, lookup)
        return bool(answer.groups)

    async def write(self, wait: float, *, permits: bool) -> list[bool]:
        """Change the wish; when that is acknowledged, ask at both workers at once."""
        await asyncio.sleep(wait)
        made = WriteRequest(self.owner, "Consent", wish(self.patient, permits=permits), self.id, self.version)
        written = await random.choice(self.ledgers).run_alone(write_resource, made)
        self.id, self.version = written.held.id, written.held.version
        return list(await asyncio.gather(*(self.look(0) for _ in range(2))))

    async def once(self, *, permits: bool) -> list[bool]:
        """One interleaving; what was disclosed by those who asked after the acknowledgement."""
        span = random.choice([0.0, 0.002, 0.01])
        early = [asyncio.create_task(self.look(random.random() * span)) for _ in range(5)]
        late = await self.write(random.random() * span, permits=permits)
        await asyncio.gather(*early)
        return late


@pytest.mark.parametrize("patient", [BY_NUMBER, BY_LOCAL_ID], ids=["by-nhs-number", "by-local-id"])
async def test_no_lookup_rests_on_a_wish_that_was_withdrawn(fed: World, patient: dict[str, Any]) -> None:
    """After the acknowledgement nobody hears by the old wish; and the log, read in its own order, shows for each lookup
    the very version that was in force when it was decided."""
    async with two_workers(fed) as ledgers:
        race = Race(fed, ledgers, patient)
        assert await race.write(0, permits=True) == [True, True]
        for number in range(count(200, 10_000)):
            permits = bool(number % 2)
            assert set(await race.once(permits=permits)) == {permits}
        await all_sealed(fed.settings, fed.gateway.ledger)
        entries = logged(fed)
        assert used_out_of_turn(entries) == []
        assert sum(one.exchange == "write_resource" for one in entries) == count(200, 10_000) + 1
        assert {one.outcome for one in entries if one.exchange == "look_up_status" and one.custodian == TRUST} == {0, 4}
    assert verify_log(fed.settings.database_url or fed.settings.database_file, load_keys(fed.settings.keys_folder)).ok


class ShieldRace(Race):
    """The same around a shield that is set by one and lifted by two."""

    async def write(self, wait: float, *, permits: bool) -> list[bool]:
        await asyncio.sleep(wait)
        for user in ("dpo1", "dpo2") if permits else ("dpo1",):
            ask = ShieldRequest(replace(self.owner, user=user), f"{systems.NHS_NUMBER}|{AMINA.nhs}", "A threat was made")
            await random.choice(self.ledgers).run_alone(lift_shield if permits else set_shield, ask)
        return list(await asyncio.gather(*(self.look(0) for _ in range(2))))


def told_behind_a_shield(entries: list[Entry]) -> list[str]:
    """Disclosures that stand behind the setting of a shield on record, and refusals where none stood."""
    found, shielded = [], False
    for one in entries:
        if one.exchange in ("set_shield", "lift_shield"):
            shielded = dict(one.detail)["result"] == "set" or (shielded and dict(one.detail)["result"] == "asked")
        elif one.exchange == "look_up_status" and one.custodian == TRUST and (one.outcome == 0) == shielded:
            found.append(f"{one.id}: outcome {one.outcome}, shielded {shielded}")
    return found


async def test_no_lookup_passes_a_shield_that_was_set(fed: World) -> None:
    """From its acknowledgement nobody hears, at any worker; the log in its own order shows none that did."""
    async with two_workers(fed) as ledgers:
        assert await Race(fed, ledgers, BY_NUMBER).write(0, permits=True) == [True, True]
        race = ShieldRace(fed, ledgers, BY_NUMBER)
        for number in range(count(60, 2_000)):
            permits = bool(number % 2)
            assert set(await race.once(permits=permits)) == {permits}
        await all_sealed(fed.settings, fed.gateway.ledger)
        entries = [one for one in logged(fed) if one.exchange != "write_resource"]
        assert sum(one.exchange == "set_shield" for one in entries) == count(30, 1_000)
        assert told_behind_a_shield(entries) == []
