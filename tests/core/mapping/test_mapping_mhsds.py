"""MHSDS: prompts and figures, never a link, never an involvement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.mapping import Mapped, Mappings, Op, Unreadable
from tests.core.mapping.packed import packed

Take = Callable[..., list[Mapped]]
FMT = "mhsds"
INDICATORS = "LocalPatientID,ParentalResp,YoungCarer,LACStatus,LACLegalStatus,CPP\n"
PERIOD = (
    "DatSetVer,OrgIDProvider,OrgIDSubmit,ReportingPeriodStartDate,ReportingPeriodEndDate\n6.0,EXT01,EXT01,2025-05-01,2025-05-31\n"
)


def markers(mapped: list[Mapped]) -> list[str]:
    """The markers of a file, without those that are taken back."""
    found = [one for mapped_one in mapped for one in mapped_one.resources if one.resource["resourceType"] == "Flag"]
    return [one.resource["code"]["coding"][0]["code"] for one in found if one.op is not Op.RETRACT]


@pytest.mark.parametrize(
    ("code", "marker", "prompt"),
    [
        ("Y", ["children-asked-yes"], "record who they are"),
        ("N", ["children-asked-none"], ""),
        ("Z", ["children-asked-declined"], ""),
        ("X", [], "ask, and record it"),
        ("", [], "ask, and record it"),
        ("y", ["children-asked-yes"], "record who they are"),
        ("1", [], ""),
    ],
)
def test_whether_somebody_was_asked_about_children(take: Take, code: str, marker: list[str], prompt: str) -> None:
    """Yes, none and declined are kept; not known is a prompt, and neither yes nor no."""
    found = take(FMT, INDICATORS + f"EXM1,{code},,,,\n")
    assert markers(found) == marker
    assert prompt in str(found[0].warnings)
    assert bool(found[0].unmatched) is (code == "1")


def test_nothing_is_linked_and_nothing_is_an_involvement(take: Take) -> None:
    """A parent of nobody in particular; hearsay of plans and care; detention, referrals and stays are not kept."""
    found = take(
        FMT,
        packed(
            header=PERIOD,
            indicators=INDICATORS + "EXM1,Y,Y,Y,01,3\n",
            referrals="LocalPatientID,ServiceRequestID,ReferralRequestReceivedDate,SourceOfReferralMH,PrimReasonReferralMH\nEXM1,S1,2025-05-02,C1,13\n",
            detained="MHActLegalStatusClassPeriodId,LocalPatientID,LegalStatusCode,StartDateMHActLegalStatusClass\n1,EXM1,02,2025-05-03\n",
        ),
    )
    resources = [one.resource for mapped in found for one in mapped.resources]
    assert {one["resourceType"] for one in resources} == {"Patient", "Flag"}
    assert markers(found) == ["children-asked-yes", "young-carer"]
    assert "involvement-detail" not in str(resources)
    assert "S1" not in str(resources)


def test_a_marker_says_of_which_day_it_speaks(take: Take) -> None:
    """The last day of the reporting period; without the header, of receipt."""
    dated = take(FMT, packed(header=PERIOD, indicators=INDICATORS + "EXM1,Y,,,,\n"))[0].resources[1].resource
    alone = take(FMT, INDICATORS + "EXM1,Y,,,,\n")[0].resources[1].resource
    assert [one["extension"][0]["valueDateTime"][:10] for one in (dated, alone)] == ["2025-05-31", "2025-06-15"]


def test_what_was_said_of_a_carer_is_taken_back(take: Take) -> None:
    """N retracts; not known says nothing."""
    (one,) = take(FMT, INDICATORS + "EXM1,X,N,,,\n")
    assert [found.op for found in one.resources[1:]] == [Op.RETRACT]
    (other,) = take(FMT, INDICATORS + "EXM1,X,X,,,\n")
    assert len(other.resources) == 1


def test_only_a_crisis_plan_is_kept_of_the_plans(take: Take) -> None:
    """That there is one, since when."""
    head = "LocalPatientID,CarePlanID,CarePlanTypeMH,CarePlanCreatDate,CarePlanImplementDate\n"
    found = take(FMT, head + "EXM1,P1,12,2025-05-02,\nEXM1,P2,10,2025-05-02,\n")
    assert markers(found) == ["crisis-plan"]
    assert found[0].resources[1].resource["period"] == {"start": "2025-05-02"}


def test_the_patient_has_the_trusts_identifier_and_a_traced_number(take: Take) -> None:
    """Sex, birth date and death; never the postcode."""
    head = "LocalPatientID,NHSNumber,NHSNumberStatus,PersonBirthDate,Postcode,Gender,PersDeathDate\n"
    (one,) = take(FMT, head + "EXM1,9990000018,01,1985-02-03,ZZ99 3VZ,2,2025-05-20\n")
    patient = one.resources[0].resource
    assert [found["value"] for found in patient["identifier"]] == ["EXM1", "9990000018"]
    assert (patient["gender"], patient["deceasedDateTime"]) == ("female", "2025-05-20")
    assert "ZZ99" not in str(one)


@pytest.mark.parametrize("name", ["", "UNKNOWN", "xx"])
def test_who_is_nobody_is_refused(take: Take, name: str) -> None:
    """A placeholder would make one patient of many."""
    (one,) = take(FMT, INDICATORS + f"{name},Y,,,,\n")
    assert one.faults


def test_a_table_of_another_set_is_refused(take: Take) -> None:
    """The tables that are known are named."""
    with pytest.raises(Unreadable) as refused:
        take(FMT, "LocalPatientID,Something\nEXM1,1\n")
    assert "MHS005PatInd" in refused.value.issues[0].text


def test_the_same_code_keeps_its_meaning_apart_in_each_field(mappings: Mappings) -> None:
    """1 is male here and never on a plan in CPP; X is not known, Z declined, and neither is N."""
    tables: Any = mappings.formats[FMT].tables
    assert tables["gender"].find("1").target_code == "male"
    assert tables["parental_responsibility"].find("1") is None
    assert not tables["parental_responsibility"].find("X").target_code
    assert tables["parental_responsibility"].find("Z").target_code == "children-asked-declined"
    assert tables["parental_responsibility"].find("N").target_code == "children-asked-none"
    assert "cpp" not in tables
