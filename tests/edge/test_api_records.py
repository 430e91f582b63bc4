"""Native records through the API: receipts, partial updates, purge, cancels, merges, and what lookups then say."""

import json
import re
from typing import Any

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LA_CODE, LEO, RUBY, STRANGER, TODAY
from gateway.fhir import systems
from tests.data.edge import count_rows, exchange, log_of, outcome, plain, without_log
from tests.world import At, World, groups, part

DAILY = f"/children_social_care_data/{LA_CODE}/children"
DETAIL = systems.code_system("involvement-detail")
LOCAL = f"{systems.local_child_id(LA_CODE)}|LEO1"


async def daily(at: At, *children: dict[str, Any]) -> httpx.Response:
    return await at.post(DAILY, list(children), "application/json")


def child(**more: Any) -> dict[str, Any]:
    return {"la_child_id": "LEO1", **more}


def episode(**more: Any) -> dict[str, Any]:
    return {"social_care_episode_id": "LEO1E1", **more}


async def flags_of(at: At, person: str = LOCAL) -> dict[str, dict[str, Any]]:
    """An agency's Flags of a person by their detail code."""
    answer = await at.searches("Flag", patient__identifier=person)
    assert answer.status_code == 200, answer.text
    found = [entry["resource"] for entry in answer.json().get("entry", ())]
    return {next(one["code"] for one in flag["code"]["coding"] if one["system"] == DETAIL): flag for flag in found}


async def patient_of(at: At, person: str = LOCAL) -> dict[str, Any]:
    answer = await at.searches("Patient", identifier=person)
    (entry,) = answer.json()["entry"]
    return entry["resource"]


async def status_of(world: World, person: people.Person, *about: str) -> list[str]:
    """What the council's social worker and the trust's coordinator hear about a person, by answer."""
    heard = await world.coordinator().hears(person, "duty-to-share-16la", *about, case="R-1", reason="Care plan")
    return sorted(part(group, "answer") for group in groups(heard))


# -- the daily API ----------------------------------------------------------------------------------------------------


async def test_the_daily_api_gives_a_receipt_and_takes_the_same_again(world: World) -> None:
    """200 with a UUID; 204 for an empty array, on record too; a repeat changes no version."""
    council = world.as_("council-system")
    answer = await daily(council, *people.children())
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.json())
    assert answer.headers["x-records-refused"] == "0"
    before = without_log(await count_rows(world))
    assert (await daily(council, *people.children())).status_code == 200
    assert without_log(await count_rows(world)) == before
    empty = await council.post(DAILY, [], "application/json")
    assert (empty.status_code, empty.content) == (204, b"")


async def test_the_daily_api_takes_a_hundred_children_and_no_more(world: World) -> None:
    """413 for 101, and nothing of them lands."""
    council = world.as_("council-system")
    many = [{"la_child_id": f"C{number}"} for number in range(101)]
    before = without_log(await count_rows(world))
    (issue,) = outcome(await daily(council, *many), 413)
    assert issue["code"] == "too-long"
    assert without_log(await count_rows(world)) == before
    assert (await daily(council, *many[:100])).status_code == 200
    assert (await count_rows(world))["person"] == 100


async def test_bad_children_beside_good_ones_are_counted_in_the_receipt(world: World) -> None:
    """The receipt's header tells how many were refused; a batch of nothing but bad ones is 400."""
    council = world.as_("council-system")
    answer = await daily(council, {"la_child_id": "!"}, *people.children())
    assert (answer.status_code, answer.headers["x-records-refused"]) == (200, "1")
    outcome(await daily(council, {"la_child_id": "!"}), 400)


async def test_a_report_counts_what_was_sent_taken_and_written(world: World) -> None:
    """received, accepted, refused, written; a second time nothing is written."""
    council = world.as_("council-system")
    assert await council.sends("dfe-csc-api", people.children()) == {"received": 2, "accepted": 2, "refused": 0, "written": 4}
    assert await council.sends("dfe-csc-api", people.children()) == {"received": 2, "accepted": 2, "refused": 0, "written": 0}


# -- partial updates, purge, absence ----------------------------------------------------------------------------------


async def test_a_partial_update_changes_what_it_names_and_nothing_else(world: World) -> None:
    """Fields absent stay; a null removes; what a batch leaves out is not closed."""
    council = world.as_("council-system")
    await daily(council, *people.children(plan=True))
    first = await flags_of(council)
    assert {one["status"] for one in first.values()} == {"active"}
    ended = {"child_in_need_plan_id": "LEO1CIN", "end_date": people.day(1)}
    await daily(council, child(social_care_episodes=[episode(child_in_need_plans=[ended])]))
    second = await flags_of(council)
    assert second["cin-plan"]["period"] == {"start": people.day(40), "end": people.day(1)}
    assert second["cin-plan"]["status"] == "inactive"
    assert second["cp-plan"] == first["cp-plan"]
    assert second["referral"] == first["referral"]
    assert (await patient_of(council))["birthDate"] == LEO.born
    await daily(council, child(social_care_episodes=[episode(child_in_need_plans=[{**ended, "end_date": None}])]))
    third = await flags_of(council)
    assert third["cin-plan"]["period"] == {"start": people.day(40)}
    assert third["cin-plan"]["status"] == "active"
    await daily(council, child())
    assert await flags_of(council) == third
    await daily(council, {"la_child_id": "OTHER"})
    assert await flags_of(council) == third


@pytest.mark.parametrize(
    ("purge", "gone", "stays"),
    [
        (child(social_care_episodes=[episode(child_protection_plans=[{"child_protection_plan_id": "LEO1CPP", "purge": True}])]), {"cp-plan"}, {"cin-plan", "referral"}),
        (child(social_care_episodes=[episode(purge=True)]), {"cp-plan", "cin-plan", "referral"}, set()),
        (child(social_care_episodes=[episode(child_in_need_plans=[{"child_in_need_plan_id": "LEO1CIN", "purge": True}])]), {"cin-plan"}, {"cp-plan", "referral"}),
    ],
    ids=["one plan", "an episode", "another plan"],
)  # fmt: skip
async def test_a_purge_takes_back_its_level_and_what_is_under_it(
    world: World, purge: dict[str, Any], gone: set[str], stays: set[str]
) -> None:
    """Kept as entered in error for its owner; lookups no longer hear of it."""
    council = world.as_("council-system")
    await daily(council, *people.children(plan=True))
    assert (await daily(council, purge)).status_code == 200
    found = await flags_of(council)
    assert {code for code, flag in found.items() if flag["status"] == "entered-in-error"} == gone
    assert {code for code, flag in found.items() if flag["status"] == "active"} == stays
    assert (await daily(council, purge)).status_code == 200
    again = await flags_of(council)
    assert {code: flag["meta"]["versionId"] for code, flag in again.items()} == {
        code: flag["meta"]["versionId"] for code, flag in found.items()
    }


async def test_a_purge_of_the_details_leaves_the_councils_own_number(fed: World) -> None:
    """Name, birth date and pupil numbers go; the involvement stays under the council's identifier."""
    council = fed.as_("council-system")
    await daily(council, child(child_details={"purge": True}))
    patient = await patient_of(council)
    assert not {"name", "birthDate", "gender"} & patient.keys()
    assert LOCAL in [f"{one['system']}|{one['value']}" for one in patient["identifier"]]
    assert "cin-plan" in await flags_of(council)


async def test_a_purged_child_is_as_if_never_sent(fed: World) -> None:
    """Rows, numbers and what others of the sender's people are to the child go; lookups answer as for a stranger."""
    council = fed.as_("council-system")
    assert await status_of(fed, LEO) == ["known"]
    (patient,) = [await patient_of(council)]
    kin = await council.searches_for("RelatedPerson", AMINA)
    assert any(LEO.nhs in json.dumps(one) or "LEO1" in json.dumps(one) for one in kin)
    assert (await daily(council, child(purge=True))).status_code == 200
    assert not await flags_of(council)
    for person in (LOCAL, f"{systems.NHS_NUMBER}|{LEO.nhs}"):
        assert "entry" not in (await council.searches("Patient", identifier=person)).json()
    stub = (await council.get(f"/fhir/Patient/{patient['id']}")).json()
    assert stub.keys() <= {"resourceType", "id", "active", "meta"}
    assert not await council.searches_for("RelatedPerson", AMINA)
    assert await status_of(fed, LEO) == await status_of(fed, STRANGER)
    await daily(council, *people.children())
    assert (await patient_of(council))["id"] != patient["id"]


# -- HL7 v2 -----------------------------------------------------------------------------------------------------------


async def adt(at: At, event: str, person: people.Person, local: str, **more: Any) -> httpx.Response:
    return await at.post("/records/hl7v2-adt", people.adt(event, person, local, **more), "application/hl7-v2")


async def test_an_admission_that_is_cancelled_was_never_there(fed: World) -> None:
    """A11: entered in error for its owner, and section 47 enquiries hear of no stay."""
    trust = fed.as_("trust-epr")
    amina = f"{systems.NHS_NUMBER}|{AMINA.nhs}"
    assert (await flags_of(trust, amina))["inpatient"]["status"] == "active"
    assert (await adt(trust, "A11", AMINA, "M1")).status_code == 200
    assert (await flags_of(trust, amina))["inpatient"]["status"] == "entered-in-error"
    heard = await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C")
    assert [part(group, "answer") for group in groups(heard)] == ["not-known"]


async def test_a_discharge_that_is_cancelled_opens_the_stay_again(fed: World) -> None:
    """A03, then A13: the end is taken back and the person is in hospital as before."""
    trust = fed.as_("trust-epr")
    amina = f"{systems.NHS_NUMBER}|{AMINA.nhs}"
    before = (await flags_of(trust, amina))["inpatient"]
    await adt(trust, "A03", AMINA, "M1")
    ended = (await flags_of(trust, amina))["inpatient"]
    assert (ended["status"], ended["period"]["end"][:10]) == ("inactive", TODAY.isoformat())
    await adt(trust, "A13", AMINA, "M1")
    open_again = (await flags_of(trust, amina))["inpatient"]
    assert (open_again["status"], open_again["period"], open_again["code"]) == ("active", before["period"], before["code"])
    assert open_again["id"] == before["id"]


async def test_a_missing_next_of_kin_removes_nobody(fed: World) -> None:
    """An update without NK1 segments leaves the relationship as it was."""
    trust = fed.as_("trust-epr")
    before = await trust.searches_for("RelatedPerson", AMINA)
    assert len(before) == 1
    assert (await adt(trust, "A08", AMINA, "M1")).status_code == 200
    assert await trust.searches_for("RelatedPerson", AMINA) == before


async def test_a_merge_moves_everything_to_the_surviving_number(world: World) -> None:
    """A40: stays, relationships and earlier versions are found and read under the survivor; the losing number leads there too."""
    trust = world.as_("trust-epr")
    rio = systems.local_id(people.TRUST, "rio")
    no_number = people.adt("A01", AMINA, "M9", kin=LEO).replace(f"{AMINA.nhs}^^^NHS^NH~", "")
    await trust.post("/records/hl7v2-adt", no_number, "application/hl7-v2")
    await trust.post(
        "/records/hl7v2-adt", no_number.replace("A01", "A03").replace("|\r", f"|{TODAY:%Y%m%d}090000\r"), "application/hl7-v2"
    )
    await adt(trust, "A04", AMINA, "M1")
    losing = (await flags_of(trust, f"{rio}|M9"))["inpatient"]
    merge = people.adt("A40", AMINA, "M1").split("PV1")[0] + "MRG|M9^^^RIO^MR\r"
    answer = await trust.post("/records/hl7v2-adt", merge, "application/hl7-v2")
    assert answer.status_code == 200, answer.text
    for number in (f"{rio}|M1", f"{rio}|M9", f"{systems.NHS_NUMBER}|{AMINA.nhs}"):
        assert (await flags_of(trust, number))["inpatient"]["id"] == losing["id"]
        assert len((await trust.searches("RelatedPerson", patient__identifier=number)).json()["entry"]) == 1
    version = await trust.get(f"/fhir/Flag/{losing['id']}/_history/1")
    assert version.status_code == 200, version.text
    children = await trust.searches_for("RelatedPerson", LEO)
    assert len(children) == 1
    assert (await trust.get(f"/fhir/RelatedPerson/{children[0]['id']}/_history/1")).status_code == 200
    assert len((await trust.searches("Patient", identifier=f"{rio}|M9")).json()["entry"]) == 1


# -- crosswalk and relationships --------------------------------------------------------------------------------------

HEAD = "local_system,local_id,nhs_number,verification_status,birth_date,valid_from,valid_to\n"


async def _state(world: World) -> Any:
    """Everything that the council's own reads and a lookup show, without ids and times."""
    council = world.as_("council-system")
    shown: list[str] = []
    for person in (LEO, RUBY, AMINA, BETH):
        named = f"{systems.NHS_NUMBER}|{person.nhs}"
        for kind, name in (("Patient", "identifier"), ("Flag", "patient__identifier"), ("RelatedPerson", "patient__identifier")):
            answer = await council.searches(kind, **{name: named})
            resources = [entry["resource"] for entry in answer.json().get("entry", ())]
            shown += sorted(plain(json.dumps({**one, "meta": 0, "id": 0}, sort_keys=True).encode()).decode() for one in resources)
    lookups = [
        await world.coordinator().hears(person, "duty-to-share-16la", about, case="R", reason="x")
        for person in (AMINA, LEO)
        for about in ("self", "children")
    ]
    shown += [plain(json.dumps(groups(one), sort_keys=True).encode()).decode() for one in lookups]
    return shown


@pytest.mark.parametrize("order", ["crd", "rcd", "drc", "dcr", "cdr", "rdc"])
async def test_relationships_numbers_and_records_may_come_in_any_order(world: World, order: str) -> None:
    """Crosswalk, relationship feed and daily JSON end in the same state, whichever comes first."""
    council = world.as_("council-system")
    sends = {
        "c": ("crosswalk", people.crosswalk()),
        "r": ("relationships", people.relationships()),
        "d": ("dfe-csc-api", people.children()),
    }
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A04", AMINA, "M1"))
    for name in order:
        report = await council.sends(*sends[name])
        assert report["refused"] == 0
    state = await _state(world)
    assert len(state) > 10
    for name in "crd":
        await council.sends(*sends[name])
    assert await _state(world) == state
    heard = await world.coordinator().hears(AMINA, "duty-to-share-16la", "children", case="R", reason="x")
    assert sorted(part(group, "answer") for group in groups(heard)) == ["known"]
    known = REACHED.setdefault("state", state)
    assert state == known


REACHED: dict[str, Any] = {}


async def test_two_local_numbers_under_one_nhs_number_are_refused_by_name(fed: World) -> None:
    """A second child under LEO's NHS number: the row is refused, names the rule and what to send, and nothing moves."""
    council = fed.as_("council-system")
    before = without_log(await count_rows(fed))
    state = await patient_of(council)
    rows = f"la-child-id,LEO2,{LEO.nhs},01,{LEO.born},,\nla-child-id,NEW1,{STRANGER.nhs},01,{STRANGER.born},,\n"
    answer = await council.post("/records/crosswalk", HEAD + rows, "text/csv")
    assert answer.status_code == 200, answer.text
    errors = [
        issue
        for one in answer.json()["parameter"]
        if one["name"] == "outcome"
        for issue in one["resource"]["issue"]
        if issue["severity"] == "error"
    ]
    (issue,) = errors
    assert issue["code"] == "duplicate"
    assert "merge" in issue["diagnostics"]
    assert issue["expression"][0].startswith("line 2")
    assert await patient_of(council) == state
    assert "entry" not in (await council.searches("Patient", identifier=f"{systems.local_child_id(LA_CODE)}|LEO2")).json()
    after = without_log(await count_rows(fed))
    assert after["person"] == before["person"] + 1
    await daily(council, {"la_child_id": "LEO2", "child_details": {"first_name": "OTHER"}})
    outcome(await council.post("/records/crosswalk", HEAD + rows.splitlines()[0] + "\n", "text/csv"), 422)
    assert await patient_of(council) == state


async def test_a_corrected_number_finds_the_person_and_the_wrong_one_no_longer_does(world: World) -> None:
    """The crosswalk gives another NHS number for a local one: the old number leads nowhere."""
    council = world.as_("council-system")
    await council.sends("crosswalk", HEAD + f"la-child-id,LEO1,{RUBY.nhs},01,{LEO.born},,\n")
    await council.sends("crosswalk", HEAD + f"la-child-id,LEO1,{LEO.nhs},01,{LEO.born},,\n")
    assert "entry" not in (await council.searches("Patient", identifier=f"{systems.NHS_NUMBER}|{RUBY.nhs}")).json()
    assert (await patient_of(council, f"{systems.NHS_NUMBER}|{LEO.nhs}"))["id"] == (await patient_of(council))["id"]


# -- adoption ---------------------------------------------------------------------------------------------------------

PLACED = child(social_care_episodes=[episode(child_looked_after_placements=[
    {"child_looked_after_placement_id": "LEO1CLA", "start_date": people.day(2), "placement_type": "A3"}
])])  # fmt: skip
ADOPTED = child(social_care_episodes=[episode(closure_date=people.day(1), closure_reason="RC1")])


@pytest.mark.parametrize("sealed", [PLACED, ADOPTED], ids=["placed for adoption", "adopted"])
async def test_a_child_sealed_by_adoption_is_as_a_stranger_on_every_surface(fed: World, sealed: dict[str, Any]) -> None:
    """Lookups of the child, of the mother's children, other agencies' searches, subscriptions: nothing differs; no notice is sent."""
    council, coordinator = fed.as_("council-system"), fed.coordinator()
    topic = people.subscription(
        LEO, "known-status-changed", "https://trust.example/fhir", "duty-to-share-16la", case="R", reason="x"
    )
    assert (await coordinator.post("/fhir/Subscription", topic)).status_code == 201
    assert await status_of(fed, LEO) == ["known"]
    assert (await daily(council, sealed)).status_code == 200

    async def both(*about: str) -> set[bytes]:
        return {
            plain((await coordinator.asks(person, "duty-to-share-16la", *about, case="R", reason="x")).content).replace(
                person.born.encode(), b"#"
            )
            for person in (LEO, STRANGER)
        }

    assert len(await both()) == 1
    assert len(await both("parents")) == 1
    assert len(await both("self", "children", "parents")) == 1
    assert (await count_rows(fed))["outbox"] == 0
    children = await coordinator.hears(AMINA, "duty-to-share-16la", "children", case="R", reason="x")
    assert "known" not in {part(group, "answer") for group in groups(children)}
    assert LEO.nhs not in json.dumps(children)
    made = [
        await coordinator.post(
            "/fhir/Subscription",
            people.subscription(person, "admitted", "https://t.example/f", "duty-to-share-16la", case="R", reason="x"),
        )
        for person in (LEO, STRANGER)
    ]
    assert len({plain(answer.content) for answer in made}) == 1
    lifted = child(social_care_episodes=[episode(adoption={"purge": True})])
    assert (await daily(council, lifted)).status_code == 200
    assert await status_of(fed, LEO) == await status_of(fed, STRANGER)


async def test_a_sealed_record_is_never_joined_with_another(fed: World) -> None:
    """An adopted child's old number and the new one stay two rows: the crosswalk line is refused."""
    council = fed.as_("council-system")
    await daily(council, ADOPTED)
    await daily(council, {"la_child_id": "NEWNAME1", "child_details": {"first_name": "OTHER"}})
    outcome(await council.post("/records/crosswalk", HEAD + f"la-child-id,NEWNAME1,{LEO.nhs},01,{LEO.born},,\n", "text/csv"), 422)


async def test_every_record_leaves_its_entry_with_the_people_it_touched(world: World) -> None:
    """For the sender's own auditor: one entry for each person of each record."""
    await world.feed()
    events = [one for one in await log_of(world.auditor("council")) if exchange(one) == "receive_record"]
    named = json.dumps(events)
    assert all(person.nhs in named for person in (LEO, RUBY, AMINA, BETH))
    assert {one["outcome"] for one in events} == {"0"}
    assert COUNCIL in named


async def test_a_move_between_placements_is_no_end_and_no_start(fed: World) -> None:
    """The child is looked after all the while: who subscribed to the end and the start hears of neither, and the change
    of the care plan is told once."""
    council, trust = fed.as_("council-system"), fed.coordinator()
    await council.sends("dfe-csc-api", people.children(placed=True))
    for topic in ("looked-after-started", "looked-after-ended", "care-plan-changed"):
        wanted = people.subscription(LEO, topic, "https://trust.example/fhir", "duty-to-share-16la", case="R-1", reason="Plan")
        assert (await trust.post("/fhir/Subscription", wanted)).status_code == 201
    moved = people.children(placed=True)
    (first,) = moved[0]["social_care_episodes"][0]["child_looked_after_placements"]
    second = {**first, "child_looked_after_placement_id": "LEO1CLA2"}
    ended = {**first, "start_date": people.day(9), "end_date": people.day(0), "end_reason": "X1"}
    moved[0]["social_care_episodes"][0]["child_looked_after_placements"] = [ended, second]
    assert (await council.sends("dfe-csc-api", moved))["refused"] == 0
    assert (await count_rows(fed))["outbox"] == 1
