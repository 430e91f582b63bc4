"""Reviews: an agency's own queue, closed by a second person; and whom a user must not ask about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, STRANGER, Person
from gateway.disclosure.working_days import shipped_holidays
from gateway.exchanges.reviews import working_days_after
from gateway.settings import Settings
from gateway.store import clock
from tests.edge.guardians import GUARDING, at, guardian, opened_in_danger, overrides, queue, settled, urgent
from tests.stories.county import CARE, S47, masked, wishes
from tests.world import At, World, groups, part

CLOSING = {"outcome": "in-order", "sentence": "Rang the ward; the danger was real and the child is with her aunt."}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def county(fed: World) -> World:
    """With duty teams and privacy offices."""
    return await settled(fed)


async def closes(office: At, identifier: str, **changed: Any) -> int:
    """The status of an attempt to close an item."""
    return (await office.post(f"/reviews/{identifier}/close", {**CLOSING, **changed})).status_code


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        ("2026-11-23", "2026-11-26"),
        ("2026-11-25", "2026-11-30"),
        ("2026-11-27", "2026-12-02"),
        ("2026-11-28", "2026-12-02"),
        ("2026-12-24", "2026-12-31"),
    ],
    ids=["Monday", "Wednesday", "Friday", "Saturday", "Christmas Eve"],
)
def test_three_working_days(opened: str, due: str) -> None:
    """Saturdays and Sundays are none, nor are bank holidays."""
    at = clock.micros(datetime.fromisoformat(f"{opened}T15:00:00+00:00"))
    assert clock.instant(working_days_after(at, 3, shipped_holidays())) == f"{due}T15:00:00.000Z"


async def test_an_item_is_closed_by_a_second_person(county: World) -> None:
    """Not by the one whose act it is, in whatever software; and only once. It stays to be seen, with who closed it."""
    await overrides(await urgent(county, "sw22"), AMINA)
    (item,) = await queue(await guardian(county, "dpo1", "council"))
    assert (item["state"], item["overdue"]) == ("open", False)
    assert await closes(await guardian(county, "sw22", "council"), item["id"]) == 403
    assert await closes(await guardian(county, "", "council"), item["id"]) == 403
    assert await closes(await guardian(county, "dpo1", "council"), item["id"]) == 200
    assert await closes(await guardian(county, "dpo3", "council"), item["id"]) == 409
    (item,) = await queue(await guardian(county, "dpo1", "council"))
    assert (item["state"], item["closedBy"], item["outcome"]) == ("closed", "dpo1", "in-order")
    assert item["sentence"] == CLOSING["sentence"]


async def test_the_owners_alert_is_closed_by_anybody_of_the_owner(county: World) -> None:
    """Who acted is of another organisation, even where the user ids are the same."""
    await overrides(await urgent(county, "sw22"), AMINA)
    (alert,) = await queue(await guardian(county, "sw22", "trust"))
    assert await closes(await guardian(county, "sw22", "trust"), alert["id"]) == 200


async def test_an_item_of_another_organisation_is_not_found(county: World) -> None:
    """The same as one that does not exist; a list of interests is no item either."""
    await overrides(await urgent(county), STRANGER)
    (item,) = await queue(await guardian(county, "dpo1", "council"))
    other = await guardian(county, "dpo2")
    answers = [await other.post(f"/reviews/{one}/close", CLOSING) for one in (item["id"], "0" * 32)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert await queue(other) == []


@pytest.mark.parametrize(
    "changed", [{"outcome": "fine"}, {"sentence": "short"}, {"sentence": None}, {"outcome": None}, {"sentence": "x" * 1001}]
)
async def test_closing_needs_an_outcome_and_a_sentence(county: World, changed: dict[str, Any]) -> None:
    """One of three outcomes, and words of one's own."""
    await overrides(await urgent(county), STRANGER)
    office = await guardian(county, "dpo1", "council")
    (item,) = await queue(office)
    assert await closes(office, item["id"], **changed) == 422


async def test_open_items_come_first_the_longest_due_before_the_others(county: World) -> None:
    """Then what was closed."""
    office = await guardian(county, "dpo1", "council")
    for person in (AMINA, LEO, STRANGER):
        await overrides(await urgent(county), person)
    first, *_ = await queue(office)
    await closes(office, first["id"])
    found = await queue(office)
    assert [one["state"] for one in found] == ["open", "open", "closed"]
    assert found[0]["due"] <= found[1]["due"]
    assert found[2]["id"] == first["id"]


async def test_the_queue_and_its_closing_are_on_record(county: World) -> None:
    """With the auditor of the organisation whose queue it is."""
    await overrides(await urgent(county), AMINA)
    office = await guardian(county, "dpo1", "council")
    (item,) = await queue(office)
    await closes(office, item["id"])
    await county.seal()
    for exchange, count in (("list_reviews", 1), ("close_review", 1)):
        answer = await county.auditor("council").searches("AuditEvent", exchange=exchange)
        assert len(answer.json()["entry"]) == count


async def test_the_queue_needs_its_scope(county: World) -> None:
    """The record system of the council does not see it."""
    assert (await county.social_worker().get("/reviews")).status_code == 403
    assert GUARDING not in str([one.scopes for one in people.CLIENTS])


# -- conflicts of interest ---------------------------------------------------------------------------------------------


async def registers(world: World, agency: str, user: str, *about: Person, by: str = "dpo1") -> int:
    """An agency says whom one of its users must not ask about."""
    office = await guardian(world, by, agency)
    return (await office.put("/reviews/interests", {"user": user, "people": [one.nhs for one in about]})).status_code


async def test_who_asks_about_their_own_gets_the_ordinary_negative(county: World) -> None:
    """No information, byte for byte a stranger's; her safeguarding lead has an item, the log the cause."""
    await wishes(county, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"))
    assert groups(await county.ward().hears(LEO, CARE))
    assert await registers(county, "trust", "nurse7", LEO) == 200
    assert masked(await county.ward().asks(LEO, CARE)) == masked(await county.ward().asks(STRANGER, CARE))
    (item,) = await queue(await guardian(county, "dpo1"))
    assert (item["kind"], item["user"]) == ("conflict-of-interest", "nurse7")
    await county.seal()
    events = await county.auditor("council").searches_for("AuditEvent", LEO, _count="200")
    assert "conflict-of-interest" in str(events)


async def test_under_a_duty_their_own_are_the_desks(county: World) -> None:
    """The same for a patient and for a stranger who were registered: nobody is looked for."""
    assert await registers(county, "council", "sw22", AMINA, STRANGER) == 200
    answers = [masked(await county.social_worker().asks(one, S47, case="C-1")) for one in (AMINA, STRANGER)]
    assert answers[0] == answers[1]
    told = groups(await county.social_worker().hears(AMINA, S47, case="C-1"))
    assert {(part(group, "answer"), part(group, "reason")) for group in told} == {("cannot-say", "ring-the-desk")}
    colleague = county.as_("council-system", "sw23", "social-worker", S47)
    assert part(groups(await colleague.hears(AMINA, S47, case="C-1"))[0], "answer") == "known"


async def test_their_own_are_not_heard_of_through_a_relative_either(county: World) -> None:
    """A nurse asks about the children of a patient, one of whom is family: the cause stands with the holder alone, for an
    item in her own organisation's queue would tell whose child it is."""
    await wishes(county, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status"))
    assert groups(await county.ward().hears(AMINA, CARE, "children"))
    assert await registers(county, "trust", "nurse7", LEO) == 200
    assert groups(await county.ward().hears(AMINA, CARE, "children")) == []
    assert await queue(await guardian(county, "dpo1")) == []


async def test_interests_are_registered_by_somebody_else_and_replaced_as_a_whole(county: World) -> None:
    """Nobody takes themselves off; an empty list takes all off; a bad number is refused."""
    assert await registers(county, "trust", "dpo1", LEO) == 403
    assert await registers(county, "council", "sw22", AMINA) == 200
    assert await registers(county, "council", "sw22", by="dpo2") == 200
    assert part(groups(await county.social_worker().hears(AMINA, S47, case="C-1"))[0], "answer") == "known"
    office = await guardian(county, "dpo1")
    for body in ({"user": "nurse7", "people": ["9990001007"]}, {"user": "", "people": []}, {"people": []}, []):
        assert (await office.put("/reviews/interests", body)).status_code == 422
    assert (await county.ward().put("/reviews/interests", {"user": "nurse7", "people": []})).status_code == 403
    assert await queue(await at(county, "trust-guardian", "dpo1", "guardian")) == []
