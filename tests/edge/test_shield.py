"""Shields: set by one of the owner's people at once, lifted by two, and no feed has a say in it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, STRANGER, Person
from gateway.fhir import systems
from tests.edge.guardians import guardian, settled, shields
from tests.stories.county import CARE, S47, flag, masked, patient, somebody, tells, wishes
from tests.world import World, groups, part

A = somebody(0)
MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}
RING = ("cannot-say", "ring-the-desk")


@pytest.fixture
async def county(fed: World) -> World:
    """With privacy offices, and a patient of the trust."""
    await settled(fed)
    await tells(fed, "trust-epr", patient(A), flag(A, "f1", "inpatient", **MENTAL))
    return fed


async def hears(world: World, person: Person) -> list[tuple[str, str | None]]:
    """What the trust says to the council's section 47 enquiry."""
    told = groups(await world.social_worker().hears(person, S47, case="C-1"))
    return [(part(group, "answer"), part(group, "reason")) for group in told]


async def lookups(world: World, agency: str, person: Person) -> list[str]:
    """What an agency's auditor sees of a person: exchanges and refusal reasons."""
    await world.seal()
    events = await world.auditor(agency).searches_for("AuditEvent", person, _count="200")
    return [code["code"] for one in events for code in one["subtype"]]


async def test_a_shield_holds_from_its_acknowledgement_on(county: World) -> None:
    """Known before; the desk's afterwards, and the true cause is for the owner's auditor."""
    assert await hears(county, A) == [("known", None)]
    answer = await shields(await guardian(county, "dpo1"), A)
    assert answer.status_code == 200
    assert answer.json() == {"resourceType": "Parameters", "parameter": [{"name": "received", "valueBoolean": True}]}
    assert await hears(county, A) == [RING]
    seen = await lookups(county, "trust", A)
    assert "shielded" in seen
    assert "set_shield" in seen


async def test_a_shielded_person_is_as_a_stranger_where_wishes_open(county: World) -> None:
    """No information, byte for byte a stranger's."""
    await wishes(county, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"))
    assert groups(await county.ward().hears(LEO, CARE))
    await shields(await guardian(county, "dpo1", "council"), LEO)
    assert masked(await county.ward().asks(LEO, CARE)) == masked(await county.ward().asks(STRANGER, CARE))


RELEASED: list[dict[str, Any]] = [
    patient(A),
    {**patient(A), "extension": []},
    {**patient(A), "extension": [{"url": systems.extension("shield"), "valueInstant": None}]},
    {**patient(A), "extension": [{"url": systems.extension("restriction"), "valueCode": "none"}]},
]


@pytest.mark.parametrize("sent", RELEASED, ids=["again", "empty", "lifted", "unrestricted"])
async def test_no_feed_takes_a_shield_away(county: World, sent: dict[str, Any]) -> None:
    """Whatever the owner's own software sends of the person afterwards; an admission too."""
    await shields(await guardian(county, "dpo1"), A)
    await county.as_("trust-epr").sends("fhir", {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": sent}]})
    await tells(county, "trust-epr", flag(A, "f2", "crisis-team", **MENTAL))
    await county.as_("trust-epr").sends("hl7v2-adt", people.adt("A08", A, "M77"))
    assert await hears(county, A) == [RING]


async def test_no_feed_sets_a_shield(county: World) -> None:
    """The mark is put on by people."""
    mark = [{"url": systems.extension("shield"), "valueInstant": "2026-01-01T00:00:00Z"}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {**patient(A), "extension": mark}}]}
    await county.as_("trust-epr").sends("fhir", bundle)
    assert await hears(county, A) == [("known", None)]


async def test_a_shielded_record_is_not_purged(county: World) -> None:
    """A record made anew would have no shield. The sender's report says what to do; the shield stands."""
    office = await guardian(county, "dpo2", "council")
    await shields(office, LEO)
    gone = '[{"la_child_id": "LEO1", "purge": true}]'
    answer = await county.as_("council-system").post("/records/dfe-csc-api", gone, "application/octet-stream")
    assert answer.status_code == 422
    assert "lift the shield first" in answer.json()["issue"][0]["diagnostics"]
    assert (await shields(office, LEO)).status_code == 200


async def test_a_shield_is_lifted_by_two_different_users(county: World) -> None:
    """The first asks, as often as they like; the second lifts it; each time the answer is the same."""
    one, two = await guardian(county, "dpo1"), await guardian(county, "dpo2")
    await shields(one, A)
    answers = [await shields(one, A, lift=True) for _ in range(2)]
    assert await hears(county, A) == [RING]
    answers.append(await shields(two, A, lift=True))
    assert await hears(county, A) == [("known", None)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert (await shields(two, A, lift=True)).status_code == 409
    assert [one for one in await lookups(county, "trust", A) if one == "lift_shield"] == ["lift_shield"] * 3


async def test_a_shield_that_is_set_again_needs_two_to_be_lifted_again(county: World) -> None:
    """What the first had asked does not count any more."""
    one, two = await guardian(county, "dpo1"), await guardian(county, "dpo2")
    await shields(one, A)
    await shields(one, A, lift=True)
    await shields(two, A)
    await shields(two, A, lift=True)
    assert await hears(county, A) == [RING]
    await shields(one, A, lift=True)
    assert await hears(county, A) == [("known", None)]


async def test_what_a_feed_restricts_stays_restricted_when_a_shield_is_lifted(county: World) -> None:
    """A shield is lifted; the sender's own restriction is the sender's."""
    await tells(county, "trust-epr", patient(A, restriction="protected"))
    one, two = await guardian(county, "dpo1"), await guardian(county, "dpo2")
    for at, lift in ((one, False), (one, True), (two, True)):
        assert (await shields(at, A, lift=lift)).status_code == 200
    assert await hears(county, A) == [RING]


async def test_a_person_of_another_organisation_is_not_found(county: World) -> None:
    """The same words for somebody whom another agency holds and for a stranger."""
    other = await guardian(county, "dpo3", "council")
    for lift in (False, True):
        answers = [await shields(other, person, lift=lift) for person in (A, STRANGER)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text
    assert await hears(county, A) == [("known", None)]


async def test_a_shield_needs_its_scope_and_a_named_user(county: World) -> None:
    """The record system of the ward may not; nor may software on its own."""
    assert (await shields(county.ward(), A)).status_code == 403
    assert (await shields(await guardian(county, ""), A)).status_code == 403
    assert await hears(county, A) == [("known", None)]


@pytest.mark.parametrize("broken", ["person", "reason"])
async def test_a_shield_needs_a_person_and_a_reason(county: World, broken: str) -> None:
    """Each is named where it is missing."""
    at = await guardian(county, "dpo1")
    parts = {
        "person": {"name": "person", "valueIdentifier": {"system": systems.NHS_NUMBER, "value": A.nhs}},
        "reason": {"name": "reason", "valueString": "She fled"},
    }
    for changed in ([one for name, one in parts.items() if name != broken], [*parts.values(), parts[broken]]):
        answer = await at.post("/fhir/Patient/$shield", {"resourceType": "Parameters", "parameter": changed})
        assert answer.status_code == 422
        assert broken in answer.json()["issue"][0]["diagnostics"]
