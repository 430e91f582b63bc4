"""Stories of people in hospital: at night, at seventeen, without capacity, and a foster carer."""

from __future__ import annotations

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, STRANGER, TRUST, VOLUNTARY
from tests.stories.county import (
    CARE,
    EARLY,
    both,
    coordinator_hears,
    decides,
    enquiry_hears,
    flag,
    patient,
    related,
    responsible,
    somebody,
    tells,
    wishes,
)
from tests.world import World, groups, part

NOBODY_TOLD = ("children", "cannot-say", "no-relationship-recorded")
MENTAL = {"agency": TRUST, "service": "adult-mental-health"}
GIRL, HER_MOTHER = somebody(0, f"{people.TODAY.year - 17}-{people.TODAY:%m}-01"), somebody(1)
CARER, FOSTERED, BIRTH_MOTHER = somebody(2), somebody(3, "2018-03-03"), somebody(4)
HEAR = people.permit(TRUST, CARE, "existence", "status", "contact")


async def test_an_acute_admission_at_two_in_the_morning_with_no_relationship_recorded(world: World) -> None:
    """Nobody has told of any child: the ward is told so, and whom it can ring at this hour; in the morning it hears."""
    await world.as_("council-system").sends("crosswalk", people.crosswalk())
    await world.as_("council-system").sends("dfe-csc-api", people.children())
    # A mother is admitted; her nurse asks about children, to plan her care.
    night = people.adt("A01", AMINA, "M1").replace("210000", "020000")
    await world.as_("trust-epr").sends("hl7v2-adt", night)
    at_night = await world.ward().hears(AMINA, CARE, "children")
    # She hears neither yes nor no, and the numbers of the council's desks by day and by night.
    assert part(at_night, "answer") == "no-information"
    (covered,) = [one["part"] for one in at_night["parameter"] if one["name"] == "coverage"]
    numbers = [one["resource"]["telecom"][0]["value"] for one in covered if one["name"] == "contact"]
    assert numbers == ["01632 960201", "01632 960202"]
    # Her coordinator asks under the duty to share: no relationship is recorded, which is not a no.
    assert await coordinator_hears(world, AMINA, "children") == [NOBODY_TOLD]
    # In the morning the council's relationships arrive: the child is known.
    await world.as_("council-system").sends("relationships", people.relationships())
    assert await coordinator_hears(world, AMINA, "children") == [("children", "known", None)]
    # The nurse still needs somebody's leave.
    assert part(await world.ward().hears(AMINA, CARE, "children"), "answer") == "no-information"


async def test_a_girl_of_seventeen_on_an_adult_ward(fed: World) -> None:
    """She decides alone who hears of her; her mother can neither open nor close it; the enquiry is answered."""
    # She is admitted; the ward holds who her mother is.
    await tells(fed, "trust-epr", patient(GIRL), flag(GIRL, "g1", "inpatient", people.day(2), **MENTAL))
    await tells(fed, "trust-epr", related(GIRL, HER_MOTHER, "MTH", extension=[responsible()]))
    family = fed.as_("voluntary-system", "fw3", "family-worker", EARLY)
    leave = people.permit(VOLUNTARY, EARLY, "existence", "status")
    # Her mother permits the family service to hear: that opens nothing.
    await wishes(fed, "trust-epr", GIRL, HER_MOTHER, leave)
    assert not groups(await family.hears(GIRL, EARLY))
    # She herself permits it: it is told.
    await wishes(fed, "trust-epr", GIRL, GIRL, leave)
    assert [part(one, "answer") for one in groups(await family.hears(GIRL, EARLY))] == ["known"]
    # Her mother refuses: that closes nothing.
    await wishes(fed, "trust-epr", GIRL, HER_MOTHER, when=people.day(0))
    assert groups(await family.hears(GIRL, EARLY))
    # She refuses: nothing is told.
    await wishes(fed, "trust-epr", GIRL, GIRL, when=people.day(0))
    assert not groups(await family.hears(GIRL, EARLY))
    # The council's enquiry is answered all the same.
    assert await enquiry_hears(fed, GIRL) == [("self", "known", None)]


async def test_a_parent_without_capacity_and_her_advance_wish(fed: World) -> None:
    """What she decided for this very time stands against what she says in it; once she has capacity again, her word counts."""
    family = fed.as_("voluntary-system", "fw3", "family-worker", EARLY)
    leave = people.permit(VOLUNTARY, EARLY, "existence", "status")
    # While well, she wished that a family service hears when she is ill.
    await decides(fed, "trust-epr", AMINA, AMINA, leave, when=people.day(20), capacity="had", kind="advance-wish")
    assert groups(await family.hears(AMINA, EARLY))
    # In hospital, without capacity, she refuses: the advance wish stands.
    await decides(fed, "trust-epr", AMINA, AMINA, when=people.day(2), capacity="lacked")
    assert groups(await family.hears(AMINA, EARLY))
    # With capacity again she refuses: nothing is told.
    await decides(fed, "trust-epr", AMINA, AMINA, when=people.day(0), capacity="had")
    assert not groups(await family.hears(AMINA, EARLY))


async def test_an_advance_wish_for_the_childs_record_stands_too(fed: World) -> None:
    """She decided while well that the ward may hear whom to ring for her child; what she says without capacity does not undo it."""
    await decides(fed, "council-system", LEO, AMINA, HEAR, when=people.day(20), capacity="had", kind="advance-wish")
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    await decides(fed, "council-system", LEO, AMINA, when=people.day(2), capacity="lacked")
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))


async def test_a_foster_carer_as_patient(fed: World) -> None:
    """She is in hospital, and a child lives with her: the trust must know; but she is nobody's parent, and decides nothing."""
    # The council holds a looked-after child, with carer and birth mother.
    await tells(
        fed, "council-system", patient(FOSTERED), flag(FOSTERED, "l1", "looked-after"), patient(CARER), patient(BIRTH_MOTHER)
    )
    await tells(
        fed,
        "council-system",
        *both(FOSTERED, CARER, "MTHFOST", responsible("no"), back="CHLDFOST"),
        related(FOSTERED, BIRTH_MOTHER, "MTH", extension=[responsible()]),
    )
    # The carer is admitted.
    await tells(fed, "trust-epr", patient(CARER), flag(CARER, "a1", "inpatient", people.day(1), **MENTAL))
    # Her coordinator hears under the duty that a child in her home is known to the council.
    assert await coordinator_hears(fed, CARER, "children") == [("children", "known", None)]
    # Her own leave opens nothing to the nurse: she does not hold parental responsibility.
    await wishes(fed, "council-system", FOSTERED, CARER, HEAR)
    assert not groups(await fed.ward().hears(CARER, CARE, "children"))
    # The birth mother's leave does.
    await wishes(fed, "council-system", FOSTERED, BIRTH_MOTHER, HEAR)
    assert groups(await fed.ward().hears(CARER, CARE, "children"))
    # Who asks about the child's parents is not answered on its own word; on the trust's word it hears of the birth mother
    # alone, and of the carer never.
    assert await enquiry_hears(fed, FOSTERED, "parents") == [("parents", "cannot-say", "no-relationship-recorded")]
    await tells(fed, "trust-epr", patient(BIRTH_MOTHER), flag(BIRTH_MOTHER, "b1", "community", people.day(9), **MENTAL))
    await tells(fed, "trust-epr", patient(FOSTERED), related(FOSTERED, BIRTH_MOTHER, "MTH"), related(FOSTERED, CARER, "MTHFOST"))
    assert await enquiry_hears(fed, FOSTERED, "parents") == [("parents", "known", None)]
    # Asked about by her own number, the carer is known to the trust.
    assert await enquiry_hears(fed, CARER) == [("self", "known", None)]
    assert not groups(await fed.ward().hears(STRANGER, CARE, "children"))
