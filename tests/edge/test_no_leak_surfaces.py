"""One outsider, one day's work about one person, over every surface of the gateway: whoever the person is, and whatever
another agency holds of them, each answer is the same, from the first question to the outsider's own access log."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, STRANGER, Person
from gateway.fhir import systems
from tests.data.edge import flag, message, plain, related
from tests.edge.test_lookup_no_leak import CAUSES
from tests.stories.county import CARE, EARLY, SHARE, patient
from tests.world import At, World

HELD_ELSEWHERE = sorted(set(CAUSES) - {"known elsewhere only", "not known to anybody"})  # of those the trust has its own record
TIMES_AND_IDS = frozenset({"date", "last-modified", "x-request-id", "location"})
SEALED = re.compile(rb"(?<=_cursor=)[\w\-]+")  # the place of a next page: of one length, and never the same twice
CHILD = Person("child", "9990002002", "2019-05-05", "SAMPLE", "KIM")


def told(answer: httpx.Response) -> bytes:
    """Status, headers and body of an answer, without ids, times and the numbers that were sent."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in TIMES_AND_IDS)
    return f"{answer.status_code} {headers} ".encode() + SEALED.sub(b"#", plain(answer.content))


def as_known(person: Person) -> Person:
    """Somebody as the outsider knows them: their number, and a name and birth date that it was told."""
    return Person("", person.nhs, "1985-04-04", "SAMPLE", "SAM")


async def questions(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """Lookups with every purpose and about everybody."""
    for purpose in (CARE, EARLY, "nonsense"):
        for about in ((), ("children",), ("self", "parents")):
            yield f"{purpose} about {about or 'self'}", await at.asks(person, purpose, *about)
    born = Person("", person.nhs, "", "", "")
    asked = people.lookup(born, CARE)
    del asked["parameter"][0]["resource"]["birthDate"]
    yield "without a birth date", await at.post("/fhir/Patient/$known-to-services", asked)


async def searches(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """Searches of every type, by identifier, with totals and pages."""
    named = f"{systems.NHS_NUMBER}|{person.nhs}"
    for kind in ("RelatedPerson", "Flag", "Consent", "Provenance"):
        yield f"{kind} by person", await at.searches(kind, patient__identifier=named, _count="1")
    yield "Patient by identifier", await at.searches("Patient", identifier=named)
    for kind in ("Flag", "Consent", "RelatedPerson", "Provenance"):
        yield f"{kind} by id", await at.get(f"/fhir/{kind}/{person.nhs[:6]}")


async def matches(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """Who of the outsider's own people is this? By the number, and with what the outsider was told beside it."""
    named: dict[str, Any] = {"resourceType": "Patient", "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs}]}
    yield "match by number", await at.post("/fhir/Patient/$match", named)
    named |= {"name": [{"family": person.family, "given": [person.given]}], "birthDate": person.born}
    certain = [{"name": "resource", "resource": named}, {"name": "onlyCertainMatches", "valueBoolean": True}]
    yield "match with certainty", await at.post("/fhir/Patient/$match", {"resourceType": "Parameters", "parameter": certain})


async def subscriptions(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """A subscription's whole life."""
    wanted = people.subscription(person, "known-status-changed", "https://trust.example/fhir", SHARE, case="R-1", reason="Care")
    made = await at.post("/fhir/Subscription", wanted)
    path = f"/fhir/Subscription/{made.json()['id']}"
    yield "subscribe", made
    for step in ("", "/$status", "/$events"):
        yield f"subscription{step}", await at.get(f"{path}{step}")
    yield "change", await at.put(path, {**wanted, "reason": "Care plan"}, made.headers["etag"])
    yield "end", await at.delete(path)


async def case_lists(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """A case list with the person on it, a subscription to it, and the end of both."""
    member = {"entity": {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": person.nhs}}}
    group = {"resourceType": "Group", "type": "person", "actual": True, "name": "Team 4"}
    made = await at.post("/fhir/Group", {**group, "member": [member]})
    path = f"/fhir/Group/{made.json()['id']}"
    yield "list", made
    wanted = people.subscription(person, "known-status-changed", "https://trust.example/fhir", SHARE, case="R-1", reason="Care")
    criteria = {"url": systems.BACKPORT_FILTER, "valueString": f"patient:in=Group/{made.json()['id']}"}
    subscribed = await at.post("/fhir/Subscription", {**wanted, "_criteria": {"extension": [criteria]}})
    yield "subscribe to the list", subscribed
    hearing = f"/fhir/Subscription/{subscribed.json()['id']}"
    for step in ("", "/$status", "/$events"):
        yield f"list subscription{step}", await at.get(f"{hearing}{step}")
    yield "status of all", await at.get(f"/fhir/Subscription/$status?id={subscribed.json()['id']}")
    yield "list read", await at.get(path)
    yield "lists", await at.get("/fhir/Group")
    yield "taken off", await at.put(path, group, made.headers["etag"])
    yield "put on again", await at.put(path, {**group, "member": [member]})
    yield "list deleted", await at.delete(path)
    yield "list subscription ended", await at.delete(hearing)


async def records(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """The outsider's own record of the person, by file, by message and by resource, and what it then reads of it."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": one} for one in (patient(person), {"id": f"f{person.nhs}", **flag(person, "community")})
    ]}  # fmt: skip
    yield "file", await at.post("/records/fhir", bundle)
    yield "file again", await at.post("/records/fhir", bundle)
    sent = message(related(person, CHILD, "CHILD"), bundle=f"b-{person.nhs}", header=f"m-{person.nhs}")
    yield "message", await at.post("/fhir/$process-message", sent)
    yield "message again", await at.post("/fhir/$process-message", sent)
    wish = people.consent(person, person, [], agency=people.TRUST, when=people.day(1))
    made = await at.post("/fhir/Consent", wish)
    yield "wish", made
    yield "wish by id", await at.get(f"/fhir/Consent/{made.json()['id']}")
    async for step in searches(at, person):
        yield step


async def receipts(at: At, person: Person) -> AsyncIterator[tuple[str, httpx.Response]]:
    """Call-back requests by operation and by message, an acknowledgement, and the lists of notices and requests."""
    asked = people.lookup(person, CARE)
    asked["parameter"] += [{"name": "name", "valueString": "Ward"}, {"name": "phone", "valueString": "01632 960111"}]
    yield "call-back", await at.post("/fhir/Patient/$request-contact", asked)
    topic = {"system": systems.code_system("topic"), "code": "contact-requested"}
    sent = message(asked, bundle=f"c-{person.nhs}", header=f"c-{person.nhs}", eventCoding=topic)
    yield "call-back by message", await at.post("/fhir/$process-message", sent)
    yield "call-back by message again", await at.post("/fhir/$process-message", sent)
    yield "acknowledgement", await at.post(f"/notices/{person.nhs}/acknowledge", {"code": "not-ours"})
    for path in ("/call-backs", "/notices", "/notices?side=sent"):
        yield path, await at.get(path)


async def days_work(world: World, person: Person) -> list[tuple[str, bytes]]:
    """Everything that the trust's software can do about somebody of another agency, and what its auditor sees of it."""
    at = world.as_("trust-epr", "nurse7", "ward-nurse", CARE)
    coordinator = world.coordinator()
    steps: list[tuple[str, bytes]] = []
    for doing in (
        questions(at, person), searches(at, person), matches(at, person), subscriptions(coordinator, person),
        case_lists(coordinator, person), receipts(at, person), records(at, person), matches(at, person),
    ):  # fmt: skip
        steps += [(name, told(answer)) async for name, answer in doing]
    steps += [(f"afterwards: {name}", told(answer)) async for name, answer in questions(at, person)]
    await world.seal()
    seen: list[dict[str, Any]] = await world.auditor().searches_for("AuditEvent", person, _count="200")
    steps += [(f"log {place}", plain(repr(sorted(one.items())).encode())) for place, one in enumerate(seen)]
    return steps


@pytest.mark.parametrize("cause", HELD_ELSEWHERE)
async def test_a_days_work_about_anybody_is_that_about_a_stranger(fed: World, cause: str) -> None:
    """Refused, shielded, adopted, ambiguous or simply not agreed: no surface, and no sum of them, differs."""
    person = await CAUSES[cause](fed)
    theirs, strangers = await days_work(fed, as_known(person)), await days_work(fed, as_known(STRANGER))
    assert [name for name, _ in theirs] == [name for name, _ in strangers]
    for (name, mine), (_, other) in zip(theirs, strangers, strict=True):
        assert mine == other, name


async def test_the_comparison_sees_a_difference_where_there_is_one(fed: World) -> None:
    """About somebody who is known to the asker itself the day's work differs: the test above can fail."""
    assert await days_work(fed, as_known(AMINA)) != await days_work(fed, as_known(STRANGER))
