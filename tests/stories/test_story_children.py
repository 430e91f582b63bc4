"""Stories of children and those who answer for them: before birth, between parents, as carers, in others' homes."""

from __future__ import annotations

import json
from typing import Any

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, STRANGER, TRUST
from gateway.fhir import systems
from tests.stories.county import (
    CARE,
    REASON,
    SHARE,
    both,
    coordinator_hears,
    decides,
    flag,
    masked,
    patient,
    related,
    responsible,
    somebody,
    tells,
    wishes,
)
from tests.world import World, groups, part

NOBODY_TOLD = ("children", "cannot-say", "no-relationship-recorded")
FATHER = STRANGER
MOTHER, BABY = somebody(0), somebody(1, people.day(0))
YOUNG_CARER = somebody(2, f"{people.TODAY.year - 14}-12-31")
FOSTERED_PRIVATELY, HOST = somebody(3, "2014-05-05"), somebody(4)
HELPED, HER_CHILD = somebody(5), somebody(6, "2016-06-06")
HEAR = people.permit(TRUST, CARE, "existence", "status", "contact", "marker")
UNBORN = {
    "resourceType": "RelatedPerson", "patient": people.reference(MOTHER),
    "identifier": [{"system": systems.local_id(COUNCIL, "unborn"), "value": "U1"}],
    "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": "CHILD"}]}],
    "extension": [{"url": systems.extension("expected-birth-date"), "valueDate": people.day(-40)}],
}  # fmt: skip


async def detail(world: World, person: people.Person, *about: str) -> list[str]:
    """The involvements that a care coordinator is told by name, under the duty to share."""
    answer = await world.coordinator().hears(person, SHARE, *about, case="R-1", reason=REASON)
    flags = [one["resource"] for group in groups(answer) for one in group if one["name"] == "flag"]
    return [coding["code"] for one in flags for coding in one["code"]["coding"] if "involvement-detail" in coding["system"]]


async def test_a_pregnant_woman_with_a_plan_for_the_unborn_child(fed: World) -> None:
    """The plan is hers until the birth; the child who is not born is nobody's record and no child of the age of minus one."""
    # The council holds a child protection plan for her unborn child, on her.
    await tells(fed, "council-system", patient(MOTHER), flag(MOTHER, "u1", "cp-plan-unborn", people.day(20)), UNBORN)
    await tells(
        fed,
        "trust-epr",
        patient(MOTHER),
        flag(MOTHER, "m1", "community", people.day(90), agency=TRUST, service="adult-mental-health"),
    )
    # Her coordinator hears of it by name, about herself.
    assert await detail(fed, MOTHER) == ["cp-plan-unborn"]
    # About children nobody can be named yet; that is not a no.
    ((_, answer, _),) = await coordinator_hears(fed, MOTHER, "children")
    assert answer == "cannot-say"
    # The child is born, with a number, and the plan goes over to the child.
    await tells(fed, "council-system", patient(BABY), flag(BABY, "b1", "cp-plan", people.day(0)), related(MOTHER, BABY, "CHILD"))
    await tells(fed, "council-system", flag(MOTHER, "u1", "cp-plan-unborn", people.day(20), people.day(0)))
    await tells(fed, "council-system", {**UNBORN, "active": False})
    assert await detail(fed, MOTHER, "children") == ["cp-plan"]


async def test_separated_parents_who_disagree(fed: World) -> None:
    """Both hold parental responsibility: the refusal wins, until it ends; it never reaches the other parent's own record."""
    # Both parents are on the council's record of the child.
    await tells(fed, "council-system", related(LEO, FATHER, "FTH", extension=[responsible(since="2019-06-02")]))
    # The mother permits the ward to hear: it is told.
    await wishes(fed, "council-system", LEO, AMINA, HEAR)
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    # The father refuses: nothing is told, and nothing tells that he refused.
    await wishes(fed, "council-system", LEO, FATHER)
    told = [
        masked(
            await fed.ward().post(
                "/fhir/Patient/$known-to-services", people.lookup(one, CARE, "children"), **{"X-Request-Id": "r"}
            )
        )
        for one in (AMINA, MOTHER)
    ]
    assert told[0] == told[1]
    # Under the duty to share the coordinator is answered, and advised to seek advice.
    answer = await fed.coordinator().hears(AMINA, SHARE, "children", case="R-1", reason=REASON)
    obliged = [one["valueCodeableConcept"]["coding"][0]["code"] for one in answer["parameter"] if one["name"] == "obligation"]
    assert "seek-advice" in obliged
    # A court ends his responsibility: his refusal counts no more.
    await tells(fed, "council-system", related(LEO, FATHER, "FTH", extension=[responsible(until=people.day(1))]))
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))


async def test_a_young_carer_of_thirteen(fed: World) -> None:
    """A child who understands decides beside the parent: either may refuse; a child whose competence nobody has judged opens nothing."""
    # The council helps a girl of thirteen, who cares for her mother.
    carer = {"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-AdditionalPersonRelationshipRole", "code": "Carer"}
    tie = related(AMINA, YOUNG_CARER, "CHILD")
    tie["relationship"][0]["coding"].append(carer)
    await tells(fed, "council-system", patient(YOUNG_CARER), flag(YOUNG_CARER, "y1", "early-help", people.day(50)), tie)
    # Asked about the mother's children the coordinator hears of both.
    assert await coordinator_hears(fed, AMINA, "children") == [("children", "known", None)] * 2
    # She would tell the ward; nobody has judged whether she understands what that means.
    await decides(fed, "council-system", YOUNG_CARER, YOUNG_CARER, HEAR, when=people.day(3), capacity="not-assessed")
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))
    # Her worker has, and she says it again: it is told.
    await decides(fed, "council-system", YOUNG_CARER, YOUNG_CARER, HEAR, when=people.day(2), capacity="had")
    assert len(groups(await fed.ward().hears(AMINA, CARE, "children"))) == 1
    # She changes her mind: nothing is told, whatever her mother wants.
    await tells(fed, "council-system", related(YOUNG_CARER, AMINA, "MTH", extension=[responsible()]))
    await wishes(fed, "council-system", YOUNG_CARER, AMINA, HEAR)
    await decides(fed, "council-system", YOUNG_CARER, YOUNG_CARER, when=people.day(0), capacity="had")
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))


def marker(person: people.Person, code: str) -> dict[str, Any]:
    """A marker as an agency's own system writes it."""
    return {
        "resourceType": "Flag", "id": code, "status": "active", "subject": people.reference(person),
        "category": [{"coding": [{"system": systems.code_system("service"), "code": "early-help"}]}],
        "code": {"coding": [{"system": systems.code_system("marker"), "code": code}]},
        "author": {"identifier": {"system": systems.ODS_CODE, "value": COUNCIL}},
    }  # fmt: skip


async def test_that_a_child_is_a_young_carer_is_told_with_leave_for_markers(fed: World) -> None:
    """Markers are Flags of tier 2: who may hear them hears that this child cares for somebody."""
    await tells(fed, "council-system", marker(LEO, "young-carer"))
    await wishes(fed, "council-system", LEO, AMINA, HEAR)
    assert "young-carer" in json.dumps(groups(await fed.ward().hears(AMINA, CARE, "children")))


async def test_private_fostering(fed: World) -> None:
    """A child lives with somebody who is no relative: the arrangement is told by its name, the mother stays the mother."""
    # The council knows of the arrangement; the host is no parent of the child.
    await tells(
        fed,
        "council-system",
        patient(FOSTERED_PRIVATELY),
        flag(FOSTERED_PRIVATELY, "p1", "private-fostering", people.day(30)),
        *both(FOSTERED_PRIVATELY, HOST, "PRNFOST", back="CHLDFOST"),
        *both(FOSTERED_PRIVATELY, MOTHER, "MTH", responsible()),
    )
    await tells(fed, "trust-epr", patient(MOTHER), patient(HOST))
    # The mother's coordinator hears that the child is privately fostered.
    assert await detail(fed, MOTHER, "children") == ["private-fostering"]
    # The mother's leave opens the answer to the ward, the host's does not.
    await wishes(fed, "council-system", FOSTERED_PRIVATELY, HOST, HEAR)
    assert not groups(await fed.ward().hears(MOTHER, CARE, "children"))
    # In doubt her refusal would have held; now there is leave of who is responsible.
    await wishes(fed, "council-system", FOSTERED_PRIVATELY, MOTHER, HEAR)
    assert groups(await fed.ward().hears(MOTHER, CARE, "children"))


async def test_early_help_below_every_threshold(fed: World) -> None:
    """Help that is no plan and no enquiry: told with leave, by its coarse word; without leave as if there were none."""
    # A family has early help from the council; no social worker is involved.
    await tells(
        fed, "council-system", patient(HER_CHILD), flag(HER_CHILD, "e1", "early-help", people.day(100), service="early-help")
    )
    await tells(fed, "council-system", *both(HER_CHILD, HELPED, "MTH", responsible()))
    await tells(fed, "trust-epr", patient(HELPED))
    # Without leave the ward hears what it hears of a stranger.
    told = [
        masked(
            await fed.ward().post(
                "/fhir/Patient/$known-to-services", people.lookup(one, CARE, "children"), **{"X-Request-Id": "r"}
            )
        )
        for one in (HELPED, STRANGER)
    ]
    assert told[0] == told[1]
    # With the mother's leave it hears: involved now, and whom to ring.
    await wishes(fed, "council-system", HER_CHILD, HELPED, HEAR)
    (group,) = groups(await fed.ward().hears(HELPED, CARE, "children"))
    assert part(group, "status")["coding"][0]["code"] == "active"
    assert [one for one in group if one["name"] == "contact"]
    assert "early help" not in json.dumps([one for one in group if one["name"] != "flag"]).lower()
    # It ended more than a year ago: in wish mode that is no information, under the duty it is told as past.
    await tells(
        fed, "council-system", flag(HER_CHILD, "e1", "early-help", people.day(900), people.day(400), service="early-help")
    )
    assert not groups(await fed.ward().hears(HELPED, CARE, "children"))
    assert await coordinator_hears(fed, HELPED, "children") == [("children", "closed", None)]
    # A family that was never helped is not known, where the number is sure.
    await tells(fed, "council-system", patient(BABY), related(MOTHER, BABY, "CHILD"), patient(MOTHER))
    assert await coordinator_hears(fed, MOTHER, "children") == [("children", "not-known", None)]
