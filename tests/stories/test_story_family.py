"""One story for each need, from the first record to the answer, on both databases."""

from __future__ import annotations

from typing import Any

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, HEALTH_VISITING, LEO, STRANGER, TRUST, VOLUNTARY
from gateway.demo.receiver import Receiver
from tests.stories.county import CARE, EARLY, S47, flag, masked, patient, tells, wishes
from tests.world import World, groups, part

DUTY = "duty-to-share-16la"


def inbox(world: World, agency: str) -> Receiver:
    """An agency's endpoint, which takes only what this gateway has signed."""
    return Receiver(agency, key=world.gateway.context.vault.signing.public_key()).up()


async def subscribes(
    world: World, at: Any, topic: str, to: Receiver, purpose: str, person: people.Person = AMINA, **more: str
) -> None:
    answer = await at.post("/fhir/Subscription", people.subscription(person, topic, to.url, purpose, **more))
    assert answer.status_code == 201, answer.text


async def test_the_ward_hears_whom_to_ring(fed: World) -> None:
    """A mother is in hospital and has agreed, for the child for whom she is responsible: her nurse hears which service
    knows the child, and whom to ring there, by day and by night."""
    assert part(await fed.ward().hears(AMINA, CARE, "children"), "answer") == "no-information"
    await wishes(fed, "council-system", LEO, AMINA, people.permit(TRUST, CARE, "existence", "contact"))
    answer = await fed.ward().hears(AMINA, CARE, "children")
    (group,) = groups(answer)
    assert part(group, "answer") == "known"
    numbers = [one["resource"]["telecom"][0]["value"] for one in group if one["name"] == "contact"]
    assert numbers[-2:] == ["01632 960201", "01632 960202"]
    assert "agreed" in part(answer, "explanation")
    assert part(answer, "basis")["coding"][0]["code"] == "person-wish"


async def test_the_health_visitor_hears_the_contact_and_nothing_else(fed: World) -> None:
    """Her service's agreement holds no more, whatever the mother would allow."""
    await wishes(
        fed,
        "council-system",
        LEO,
        AMINA,
        people.permit(HEALTH_VISITING, EARLY, "existence", "status", "contact", "relative-identity", "detail"),
    )
    visitor = fed.as_("health-visiting-system", "hv1", "health-visitor", EARLY)
    (group,) = groups(await visitor.hears(LEO, EARLY))
    assert {one["name"] for one in group} == {"organization", "about", "answer", "itk", "contact", "dataAsOf"}


async def test_the_social_worker_is_told_of_the_discharge_at_once(fed: World) -> None:
    """Subscribed under the duty to share: one signed message, who, what, when; what it means is a lookup of its own."""
    desk = inbox(fed, COUNCIL)
    try:
        await subscribes(
            fed, fed.social_worker(), "discharged", desk, DUTY, case="C-1", reason="Leo's plan rests on his mother's care"
        )
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        assert desk.topics() == ["discharged"]
        (message,) = desk.notices
        subject = message["entry"][1]["resource"]["parameter"][0]["part"][0]["valueIdentifier"]
        assert subject["value"] == AMINA.nhs
        answer = await fed.social_worker().hears(AMINA, S47, case="C-1")
        (group,) = groups(answer)
        assert part(group, "answer") == "recently-closed"
        obligations = [
            one["valueCodeableConcept"]["coding"][0]["code"] for one in answer["parameter"] if one["name"] == "obligation"
        ]
        assert "tell-only-this-person" in obligations
    finally:
        desk.down()


async def test_who_refused_and_who_is_not_known_are_answered_alike(fed: World) -> None:
    """The ward asks about Beth's children, and about a stranger's: the same bytes, and that this is not a no."""
    await tells(fed, "trust-epr", patient(BETH))
    await wishes(fed, "council-system", people.RUBY, BETH)
    found = [
        masked(
            await fed.ward().post(
                "/fhir/Patient/$known-to-services", people.lookup(one, CARE, "children"), **{"X-Request-Id": "r"}
            )
        )
        for one in (BETH, STRANGER)
    ]
    assert found[0] == found[1]


async def test_a_withdrawal_stops_sharing_at_once(fed: World) -> None:
    """Written down at either agency, by a new statement or by ending the old one: the next question is not answered,
    though it was the moment before."""
    made = people.consent(LEO, AMINA, [people.permit(TRUST, CARE, "existence", "status")], agency=COUNCIL, when=people.day(0))
    council = fed.as_("council-system")
    written = await council.post("/fhir/Consent", made)
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    ended = await council.put(
        f"/fhir/Consent/{written.json()['id']}",
        {**made, "id": written.json()["id"], "status": "inactive"},
        written.headers["etag"],
    )
    assert ended.status_code == 200
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))
    again = {**made, "status": "active"}
    await council.post("/fhir/Consent", again)
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    await wishes(fed, "council-system", LEO, AMINA, when=people.day(0))
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))
    await council.post("/fhir/Consent", again)
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    await wishes(fed, "trust-epr", LEO, AMINA, when=people.day(0))
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))


async def test_a_family_service_hears_the_end_and_then_nothing(fed: World) -> None:
    """Her agreement was for the time in hospital: the discharge is told, then that no more will follow, then nothing."""
    await wishes(
        fed,
        "trust-epr",
        AMINA,
        AMINA,
        people.permit(VOLUNTARY, EARLY, "existence", "status", "contact", "detail"),
        only_inpatient=True,
    )
    hearth = inbox(fed, VOLUNTARY)
    try:
        family = fed.as_("voluntary-system", "fw3", "family-worker", EARLY)
        await subscribes(fed, family, "known-status-changed", hearth, EARLY)
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        assert hearth.topics() == ["discharged", "signal-ended"]
        await tells(fed, "trust-epr", flag(AMINA, "c9", "community", people.day(0), agency=TRUST, service="adult-mental-health"))
        await fed.settle()
        assert hearth.topics() == ["discharged", "signal-ended"]
        assert part(await family.hears(AMINA, EARLY), "answer") == "no-information"
    finally:
        hearth.down()


async def test_a_mother_limits_her_leave_to_her_stay_and_the_enquiry_is_still_answered(fed: World) -> None:
    """After the discharge the ward is no longer answered; the child protection enquiry is, whatever she wishes."""
    await wishes(fed, "council-system", LEO, AMINA, people.permit(TRUST, CARE, "existence", "status"), only_inpatient=True)
    assert groups(await fed.ward().hears(AMINA, CARE, "children"))
    await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
    assert not groups(await fed.ward().hears(AMINA, CARE, "children"))
    assert groups(await fed.social_worker().hears(AMINA, S47, case="C-1"))
