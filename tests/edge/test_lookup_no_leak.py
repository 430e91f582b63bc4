"""A negative tells nothing: not by its bytes, headers, length or log, nor by when it leaves."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from benchmarks.leak import auc
from gateway.api import known_to_services
from gateway.api.edge import PAGE, TICK
from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, RUBY, STRANGER, Person
from gateway.fhir import systems
from tests.conftest import count
from tests.stories.county import CARE, EARLY, S47, falls_silent, flag, masked, patient, somebody, tells, wishes
from tests.world import At, World, groups, part

MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}
PERMIT = people.permit("TMH01", CARE, "existence", "status", "contact")
ASKED = "/fhir/Patient/$known-to-services"


async def known(world: World, place: int, *rules: dict[str, Any], born: str | None = None, **more: Any) -> Person:
    """A person with a plan at the council, and what they wish."""
    person = somebody(place)
    await tells(world, "council-system", patient(person, born=born, **more), flag(person, f"k{place}"))
    if rules:
        await wishes(world, "council-system", person, person, *rules)
    return person


async def refused(world: World) -> Person:
    person = await known(world, 0, PERMIT)
    await wishes(world, "council-system", person, person, when=people.day(1))
    return person


async def conditional(world: World) -> Person:
    person = await known(world, 1)
    await wishes(world, "council-system", person, person, PERMIT, only_inpatient=True)
    return person


async def ended_long_ago(world: World) -> Person:
    person = somebody(6)
    await tells(world, "council-system", patient(person), flag(person, "k6", "cp-plan", "2010-01-01", "2011-01-01"))
    await wishes(world, "council-system", person, person, PERMIT)
    return person


async def as_is(person: Person) -> Person:
    return person


CAUSES: dict[str, Callable[[World], Awaitable[Person]]] = {
    "not known to anybody": lambda world: as_is(STRANGER),
    "known elsewhere only": lambda world: as_is(AMINA),
    "no wish on file": lambda world: known(world, 2),
    "refused": refused,
    "condition not met": conditional,
    "leave for another purpose": lambda world: known(world, 0, people.permit("TMH01", EARLY, "existence")),
    "leave for another organisation": lambda world: known(world, 0, people.permit("THV01", CARE, "existence")),
    "shielded": lambda world: known(world, 3, PERMIT, restriction="protected"),
    "adopted": lambda world: known(world, 4, PERMIT, restriction="adopted"),
    "another birth date": lambda world: known(world, 5, PERMIT, born="1999-09-09"),
    "a number that is not verified": lambda world: known(world, 5, PERMIT, status="02"),
    "ended long ago": ended_long_ago,
}


def body_of(person: Person, *about: str, purpose: str = CARE) -> dict[str, Any]:
    return people.lookup(person, purpose, *about)


async def answer_to(at: At, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return masked(await at.post(ASKED, body, **{"X-Request-Id": "one"}))


@pytest.mark.parametrize("cause", CAUSES)
async def test_every_negative_in_wish_mode_is_the_same(fed: World, cause: str) -> None:
    """Status, headers and bytes are a stranger's, but for id and time; padded to whole pages."""
    person = await CAUSES[cause](fed)
    reference = await answer_to(fed.ward(), body_of(STRANGER))
    assert await answer_to(fed.ward(), body_of(person)) == reference
    status, _, content = reference
    assert status == 200
    assert len(content) % PAGE == 0
    assert part(json.loads(content), "answer") == "no-information"


async def test_negatives_that_lie_with_the_feed_or_the_question_are_the_same(fed: World) -> None:
    """Stale, demographics only, no birth date, a doubted number, children of a stranger."""
    person = await known(fed, 0, PERMIT)
    assert groups((await fed.ward().post(ASKED, body_of(person))).json())
    reference = await answer_to(fed.ward(), body_of(STRANGER))
    for about in ("children", "parents"):
        assert await answer_to(fed.ward(), body_of(person, about)) == reference
    no_number, no_birth = body_of(person), body_of(person)
    del no_number["parameter"][0]["resource"]["identifier"]
    del no_birth["parameter"][0]["resource"]["birthDate"]
    assert await answer_to(fed.ward(), no_number) == await answer_to(fed.ward(), no_birth) == reference
    await falls_silent(fed, "TLA01")
    later = await answer_to(fed.ward(), body_of(STRANGER))
    assert await answer_to(fed.ward(), body_of(person)) == later
    assert set(part(json.loads(later[2]), "coverage")[0]) == set(part(json.loads(reference[2]), "coverage")[0])


async def test_without_an_agreement_everybody_is_the_same(fed: World) -> None:
    """The school nurse hears from nobody, of nobody, and coverage says so."""
    nurse = fed.as_("school-nursing-system", "sn1", "school-nurse", EARLY)
    found = [await answer_to(nurse, body_of(person, purpose=EARLY)) for person in (LEO, RUBY, AMINA, STRANGER)]
    assert found.count(found[0]) == len(found)
    assert part(json.loads(found[0][2]), "coverage") is None


async def test_refusals_at_a_gate_are_the_same_for_whoever_is_asked_about(fed: World) -> None:
    """They leave before anybody is looked at."""
    for purpose in (S47, "duty-to-share-16la", EARLY, "nonsense"):
        answers = [
            await fed.ward().post(ASKED, body_of(person, purpose=purpose), **{"X-Request-Id": "one"})
            for person in (AMINA, LEO, STRANGER)
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.content for answer in answers}) == 1


async def test_coverage_is_the_same_whoever_is_asked_about(fed: World) -> None:
    """Known, refused and unknown; positive and negative."""
    person = await known(fed, 0, PERMIT)
    found = [
        [one for one in (await fed.ward().hears(who, CARE))["parameter"] if one["name"] == "coverage"]
        for who in (person, BETH, STRANGER)
    ]
    assert found[0] == found[1] == found[2] != []


async def test_agencies_of_which_nothing_is_told_have_no_part_in_a_positive_answer(fed: World) -> None:
    """Two children, one refused: a group for the other, and nothing that counts the first."""
    other = somebody(0, "2018-03-03")
    from tests.stories.county import related

    await tells(fed, "council-system", patient(other), flag(other, "k0"), related(AMINA, other, "CHILD"))
    await wishes(fed, "council-system", LEO, AMINA, PERMIT)
    answer = await fed.ward().hears(AMINA, CARE, "children")
    assert len(groups(answer)) == 1
    assert "cannot-say" not in json.dumps(answer)


async def log_of(world: World, agency: str, person: Person) -> list[dict[str, Any]]:
    """What an agency's auditor sees of the lookups about a person."""
    await world.seal()
    events = await world.auditor(agency).searches_for("AuditEvent", person, _count="200")
    return [event for event in events if any(one["code"] == "look_up_status" for one in event["subtype"])]


def without_ids(event: dict[str, Any]) -> str:
    """An event without its id, time and the person it names."""
    kept = {name: value for name, value in event.items() if name not in ("id", "recorded", "meta")}
    text = json.dumps(kept, sort_keys=True)
    for entity in event["entity"]:
        for number in [one for one in [entity["what"].get("identifier", {}).get("value")] if one]:
            text = text.replace(number, "#")
    return text


async def test_the_askers_auditor_sees_the_question_and_never_the_answer(fed: World) -> None:
    """Refused, stranger, shielded and answered are one rendering; each lookup is there once."""
    shown = set()
    found = [await CAUSES[cause](fed) for cause in ("refused", "shielded", "adopted", "not known to anybody")]
    found.append(await known(fed, 7, PERMIT))
    assert groups(await fed.as_("trust-epr", "nurse8", "ward-nurse", CARE).hears(somebody(7), CARE))
    for person in found:
        await fed.ward().post(ASKED, body_of(person), **{"X-Request-Id": "one"})
        events = [event for event in await log_of(fed, "trust", person) if "nurse7" in json.dumps(event)]
        assert len(events) == 1
        shown.add(without_ids(events[0]))
    assert len(shown) == 1


async def test_the_holders_auditor_sees_the_cause(fed: World) -> None:
    """Reason, asker and purpose, for each of them."""
    expected = {
        "refused": "wish-refused",
        "shielded": "shielded",
        "adopted": "adopted",
        "no wish on file": "wish-missing",
        "condition not met": "wish-condition-not-met",
    }
    for cause, reason in expected.items():
        person = await CAUSES[cause](fed)
        await fed.ward().post(ASKED, body_of(person))
        (event,) = await log_of(fed, "council", person)
        assert reason in [one["code"] for one in event["subtype"]], cause
        assert "nurse7" in json.dumps(event)


async def test_an_agency_that_shares_nothing_sees_that_somebody_asked(fed: World) -> None:
    """The school nurse has no agreement: the council's auditor finds her question about Leo, with its cause."""
    nurse = fed.as_("school-nursing-system", "sn1", "school-nurse", EARLY)
    await nurse.post(ASKED, body_of(LEO, purpose=EARLY))
    await nurse.post(ASKED, body_of(AMINA, "children", purpose=EARLY))
    found, asked = await log_of(fed, "council", LEO)  # the newest first: found beside his mother, then asked about
    for event in (found, asked):
        assert "no-agreement" in [one["code"] for one in event["subtype"]]
    assert AMINA.nhs in json.dumps(found)
    assert AMINA.nhs not in json.dumps(asked)
    assert await log_of(fed, "trust", AMINA)


async def test_a_lookup_about_children_is_on_record_with_who_was_found(fed: World) -> None:
    """The council's auditor sees both the mother who was asked about and the child who was found; the ward's does not."""
    await fed.ward().hears(AMINA, CARE, "children")
    (event,) = await log_of(fed, "council", AMINA)
    assert {LEO.nhs, AMINA.nhs} <= {one["what"].get("identifier", {}).get("value") for one in event["entity"]}
    (event,) = await log_of(fed, "trust", AMINA)
    assert LEO.nhs not in json.dumps(event)
    assert "children" in json.dumps(event)


# -- when it leaves ---------------------------------------------------------------------------------------------------


async def released(world: World, headers: dict[str, str], content: bytes) -> float:
    """Seconds from sending a lookup to having its answer."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answer = await world.client.post(ASKED, content=content, headers=headers)
    assert answer.status_code == 200
    return loop.time() - begun


async def test_when_an_answer_leaves_tells_nothing_of_its_cause(fed: World) -> None:
    """Interleaved lookups of a stranger, one who refused, one who is shielded and one who is answered: all leave on a
    beat of 50 ms from their arrival, and the times of any two causes cannot be told apart."""
    causes = ("not known to anybody", "refused", "shielded", "adopted")
    asked = {cause: json.dumps(body_of(await CAUSES[cause](fed))).encode() for cause in causes}
    answered = await known(fed, 7, PERMIT)
    assert groups(await fed.ward().hears(answered, CARE))
    asked["answered"] = json.dumps(body_of(answered)).encode()
    headers = await fed.ward().headers()
    times: dict[str, list[float]] = {cause: [] for cause in asked}
    chance = random.Random(7)
    rounds = count(600, 5000)
    for _ in range(rounds // 3):
        order = [cause for _ in range(3) for cause in chance.sample(sorted(asked), len(asked))]
        for cause, seconds in zip(
            order, await asyncio.gather(*(released(fed, headers, asked[cause]) for cause in order)), strict=True
        ):
            times[cause].append(seconds)
    limit = 0.075 if rounds < 5000 else 0.025  # four standard errors and more: ten pairs are compared
    for cause, taken in times.items():
        assert min(taken) >= TICK - 0.001, cause
        for other, theirs in times.items():
            assert abs(auc(taken, theirs) - 0.5) <= limit, (cause, other, auc(taken, theirs))


def test_the_beat_begins_before_the_body_is_read() -> None:
    """Else a slow body would shift it, and what is left to sleep would tell how long the work took."""
    source = inspect.getsource(known_to_services.known_to_services)
    assert 0 < source.index("Tick()") < source.index("json_body(")


async def test_under_a_duty_cannot_say_leaves_on_the_beat(fed: World) -> None:
    """Shielded and ambiguous alike; a known or a careful not-known leaves at once."""
    person = await known(fed, 3, restriction="protected")
    await tells(fed, "trust-epr", patient(person, restriction="protected"), flag(person, "t3", "inpatient", **MENTAL))
    headers = await fed.social_worker().headers()
    held = json.dumps(people.lookup(person, S47, case="C-1")).encode()
    at_once = json.dumps(people.lookup(AMINA, S47, case="C-1")).encode()
    assert min([await released(fed, headers, held) for _ in range(5)]) >= TICK - 0.001
    assert min([await released(fed, headers, at_once) for _ in range(5)]) < TICK - 0.005
    assert systems.NHS_NUMBER.encode() in held
