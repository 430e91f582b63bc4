"""How much an answer holds: exactly the parts that agreement and wish allow, and never what is never told."""

from __future__ import annotations

import json

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO
from tests.stories.county import CARE, EARLY, flag, patient, somebody, tells, wishes
from tests.world import World, groups, part

A = somebody(0)
BARE = ["organization", "about", "answer", "itk"]
STATUS = ["status", "since", "lastContact"]
SHAPES: dict[tuple[str, ...], set[str]] = {
    ("existence",): set(),
    ("existence", "contact"): {"contact"},
    ("existence", "status"): {*STATUS, "flag"},
    ("existence", "status", "contact"): {*STATUS, "flag", "contact"},
    ("existence", "status", "contact", "detail"): {*STATUS, "flag", "contact"},
}


async def told(world: World, *classes: str) -> list[dict[str, object]]:
    await tells(world, "council-system", patient(A, address="1 SECRET STREET"), flag(A, "k1"), flag(A, "k2", "cin-plan"))
    await wishes(world, "council-system", A, A, people.permit("TMH01", CARE, *classes))
    (group,) = groups(await world.ward().hears(A, CARE))
    return group


@pytest.mark.parametrize("classes", SHAPES, ids=["+".join(one) for one in SHAPES])
async def test_the_parts_are_those_that_wish_and_agreement_allow(fed: World, classes: tuple[str, ...]) -> None:
    """The agreement with the ward ends at tier 2: leave for the detail adds nothing."""
    group = await told(fed, *classes)
    assert {one["name"] for one in group} == {*BARE, *SHAPES[classes], "dataAsOf"}
    text = json.dumps(group)
    assert not any(word in text for word in ("cp-plan", "cin-plan", "Child protection", "SECRET", A.family))


async def test_leave_for_the_contact_without_leave_to_be_known_opens_nothing(fed: World) -> None:
    """Whoever is answered learns that she is known."""
    await tells(fed, "council-system", patient(A), flag(A, "k1"))
    await wishes(fed, "council-system", A, A, people.permit("TMH01", CARE, "contact"))
    assert part(await fed.ward().hears(A, CARE), "answer") == "no-information"


async def test_the_contact_is_a_person_to_ring_and_the_desks(fed: World) -> None:
    """Lead first; month of last contact, never its day."""
    group = await told(fed, "existence", "status", "contact")
    contacts = [one["resource"] for one in group if one["name"] == "contact"]
    assert contacts[0]["practitioner"] == {"display": "Jo Lead"}
    assert [one["code"][0]["coding"][0]["code"] for one in contacts] == ["lead-professional", "duty-desk", "out-of-hours-desk"]
    assert part(group, "lastContact") == "2026-10"
    assert "2026-10-17" not in json.dumps(group)


async def test_named_detail_is_for_who_may_hear_it(fed: World) -> None:
    """Under the duty to share a care coordinator hears of the plan by name; the health visitor hears whom to ring."""
    body = people.lookup(LEO, "duty-to-share-16la", case="R-1", reason="Care plan of Leo's mother")
    answer = (await fed.coordinator().post("/fhir/Patient/$known-to-services", body)).json()
    (group,) = groups(answer)
    codes = {one["code"] for flag in group if flag["name"] == "flag" for one in flag["resource"]["code"]["coding"]}
    assert {"cin-plan", "active"} <= codes
    obligations = {one["valueCodeableConcept"]["coding"][0]["code"] for one in answer["parameter"] if one["name"] == "obligation"}
    assert {"tell-only-this-person", "review-by"} <= obligations
    await wishes(fed, "council-system", LEO, AMINA, people.permit("THV01", EARLY, "existence", "status", "contact"))
    visitor = fed.as_("health-visiting-system", "hv1", "health-visitor", EARLY)
    (group,) = groups(await visitor.hears(LEO, EARLY))
    assert {one["name"] for one in group} == {*BARE, "contact", "dataAsOf"}
