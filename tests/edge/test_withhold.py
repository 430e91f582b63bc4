"""A refusal to share under a duty: a named person's decision, kept by every worker, and in no answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, STRANGER, Person, day
from gateway.exchanges.records.persons import _still_shielded
from gateway.exchanges.reviews import WITHHOLDING
from gateway.fhir import systems
from gateway.settings import Settings
from gateway.store import clock
from tests.edge.desks import council_hears_of, desk
from tests.edge.guardians import guardian, opened_in_danger, overrides, queue, settled, shields, urgent, withholds
from tests.edge.test_delivery_decision import logged
from tests.stories.county import S47, flag, patient, related, somebody, tells
from tests.world import World, groups, part

A, B = somebody(0), somebody(1)
MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}
RING, KNOWN = ("cannot-say", "ring-the-desk"), ("known", None)
COUNCIL_ODS = {"valueIdentifier": {"system": systems.ODS_CODE, "value": COUNCIL}}
Said = list[tuple[Any, Any]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return opened_in_danger(settings)


@pytest.fixture
async def county(fed: World) -> World:
    """With privacy offices, and two patients of the trust."""
    await settled(fed)
    for person in (A, B):
        await tells(fed, "trust-epr", patient(person), flag(person, f"f{person.nhs}", "inpatient", **MENTAL))
    return fed


async def hears(world: World, person: Person) -> Said:
    """What the trust says to the council's section 47 enquiry."""
    told = groups(await world.social_worker().hears(person, S47, case="C-1"))
    return [(part(group, "answer"), part(group, "reason")) for group in told]


async def entry(world: World, agency: str, person: Person) -> list[dict[str, Any]]:
    """Entries of refused lookups, as an agency's auditor reads them."""
    await world.seal()
    found = await world.auditor(agency).searches_for("AuditEvent", person, _count="200")
    return [one for one in found if any(code["code"] == "look_up_status" for code in one["subtype"])]


def facts(event: dict[str, Any]) -> dict[str, str]:
    """What an entry says beside its elements."""
    return {one["type"]: one["valueString"] for entity in event["entity"] for one in entity.get("detail", ())}


async def test_what_is_withheld_sounds_like_a_shield_and_the_cause_is_the_owners_auditors(county: World) -> None:
    """Known before; the desk's from the acknowledgement on, byte for byte as of a shielded person. Who decided stands in
    the owner's log alone."""
    assert await hears(county, A) == [KNOWN]
    answer = await withholds(await guardian(county, "dpo1"), A)
    assert answer.status_code == 200, answer.text
    assert await hears(county, A) == [RING]
    await shields(await guardian(county, "dpo1"), B)
    one, other = [(await county.social_worker().asks(person, S47, case="C-1")).json() for person in (A, B)]
    assert [x for x in one["parameter"] if x["name"] not in ("disclosure", "asOf")] == [
        x for x in other["parameter"] if x["name"] not in ("disclosure", "asOf")
    ]
    newest = (await entry(county, "trust", A))[0]
    assert "owner-withheld" in [code["code"] for code in newest["subtype"]]
    assert facts(newest)["decided-by"] == "Sam Lead (team-manager)"
    assert "Sam Lead" not in str(await entry(county, "council", A))


async def test_who_decided_and_why_stands_in_the_owners_log_and_queue(county: World) -> None:
    """The act itself: by whom it was written down, by whom decided, and when it is looked at again."""
    answer = await withholds(await guardian(county, "dpo1"), A, purpose={"valueCode": S47}, receiver=COUNCIL_ODS)
    named = answer.json()["parameter"][1]["valueId"]
    (line,) = logged(county, "withhold")
    told = dict(line.detail)
    assert (told["withholding"], told["decided-by"], line.user) == (named, "Sam Lead (team-manager)", "dpo1")
    assert (told["withheld-for"], told["withheld-from"]) == (S47, COUNCIL)
    (item,) = await queue(await guardian(county, "dpo2"), WITHHOLDING)
    assert (item["id"], item["user"], item["why"]["reason"]) == (named, "dpo1", "His brother works at their front door")
    assert item["due"][:10] == clock.instant(clock.now() + 91 * clock.DAY)[:10]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"purpose": {"valueCode": "duty-to-share-16la"}}, KNOWN),
        ({"purpose": [{"valueCode": "duty-to-share-16la"}, {"valueCode": S47}]}, RING),
        ({"receiver": {"valueIdentifier": {"system": systems.ODS_CODE, "value": "THV01"}}}, KNOWN),
        ({"receiver": COUNCIL_ODS}, RING),
        ({"until": {"valueDate": day()}}, RING),
    ],
    ids=["under another duty", "under this and another", "from another", "from the council", "until today"],
)
async def test_a_withholding_reaches_as_far_as_it_says(county: World, parts: dict[str, Any], said: tuple[Any, Any]) -> None:
    """For which duties, from whom, until when."""
    assert (await withholds(await guardian(county, "dpo1"), A, **parts)).status_code == 200
    assert await hears(county, A) == [said]


async def test_a_claim_of_danger_to_life_alerts_the_owner_and_opens_nothing(county: World) -> None:
    """The decider weighs what is new, not a machine: the owner is alerted and rings back. Where only the enquiry was
    decided on, danger to life was not, and is answered."""
    office = await guardian(county, "dpo1")
    await withholds(office, A)
    await withholds(office, B, purpose={"valueCode": S47})
    asker = await urgent(county)
    for person, said in ((A, RING), (B, KNOWN)):
        told = groups((await overrides(asker, person)).json())
        assert [(part(one, "answer"), part(one, "reason")) for one in told] == [said]
    assert len(await queue(office, "override-alert")) == 2


async def test_lifted_it_is_told_again_and_there_is_nothing_left_to_review(county: World) -> None:
    """By one user, with a decider; a second time there is nothing to lift."""
    office = await guardian(county, "dpo1")
    first = (await withholds(office, A)).json()["parameter"][1]["valueId"]
    second = (await withholds(office, A, purpose={"valueCode": S47})).json()["parameter"][1]["valueId"]
    assert (await withholds(office, A, withholding={"valueId": first})).status_code == 200
    assert await hears(county, A) == [RING]
    assert (await withholds(office, A, withholding={"valueId": second})).status_code == 200
    assert await hears(county, A) == [KNOWN]
    assert (await withholds(office, A, withholding={"valueId": second})).status_code == 409
    items = await queue(office, WITHHOLDING)
    assert [(one["state"], one["outcome"], one["closedBy"]) for one in items] == [("closed", "lifted", "dpo1")] * 2
    assert [dict(one.detail)["decided-by"] for one in logged(county, "lift_withholding")] == ["Sam Lead (team-manager)"] * 2


async def test_a_review_by_a_second_person_puts_it_off_and_closes_nothing(county: World) -> None:
    """It is looked at again and again as long as it stands; found not in order, soon."""
    first, second = await guardian(county, "dpo1"), await guardian(county, "dpo2")
    await withholds(first, A, reviewBy={"valueDate": day()})
    (item,) = await queue(second, WITHHOLDING)
    closing = {"outcome": "in-order", "sentence": "He still works there; looked at with the team."}
    assert (await first.post(f"/reviews/{item['id']}/close", closing)).status_code == 403
    seen = (await second.post(f"/reviews/{item['id']}/close", closing)).json()
    assert (seen["state"], seen["outcome"]) == ("open", "in-order")
    assert seen["due"] > item["due"] or seen["due"][:10] == clock.instant(clock.now() + clock.DAY)[:10]
    seen = (await second.post(f"/reviews/{item['id']}/close", {**closing, "outcome": "not-in-order"})).json()
    assert seen["state"] == "open"
    assert clock.instant(clock.now() + 2 * clock.DAY) < seen["due"] < clock.instant(clock.now() + 9 * clock.DAY)
    assert await hears(county, A) == [RING]


async def test_no_feed_sets_or_lifts_it_and_the_record_is_not_purged(county: World) -> None:
    """Whatever the owner's own software sends."""
    mark = {
        "url": systems.extension("withheld"),
        "extension": [{"url": "id", "valueId": "x"}, {"url": "decider", "valueString": "x"}],
    }
    await tells(county, "trust-epr", {**patient(B), "extension": [mark]})
    assert await hears(county, B) == [KNOWN]
    await withholds(await guardian(county, "dpo1"), A)
    unrestricted = {"url": systems.extension("restriction"), "valueCode": "none"}
    for sent in ([], [unrestricted]):
        await tells(county, "trust-epr", {**patient(A), "extension": sent}, flag(A, "f2", "crisis-team", **MENTAL))
    await county.as_("trust-epr").sends("hl7v2-adt", people.adt("A08", A, "M77"))
    assert await hears(county, A) == [RING]
    council = await guardian(county, "dpo3", "council")
    await withholds(council, LEO)
    gone = '[{"la_child_id": "LEO1", "purge": true}]'
    answer = await county.as_("council-system").post("/records/dfe-csc-api", gone, "application/octet-stream")
    assert (answer.status_code, "lift the withholding first" in answer.text) == (422, True)


async def test_relatives_are_not_found_by_a_record_that_is_withheld(county: World) -> None:
    """Whose child somebody is stands on the record too: withheld, it is the desk's, as with a shield."""
    child = somebody(2, "2015-03-03")
    await tells(county, "council-system", patient(child), flag(child, "c1"))
    await tells(county, "trust-epr", related(A, child, "CHILD"), related(child, A, "MTH"))
    body = people.lookup(child, S47, "parents", case="C-1")

    async def said() -> Said:
        told = groups((await county.social_worker().post("/fhir/Patient/$known-to-services", body)).json())
        return [(part(one, "answer"), part(one, "reason")) for one in told]

    assert await said() == [KNOWN]
    office = await guardian(county, "dpo1")
    first = (await withholds(office, child)).json()["parameter"][1]["valueId"]
    assert await said() == [RING]
    await withholds(office, child, withholding={"valueId": first})
    await withholds(office, A)
    assert await said() == [RING]


async def test_a_notice_that_waits_is_withheld_too(fed: World) -> None:
    """Queued before, due after: it does not leave, and the owner's log says by whose decision."""
    await settled(fed)
    with desk() as one:
        await council_hears_of(fed, [AMINA], one.url)
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        assert (await withholds(await guardian(fed, "dpo1"), AMINA)).status_code == 200
        await fed.settle()
        assert one.got == []
        (line,) = logged(fed, "lease_notice")
        assert (line.refusal, dict(line.detail)["decided-by"]) == ("owner-withheld", "Sam Lead (team-manager)")


async def test_another_organisations_person_and_a_stranger_are_not_found(county: World) -> None:
    """The same words for both."""
    office = await guardian(county, "dpo3", "council")
    for more in ({}, {"withholding": {"valueId": "0" * 32}}):
        answers = [await withholds(office, person, **more) for person in (A, STRANGER)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text
    assert await hears(county, A) == [KNOWN]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"reason": None}, "reason"),
        ({"decider": None}, "decider"),
        ({"deciderRole": {"valueCode": "Team Manager"}}, "deciderRole"),
        ({"purpose": {"valueCode": "early-help"}}, "purpose"),
        ({"receiver": {"valueIdentifier": {"system": systems.ODS_CODE, "value": "TXX99"}}}, "TXX99"),
        ({"until": {"valueDate": "2020-01-01"}}, "until"),
        ({"reviewBy": {"valueDate": "2044-01-01"}}, "reviewBy"),
        ({"until": {"valueDate": "2030"}}, "until"),
    ],
)
async def test_what_cannot_be_meant_is_named(county: World, parts: dict[str, Any], named: str) -> None:
    """A refusal without decider or reason is none; one that would protect nobody is not taken for one that does."""
    answer = await withholds(await guardian(county, "dpo1"), A, **parts)
    assert answer.status_code == 422
    assert named in answer.json()["issue"][0]["diagnostics"]
    assert await hears(county, A) == [KNOWN]


async def test_it_needs_its_scope_and_a_named_user(county: World) -> None:
    """The record system of the ward may not; nor may software on its own."""
    assert (await withholds(county.ward(), A)).status_code == 403
    assert (await withholds(await guardian(county, ""), A)).status_code == 403
    assert await hears(county, A) == [KNOWN]


def test_what_people_put_on_a_row_is_kept_even_if_a_map_let_a_feed_speak_of_it() -> None:
    """The last guard, behind maps that keep no such extension: marks that stand are kept as they are, others not taken."""
    standing, sent = ({"url": systems.extension("withheld"), "extension": [{"url": "id", "valueId": one}]} for one in "ab")
    shield = {"url": systems.extension("shield"), "valueInstant": "2026-01-01T00:00:00Z"}
    kept = _still_shielded({"extension": [standing, shield]}, {"extension": [sent]})
    assert kept == {"extension": [standing, shield]}
    assert _still_shielded({}, {"extension": [sent, shield]}) == {}
