"""After the fact: enquiries without a case, and duties claimed after a wish was answered with nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import Text, bindparam, update

from gateway.audit.entry import DONE, Kind
from gateway.demo.people import AMINA, BETH, LEO, STRANGER, Person, day
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.lines import line
from gateway.exchanges.log.find_reviews import AFTER_WISH, ASKED_OFTEN, MANY, NO_CASE
from gateway.listing.reviews import review_rows
from gateway.reconciling import find_daily, find_in
from gateway.store import clock, reviews
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Statement, Write
from gateway.store.tables import daily_turn
from tests.edge.guardians import guardian, queue, settled
from tests.edge.record_system import record_system
from tests.stories.county import CARE, S47, flag, patient, somebody, tells
from tests.world import World, groups

A, B = somebody(0), somebody(1)
MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}
LATER = 15  # days after which ten working days are over


@pytest.fixture
async def county(fed: World) -> World:
    """With privacy offices; the trust has two patients of whom the council has no record."""
    await settled(fed)
    for person in (A, B):
        await tells(fed, "trust-epr", patient(person), flag(person, f"f{person.nhs}", "inpatient", **MENTAL))
    return fed


async def find(world: World, days: int = LATER) -> int:
    """What is found so many days from now."""
    return await find_in(world.gateway.ledger, world.gateway.context, clock.now() + days * clock.DAY)


async def items(world: World, agency: str, kind: str) -> list[dict[str, Any]]:
    return await queue(await guardian(world, "dpo1", agency), kind)


async def enquires(world: World, person: Person) -> None:
    assert (await world.social_worker().asks(person, S47, case="C-1")).status_code == 200


async def test_an_enquiry_without_a_case_is_for_both_sides_to_look_at(county: World) -> None:
    """After ten working days, not before; once, however often it is looked for."""
    await enquires(county, A)
    assert await find(county, 11) == 0
    assert await find(county) == 2
    for agency in ("council", "trust"):
        (item,) = await items(county, agency, NO_CASE)
        assert (item["agency"], item["user"], item["caseReference"][-3:]) == ("TLA01", "sw22", "C-1")
        assert item["person"].endswith(A.nhs)
    assert await find(county) == 2
    assert len(await items(county, "council", NO_CASE)) == 1


async def test_an_enquiry_about_a_stranger_is_for_the_asker_alone(county: World) -> None:
    """Nothing was disclosed to anybody."""
    await enquires(county, STRANGER)
    assert await find(county) == 1
    assert len(await items(county, "council", NO_CASE)) == 1
    assert await items(county, "trust", NO_CASE) == []


@pytest.mark.parametrize("detail", ["section-47", "assessment", "cp-plan"])
async def test_an_enquiry_with_a_case_is_in_order(county: World, detail: str) -> None:
    """The council's own feed tells of it."""
    await enquires(county, A)
    await tells(county, "council-system", patient(A), flag(A, "c1", detail, day()))
    assert await find(county) == 0


async def test_a_case_of_the_child_covers_the_mother(county: World) -> None:
    """Ruby's plan, at the council that has told who her mother is."""
    await enquires(county, BETH)
    assert await find(county) == 0


async def test_a_case_that_ended_before_does_not_count(county: World) -> None:
    """A plan of last year, and a plan of the trust's own telling."""
    await tells(county, "council-system", patient(A), flag(A, "c1", "cp-plan", "2025-01-05", "2025-06-05"))
    await tells(county, "trust-epr", flag(A, "c2", "section-47", day(), **MENTAL))
    await enquires(county, A)
    assert await find(county) == 2


async def test_a_duty_claimed_after_a_wish_is_for_both_sides_to_look_at(county: World) -> None:
    """The same user, the same person, within a day."""
    coordinator = county.as_("trust-epr", "cc4", "care-coordinator", CARE, "duty-to-share-16la")
    await coordinator.hears(LEO, CARE)
    await coordinator.hears(LEO, "duty-to-share-16la", case="R-1", reason="The plan rests on it")
    assert await find(county, 0) >= 1
    (item,) = await items(county, "trust", AFTER_WISH)
    assert (item["user"], item["purpose"]) == ("cc4", "duty-to-share-16la")
    assert len(await items(county, "council", AFTER_WISH)) <= 1
    await find(county, 0)
    assert len(await items(county, "trust", AFTER_WISH)) == 1


async def test_a_duty_alone_or_another_users_or_about_another_person_is_in_order(county: World) -> None:
    """Nothing is found that did not happen in that order."""
    first = county.as_("trust-epr", "cc4", "care-coordinator", CARE, "duty-to-share-16la")
    other = county.as_("trust-epr", "cc5", "care-coordinator", CARE, "duty-to-share-16la")
    await first.hears(AMINA, "duty-to-share-16la", case="R-1", reason="The plan rests on it")
    await first.hears(AMINA, CARE)
    await first.hears(LEO, CARE)
    await other.hears(LEO, "duty-to-share-16la", case="R-1", reason="The plan rests on it")
    assert await find(county, 0) == 0


async def ask_about(county: World, person: Person, users: int) -> list[dict[str, Any]]:
    """So many social workers ask about one person, one of them twice; what each was told."""
    names = [f"sw{number}" for number in range(users)]
    return [
        await county.as_("council-system", name, "social-worker", S47).hears(person, S47, case="C-1") for name in [*names, "sw0"]
    ]


@pytest.mark.parametrize("person", [LEO, STRANGER], ids=["known", "stranger"])
async def test_many_who_ask_about_one_person_on_a_day_are_looked_at_and_never_refused(county: World, person: Person) -> None:
    """Eight and not seven, known or not; for the asker's own privacy office, once; closed by none of those who asked."""
    told = await ask_about(county, person, MANY - 1)
    assert await find(county, 0) == 0
    told += await ask_about(county, person, MANY)
    assert len({json.dumps(groups(one)) for one in told}) == 1
    assert await find(county, 0) == await find(county, 0) == 1
    (item,) = await items(county, "council", ASKED_OFTEN)
    assert (item["person"][-10:], item["why"]) == (person.nhs, {"day": day()})
    assert item["users"] == [f"sw{number}" for number in range(MANY)]
    assert "user" not in item
    assert await items(county, "trust", ASKED_OFTEN) == []
    closing = {"outcome": "in-order", "sentence": "A strategy meeting with both teams."}
    for user, status in (("sw3", 403), ("dpo1", 200)):
        office = await guardian(county, user, "council")
        assert (await office.post(f"/reviews/{item['id']}/close", closing)).status_code == status


async def test_many_of_several_agencies_or_about_several_people_are_in_order(county: World) -> None:
    """Each agency's users are counted by themselves, and each person."""
    await ask_about(county, LEO, MANY - 1)
    await ask_about(county, STRANGER, MANY - 1)
    for number in range(MANY - 1):
        await county.as_("trust-epr", f"cc{number}", "care-coordinator", CARE).hears(LEO, CARE)
    assert await find(county, 0) == 0


async def test_charts_that_ask_by_themselves_are_not_counted(county: World) -> None:
    """Where a client is registered for cards, opening the record is asking: a ward has more than eight nurses a day."""
    nurses = [county.as_("trust-epr", f"nurse{number}", "ward-nurse", CARE) for number in range(MANY)]
    for nurse in nurses:
        await nurse.hears(LEO, CARE)
    assert await find(county, 0) == 1
    await record_system(county)
    assert await find(county, 0) == 0


async def test_a_closed_item_is_not_opened_again(county: World) -> None:
    """Somebody has looked at it."""
    await enquires(county, A)
    await find(county)
    office = await guardian(county, "dpo1", "council")
    (item,) = await queue(office, NO_CASE)
    closing = {"outcome": "in-order", "sentence": "The case was opened under the sibling's number."}
    assert (await office.post(f"/reviews/{item['id']}/close", closing)).status_code == 200
    await find(county)
    assert [one["state"] for one in await queue(office, NO_CASE)] == ["closed"]


async def test_the_list_of_the_command_names_nobody(county: World) -> None:
    """References, kinds and dates; what is overdue is marked."""
    await enquires(county, A)
    await find(county)
    rows = (await county.gateway.ledger.read([Read(reviews.OPEN_REVIEWS, {"agency": "TLA01", "count": 10})]))[0]
    head, row = review_rows(rows, clock.now())
    assert (head[:3], row[1:3], row[5]) == (("item", "kind", "agency"), (NO_CASE, "TLA01"), "")
    assert review_rows(rows, clock.now() + 9 * clock.DAY)[1][5] == "overdue"
    assert A.nhs not in str(row)


async def test_of_several_workers_one_goes_through_the_lookups_of_a_day(county: World) -> None:
    """By itself, without anybody's command: the first worker has the day's turn, the others nothing to do."""
    await enquires(county, A)
    rounds = [find_daily(county.gateway.ledger, county.gateway.context, clock.now() + LATER * clock.DAY) for _ in range(4)]
    found = await asyncio.gather(*rounds)
    assert sorted(found, key=str) == [2, None, None, None]
    assert len(await items(county, "council", NO_CASE)) == 1


async def test_a_day_on_which_nobody_had_the_turn_is_made_up_for_on_the_next(county: World) -> None:
    """The round of each day goes through a month."""
    ledger, context = county.gateway.ledger, county.gateway.context
    await enquires(county, A)
    assert await find_daily(ledger, context, clock.now()) == 0
    assert await find_daily(ledger, context, clock.now() + LATER * clock.DAY) is None
    await ledger.run_alone(yesterday, None)
    assert await find_daily(ledger, context, clock.now() + LATER * clock.DAY) == 2


def yesterday(_: Any, __: None, moment: Moment) -> Story[None]:
    """The turn as it was taken yesterday."""
    day = clock.day(moment.at - clock.DAY).isoformat()
    yield Write(Statement(update(daily_turn).values(day=bindparam("then", type_=Text))), {"then": day})
    return Outcome(None, (line("yesterday", OPERATOR, moment, Kind.ADMINISTRATION, DONE),))
