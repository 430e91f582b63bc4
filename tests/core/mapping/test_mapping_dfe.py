"""The DfE daily API: whole and partial children, purges, threads, restrictions, faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.mapping import Mapped, Op, Resource, Sender, Unreadable

Take = Callable[..., list[Mapped]]
FMT = "dfe-csc-api"
PLANS = {
    "cp-plan": ("child_protection_plans", "child_protection_plan_id", "cp-plan"),
    "cin-plan": ("child_in_need_plans", "child_in_need_plan_id", "cin-plan"),
    "section-47": ("section_47_assessments", "section_47_assessment_id", "section-47"),
    "assessment": ("child_and_family_assessments", "child_and_family_assessment_id", "assessment"),
    "looked-after": ("child_looked_after_placements", "child_looked_after_placement_id", "placement"),
}


def child(**parts: Any) -> str:
    """A batch of one child."""
    return json.dumps([{"la_child_id": "EXA1", **parts}])


def episode(**parts: Any) -> str:
    """A batch of one child with one episode."""
    return child(social_care_episodes=[{"social_care_episode_id": "E1", **parts}])


def only(mapped: list[Mapped]) -> Mapped:
    """The one record of a batch, without faults."""
    (one,) = mapped
    assert one.faults == ()
    return one


def by_key(mapped: list[Mapped], key: str) -> Resource:
    """The resource of a key below the child."""
    return next(one.resource for one in only(mapped).resources if one.key == f"child/EXA1{key}")


def coded(flag: Resource) -> list[str]:
    """The codes of a Flag."""
    return [one["code"] for one in flag["code"]["coding"]]


def extension(resource: Resource, name: str) -> Any:
    """The value of one of our extensions, None where it is not there."""
    for one in resource.get("extension", []):
        if one["url"].endswith(f"/{name}"):
            return next(value for key, value in one.items() if key != "url")
    return None


@pytest.mark.parametrize("detail", PLANS)
def test_an_open_record_is_an_active_flag(take: Take, detail: str) -> None:
    """Each kind of record becomes a Flag of its detail, active from its start."""
    listed, name, word = PLANS[detail]
    flag = by_key(take(FMT, episode(**{listed: [{name: "P1", "start_date": "2025-06-01"}]})), f"/episode/E1/{word}/P1")
    assert (flag["status"], flag["period"]) == ("active", {"start": "2025-06-01"})
    assert coded(flag)[1] == detail


@pytest.mark.parametrize("detail", PLANS)
def test_a_purged_record_is_retracted(take: Take, detail: str) -> None:
    """A purge of one record marks that record as entered in error, and only that."""
    listed, name, word = PLANS[detail]
    found = only(take(FMT, episode(**{listed: [{name: "P1", "purge": True}]}))).resources
    assert [(one.key, one.op) for one in found[1:]] == [(f"child/EXA1/episode/E1/{word}/P1", Op.RETRACT)]


def test_ids_alone_say_nothing_of_dates_or_status(take: Take) -> None:
    """A partial payload of ids leaves period and status as they were."""
    flag = by_key(take(FMT, episode(child_protection_plans=[{"child_protection_plan_id": "P1"}])), "/episode/E1/cp-plan/P1")
    assert "period" not in flag
    assert "status" not in flag
    assert coded(flag) == ["cp-plan", "342191000000101"]


def test_an_explicit_null_removes(take: Take) -> None:
    """Null takes a value away; an absent field leaves it."""
    found = by_key(take(FMT, child(child_details={"surname": None, "date_of_birth": None})), "")
    assert found["birthDate"] is None
    assert found["name"] == [{"family": None}]
    assert "gender" not in found


@pytest.mark.parametrize(
    ("enquiry", "end"),
    [
        ({"end_date": "2025-06-10", "icpc_date": "2025-06-09"}, "2025-06-10"),
        ({"icpc_date": "2025-06-09", "icpc_required_flag": True}, "2025-06-09"),
        ({"icpc_required_flag": False}, "2025-06-01"),
        ({"icpc_required_flag": "0"}, "2025-06-01"),
        ({"icpc_required_flag": True}, None),
        ({}, None),
    ],
)
def test_a_section_47_enquiry_ends(take: Take, enquiry: dict[str, Any], end: str | None) -> None:
    """End date, else conference, else at once where no conference is required."""
    record = {"section_47_assessment_id": "S1", "start_date": "2025-06-01", **enquiry}
    flag = by_key(take(FMT, episode(section_47_assessments=[record])), "/episode/E1/section-47/S1")
    assert flag["period"].get("end") == end
    assert flag["status"] == ("inactive" if end else "active")


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"closure_date": "2025-06-10", "closure_reason": "RC7"}, "2025-06-10"),
        ({"referral_no_further_action_flag": True}, "2025-06-01"),
        ({"referral_no_further_action_flag": False}, None),
    ],
)
def test_a_referral_ends(take: Take, fields: dict[str, Any], end: str | None) -> None:
    """At the closure, or on its own day where no further action was taken."""
    flag = by_key(take(FMT, episode(referral_date="2025-06-01", **fields)), "/episode/E1")
    assert flag["period"].get("end") == end


def test_an_episode_that_only_holds_a_plan_says_nothing_of_the_referral(take: Take) -> None:
    """No referral Flag is made from an episode id alone."""
    found = only(take(FMT, episode(child_in_need_plans=[{"child_in_need_plan_id": "P1"}])))
    assert [one.key for one in found.resources] == ["child/EXA1", "child/EXA1/episode/E1/cin-plan/P1"]


def test_a_record_that_begins_later_is_not_active(take: Take) -> None:
    """A future start is kept, warned about, and counts as no involvement."""
    plan = {"child_protection_plan_id": "P1", "start_date": "2026-01-01"}
    mapped = take(FMT, episode(child_protection_plans=[plan]))
    flag = by_key(mapped, "/episode/E1/cp-plan/P1")
    assert flag["status"] == "inactive"
    assert coded(flag)[0] == "cp-plan"
    assert "future" in mapped[0].warnings[0].text


def test_an_end_before_its_start_is_kept_with_a_warning(take: Take) -> None:
    """Dates are not mended for the sender."""
    plan = {"child_protection_plan_id": "P1", "start_date": "2025-05-01", "end_date": "2025-04-01"}
    (one,) = take(FMT, episode(child_protection_plans=[plan]))
    assert one.warnings[0].where == "child 1 (index 0).social_care_episodes[0].child_protection_plans[0]"


@pytest.mark.parametrize(
    ("parts", "restriction"),
    [
        ({"closure_reason": "RC1"}, "adopted"),
        ({"closure_reason": "RC7"}, None),
        ({"adoption": {"placed_date": "2025-01-01"}}, "placed-for-adoption"),
        ({"adoption": {"matched_date": "2025-01-01"}}, None),
        (
            {"child_looked_after_placements": [{"child_looked_after_placement_id": "P", "placement_type": "A3"}]},
            "placed-for-adoption",
        ),
        ({"child_looked_after_placements": [{"child_looked_after_placement_id": "P", "end_reason": "E12"}]}, "adopted"),
        ({"closure_reason": "RC1", "adoption": {"placed_date": "2025-01-01"}}, "adopted"),
    ],
)
def test_adoption_restricts_the_child(take: Take, parts: dict[str, Any], restriction: str | None) -> None:
    """Adoption, and placement for it, are kept inside as the strictest restriction that was found."""
    assert extension(by_key(take(FMT, episode(**parts)), ""), "restriction") == restriction


def test_a_purge_of_adoption_details_lifts_no_restriction(take: Take) -> None:
    """What shields a child is lifted by people."""
    (one,) = take(FMT, episode(adoption={"placed_date": "2025-01-01", "purge": True}))
    assert extension(one.resources[0].resource, "restriction") is None
    assert "until people lift it" in one.warnings[0].text


@pytest.mark.parametrize("part", [{"closure_reason": "RC2"}, {"closure_reason": "rc2 "}])
def test_a_child_who_died_is_deceased(take: Take, part: dict[str, Any]) -> None:
    """RC2 sets deceased, and invents no date."""
    assert by_key(take(FMT, episode(**part)), "")["deceasedBoolean"] is True


def test_an_unborn_child_has_no_birth_date(take: Take) -> None:
    """A due date is an extension of its own."""
    patient = by_key(take(FMT, child(child_details={"expected_date_of_birth": "2025-09-01", "sex": "U"})), "")
    assert "birthDate" not in patient
    assert extension(patient, "expected-birth-date") == "2025-09-01"
    assert patient["gender"] == "unknown"


def test_a_purge_of_the_child_removes_the_person(take: Take) -> None:
    """Nothing else of the child is read."""
    found = only(take(FMT, child(purge="1", social_care_episodes="not even a list"))).resources
    assert [(one.key, one.op) for one in found] == [("child/EXA1", Op.PURGE_PERSON)]


def test_a_purge_of_the_details_keeps_the_councils_identifier(take: Take) -> None:
    """Name, birth date, sex, due date and pupil number go."""
    patient = by_key(take(FMT, child(child_details={"purge": True, "surname": "Example"})), "")
    assert [patient[name] for name in ("name", "birthDate", "gender")] == [None, None, None]
    assert patient["identifier"][0]["value"] == "EXA1"
    assert patient["identifier"][1]["value"] is None


def test_a_purge_of_an_episode_retracts_all_below_it(take: Take) -> None:
    """The key that ends with a slash stands for every record of the episode."""
    found = only(take(FMT, episode(purge=True))).resources[1:]
    assert [(one.key, one.op) for one in found] == [
        ("child/EXA1/episode/E1", Op.RETRACT),
        ("child/EXA1/episode/E1/", Op.RETRACT),
    ]


def test_the_worker_who_has_not_ended_is_the_contact(take: Take) -> None:
    """One contact, contained in the Flag of the episode."""
    workers = [{"worker_id": "SW1", "start_date": "2025-01-01", "end_date": "2025-02-01"}, {"worker_id": "SW2"}]
    flag = by_key(take(FMT, episode(care_worker_details=workers)), "/episode/E1")
    assert flag["contained"][0]["practitioner"]["identifier"]["value"] == "SW2"
    assert extension(flag, "contact") == {"reference": "#lead"}


def test_a_care_leaver_was_last_met_in_a_month(take: Take) -> None:
    """A last contact is never told to the day."""
    flag = by_key(take(FMT, episode(care_leavers={"contact_date": "2025-04-17"})), "/episode/E1/care-leaver")
    assert extension(flag, "last-contact") == "2025-04"
    assert flag["status"] == "active"


@pytest.mark.parametrize("value", ["", "A B", "A_B", "A" * 21, None, True, 1.5, ["A"], "Ä1"])
def test_a_broken_child_identifier_refuses_the_child(take: Take, value: Any) -> None:
    """The published rule is kept: 1 to 20 letters and digits."""
    (one,) = take(FMT, json.dumps([{"la_child_id": value}]))
    assert one.resources == ()
    assert one.faults[0].where == "child 1 (index 0).la_child_id"


def test_a_fault_refuses_one_child_whole_and_the_rest_goes_on(take: Take) -> None:
    """No part of a broken record is applied; its neighbours are."""
    batch = [
        {"la_child_id": "A1", "child_details": {"surname": "Good", "date_of_birth": "2015-13-01"}},
        {"la_child_id": "A2"},
        "not a child",
    ]
    first, second, third = take(FMT, json.dumps(batch))
    assert (first.resources, len(second.resources), third.resources) == ((), 1, ())
    assert first.faults[0].where == "child 1 (index 0).child_details.date_of_birth"


def test_no_issue_repeats_a_value(take: Take) -> None:
    """Names, dates and identifiers never stand in an issue."""
    secret = {"first_name": "Zebedee" * 60, "date_of_birth": "Zebedee", "sex": "Zebedee", "Zebedee": 1}
    (one,) = take(FMT, json.dumps([{"la_child_id": "EXA1", "child_details": secret}]))
    assert len(one.faults) == 2
    assert "Zebedee" not in "".join(issue.text + issue.where for issue in (*one.faults, *one.warnings))


def test_an_unknown_code_is_left_out_and_listed(take: Take) -> None:
    """It is counted for review, never guessed."""
    one = only(take(FMT, child(child_details={"sex": "Q"})))
    assert "gender" not in one.resources[0].resource
    assert (one.unmatched[0].table, one.unmatched[0].code) == ("sex", "Q")


def test_a_child_alone_is_taken_with_a_warning(take: Take) -> None:
    """One object is read as an array of one."""
    (one,) = take(FMT, json.dumps({"la_child_id": "EXA1"}))
    assert one.resources
    assert "array" in one.warnings[0].text


def test_more_than_a_hundred_children_are_refused(take: Take) -> None:
    """The API's own limit."""
    with pytest.raises(Unreadable) as refused:
        take(FMT, json.dumps([{"la_child_id": f"A{n}"} for n in range(101)]))
    assert refused.value.issues[0].code == "too-long"


def test_null_lists_remove_nothing(take: Take) -> None:
    """Absence is not closure."""
    assert len(only(take(FMT, child(social_care_episodes=None, child_details=None))).resources) == 1


def test_a_sender_without_a_council_code_has_its_own_system(take: Take) -> None:
    """Never another council's."""
    (one,) = take(FMT, child(), Sender("EXX99"))
    assert one.resources[0].resource["identifier"][0]["system"] == "https://gateway.example/Id/EXX99/child-id"


def test_the_published_example_maps(take: Take, samples: Path) -> None:
    """The schema's own example: every thread, no NHS number, no fault."""
    one = only(take(FMT, (samples / "dfe-csc-api" / "example-payload.json").read_bytes()))
    details = [coded(item.resource)[-2:] for item in one.resources if item.resource["resourceType"] == "Flag"]
    assert len(details) == 7
    assert "nhs-number" not in json.dumps([item.resource for item in one.resources])
    assert one.unmatched == ()


def test_every_published_field_is_accounted_for(mappings: Any, samples: Path) -> None:
    """The field list is that of the published schema."""
    schema = json.loads((samples / "dfe-csc-api" / "openapi.json").read_text())["components"]["schemas"]["CSC"]["items"]
    assert set(leaves(schema)) == set(mappings.formats[FMT].fields)


def leaves(schema: dict[str, Any], path: str = "") -> list[str]:
    """The dotted names of the fields of a JSON schema."""
    found = []
    for name, part in schema["properties"].items():
        inner = part.get("items", part)
        found += leaves(inner, f"{path}{name}.") if inner.get("type") == "object" else [path + name]
    return found
