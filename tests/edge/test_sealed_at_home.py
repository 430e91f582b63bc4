"""Somebody whom their own agency's record seals by adoption, to that agency's staff: a stranger, wherever people are looked for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, Person
from gateway.exchanges.wishes.read_own_wishes import OwnWishes, read_own_wishes
from gateway.fhir import systems
from tests.edge.test_match import LOCAL, adopted, council, matches, patient, same
from tests.edge.test_subject_access import staff
from tests.stories.county import CARE, tells, wishes
from tests.world import BASE, World

TOLD = ("by the record", "by a status")
KINDS = ("Flag", "RelatedPerson", "Consent")
BY = {"Patient": "identifier", **dict.fromkeys((*KINDS, "Provenance"), "patient:identifier")}
CHILD = f"{systems.NHS_NUMBER}|{LEO.nhs}"
NOBODY = f"{systems.NHS_NUMBER}|9990001049"


async def seals(world: World, told: str) -> None:
    """The council's own record says that the child was adopted."""
    restriction = {"url": systems.extension("restriction"), "valueCode": "adopted"}
    record = patient(LEO, local="LEO1", extension=[restriction]) if told == "by the record" else adopted("LEO1")
    await tells(world, "council-system", record)


async def found(world: World, kind: str, **form: str) -> list[dict[str, Any]]:
    """What the council's own staff find."""
    answer = await council(world).searches(kind, **form)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def names_the_child(resource: dict[str, Any]) -> bool:
    """Whether a resource is about the child, or about who is related to it."""
    about = [
        resource.get("subject") or resource.get("patient") or {},
        {"identifier": next(iter(resource.get("identifier", ())), {})},
    ]
    return any(one.get("identifier", {}).get("value") in (LEO.nhs, "LEO1") for one in about)


@pytest.mark.parametrize("told", TOLD)
async def test_a_search_by_person_answers_as_for_a_stranger(fed: World, told: str) -> None:
    """By every number, for every type; before it was so recorded there was something to find."""
    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence"))
    for kind, name in BY.items():
        assert (await council(fed).searches(kind, **{name: CHILD})).json().get("entry"), kind
    await seals(fed, told)
    for kind, name in BY.items():
        for number in (CHILD, f"{LOCAL}|LEO1"):
            answers = [await council(fed).searches(kind, **{name: one}) for one in (number, NOBODY)]
            assert same(*answers), (kind, number)
    assert await matches(council(fed), patient(LEO)) == []


@pytest.mark.parametrize("told", TOLD)
async def test_the_patient_is_not_there_by_its_id_either(fed: World, told: str) -> None:
    """Read, or searched by the id: as an id that was never given."""
    (before,) = await found(fed, "Patient", identifier=CHILD)
    await seals(fed, told)
    answers = [await council(fed).get(f"/fhir/Patient/{one}") for one in (before["id"], before["id"][::-1])]
    assert answers[0].status_code == 404
    assert same(*answers)
    assert await found(fed, "Patient", _id=before["id"]) == []


@pytest.mark.parametrize("told", TOLD)
async def test_a_search_of_all_leaves_them_out_page_by_page(fed: World, told: str) -> None:
    """Everybody else is there, in as many pages as before."""
    kinds = ("Flag", "RelatedPerson", "Provenance")
    before = {kind: await pages(fed, kind) for kind in kinds}
    await seals(fed, told)
    after = {kind: await pages(fed, kind) for kind in kinds}
    for kind in ("Flag", "RelatedPerson"):
        gone = {f"{kind}/{one['id']}" for one in before[kind] if names_the_child(one)}
        assert gone
        assert [one for one in before[kind] if not names_the_child(one)] == after[kind]
        assert gone <= origins(before["Provenance"])
        assert not gone & origins(after["Provenance"])
    assert after["Provenance"]


def origins(provenances: list[dict[str, Any]]) -> set[str]:
    """Type and id of what these are of."""
    return {one["target"][0]["reference"].split("/_history")[0] for one in provenances}


async def pages(world: World, kind: str) -> list[dict[str, Any]]:
    """All of a type, one a page."""
    told: list[dict[str, Any]] = []
    answer = await council(world).searches(kind, _count="1")
    while True:
        told += [entry["resource"] for entry in answer.json().get("entry", ())]
        following = [one["url"] for one in answer.json()["link"] if one["relation"] == "next"]
        if not following:
            return told
        answer = await council(world).get(following[0].removeprefix(BASE))


@pytest.mark.parametrize("told", TOLD)
async def test_their_wishes_are_not_read_out(fed: World, told: str) -> None:
    """To who works at the agency and asks for them by the number."""
    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence"))
    ask = OwnWishes(staff("sw22", COUNCIL), LEO.nhs)
    assert await fed.gateway.ledger.run(read_own_wishes, ask)
    await seals(fed, told)
    assert await fed.gateway.ledger.run(read_own_wishes, ask) == ()


async def test_a_status_that_was_wrong_is_corrected_by_its_own_id(fed: World) -> None:
    """The system that wrote it has the id: it reads it, takes it back, and the child is found again."""
    council_system = fed.as_("council-system")
    made = await council_system.post("/fhir/Flag", {**adopted("LEO1"), "id": "x"})
    assert made.status_code == 201, made.text
    assert await found(fed, "Patient", identifier=CHILD) == []
    path = f"/fhir/Flag/{made.json()['id']}"
    read = await council_system.get(path)
    assert read.status_code == 200
    taken_back = await council_system.put(path, {**read.json(), "status": "entered-in-error"}, read.headers["etag"])
    assert taken_back.status_code == 200, taken_back.text
    assert await found(fed, "Patient", identifier=CHILD)


async def test_nobody_else_is_hidden_by_it(fed: World) -> None:
    """A mother whose child was adopted is found as before."""
    await tells(fed, "council-system", patient(Person("", AMINA.nhs, AMINA.born, AMINA.family, AMINA.given), local="AM1"))
    await seals(fed, "by the record")
    assert await found(fed, "Patient", identifier=f"{LOCAL}|AM1")


@pytest.mark.parametrize("told", TOLD)
async def test_their_mothers_relationships_do_not_name_them(fed: World, told: str) -> None:
    """Nor is her daughter's name left out: only who is sealed is."""
    daughter = Person("Her daughter", "9990001057", "2012-02-02", "HASSAN", "NOOR")
    for child in (LEO, daughter):
        await tells(fed, "council-system", mother_of(child))
    by_her = {"patient:identifier": f"{systems.NHS_NUMBER}|{AMINA.nhs}"}
    before = str(await found(fed, "RelatedPerson", **by_her))
    assert LEO.nhs in before and daughter.nhs in before
    await seals(fed, told)
    for told_by in (await found(fed, "RelatedPerson", **by_her), await pages(fed, "RelatedPerson")):
        assert LEO.nhs not in str(told_by)
        assert daughter.nhs in str(told_by)


def mother_of(child: Person) -> dict[str, Any]:
    """The mother's record says whose mother she is: the other person is the child."""
    return {
        "resourceType": "RelatedPerson",
        "patient": {"identifier": {"system": systems.NHS_NUMBER, "value": AMINA.nhs}},
        "identifier": [{"system": systems.NHS_NUMBER, "value": child.nhs}],
        "name": [{"family": child.family, "given": [child.given]}],
        "birthDate": child.born,
        "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "CHILD"}]}],
    }
