"""Legal holds: set by one, lifted by two; while one stands nothing takes the record away."""

from __future__ import annotations

import json

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, STRANGER, TRUST, Person
from gateway.exchanges.subjects.ask_erasure import EraseRequest, ask_erasure
from gateway.exchanges.subjects.legal_holds import HoldRequest, LegalHold, LiftHold, OwnHolds, lift_hold, list_holds, set_hold
from gateway.fhir.outcomes import Conflict, NotFound, Unprocessable
from tests.edge.test_subject_access import facts_of, look, number, prepare, recorded, staff
from tests.world import World

REASON = "Claim against the trust, letter of 3 November"


async def hold(world: World, person: Person, agency: str = TRUST, user: str = "dpo1") -> str:
    """A hold on a person's record."""
    ask = HoldRequest(staff(user, agency), number(person), REASON)
    return str(await world.gateway.ledger.run_alone(set_hold, ask))


async def lift(world: World, identifier: str, user: str, agency: str = TRUST) -> LegalHold:
    """Somebody's word that a hold may be lifted."""
    lifted: LegalHold = await world.gateway.ledger.run_alone(
        lift_hold, LiftHold(staff(user, agency), identifier, "The claim was settled")
    )
    return lifted


async def listed(world: World, agency: str = TRUST) -> list[LegalHold]:
    """The holds of an agency."""
    return list(await world.gateway.ledger.run(list_holds, OwnHolds(staff("dpo1", agency))))


def erasing(person: Person, agency: str = TRUST, user: str = "dpo1") -> EraseRequest:
    """That somebody asks for a record to be erased."""
    return EraseRequest(staff(user, agency), number(person), "retention-ended", "Eight years have passed")


async def purged(world: World, child: str) -> int:
    """The status of the answer to the council's word that a record should never have been."""
    body = json.dumps([{"la_child_id": child, "purge": True}])
    answer = await world.as_("council-system").post("/records/dfe-csc-api", body, "application/octet-stream")
    assert answer.status_code == 200 or "must be kept: a legal hold stands on it" in answer.text
    return answer.status_code


async def test_a_hold_keeps_a_record_from_erasure_and_purge(fed: World) -> None:
    """Until two people have lifted it; the purge is refused with the reason, and everything is still there."""
    held = await hold(fed, LEO, COUNCIL)
    with pytest.raises(Conflict, match="legal hold"):
        await fed.gateway.ledger.run_alone(ask_erasure, erasing(LEO, COUNCIL))
    assert await purged(fed, "LEO1") == 422
    assert await fed.as_("council-system").searches_for("Flag", LEO)
    assert (await lift(fed, held, "dpo1", COUNCIL)).lifted is None
    with pytest.raises(Conflict, match="legal hold"):
        await fed.gateway.ledger.run_alone(ask_erasure, erasing(LEO, COUNCIL))
    assert (await lift(fed, held, "dpo2", COUNCIL)).lifted_by == "dpo2"
    await fed.gateway.ledger.run_alone(ask_erasure, erasing(LEO, COUNCIL))
    assert await purged(fed, "LEO1") == 200
    assert not await fed.as_("council-system").searches_for("Flag", LEO)


async def test_a_hold_keeps_who_the_person_is(fed: World) -> None:
    """The purge of a child's details alone takes name and birth date: it is refused like that of the whole record."""
    council = fed.as_("council-system")
    await council.sends("dfe-csc-api", [{"la_child_id": "LEO1", "child_details": {"first_name": "LEO", "surname": "EXAMPLE"}}])
    details = json.dumps([{"la_child_id": "LEO1", "child_details": {"purge": True}}])
    held = await hold(fed, LEO, COUNCIL)
    answer = await council.post("/records/dfe-csc-api", details, "application/octet-stream")
    assert answer.status_code == 422 and "a legal hold stands on it" in answer.text
    for user in ("dpo1", "dpo2"):
        await lift(fed, held, user, COUNCIL)
    assert (await council.post("/records/dfe-csc-api", details, "application/octet-stream")).status_code == 200


async def test_one_person_alone_lifts_no_hold(fed: World) -> None:
    """However often they ask; who set it may be one of the two."""
    held = await hold(fed, AMINA)
    for _ in range(3):
        assert (await lift(fed, held, "dpo1")).lifted is None
    assert (await listed(fed))[0].lift_by == "dpo1"
    assert (await lift(fed, held, "dpo2")).lifted is not None
    with pytest.raises(Conflict, match="lifted already"):
        await lift(fed, held, "dpo3")


async def test_a_hold_keeps_what_others_records_say_of_the_person(fed: World) -> None:
    """The line in the mother's held record that names her child would go with the child's record: so that stays too."""
    await hold(fed, AMINA, COUNCIL)
    with pytest.raises(Conflict, match="related to the person"):
        await fed.gateway.ledger.run_alone(ask_erasure, erasing(LEO, COUNCIL))
    assert await purged(fed, "LEO1") == 422


async def test_holds_are_listed_and_on_record(fed: World) -> None:
    """Standing ones first, with who, when and why; each act an entry; another agency sees none of it."""
    first, second = await hold(fed, AMINA), await hold(fed, people.BETH, user="dpo3")
    await lift(fed, first, "dpo1")
    await lift(fed, first, "dpo2")
    found = await listed(fed)
    assert [(one.id, one.lifted is None, one.set_by, one.reason) for one in found] == [
        (second, True, "dpo3", REASON), (first, False, "dpo1", REASON),
    ]  # fmt: skip
    assert await listed(fed, COUNCIL) == []
    with pytest.raises(NotFound):
        await lift(fed, second, "dpo1", COUNCIL)
    assert [facts_of(one)["result"] for one in await recorded(fed, "lift_hold")] == ["lifted", "asked"]
    assert [facts_of(one)["reason"] for one in await recorded(fed, "set_hold")] == [REASON, REASON]


async def test_a_hold_needs_a_reason_and_a_record(fed: World) -> None:
    """Told plainly."""
    with pytest.raises(NotFound):
        await hold(fed, STRANGER)
    with pytest.raises(Unprocessable, match="10 characters"):
        await fed.gateway.ledger.run_alone(set_hold, HoldRequest(staff("dpo1"), number(AMINA), "because"))


async def test_a_hold_follows_a_record_that_is_joined_with_another(fed: World) -> None:
    """The trust merges two of its numbers for her: the surviving record is under the hold, and the report made of the
    losing one still opens."""
    trust = fed.as_("trust-epr")
    await trust.sends(
        "hl7v2-adt", people.adt("A04", Person("again", "", "1991-03-14", "EXAMPLE", "AMINA"), "M9").replace("^^^NHS^NH~", "")
    )
    other = f"{people.AGENCIES[0].profile['authorities']['RIO']}|M9"
    ask = HoldRequest(staff("dpo1"), other, REASON)
    await fed.gateway.ledger.run_alone(set_hold, ask)
    merge = people.adt("A40", AMINA, "M1").replace("\rPV1", "\rMRG|M9^^^RIO^MR\rPV1")
    assert (await trust.sends("hl7v2-adt", merge))["refused"] == 0
    with pytest.raises(Conflict, match="legal hold"):
        await fed.gateway.ledger.run_alone(ask_erasure, erasing(AMINA))


async def test_a_report_follows_a_record_that_is_joined_with_another(fed: World) -> None:
    """It is sealed anew under the surviving key."""
    report = await prepare(fed, AMINA)
    trust = fed.as_("trust-epr")
    merge = people.adt("A40", people.BETH, "M2").replace("\rPV1", "\rMRG|M1^^^RIO^MR\rPV1")
    assert (await trust.sends("hl7v2-adt", merge))["refused"] == 0
    assert (await look(fed, report)).about.name == "AMINA EXAMPLE"


async def test_a_hold_does_not_show_in_a_report_unless_it_is_released(fed: World) -> None:
    """That a record must be kept may tell of an inquiry."""
    held = await hold(fed, AMINA)
    report = await look(fed, await prepare(fed, AMINA))
    assert held in {one.id for one in report.undecided}
    assert {one.code for one in report.kept_back} == {"preserved", "other"}
