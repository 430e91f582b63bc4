"""A40 as systems send it: two numbers of one person, known or not, with one NHS number, in the middle of a stay; what is
told late; and erasure after."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, RUBY, TRUST, Person
from gateway.exchanges.subjects.ask_erasure import ErasureRequest
from gateway.exchanges.subjects.erase_person import Again, erase_person, replay_erasure
from gateway.fhir import systems
from gateway.fhir.outcomes import Conflict
from tests.edge.durable import ask
from tests.edge.test_erasure import asked, register, row_of, rows_of
from tests.edge.test_subject_access import staff
from tests.world import World

RIO = systems.local_id(TRUST, "rio")


def message(event: str, local: str, person: Person = AMINA, *, nhs: bool = True, kin: Person | None = None) -> str:
    """A message about a person under one of the trust's numbers, with a stay that has no visit number."""
    text = people.adt(event, person, local, kin=kin).replace(f"|V{local}|", "||")
    return text if nhs else text.replace(f"{person.nhs}^^^NHS^NH~", "")


def merge(stays: str, goes: str, *, nhs: bool = True) -> str:
    """An A40: the second number is given up for the first."""
    return message("A40", stays, nhs=nhs).split("PV1")[0] + f"MRG|{goes}^^^RIO^MR\r"


async def sends(world: World, *messages: str) -> None:
    """Each is taken whole."""
    for one in messages:
        report = await world.as_("trust-epr").sends("hl7v2-adt", one)
        assert report["refused"] == 0, (one, report)


async def open_stays(world: World, number: str) -> list[str]:
    """What is active of a person's stays and leaves, by the detail."""
    answer = await world.as_("trust-epr").searches("Flag", patient__identifier=number)
    flags = [entry["resource"] for entry in answer.json().get("entry", ())]
    return sorted(one["code"]["text"] for one in flags if one["status"] == "active")


@pytest.mark.parametrize("local_known", [False, True])
async def test_a_number_is_given_up_for_another_with_the_same_nhs_number(world: World, local_known: bool) -> None:
    """The one that stays is new here, or was registered without the NHS number: both are found, by every number."""
    await sends(world, message("A04", "M1", kin=LEO), *([message("A28", "M2", nhs=False)] if local_known else []))
    await sends(world, merge("M2", "M1"), message("A08", "M2", kin=LEO))
    numbers = (f"{RIO}|M1", f"{RIO}|M2", f"{systems.NHS_NUMBER}|{AMINA.nhs}")
    found: set[str] = set()
    for number in numbers:
        (entry,) = (await world.as_("trust-epr").searches("Patient", identifier=number)).json()["entry"]
        found.add(entry["resource"]["id"])
        assert len((await world.as_("trust-epr").searches("RelatedPerson", patient__identifier=number)).json()["entry"]) == 1
    assert len(found) == 1


async def test_the_nhs_number_of_a_merge_is_kept(world: World) -> None:
    """Neither record had it before."""
    await sends(world, message("A28", "M1", nhs=False), message("A28", "M2", nhs=False), merge("M2", "M1"))
    assert (
        len((await world.as_("trust-epr").searches("Patient", identifier=f"{systems.NHS_NUMBER}|{AMINA.nhs}")).json()["entry"])
        == 1
    )


async def test_a_stay_and_a_leave_go_on_under_the_number_that_stays(world: World) -> None:
    """On leave at the merge; back, and discharged, under the other number: nothing stays open."""
    await sends(world, message("A01", "M1", nhs=False), message("A21", "M1", nhs=False), merge("M2", "M1", nhs=False))
    number = f"{RIO}|M2"
    assert len(await open_stays(world, number)) == 2
    await sends(world, message("A22", "M2", nhs=False))
    assert len(await open_stays(world, number)) == 1
    await sends(world, message("A03", "M2", nhs=False))
    assert await open_stays(world, number) == []


async def test_what_goes_on_is_what_the_number_that_stays_speaks_of(world: World) -> None:
    """An old stay under the one number has ended, and the one under the other goes on; the file twice comes to the same."""
    told = [message(event, number, nhs=False) for event, number in (("A01", "M2"), ("A03", "M2"), ("A01", "M1"))]
    told += [merge("M2", "M1", nhs=False), message("A03", "M2", nhs=False)]
    for _ in range(2):
        await sends(world, *told)
        assert await open_stays(world, f"{RIO}|M2") == []


@pytest.mark.parametrize("visit", ["", "STAY"])
async def test_a_leave_that_is_told_after_the_discharge_has_ended(world: World, visit: str) -> None:
    """The ward records it late: nobody is on leave from a stay that is over, and a new stay has leaves again."""
    told = {event: people.adt(event, AMINA, "M1", visit=visit) for event in ("A01", "A03", "A21")}
    told = {event: text if visit else text.replace("|VM1|", "||") for event, text in told.items()}
    await sends(world, told["A01"], told["A03"], told["A21"])
    assert await open_stays(world, f"{RIO}|M1") == []
    again = people.adt("A01", AMINA, "M1", visit="NEXT"), people.adt("A21", AMINA, "M1", visit="NEXT")
    await sends(world, *(again if visit else (told["A01"], told["A21"])))
    assert await open_stays(world, f"{RIO}|M1") == ["In hospital", "On leave from hospital"]


NUMBERS = ("both", "nhs", "local")


@pytest.mark.parametrize("then", NUMBERS)
@pytest.mark.parametrize("first", NUMBERS)
async def test_a_next_of_kin_is_one_whatever_number_of_the_patient_is_given(world: World, first: str, then: str) -> None:
    """The patient by the NHS number, the trust's own, or both: one line on either record, and the later message changes it."""
    await sends(world, message("A28", "M1"), by(first, message("A08", "M1", kin=LEO)))
    child = "|CHD^Child^HL70063|||||"
    await sends(world, by(then, message("A08", "M1", kin=LEO)).replace(f"{child}|", f"{child}20200101|20210101"))
    for person in (AMINA, LEO):
        (line,) = await world.as_("trust-epr").searches_for("RelatedPerson", person)
        assert line["active"] is False


@pytest.mark.parametrize("numbers", [("M1", "M2"), ("M2", "M1")])
async def test_a_next_of_kin_is_one_after_a_merge(world: World, numbers: tuple[str, str]) -> None:
    """Told under the NHS number before it, under the number that stays or the one that went after it."""
    await sends(world, message("A28", "M1"), message("A28", "M2", nhs=False), by("nhs", message("A08", "M1", kin=LEO)))
    await sends(world, merge("M1", "M2"), *(message("A08", one, nhs=False, kin=LEO) for one in numbers))
    for person in (AMINA, LEO):
        assert len(await world.as_("trust-epr").searches_for("RelatedPerson", person)) == 1


async def test_a_next_of_kin_is_one_by_whatever_number_of_their_own(world: World) -> None:
    """NK1-33 has the child's NHS number, then the trust's own for the same child."""
    await sends(world, message("A28", "C1", LEO), message("A08", "M1", kin=LEO))
    await sends(world, message("A08", "M1", kin=LEO).replace(f"{LEO.nhs}^^^NHS^NH", "C1^^^RIO^MR"))
    for person in (AMINA, LEO):
        assert len(await world.as_("trust-epr").searches_for("RelatedPerson", person)) == 1


async def test_two_next_of_kin_stay_two(world: World) -> None:
    """Another child, and one of whom no number is known."""
    unnamed = message("A08", "M1", kin=LEO).replace(f"{LEO.nhs}^^^NHS^NH", "")
    await sends(world, message("A28", "M1"), message("A08", "M1", kin=LEO), by("nhs", message("A08", "M1", kin=RUBY)), unnamed)
    assert len(await world.as_("trust-epr").searches_for("RelatedPerson", AMINA)) == 3


def by(numbers: str, text: str) -> str:
    """A message with both numbers of the patient, or one of them."""
    nhs, local = f"{AMINA.nhs}^^^NHS^NH", "M1^^^RIO^MR"
    return text.replace(f"{nhs}~{local}", {"both": f"{nhs}~{local}", "nhs": nhs, "local": local}[numbers])


async def test_nobody_hears_that_a_stay_was_another_s_where_the_nhs_number_is_the_same(fed: World) -> None:
    """What was told under her number is still so."""
    before: Any = ask(fed.settings, "SELECT count(*) FROM outbox")
    await sends(fed, message("A28", "M7", nhs=False), merge("M7", "M1"))
    assert ask(fed.settings, "SELECT count(*) FROM outbox") == before


async def test_a_row_that_was_joined_goes_with_the_one_that_is_erased(fed: World) -> None:
    """A backup from before the merge has it full: the register names it too, so that a restore does not bring it back."""
    await sends(fed, message("A28", "M7", nhs=False))
    joined = str(ask(fed.settings, "SELECT id FROM person ORDER BY updated DESC LIMIT 1")[0][0])
    await sends(fed, merge("M1", "M7"))
    row = row_of(fed, AMINA)
    assert joined != row
    request = ErasureRequest(staff("dpo2"), await asked(fed, AMINA))
    await fed.gateway.ledger.run_alone(erase_person, request)
    assert set(rows_of(fed, row).values()) == set(rows_of(fed, joined).values()) == {0}
    assert {(one.row, one.ground) for one in await register(fed)} == {(row, "retention-ended"), (joined, "joined")}
    assert await fed.gateway.ledger.run_alone(replay_erasure, Again(joined, TRUST, 1)) is False


async def test_what_was_joined_since_an_erasure_was_asked_for_is_looked_at_first(fed: World) -> None:
    """Two people decided on her record as it was, and not on another's that came into it."""
    waiting = await asked(fed, AMINA)
    await sends(fed, message("A28", "M7", nhs=False), merge("M1", "M7"))
    with pytest.raises(Conflict, match="joined"):
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), waiting))
    assert rows_of(fed, row_of(fed, AMINA))["person"] == 1
    assert rows_of(fed, row_of(fed, BETH))["person"] == 1
