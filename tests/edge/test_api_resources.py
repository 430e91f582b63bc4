"""The owner's own resources: create, read, versions, update, search, and what everybody else gets."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, RUBY
from gateway.exchanges.context import new_id
from gateway.fhir import systems
from tests.data.edge import exchange, flag, is_valid, log_of, outcome, plain, reference, related
from tests.world import At, World

KINDS = ("Flag", "RelatedPerson", "Consent")


def sample(kind: str) -> dict[str, Any]:
    made = {
        "Flag": flag(LEO),
        "RelatedPerson": related(LEO, AMINA, "MTH"),
        "Consent": people.consent(
            LEO, AMINA, [people.permit("TMH01", "amh-care-planning", "existence")], agency="TLA01", when="2026-01-01"
        ),
    }
    return made[kind]


def changed(kind: str) -> dict[str, Any]:
    """The sample with a change that matters."""
    change = {"Flag": {"period": {"start": "2026-01-06"}}, "RelatedPerson": {"active": False}, "Consent": {"status": "inactive"}}
    return {**sample(kind), **change[kind]}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_resource_is_created_read_changed_and_its_versions_stay(world: World, kind: str) -> None:
    """201 with Location and ETag; vread gives each version; 304 for a version that the reader has; all of it valid R4."""
    council = world.as_("council-system")
    made = await council.post(f"/fhir/{kind}", sample(kind))
    assert made.status_code == 201, made.text
    body = made.json()
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"].endswith(f"/fhir/{kind}/{body['id']}/_history/1")
    path = f"/fhir/{kind}/{body['id']}"
    read = await council.get(path)
    assert (read.json(), read.headers["etag"]) == (body, 'W/"1"')
    assert "GMT" in read.headers["last-modified"]
    for stated in ('W/"1"', '"1"', 'W/"9", W/"1"', "*"):
        unchanged = await council.get(path, **{"If-None-Match": stated})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await council.get(path, **{"If-None-Match": 'W/"2"'})).status_code == 200
    updated = await council.put(path, changed(kind), 'W/"1"')
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    assert (await council.get(urlsplit(made.headers["location"]).path)).json() == body
    assert (await council.get(f"{path}/_history/2")).json() == updated.json()
    assert [is_valid(one) for one in (body, updated.json())]
    for version in ("3", "0", "x", "99999999999"):
        outcome(await council.get(f"{path}/_history/{version}"), 404)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_update_names_the_version_it_is_based_on(world: World, kind: str) -> None:
    """428 without If-Match, 412 for a version that has been passed, also where nothing would change; 400 for none at all."""
    council = world.as_("council-system")
    body = (await council.post(f"/fhir/{kind}", sample(kind))).json()
    path = f"/fhir/{kind}/{body['id']}"
    outcome(await council.put(path, changed(kind)), 428)
    assert (await council.put(path, changed(kind), 'W/"1"')).status_code == 200
    outcome(await council.put(path, sample(kind), 'W/"1"'), 412)
    outcome(await council.put(path, changed(kind), 'W/"1"'), 412)
    outcome(await council.put(path, changed(kind), "now"), 400)
    outcome(await council.put(path, {**changed(kind), "id": "other"}, 'W/"2"'), 422)
    same = await council.put(path, changed(kind), 'W/"2"')
    assert (same.status_code, same.headers["etag"]) == (200, 'W/"2"')


async def test_of_writers_at_the_same_moment_one_wins(world: World) -> None:
    """A race for one version: one 200, all others 412, and the version grows by one."""
    council = world.as_("council-system")
    body = (await council.post("/fhir/Flag", flag(LEO))).json()
    path = f"/fhir/Flag/{body['id']}"
    tries = [council.put(path, flag(LEO, period={"start": f"2026-01-{day:02d}"}), 'W/"1"') for day in range(10, 18)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*tries)) == [200] + [412] * 7
    assert (await council.get(path)).headers["etag"] == 'W/"2"'
    same = [council.put(path, flag(LEO, period={"start": "2026-02-01"}), 'W/"2"') for _ in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*same)) == [200] + [412] * 5


@pytest.mark.parametrize("kind", [*KINDS, "Patient"])
async def test_what_is_not_there_and_what_is_not_yours_are_the_same_bytes(fed: World, kind: str) -> None:
    """404 for an unknown id, another agency's id, and another type's id; read, vread and update alike."""
    council, trust = fed.as_("council-system"), fed.as_("trust-epr")
    if kind == "Consent":
        await council.post("/fhir/Consent", sample("Consent"))
    name = {"Patient": "identifier"}.get(kind, "patient__identifier")
    found = await council.searches(kind, **{name: f"{systems.NHS_NUMBER}|{LEO.nhs}"})
    identifier = found.json()["entry"][0]["resource"]["id"]
    assert (await council.get(f"/fhir/{kind}/{identifier}")).status_code == 200
    other = "Consent" if kind == "Flag" else "Flag"
    reads = [
        await trust.get(f"/fhir/{kind}/{identifier}"),
        await trust.get(f"/fhir/{kind}/{new_id()}"),
        await trust.get(f"/fhir/{kind}/a"),
        await council.get(f"/fhir/{other}/{identifier}"),
    ]
    if kind != "Patient":
        reads.append(await trust.get(f"/fhir/{kind}/{identifier}/_history/1"))
        reads += [await trust.put(f"/fhir/{kind}/{one}", sample(kind), 'W/"1"') for one in (identifier, new_id())]
        reads += [await trust.put(f"/fhir/{kind}/{identifier}", sample(kind))]
    for answer in reads:
        outcome(answer, 404)
    assert len({answer.content for answer in reads}) == 1
    headers = {frozenset(answer.headers.keys()) for answer in reads}
    assert len(headers) == 1


async def test_people_are_found_by_post_and_only_among_ones_own(fed: World) -> None:
    """By NHS number and by local number; another agency's number, a stranger's and nobody's give the same empty bundle."""
    council, trust = fed.as_("council-system"), fed.as_("trust-epr")
    local = f"{systems.local_child_id('999')}|LEO1"
    for form in (
        {"patient__identifier": local},
        {"patient__identifier": f"{systems.NHS_NUMBER}|{LEO.nhs}"},
        {"subject__identifier": local},
    ):
        found = await council.searches("Flag", **form)
        assert [entry["resource"]["subject"] for entry in found.json()["entry"]], form
        assert is_valid(found.json())
        assert "total" not in found.json()
    empty = [
        await trust.searches("Flag", patient__identifier=local),
        await trust.searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|9990001049"),
        await council.searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|not-a-number"),
        await council.searches("Flag", patient__identifier="https://x.example|1"),
    ]
    assert {plain(answer.content) for answer in empty} == {plain(empty[0].content)}
    assert "entry" not in empty[0].json()
    outcome(await council.searches("Patient"), 400)
    outcome(await council.searches("Flag", patient__identifier="LEO1"), 400)
    patient = (await council.searches("Patient", identifier=local)).json()["entry"][0]["resource"]
    assert is_valid(patient)
    by_id = await council.get(f"/fhir/Patient?_id={patient['id']}")
    assert by_id.json()["entry"][0]["resource"] == patient
    assert (await council.get(f"/fhir/Patient/{patient['id']}")).json() == patient


async def _pages(at: At, answer: Any) -> list[str]:
    """The ids of every page, following next links by GET as they are."""
    found: list[str] = []
    while True:
        bundle = answer.json()
        assert is_valid(bundle)
        found += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            return found
        assert all(person.nhs not in link["url"] for link in bundle["link"] for person in people.PEOPLE)
        split = urlsplit(following[0])
        answer = await at.get(f"{split.path}?{split.query}")
        assert answer.status_code == 200, answer.text


async def test_pages_give_every_match_once_while_others_write(world: World) -> None:
    """A search by POST goes on by its next links; what is written meanwhile neither repeats nor hides a match."""
    council = world.as_("council-system")
    made = set()
    for number in range(9):
        answer = await council.post(
            "/fhir/Flag", flag(LEO if number % 3 else RUBY, period={"start": f"2026-01-{number + 1:02d}"})
        )
        made.add(answer.json()["id"])
    first = await council.searches("Flag", _count="2")
    await council.post("/fhir/Flag", flag(BETH))
    seen = await _pages(council, first)
    assert len(seen) == len(set(seen))
    assert made <= set(seen)
    of_leo = await _pages(
        council, await council.searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|{LEO.nhs}", _count="4")
    )
    assert len(of_leo) == len(set(of_leo)) == 6
    everything = await _pages(council, await council.get("/fhir/Flag?_count=100000"))
    assert set(everything) == set(seen) | set(everything)
    assert len(everything) == 10


async def test_a_cursor_belongs_to_one_agency_and_one_type(world: World) -> None:
    """Another's, an altered one and rubbish are refused alike; sealed, it names nobody."""
    council, trust = world.as_("council-system"), world.as_("trust-epr")
    for day in (1, 2, 3):
        await council.post("/fhir/Flag", flag(LEO, period={"start": f"2026-01-0{day}"}))
    bundle = (await council.searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|{LEO.nhs}", _count="1")).json()
    cursor = urlsplit(bundle["link"][1]["url"]).query
    altered = cursor[:-4] + ("AAAA" if not cursor.endswith("AAAA") else "BBBB")
    for at, path in (
        (trust, f"/fhir/Flag?{cursor}"),
        (council, f"/fhir/Consent?{cursor}"),
        (council, f"/fhir/Flag?{altered}"),
        (council, "/fhir/Flag?_cursor=abc"),
    ):
        (issue,) = outcome(await at.get(path), 400)
        assert issue["expression"] == ["_cursor"]
    assert (await council.get(f"/fhir/Flag?{cursor}")).status_code == 200


async def test_searches_by_status_code_id_and_time(world: World) -> None:
    """Criteria are joined by and; an upper bound of _lastUpdated counts like a lower one."""
    council = world.as_("council-system")
    plan = (await council.post("/fhir/Flag", flag(LEO, "cp-plan"))).json()
    old = (await council.post("/fhir/Flag", flag(RUBY, "cin-plan", period={"start": "2020-01-01", "end": "2020-02-01"}))).json()

    async def found(query: str) -> list[str]:
        answer = await council.get(f"/fhir/Flag?{query}")
        assert answer.status_code == 200, answer.text
        return [entry["resource"]["id"] for entry in answer.json().get("entry", ())]

    detail = systems.code_system("involvement-detail")
    assert await found("status=active") == [plan["id"]]
    assert await found("status=inactive") == [old["id"]]
    assert await found("code=cp-plan") == [plan["id"]]
    assert await found(f"code={detail}|cin-plan") == [old["id"]]
    assert await found("code=https://x.example|cin-plan") == []
    assert await found(f"_id={plan['id']}") == [plan["id"]]
    assert await found(f"_id={plan['id']}&status=inactive") == []
    assert len(await found("_lastUpdated=ge2020-01-01")) == 2
    assert await found("_lastUpdated=lt2020-01-01") == []
    assert await found("_lastUpdated=gt2999-01-01") == []
    by_both = await council.searches("Flag", patient__identifier=f"{systems.NHS_NUMBER}|{LEO.nhs}", _id=old["id"])
    assert "entry" not in by_both.json()
    bad = (
        "_count=0",
        "_count=x",
        "_count=-1",
        "_lastUpdated=yesterday",
        "_lastUpdated=ne2026",
        "status=a&status=b",
        "status=",
        f"code={'x' * 600}",
        "_id=%00",
    )
    for query in bad:
        outcome(await council.get(f"/fhir/Flag?{query}"), 400)


async def test_strict_handling_refuses_what_is_not_known_and_lenient_passes_over_it(world: World) -> None:
    """Prefer: handling=strict; the refusal lists what is known and does not repeat what was sent."""
    council = world.as_("council-system")
    assert (await council.get("/fhir/Flag?QXMARK=1")).status_code == 200
    (issue,) = outcome(await council.get("/fhir/Flag?QXMARK=1", Prefer="handling=strict"), 400)
    assert "QXMARK" not in issue["diagnostics"]
    assert "patient:identifier" in issue["diagnostics"]
    assert (await council.get("/fhir/Flag?status=active&_format=json", Prefer="handling=strict")).status_code == 200


@pytest.mark.parametrize("form", [{"patient": "Patient/1"}, {"subject": "Patient/1"}, {"identifier": "9990001006"}])
async def test_what_names_a_person_is_never_passed_over(fed: World, form: dict[str, str]) -> None:
    """Somebody who asks for one person's flags in words that are not known here does not get everybody's."""
    (issue,) = outcome(await fed.as_("council-system").searches("Flag", **form), 400)
    assert "searched here by patient.identifier, patient:identifier, subject:identifier" in issue["diagnostics"]


async def test_more_than_there_is_room_for_gives_a_full_page(fed: World) -> None:
    """A count is a wish: a million is as many as one page holds, and no error."""
    assert len((await fed.as_("council-system").searches("Flag", _count="1000000")).json()["entry"]) > 1


@pytest.mark.parametrize(
    ("kind", "change", "where"),
    [
        ("Flag", {"status": "open"}, "Flag.status"),
        ("Flag", {"period": {"start": "2026-13-01"}}, "Flag.period.start"),
        ("Flag", {"code": None}, "Flag.code"),
        ("RelatedPerson", {"gender": "girl"}, "RelatedPerson.gender"),
        ("RelatedPerson", {"birthDate": "soon"}, "RelatedPerson.birthDate"),
        ("RelatedPerson", {"patient": None}, "RelatedPerson.patient"),
        ("Consent", {"status": "on"}, "Consent.status"),
        ("Consent", {"provision": {"type": "maybe"}}, "Consent.provision.type"),
        ("Consent", {"provision": {"type": "deny", "provision": [{"purpose": []}]}}, "Consent.provision"),
        ("Consent", {"dateTime": "2026-01-01T10:00"}, "Consent.dateTime"),
    ],
)
async def test_required_lists_and_invariants_are_refused_with_their_fhirpath(
    world: World, kind: str, change: dict[str, Any], where: str
) -> None:
    """422 that says where; nothing is created."""
    sent = {key: value for key, value in {**sample(kind), **change}.items() if value is not None}
    issues = outcome(await world.as_("council-system").post(f"/fhir/{kind}", sent), 422)
    assert any(where in place for issue in issues for place in issue.get("expression", ())), issues
    assert "entry" not in (await world.as_("council-system").get(f"/fhir/{kind}")).json()


async def test_what_is_not_mapped_is_not_kept(world: World) -> None:
    """Address, telecom, photo and narrative of a relative never enter the store, not by FHIR either."""
    extra = {
        "address": [{"line": ["1 QXMARK Street"], "postalCode": "QX1 1QX"}],
        "telecom": [{"system": "phone", "value": "QXMARK"}],
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">QXMARK</div>'},
    }
    council = world.as_("council-system")
    made = await council.post("/fhir/RelatedPerson", {**related(LEO, AMINA, "MTH"), **extra})
    assert made.status_code == 201
    read = await council.get(f"/fhir/RelatedPerson/{made.json()['id']}")
    assert "QXMARK" not in made.text + read.text
    assert not {"address", "telecom", "text"} & read.json().keys()


async def test_a_record_moved_to_another_person_keeps_its_versions_readable(world: World) -> None:
    """An update that corrects whom a Flag is about: the version before it still opens for its owner."""
    council = world.as_("council-system")
    made = (await council.post("/fhir/Flag", flag(LEO))).json()
    path = f"/fhir/Flag/{made['id']}"
    assert (await council.put(path, flag(RUBY), 'W/"1"')).status_code == 200
    assert (await council.get(f"{path}/_history/1")).json()["subject"] == reference(LEO)
    assert (await council.get(path)).json()["subject"] == reference(RUBY)
    assert not await council.searches_for("Flag", LEO)
    assert [one["id"] for one in await council.searches_for("Flag", RUBY)] == [made["id"]]


async def test_what_an_owner_did_with_its_resources_is_on_record(world: World) -> None:
    """Create, read, update, search and a read of nothing: each its entry, with the person where there was one."""
    council = world.as_("council-system")
    made = (await council.post("/fhir/Flag", flag(LEO))).json()
    await council.get(f"/fhir/Flag/{made['id']}")
    await council.put(f"/fhir/Flag/{made['id']}", changed("Flag"), 'W/"1"')
    await council.searches_for("Flag", LEO)
    await council.get("/fhir/Flag/nothing")
    events = await log_of(world.auditor("council"), patient__identifier=f"{systems.NHS_NUMBER}|{LEO.nhs}")
    assert sorted(exchange(one) for one in events if exchange(one) != "search_audit") == [
        "read_resource", "search_resources", "write_resource", "write_resource",
    ]  # fmt: skip
    refused = [one for one in await log_of(world.auditor("council"), exchange="read_resource") if one["outcome"] == "4"]
    assert len(refused) == 1
    assert LEO.nhs not in json.dumps(refused)
