"""Every topic that is offered is raised by a record that an agency can send; what no record raises cannot be subscribed to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, TRUST, Person
from gateway.fhir import systems
from gateway.notification.topics import BY_THEMSELVES, NOT_RAISED, WITHOUT_A_PERSON, offered
from tests.data.edge import flag, is_valid, outcome
from tests.edge.durable import ask
from tests.world import World

SOON = (people.TODAY + timedelta(days=9)).isoformat()
LATER = (people.TODAY + timedelta(days=20)).isoformat()
Sends = Callable[[World], Awaitable[None]]


def extension(name: str, day: str) -> dict[str, Any]:
    return {"url": systems.extension(name), "valueDate": day}


def marker(code: str, **more: Any) -> dict[str, Any]:
    coding = {"system": systems.code_system("marker"), "code": code}
    return {**flag(AMINA), "code": {"coding": [coding]}, **more}


def flags(*versions: dict[str, Any]) -> Sends:
    """The trust writes a Flag, then its later versions."""

    async def sends(world: World) -> None:
        trust = world.as_("trust-epr")
        made = await trust.post("/fhir/Flag", versions[0])
        assert made.status_code == 201, made.text
        etag = made.headers["etag"]
        for later in versions[1:]:
            changed = await trust.put(f"/fhir/Flag/{made.json()['id']}", {**later, "id": made.json()["id"]}, etag)
            assert changed.status_code == 200, changed.text
            etag = changed.headers["etag"]

    return sends


def adt(*events: str, who: Person = BETH) -> Sends:
    async def sends(world: World) -> None:
        for event in events:
            await world.as_("trust-epr").sends("hl7v2-adt", people.adt(event, who, "M2", visit="STAY"))

    return sends


def children(*days: dict[str, Any]) -> Sends:
    """The council's daily JSON, day after day; each names what is added to LEO's episode."""

    async def sends(world: World) -> None:
        for added in days:
            told = people.children()
            told[0]["social_care_episodes"][0] |= added
            await world.as_("council-system").sends("dfe-csc-api", told)

    return sends


def plan(**more: str) -> dict[str, Any]:
    return {"child_protection_plans": [{"child_protection_plan_id": "P", "start_date": people.day(5), **more}]}


def placement(number: str, start: str, **more: str) -> dict[str, Any]:
    return {"child_looked_after_placement_id": number, "start_date": start, "placement_type": "U1", **more}


def placed(*some: dict[str, Any]) -> dict[str, Any]:
    return {"child_looked_after_placements": list(some)}


async def another_relative(world: World) -> None:
    head, row, *_ = people.relationships().splitlines()
    await world.as_("council-system").sends(
        "relationships", f"{head}\n{row.replace(AMINA.nhs, BETH.nhs).replace('MTH', 'GRMTH')}\n"
    )


async def death(world: World) -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": systems.NHS_NUMBER, "value": AMINA.nhs}],
        "deceasedDateTime": people.day(),
    }
    await world.as_("trust-epr").sends("fhir", patient)


async def wish(world: World) -> None:
    answer = await world.as_("trust-epr").post(
        "/fhir/Consent", people.consent(AMINA, AMINA, [], agency=TRUST, when=people.day(1))
    )
    assert answer.status_code == 201


WARD = flag(AMINA, "inpatient", period={"start": people.day(2)})
LEAVE = flag(AMINA, "on-leave", period={"start": people.day(2)})
COMMUNITY = flag(AMINA, "community", period={"start": people.day(2)})


def led_by(name: str) -> dict[str, Any]:
    role = {"resourceType": "PractitionerRole", "id": "lead", "practitioner": {"display": name}}
    return {
        **COMMUNITY,
        "contained": [role],
        "extension": [{"url": systems.extension("contact"), "valueReference": {"reference": "#lead"}}],
    }


FIRST, MOVED = placement("A", people.day(9)), [placement("A", people.day(9), end_date=people.day()), placement("B", people.day())]
RAISED: dict[str, tuple[Person, Sends]] = {
    "known-status-changed": (AMINA, flags(COMMUNITY)),
    "admitted": (BETH, adt("A01")),
    "discharge-planned": (AMINA, flags(WARD, {**WARD, "extension": [extension("planned-end", SOON)]})),
    "discharged": (BETH, adt("A01", "A03")),
    "leave-started": (AMINA, flags(LEAVE)),
    "leave-ended": (AMINA, flags(LEAVE, {**LEAVE, "period": {"start": people.day(2), "end": people.day()}})),
    "absent-without-leave": (AMINA, flags(flag(AMINA, "absent-without-leave", period={"start": people.day()}))),
    "child-protection-plan-started": (LEO, children(plan())),
    "child-protection-plan-ended": (LEO, children(plan(), plan(end_date=people.day()))),
    "looked-after-started": (LEO, children(placed(FIRST))),
    "looked-after-ended": (LEO, children(placed(FIRST), placed({**FIRST, "end_date": people.day()}))),
    "review-planned": (AMINA, flags({**COMMUNITY, "extension": [extension("next-review", SOON)]})),
    "care-plan-changed": (LEO, children(placed(FIRST), placed(*MOVED))),
    "lead-professional-changed": (AMINA, flags(led_by("A. Nurse"), led_by("B. Nurse"))),
    "crisis-plan-updated": (AMINA, flags(marker("crisis-plan"))),
    "contact-arrangements-changed": (AMINA, flags(marker("contact-arrangements"))),
    "relationship-changed": (LEO, another_relative),
    "person-died": (AMINA, death),
    "wishes-changed": (AMINA, wish),
}  # fmt: skip


async def subscribed(world: World, person: Person, topic: str) -> str:
    """Somebody of another agency subscribes: the council to what the trust tells, the trust to what the council tells."""
    asker = world.coordinator() if person is LEO else world.social_worker()
    body = people.subscription(person, topic, "https://desk.example/fhir", "duty-to-share-16la", case="C-9", reason="The plan")
    made = await asker.post("/fhir/Subscription", body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def queued(world: World, subscription: str) -> int:
    return int(ask(world.settings, f"SELECT count(*) FROM outbox WHERE subscription = '{subscription}'")[0][0])


@pytest.mark.parametrize("topic", RAISED)
async def test_a_record_raises_the_topic(fed: World, topic: str) -> None:
    """Subscribed to before it happens; what happened is in the outbox, once."""
    person, sends = RAISED[topic]
    made = await subscribed(fed, person, topic)
    assert queued(fed, made) == 0
    await sends(fed)
    assert queued(fed, made) == 1


async def test_what_is_offered_is_raised_and_the_rest_is_refused(world: World) -> None:
    """The CapabilityStatement lists what the table above raises; a topic that nothing raises, or that comes by itself, is 422."""
    topics = world.gateway.context.topics
    assert set(offered(topics)) - set(RAISED) <= {"accessed", "override-used", "feed-stale", "notice-overdue"}
    assert set(RAISED) <= set(offered(topics))
    for topic in BY_THEMSELVES | NOT_RAISED:
        body = people.subscription(AMINA, topic, "https://desk.example/fhir", "duty-to-share-16la", case="C-9", reason="The plan")
        (issue,) = outcome(await world.social_worker().post("/fhir/Subscription", body), 422)
        assert issue["expression"] == ["Subscription.criteria"]


async def test_topics_are_published_for_those_who_look_for_them(world: World) -> None:
    """The CapabilityStatement names each canonical on the Subscription entry; each can be read, with the filters it takes."""
    statement = (await world.client.get("/fhir/metadata")).json()
    entry = next(one for one in statement["rest"][0]["resource"] if one["type"] == "Subscription")
    named = [one["valueCanonical"] for one in entry["extension"]]
    assert statement["instantiates"] == [
        "http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4"
    ]
    listed = (await world.client.get("/fhir/Basic")).json()
    assert is_valid(listed)
    for resource in (one["resource"] for one in listed["entry"]):
        read = (await world.client.get(f"/fhir/Basic/{resource['id']}")).json()
        assert read == resource
        assert resource["extension"][0]["valueUri"] in named
        filters = sum(one["url"].endswith(".canFilterBy") for one in resource["extension"])
        assert filters == (3 if resource["id"] in WITHOUT_A_PERSON else 5)
    assert len(listed["entry"]) == len(named) == len(offered(world.gateway.context.topics))
    assert (await world.client.get("/fhir/Basic/signal-ended")).status_code == 404


async def test_a_plan_is_told_again_when_its_day_changes_and_when_it_is_called_off(fed: World) -> None:
    """New, update, delete; the same day sent again is no news; the day that has come is none either."""
    dated = [{**WARD, "extension": [extension("planned-end", day)]} for day in (SOON, SOON, LATER)]
    made = await subscribed(fed, AMINA, "discharge-planned")
    await flags(*dated[:2])(fed)
    assert queued(fed, made) == 1
    fresh = await subscribed(fed, AMINA, "discharge-planned")
    await flags(*dated, WARD)(fed)
    assert queued(fed, fresh) == 3


async def test_a_retraction_comes_to_who_was_subscribed_to_what_is_taken_back(fed: World) -> None:
    """An admission that never was (A11): the subscription to admissions holds the admission and its retraction."""
    made = await subscribed(fed, BETH, "admitted")
    await adt("A01", "A11")(fed)
    assert queued(fed, made) == 2


HOSPITAL = {
    "a leave": ("leave-started", ("A01", "A21"), 1),
    "a leave that never was": ("leave-started", ("A01", "A21", "A52"), 2),
    "a return": ("leave-ended", ("A01", "A21", "A22"), 1),
    "a return that never was": ("leave-started", ("A01", "A21", "A22", "A53"), 2),
    "a discharge that is planned": ("discharge-planned", ("A01", "A16"), 1),
    "a discharge that is called off": ("discharge-planned", ("A01", "A16", "A25"), 2),
    "a visit that is deleted": ("admitted", ("A01", "A23"), 2),
}


@pytest.mark.parametrize("what", HOSPITAL)
async def test_what_happens_in_hospital_is_told_from_the_messages_of_its_own_system(fed: World, what: str) -> None:
    """Each ADT event once; what it takes back or puts off goes to whoever was told."""
    topic, events, notices = HOSPITAL[what]
    made = await subscribed(fed, BETH, topic)
    for event in events:
        planned = f"PV2|||||||||{SOON.replace('-', '')}\r" if event == "A16" else ""
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt(event, BETH, "M2", visit="STAY") + planned)
    assert queued(fed, made) == notices
