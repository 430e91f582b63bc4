"""What was told and has proved wrong is told to those who were told it, by the notice that they were told, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, TRUST, VOLUNTARY, Person
from tests.data.edge import flag
from tests.edge.desks import Desk, admit, council_hears_of, desk, patients, status, subscribe
from tests.edge.durable import ask, change
from tests.world import World

CORRECTS = "/StructureDefinition/corrects"


def header(bundle: dict[str, Any]) -> dict[str, Any]:
    """The MessageHeader of a message."""
    found: dict[str, Any] = bundle["entry"][0]["resource"]
    return found


def corrected(bundle: dict[str, Any]) -> list[str]:
    """The ids of earlier notices that a message takes back."""
    return [one["valueId"] for one in header(bundle)["extension"] if one["url"].endswith(CORRECTS)]


def last(one: Desk) -> tuple[str, list[str]]:
    """Topic of the last message that came, and which notices it corrects."""
    return one.topics()[-1], corrected(one.got[-1].bundle)


async def send(world: World, event: str, *more: tuple[str, str]) -> None:
    """A message of the ward about Amina, with these words changed."""
    message = people.adt(event, AMINA, "M1")
    for old, new in more:
        assert old in message
        message = message.replace(old, new)
    await world.as_("trust-epr").sends("hl7v2-adt", message)
    await world.settle()


async def the_council_hears(world: World, url: str, topic: str = "known-status-changed") -> str:
    """It subscribes to changes about Amina, under the duty to share."""
    (made,) = await council_hears_of(world, [AMINA], url, topic)
    return made


async def the_family_service_hears(world: World, url: str) -> Any:
    """It subscribes with her agreement; gives the Consent that she then may change."""
    rules = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")]
    wish = people.consent(AMINA, AMINA, rules, agency=TRUST, when=people.day(1))
    made = await world.as_("trust-epr").post("/fhir/Consent", wish)
    assert made.status_code == 201, made.text
    asker = world.as_("voluntary-system", "fw1", "family-worker", "early-help")
    await subscribe(asker, people.subscription(AMINA, "known-status-changed", url, "early-help"))
    return made


async def she_refuses(world: World, made: Any) -> None:
    """Her agreement with the family service ends."""
    wish = people.consent(AMINA, AMINA, [], agency=TRUST, when=people.day(2))
    answer = await world.as_("trust-epr").put(
        f"/fhir/Consent/{made.json()['id']}", {**wish, "id": made.json()["id"]}, made.headers["etag"]
    )
    assert answer.status_code == 200, answer.text


async def test_a_cancelled_admission_is_told_to_who_was_told_of_it(world: World) -> None:
    """A11: the same receiver, the id of the notice that was wrong, and that it is taken back."""
    with desk() as one:
        await the_council_hears(world, one.url)
        await send(world, "A01")
        (told,) = one.ids()
        await send(world, "A11")
        assert last(one) == ("record-retracted", [told])
        assert header(one.got[-1].bundle)["reason"]["coding"][0]["code"] == "delete"
        assert AMINA.nhs in one.got[-1].body.decode()
        assert one.numbers() == [1, 2]


async def test_a_cancelled_discharge_is_told_to_who_was_told_of_it(world: World) -> None:
    """A13: to who hears of the stay going on, with the id of the discharge; and to who subscribed to discharges alone."""
    with desk() as all_changes, desk() as discharges:
        await the_council_hears(world, all_changes.url)
        await the_council_hears(world, discharges.url, "discharged")
        await send(world, "A01")
        await send(world, "A03")
        wrong = all_changes.ids()[-1]
        assert discharges.topics() == ["discharged"]
        await send(world, "A13")
        assert last(all_changes) == ("admitted", [wrong])
        assert header(all_changes.got[-1].bundle)["reason"]["coding"][0]["code"] == "update"
        assert last(discharges) == ("record-retracted", discharges.ids()[:1])
        assert len(all_changes.got) == 3, "one correction, not two"


async def test_a_purge_is_told_though_nothing_is_known_any_more(fed: World) -> None:
    """The council purges a child: who was told of it hears which notices were wrong, and nothing that names the child."""
    with desk() as one:
        body = people.subscription(LEO, "known-status-changed", one.url, "duty-to-share-16la", case="RIO-77", reason="Care plan")
        made = await subscribe(fed.coordinator(), body)
        await fed.as_("council-system").sends("dfe-csc-api", people.children(enquiry=True, plan=True))
        await fed.settle()
        told = list(dict.fromkeys(one.ids()))
        assert told
        await purge_leo(fed)
        await fed.settle()
        topic, wrong = last(one)
        assert (topic, sorted(wrong)) == ("record-retracted", sorted(told))
        raw = one.got[-1].body.decode()
        assert LEO.nhs not in raw
        assert "happened" not in raw
        numbers = one.numbers()
        assert numbers == list(range(1, len(numbers) + 1))
        events = (await fed.coordinator().get(f"/fhir/Subscription/{made['id']}/$events?content=full-resource")).text
        assert all(identifier in events for identifier in told)


async def purge_leo(world: World) -> None:
    """The council's daily record says that the child is to be purged."""
    await world.as_("council-system").sends("dfe-csc-api", [{"la_child_id": "LEO1", "purge": True}])


async def merge_into_amina(world: World, other: Person) -> None:
    """The ward found that two of its patients are one."""
    merge = people.adt("A40", AMINA, "M1").split("\r")
    merge[3:] = [f"MRG|N{other.nhs}^^^RIO^MR", ""]
    await world.as_("trust-epr").sends("hl7v2-adt", "\r".join(merge))
    await world.settle()


async def test_people_who_are_merged_were_two_to_who_was_told(world: World) -> None:
    """A40: the stay stood under another person's number; who was told under that number hears so, the other's hear nothing."""
    other = patients(1, 700)[0]
    with desk() as one, desk() as two:
        await the_council_hears(world, one.url)
        await council_hears_of(world, [other], two.url)
        await send(world, "A01")
        await admit(world, [other])
        await world.settle()
        (wrong,) = two.ids()
        await merge_into_amina(world, other)
        assert last(two) == ("record-retracted", [wrong])
        assert header(two.got[-1].bundle)["reason"]["coding"][0]["code"] == "update"
        assert AMINA.nhs not in two.got[-1].body.decode()
        assert len(one.got) == 1
    await send(world, "A11")
    persons = {person for (person,) in ask(world.settings, "SELECT DISTINCT person FROM outbox")}
    assert len(persons) == 1, "what was told of one row is found under the other from now on"


async def test_a_record_that_was_another_persons_is_taken_back_and_told(world: World) -> None:
    """Its owner puts it under the person whose it is: who was told hears that it was wrong, and the other's hear of it."""
    right, trust = patients(1, 900)[0], world.as_("trust-epr")
    await send(world, "A28")
    await admit(world, [right], "A28")
    with desk() as one, desk() as two:
        await the_council_hears(world, one.url)
        await council_hears_of(world, [right], two.url)
        made = await trust.post("/fhir/Flag", flag(AMINA, "community"))
        await world.settle()
        (wrong,) = one.ids()
        assert not two.ids()
        moved = {**flag(right, "community"), "id": made.json()["id"]}
        assert (await trust.put(f"/fhir/Flag/{moved['id']}", moved, made.headers["etag"])).status_code == 200
        await world.settle()
        assert last(one) == ("record-retracted", [wrong])
        assert right.nhs not in one.got[-1].body.decode()
        assert [right.nhs in got.body.decode() for got in two.got] == [True]


async def test_a_stay_of_the_wrong_patient_is_taken_back_by_its_cancel(world: World) -> None:
    """The same visit number under another patient is that patient's own and takes nothing back: the ward cancels the wrong one."""
    right = patients(1, 900)[0]
    with desk() as one, desk() as two:
        await the_council_hears(world, one.url)
        await council_hears_of(world, [right], two.url)
        await send(world, "A01")
        (wrong,) = one.ids()
        await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", right, f"N{right.nhs}", visit="M1"))
        await world.settle()
        assert one.topics() == ["admitted"]
        assert [right.nhs in got.body.decode() for got in two.got] == [True]
        await send(world, "A11")
        assert last(one) == ("record-retracted", [wrong])
        assert two.topics() == ["admitted"]


async def test_a_number_that_was_another_persons_is_taken_back(world: World) -> None:
    """The ward corrects the NHS number: who was told under the old one hears that it was wrong, and not the new one."""
    right = patients(1, 800)[0]
    with desk() as one, desk() as two:
        await the_council_hears(world, one.url)
        await council_hears_of(world, [right], two.url)
        await send(world, "A01")
        (wrong,) = one.ids()
        await send(world, "A31", (AMINA.nhs, right.nhs))
        assert last(one) == ("record-retracted", [wrong])
        assert right.nhs not in one.got[-1].body.decode()
        assert not any(corrected(got.bundle) for got in two.got)


async def test_who_may_hear_no_more_hears_only_that_a_notice_was_wrong(world: World) -> None:
    """Her agreement ended in between: the correction names the notice, and neither her, nor the trust, nor a date."""
    with desk() as one:
        made = await the_family_service_hears(world, one.url)
        await send(world, "A01")
        told = list(one.ids())
        assert told
        await she_refuses(world, made)
        await world.settle()
        before = len(one.got)
        await send(world, "A11")
        assert len(one.got) == before + 1
        topic, wrong = last(one)
        assert (topic, wrong) == ("record-retracted", [identifier for identifier in told if identifier in wrong])
        assert told[0] in wrong
        raw = one.got[-1].body.decode()
        for secret in (AMINA.nhs, TRUST, people.day(3), "happened", "$known-to-services"):
            assert secret not in raw
    entry = ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")
    assert entry == [(len(told) + 1,)]


@pytest.mark.parametrize("how", ["off", "ended"])
async def test_a_subscription_that_is_over_still_hears_that_it_was_told_wrongly(world: World, how: str) -> None:
    """Whether its agency ended it or it ran out: what is owed is owed for what was told."""
    with desk() as one:
        made = await the_council_hears(world, one.url)
        await send(world, "A01")
        (told,) = one.ids()
        if how == "off":
            assert (await world.social_worker().delete(f"/fhir/Subscription/{made}")).status_code in (200, 204)
        else:
            change(world.settings, "UPDATE subscription SET ends = 1")
        await send(world, "A11")
        assert last(one) == ("record-retracted", [told])
        assert AMINA.nhs not in one.got[-1].body.decode()


async def test_nobody_is_told_of_the_correction_of_what_they_were_not_told(world: World) -> None:
    """Subscribed too late; withheld at the time; told about another stay: no correction, and no number used up."""
    with desk() as told, desk() as late, desk() as refused:
        await the_council_hears(world, told.url)
        made = await the_family_service_hears(world, refused.url)
        await she_refuses(world, made)
        await send(world, "A01")
        await the_council_hears(world, late.url)
        await send(world, "A11")
        assert last(told)[0] == "record-retracted"
        assert (late.got, refused.got) == ([], [])
    states = ask(world.settings, "SELECT DISTINCT state FROM outbox WHERE number IS NULL")
    assert states in ([("withheld",)], [])


async def test_a_correction_follows_what_it_corrects(world: World) -> None:
    """Recorded and cancelled before anything was sent: the admission and its correction keep their order."""
    with desk() as one:
        await the_council_hears(world, one.url)
        for event in ("A01", "A11"):
            await world.as_("trust-epr").sends("hl7v2-adt", people.adt(event, AMINA, "M1"))
        await world.settle()
        assert one.topics()[-1] == "record-retracted"
        assert corrected(one.got[-1].bundle) == one.ids()[:1]


async def test_a_notice_is_taken_back_once(world: World) -> None:
    """The admission was cancelled, then the whole person merged away: what was corrected is not corrected again."""
    other = patients(1, 900)[0]
    with desk() as one:
        await council_hears_of(world, [other], one.url)
        for event in ("A01", "A11"):
            await admit(world, [other], event)
            await world.settle()
        assert last(one) == ("record-retracted", one.ids()[:1])
        await send(world, "A01")
        await merge_into_amina(world, other)
        assert len(one.got) == 2


async def test_a_record_entered_in_error_over_fhir_is_taken_back(world: World) -> None:
    """A Flag that its owner marks as entered in error: the same, whichever way it came."""
    with desk(status(200)) as one:
        await the_council_hears(world, one.url)
        await send(world, "A01")
        trust = world.as_("trust-epr")
        (flag,) = await trust.searches_for("Flag", AMINA)
        shown = await trust.get(f"/fhir/Flag/{flag['id']}")
        answer = await trust.put(
            f"/fhir/Flag/{flag['id']}", {**shown.json(), "status": "entered-in-error"}, shown.headers["etag"]
        )
        assert answer.status_code == 200, answer.text
        await world.settle()
        assert last(one) == ("record-retracted", one.ids()[:1])
