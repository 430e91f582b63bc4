"""Quotas: how many different people a user may ask about within an hour, whoever they are and whichever worker asks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway import app as wiring
from gateway.demo import people
from gateway.demo.people import AMINA, STRANGER, Person
from gateway.disclosure.requester import Requester
from gateway.exchanges import administer
from gateway.exchanges.casework.by_hand import OwnPatient
from gateway.exchanges.casework.dispute_record import Dispute, dispute_record
from gateway.exchanges.casework.record_relationship import RelationshipRequest, record_relationship
from gateway.exchanges.lookup.charge import charge_for
from gateway.exchanges.lookup.grounds import Grounds
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.fhir.outcomes import TooMany
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.charges import ADD_CHARGE, CHARGES
from gateway.store.ledger import Moment, Outcome
from gateway.store.sql import Read, Write
from gateway.store.standing import STANDING
from gateway.store.upkeep import keep_up
from tests.data.edge import count_rows, without_log
from tests.edge.desks import patients
from tests.stories.county import CARE, S47
from tests.world import At, World

LIMIT = 4
SOMEBODY = patients(40)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A small quota."""
    return settings.model_copy(update={"quota_persons_per_hour": LIMIT})


async def uses_up(at: At, purpose: str = S47) -> None:
    """Asks about as many people as may be asked about."""
    for person in SOMEBODY[:LIMIT]:
        assert (await at.asks(person, purpose, case="C-1")).status_code == 200


def same(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """An answer without its id and what hangs on the time."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "retry-after", "date")}
    return answer.status_code, headers, answer.content


async def reasons(world: World, agency: str, person: Person) -> list[str]:
    """The refusal reasons that an agency's auditor sees in lookups about a person."""
    await world.seal()
    events = await world.auditor(agency).searches_for("AuditEvent", person, _count="200")
    return [code["code"] for one in events for code in one["subtype"] if code["system"].endswith("/refusal-reason")]


def test_thirty_people_an_hour_unless_a_deployment_says_otherwise() -> None:
    """The default of the setting."""
    assert Settings.model_fields["quota_persons_per_hour"].default == 30


async def test_over_the_quota_a_known_person_and_a_stranger_are_refused_alike(fed: World) -> None:
    """429 with the time until the full hour, the same bytes; on record for the asker, and nobody was looked at."""
    worker = fed.social_worker()
    await uses_up(worker)
    answers = [await worker.asks(person, S47, "self", "children", case="C-1") for person in (AMINA, STRANGER)]
    assert same(answers[0]) == same(answers[1])
    assert answers[0].status_code == 429
    assert answers[0].json()["issue"][0]["code"] == "throttled"
    assert all(1 <= int(answer.headers["retry-after"]) <= 3600 for answer in answers)
    assert await reasons(fed, "council", AMINA) == ["quota-exceeded"]
    assert await reasons(fed, "trust", AMINA) == []


async def test_whoever_is_counted_already_costs_nothing(fed: World) -> None:
    """The same people may be asked about again and again, in either mode and about their children."""
    worker = fed.social_worker()
    await uses_up(worker)
    for _ in range(3):
        await uses_up(worker)
    assert (await worker.asks(SOMEBODY[0], "duty-to-share-16la", "children", case="C-1", reason="r" * 20)).status_code == 200
    assert (await worker.asks(AMINA, S47, case="C-1")).status_code == 429


async def test_each_user_and_each_client_has_a_quota_of_its_own(fed: World) -> None:
    """What a colleague asked is not counted; how often somebody was asked about refuses nobody."""
    await uses_up(fed.social_worker())
    other = fed.as_("council-system", "sw23", "social-worker", S47)
    await uses_up(other)
    assert (await other.asks(AMINA, S47, case="C-1")).status_code == 429


async def test_software_without_a_user_has_a_quota_too(fed: World) -> None:
    """Wish-mode lookups of a client alone."""
    client = fed.as_("trust-epr")
    await uses_up(client, CARE)
    assert (await client.asks(AMINA, CARE)).status_code == 429


async def test_a_refusal_at_a_gate_is_charged(fed: World) -> None:
    """Trying purposes about many people is asking about them."""
    ward = fed.ward()
    answers = [(await ward.asks(person, S47, case="C-1")).status_code for person in SOMEBODY[: LIMIT + 1]]
    assert answers == [403] * LIMIT + [429]


async def test_many_at_once_do_not_get_round_the_quota(fed: World) -> None:
    """Forty lookups in the same moment: four are answered."""
    worker = fed.social_worker()
    await worker.headers()
    answers = await asyncio.gather(*(worker.asks(person, S47, case="C-1") for person in SOMEBODY))
    assert sorted(answer.status_code for answer in answers) == [200] * LIMIT + [429] * (len(SOMEBODY) - LIMIT)


async def test_one_person_asked_about_many_times_in_a_moment_takes_one_place_and_holds_nobody_up(fed: World) -> None:
    """Twenty questions of one user that come at once are counted once, and answered together."""
    ledger = fed.gateway.ledger
    ask = asked(0, (await ledger.read([Read(STANDING)]))[0][0][1])
    answers = await asyncio.gather(*(ledger.run(look_up_status, ask) for _ in range(20)))
    assert {answer.refused for answer in answers} == {""}
    assert len({answer.at for answer in answers}) <= 3  # batches, on PostgreSQL on two connections
    who = charge_for(fed.gateway.context, ask.requester, ask.nhs, Moment(answers[0].at, "", "", {})).who
    assert [len(rows) for rows in await held(fed, who)] == [1]


async def test_a_subscription_is_charged_like_a_lookup(fed: World) -> None:
    """After four people the subscription about a fifth is one too many; about one of the four it is not."""
    worker = fed.social_worker()
    assert [(await subscribes(worker, person)).status_code for person in SOMEBODY[:LIMIT]] == [201] * LIMIT
    assert (await worker.asks(AMINA, S47, case="C-1")).status_code == 429
    found = [await subscribes(worker, person) for person in (AMINA, STRANGER, SOMEBODY[0])]
    assert [answer.status_code for answer in found] == [429, 429, 201]
    assert same(found[0]) == same(found[1])


async def subscribes(at: At, person: Person) -> httpx.Response:
    """A subscription to a person's status."""
    body = people.subscription(
        person, "known-status-changed", "https://receiver.example/hook", "duty-to-share-16la", case="C-9", reason="The plan"
    )
    return await at.post("/fhir/Subscription", body)


def asked(place: int, stamp: str = "") -> LookupRequest:
    """A lookup as the edge hands it on."""
    requester = Requester("council-system", "TLA01", frozenset(), "sw22", "social-worker", frozenset({S47}), stamp)
    return LookupRequest(requester, SOMEBODY[place].nhs, SOMEBODY[place].born, True, S47, case_reference="s|C-1")


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_two_workers_share_one_quota(fed: World) -> None:
    """At once and in turn, at two workers on one database: four people in all."""
    stamp = (await fed.gateway.ledger.read([Read(STANDING)]))[0][0][1]
    other = await wiring.open_gateway(fed.settings)
    try:
        workers: list[Any] = [fed.gateway.ledger, other.ledger]
        asks = [workers[place % 2].run(look_up_status, asked(place, stamp)) for place in range(20)]
        answers = await asyncio.gather(*asks)
        assert [answer.refused for answer in answers].count("") == LIMIT
        for place in range(20, 24):
            assert (await workers[place % 2].run(look_up_status, asked(place, stamp))).refused == "quota-exceeded"
    finally:
        await wiring.close_gateway(other)


def charged_before(ctx: Any, who: bytes, moment: Moment) -> Any:
    """A charge of another hour."""
    yield Write(ADD_CHARGE, {"who": who, "place": 0, "person": b"somebody"})
    return Outcome(None, (administer._line("charged_before", moment, ""),))


async def test_the_next_hour_begins_anew_and_the_last_is_forgotten(fed: World) -> None:
    """Places are of an hour; upkeep sweeps those of past hours and leaves this one's."""
    await uses_up(fed.social_worker())
    ctx, ledger, now = fed.gateway.context, fed.gateway.ledger, clock.now()
    times = (now - 2 * clock.HOUR, now, now + clock.HOUR)
    past, this, coming = [charge_for(ctx, asked(0).requester, "x", Moment(at, "", "", {})).who for at in times]
    assert past < this < coming
    await ledger.run_alone(charged_before, past)
    assert [len(rows) for rows in await held(fed, past, this, coming)] == [1, LIMIT, 0]
    await keep_up(ledger, ctx.vault)
    assert [len(rows) for rows in await held(fed, past, this, coming)] == [0, LIMIT, 0]


async def held(world: World, *keys: bytes) -> list[Any]:
    """What is counted under these keys."""
    return await world.gateway.ledger.read([Read(CHARGES, {"key": key}) for key in keys])


async def test_what_staff_bring_elsewhere_is_charged_like_a_lookup(fed: World) -> None:
    """A dispute and a relationship to confirm; over the quota the known and the stranger alike, and nothing is kept."""
    nurse = Requester("trust-epr", "TMH01", frozenset(), "nurse7", "care-coordinator", frozenset({"duty-to-share-16la"}))
    why = {"grounds": Grounds("duty-to-share-16la", "urn:trust|C-9", reason="The plan rests on it")}

    def wrong(person: Person) -> Dispute:
        return Dispute(nurse, OwnPatient(person.nhs, person.born), "TLA01", "It ended in March", "a-parent", **why)

    for person in SOMEBODY[:LIMIT]:
        await fed.gateway.ledger.run_alone(dispute_record, wrong(person))
    planted = RelationshipRequest(
        nurse, OwnPatient(AMINA.nhs), "CHILD", "the-person", nhs=people.RUBY.nhs, **why
    )  # fmt: skip
    before = without_log(await count_rows(fed))
    for exchange_of, request in (
        (dispute_record, wrong(people.LEO)),
        (dispute_record, wrong(STRANGER)),
        (record_relationship, planted),
    ):
        with pytest.raises(TooMany):
            await fed.gateway.ledger.run_alone(exchange_of, request)
    assert without_log(await count_rows(fed)) == before


async def test_looking_for_somebody_among_ones_own_is_charged_like_a_lookup(fed: World) -> None:
    """Each description counts once, however it comes out; over the quota one's own and a stranger alike."""
    at = fed.social_worker()
    described = [
        {"resourceType": "Patient", "birthDate": people.LEO.born, "name": [{"family": f"TRIED{place}"}]} for place in range(9)
    ]
    for resource in (*described[:LIMIT], described[0]):
        assert (await at.post("/fhir/Patient/$match", resource)).status_code == 200
    own = {"resourceType": "Patient", "birthDate": people.LEO.born, "name": [{"family": people.LEO.family}]}
    answers = [await at.post("/fhir/Patient/$match", resource) for resource in (own, described[LIMIT])]
    assert {answer.status_code for answer in answers} == {429}
    assert same(answers[0]) == same(answers[1])
