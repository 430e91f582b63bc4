"""What staff put on their own organisation's record: relationships that prove nothing, markers, and "this is wrong"."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, HEALTH_VISITING, LEO, RUBY, STRANGER, TRUST, VOLUNTARY, Person
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.by_hand import OwnPatient
from gateway.exchanges.casework.confirm_relationship import confirm_relationship, reject_relationship, state_relationship
from gateway.exchanges.casework.dispute_record import Dispute, accept_dispute, close_dispute, dispute_record
from gateway.exchanges.casework.markers import MarkRequest, end_marker, set_marker
from gateway.exchanges.casework.questions import Answered, list_questions
from gateway.exchanges.casework.record_relationship import RelationshipRequest, record_relationship
from gateway.exchanges.lookup.grounds import NONE, Grounds
from gateway.exchanges.lookup.interests import Interests, record_interests
from gateway.exchanges.records.resources import SearchRequest, search_resources
from gateway.exchanges.reviews import Item, OwnQueue
from gateway.fhir.outcomes import Conflict, Forbidden, GatewayError, NotFound, Unprocessable
from tests.data.edge import count_rows, exchange, log_of, without_log
from tests.world import World, groups, part

WHY = "The plan of the family rests on it"
GROUNDS = Grounds("duty-to-share-16la", "urn:trust|C-9", reason=WHY)


def nurse(user: str = "nurse7", *purposes: str) -> Requester:
    return Requester("trust-epr", TRUST, frozenset(), user, "care-coordinator", frozenset(purposes or ("duty-to-share-16la",)))


def council_worker(user: str = "dw1") -> Requester:
    return Requester("pages-TLA01", COUNCIL, frozenset(), user, "duty-worker")


def own(person: Person, *, born: bool = True) -> OwnPatient:
    return OwnPatient(person.nhs, person.born if born else "")


async def run(world: World, exchange_of: Any, request: Any) -> Any:
    return await world.gateway.ledger.run_alone(exchange_of, request)


def relationship(patient: Person = AMINA, other: Person = RUBY, **more: Any) -> RelationshipRequest:
    given = {"requester": nurse(), "role": "CHILD", "told_by": "the-person", "nhs": other.nhs, **more}
    return RelationshipRequest(patient=own(patient), **given)


def asking(**more: Any) -> dict[str, Any]:
    return {"grounds": GROUNDS, "name": "Nurse Seven", "phone": "01632 960111", **more}


async def questions(world: World, requester: Requester) -> list[Item]:
    return list(await world.gateway.ledger.run(list_questions, OwnQueue(requester)))


async def children_of(world: World, person: Person) -> list[tuple[str, str]]:
    """Answer and reason for each child, as the trust's coordinator hears them under the duty to share."""
    told = await world.coordinator().hears(person, "duty-to-share-16la", "children", case="C-9", reason=WHY)
    return sorted((part(one, "answer"), part(one, "reason") or "") for one in groups(told))


# -- relationships -------------------------------------------------------------------------------------------------------


async def test_a_planted_relationship_proves_nothing_for_its_planter(fed: World) -> None:
    """Not when it is taken down, not when a colleague confirms it: the child is as somebody of whom nobody knows."""
    before = await children_of(fed, AMINA)
    assert before == [("known", "")]
    await run(fed, record_relationship, relationship())
    planted = await children_of(fed, AMINA)
    assert planted == [("cannot-say", "no-relationship-recorded"), ("known", "")]
    item = (await questions(fed, nurse("nurse8")))[0]
    await run(fed, confirm_relationship, Answered(nurse("nurse8"), item.id, "She told me the same today"))
    assert await children_of(fed, AMINA) == planted
    await run(fed, record_relationship, relationship(BETH, STRANGER))
    of_stranger = [one for one in await children_of(fed, BETH) if one[0] != "known"]
    assert of_stranger == [("cannot-say", "no-relationship-recorded")], "planting must not tell whether somebody is on file"


async def test_what_the_owner_of_the_other_record_states_proves_it(fed: World) -> None:
    """The council is asked about its child, states from its own record who the parent is, and the trust then hears."""
    await run(fed, record_relationship, relationship(**asking()))
    item = (await questions(fed, council_worker()))[0]
    assert dict(item.matter.why)["relationship"] == "PRN" and item.matter.patient.endswith(RUBY.nhs)
    assert len([one for one in await children_of(fed, AMINA) if one[0] == "known"]) == 1
    await run(fed, state_relationship, Answered(council_worker(), item.id, "Birth certificate on file", AMINA.nhs))
    assert [one for one in await children_of(fed, AMINA) if one[0] == "known"] == [("known", ""), ("known", "")]
    assert await questions(fed, council_worker()) == []


async def test_to_others_it_proves_something_once_a_colleague_has_confirmed_it(fed: World) -> None:
    """The charity may hear of a mother who agreed; that she is this child's mother, the trust alone says."""
    charity = fed.as_("voluntary-system", "fw1", "family-worker", "early-help")
    rules = [people.permit(VOLUNTARY, "early-help", "existence", "status")]
    wish = people.consent(AMINA, AMINA, rules, agency=COUNCIL, when=f"{date.today().isoformat()}T00:00:00Z")
    assert (await fed.as_("council-system").post("/fhir/Consent", wish)).status_code == 201
    await run(fed, record_relationship, relationship(RUBY, AMINA, role="PRN"))
    assert groups(await charity.hears(RUBY, "early-help", "parents")) == []
    item = (await questions(fed, nurse("nurse8")))[0]
    await run(fed, confirm_relationship, Answered(nurse("nurse8"), item.id, "She told me the same today"))
    assert [part(one, "answer") for one in groups(await charity.hears(RUBY, "early-help", "parents"))] == ["known"]


async def test_one_person_does_not_undo_what_a_second_has_confirmed(fed: World) -> None:
    """Taken down once more, a confirmed relationship stays confirmed; one that was rejected is asked about anew."""
    await run(fed, record_relationship, relationship())
    item = (await questions(fed, nurse("nurse8")))[0]
    await run(fed, reject_relationship, Answered(nurse("nurse8"), item.id, "She meant her sister's child"))
    await run(fed, record_relationship, relationship())
    (item,) = await questions(fed, nurse("nurse8"))
    await run(fed, confirm_relationship, Answered(nurse("nurse8"), item.id, "She told me the same today"))
    (before,) = await related_of(fed, AMINA)
    await run(fed, record_relationship, relationship(told_by="a-relative"))
    (after,) = await related_of(fed, AMINA)
    assert before == after and not [one for one in after["extension"] if one["url"].endswith("/unconfirmed")]
    assert await questions(fed, nurse("nurse8")) == []


async def related_of(world: World, person: Person) -> list[dict[str, Any]]:
    """What staff of the trust put down of somebody's relatives, as it stands."""
    wanted = SearchRequest(nurse(), "RelatedPerson", person=own(person).identity)
    found = await world.gateway.ledger.run(search_resources, wanted)
    return [one.body for one in found.found if one.key.startswith("by-hand/") and one.body.get("active", True)]


async def test_who_is_asked_to_confirm_is_not_told_whose_relative_it_is(fed: World) -> None:
    """The question names the agency's own person, who asks and what for; neither number nor name of the patient."""
    await run(fed, record_relationship, relationship(given="RUBY", **asking()))
    item = (await questions(fed, council_worker()))[0]
    assert AMINA.nhs not in str(item) and AMINA.given not in str(item)
    assert dict(item.matter.why) | {"phone": "01632 960111", "name": "Nurse Seven", "told-by": "the-person"} == dict(
        item.matter.why
    )
    listed = [one for one in await log_of(fed.auditor("council")) if exchange(one) == "record_relationship"]
    assert len(listed) == 1 and AMINA.nhs not in str(listed)


async def test_nobody_is_asked_unless_staff_wish_it_and_the_purpose_is_theirs(fed: World) -> None:
    """No item elsewhere without asking; a purpose that is not theirs, or over the quota, leaves nothing behind."""
    await run(fed, record_relationship, relationship())
    assert await questions(fed, council_worker()) == []
    before = without_log(await count_rows(fed))
    with pytest.raises(Forbidden):
        await run(
            fed, record_relationship, relationship(BETH, LEO, **asking(grounds=GROUNDS._replace(purpose="safeguarding-s47")))
        )
    with pytest.raises(Forbidden):
        await run(fed, record_relationship, relationship(BETH, LEO, **asking(grounds=GROUNDS._replace(case_reference=""))))
    assert without_log(await count_rows(fed)) == before


async def test_nobody_answers_for_their_own_family(fed: World) -> None:
    """Who is registered as of the child's family neither states nor rejects whose child it is; a colleague does."""
    await run(fed, record_relationship, relationship(**asking()))
    await run(fed, record_interests, Interests(council_worker("lead1"), "dw1", (RUBY.nhs,)))
    item = (await questions(fed, council_worker()))[0]
    for act in (state_relationship, reject_relationship):
        with pytest.raises(Forbidden, match="your family"):
            await run(fed, act, Answered(council_worker(), item.id, "I know him well", AMINA.nhs))
    await run(fed, state_relationship, Answered(council_worker("dw2"), item.id, "Birth certificate on file", AMINA.nhs))


async def test_the_same_question_is_one_item_however_often_it_is_asked(fed: World) -> None:
    """And once it was answered it is not asked again."""
    for _ in range(3):
        await run(fed, record_relationship, relationship(**asking()))
    assert len(await questions(fed, council_worker())) == 1 and len(await questions(fed, nurse("nurse8"))) == 1
    item = (await questions(fed, council_worker()))[0]
    await run(fed, reject_relationship, Answered(council_worker(), item.id, "Not the parent on our record"))
    await run(fed, record_relationship, relationship(**asking()))
    assert await questions(fed, council_worker()) == []


async def test_nobody_confirms_what_they_took_down_themselves_nor_anothers_question(fed: World) -> None:
    """A second person; each agency its own queue; each way for its own kind of question; once."""
    await run(fed, record_relationship, relationship(**asking()))
    ours, theirs = (await questions(fed, nurse("nurse8")))[0], (await questions(fed, council_worker()))[0]
    for refusal, act, answer in (
        (Forbidden, confirm_relationship, Answered(nurse(), ours.id, WHY)),
        (Forbidden, confirm_relationship, Answered(nurse(""), ours.id, WHY)),
        (NotFound, confirm_relationship, Answered(council_worker(), ours.id, WHY)),
        (NotFound, state_relationship, Answered(nurse("nurse8"), theirs.id, WHY, AMINA.nhs)),
        (NotFound, accept_dispute, Answered(council_worker(), theirs.id, WHY)),
        (Conflict, confirm_relationship, Answered(council_worker(), theirs.id, WHY)),
        (Conflict, state_relationship, Answered(nurse("nurse8"), ours.id, WHY, RUBY.nhs)),
        (Unprocessable, state_relationship, Answered(council_worker(), theirs.id, WHY, RUBY.nhs)),
    ):
        with pytest.raises(refusal):
            await run(fed, act, answer)
    await run(fed, confirm_relationship, Answered(nurse("nurse8"), ours.id, WHY))
    with pytest.raises(Conflict):
        await run(fed, reject_relationship, Answered(nurse("nurse9"), ours.id, WHY))


async def test_what_a_colleague_rejects_no_longer_stands(fed: World) -> None:
    """The relationship is inactive in the agency's own record; the record keeps that it was once said."""
    await run(fed, record_relationship, relationship())
    item = (await questions(fed, nurse("nurse8")))[0]
    await run(fed, reject_relationship, Answered(nurse("nurse8"), item.id, "She meant her niece"))
    held = [
        one
        for one in await fed.as_("trust-epr").searches_for("RelatedPerson", AMINA)
        if one["identifier"][0]["value"] == RUBY.nhs
    ]
    assert [(one["active"], one["meta"]["versionId"]) for one in held] == [(False, "2")]
    assert await children_of(fed, AMINA) == [("known", "")]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"role": "QUEEN"}, "role"),
        ({"told_by": "gossip"}, "told_by"),
        ({"nhs": AMINA.nhs}, "nhs"),
        ({"nhs": ""}, "nhs"),
        ({"nhs": "", "given": "Ruby", "birth_date": "2017-01-19", **asking()}, "nhs"),
        ({"told_on": (date.today() + timedelta(days=2)).isoformat()}, "told_on"),
        ({"told_on": "yesterday"}, "told_on"),
    ],
)
async def test_a_relationship_that_cannot_be_taken_down_names_its_field(fed: World, more: dict[str, Any], where: str) -> None:
    """And nothing of it is kept."""
    before = without_log(await count_rows(fed))
    with pytest.raises(Unprocessable) as refused:
        await run(fed, record_relationship, relationship(**more))
    assert refused.value.issues[0].where == where
    assert without_log(await count_rows(fed)) == before


# -- markers -------------------------------------------------------------------------------------------------------------


async def standing(world: World, person: Person, client: str = "trust-epr") -> dict[str, str]:
    """The markers on an agency's own record, with their status."""
    found = await world.as_(client).searches_for("Flag", person)
    return {
        coding["code"]: one["status"] for one in found for coding in one["code"]["coding"] if coding["system"].endswith("/marker")
    }


def mark(code: str, person: Person = AMINA, on: str = "", who: Requester | None = None) -> MarkRequest:
    return MarkRequest(who or nurse(), own(person), code, on)


async def markers_told(world: World, person: Person = AMINA) -> list[str]:
    """What the council's social worker is shown of the trust's markers under the duty to share."""
    told = await world.social_worker().hears(person, "duty-to-share-16la", case="C-9", reason=WHY)
    flags = [one["resource"] for found in groups(told) for one in found if one["name"] == "flag"]
    codings = [one["code"]["coding"][0] for one in flags]
    return sorted(one["code"] for one in codings if one["system"].endswith("/marker"))


async def test_a_marker_is_told_from_its_day_on_and_no_longer_once_it_ended(fed: World) -> None:
    """Set, set again, ended: one Flag of the agency's own, in versions, each act on record with its user."""
    for _ in range(2):
        await run(fed, set_marker, mark("crisis-plan-names-childcare"))
    assert await markers_told(fed) == ["crisis-plan-names-childcare"]
    await run(fed, end_marker, mark("crisis-plan-names-childcare"))
    assert await markers_told(fed) == []
    assert await standing(fed, AMINA) == {"crisis-plan-names-childcare": "inactive"}
    acts = [exchange(one) for one in await log_of(fed.auditor("trust")) if exchange(one) in ("set_marker", "end_marker")]
    assert sorted(acts) == ["end_marker", "set_marker", "set_marker"]


async def test_of_the_answers_about_children_the_last_stands(fed: World) -> None:
    """Asked again, what was answered before has ended."""
    for code in ("children-asked-declined", "children-asked-none", "children-asked-yes"):
        await run(fed, set_marker, mark(code))
    assert await standing(fed, AMINA) == {
        "children-asked-declined": "inactive", "children-asked-none": "inactive", "children-asked-yes": "active",
    }  # fmt: skip


async def test_a_patient_of_whom_the_feed_has_not_told_is_put_down_with_number_and_birth_date(fed: World) -> None:
    """Without a birth date nobody is made up; a marker alone makes nobody known."""
    with pytest.raises(NotFound):
        await run(fed, set_marker, MarkRequest(nurse(), own(STRANGER, born=False), "young-carer"))
    await run(fed, set_marker, mark("young-carer", STRANGER))
    assert await standing(fed, STRANGER) == {"young-carer": "active"}
    told = await fed.social_worker().hears(STRANGER, "duty-to-share-16la", case="C-9", reason=WHY)
    assert [part(one, "answer") for one in groups(told)] == ["not-known"]


@pytest.mark.parametrize(
    ("request_of", "refusal"),
    [
        (mark("disputed-by-person"), Unprocessable),
        (mark("bad-parent"), Unprocessable),
        (mark("young-carer", on=(date.today() + timedelta(days=2)).isoformat()), Unprocessable),
        (mark("young-carer", on="soon"), Unprocessable),
        (mark("young-carer", who=nurse("")), Forbidden),
    ],
)
async def test_a_marker_that_is_not_offered_or_lies_ahead_is_not_set(
    fed: World, request_of: MarkRequest, refusal: type[GatewayError]
) -> None:
    """Nor one by nobody in particular."""
    with pytest.raises(refusal):
        await run(fed, set_marker, request_of)
    assert await standing(fed, AMINA) == {}


async def test_what_does_not_stand_cannot_be_ended(fed: World) -> None:
    """Never set, ended already, or told by a feed."""
    for _ in range(2):
        with pytest.raises(Conflict):
            await run(fed, end_marker, mark("crisis-plan"))
        await run(fed, set_marker, mark("young-carer"))
    await run(fed, end_marker, mark("young-carer"))
    with pytest.raises(Conflict):
        await run(fed, end_marker, mark("young-carer"))


# -- this is wrong -------------------------------------------------------------------------------------------------------


def dispute(owner: str, person: Person = LEO, **more: Any) -> Dispute:
    given = {
        "requester": nurse(), "person": own(person), "owner": owner, "sentence": "The plan ended in March", "said_by": "a-parent",
        **asking(), **more,
    }  # fmt: skip
    return Dispute(**given)


async def test_this_is_wrong_reaches_whose_record_it_is_and_is_shown_with_the_line_once_they_mark_it(fed: World) -> None:
    """The council sees what is said to be wrong, by whom, and whom to ring; it sets its own marker."""
    await run(fed, dispute_record, dispute(COUNCIL))
    item = (await questions(fed, council_worker()))[0]
    assert dict(item.matter.why) == {
        "said": "The plan ended in March", "said-by": "a-parent", "name": "Nurse Seven", "phone": "01632 960111",
    }  # fmt: skip
    assert await standing(fed, LEO, "council-system") == {}
    await run(fed, accept_dispute, Answered(council_worker(), item.id, "We look at it with the chair"))
    assert await standing(fed, LEO, "council-system") == {"disputed-by-person": "active"}
    assert await questions(fed, council_worker()) == []


async def test_what_is_wrong_in_our_own_record_is_marked_at_once_and_a_colleague_looks_at_it(fed: World) -> None:
    """Who took it down does not close it."""
    await run(fed, dispute_record, dispute(TRUST, AMINA, said_by="the-person", grounds=NONE))
    assert await standing(fed, AMINA) == {"disputed-by-person": "active"}
    assert await markers_told(fed) == ["disputed-by-person"]
    item = (await questions(fed, nurse("nurse8")))[0]
    with pytest.raises(Forbidden):
        await run(fed, close_dispute, Answered(nurse(), item.id, WHY))
    await run(fed, close_dispute, Answered(nurse("nurse8"), item.id, "Corrected in the record"))


async def test_a_dispute_goes_to_nobody_else_and_tells_nobody_whether_somebody_is_on_file(fed: World) -> None:
    """An agency that holds nobody gets nothing; who took it down cannot tell by what is answered or on record for them."""
    assert await run(fed, dispute_record, dispute(COUNCIL)) == await run(fed, dispute_record, dispute(COUNCIL, STRANGER))
    await run(fed, dispute_record, dispute(HEALTH_VISITING))
    assert len(await questions(fed, council_worker())) == 1
    assert await questions(fed, Requester("x", HEALTH_VISITING, frozenset(), "hv1", "duty-worker")) == []
    for more in ({"grounds": GROUNDS._replace(purpose="early-help")}, {"grounds": GROUNDS._replace(case_reference="")}):
        with pytest.raises(Forbidden):
            await run(fed, dispute_record, dispute(COUNCIL, **more))
    for more, where in (({"said_by": "me"}, "said_by"), ({"owner": "NOWHERE"}, "owner")):
        with pytest.raises(Unprocessable) as refused:
            await run(fed, dispute_record, dispute(**{"owner": COUNCIL, **more}))
        assert refused.value.issues[0].where == where
