"""``Patient/$person-info-query``: a yes is a yes, a no is only a careful not-known, and everything else is neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.person_info import LAW, REASONS
from gateway.demo.people import AMINA, LEO, STRANGER, Person
from gateway.fhir import systems
from tests.data.edge import is_valid
from tests.edge.test_lookup_no_leak import known
from tests.stories.county import falls_silent
from tests.world import At, World, part

PATH = "/fhir/Patient/$person-info-query"
S47 = f"{LAW}ukpga/1989/41/section/47"


def query(person: Person, reason: str = S47, case: str = "C-1", why: str = "") -> dict[str, Any]:
    """A query as the draft standard has it, with our additions."""
    patient = {
        "resourceType": "Patient", "birthDate": person.born, "name": [{"family": person.family, "given": [person.given]}],
        "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs}],
    }  # fmt: skip
    parts: list[dict[str, Any]] = [{"name": "resource", "resource": patient}, {"name": "reason", "valueUri": reason}]
    if case:
        parts.append({"name": "caseReference", "valueIdentifier": {"system": "https://southshire.example/case", "value": case}})
    if why:
        parts.append({"name": "justification", "valueString": why})
    return {"resourceType": "Parameters", "parameter": parts}


async def asks(at: At, *given: Any, **more: Any) -> httpx.Response:
    return await at.post(PATH, query(*given, **more))


async def test_a_known_person_is_a_match_with_whom_to_ring(fed: World) -> None:
    """match true, and an Organization of who says so, as in the published example; valid FHIR."""
    answer = (await asks(fed.social_worker(), AMINA)).json()
    assert is_valid(answer)
    assert part(answer, "match") is True
    contact = part(answer, "contact")
    assert contact["resourceType"] == "Organization"
    assert contact["name"] == "Northmoor Mental Health NHS Trust"
    assert contact["telecom"][0] == {"system": "phone", "value": "01632 960101", "use": "work"}
    assert part(answer, "outcome") is None


async def test_not_known_alone_is_no_match(fed: World) -> None:
    """Where number, birth date, feed and agreement leave no doubt."""
    answer = (await asks(fed.social_worker(), STRANGER)).json()
    assert answer == {"resourceType": "Parameters", "parameter": [{"name": "match", "valueBoolean": False}]}


async def test_cannot_say_is_neither(fed: World) -> None:
    """A stale feed: no match at all, an outcome that says so, whom to ring."""
    await falls_silent(fed, "TMH01")
    answer = (await asks(fed.social_worker(), STRANGER)).json()
    assert part(answer, "match") is None
    issue = part(answer, "outcome")["issue"][0]
    assert (issue["severity"], issue["code"]) == ("information", "incomplete")
    assert part(answer, "contact")["name"] == "Northmoor Mental Health NHS Trust"


async def test_where_a_wish_opens_the_answer_a_refusal_is_a_strangers(fed: World) -> None:
    """Section 17: the bytes of a known person who has not agreed are a stranger's."""
    council = fed.as_("council-system", "sw22", "social-worker", "child-in-need-s17")
    reason = f"{LAW}ukpga/1989/41/section/17"
    same_id = {"X-Request-Id": "one"}
    found = [(await council.post(PATH, query(one, reason), **same_id)) for one in (STRANGER, AMINA, await known(fed, 2))]
    assert {answer.status_code for answer in found} == {200}
    assert len({answer.content for answer in found}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in found}) == 1
    assert len(found[0].content) % 4096 == 0
    assert part(found[0].json(), "match") is None


async def test_a_child_of_whom_the_asker_alone_tells_is_no_false_match(fed: World) -> None:
    """The council's own child, asked by the council: the trust holds nobody."""
    assert part((await asks(fed.social_worker(), LEO)).json(), "match") is False


@pytest.mark.parametrize("reason", ["", "https://www.legislation.gov.uk/ukpga/1989/41", "safeguarding-s47", f"{S47}/x", None, 7])
async def test_a_reason_that_is_no_law_we_know_is_400(fed: World, reason: Any) -> None:
    """Named with those that are; nobody is looked up."""
    answer = await asks(fed.social_worker(), AMINA, reason)
    assert answer.status_code == 400
    assert all(law in answer.text for law in REASONS)


async def test_each_law_is_the_purpose_that_rests_on_it(fed: World) -> None:
    """One that the token does not carry is refused at the gate, as in the lookup."""
    worker = fed.social_worker()
    told = {}
    for law in REASONS:
        told[law.removeprefix(LAW)] = (await asks(worker, AMINA, law, why="her child's plan rests on it")).status_code
    assert told == {
        "ukpga/1989/41/section/47": 200,
        "ukpga/1989/41/section/17": 403,
        "ukpga/2004/31/section/16LA": 200,
        "ukpga/1983/20/section/13": 403,
    }


async def test_what_a_duty_needs_is_needed_here_too(fed: World) -> None:
    """A case reference; 403 in the words of the lookup."""
    answer = await asks(fed.social_worker(), AMINA, case="")
    assert answer.status_code == 403
    assert "case reference" in answer.text


async def test_a_query_is_on_record_as_a_lookup_is(fed: World) -> None:
    """The holder's auditor sees who asked, for what."""
    await asks(fed.social_worker(), AMINA)
    await fed.seal()
    text = json.dumps(await fed.auditor().searches_for("AuditEvent", AMINA, exchange="look_up_status"))
    assert "safeguarding-s47" in text
    assert "sw22" in text


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueUri": S47}]},
        {"resourceType": "Parameters", "parameter": [*query(AMINA)["parameter"], {"name": "override"}]},
        {"resourceType": "Parameters", "parameter": [*query(AMINA)["parameter"], {"name": ["resource"]}]},
    ],
)
async def test_what_is_no_query_is_refused(fed: World, broken: dict[str, Any]) -> None:
    """422 with the place in the words of this operation."""
    answer = await fed.social_worker().post(PATH, broken)
    assert answer.status_code == 422
    assert "(person)" not in answer.text


async def test_the_published_request_is_understood(fed: World, samples: Path) -> None:
    """Its number has no valid check digit, which is what it is told; with a valid one it is answered."""
    sample = json.loads((samples / "mais-exchange" / "person-info-query-request.json").read_text())
    assert (await fed.social_worker().post(PATH, sample)).status_code == 422
    sample["parameter"][0]["resource"]["identifier"][0]["value"] = AMINA.nhs
    answer = await fed.social_worker().post(PATH, sample)
    assert answer.status_code == 403  # section 47 needs a case reference here
    assert answer.json()["resourceType"] == "OperationOutcome"
