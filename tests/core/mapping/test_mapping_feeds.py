"""The relationship feed and the crosswalk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.fhir.systems import NHS_NUMBER, V3_ROLE
from gateway.mapping import Mapped, Resource, Sender, Unreadable

Take = Callable[..., list[Mapped]]
CHILD, MOTHER = "la-child-id,EXA1", "nhs-number,999 000 0018"
HEAD = "source_person_system,source_person_id,related_person_system,related_person_id,role,role_system"


def feed(row: str, more: str = "") -> str:
    """A feed of one row."""
    return f"{HEAD}{more and ',' + more}\n{row}\n"


def only(mapped: list[Mapped]) -> Mapped:
    """The one row, without faults."""
    (one,) = mapped
    assert one.faults == ()
    return one


def sides(mapped: list[Mapped]) -> tuple[Resource, Resource]:
    """The RelatedPerson that the row describes, and the one of the other side."""
    found = [one.resource for one in only(mapped).resources if one.resource["resourceType"] == "RelatedPerson"]
    return found[0], found[1]


def role(resource: Resource) -> str:
    """The role of a RelatedPerson."""
    return str(resource["relationship"][0]["coding"][0]["code"])


def extension(resource: Resource, name: str) -> Any:
    """One of our extensions."""
    return next((one for one in resource.get("extension", []) if one["url"].endswith(f"/{name}")), None)


def test_a_row_says_what_the_related_person_is_to_the_source(take: Take) -> None:
    """Both directions and both people; unknown gender stays neutral."""
    there, back = sides(take("relationships", feed(f"{CHILD},{MOTHER},MTH,")))
    assert (role(there), role(back)) == ("MTH", "CHILD")
    assert there["patient"]["identifier"]["value"] == back["identifier"][0]["value"] == "EXA1"
    assert there["identifier"][0] == {"system": NHS_NUMBER, "value": "9990000018", "use": "official"}


@pytest.mark.parametrize(
    ("code", "listed", "there", "back"),
    [
        ("CHD", "nhs", "DAUC", "PRN"),
        ("BPM", "nhs", "NMTH", "NCHILD"),
        ("CHILD", "v3-RoleCode", "CHILD", "PRN"),
        ("child", "", "CHILD", "PRN"),
        ("STPCHLD", V3_ROLE, "STPCHLD", "STPPRN"),
        ("SIS", V3_ROLE.replace("http:", "https:"), "SIS", "SIB"),
        ("HSIB", "", "HSIB", "HSIB"),
    ],
)
def test_roles_of_both_lists(take: Take, code: str, listed: str, there: str, back: str) -> None:
    """The list that the row names decides what a code means."""
    found = sides(take("relationships", feed(f"{CHILD},{MOTHER},{code},{listed}")))
    assert tuple(map(role, found)) == (there, back)


def test_a_code_of_the_other_list_is_not_guessed(take: Take) -> None:
    """CHD is no v3 role: it stands as text, on both sides, and is listed."""
    mapped = take("relationships", feed(f"{CHILD},{MOTHER},CHD,v3"))
    there, back = sides(mapped)
    assert there["relationship"] == [{"text": "CHD"}]
    assert back["relationship"] == [{"text": "other side of: CHD"}]
    assert mapped[0].unmatched[0].code == "CHD"


def test_no_relationship_makes_no_relative(take: Take) -> None:
    """NOX: two people, nothing between them."""
    assert len(only(take("relationships", feed(f"{CHILD},{MOTHER},NOX,nhs"))).resources) == 2


@pytest.mark.parametrize(
    ("row", "adult"), [(f"{CHILD},{MOTHER},MTH,", 0), (f"{MOTHER},{CHILD},CHILD,", 1), (f"{CHILD},{MOTHER},AUNT,", 0)]
)
def test_parental_responsibility_stands_with_the_adult(take: Take, row: str, adult: int) -> None:
    """Whichever way the row is written, it is on the RelatedPerson of the child."""
    found = sides(take("relationships", feed(f"{row},Y,court order", "parental_responsibility,pr_evidence")))
    parts = {part["url"]: part for part in extension(found[adult], "parental-responsibility")["extension"]}
    assert parts["value"]["valueCode"] == "yes"
    assert parts["evidence"]["valueString"] == "court order"
    assert parts["recordedBy"]["valueReference"]["identifier"]["value"] == "EXC01"
    assert extension(found[1 - adult], "parental-responsibility") is None


@pytest.mark.parametrize("row", [f"{CHILD},{MOTHER},MTH,", f"{CHILD},{MOTHER},NMTH,"])
def test_parental_responsibility_is_never_inferred(take: Take, row: str) -> None:
    """A mother without the column has none recorded."""
    assert all(extension(one, "parental-responsibility") is None for one in sides(take("relationships", feed(row))))


def test_partners_have_no_parental_responsibility_over_each_other(take: Take) -> None:
    """It is left out with a warning."""
    mapped = take("relationships", feed(f"{MOTHER},nhs-number,9990000042,SPS,,yes", "parental_responsibility"))
    assert all(extension(one, "parental-responsibility") is None for one in sides(mapped))
    assert mapped[0].warnings[0].where == "line 2, column parental_responsibility"


@pytest.mark.parametrize(
    ("value", "code"), [("1", "yes"), ("true", "yes"), ("1.0", "yes"), ("no", "no"), ("0", "no"), ("X", "unknown")]
)
def test_living_together_is_told_both_ways(take: Take, value: str, code: str) -> None:
    """However yes and no are written."""
    found = sides(take("relationships", feed(f"{CHILD},{MOTHER},MTH,,{value}", "lives_with")))
    assert [extension(one, "lives-with")["valueCode"] for one in found] == [code, code]


def test_an_ended_relationship_is_not_active(take: Take) -> None:
    """In both date orders."""
    found = sides(take("relationships", feed(f"{CHILD},{MOTHER},MTH,,03/04/2020,2021-05-06", "period_start,period_end")))
    assert [one["active"] for one in found] == [False, False]
    assert found[0]["period"] == {"start": "2020-04-03", "end": "2021-05-06"}


@pytest.mark.parametrize(
    ("row", "place"),
    [
        (f"{CHILD},nhs-number,9990000019,MTH,", "line 2, column related_person_id"),
        (f"{CHILD},{CHILD},MTH,", "line 2, column related_person_id"),
        (f"la-child-id,A B,{MOTHER},MTH,", "line 2, column source_person_id"),
        (f"a b,1,{MOTHER},MTH,", "line 2, column source_person_system"),
        (f",1,{MOTHER},MTH,", "line 2, column source_person_system"),
        (f"{CHILD},{MOTHER},,", "line 2, column role"),
        (f"{CHILD},{MOTHER},MTH,klingon", "line 2, column role"),
        (f"{CHILD},{MOTHER},MTH", "line 2"),
    ],
)
def test_a_broken_row_names_its_column(take: Take, row: str, place: str) -> None:
    """One row is refused; the next is taken."""
    broken, good = take("relationships", feed(row) + f"{CHILD},{MOTHER},MTH,\n")
    assert broken.faults[0].where == place
    assert good.resources


def test_only_a_council_has_council_children(take: Take) -> None:
    """A trust cannot name la-child-id."""
    assert take("relationships", feed(f"{CHILD},{MOTHER},MTH,"), Sender("EXT01"))[0].faults


def test_a_local_name_is_the_senders_own_system(take: Take) -> None:
    """Two senders with one name never share numbers."""
    there, _ = sides(take("relationships", feed(f"rio,77,{MOTHER},MTH,"), Sender("EXT01")))
    assert there["patient"]["identifier"]["system"] == "https://gateway.example/Id/EXT01/rio"


@pytest.mark.parametrize(
    "data", ["", "\n\n", "a,b\n1,2\n", "local_system,local_id\n", "local_system,local_id,nhs_number,local_id\n"]
)
def test_a_wrong_header_is_unreadable(take: Take, data: str) -> None:
    """Unknown, missing and repeated columns refuse the file."""
    with pytest.raises(Unreadable):
        take("crosswalk", data)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_spreadsheet_file_is_read(take: Take, end: str) -> None:
    """Byte order mark, any line end, empty lines, space around cells, quoted cells, capitals in the header."""
    lines = ["Local_System , LOCAL_ID,nhs_number", "", 'la-child-id ," EXA1 ",999 000 0018', ",,"]
    one = only(take("crosswalk", b"\xef\xbb\xbf" + end.join(lines).encode()))
    assert (one.where, one.resources[0].key) == ("line 3", "child/EXA1")


@pytest.mark.parametrize(
    ("status", "code"), [("01", "01"), ("1", "01"), ("verified", "01"), ("02", "02"), ("", None), ("ZZ", None)]
)
def test_verification_is_as_stated(take: Take, status: str, code: str | None) -> None:
    """Nothing stated, nothing claimed."""
    (one,) = take("crosswalk", f"local_system,local_id,nhs_number,verification_status\nla-child-id,A1,9990000018,{status}\n")
    number = one.resources[0].resource["identifier"][1]
    found = [part["valueCodeableConcept"]["coding"][0]["code"] for part in number.get("extension", [])]
    assert found == ([code] if code else [])
    assert number["use"] == "official"


def test_a_crosswalk_row_is_dated(take: Take) -> None:
    """Birth date, and since and until when the numbers belong together."""
    data = (
        "local_system,local_id,nhs_number,birth_date,valid_from,valid_to\nmosaic,7,9990000018,03/04/2015,2020-01-01,2024-01-01\n"
    )
    patient = only(take("crosswalk", data)).resources[0].resource
    assert patient["birthDate"] == "2015-04-03"
    assert patient["identifier"][0]["period"] == {"start": "2020-01-01", "end": "2024-01-01"}


@pytest.mark.parametrize(
    "row", ["la-child-id,A1,9990000019", "la-child-id,A1,", "la-child-id,,9990000018", "nhs-number,9990000018,9990000018"]
)
def test_a_broken_crosswalk_row_is_refused(take: Take, row: str) -> None:
    """No number without its check digit, no pair with one number; and no issue repeats either."""
    (one,) = take("crosswalk", f"local_system,local_id,nhs_number\n{row}\n")
    assert one.resources == ()
    assert "999" not in json.dumps([issue.text for issue in one.faults])
