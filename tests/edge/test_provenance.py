"""Provenance: the owner reads and searches where its records came from; to everybody else there is none."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, TRUST, Person
from gateway.exchanges.context import new_id
from gateway.fhir import systems
from tests.data.edge import exchange, flag, is_valid, log_of, outcome, plain
from tests.edge.test_api_resources import _pages
from tests.world import World

ADMITTED = people.adt("A01", AMINA, "M1", kin=LEO)


async def stay_of(world: World, person: Person = AMINA) -> dict[str, Any]:
    """The trust's Flag of a stay."""
    (found,) = await world.as_("trust-epr").searches_for("Flag", person)
    return found


def of(resource: dict[str, Any], version: str = "") -> str:
    """The id of the Provenance of a resource."""
    return f"{resource['resourceType']}.{resource['id']}.{version or resource['meta']['versionId']}"


async def test_the_owner_reads_by_which_map_and_out_of_which_message_a_record_was_made(world: World) -> None:
    """Each version has its own: file hash, map, rule, place and the mappings in force; all of it valid R4."""
    trust = world.as_("trust-epr")
    await trust.sends("hl7v2-adt", ADMITTED)
    stay = await stay_of(world)
    out = people.adt("A03", AMINA, "M1")
    await trust.sends("hl7v2-adt", out)
    for version, text, rule in (("1", ADMITTED, "admitted"), ("2", out, "discharged")):
        read = await trust.get(f"/fhir/Provenance/{of(stay, version)}")
        assert read.status_code == 200, read.text
        told = read.json()
        assert is_valid(told)
        assert told["target"] == [{"reference": f"Flag/{stay['id']}/_history/{version}", "type": "Flag"}]
        (source,) = told["entity"]
        assert source["what"]["identifier"]["value"] == f"urn:sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        assert source["what"]["display"] == "message 1"
        author, maker = (one["who"] for one in told["agent"])
        assert author["identifier"] == {"system": systems.ODS_CODE, "value": TRUST}
        assert maker["display"] == f"hl7v2-adt@2.8/{rule}, mappings {world.gateway.context.mappings.version}"
        assert told["recorded"] == (await trust.get(f"/fhir/Flag/{stay['id']}/_history/{version}")).json()["meta"]["lastUpdated"]


async def test_it_is_found_by_target_person_time_agent_and_id(world: World) -> None:
    """Each narrows what is found, one beside another; what does not fit finds nothing."""
    trust = world.as_("trust-epr")
    await trust.sends("hl7v2-adt", ADMITTED)
    await trust.sends("hl7v2-adt", people.adt("A01", BETH, "M2"))
    stay = await stay_of(world)

    async def found(**form: str) -> set[str]:
        answer = await trust.searches("Provenance", **form)
        assert answer.status_code == 200, answer.text
        assert is_valid(answer.json())
        return {one["resource"]["id"] for one in answer.json().get("entry", ())}

    (kin,) = await trust.searches_for("RelatedPerson", AMINA)
    (back,) = await trust.searches_for("RelatedPerson", LEO)
    hers, others = {of(stay), of(kin)}, {of(await stay_of(world, BETH)), of(back)}
    number = f"{systems.NHS_NUMBER}|{AMINA.nhs}"
    own = f"{systems.ODS_CODE}|{TRUST}"
    for form, wanted in (
        ({}, hers | others),
        ({"target": f"Flag/{stay['id']}"}, {of(stay)}),
        ({"target": f"Flag/{stay['id']}/_history/1"}, {of(stay)}),
        ({"target": f"Flag/{stay['id']}/_history/2"}, set()),
        ({"target": f"Consent/{stay['id']}"}, set()),
        ({"_id": of(stay)}, {of(stay)}),
        ({"_id": stay["id"]}, set()),
        ({"patient__identifier": number}, hers),
        ({"patient__identifier": number, "target": f"RelatedPerson/{kin['id']}"}, {of(kin)}),
        ({"patient__identifier": f"{systems.NHS_NUMBER}|{BETH.nhs}", "target": f"Flag/{stay['id']}"}, set()),
        ({"patient__identifier": f"{systems.NHS_NUMBER}|9990001049"}, set()),
        ({"agent__identifier": own}, hers | others),
        ({"agent__identifier": f"{systems.ODS_CODE}|{COUNCIL}"}, set()),
        ({"recorded": f"ge{people.day()}"}, hers | others),
        ({"recorded": f"lt{people.day()}"}, set()),
    ):
        assert await found(**form) == wanted, form
    assert set(await _pages(trust, await trust.searches("Provenance", _count="1"))) == hers | others
    assert len(await _pages(trust, await trust.searches("Provenance", patient__identifier=number, _count="1"))) == 2


@pytest.mark.parametrize(
    "form", [{"target": "Patient/1"}, {"target": "nothing"}, {"recorded": "soon"}, {"agent__identifier": "TMH01"}]
)
async def test_what_cannot_be_searched_is_refused(world: World, form: dict[str, str]) -> None:
    """400, and a person or an agent is never named in an address."""
    trust = world.as_("trust-epr")
    outcome(await trust.searches("Provenance", **form), 400)
    outcome(await trust.get(f"/fhir/Provenance?patient:identifier={systems.NHS_NUMBER}|{AMINA.nhs}"), 400)
    outcome(await trust.get(f"/fhir/Provenance?agent:identifier={systems.ODS_CODE}|{TRUST}"), 400)


async def test_another_agency_s_is_the_same_as_none(world: World) -> None:
    """Read and search by everybody else, of what was written by hand, and of what is not there: the same bytes."""
    trust, council = world.as_("trust-epr"), world.as_("council-system")
    await trust.sends("hl7v2-adt", ADMITTED)
    stay = await stay_of(world)
    by_hand = (await council.post("/fhir/Flag", flag(LEO))).json()
    reads = [
        await council.get(f"/fhir/Provenance/{of(stay)}"),
        await council.get(f"/fhir/Provenance/{of(by_hand)}"),
        await council.get(f"/fhir/Provenance/Flag.{new_id()}.1"),
        await trust.get(f"/fhir/Provenance/{of(stay, '9')}"),
        await trust.get(f"/fhir/Provenance/{of(stay).replace('Flag', 'Consent')}"),
        await trust.get(f"/fhir/Provenance/{of(stay).replace('Flag', 'Patient')}"),
        await trust.get(f"/fhir/Provenance/{stay['id']}"),
    ]
    for answer in reads:
        outcome(answer, 404)
    assert len({answer.content for answer in reads}) == 1
    forms = (
        {"target": f"Flag/{stay['id']}"},
        {"_id": of(stay)},
        {"patient__identifier": f"{systems.NHS_NUMBER}|{AMINA.nhs}"},
        {},
    )
    empty = [await council.searches("Provenance", **form) for form in forms]
    assert all(answer.status_code == 200 and "entry" not in answer.json() for answer in empty)
    stranger = await council.searches("Provenance", patient__identifier=f"{systems.NHS_NUMBER}|9990001049")
    assert plain(empty[2].content) == plain(stranger.content)


async def test_who_looked_is_on_record(world: World) -> None:
    """A read and a search are in the access log of the person, as of every other resource."""
    trust = world.as_("trust-epr")
    await trust.sends("hl7v2-adt", ADMITTED)
    await trust.get(f"/fhir/Provenance/{of(await stay_of(world))}")
    await trust.searches("Provenance", patient__identifier=f"{systems.NHS_NUMBER}|{AMINA.nhs}")
    number = f"{systems.NHS_NUMBER}|{AMINA.nhs}"
    told = {exchange(one) for one in await log_of(world.auditor("trust"), patient__identifier=number)}
    assert {"read_provenance", "search_provenances"} <= told
