"""What a subscription narrows its topic to, as the backport guide writes it."""

from __future__ import annotations

import pytest

from gateway.fhir import systems
from gateway.notification.filters import FilterFault, Wanted, read_filters

PERSON = f"patient:identifier={systems.NHS_NUMBER}|9990001006"
OWNER = f"author:identifier={systems.ODS_CODE}|TMH01"


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ([PERSON], Wanted(nhs="9990001006")),
        ([f"Flag?{PERSON}"], Wanted(nhs="9990001006")),
        ([f"Flag.{PERSON}"], Wanted(nhs="9990001006")),
        (["patient:in=Group/a1"], Wanted(case_list="a1")),
        (["Flag?patient:in=https://us.example/fhir/Group/a1"], Wanted(case_list="a1")),
        ([PERSON, OWNER, "service=camhs"], Wanted("9990001006", "", "TMH01", "camhs")),
        ([f"{PERSON}&{OWNER}&priority=urgent"], Wanted("9990001006", "", "TMH01", "", "urgent")),
        ([f"service={systems.code_system('service')}|camhs", PERSON], Wanted("9990001006", service="camhs")),
        ([OWNER], Wanted(owner="TMH01")),
    ],
)
def test_filters_are_read_in_every_form_of_the_guide(stated: list[str], wanted: Wanted) -> None:
    """Several as extensions or joined by &; with the type before a question mark or a dot, or without."""
    assert read_filters(stated, "https://us.example/fhir") == wanted


@pytest.mark.parametrize(
    "stated",
    [
        ["status=active"], ["patient=Patient/1"], [f"{PERSON},9990001014"], ["patient:in=List/1"], ["patient:not-in=Group/1"],
        ["patient:in=https://other.example/fhir/Group/1"], ["priority=high"], ["service=plumbing"], [""], [PERSON, PERSON],
        [PERSON, "patient:in=Group/1"], [OWNER, OWNER], [f"{PERSON}&"], [PERSON.replace("1006", "1007")],
    ],
)  # fmt: skip
def test_what_is_not_supported_is_never_passed_over(stated: list[str]) -> None:
    """A condition that is not understood would be one that is not kept; nothing of it is repeated."""
    with pytest.raises(FilterFault) as fault:
        read_filters(stated, "https://us.example/fhir")
    assert "9990001007" not in str(fault.value)


def test_filters_take_what_they_name_and_an_unnamed_agency_only_without_them() -> None:
    """An agency marked sensitive comes as empty: it passes no filter of an agency or a service."""
    assert Wanted().takes_source("", "")
    assert Wanted(owner="TMH01", service="camhs").takes_source("TMH01", "camhs")
    assert not Wanted(owner="TMH01").takes_source("", "")
    assert not Wanted(service="camhs").takes_source("TMH01", "adult-mental-health")
    assert Wanted(urgency="urgent").takes_urgency(urgent=True)
    assert not Wanted(urgency="urgent").takes_urgency(urgent=False)
