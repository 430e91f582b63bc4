"""``ConceptMap/$translate``: what a code of a sender's format stands for here, asked by anybody, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.fhir import systems
from tests.data.edge import is_valid, outcome
from tests.world import World, part

TRANSLATE = "/fhir/ConceptMap/$translate"
END_REASON = "dfe-csc-api-1.0.1-end-reason"
CODES = f"{systems.BASE}/CodeSystem/{END_REASON}"
MAP = f"{systems.BASE}/ConceptMap/{END_REASON}"
ADOPTED = {"system": f"{systems.BASE}/CodeSystem/restriction", "code": "adopted", "display": "Adopted"}


def parameters(**given: Any) -> dict[str, Any]:
    """Parameters of a question: ``code`` and ``coding`` by their own kind, the others as uris."""
    kinds = {"code": "valueCode", "coding": "valueCoding", "codeableConcept": "valueCodeableConcept"}
    parts = [{"name": name, kinds.get(name, "valueUri"): value} for name, value in given.items()]
    return {"resourceType": "Parameters", "parameter": parts}


async def post(world: World, body: Any, path: str = TRANSLATE) -> httpx.Response:
    """Posts without a token."""
    return await world.client.post(path, json=body, headers={"Content-Type": "application/fhir+json"})


def told(answer: httpx.Response) -> dict[str, Any]:
    """The Parameters of an answer, which are valid."""
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    return answer.json()


async def test_every_way_of_asking_gives_one_answer(world: World) -> None:
    """By query or Parameters, of a map by id or url or of all, with a code, a coding or a concept; no token."""
    coding = {"system": CODES, "code": "E11"}
    answers = [
        await world.client.get(TRANSLATE, params={"system": CODES, "code": "E11"}),
        await world.client.get(TRANSLATE, params={"url": MAP, "code": "E11"}),
        await world.client.get(f"/fhir/ConceptMap/{END_REASON}/$translate", params={"code": "e11"}),
        await post(world, parameters(coding=coding)),
        await post(world, parameters(coding=coding, targetsystem=ADOPTED["system"])),
        await post(world, parameters(codeableConcept={"coding": [{"system": systems.SNOMED, "code": "1"}, coding]})),
        await post(world, parameters(code="E11"), f"/fhir/ConceptMap/{END_REASON}/$translate"),
    ]
    for answer in map(told, answers):
        assert part(answer, "result") is True
        (match,) = [one["part"] for one in answer["parameter"] if one["name"] == "match"]
        assert [part(match, name) for name in ("equivalence", "concept", "source")] == ["wider", ADOPTED, MAP]


async def test_a_code_that_stands_for_nothing_says_why(world: World) -> None:
    """The result is false: with the reason of the map, or because no map speaks of the code."""
    home = told(await post(world, parameters(coding={"system": CODES, "code": "E4A"})))
    assert (part(home, "result"), part(home, "message")) == (False, "the placement ended: the end date says so")
    (match,) = [one["part"] for one in home["parameter"] if one["name"] == "match"]
    assert [one["name"] for one in match] == ["equivalence", "source"]
    assert part(match, "equivalence") == "unmatched"
    none = told(await post(world, parameters(coding={"system": CODES, "code": "E99"})))
    assert [one["name"] for one in none["parameter"]] == ["result", "message"]
    assert part(none, "result") is False


async def test_maps_in_files_are_asked_like_those_of_code_tables(world: World) -> None:
    """A purpose of ours in the words of HL7, each of its lines."""
    asked = parameters(system=systems.code_system("purpose"), code="child-in-need-s17", targetsystem=systems.V3_ACT_REASON)
    answer = told(await post(world, asked))
    found = [part(one["part"], "concept")["code"] for one in answer["parameter"] if one["name"] == "match"]
    assert found == ["GOV", "COC"]


async def test_a_code_table_is_read_and_found_as_conceptmap_code_system_and_value_set(world: World) -> None:
    """Each by its id and by its canonical."""
    for kind in ("ConceptMap", "CodeSystem", "ValueSet"):
        one = (await world.client.get(f"/fhir/{kind}/{END_REASON}")).json()
        assert one["url"] == f"{systems.BASE}/{kind}/{END_REASON}"
        found = (await world.client.get(f"/fhir/{kind}", params={"url": one["url"]})).json()
        assert [entry["resource"] for entry in found["entry"]] == [one]


BAD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no code": {"system": CODES},
    "no system and no map": {"code": "E11"},
    "a coding without a system": {"coding": {"code": "E11"}},
    "two ways of naming the code": {"code": "E11", "system": CODES, "coding": {"system": CODES, "code": "E11"}},
    "a system beside a coding": {"system": CODES, "coding": {"system": CODES, "code": "E11"}},
    "a code that is none": {"system": CODES, "code": " E11"},
    "a system that is none": {"system": "of DfE", "code": "E11"},
    "a coding that is none": {"coding": "E11"},
    "a coding whose system is none": {"coding": {"system": 1, "code": "E11"}},
    "an empty concept": {"codeableConcept": {"coding": []}},
    "a concept of too much": {"codeableConcept": {"coding": [{"system": CODES, "code": "E11"}] * 21}},
    "what is not supported": {"system": CODES, "code": "E11", "reverse": "true"},
}


@pytest.mark.parametrize("why", BAD)
async def test_a_bad_question_is_refused_and_the_part_is_named(world: World, why: str) -> None:
    """422, with the place."""
    (issue,) = outcome(await post(world, parameters(**BAD[why])), 422)
    assert issue["expression"][0].startswith("Parameters")
    if not any(isinstance(value, dict) for value in BAD[why].values()):
        outcome(await world.client.get(TRANSLATE, params=BAD[why]), 422)


async def test_a_map_that_is_not_here_is_not_found(world: World) -> None:
    """By id, by url; and whoever calls a map by its address does not name it again."""
    outcome(await world.client.get("/fhir/ConceptMap/nothing/$translate?code=E11"), 404)
    outcome(await post(world, parameters(code="E11", url=f"{systems.BASE}/ConceptMap/nothing")), 404)
    outcome(await post(world, parameters(code="E11", url=MAP), f"/fhir/ConceptMap/{END_REASON}/$translate"), 422)
    outcome(await post(world, {"resourceType": "Patient"}), 422)
    outcome(await world.client.get(f"{TRANSLATE}?code=E11&url={MAP}", headers={"Accept": "text/html"}), 406)
    outcome(await world.client.delete(TRANSLATE), 405)
