"""What befell an agency's own records is told to its privacy officer: overrides at once, disclosures as a day's count."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, STRANGER
from gateway.fhir import systems
from gateway.reconciling import find_daily
from gateway.settings import Settings
from gateway.store import clock
from tests.edge.desks import desk
from tests.edge.durable import ask, change
from tests.edge.guardians import guardian, opened_in_danger, overrides, settled, shields, urgent, withholds
from tests.edge.test_delivery_decision import logged
from tests.stories.county import S47
from tests.world import At, World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def county(fed: World) -> World:
    """With duty teams and privacy offices."""
    return await settled(fed)


def wanted(topic: str, url: str, purpose: str = "audit", **more: Any) -> dict[str, Any]:
    """A subscription of a privacy office: it names nobody."""
    body = people.subscription(AMINA, topic, url, purpose)
    del body["_criteria"]
    return {**body, **more}


async def hears_of(office: At, topic: str, url: str) -> None:
    answer = await office.post("/fhir/Subscription", wanted(topic, url))
    assert answer.status_code == 201, answer.text


def told(got: Any) -> dict[str, Any]:
    """The signal of a message, part by part."""
    parts = got.bundle["entry"][1]["resource"]["parameter"][0]["part"]
    return {one["name"]: next(value for name, value in one.items() if name.startswith("value")) for one in parts}


async def test_an_override_is_told_to_the_privacy_officer_of_who_holds_the_record(county: World) -> None:
    """At once and urgently: that it happened, to whom of their own, when, and where to look. Not who asked, nor for what;
    another agency's privacy officer hears nothing."""
    with desk() as trust, desk() as council:
        await hears_of(await guardian(county, "dpo1"), "override-used", trust.url)
        await hears_of(await guardian(county, "dpo2", "council"), "override-used", council.url)
        assert (await overrides(await urgent(county), AMINA)).status_code == 200
        await county.settle()
        (got,) = trust.got
        assert council.got == []
    header, signal = got.bundle["entry"][0]["resource"], told(got)
    assert {"url": systems.extension("priority"), "valueCode": "urgent"} in header["extension"]
    assert header["eventCoding"]["code"] == signal["topic"]["code"] == "override-used"
    assert (signal["subject"]["value"], signal["read"][-10:]) == (AMINA.nhs, "AuditEvent")
    assert set(signal) == {"subject", "topic", "happened", "owner", "read"}
    assert "sw22" not in got.body.decode() and "bridge" not in got.body.decode()
    (line,) = logged(county, "lease_notice")
    assert (line.basis, line.tier, line.requester, line.custodian) == (("own-record",), 0, "TMH01", "TMH01")


@pytest.mark.parametrize("closed", ["shielded", "withheld"])
async def test_an_override_that_opens_nothing_is_told_too(county: World, closed: str) -> None:
    """The owner rings back; that is what the notice is for."""
    office = await guardian(county, "dpo1")
    await (shields if closed == "shielded" else withholds)(office, AMINA)
    with desk() as trust:
        await hears_of(office, "override-used", trust.url)
        await overrides(await urgent(county), AMINA)
        await county.settle()
        assert trust.topics() == ["override-used"]


async def test_an_override_about_a_stranger_is_nobodys_notice(county: World) -> None:
    """No agency holds the person; and an ordinary enquiry is no override."""
    with desk() as trust:
        await hears_of(await guardian(county, "dpo1"), "override-used", trust.url)
        await overrides(await urgent(county), STRANGER)
        await county.social_worker().asks(AMINA, S47, case="C-1")
        await county.settle()
        assert trust.got == []


async def test_disclosures_are_told_as_the_count_of_a_day(county: World) -> None:
    """Once for each day, to who subscribes: how many lookups had something in their answer. Nobody is named, neither the
    asker nor the person, and a lookup writes nothing for it."""
    with desk() as trust, desk() as council:
        await hears_of(await guardian(county, "dpo1"), "accessed", trust.url)
        await hears_of(await guardian(county, "dpo2", "council"), "accessed", council.url)
        worker = county.social_worker()
        for person in (AMINA, AMINA, BETH, STRANGER):  # of Beth, whom it holds, the trust has nothing to tell
            await worker.asks(person, S47, case="C-1")
        assert ask(county.settings, "SELECT count(*) FROM outbox") == [(0,)]
        tomorrow = clock.now() + clock.DAY
        rounds = [await find_daily(county.gateway.ledger, county.gateway.context, tomorrow) for _ in range(2)]
        assert rounds == [0, None]
        await county.settle()
        (got,) = trust.got
        assert council.got == []
    signal = told(got)
    assert (signal["topic"]["code"], signal["count"]) == ("accessed", 2)
    assert signal["happened"] == clock.day(clock.now()).isoformat()
    assert set(signal) == {"topic", "happened", "owner", "read", "count"}
    assert not any(word in got.body.decode() for word in (AMINA.nhs, BETH.nhs, "TLA01", "sw22"))


async def test_an_agency_is_told_that_its_own_records_are_late(county: World) -> None:
    """Its privacy office, once in a day's round; not while they are in time, and not another agency's."""
    with desk() as trust, desk() as council:
        await hears_of(await guardian(county, "dpo1"), "feed-stale", trust.url)
        await hears_of(await guardian(county, "dpo2", "council"), "feed-stale", council.url)
        await find_daily(county.gateway.ledger, county.gateway.context, clock.now())
        change(county.settings, "UPDATE agency SET data_as_of = data_as_of - ? WHERE code = 'TMH01'", 3 * clock.DAY)
        change(county.settings, "UPDATE daily_turn SET day = '2000-01-01'")
        for _ in range(2):
            await find_daily(county.gateway.ledger, county.gateway.context, clock.now())
        await county.settle()
        (got,) = trust.got
        assert council.got == []
    assert (told(got)["topic"]["code"], set(told(got))) == ("feed-stale", {"topic", "happened", "owner"})


@pytest.mark.parametrize("topic", ["accessed", "override-used", "feed-stale"])
async def test_who_may_subscribe_to_what_befalls_own_records(county: World, topic: str) -> None:
    """For the purpose audit, by who may claim it, and about no person. Nobody hears of another agency's records."""
    office = await guardian(county, "dpo1")
    url = "https://hook.example/in"
    filter_ = people.subscription(AMINA, topic, url, "audit")
    refused = [
        (await office.post("/fhir/Subscription", wanted(topic, url, "statistics"))).status_code,
        (await county.social_worker().post("/fhir/Subscription", wanted(topic, url))).status_code,
        (await county.social_worker().post("/fhir/Subscription", wanted(topic, url, S47))).status_code,
        (await office.post("/fhir/Subscription", filter_)).status_code,
    ]
    assert refused == [403, 403, 403, 422]
