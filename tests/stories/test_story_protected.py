"""Stories of people who must not be found: adopted, in refuge; and of a family in another council's home."""

from __future__ import annotations

import json

import pytest

from gateway.demo import people
from gateway.demo.client import new_key
from gateway.demo.people import AMINA, BETH, LEO, RUBY, STRANGER, TRUST, Software
from gateway.demo.receiver import Receiver
from gateway.exchanges import administer
from gateway.exchanges.administer import NewAgency
from gateway.settings import Settings
from tests.stories.county import (
    CARE,
    REASON,
    S47,
    SHARE,
    agency,
    both,
    coordinator_hears,
    enquiry_hears,
    flag,
    in_short,
    masked,
    patient,
    responsible,
    restricts,
    somebody,
    tells,
    wishes,
)
from tests.world import At, World, groups, part

NOBODY_TOLD = ("children", "cannot-say", "no-relationship-recorded")
RING = ("children", "cannot-say", "ring-the-desk")
HEAR = people.permit(TRUST, CARE, "existence", "status", "contact")
MOTHER, CHILD, FATHER = somebody(0), somebody(1, "2017-07-07"), somebody(2)
MENTAL = {"agency": TRUST, "service": "adult-mental-health"}
OTHER = "TLA02"


@pytest.mark.parametrize("restriction", ["placed-for-adoption", "adopted"])
async def test_placed_for_adoption_and_then_adopted(fed: World, restriction: str) -> None:
    """From the placement on the child is as a stranger to all, and none of the birth mother's; no notice says so."""
    desk = Receiver(TRUST, key=fed.gateway.context.vault.signing.public_key()).up()
    try:
        # The birth mother's coordinator hears of her child, and of changes about the child.
        assert await coordinator_hears(fed, AMINA, "children") == [("children", "known", None)]
        for topic in ("known-status-changed", "relationship-changed"):
            asked = people.subscription(LEO, topic, desk.url, SHARE, case="R-1", reason=REASON)
            assert (await fed.coordinator().post("/fhir/Subscription", asked)).status_code == 201
        await wishes(fed, "council-system", LEO, AMINA, HEAR)
        # The child is placed.
        await restricts(fed, "council-system", LEO, restriction)
        await fed.settle()
        assert desk.topics() == []
        # Asked about her children she sounds like somebody of whom none is told, under the duty and with her leave.
        assert await coordinator_hears(fed, AMINA, "children") == [NOBODY_TOLD]
        assert not groups(await fed.ward().hears(AMINA, CARE, "children"))
        # Asked about by number the child is as a stranger, to the trust and to the enquiry.
        assert await coordinator_hears(fed, LEO) == await coordinator_hears(fed, STRANGER)
        assert await enquiry_hears(fed, LEO, "parents") == await enquiry_hears(fed, STRANGER, "parents")
        # What happens to the child afterwards is nobody's news either.
        await tells(fed, "council-system", flag(LEO, "n1", "looked-after", people.day(0)))
        await fed.settle()
        assert desk.topics() == []
    finally:
        desk.down()


async def test_an_adopted_child_sounds_the_same_to_the_byte(fed: World) -> None:
    """In wish mode nothing differs between a mother whose child was adopted and one of whom no child is told."""
    await restricts(fed, "council-system", LEO, "adopted")
    told = [
        masked(
            await fed.ward().post(
                "/fhir/Patient/$known-to-services", people.lookup(one, CARE, "children"), **{"X-Request-Id": "r"}
            )
        )
        for one in (AMINA, STRANGER)
    ]
    assert told[0] == told[1]


async def test_domestic_abuse_where_the_father_has_parental_responsibility(fed: World) -> None:
    """He may decide for the child and is owed nothing about where mother and child are: a shield stands before his leave."""
    # The council knows mother, child and father; he holds parental responsibility.
    await tells(
        fed,
        "council-system",
        patient(CHILD, address="1 REFUGE STREET"),
        flag(CHILD, "d1", "cp-plan"),
        *both(CHILD, FATHER, "FTH", responsible()),
        *both(CHILD, MOTHER, "MTH", responsible()),
    )
    # Both parents are patients of the trust.
    for place, person in enumerate((MOTHER, FATHER)):
        await tells(fed, "trust-epr", patient(person), flag(person, f"t{place}", "inpatient", people.day(1), **MENTAL))
    # He permits his ward to hear of his child: so far that is his right.
    await wishes(fed, "council-system", CHILD, FATHER, HEAR)
    assert groups(await fed.ward().hears(FATHER, CARE, "children"))
    # Mother and child go to a refuge; the council and the trust shield them.
    await restricts(fed, "council-system", CHILD, "protected")
    await restricts(fed, "trust-epr", MOTHER, "protected")
    # His leave opens nothing any more, and what his ward hears is what it hears of a stranger.
    told = [
        masked(
            await fed.ward().post(
                "/fhir/Patient/$known-to-services", people.lookup(one, CARE, "children"), **{"X-Request-Id": "r"}
            )
        )
        for one in (FATHER, STRANGER)
    ]
    assert told[0] == told[1]
    # His coordinator, under the duty, has the desk to ring, as for any doubtful identity.
    assert await coordinator_hears(fed, FATHER, "children") == [RING]
    # The enquiry about the mother is not opened by machine either: the trust's desk rings back.
    assert await enquiry_hears(fed, MOTHER) == [("self", "cannot-say", "ring-the-desk")]
    # The enquiry about the father is answered, and nothing in it speaks of her or of an address.
    answer = await fed.social_worker().hears(FATHER, S47, case="C-1")
    assert in_short(answer) == [("self", "known", None)]
    assert not any(word in json.dumps(answer) for word in ("REFUGE", MOTHER.nhs, CHILD.nhs))


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With the agreement of a second council, where a story needs it."""
    if "two_councils" in request.fixturenames:
        document = (settings.agreements / "southshire-council.toml").read_text().replace("TLA01", OTHER)
        (settings.agreements / "other-council.toml").write_text(document)
    return settings


@pytest.fixture
async def two_councils(fed: World) -> World:
    """With a second council and its software."""
    desks = [{"kind": "duty-desk", "name": "Westbank front door", "phone": "01632 960701", "hours": "always"}]
    profile = {"desks": desks, "la_code": "998", "traced": True}
    await fed.gateway.ledger.run_alone(
        administer.add_agency,
        NewAgency(OTHER, "Westbank Council", "children-social-care", profile, complete=True, holds_from="2018-01-01"),
    )
    scopes = f"{people.RECORD_SCOPES} {people.ASK_SCOPES}"
    one = Software("westbank-system", OTHER, "Its case system", scopes, (S47,), ("social-worker",))
    jwks = new_key(fed.keys / f"{one.id}.pem")
    client = administer.NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, jwks)
    await fed.gateway.ledger.run_alone(administer.add_client, client)
    fed.tokens.clear()  # tokens are of the clients as they were
    for user, role, purposes in (("", "", ()), ("sw9", "social-worker", (S47,))):
        answer = await fed.token_answer(fed.sign(one.id, user=user, role=role, purposes=purposes), scopes)
        fed.tokens[(one.id, user, role, purposes)] = answer.json()["access_token"]
    return fed


def westbank(world: World) -> At:
    """A social worker of the second council."""
    return world.as_("westbank-system", "sw9", "social-worker", S47)


async def test_a_temporary_home_in_another_council(two_councils: World) -> None:
    """A family is moved across the border: each council answers for itself, the new one hears from the trust, and neither
    hears from the other what they have not agreed."""
    county = two_councils
    # The home council has a plan; the new one notes the plan of another area.
    await tells(county, "westbank-system", patient(RUBY), flag(RUBY, "w1", "cp-plan-other-area", people.day(9), agency=OTHER))
    await tells(county, "westbank-system", *both(RUBY, BETH, "MTH", responsible()))
    # The mother's coordinator hears from both about her child, each for itself.
    await tells(county, "trust-epr", patient(BETH), flag(BETH, "m1", "community", people.day(9), **MENTAL))
    answer = await county.coordinator().hears(BETH, SHARE, "children", case="R-1", reason=REASON)
    assert sorted((agency(one), part(one, "answer")) for one in groups(answer)) == [("TLA01", "known"), (OTHER, "known")]
    # The new council's enquiry about the mother is answered by the trust.
    answer = await westbank(county).hears(BETH, S47, case="W-1")
    assert [(agency(one), part(one, "answer")) for one in groups(answer)] == [(TRUST, "known")]
    # From the home council it hears nothing: the two have no agreement, and that is all that its coverage says.
    assert [agency(one["part"]) for one in answer["parameter"] if one["name"] == "coverage"] == [TRUST]
    # The family goes home: what the new council ended is told as ended, the plan at home stays.
    await tells(county, "westbank-system", flag(RUBY, "w1", "cp-plan-other-area", people.day(9), people.day(0), agency=OTHER))
    answer = await county.coordinator().hears(BETH, SHARE, "children", case="R-1", reason=REASON)
    assert sorted((agency(one), part(one, "answer")) for one in groups(answer)) == [
        ("TLA01", "known"),
        (OTHER, "recently-closed"),
    ]
