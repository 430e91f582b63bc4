"""Overrides: danger to life is claimed; whoever is asked about, the answer has one shape, and both sides look at it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import select

from gateway.api.edge import TICK
from gateway.demo import people
from gateway.demo.people import AMINA, STRANGER, Person
from gateway.exchanges.log.search_audit import open_entry
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.sql import Read, Statement
from gateway.store.tables import audit_entry
from tests.edge.guardians import (
    EMERGENCY,
    JUSTIFICATION,
    guardian,
    opened_in_danger,
    override,
    overrides,
    queue,
    settled,
    shields,
    urgent,
)
from tests.stories.county import S47, flag, masked, patient, related, somebody, tells
from tests.world import World, groups, part

MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def county(fed: World) -> World:
    """With duty teams and privacy offices."""
    return await settled(fed)


async def held(world: World, place: int, **more: Any) -> Person:
    """A patient of the trust."""
    person = somebody(place)
    await tells(world, "trust-epr", patient(person, **more), flag(person, f"f{place}", "inpatient", **MENTAL))
    return person


async def shielded(world: World) -> Person:
    person = await held(world, 0)
    assert (await shields(await guardian(world, "dpo1"), person)).status_code == 200
    return person


async def adopted_elsewhere(world: World) -> Person:
    person = await held(world, 3)
    await tells(world, "council-system", patient(person, restriction="adopted"))
    return person


CAUSES = {
    "shielded by the owner": shielded,
    "protected by a feed": lambda world: held(world, 1, restriction="protected"),
    "adopted": lambda world: held(world, 2, restriction="adopted"),
    "adopted, says another agency": adopted_elsewhere,
    "another birth date": lambda world: held(world, 4, born="1999-09-09"),
    "a number that is not verified": lambda world: held(world, 5, status="02"),
}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("about", [(), ("self", "children", "parents")], ids=["self", "everybody"])
async def test_an_override_sounds_the_same_where_nothing_is_opened(county: World, cause: str, about: tuple[str, ...]) -> None:
    """Status, headers and bytes are a stranger's: ring the desk."""
    person, worker = await CAUSES[cause](county), await urgent(county)
    reference, answer = [masked(await overrides(worker, one, *about)) for one in (STRANGER, person)]
    assert answer == reference
    told = groups(json.loads(answer[2]))
    assert {(part(group, "answer"), part(group, "reason")) for group in told} == {("cannot-say", "ring-the-desk")}


async def test_a_person_who_is_known_is_answered(county: World) -> None:
    """At once, as far as the agreement goes, on the basis of vital interests."""
    (group,) = groups((await overrides(await urgent(county), AMINA)).json())
    assert part(group, "answer") == "known"


async def test_an_override_without_its_reasons_is_refused(county: World) -> None:
    """A gate: the purpose needs an override; the pair and the twenty signs are checked before that."""
    worker = await urgent(county)
    assert (await worker.asks(AMINA, EMERGENCY, case="C-1")).status_code == 403
    body = override(AMINA)
    body["parameter"][-1]["part"][2]["valueString"] = "too short"
    assert (await worker.post("/fhir/Patient/$known-to-services", body)).status_code == 422
    assert await queue(await guardian(county, "dpo1", "council")) == []


@pytest.mark.parametrize("person", [AMINA, STRANGER], ids=["a patient", "a stranger"])
async def test_an_override_that_claims_no_danger_to_life_is_refused(county: World, person: Person) -> None:
    """For any other purpose nobody would be told of it and nobody would look at it: it is not passed over in silence."""
    body = override(person)
    body["parameter"][1] = people.lookup(person, S47)["parameter"][1]
    answer = await county.social_worker().post("/fhir/Patient/$known-to-services", body)
    assert answer.status_code == 422
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == ["Parameters.parameter(override)"]
    assert "purpose emergency" in issue["diagnostics"]


async def test_what_a_purpose_needs_beside_a_role_is_said(county: World) -> None:
    """Who asks under the duty to share without a reason, or in danger without an override, is told what to add."""
    asked = await county.social_worker().asks(AMINA, "duty-to-share-16la", case="C-1")
    assert (asked.status_code, "a reason (duty to share)" in asked.text) == (403, True)
    urgently = await (await urgent(county)).asks(AMINA, EMERGENCY, case="C-1")
    assert (urgently.status_code, "override (emergency)" in urgently.text) == (403, True)


async def test_the_askers_queue_has_an_item_whoever_is_asked_about(county: World) -> None:
    """Due in three working days; the items of a stranger and of a patient differ by person, ids and times alone."""
    worker = await urgent(county)
    for person in (AMINA, STRANGER):
        await overrides(worker, person)
    items = await queue(await guardian(county, "dpo1", "council"))
    assert [one["kind"] for one in items] == ["override", "override"]
    shown = [{name: value for name, value in one.items() if name not in ("id", "opened", "due", "disclosure")} for one in items]
    texts = {json.dumps(one).replace(AMINA.nhs, "#").replace(STRANGER.nhs, "#") for one in shown}
    assert len(texts) == 1
    assert shown[0]["user"] == "sw22"
    assert shown[0]["why"]["justification"] == JUSTIFICATION
    assert items[0]["due"][:10] >= clock.instant(clock.now() + 3 * clock.DAY)[:10]


async def test_the_owner_is_alerted(county: World) -> None:
    """Who claimed it and why, in the queue of each agency that holds the person; of a stranger nobody hears."""
    person, worker = await shielded(county), await urgent(county)
    for one in (person, STRANGER):
        await overrides(worker, one)
    (alert,) = await queue(await guardian(county, "dpo1"))
    assert (alert["kind"], alert["agency"], alert["user"]) == ("override-alert", "TLA01", "sw22")
    assert alert["person"].endswith(person.nhs)
    assert alert["why"]["justification"] == JUSTIFICATION


async def test_the_owner_of_a_childs_record_is_alerted_too(county: World) -> None:
    """Everybody whose record is in question has an owner; the asker's own organisation is told once."""
    mother, child = await held(county, 6), Person("a child", "9990001146", "2019-01-01", "SAMPLE", "KIM")
    await tells(county, "trust-epr", patient(child), flag(child, "k1", "community", **MENTAL), related(mother, child, "CHILD"))
    await overrides(await urgent(county), mother, "self", "children")
    alerts = await queue(await guardian(county, "dpo1"))
    assert {one["person"][-10:] for one in alerts} == {mother.nhs, child.nhs}
    assert [one["kind"] for one in await queue(await guardian(county, "dpo2", "council"))] == ["override"]


async def test_an_ordinary_lookup_opens_no_item(county: World) -> None:
    """Only who claims danger to life is looked at."""
    await county.social_worker().hears(AMINA, S47, case="C-1")
    for agency in ("trust", "council"):
        assert await queue(await guardian(county, "dpo1", agency)) == []


async def seen(world: World, agency: str, person: Person) -> list[dict[str, Any]]:
    """The lookups about a person as an agency's auditor sees them."""
    await world.seal()
    events = await world.auditor(agency).searches_for("AuditEvent", person, _count="200")
    return [one for one in events if any(code["code"] == "look_up_status" for code in one["subtype"])]


async def test_the_askers_auditor_sees_one_line_that_tells_nothing(county: World) -> None:
    """The same for a patient, a shielded one and a stranger."""
    worker, person = await urgent(county), await shielded(county)
    texts = set()
    for one in (AMINA, person, STRANGER):
        await overrides(worker, one, **{"X-Request-Id": "one"})
        (event,) = await seen(county, "council", one)
        kept = {name: value for name, value in event.items() if name not in ("id", "recorded", "meta")}
        texts.add(json.dumps(kept, sort_keys=True).replace(one.nhs, "#"))
    assert len(texts) == 1
    assert JUSTIFICATION in texts.pop()


async def test_the_override_is_on_record(county: World) -> None:
    """One entry of the kind override for the request, and the disclosure with the owner."""
    await overrides(await urgent(county), AMINA)
    await county.seal()
    entries = await county.gateway.ledger.read([Read(select_entries())])
    kinds = [open_entry(county.gateway.context, row).kind for row in entries[0]]
    assert kinds.count("override") == 1
    owner = await seen(county, "trust", AMINA)
    assert [one["type"]["code"] for one in owner] == ["110106"]
    assert JUSTIFICATION in json.dumps(owner)


def select_entries() -> Any:
    """Every entry of a lookup."""
    return Statement(select(*audit_entry.columns).where(audit_entry.c.exchange == "look_up_status"))


async def test_an_override_that_opens_nothing_leaves_on_the_tick(county: World) -> None:
    """Shielded, adopted and stranger leave at a beat of fifty milliseconds, none before the first."""
    worker, person = await urgent(county), await shielded(county)
    await worker.headers()
    for one in (person, STRANGER):
        begun = time.monotonic()
        await overrides(worker, one)
        assert time.monotonic() - begun >= TICK * 0.9
