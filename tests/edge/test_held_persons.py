"""Two who write one row at a time, each naming the person by another number: what either tells is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import psycopg
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, TRUST
from gateway.exchanges.records.dossiers import is_shielded
from gateway.exchanges.records.receive_record import Receipt, Record, receive_record
from gateway.exchanges.wishes.shield import ShieldRequest, set_shield
from gateway.fhir import systems
from gateway.mapping.records import Mapped, Sourced
from tests.edge.desks import until
from tests.edge.durable import ask
from tests.edge.test_subject_access import staff
from tests.world import World

RIO, WARD, CLINIC = (systems.local_id(TRUST, name) for name in ("rio", "ward", "clinic"))
NHS = systems.NHS_NUMBER
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
FEMALE, BORN = {"gender": "female"}, {"birthDate": AMINA.born}


def told(*numbers: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A person as the trust's system writes them, by these numbers."""
    return {"resourceType": "Patient", "identifier": [{"system": system, "value": value} for system, value in numbers], **more}


async def sends(world: World, *patients: dict[str, Any]) -> None:
    """One file, record by record; all of it is taken."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in patients]}
    report = await world.as_("trust-epr").sends("fhir", bundle)
    assert (report["accepted"], report["refused"]) == (len(patients), 0)


async def held(world: World, number: tuple[str, str]) -> dict[str, Any]:
    """What the trust holds of somebody."""
    answer = await world.as_("trust-epr").searches("Patient", identifier="|".join(number))
    (entry,) = answer.json()["entry"]
    found: dict[str, Any] = entry["resource"]
    return found


def record(number: int, patient: dict[str, Any]) -> Record:
    """A line of a file whose records wait for one commit where they are of different people."""
    return Record(staff("clerk1"), Mapped(f"line {number}", (Sourced(f"line/{number}", patient),), version="crosswalk@1"))


ONE, TWO, THREE = (RIO, "M1"), (WARD, "W1"), (CLINIC, "C1")
NAMED = {
    "one number each": ([ONE, TWO], [ONE], [TWO]),
    "two numbers of three": ([ONE, TWO, THREE], [ONE, TWO], [THREE]),
    "an NHS number that neither names": ([(NHS, AMINA.nhs), ONE, TWO], [ONE], [TWO]),
    "the NHS number and a local one": ([(NHS, AMINA.nhs), ONE], [(NHS, AMINA.nhs)], [ONE]),
    "all and one": ([ONE, TWO], [ONE, TWO], [TWO]),
}  # fmt: skip


@pytest.mark.parametrize(("known", "first", "second"), NAMED.values(), ids=NAMED.keys())
async def test_records_of_one_file_by_different_numbers(world: World, known: Any, first: Any, second: Any) -> None:
    """What the first of them tells is not undone by the second, which is of the same person."""
    await sends(world, told(*known))
    lines = [record(1, told(*first, **FEMALE)), record(2, told(*second, **BORN))]
    ended = await world.gateway.ledger.run_each(receive_record, lines)
    assert [isinstance(one, Receipt) for one in ended] == [True, True]
    assert (await held(world, known[0])).items() >= {**FEMALE, **BORN}.items()


async def cross(world: World, *acts: Awaitable[Any]) -> None:
    """Let all of them begin before one of them has written. On SQLite they come one after the other."""
    if not world.settings.on_postgres:
        await asyncio.gather(*acts)
        return
    async with await psycopg.AsyncConnection.connect(world.settings.database_url) as other:
        await other.execute("SELECT id FROM person FOR NO KEY UPDATE")
        begun = asyncio.gather(*acts)
        await until(lambda: ask(world.settings, WAITING)[0][0] == len(acts))
        await other.rollback()
        await begun


@pytest.mark.parametrize(("known", "first", "second"), NAMED.values(), ids=NAMED.keys())
async def test_two_requests_by_different_numbers(world: World, known: Any, first: Any, second: Any) -> None:
    """Whoever writes second finds what the other wrote."""
    await sends(world, told(*known))
    await cross(world, sends(world, told(*first, **FEMALE)), sends(world, told(*second, **BORN)))
    assert (await held(world, known[0])).items() >= {**FEMALE, **BORN}.items()


async def test_a_shield_by_the_one_nhs_number_of_a_merged_record_and_a_feed_by_the_other(world: World) -> None:
    """Either number leads to the row that stays."""
    await sends(world, told(ONE, (NHS, AMINA.nhs)), told((RIO, "M2"), (NHS, BETH.nhs)))
    await takes(world, people.adt("A40", AMINA, "M1").split("PV1")[0] + "MRG|M2^^^RIO^MR\r")
    await cross(world, shields(world, (NHS, BETH.nhs)), sends(world, told((NHS, AMINA.nhs), **FEMALE)))
    found = await held(world, ONE)
    assert (found["gender"], is_shielded(found)) == ("female", True)


async def test_a_shield_stands_whatever_a_feed_writes_by_a_number_that_was_given_up(world: World) -> None:
    """The record has no NHS number, and the number that the feed still uses is none of those that stand in it."""
    await sends(world, told(ONE))
    nobody = f"{AMINA.nhs}^^^NHS^NH~"
    await takes(world, people.adt("A40", AMINA, "M1").split("PV1")[0].replace(nobody, "") + "MRG|M9^^^RIO^MR\r")
    feed = people.adt("A31", AMINA, "M9").replace(nobody, "").replace("|F\r", "|M\r")
    await cross(world, shields(world, ONE), takes(world, feed))
    found = await held(world, ONE)
    assert (found["gender"], is_shielded(found)) == ("male", True)


async def takes(world: World, message: str) -> None:
    """A message of the trust is taken whole."""
    assert (await world.as_("trust-epr").sends("hl7v2-adt", message))["refused"] == 0


async def shields(world: World, number: tuple[str, str]) -> None:
    """The trust's data protection officer shields a record."""
    await world.gateway.ledger.run_alone(set_shield, ShieldRequest(staff("dpo1"), "|".join(number), "She fled from him"))
