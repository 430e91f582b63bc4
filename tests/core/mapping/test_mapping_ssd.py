"""The Standard Safeguarding Dataset: the same records as the daily API, mothers and children, what joins in a set."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.mapping import Mapped, Mappings, Resource, Unreadable
from tests.core.mapping.packed import packed

Take = Callable[..., list[Mapped]]
FMT = "ssd"
PERSON = "pers_person_id,pers_forename,pers_surname,pers_sex,pers_dob,pers_expected_dob,pers_common_child_id\n"
PLAN = "cppl_cp_plan_id,cppl_referral_id,cppl_person_id,cppl_cp_plan_start_date,cppl_cp_plan_end_date,cppl_cp_plan_ola\n"
REFERRAL = "cine_referral_id,cine_person_id,cine_referral_date,cine_referral_nfa,cine_close_reason,cine_close_date\n"
CARE = "clae_cla_episode_id,clae_person_id,clae_cla_id,clae_cla_episode_start_date,clae_cla_episode_ceased,clae_cla_episode_ceased_reason\n"


def flags_of(mapped: list[Mapped]) -> dict[str, Resource]:
    """The Flags of a file by their keys, none of whose records was refused."""
    assert not [fault for one in mapped for fault in one.faults]
    return {found.key: found.resource for one in mapped for found in one.resources if found.resource["resourceType"] == "Flag"}


def codes_of(resource: Resource) -> list[str]:
    """The codes of a Flag."""
    return [one["code"] for one in resource["code"]["coding"]]


def test_a_plan_is_the_same_record_as_in_the_daily_api(take: Take) -> None:
    """The daily JSON is made of this dataset: both are one thread, and neither doubles the other."""
    here = take(FMT, PLAN + "C1,R1,EXA1,2025-05-01 00:00:00,,N\n")
    plan = {"child_protection_plan_id": "C1", "start_date": "2025-05-01"}
    episode = {"social_care_episode_id": "R1", "child_protection_plans": [plan]}
    there = take("dfe-csc-api", json.dumps([{"la_child_id": "EXA1", "social_care_episodes": [episode]}]))
    assert flags_of(here) == flags_of(there)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("C1,R1,EXA1,2025-05-01,,N\n", "high-intensity"),
        ("C1,R1,EXA1,2025-05-01,2025-06-01,N\n", "recently-closed"),
        ("C1,R1,EXA1,2025-05-01,UNKNOWN,N\n", "cannot-say"),
        ("C1,R1,EXA1,,,N\n", "cannot-say"),
        ("C1,R1,EXA1,2025-05-01,2025-04-01,N\n", "cannot-say"),
    ],
)
def test_the_status_of_a_plan(take: Take, row: str, code: str) -> None:
    """Open, ended, or not to be said."""
    (flag,) = flags_of(take(FMT, PLAN + row)).values()
    assert codes_of(flag)[0] == code


def test_the_plan_of_another_council_is_told_as_that(take: Take) -> None:
    """By its own detail."""
    (flag,) = flags_of(take(FMT, PLAN + "C1,R1,EXA1,2025-05-01,,Y\n")).values()
    assert codes_of(flag)[1] == "cp-plan-other-area"


def test_a_child_who_is_not_born(take: Take) -> None:
    """A due date and no birth date; the plan says unborn."""
    found = take(FMT, packed(person=PERSON + "EXA1,,EXAMPLE,U,,2025-08-01,\n", plan=PLAN + "C1,R1,EXA1,2025-05-01,,N\n"))
    assert "birthDate" not in found[0].resources[0].resource
    assert codes_of(flags_of(found)["child/EXA1/episode/R1/cp-plan/C1"])[1] == "cp-plan-unborn"


@pytest.mark.parametrize("number", ["SSD_PH", "UNKNOWN", "xx", "0000000000", "NULL"])
def test_a_placeholder_is_no_nhs_number(take: Take, number: str) -> None:
    """It is left out; the person is the council's all the same."""
    (one,) = take(FMT, PERSON + f"EXA1,A,B,F,2012-04-03,,{number}\n")
    assert [found["value"] for found in one.resources[0].resource["identifier"]] == ["EXA1"]


def test_a_wrong_nhs_number_refuses_the_record(take: Take) -> None:
    """As everywhere; a number with decimals of a spreadsheet is read."""
    (wrong,) = take(FMT, PERSON + "EXA1,A,B,F,2012-04-03,,9990000019\n")
    assert wrong.faults
    (right,) = take(FMT, PERSON + "EXA1,A,B,F,2012-04-03,,9990000018.0\n")
    assert right.resources[0].resource["identifier"][1]["value"] == "9990000018"


def test_two_nhs_numbers_of_one_person_refuse_the_record(take: Take) -> None:
    """Nobody guesses which is right."""
    linked = "link_table_id,link_person_id,link_identifier_type,link_identifier_value\n1,EXA1,NHS Number,9990000026\n"
    (one,) = take(FMT, packed(person=PERSON + "EXA1,A,B,F,2012-04-03,,9990000018\n", linked=linked))
    assert "two different NHS numbers" in str(one.faults)


def test_a_mother_and_her_child_are_told_in_both_directions(take: Take) -> None:
    """As the council recorded it; a shared family number makes nobody a parent."""
    (one,) = take(FMT, "moth_table_id,moth_person_id,moth_childs_person_id,moth_childs_dob\n1,EXA1,EXA2,2024-01-01\n")
    found = {item.key: item.resource for item in one.resources if item.resource["resourceType"] == "RelatedPerson"}
    roles = {key: resource["relationship"][0]["coding"][0]["code"] for key, resource in found.items()}
    assert roles == {"child/EXA1/relative/child%2FEXA2": "CHILD", "child/EXA2/relative/child%2FEXA1": "MTH"}
    (family,) = take(FMT, "fami_person_id\nEXA1\n")
    assert not family.resources
    assert "who is whose parent" in str(family.warnings)


def test_a_placement_for_adoption_shields_by_way_of_its_episode(take: Take) -> None:
    """The table of placements names no person: alone it is refused, in a set it counts."""
    placement = "clap_cla_placement_id,clap_cla_id,clap_cla_placement_start_date,clap_cla_placement_type\nP1,L1,2025-03-01,A4\n"
    (alone,) = take(FMT, placement)
    assert "as a ZIP" in str(alone.faults)
    (one,) = take(FMT, packed(care=CARE + "E1,EXA1,L1,2025-03-01,,\n", placement=placement))
    assert {"valueCode": "placed-for-adoption"}.items() <= one.resources[0].resource["extension"][0].items()


@pytest.mark.parametrize(
    ("row", "restriction"),
    [("1,EXA1,2025-01-01,,\n", "placed-for-adoption"), ("1,EXA1,2025-01-01,2025-02-01,\n", ""), ("1,EXA1,,,Adoption\n", "adopted"), ("1,EXA1,,,Special Guardianship\n", "")],
)  # fmt: skip
def test_the_permanence_table_shields(take: Take, row: str, restriction: str) -> None:
    """Placed or adopted, unless the decision was reversed."""
    head = "perm_table_id,perm_person_id,perm_placed_for_adoption_date,perm_decision_reversed_date,perm_permanence_order_type\n"
    (one,) = take(FMT, head + row)
    found = [extension["valueCode"] for extension in one.resources[0].resource.get("extension", [])]
    assert found == ([restriction] if restriction else [])


def test_the_legal_status_tells_short_breaks_from_care(take: Take) -> None:
    """Of the day on which the episode began; the order stays inside."""
    legal = "lega_legal_status_id,lega_person_id,lega_legal_status,lega_legal_status_start_date,lega_legal_status_end_date\n"
    care = CARE + "E1,EXA1,L1,2025-03-01,,\n"
    breaks = flags_of(take(FMT, packed(care=care, legal=legal + "1,EXA1,V4,2025-01-01,\n")))
    ordered = flags_of(take(FMT, packed(care=care, legal=legal + "1,EXA1,V4,2024-01-01,2025-01-01\n2,EXA1,C2,2025-01-01,\n")))
    assert codes_of(breaks["child/EXA1/ssd/care/E1"]) == ["active", "short-break"]
    assert codes_of(ordered["child/EXA1/ssd/care/E1"])[1:] == ["looked-after", "764841000000100", "cla-s31"]


@pytest.mark.parametrize(
    ("close", "plan", "code"),
    [("R1,EXA1,2025-01-01,N,RC7,2025-05-01\n", "", "cannot-say"), ("R1,EXA1,2025-01-01,N,,\n", "", "high-intensity"), ("R1,EXA1,2025-01-01,N,RC7,2025-05-01\n", "2025-04-30", "recently-closed")],
)  # fmt: skip
def test_a_plan_that_is_open_in_a_closed_episode_cannot_be_said(take: Take, close: str, plan: str, code: str) -> None:
    """Only in a set do the two meet."""
    found = flags_of(take(FMT, packed(referral=REFERRAL + close, plan=PLAN + f"C1,R1,EXA1,2025-02-01,{plan},N\n")))
    assert codes_of(found["child/EXA1/episode/R1/cp-plan/C1"])[0] == code


def test_whom_to_ring_is_put_together_from_three_tables(take: Take) -> None:
    """The worker whose time began last and has not ended, by name and number, on what is open."""
    involved = "invo_involvements_id,invo_person_id,invo_professional_id,invo_involvement_start_date,invo_involvement_end_date\n"
    workers = (
        "prof_professional_id,prof_professional_name,prof_social_worker_registration_no\nW1,Sam Sample,SW1\nW2,Kim Sample,SW2\n"
    )
    tables = {"involved": involved + "1,EXA1,W1,2024-01-01,2025-01-01\n2,EXA1,W2,2025-01-01,\n", "workers": workers}
    found = flags_of(take(FMT, packed(referral=REFERRAL + "R1,EXA1,2025-01-01,N,,\n", **tables)))
    practitioner = found["child/EXA1/episode/R1"]["contained"][0]["practitioner"]
    assert (practitioner["display"], practitioner["identifier"]["value"]) == ("Kim Sample", "SW2")


@pytest.mark.parametrize(
    ("cell", "carer", "unknown"),
    [
        ('["4B","7A"]', True, 0),
        ('{"7A": "Y", "4B": "N"}', True, 0),
        ('{"7A": "N"}', False, 0),
        ("7A, 4B", True, 0),
        ('["RB"]', False, 1),
        ("[[[", False, 0),
    ],
)
def test_factors_are_read_in_each_form_that_is_sent(take: Take, cell: str, carer: bool, unknown: int) -> None:
    """A list, an object, words with commas; 4A and 4B are known and not kept."""
    head = "cina_assessment_id,cina_person_id,cina_referral_id,cina_assessment_start_date,cina_assessment_auth_date\n"
    quoted = cell.replace('"', '""')
    tables = {"factors": f'cinf_table_id,cinf_assessment_id,cinf_assessment_factors_json\n1,A1,"{quoted}"\n'}
    (one,) = take(FMT, packed(assessment=head + "A1,EXA1,R1,2025-01-02,\n", **tables))
    assert ("child/EXA1/marker/young-carer" in {found.key for found in one.resources}) is carer
    assert len(one.unmatched) == unknown


@pytest.mark.parametrize(
    ("word", "leaver"),
    [("Eligible", True), ("former relevant", False), ("Former Relevant", True), ("No Current Eligibility", False)],
)
def test_a_care_leaver_is_one_while_eligible(take: Take, word: str, leaver: bool) -> None:
    """Spelled as the dataset has it; any other word is reported."""
    found = take(
        FMT,
        f"clea_table_id,clea_person_id,clea_care_leaver_eligibility,clea_care_leaver_latest_contact\n1,EXA1,{word},2025-05-05\n",
    )
    assert bool(flags_of(found)) is leaver
    assert bool(found[0].unmatched) is (word == "former relevant")


def test_a_table_that_says_nothing_alone_says_so(take: Take) -> None:
    """Professionals and teams are joined, never stored."""
    (one,) = take(FMT, "prof_professional_id,prof_professional_name\nW1,Sam Sample\n")
    assert "send the tables together" in str(one.faults)
    assert "Sam" not in str(one)


def test_the_same_table_twice_is_refused(take: Take) -> None:
    """Which of the two would count?"""
    with pytest.raises(Unreadable):
        take(FMT, packed(a=PLAN + "C1,R1,EXA1,2025-05-01,,N\n", b=PLAN + "C1,R1,EXA1,2025-05-01,2025-06-01,N\n"))


def test_the_same_code_keeps_its_meaning_apart_in_each_field(mappings: Mappings) -> None:
    """C2 is an order and no category; A3 a placement; 3A a factor."""
    tables: Any = mappings.formats[FMT].tables
    assert tables["legal_status"].find("C2").target_code == "cla-s31"
    assert tables["placement_type"].find("A3").target_code == "placed-for-adoption"
    assert [tables[name].find("C2") for name in ("placement_type", "close_reason", "sex", "assessment_factors")] == [None] * 4
    assert not tables["assessment_factors"].find("3A").target_code


@pytest.mark.parametrize(("sent", "kept"), [("9990000018", ["9990000018"]), ("999 000 0018", ["9990000018"]), ("9990000019", []),
                                            ("SSD_SUI", []), ("3f2b6c1e-0d8a", [])])  # fmt: skip
def test_the_single_unique_id_is_the_nhs_number_where_it_is_one(take: Take, sent: str, kept: list[str]) -> None:
    """Councils send it there since 1.4; another number in the column is left out and refuses nobody."""
    (one,) = take(FMT, f"pers_person_id,pers_forename,pers_dob,pers_single_unique_id\nEXA1,KIT,2013-01-01,{sent}\n")
    assert one.faults == ()
    numbers = [each["value"] for each in one.resources[0].resource["identifier"] if "nhs-number" in each["system"]]
    assert numbers == kept
