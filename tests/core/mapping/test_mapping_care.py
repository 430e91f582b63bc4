"""SSDA903: episodes of care in CSV, as a set and in XML; what a year's return contradicts; who is shielded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir.elements import flag_detail
from gateway.mapping import Mapped, Mappings, Resource, Unreadable
from tests.core.mapping.packed import packed

Take = Callable[..., list[Mapped]]
FMT = "dfe-ssda903"
COLUMNS = "CHILD,DECOM,RNE,LS,CIN,PLACE,PLACE_PROVIDER,DEC,REC,REASON_PLACE_CHANGE,HOME_POST,PL_POST,URN"


def episodes(*rows: dict[str, str]) -> str:
    """The Episodes table."""
    names = COLUMNS.split(",")
    known = {"CHILD": "EXA1", "DECOM": "01/03/2025", "LS": "C2", "PLACE": "U6"}
    return "\n".join([COLUMNS, *(",".join({**known, **row}.get(name, "") for name in names) for row in rows)]) + "\n"


def flags_of(mapped: list[Mapped]) -> list[Resource]:
    """The Flags of a file, none of whose records was refused."""
    assert not [fault for one in mapped for fault in one.faults]
    return [found.resource for one in mapped for found in one.resources if found.resource["resourceType"] == "Flag"]


def codes_of(resource: Resource) -> list[str]:
    """The codes of a Flag."""
    return [one["code"] for one in resource["code"]["coding"]]


def restriction_of(mapped: list[Mapped]) -> str:
    """The restriction on the first person of a file; empty where there is none."""
    extensions = mapped[0].resources[0].resource.get("extension", [])
    return next((one["valueCode"] for one in extensions if one["url"].endswith("/restriction")), "")


LAW = {
    "C1": "cla-s38", "C2": "cla-s31", "D1": "cla-placement-order", "E1": "cla-placement-order", "V2": "cla-s20",
    "L1": "cla-emergency", "L2": "cla-emergency", "L3": "cla-emergency", "J1": "cla-justice", "J2": "cla-justice", "J3": "cla-justice",
}  # fmt: skip


@pytest.mark.parametrize("code", LAW)
def test_an_order_is_kept_inside_and_sent_as_looked_after(take: Take, code: str) -> None:
    """What others may ever hear of is that the child is looked after."""
    (flag,) = flags_of(take(FMT, episodes({"LS": code})))
    assert codes_of(flag) == ["high-intensity", "looked-after", "764841000000100", LAW[code]]
    assert flag_detail(flag) == "looked-after"
    assert LAW[code] not in flag["code"]["text"]


@pytest.mark.parametrize("code", ["V3", "V4"])
def test_short_breaks_are_no_care(take: Take, code: str) -> None:
    """Looked after in the return; nobody would expect a child in care."""
    (flag,) = flags_of(take(FMT, episodes({"LS": code})))
    assert codes_of(flag) == ["active", "short-break"]


@pytest.mark.parametrize(
    ("row", "restriction"),
    [
        ({"REC": "E11", "DEC": "01/05/2025"}, "adopted"),
        ({"REC": "E12", "DEC": "01/05/2025"}, "adopted"),
        ({"PLACE": "A3"}, "placed-for-adoption"),
        ({"PLACE": "A6", "REC": "E11", "DEC": "01/05/2025"}, "adopted"),
        ({"LS": "E1"}, ""),
        ({"REC": "E4A", "DEC": "01/05/2025"}, ""),
    ],
)
def test_adoption_shields_whatever_the_episode_is(take: Take, row: dict[str, str], restriction: str) -> None:
    """A placement order alone is no placement."""
    assert restriction_of(take(FMT, episodes(row))) == restriction


@pytest.mark.parametrize(
    ("table", "restriction"),
    [
        ("CHILD,DOB,DATE_PLACED,DATE_PLACED_CEASED,REASON_PLACED_CEASED\nEXA1,03/04/2020,01/02/2025,,\n", "placed-for-adoption"),
        ("CHILD,DOB,DATE_PLACED,DATE_PLACED_CEASED,REASON_PLACED_CEASED\nEXA1,03/04/2020,01/02/2025,01/03/2025,RD1\n", ""),
        ("CHILD,DOB,DATE_INT,DATE_MATCH,FOSTER_CARE,NB_ADOPTR,SEX_ADOPTR,LS_ADOPTR\nEXA1,03/04/2020,01/02/2024,,0,2,MF,L11\n", "adopted"),
        ("CHILD,DOB,PREV_PERM,LA_PERM,DATE_PERM\nEXA1,03/04/2020,P1,999,01/01/2015\n", ""),
    ],
)  # fmt: skip
def test_the_adoption_tables_shield_too(take: Take, table: str, restriction: str) -> None:
    """An earlier adoption is of an earlier record: nothing of it is kept."""
    assert restriction_of(take(FMT, table)) == restriction


CONTRADICTIONS: dict[str, tuple[dict[str, str], ...]] = {
    "a reason for the end without a date": ({"REC": "E4A"},),
    "it continues in an episode that is not there": ({"DEC": "01/04/2025", "REC": "X1"},),
    "a later episode began and this has no end": ({}, {"DECOM": "01/04/2025", "DEC": "01/05/2025", "REC": "E4A"}),
    "an end that nobody can read": ({"DEC": "31/02/2025", "REC": "E4A"},),
    "a placeholder for an end": ({"DEC": "xx"},),
    "no start": ({"DECOM": ""},),
    "an end before the start": ({"DEC": "01/01/2025", "REC": "E4A"},),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_neither_open_nor_ended(take: Take, case: str) -> None:
    """The coarse code is cannot-say, nothing is active, and the sender is told."""
    found = take(FMT, episodes(*CONTRADICTIONS[case]))
    first = flags_of(found)[0]
    assert (codes_of(first)[0], first["status"]) == ("cannot-say", "inactive")
    assert "cannot be said" in str(found[0].warnings)


def test_an_episode_that_continues_ends_where_the_next_begins(take: Take) -> None:
    """X1 means: the same day. The last one goes on, with a warning."""
    found = take(FMT, episodes({"REC": "X1"}, {"DECOM": "01/05/2025", "REC": "X1"}))
    first, second = flags_of(found)
    assert first["period"] == {"start": "2025-03-01", "end": "2025-05-01"}
    assert second["status"] == "active"
    assert "counts as going on" in str(found[0].warnings)


def test_a_year_of_two_digits_is_of_this_century_and_reported(take: Take) -> None:
    """Exports write 24/04/17; a birth date is never read so."""
    found = take(FMT, episodes({"DECOM": "01/03/17", "DEC": "24/04/17", "REC": "E4A"}))
    assert flags_of(found)[0]["period"] == {"start": "2017-03-01", "end": "2017-04-24"}
    assert "two digits" in str(found[0].warnings)
    born = take(FMT, "CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB\nEXA1,1,03/04/12,NOBT,,,\n")
    assert "birthDate" not in born[0].resources[0].resource


def test_nobody_is_looked_after_who_is_of_age(take: Take) -> None:
    """With the birth date of the header; without it nothing is known of that."""
    header = "CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB\nEXA1,1,{},NOBT,,1,03/04/2024\n"
    adult = take(FMT, packed(header=header.format("14/06/2007"), episodes=episodes({})))
    child = take(FMT, packed(header=header.format("16/06/2007"), episodes=episodes({})))
    assert [codes_of(flags_of(found)[0])[0] for found in (adult, child)] == ["cannot-say", "high-intensity"]
    assert "2024" not in str(adult[0].resources[0])


def test_a_set_is_put_together_child_by_child(take: Take) -> None:
    """Header, episodes and worker of one child are one record, wherever they stand."""
    found = take(
        FMT,
        packed(
            sw="CHILD,DOB,SW_ID,SW_DECOM,SW_DEC,SW_REASON\nEXA1,03/04/2012,SW1,01/01/2024,01/01/2025,X\nEXA1,03/04/2012,SW2,01/01/2025,,X\n",
            episodes=episodes({}, {"CHILD": "EXA2"}, {"DECOM": "01/01/2024", "DEC": "01/03/2025", "REC": "X1"}),
            header="CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB\nEXA1,2,03/04/2012,NOBT,A999000000001,,\n",
        ),
    )
    first, second = found
    flags = flags_of([first])
    assert [flag["period"] for flag in flags] == [{"start": "2024-01-01", "end": "2025-03-01"}, {"start": "2025-03-01"}]
    assert [flag.get("contained", [{}])[0].get("practitioner", {}).get("identifier", {}).get("value") for flag in flags] == [
        None,
        "SW2",
    ]
    assert first.resources[0].resource["gender"] == "female"
    assert second.resources[0].key == "child/EXA2"


def test_two_birth_dates_of_one_child_are_none(take: Take) -> None:
    """Nobody guesses which."""
    tables = {"missing": "CHILD,DOB,MISSING,MIS_START,MIS_END\nEXA1,04/04/2012,M,01/01/2025,\n"}
    found = take(FMT, packed(header="CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB\nEXA1,2,03/04/2012,NOBT,,,\n", **tables))
    assert "birthDate" not in found[0].resources[0].resource
    assert "different things" in str(found[0].warnings)


@pytest.mark.parametrize(
    ("code", "leaver", "died"),
    [("YES", True, False), ("NO", True, False), ("RHOM", False, False), ("DIED", False, True), ("xx", False, False)],
)
def test_leaving_care(take: Take, code: str, leaver: bool, died: bool) -> None:
    """Somebody out of touch is a care leaver still; who went home or died is none."""
    found = take(FMT, f"CHILD,DOB,IN_TOUCH,ACTIV,ACCOM\nEXA1,03/04/2006,{code},F2,U\n")
    assert [codes_of(flag) for flag in flags_of(found)] == ([["care-leaver"]] if leaver else [])
    assert found[0].resources[0].resource.get("deceasedBoolean", False) is died


XML = (
    "<EXPSSDA903><CHILD><HEADER><CHILDID>EXA1</CHILDID><UPN /><SEX>1</SEX><DOB>03/04/2012</DOB>{}</HEADER>{}</CHILD></EXPSSDA903>"
)


def test_xml_and_tables_say_the_same(take: Take) -> None:
    """CHILDID and PL in place of CHILD and PLACE, blocks in place of tables."""
    block = "<EPISODE><DECOM>01/03/2025</DECOM><LS>C2</LS><PL>A5</PL><DEC /><REC /></EPISODE>"
    there = take(FMT, XML.format("<AREVIEW><REVIEW>01/05/2025</REVIEW></AREVIEW><OC2><SDQ_SCORE>9</SDQ_SCORE></OC2>", block))
    here = take(
        FMT, packed(header="CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB\nEXA1,1,03/04/2012,,,,\n", e=episodes({"PLACE": "A5"}))
    )
    assert [one.resource for one in there[0].resources] == [one.resource for one in here[0].resources]
    assert not there[0].warnings
    assert restriction_of(there) == "placed-for-adoption"


def test_what_is_nobodys_column_is_named_and_not_kept(take: Take) -> None:
    """In XML and in CSV."""
    assert "FAVOURITE" in str(take(FMT, XML.format("<FAVOURITE>blue</FAVOURITE>", ""))[0].warnings)
    told, one = take(FMT, "CHILD,DOB,REVIEW,REVIEW_CODE,NOTE\nEXA1,03/04/2012,01/01/2025,PN1,blue\n")
    assert "NOTE" not in str(one)
    assert told.warnings[0].where == "note"
    assert "blue" not in str((told, one))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"A,B\n1,2\n",
        b"PK\x03\x04 no zip",
        packed(),
        packed(a="A,B\n1,2\n"),
        b"<!DOCTYPE x><EXPSSDA903/>",
        b"<Message><Children><Child/></Children></Message>",
        b"CHILD,DOB\x00,X\n",
        "CHILD,DOB,REVIEW\n".encode("utf-16"),
    ],
)
def test_what_is_no_return_is_refused(take: Take, data: bytes) -> None:
    """With a reason, before the first record."""
    with pytest.raises(Unreadable) as refused:
        take(FMT, data)
    assert refused.value.issues


def test_a_zip_that_unpacks_without_end_is_refused(take: Take) -> None:
    """No more is unpacked than there is room for."""
    with pytest.raises(Unreadable) as refused:
        take(FMT, packed(reviews="CHILD,DOB,REVIEW,REVIEW_CODE\n" + "EXA1,03/04/2012,01/01/2025,PN1\n" * 3_000_000))
    assert refused.value.issues[0].code == "too-long"


def test_the_same_code_keeps_its_meaning_apart_in_each_field(mappings: Mappings) -> None:
    """C1, E1, A3, U, M and 1 elsewhere mean neglect, police, primary care, a reason, missing, a truth."""
    tables: Any = mappings.formats[FMT].tables
    assert tables["legal_status"].find("C1").target_code == "cla-s38"
    assert tables["legal_status"].find("E1").target_code == "cla-placement-order"
    assert tables["placement"].find("A3").target_code == "placed-for-adoption"
    assert tables["sex"].find("U").target_code == "unknown"
    assert tables["sex"].find("1").target_code == "male"
    assert [tables[name].find("A3") for name in ("legal_status", "sex", "reason_episode_ceased")] == [None] * 3
    assert [tables[name].find("C1") for name in ("placement", "sex", "reason_episode_ceased", "in_touch")] == [None] * 4
    assert tables["placement"].find("E1") is None


@pytest.mark.parametrize(("name", "people"), [("sw_episodes", 1), ("uasc", 140)])
def test_published_samples_map_without_a_fault(take: Take, samples: Path, name: str, people: int) -> None:
    """With a byte order mark; of who came without parents nothing but who they are is kept."""
    found = take(FMT, (samples / FMT / f"{name}.csv").read_bytes())
    assert not [fault for one in found for fault in one.faults]
    assert len(found) == people or name == "uasc"
    assert all(set(one.resources[0].resource) <= {"resourceType", "identifier", "birthDate", "gender"} for one in found)
