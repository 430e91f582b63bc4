"""An agency is changed by its operator: what it says of itself from then on, what stays, and what is on record."""

from typing import Any

import pytest

from gateway.audit.entry import DONE, Kind
from gateway.demo.people import AMINA, COUNCIL, STRANGER, TRUST
from gateway.exchanges.administer import OPERATOR, AgencyChange, change_agency
from gateway.exchanges.lines import line
from gateway.fhir import systems
from gateway.fhir.outcomes import Unprocessable
from gateway.store import clock
from gateway.store.ledger import Feed, Moment, Outcome
from gateway.store.sql import Read, Write
from gateway.store.standing import FEEDS, STANDING, TOUCH_FEED, feeds_of
from tests.data.edge import exchange, log_of
from tests.world import World, groups, part


async def change(world: World, code: str, **to: Any) -> None:
    """What `gateway agency change` does."""
    await world.gateway.ledger.run_alone(change_agency, AgencyChange(code, **to))


async def registered(world: World, code: str) -> Feed:
    """An agency as it is registered now."""
    return feeds_of((await world.gateway.ledger.read([Read(FEEDS)]))[0])[code]


def heard_hours_ago(_: Any, hours: int, moment: Moment) -> Any:
    """The trust's feed was last heard of some hours ago."""
    yield Write(TOUCH_FEED, {"agency_code": TRUST, "as_of": moment.at - hours * clock.HOUR})
    return Outcome(None, (line("test", OPERATOR, moment, Kind.ADMINISTRATION, DONE),))


def desk(phone: str) -> dict[str, str]:
    return {"kind": "duty-desk", "name": "Northmoor duty desk", "phone": phone}


async def test_a_new_telephone_number_is_told_from_the_next_answer_on(fed: World) -> None:
    """Whom to ring, and the name beside it, in coverage; the token of before stays good, and no other agency changes."""
    worker = fed.social_worker()
    assert "01632 960101" in str(await worker.hears(AMINA, "safeguarding-s47", case="C"))
    stamp = (await fed.gateway.ledger.read([Read(STANDING)]))[0][0][1]
    council = await registered(fed, COUNCIL)
    await change(fed, TRUST, profile={"desks": [desk("01632 960111")], "traced": True}, name="Northmoor Partnership")
    after = str(await worker.hears(AMINA, "safeguarding-s47", case="C"))
    assert ("01632 960111" in after, "01632 960101" in after, "01632 960102" in after) == (True, False, False)
    assert ("Northmoor Partnership" in after, "Northmoor Mental Health" in after) == (True, False)
    assert (await fed.gateway.ledger.read([Read(STANDING)]))[0][0][1] == stamp
    assert await registered(fed, COUNCIL) == council


async def test_an_agency_that_becomes_sensitive_is_answered_for_by_its_desk_alone(fed: World) -> None:
    """The service, which would name its kind, leaves no more from the next answer on."""
    worker, named = fed.social_worker(), systems.code_system("service")
    (group,) = groups(await worker.hears(AMINA, "safeguarding-s47", case="C"))
    assert named in str(group)
    await change(fed, TRUST, profile={"desks": [desk("01632 960101")], "traced": True, "sensitive": True})
    (group,) = groups(await worker.hears(AMINA, "safeguarding-s47", case="C"))
    assert (part(group, "answer"), named in str(group)) == ("known", False)


@pytest.mark.parametrize("to", [{"complete": False}, {"fresh_hours": 2}])
async def test_a_feed_that_is_complete_or_fresh_no_longer_gives_no_not_known(fed: World, to: dict[str, Any]) -> None:
    """What is not in such a feed may yet be: the agency cannot say."""
    worker = fed.social_worker()

    async def answers() -> list[Any]:
        return [part(group, "answer") for group in groups(await worker.hears(STRANGER, "safeguarding-s47", case="C"))]

    await fed.gateway.ledger.run_alone(heard_hours_ago, 3)
    assert await answers() == ["not-known"]
    await change(fed, TRUST, **to)
    assert await answers() == ["cannot-say"]


@pytest.mark.parametrize(
    "to",
    [
        {"name": "Northmoor"}, {"complete": False}, {"holds_from": "2016-01-01"}, {"fresh_hours": 24},
        {"name": "Northmoor", "complete": False, "holds_from": "2016-01-01", "fresh_hours": 24},
    ],
)  # fmt: skip
async def test_what_is_not_named_stays(fed: World, to: dict[str, Any]) -> None:
    """Kind, age of the feed and all the rest are as before; the version grows by one."""
    before = await registered(fed, TRUST)
    await change(fed, TRUST, **to)
    assert await registered(fed, TRUST) == before._replace(**to, version=before.version + 1)


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ({}, "Say what is to change"),
        ({"profile": {"sensitve": True}}, "unknown setting sensitve"),
        ({"holds_from": "2018-13-01"}, "is no date"),
        ({"fresh_hours": 0}, "1 to 8760 hours"),
        ({"fresh_hours": 8761}, "1 to 8760 hours"),
        ({"code": "TNO01", "name": "x"}, "There is no agency TNO01"),
    ],
)
async def test_a_change_that_would_not_be_read_as_it_is_meant_is_refused(world: World, to: dict[str, Any], says: str) -> None:
    """By what an agency could not be registered with either; nothing is changed."""
    before = await registered(world, TRUST)
    with pytest.raises(Unprocessable, match=says):
        await world.gateway.ledger.run_alone(change_agency, AgencyChange(**{"code": TRUST, **to}))
    assert await registered(world, TRUST) == before


async def test_a_change_is_on_record_for_the_agency_itself(world: World) -> None:
    """Its auditor sees what was changed by name; no other agency does."""
    await change(world, TRUST, name="Northmoor", fresh_hours=24)
    (event,) = await log_of(world.auditor("trust"), exchange="change_agency")
    details = {one["type"]: one["valueString"] for entity in event["entity"] for one in entity.get("detail", ())}
    assert (exchange(event), event["outcome"], details["changed"]) == ("change_agency", "0", "name fresh_hours")
    assert not await log_of(world.auditor("council"), exchange="change_agency")
