"""Children and parents of the person asked about: who is told of, by whom, and who never."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, RUBY, STRANGER, Person
from gateway.fhir import systems
from tests.stories.county import CARE, S47, flag, patient, related, somebody, tells, wishes
from tests.world import World, groups, part

CHILD, SECOND, CARER = somebody(0, "2015-03-03"), somebody(1, "2018-03-03"), somebody(2)
MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}
NOBODY_TOLD = ("children", "cannot-say", "no-relationship-recorded")
RING = ("children", "cannot-say", "ring-the-desk")
REASON = "Leo's plan rests on his mother's care"


async def says(world: World, person: Person, *about: str, birth: str | None = None) -> list[tuple[str, str, str | None]]:
    """What the council says to a care coordinator under the duty to share: about whom, answer, reason."""
    body = people.lookup(person, "duty-to-share-16la", *about, case="R-1", reason=REASON)
    if birth is not None:
        body["parameter"][0]["resource"]["birthDate"] = birth
    answer = await world.coordinator().post("/fhir/Patient/$known-to-services", body)
    assert answer.status_code == 200, answer.text
    return [(part(one, "about"), part(one, "answer"), part(one, "reason")) for one in groups(answer.json())]


async def test_a_mothers_children_are_told_of_each_by_a_group(fed: World) -> None:
    """The council told of Leo; a second child, of whom it tells too, has a group of its own."""
    await tells(fed, "council-system", patient(SECOND), flag(SECOND, "f1"), related(AMINA, SECOND, "CHILD"))
    assert await says(fed, AMINA, "children") == [("children", "known", None)] * 2
    assert await says(fed, AMINA, "self", "children") == [("self", "not-known", None), *[("children", "known", None)] * 2]


@pytest.mark.parametrize("purpose", [S47, CARE])
async def test_who_asks_about_fewer_never_hears_more(fed: World, purpose: str) -> None:
    """Whoever is asked about of the person, their children and their parents: the groups of the wider question, and no other."""
    leave = people.permit(people.TRUST, CARE, "existence", "status", "contact", "relative-identity")
    await wishes(fed, "council-system", LEO, AMINA, leave)
    asks = fed.social_worker() if purpose == S47 else fed.ward()
    case = "C-1" if purpose == S47 else ""

    async def heard(*about: str) -> list[str]:
        return [json.dumps(one) for one in groups(await asks.hears(AMINA, purpose, *about, case=case))]

    everybody = ("self", "children", "parents")
    wide = await heard(*everybody)
    assert wide
    for number in (1, 2):
        for about in combinations(everybody, number):
            assert not Counter(await heard(*about)) - Counter(wide), about


async def test_a_childs_parents_are_told_of(fed: World) -> None:
    """The council asks who of a child's parents is known: the ward told of Leo's mother as his, of Ruby's it did not."""
    (group,) = groups(await fed.social_worker().hears(LEO, S47, "parents", case="C-1"))
    assert (part(group, "about"), part(group, "answer")) == ("parents", "known")
    (group,) = groups(await fed.social_worker().hears(RUBY, S47, "parents", case="C-1"))
    assert (part(group, "about"), part(group, "answer"), part(group, "reason")) == (
        "parents",
        "cannot-say",
        "no-relationship-recorded",
    )
    await tells(fed, "trust-epr", flag(BETH, "b1", "community", **MENTAL), related(RUBY, BETH, "MTH"))
    (group,) = groups(await fed.social_worker().hears(RUBY, S47, "parents", case="C-1"))
    assert (part(group, "about"), part(group, "answer")) == ("parents", "known")


@pytest.mark.parametrize(("teller", "expected"), [("council-system", ("children", "known", None)), ("trust-epr", NOBODY_TOLD)])
async def test_a_relationship_must_be_told_by_another_than_who_asks(
    fed: World, teller: str, expected: tuple[str, str, str | None]
) -> None:
    """Else the trust could learn of any child by calling it a patient's; the holder's own word counts."""
    await tells(fed, "council-system", patient(CHILD), flag(CHILD, "f1"))
    await tells(fed, teller, patient(STRANGER), related(STRANGER, CHILD, "CHILD"))
    await tells(fed, "trust-epr", patient(STRANGER))
    assert await says(fed, STRANGER, "children") == [expected]


@pytest.mark.parametrize(
    ("teller", "mother", "role", "proven"),
    [
        ("trust-epr", BETH, "CHILD", True),
        ("council-system", BETH, "CHILD", False),
        ("trust-epr", BETH, "CHLDFOST", False),
        ("trust-epr", BETH, "SIB", False),
    ],
    ids=["the holder says that she is the child's mother", "the council says it twice", "her foster child", "her sister"],
)
async def test_the_councils_own_word_about_a_childs_parent_needs_another_to_confirm_it(
    fed: World, teller: str, mother: Person, role: str, proven: bool
) -> None:
    """The council alone has told of Ruby's mother. The trust, which holds the mother, confirms it from her side or not at all."""
    await tells(fed, "trust-epr", flag(mother, "b1", "community", **MENTAL))
    await tells(fed, teller, related(mother, RUBY, role))
    told = [
        (part(one, "answer"), part(one, "reason"))
        for one in groups(await fed.social_worker().hears(RUBY, S47, "parents", case="C-1"))
    ]
    assert told == [("known", None) if proven else ("cannot-say", "no-relationship-recorded")]


async def test_what_the_asker_alone_tells_sounds_the_same_of_a_known_and_an_unknown_child(fed: World) -> None:
    """Whether the council knows the child is not told by the way it is refused."""
    await tells(fed, "council-system", patient(CHILD), flag(CHILD, "f1"))
    await tells(
        fed, "trust-epr", patient(STRANGER), related(STRANGER, CHILD, "CHILD"), patient(CARER), related(CARER, SECOND, "CHILD")
    )
    assert await says(fed, STRANGER, "children") == await says(fed, CARER, "children") == [NOBODY_TOLD]


async def test_nobody_told_is_neither_a_no_nor_a_yes(fed: World) -> None:
    """Under a duty: no relationship recorded. In wish mode: nothing at all."""
    assert await says(fed, STRANGER, "children", "parents") == [NOBODY_TOLD, ("parents", *NOBODY_TOLD[1:])]
    answer = await fed.ward().hears(STRANGER, CARE, "children")
    assert part(answer, "answer") == "no-information"


@pytest.mark.parametrize("birth", ["1991-03-15", ""])
async def test_children_are_not_told_of_to_who_does_not_know_the_mothers_birth_date(fed: World, birth: str) -> None:
    """A number alone, or a slip of it, opens nobody's family."""
    body = people.lookup(AMINA, "duty-to-share-16la", "children", case="R-1", reason=REASON)
    body["parameter"][0]["resource"].pop("birthDate")
    if birth:
        body["parameter"][0]["resource"]["birthDate"] = birth
    answer = (await fed.coordinator().post("/fhir/Patient/$known-to-services", body)).json()
    assert [(part(one, "about"), part(one, "answer"), part(one, "reason")) for one in groups(answer)] == [RING]


async def test_without_a_birth_date_a_patient_and_a_stranger_sound_alike(fed: World) -> None:
    """Asked about children, by number only."""
    found = []
    for person in (AMINA, STRANGER):
        body = people.lookup(person, "duty-to-share-16la", "children", case="R-1", reason=REASON)
        del body["parameter"][0]["resource"]["birthDate"]
        found.append(
            [
                (part(one, "answer"), part(one, "reason"))
                for one in groups((await fed.coordinator().post("/fhir/Patient/$known-to-services", body)).json())
            ]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        (("MTHFOST",), False),
        (("GUARD", "PRNFOST"), False),
        (("GUARD",), True),
        (("STPFTH",), True),
        (("GRMTH",), False),
        (("NOK", "FTH"), True),
        (("SIB",), False),
    ],
)
async def test_foster_carers_are_never_parents(fed: World, roles: tuple[str, ...], told: bool) -> None:
    """Whatever else they are called; step-parents and guardians are; of several roles any counts."""
    await tells(
        fed, "trust-epr", patient(CARER), flag(CARER, "c1", "community", **MENTAL), patient(CHILD), related(CHILD, CARER, *roles)
    )
    await tells(fed, "council-system", patient(CHILD))
    (group,) = groups(await fed.social_worker().hears(CHILD, S47, "parents", case="C-1"))
    assert (part(group, "answer"), part(group, "reason")) == (
        ("known", None) if told else ("cannot-say", "no-relationship-recorded")
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, True),
        ({"active": False}, False),
        ({"period": {"end": "2026-01-31"}}, False),
        ({"period": {"start": "2099-01-01"}}, False),
        ({"period": {"start": "2020-01-01", "end": "2099-12-31"}}, True),
        ({"extension": [{"url": systems.extension("unconfirmed"), "valueBoolean": True}]}, False),
    ],
)
async def test_a_relationship_counts_while_it_lasts(fed: World, more: dict[str, Any], told: bool) -> None:
    """Ended by its dates, not begun, made inactive or unconfirmed, it links nobody."""
    await tells(fed, "council-system", patient(CHILD), flag(CHILD, "f1"), related(STRANGER, CHILD, "CHILD", **more))
    await tells(fed, "trust-epr", patient(STRANGER))
    assert await says(fed, STRANGER, "children") == [("children", "known", None) if told else NOBODY_TOLD]


async def test_an_adopted_child_is_none_of_the_birth_mothers(fed: World) -> None:
    """Asked about her children she sounds like somebody of whom none is told; asked about parents, so does the child."""
    before = await says(fed, AMINA, "children")
    await tells(fed, "council-system", patient(LEO, restriction="adopted"))
    assert before == [("children", "known", None)]
    assert await says(fed, AMINA, "children") == [NOBODY_TOLD]
    (group,) = groups(await fed.social_worker().hears(LEO, S47, "parents", case="C-1"))
    assert part(group, "reason") == "no-relationship-recorded"


async def test_a_shielded_child_is_the_desks(fed: World) -> None:
    """Whether the shield is the holder's on the child, or on the mother's own record that tells of the tie."""
    await tells(fed, "council-system", patient(RUBY, restriction="protected"))
    await tells(fed, "trust-epr", patient(BETH))
    assert await says(fed, BETH, "children") == [RING]
    assert await says(fed, AMINA, "children") == [("children", "known", None)]
    await tells(fed, "council-system", patient(AMINA, restriction="protected"))
    await tells(
        fed,
        "trust-epr",
        {
            "resourceType": "Patient",
            "identifier": people.reference(AMINA) and [people.reference(AMINA)["identifier"]],
            "birthDate": AMINA.born,
        },
    )
    assert await says(fed, AMINA, "children") in ([RING], [NOBODY_TOLD])


async def test_a_relative_who_asked_for_protection_is_never_told_of(fed: World) -> None:
    """A relationship with a restricted label links nobody, and sounds like a shield."""
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    await tells(fed, "council-system", patient(CHILD), flag(CHILD, "f1"), related(STRANGER, CHILD, "CHILD", meta=label))
    await tells(fed, "trust-epr", patient(STRANGER))
    assert await says(fed, STRANGER, "children") == [RING]


async def test_relative_identity_is_told_with_leave_and_else_a_handle_that_differs_by_receiver(fed: World) -> None:
    """Given name and number, never family name, address or local number; a handle is of no use to anybody else."""
    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status", "relative-identity"))
    (group,) = groups(await fed.ward().hears(AMINA, CARE, "children"))
    relative = part(group, "relatedPerson")
    assert relative["identifier"] == [{"system": systems.NHS_NUMBER, "value": LEO.nhs}]
    assert relative["patient"]["identifier"]["value"] == AMINA.nhs
    assert not set(relative) & {"telecom", "address", "id", "gender"}
    assert "EXAMPLE" not in str(group)
    assert "LEO1" not in str(group)
    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"), when=people.day(1))
    (group,) = groups(await fed.ward().hears(AMINA, CARE, "children"))
    handle = part(group, "flag")["subject"]["identifier"]
    assert part(group, "relatedPerson") is None
    assert handle["system"].endswith("/Id/person-handle")
    assert LEO.nhs not in str(group)
    vault = fed.gateway.context.vault
    assert handle["value"] == vault.token("handle", "TMH01", LEO.nhs).hex() != vault.token("handle", "THV01", LEO.nhs).hex()


async def test_a_mothers_wish_for_the_time_of_her_stay_is_read_when_the_child_is_asked_about(fed: World) -> None:
    """Asked about the child alone: her stay is looked up at the trust; once she is discharged, or the trust falls silent, nothing is told."""
    from tests.stories.county import falls_silent

    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"), only_inpatient=True)
    assert [part(one, "answer") for one in groups(await fed.ward().hears(LEO, CARE))] == ["known"]
    await falls_silent(fed, "TMH01")
    assert part(await fed.ward().hears(LEO, CARE), "answer") == "no-information"
    await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A02", AMINA, "M1"))
    assert [part(one, "answer") for one in groups(await fed.ward().hears(LEO, CARE))] == ["known"]
    await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
    assert part(await fed.ward().hears(LEO, CARE), "answer") == "no-information"


async def test_a_mother_without_parental_responsibility_opens_nothing(fed: World) -> None:
    """The council's feed says yes for Leo; once it says no, her leave is none."""
    await wishes(fed, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"))
    assert groups(await fed.ward().hears(LEO, CARE))
    feed = people.relationships().replace(",yes,birth certificate,", ",no,court order,")
    await fed.as_("council-system").sends("relationships", feed)
    assert not groups(await fed.ward().hears(LEO, CARE))
