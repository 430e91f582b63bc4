"""The answers of a lookup, one by one, on both databases: known to no-information, and what each of them needs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, STRANGER, TODAY, Person
from gateway.settings import Settings
from tests.stories.county import (
    CARE,
    DRUGS,
    NURSING,
    S47,
    VISITING,
    agency,
    agree,
    falls_silent,
    flag,
    patient,
    settle_in,
    somebody,
    speaks,
    tells,
    wishes,
)
from tests.world import World, groups, part, put_in_force

A = somebody(0)
MENTAL = {"agency": "TMH01", "service": "adult-mental-health"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With the agreements of two more agencies."""
    return agree(settings)


@pytest.fixture
async def county(world: World) -> World:
    """With a sensitive agency, and the first day's feeds."""
    return await settle_in(world)


async def answers(world: World, person: Person, *about: str, source: str = "TMH01") -> list[tuple[str, str | None]]:
    """What one agency says to the council's section 47 enquiry: answers with their reasons."""
    told = groups(await world.social_worker().hears(person, S47, *about, case="C-1"))
    return [(part(group, "answer"), part(group, "reason")) for group in told if agency(group) == source]


def ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("detail", "start", "end", "answer", "itk", "status"),
    [
        ("inpatient", ago(9), "", "known", "30001", "high-intensity"),
        ("community", ago(9), "", "known", "30001", "active"),
        ("referred", ago(9), "", "known", "30001", "pending"),
        ("community", ago(90), ago(0), "recently-closed", "30003", "recently-closed"),
        ("community", ago(900), ago(365), "recently-closed", "30003", "recently-closed"),
        ("community", ago(900), ago(366), "closed", "30003", "closed"),
        ("detained", ago(9), "", "known", "30001", "high-intensity"),
        ("inpatient", ago(-2), "", "not-known", "30002", None),
    ],
)
async def test_known_recently_closed_closed_and_not_begun(
    county: World, detail: str, start: str, end: str, answer: str, itk: str, status: str | None
) -> None:
    """By the dates of the involvement on the day of the question; who is admitted the day after tomorrow is not known yet."""
    await tells(county, "trust-epr", patient(A), flag(A, "f1", detail, start, end, **MENTAL))
    told = groups(await county.social_worker().hears(A, S47, case="C-1"))
    (group,) = [one for one in told if agency(one) == "TMH01"]
    assert (part(group, "answer"), part(group, "itk")["code"]) == (answer, itk)
    assert (part(group, "status") or {"coding": [{"code": None}]})["coding"][0]["code"] == status


async def test_what_ended_long_ago_is_no_information_in_wish_mode(county: World) -> None:
    """And what ended within the year is told."""
    for person, end, told in ((A, ago(366), False), (somebody(1), ago(30), True)):
        await tells(county, "council-system", patient(person), flag(person, f"f{person.nhs}", "cp-plan", ago(900), end))
        await wishes(county, "council-system", person, person, people.permit("TMH01", CARE, "existence", "status"))
        answer = await county.ward().hears(person, CARE)
        assert [part(one, "answer") for one in groups(answer)] == (["recently-closed"] if told else [])
        assert (part(answer, "answer") == "no-information") is not told


NOT_KNOWN = ("not-known", None)
RING = ("cannot-say", "ring-the-desk")


def lookup(person: Person = STRANGER, **changed: Any) -> dict[str, Any]:
    """A section 47 lookup whose Patient a test changes."""
    body = people.lookup(person, S47, case="C-1")
    body["parameter"][0]["resource"] = {
        name: value for name, value in {**body["parameter"][0]["resource"], **changed}.items() if value is not None
    }
    return body


async def says(world: World, body: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    answer = await world.social_worker().post("/fhir/Patient/$known-to-services", body)
    assert answer.status_code == 200, answer.text
    return {agency(group): (part(group, "answer"), part(group, "reason")) for group in groups(answer.json())}


async def test_not_known_needs_explicit_negatives(county: World) -> None:
    """An agency whose agreement keeps its negatives to itself has the desk rung."""
    told = await says(county, lookup())
    assert told["TMH01"] == NOT_KNOWN
    assert told[VISITING] == RING


async def test_not_known_needs_a_fresh_feed(county: World) -> None:
    """After ten days of silence nobody knows."""
    await falls_silent(county, "TMH01")
    assert (await says(county, lookup()))["TMH01"] == ("cannot-say", "data-too-old")


async def test_not_known_needs_a_feed_that_was_ever_heard_of(county: World) -> None:
    """The drug service has an agreement and has sent nothing yet."""
    assert (await says(county, lookup()))[DRUGS] == ("cannot-say", "data-too-old")


async def test_not_known_needs_a_feed_that_is_complete(county: World) -> None:
    """Fresh and explicit, but without a promise to send everybody: nobody knows."""
    await speaks(county, NURSING)
    assert (await says(county, lookup()))[NURSING] == ("cannot-say", "data-too-old")


async def test_a_lookup_of_four_agencies_is_one_question_for_the_askers_auditor(county: World) -> None:
    """Each agency's auditor sees its own line; the asker's sees the question once, whatever came of it."""
    for person in (AMINA, STRANGER):
        await county.social_worker().hears(person, S47, case="C-1")
    await county.seal()
    for person in (AMINA, STRANGER):
        for source, view in (("council", 1), ("trust", 1)):
            events = await county.auditor(source).searches_for("AuditEvent", person, _count="200")
            lookups = [one for one in events if any(code["code"] == "look_up_status" for code in one["subtype"])]
            assert len(lookups) == view, source


@pytest.mark.parametrize(
    "changed",
    [
        {"birthDate": None},
        {"identifier": None},
        {"identifier": patient(STRANGER, status="02")["identifier"]},
    ],
    ids=["no birth date", "demographics only", "a number that the asker doubts"],
)
async def test_not_known_needs_a_number_and_a_birth_date_that_are_sure(county: World, changed: dict[str, Any]) -> None:
    """Whoever is asked about: a stranger and a patient sound alike."""
    assert set((await says(county, lookup(**changed))).values()) == {RING}


async def test_demographics_alone_never_find_anybody(county: World) -> None:
    """A name and a birth date are no person."""
    assert (await says(county, lookup(AMINA, identifier=None)))["TMH01"] == RING


@pytest.mark.parametrize("person", [AMINA, BETH])
async def test_a_wrong_birth_date_has_the_desk_rung(county: World, person: Person) -> None:
    """At the agency that holds the number, and at every other: it is somebody else, or a slip."""
    told = await says(county, lookup(person, birthDate="1991-03-15"))
    assert told["TMH01"] == told[DRUGS] == RING


async def test_a_number_that_its_holder_has_not_verified_has_the_desk_rung(county: World) -> None:
    """Status 02 at the council's side of a record: found, and not sure."""
    await tells(county, "trust-epr", patient(A, status="02"), flag(A, "f1", "community", **MENTAL))
    assert await answers(county, A) == [RING]


async def test_who_is_held_only_as_somebodys_relative_is_not_known(county: World) -> None:
    """The ward holds Leo as his mother's child: that is her record, not his."""
    assert await answers(county, LEO) == [NOT_KNOWN]


async def test_a_duty_is_answered_from_a_stale_feed_with_its_date(county: World) -> None:
    """The date of the data stands beside it."""
    await falls_silent(county, "TMH01")
    told = groups(await county.social_worker().hears(AMINA, S47, case="C-1"))
    (group,) = [one for one in told if agency(one) == "TMH01"]
    assert part(group, "answer") == "known"
    assert part(group, "dataAsOf") < f"{date.today() - timedelta(days=8)}"


@pytest.mark.parametrize("restriction", ["protected", "a kind of tomorrow"])
async def test_a_shielded_person_is_the_desks(county: World, restriction: str) -> None:
    """Never opened by machine, whatever the purpose, involved or not."""
    await tells(county, "trust-epr", patient(A, restriction=restriction), flag(A, "f1", "inpatient", **MENTAL))
    await tells(county, "trust-epr", patient(somebody(1), restriction=restriction))
    assert await answers(county, A) == await answers(county, somebody(1)) == [RING]


async def test_a_patient_whose_protection_indicator_is_set_is_shielded(county: World) -> None:
    """HL7 v2 PD1-12, as the ward sends it."""
    message = people.adt("A01", A, "M9").replace("\rPV1|", "\rPD1||||||||||||Y\rPV1|")
    await county.as_("trust-epr").sends("hl7v2-adt", message)
    assert await answers(county, A) == [RING]


@pytest.mark.parametrize("restriction", ["adopted", "placed-for-adoption"])
@pytest.mark.parametrize("birth_date", ["1985-04-04", "1985-04-05"])
async def test_who_was_adopted_is_as_a_stranger_at_every_agency(county: World, restriction: str, birth_date: str) -> None:
    """Though only the council says so, and whatever birth date is asked with."""
    await tells(county, "trust-epr", patient(A), flag(A, "f1", "inpatient", **MENTAL))
    await tells(county, "council-system", patient(A, restriction=restriction))
    sealed, stranger = await says(county, lookup(A, birthDate=birth_date)), await says(county, lookup(STRANGER))
    assert sealed == stranger
    assert sealed["TMH01"] == NOT_KNOWN


async def test_an_involvement_detail_that_shields_is_a_shield(county: World) -> None:
    """A Flag that says adopted, from a system that writes FHIR, counts like the restriction."""
    await tells(county, "trust-epr", patient(A), flag(A, "f1", "inpatient", **MENTAL), flag(A, "f2", "adopted", **MENTAL))
    assert await answers(county, A) == [NOT_KNOWN]


async def test_several_agencies_answer_each_for_itself(county: World) -> None:
    """One group each; coverage names all four, desks and all, whoever is asked about."""
    await tells(county, "drugs-records", patient(AMINA), flag(AMINA, "d1", "community", agency=DRUGS, service="drug-alcohol"))
    answer, other = [await county.social_worker().hears(one, S47, case="C-1") for one in (AMINA, STRANGER)]
    told = {agency(group): part(group, "answer") for group in groups(answer)}
    assert told == {"TMH01": "known", DRUGS: "known", VISITING: "cannot-say", NURSING: "cannot-say"}
    coverage = [[one for one in found["parameter"] if one["name"] == "coverage"] for found in (answer, other)]
    assert coverage[0] == coverage[1]
    assert [agency(one["part"]) for one in coverage[0]] == [DRUGS, VISITING, "TMH01", NURSING]
    assert all(part(one["part"], "contact") and part(one["part"], "holds")["start"] for one in coverage[0])


async def test_a_sensitive_agency_answers_by_its_desk_alone(county: World) -> None:
    """Tier 3 is agreed, and still neither service, detail nor lead is named."""
    await tells(county, "drugs-records", patient(AMINA), flag(AMINA, "d1", "community", agency=DRUGS, service="drug-alcohol"))
    told = groups(await county.social_worker().hears(AMINA, S47, case="C-1"))
    (group,) = [one for one in told if agency(one) == DRUGS]
    text = str([one for one in group if one["name"] != "organization"])
    assert part(group, "contact")["telecom"][0]["value"] == "01632 960601"
    assert not any(word in text for word in ("drug", "community", "Jo Lead", "lead-professional"))


async def test_a_tier_of_existence_says_known_and_no_more(county: World) -> None:
    """The health visitors agreed to that alone."""
    await tells(county, "visiting-records", patient(A), flag(A, "v1", "early-help", agency=VISITING, service="early-help"))
    told = groups(await county.social_worker().hears(A, S47, case="C-1"))
    (group,) = [one for one in told if agency(one) == VISITING]
    assert [one["name"] for one in group] == ["organization", "about", "answer", "itk", "dataAsOf"]


async def test_a_worker_on_other_agreements_than_are_in_force_answers_nothing(county: World) -> None:
    """503, before anybody is looked at; back in force, it answers."""
    ledger, version = county.gateway.ledger, county.gateway.context.agreements.version
    await ledger.run_alone(put_in_force, "another version")
    refused = [await county.social_worker().asks(person, S47, case="C-1") for person in (AMINA, STRANGER)]
    assert [one.status_code for one in refused] == [503, 503]
    assert refused[0].content == refused[1].content
    await ledger.run_alone(put_in_force, version)
    assert (await county.social_worker().asks(AMINA, S47, case="C-1")).status_code == 200


@pytest.mark.parametrize(("edge", "status"), [("9999-12-31", 200), ("2027-02", 200)])
async def test_dates_at_the_edge_of_time_break_no_answer(county: World, edge: str, status: int) -> None:
    """A period that ends with the calendar is for ever, in a flag and in a wish."""
    await tells(county, "council-system", patient(A), flag(A, "f1", "cp-plan", "2026-01-05", edge))
    await wishes(county, "council-system", A, A, {**people.permit("TMH01", CARE, "existence", "status"), "period": {"end": edge}})
    answer = await county.ward().asks(A, CARE)
    assert answer.status_code == status
    assert [part(one, "answer") for one in groups(answer.json())] == ["known"]


async def test_every_answer_is_a_valid_resource(county: World) -> None:
    """Parameters as FHIR has them, positive and negative."""
    from gateway.fhir import resources

    await wishes(
        county, "council-system", LEO, AMINA, people.permit("TMH01", CARE, "existence", "status", "contact", "relative-identity")
    )
    found = [
        await county.social_worker().hears(AMINA, S47, case="C-1"),
        await county.social_worker().hears(STRANGER, S47, "children", case="C-1"),
        await county.ward().hears(AMINA, CARE, "children"),
        await county.ward().hears(BETH, CARE, "children"),
    ]
    assert part(found[2], "answer") is None
    for answer in found:
        assert not resources.errors(resources.validate(answer)), resources.errors(resources.validate(answer))
