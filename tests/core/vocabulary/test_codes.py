"""Our codes are those that are published, and the ladder gives the status."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from gateway.disclosure.release import ITK, ITK_DISPLAY, STATUS_DISPLAY
from gateway.fhir import codes
from gateway.fhir.codes import (
    AGENCY_KINDS,
    CHILDREN,
    CONTACT_KINDS,
    DETAILS,
    FOSTER_CARERS,
    INPATIENT,
    MARKERS,
    PARENTS,
    SENT_AS,
    SHIELDING,
    Answer,
    Involvement,
    inverse_role,
    involvement,
)
from gateway.fhir.elements import extension_parts, flag_detail, identifiers, identity, nhs_number
from gateway.fhir.systems import NHS_NUMBER
from gateway.settings import HERE

ON = date(2026, 11, 21)


def published(name: str) -> dict[str, str]:
    bundle = json.loads((HERE / "mappings" / "code_systems" / f"{name}.json").read_text())
    found = (entry["resource"]["concept"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "CodeSystem")
    return {one["code"]: one["display"] for concepts in found for one in concepts}


def test_the_published_codes_are_the_codes_in_use() -> None:
    """Answers, statuses, kinds of agency and of contact, markers; details in the order of the ladder."""
    assert published("marker") == MARKERS
    assert set(published("answer")) == {str(one) for one in Answer}
    assert published("involvement") == {str(code): display for code, display in STATUS_DISPLAY.items()}
    assert set(published("agency-kind")) == AGENCY_KINDS
    assert set(published("contact-kind")) == CONTACT_KINDS
    assert list(published("involvement-detail").items()) == [(code, one.display) for code, one in DETAILS.items()]


def test_nothing_that_is_kept_inside_is_published_or_sent() -> None:
    """Detention is sent as a stay, an order as looked after, and what shields is not sent."""
    assert not (set(SENT_AS) | SHIELDING) & set(DETAILS)
    assert set(SENT_AS.values()) <= set(DETAILS)

    def detail(code: str) -> str:
        return flag_detail({"code": {"coding": [{"system": "https://x.example/CodeSystem/involvement-detail", "code": code}]}})

    assert [detail(code) for code in ("detained", "cto", "cla-care-order", "cp-plan", "adopted")] == [
        "inpatient",
        "community",
        "looked-after",
        "cp-plan",
        "adopted",
    ]
    assert flag_detail({}) == ""


def test_every_answer_that_tells_something_has_its_itk_code() -> None:
    """30001 to 30004, with the displays of UK Core."""
    assert set(ITK.values()) == set(ITK_DISPLAY)


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (-1, None, True),
        (0, None, True),
        (1, None, None),
        (-9, 1, True),
        (-9, 0, Involvement.RECENTLY_CLOSED),
        (-900, -365, Involvement.RECENTLY_CLOSED),
        (-900, -366, Involvement.CLOSED),
    ],
)
def test_the_ladder_by_dates(detail: str, start: int, end: int | None, kept: bool | Involvement | None) -> None:
    """Open from its first day to the day before its end; recently closed for twelve months."""
    found = involvement(detail, ON + timedelta(days=start), None if end is None else ON + timedelta(days=end), ON)
    assert found == (DETAILS[detail].while_open if kept is True else kept)


def test_who_is_in_hospital() -> None:
    """On leave and absent without leave too; in a mother and baby unit; not with a community team."""
    assert {
        code for code, one in DETAILS.items() if "hospital" in one.display.lower() or "baby unit" in one.display.lower()
    } == INPATIENT


@pytest.mark.parametrize("role", sorted(CHILDREN))
def test_the_other_side_of_a_child_is_a_parent_or_a_foster_carer(role: str) -> None:
    """With the gender of whom it describes where that is known."""
    neutral = inverse_role(role)
    assert neutral in PARENTS | FOSTER_CARERS
    assert {inverse_role(role, "female"), inverse_role(role, "male")} <= PARENTS | FOSTER_CARERS


def test_foster_carers_and_grandparents_are_no_parents() -> None:
    """Nor is anybody of unknown kin."""
    assert not PARENTS & (FOSTER_CARERS | {"GRPRN", "GRMTH", "GRFTH", "SIB", "NOK"})
    assert inverse_role("NOBODY") is None
    assert codes.inverse_role("MTH", "male") == "CHILD"


def test_identifiers_are_read_whatever_their_writing() -> None:
    """A NHS number with spaces or hyphens is the same person's; what lacks system or value is none."""
    spaced = {"system": NHS_NUMBER, "value": "999 000-1006"}
    assert identity({"identifier": spaced}) == f"{NHS_NUMBER}|9990001006"
    assert identifiers({"identifier": [spaced, {"value": "7"}, {"system": "s", "value": "a b"}]}) == [
        f"{NHS_NUMBER}|9990001006",
        "s|a b",
    ]
    assert nhs_number({"identifier": [{"system": "s", "value": "1"}, spaced]}) == "9990001006"
    assert (identity(None), identity({}), nhs_number({})) == ("", "", "")


def test_parts_of_an_extension_are_read_by_name() -> None:
    """Of the extension that is asked for, and no other."""
    body = {
        "extension": [
            {
                "url": "https://x.example/StructureDefinition/parental-responsibility",
                "extension": [{"url": "value", "valueCode": "yes"}, {"url": "since", "valueDate": "2020"}],
            }
        ]
    }
    assert extension_parts(body, "parental-responsibility") == {"value": "yes", "since": "2020"}
    assert extension_parts(body, "responsibility") == {}
