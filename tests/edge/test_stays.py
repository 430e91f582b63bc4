"""Stays, leaves and cancels as they are sent: out of order, under a number that another patient has too, under one of a
person's numbers; and what those who were told hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, TRUST, Person
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.as_it_stands import BEGUN, EARLIER
from gateway.exchanges.records.receive_record import Record, receive_record
from gateway.fhir import systems
from gateway.mapping import Sender, read
from tests.edge.desks import council_hears_of, desk
from tests.world import World, part

RIO = systems.local_id(TRUST, "rio")
LOCAL = {AMINA.nhs: "M1", BETH.nhs: "M2"}


def message(
    event: str, back: int, person: Person = AMINA, *, visit: str = "STAY", numbers: str = "both", admitted: int = 3
) -> str:
    """A message that was recorded so many days ago, of somebody who was ``admitted`` so many; with both numbers of the person,
    or only the ``nhs`` or ``local`` one."""
    day, began = (f"{people.TODAY - timedelta(days=one):%Y%m%d}" for one in (back, admitted))
    text = people.adt(event, person, LOCAL[person.nhs], visit=visit)
    text = text.replace(f"{people.TODAY - timedelta(days=3):%Y%m%d}210000", f"{began}210000")
    text = text.replace(f"{people.TODAY:%Y%m%d}000100", f"{day}000100")
    text = text if visit else text.replace(f"|V{LOCAL[person.nhs]}|", "||")
    nhs, local = f"{person.nhs}^^^NHS^NH", f"{LOCAL[person.nhs]}^^^RIO^MR"
    return text.replace(f"{nhs}~{local}", {"both": f"{nhs}~{local}", "nhs": nhs, "local": local}[numbers])


async def sends(world: World, *messages: str) -> None:
    """Each is taken whole, and what came of it is sent on."""
    for one in messages:
        report = await world.as_("trust-epr").sends("hl7v2-adt", one)
        assert report["refused"] == 0, (one, report)
        await world.settle()


async def flags(world: World, person: Person) -> dict[str, str]:
    """Status by what it is, of all that stands of a person."""
    found = await world.as_("trust-epr").searches_for("Flag", person)
    assert len({one["code"]["text"] for one in found}) == len(found)
    return {one["code"]["text"]: one["status"] for one in found}


IN, ON_LEAVE = "In hospital", "On leave from hospital"


@pytest.mark.parametrize("visit", ["STAY", ""])
async def test_two_patients_never_share_a_stay(world: World, visit: str) -> None:
    """The sender numbers its visits for each patient anew, or not at all: the discharge of the one is not that of the other."""
    await sends(world, *(message("A01", 2, person, visit=visit) for person in (AMINA, BETH)))
    await sends(world, message("A21", 1, BETH, visit=visit), message("A03", 0, AMINA, visit=visit))
    assert await flags(world, AMINA) == {IN: "inactive"}
    assert await flags(world, BETH) == {IN: "active", ON_LEAVE: "active"}
    await sends(world, message("A11", 0, AMINA, visit=visit))
    assert await flags(world, AMINA) == {IN: "entered-in-error"}
    assert await flags(world, BETH) == {IN: "active", ON_LEAVE: "active"}


async def test_nobody_hears_of_another_patient_s_stay(world: World) -> None:
    """Who is told of the one hears nothing when the other is admitted under the same visit number."""
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        await sends(world, message("A01", 2), message("A01", 1, BETH), message("A03", 0, BETH))
        assert one.topics() == ["admitted"]


@pytest.mark.parametrize("visit", ["STAY", ""])
@pytest.mark.parametrize(("first", "then"), [("both", "nhs"), ("nhs", "both"), ("both", "local")])
async def test_a_stay_is_found_by_every_number_of_its_person(world: World, visit: str, first: str, then: str) -> None:
    """The discharge comes with other numbers than the admission: nobody stays in hospital for ever."""
    await sends(world, message("A01", 3, visit=visit, numbers=first), message("A21", 2, visit=visit, numbers=first))
    await sends(world, message("A03", 0, visit=visit, numbers=then))
    assert await flags(world, AMINA) == {IN: "inactive", ON_LEAVE: "inactive"}


def by_visit_alone(key: str) -> str:
    """The key of a stay as release 0.1 made it."""
    return key[key.index("stay/") :] if "/stay/" in key else key


async def test_a_stay_of_an_earlier_release_is_found(world: World) -> None:
    """Its key named the visit alone: it ends with the discharge, and another patient's of the same number does not."""
    trust = Requester("command-line", TRUST, frozenset())
    sender = Sender(TRUST, authorities={"NHS": systems.NHS_NUMBER, "RIO": RIO})
    for text in (message("A01", 3), message("A21", 2)):
        (one,) = read(world.gateway.context.mappings, "hl7v2-adt", text.encode(), sender)
        kept = tuple(replace(each, key=by_visit_alone(each.key)) for each in one.resources)
        await world.gateway.ledger.run_alone(receive_record, Record(trust, replace(one, resources=kept)))
    await sends(world, message("A01", 1, BETH), message("A03", 0))
    assert await flags(world, AMINA) == {IN: "inactive", ON_LEAVE: "inactive"}
    assert await flags(world, BETH) == {IN: "active"}


async def test_a_return_that_comes_before_its_leave_leaves_nobody_on_leave(world: World) -> None:
    """A22, then A21: back in hospital."""
    await sends(world, message("A01", 5), message("A22", 1), message("A21", 3))
    assert await flags(world, AMINA) == {IN: "active", ON_LEAVE: "inactive"}


async def test_a_discharge_from_leave_that_is_taken_back_is_corrected_with_the_leave(world: World) -> None:
    """A13 after A03 on leave: on leave again; who was told of both ends hears of both that they were wrong."""
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        await sends(world, message("A01", 3), message("A21", 2), message("A03", 1))
        assert one.topics() == ["admitted", "leave-started", "leave-ended", "discharged"]
        wrong = one.ids()[-2:]
        await sends(world, message("A13", 0))
        assert sorted(one.topics()[4:]) == ["admitted", "leave-started"]
        assert sorted(corrects(one.got[-1].bundle) + corrects(one.got[-2].bundle)) == sorted(wrong)
    assert await flags(world, AMINA) == {IN: "active", ON_LEAVE: "active"}


async def test_a_cancelled_admission_stays_so_until_a_later_one(world: World) -> None:
    """A late transfer tells nothing; the next admission under the same number is told as new, and nothing is corrected by it."""
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        await sends(world, message("A01", 3), message("A11", 1), message("A02", 2))
        assert one.topics() == ["admitted", "record-retracted"]
        assert await flags(world, AMINA) == {IN: "entered-in-error"}
        await sends(world, message("A01", 0))
        assert one.topics()[2:] == ["admitted"]
        assert corrects(one.got[-1].bundle) == []
    assert await flags(world, AMINA) == {IN: "active"}


async def test_a_cancel_that_overtakes_its_admission_is_told_to_nobody(world: World) -> None:
    """A11 before its A01: nobody hears that she was in hospital, and nothing is corrected."""
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        await sends(world, message("A11", 1), message("A01", 2))
        assert one.topics() == []
    assert await flags(world, AMINA) == {IN: "entered-in-error"}


async def found_in(world: World, *messages: str) -> list[tuple[str, int]]:
    """What the reports on messages that are taken whole find, and how often."""
    found: list[tuple[str, int]] = []
    for one in messages:
        answer = await world.as_("trust-epr").post("/records/hl7v2-adt", one, "application/octet-stream")
        assert part(answer.json(), "refused") == 0, answer.text
        told = [each["part"] for each in answer.json()["parameter"] if each["name"] == "finding"]
        found += [(part(each, "text"), part(each, "count")) for each in told]
        await world.settle()
    return found


WAITS = "Waiting to be seen"


@pytest.mark.parametrize("planned", ["STAY", "PLAN"])
async def test_a_plan_that_comes_after_its_admission_leaves_nobody_waiting(world: World, planned: str) -> None:
    """A05 after A01, under the number of the stay or of its own; whoever subscribed hears of the admission."""
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        assert await found_in(world, message("A01", 3), message("A05", 9, visit=planned)) == []
        assert one.topics()[0] == "admitted"
    assert await flags(world, AMINA) == {IN: "active", WAITS: "inactive"}


async def test_a_plan_for_a_visit_that_has_begun_is_left_out_and_said(world: World) -> None:
    """It was recorded after the admission: the sender is told, and no wait is made of it."""
    assert await found_in(world, message("A01", 3), message("A05", 1)) == [(BEGUN, 1)]
    assert await flags(world, AMINA) == {IN: "active"}


async def test_a_cancel_of_the_earlier_of_two_stays_leaves_the_later_and_is_said(world: World) -> None:
    """One visit number, used again after the discharge: told as new; a late A11 that names the first day takes nothing back."""
    first = (message("A01", 9, admitted=9), message("A03", 7, admitted=9))
    with desk() as one:
        await council_hears_of(world, [AMINA], one.url)
        assert await found_in(world, *first, message("A01", 3), message("A21", 2)) == []
        assert await found_in(world, message("A11", 1, admitted=9)) == [(EARLIER, 1)]
        assert one.topics() == ["admitted", "discharged", "admitted", "leave-started"]
        assert await flags(world, AMINA) == {IN: "active", ON_LEAVE: "active"}
        assert await found_in(world, message("A11", 1)) == []
    assert await flags(world, AMINA) == {IN: "entered-in-error", ON_LEAVE: "entered-in-error"}


def corrects(bundle: dict[str, Any]) -> list[str]:
    """The notices that a message takes back."""
    told = bundle["entry"][0]["resource"].get("extension", ())
    return [one["valueId"] for one in told if one["url"].endswith("/corrects")]
