"""HL7 v2 ADT: stays, person updates, merges, next of kin, and the real files of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hl7
import pytest

from gateway.fhir.systems import NHS_NUMBER, V3_ROLE
from gateway.mapping import Mapped, Op, Resource, Sender, Sourced, Unreadable
from gateway.mapping.hl7_reader import read_messages

Take = Callable[..., list[Mapped]]
FMT = "hl7v2-adt"
KEY = "person/https%3A%2F%2Ftrust.example%2FId%2Frio/M1"


def message(event: str, *segments: str, pid: str = "PID|||M1^^^RIO^MR||EXAMPLE^ANNE||19850412|F", version: str = "2.4") -> str:
    """A message of an event, recorded on 2 June 2025."""
    head = f"MSH|^~\\&|PAS|EX|||20250602081500||ADT^{event}|X1|P|{version}"
    return "\r".join([head, f"EVN|{event}|20250602081500", pid, *segments]) + "\r"


def pv1(visit: str = "V1", kind: str = "I", admitted: str = "", discharged: str = "") -> str:
    """A PV1 with class, ward, clinician, visit number and times."""
    fields = [""] * 46
    fields[0], fields[2], fields[3], fields[7] = "PV1", kind, "ROSE WARD^R1", "C1^CLINICIAN^BEN"
    fields[19], fields[44], fields[45] = visit, admitted, discharged
    return "|".join(fields)


def nk1(**fields: str) -> str:
    """An NK1 by field number: ``f3="CHD"``."""
    cells = ["NK1"] + [fields.get(f"f{number}", "") for number in range(1, 42)]
    return "|".join(cells)


def only(mapped: list[Mapped]) -> Mapped:
    """The one message, without faults."""
    (one,) = mapped
    assert one.faults == ()
    return one


def flag(mapped: list[Mapped]) -> Resource:
    """The Flag of a message."""
    return next(one.resource for one in only(mapped).resources if one.resource["resourceType"] == "Flag")


def relatives(mapped: list[Mapped]) -> list[Resource]:
    """The RelatedPersons of a message."""
    return [one.resource for one in only(mapped).resources if one.resource["resourceType"] == "RelatedPerson"]


def under(one: Mapped, key: str) -> Sourced:
    """What a message says under a key."""
    (found,) = [item for item in one.resources if item.key == key]
    return found


def coded(resource: Resource) -> list[str]:
    """The codes of a Flag."""
    return [one["code"] for one in resource["code"]["coding"]]


def test_an_admission_is_an_inpatient_flag(take: Take) -> None:
    """Since the time of admission, on a ward, with a clinician to ask for."""
    found = flag(take(FMT, message("A01", pv1(admitted="20250601230500"))))
    assert (found["status"], found["period"], coded(found)) == (
        "active",
        {"start": "2025-06-01"},
        ["high-intensity", "inpatient"],
    )
    assert found["contained"][0]["practitioner"]["display"] == "BEN CLINICIAN"
    assert found["contained"][0]["location"] == [{"display": "ROSE WARD"}]


@pytest.mark.parametrize(
    ("admitted", "evn", "start"),
    [("20250531", "EVN|A01|20250530||||20250529", "2025-05-31"), ("", "EVN|A01|20250530||||20250529", "2025-05-29"),
     ("", "EVN|A01|20250530", "2025-05-30"), ("", "EVN|A01", "2025-06-02"), ("nonsense", "EVN|A01|20250530", "2025-05-30")],
)  # fmt: skip
def test_an_admission_starts(take: Take, admitted: str, evn: str, start: str) -> None:
    """PV1-44, else EVN-6, else EVN-2, else MSH-7; an unreadable time is passed over."""
    text = message("A01", pv1(admitted=admitted)).replace("EVN|A01|20250602081500", evn)
    assert flag(take(FMT, text))["period"]["start"] == start


def test_a_discharge_ends_the_stay_of_its_visit(take: Take) -> None:
    """The same key as the admission."""
    one = only(take(FMT, message("A03", pv1(discharged="20250602070000"))))
    stay = under(one, f"{KEY}/stay/V1")
    assert stay.resource["period"] == {"end": "2025-06-02"}
    assert stay.resource["status"] == "inactive"


def test_a_cancelled_admission_is_retracted(take: Take) -> None:
    """A11: the stay was recorded in error."""
    one = only(take(FMT, message("A11", pv1())))
    assert (under(one, f"{KEY}/stay/V1").op, under(one, f"{KEY}/stay/V1/leave").op) == (Op.CANCEL, Op.RETRACT)


def test_a_cancelled_discharge_reopens_the_stay(take: Take) -> None:
    """A13: an explicit null takes the end away."""
    found = flag(take(FMT, message("A13", pv1())))
    assert (found["status"], found["period"]) == ("active", {"end": None})


def test_a_transfer_changes_only_whom_to_ask(take: Take) -> None:
    """A02: neither status nor dates are spoken of."""
    found = flag(take(FMT, message("A02", pv1())))
    assert "status" not in found
    assert "period" not in found
    assert found["contained"]


def test_a_registration_outside_of_hospital_is_community(take: Take) -> None:
    """A04 of an inpatient adds nothing; of anybody else, a community team."""
    assert coded(flag(take(FMT, message("A04", pv1(kind="O"))))) == ["active", "community"]
    assert len(only(take(FMT, message("A04", pv1(kind="I")))).resources) == 1


def test_stays_without_a_number_do_not_mix(take: Take) -> None:
    """The current stay and the time with a community team have keys of their own, and a new start clears the end."""
    stay = only(take(FMT, message("A01", pv1(visit="")))).resources[1]
    team = only(take(FMT, message("A04", pv1(visit="", kind="O")))).resources[1]
    assert (stay.key, team.key) == (f"{KEY}/current-stay", f"{KEY}/community")
    assert stay.resource["period"]["end"] is None


@pytest.mark.parametrize("event", ["A28", "A31"])
def test_a_person_update_is_a_patient_alone(take: Take, event: str) -> None:
    """No stay is made from it."""
    one = only(take(FMT, message(event, pv1())))
    assert [(item.key, item.resource["resourceType"]) for item in one.resources] == [(KEY, "Patient")]


def test_a_merge_names_both_identifiers(take: Take) -> None:
    """A40: the Patient that stays links to the identifier that is given up."""
    one = only(take(FMT, message("A40", "MRG|M9^^^RIO^MR")))
    assert one.resources[0].op is Op.MERGE_PERSON
    link = one.resources[0].resource["link"][0]
    assert (link["type"], link["other"]["identifier"]["value"]) == ("replaces", "M9")


@pytest.mark.parametrize("event", ["A18", "A34"])
def test_version_2_3_merges_under_other_events(take: Take, event: str) -> None:
    """What A40 is later."""
    assert only(take(FMT, message(event, "MRG|M9^^^RIO^MR", version="2.3"))).resources[0].op is Op.MERGE_PERSON


@pytest.mark.parametrize("kind", ["ADT^A28", "adt^a28", "ADT_A28", "ADT^A28^ADT_A05", "ADT"])
def test_the_event_is_read_however_it_is_written(take: Take, kind: str) -> None:
    """In lower case, in one component, or in EVN-1 alone."""
    assert only(take(FMT, message("A28").replace("ADT^A28", kind))).resources


@pytest.mark.parametrize("segment", ["MRG|M1^^^RIO^MR", "MRG|", "ZZZ|"])
def test_a_merge_with_itself_or_nobody_is_refused(take: Take, segment: str) -> None:
    """There is nothing to give up."""
    assert take(FMT, message("A40", segment))[0].faults[0].where == "message 1, MRG-1"


@pytest.mark.parametrize("event", ["A06", "I12", "A99", ""])
def test_other_events_are_refused_by_name(take: Take, event: str) -> None:
    """The issue says which events are taken."""
    assert "A01" in take(FMT, message(event))[0].faults[0].text


@pytest.mark.parametrize(
    ("version", "taken"), [("2.3", True), ("2.5.1", True), ("2.8", True), ("", True), ("2.1", False), ("3", False)]
)
def test_versions(take: Take, version: str, taken: bool) -> None:
    """2.3 to 2.8; a missing version is warned about."""
    assert (take(FMT, message("A28", version=version))[0].faults == ()) is taken


@pytest.mark.parametrize(
    ("cx", "system"),
    [
        ("9990000018^^^NHS^NH", NHS_NUMBER),
        ("999 000 0018^^^ANY^NH", NHS_NUMBER),
        ("9990000018^^^NHS", NHS_NUMBER),
        ("9990000018^^^&2.16.840.1.113883.2.1.4.1&ISO", NHS_NUMBER),
        ("M1^^^RIO^MR", "https://trust.example/Id/rio"),
        ("M1^^^RIO^XX", "https://trust.example/Id/rio"),
        ("M1^^^OTHER^PI", "https://gateway.example/Id/EXT01/OTHER"),
        ("M1", "https://gateway.example/Id/EXT01/mrn"),
    ],
)
def test_the_authority_tells_the_system(take: Take, cx: str, system: str) -> None:
    """Configuration first, then the NHS number, then the trust's own."""
    one = only(take(FMT, message("A28", pid=f"PID|||{cx}")))
    assert one.resources[0].resource["identifier"][0]["system"] == system


def test_identifiers_of_other_kinds_are_not_kept(take: Take) -> None:
    """A driving licence identifies nobody here."""
    (one,) = take(FMT, message("A28", pid="PID|||D1^^^DVLA^DL"))
    assert one.faults[0].where == "message 1, PID-3"


@pytest.mark.parametrize("segment", ["", nk1(f2="A^B", f3="CHD", f33="9990000019^^^NHS^NH")])
def test_a_wrong_check_digit_refuses_the_message(take: Take, segment: str) -> None:
    """Of the patient or of a relative: the wrong person is worse than no person."""
    pid = "PID|||9990000018^^^NHS^NH" if segment else "PID|||9990000019^^^NHS^NH~M1^^^RIO^MR"
    (one,) = take(FMT, message("A28", segment, pid=pid))
    assert one.resources == ()
    assert "check digit" in one.faults[0].text


@pytest.mark.parametrize(("segment", "restricted"), [("PD1||||||||||||Y", True), ("PD1||||||||||||N", False), ("ARV|1|A|DEM", True),
                                                     ("ARV|1|A|NO", False), ("ARV|1|D|DEM", False)])  # fmt: skip
def test_protection_restricts_the_patient(take: Take, segment: str, restricted: bool) -> None:
    """PD1-12 or ARV-3 set a restriction; a deletion does not lift one."""
    patient = only(take(FMT, message("A28", segment))).resources[0].resource
    assert ("extension" in patient) is restricted


def test_next_of_kin_in_both_directions(take: Take) -> None:
    """The daughter of our patient, and our patient as her mother."""
    kin = nk1(f2="EXAMPLE^DAUGHTER", f3="CHD", f16="20150403", f33="9990000026^^^NHS^NH")
    mother, daughter = relatives(take(FMT, message("A31", kin)))[::-1]
    assert daughter["relationship"][0]["coding"][0]["code"] == "CHILD"
    assert mother["relationship"] == [{"coding": [{"system": V3_ROLE, "code": "MTH"}]}]
    assert mother["patient"]["identifier"]["value"] == daughter["identifier"][0]["value"] == "9990000026"
    assert mother["identifier"][0]["value"] == "M1"


@pytest.mark.parametrize(("gender", "role"), [("M", "FTH"), ("F", "MTH"), ("U", "PRN"), ("", "PRN"), ("O", "PRN")])
def test_an_unknown_gender_stays_neutral(take: Take, gender: str, role: str) -> None:
    """Mother or father is never guessed."""
    kin = nk1(f3="CHD", f33="9990000026^^^NHS^NH")
    pid = f"PID|||M1^^^RIO^MR|||||{gender}"
    assert relatives(take(FMT, message("A31", kin, pid=pid)))[1]["relationship"][0]["coding"][0]["code"] == role


def test_a_relative_without_identifier_has_one_side(take: Take) -> None:
    """Who has only a name cannot be anybody's patient."""
    assert len(relatives(take(FMT, message("A31", nk1(f2="EXAMPLE^SON", f3="CHD"))))) == 1


def test_an_unknown_relationship_is_text_without_coding(take: Take) -> None:
    """Never a coding without a system; the contact role stands beside it."""
    mapped = take(FMT, message("A31", nk1(f2="A^B", f3="SO^Significant other", f7="NOK")))
    (one,) = relatives(mapped)
    assert one["relationship"][0] == {"text": "Significant other"}
    assert one["relationship"][1]["coding"][0]["code"] == "N"
    assert mapped[0].unmatched[0].code == "SO"


@pytest.mark.parametrize("role", [{"f3": "EMR"}, {"f3": "E"}, {"f7": "I"}, {"f7": "F"}, {"f3": "s"}])
def test_employers_and_insurers_are_nobodys_kin(take: Take, role: dict[str, str]) -> None:
    """NK1 of organisations are passed over."""
    assert relatives(take(FMT, message("A31", nk1(f2="A^B", **role)))) == []


def test_a_protected_relative_is_labelled_on_every_side(take: Take) -> None:
    """NK1-23 is never dropped in silence."""
    one = only(take(FMT, message("A31", nk1(f2="A^B", f3="SIS", f23="Y", f33="9990000026^^^NHS^NH"))))
    assert [item.resource["meta"]["security"][0]["code"] for item in one.resources[1:]] == ["R", "R", "R"]


def test_an_ended_relationship_is_not_active(take: Take) -> None:
    """NK1-9 in the past."""
    assert relatives(take(FMT, message("A31", nk1(f2="A^B", f3="FND", f8="20200101", f9="20210101"))))[0]["active"] is False


def test_two_segments_of_one_relative_become_one(take: Take) -> None:
    """Next of kin and emergency contact in one person."""
    (one,) = relatives(take(FMT, message("A31", nk1(f2="A^B", f3="FND"), nk1(f2="A^B", f3="EMC"))))
    assert len(one["relationship"]) == 2


def test_two_relatives_of_one_name_stay_two(take: Take) -> None:
    """A birth date tells a father from a son."""
    assert len(relatives(take(FMT, message("A31", nk1(f2="A^B", f16="19600101"), nk1(f2="A^B", f16="20100101"))))) == 2


def test_a_missing_next_of_kin_removes_nobody(take: Take) -> None:
    """No NK1, nothing said."""
    assert all(item.op is Op.MERGE for item in only(take(FMT, message("A31"))).resources)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segment_ends_and_framing(take: Take, end: str) -> None:
    """CR, LF and CRLF, a byte order mark, MLLP bytes, Z-segments, several messages."""
    text = (message("A28", "ZPI|1|x") + message("A31")).replace("\r", end)
    assert len(take(FMT, b"\xef\xbb\xbf\x0b" + text.encode() + b"\x1c\r")) == 2


def test_other_delimiters(take: Take) -> None:
    """MSH-1 and MSH-2 are honoured."""
    text = "MSH#*!?@#PAS#EX###20250602##ADT*A28#X#P#2.4\rPID###M1***RIO*MR##O?T?EXAMPLE*A?S?B"
    assert only(take(FMT, text)).resources[0].resource["name"] == [{"family": "O@EXAMPLE", "given": ["A*B"]}]


def test_delimiters_that_cannot_be_told_apart_refuse_one_message(take: Take) -> None:
    """The rest of the file goes on."""
    first, second = take(FMT, "MSH|||||\rPID|||1\r" + message("A28"))
    assert first.faults
    assert second.resources


@pytest.mark.parametrize("data", [b"", b"PID|||1", b"{}", b"MSH|^~\\&|\0", b"MSH|^~\\&|\xff\xfe"])
def test_what_is_no_message_is_unreadable(take: Take, data: bytes) -> None:
    """No MSH, NUL bytes, another encoding."""
    with pytest.raises(Unreadable):
        take(FMT, data)


def test_a_named_character_set_is_read(take: Take) -> None:
    """MSH-18 of 8859/1."""
    text = message("A28", pid="PID|||M1^^^RIO^MR||ÉXAMPLE^A").replace("|P|2.4", "|P|2.4||||||8859/1")
    assert only(take(FMT, text.encode("latin-1"))).resources[0].resource["name"][0]["family"] == "ÉXAMPLE"


def test_a_recorded_time_in_the_future_does_not_stand(take: Take) -> None:
    """The time of receipt stands instead."""
    mapped = take(FMT, message("A01", pv1(admitted="20250601")).replace("|20250602081500", "|20290801070624+0115"))
    assert flag(mapped)["extension"][0]["valueDateTime"] == "2025-06-15T09:00:00+00:00"
    assert mapped[0].warnings


def test_an_explicit_null_removes(take: Take) -> None:
    """Two quotation marks take a value away."""
    patient = only(take(FMT, message("A31", pid='PID|||M1^^^RIO^MR||EX^A||""|""'))).resources[0].resource
    assert (patient["birthDate"], patient["gender"]) == (None, None)


@pytest.mark.parametrize("name", ["ADT-A01-01", "ADT-A03-01", "ADT-A40-01", "ADT04-23"])
def test_real_files_map_without_faults(take: Take, samples: Path, name: str) -> None:
    """The files of others, quirks and all."""
    assert only(take(FMT, (samples / "hl7v2-adt" / f"{name}.hl7").read_bytes())).resources


def test_two_next_of_kin_of_a_real_file(take: Take, samples: Path) -> None:
    """NOK and EMC roles, and no guess at SO."""
    found = relatives(take(FMT, (samples / "hl7v2-adt" / "ADT04-23.hl7").read_bytes()))
    assert [one["relationship"][1]["coding"][0]["code"] for one in found] == ["N", "C"]
    assert all("coding" not in one["relationship"][0] for one in found)


@pytest.mark.parametrize("name", ["ADT-A01-01", "ADT-A40-01", "ADT04-23"])
def test_our_splitter_agrees_with_a_library(samples: Path, name: str) -> None:
    """Every component of PID, NK1 and PV1 is what the hl7 library finds."""
    data = (samples / "hl7v2-adt" / f"{name}.hl7").read_bytes()
    (ours,) = read_messages(data)
    text = data.decode("utf-8-sig").replace("\r\n", "\r").replace("\n", "\r").strip("\r")
    theirs = hl7.parse(text)
    for segment in ("PID", "NK1", "PV1"):
        for mine, other in zip(
            ours.segments.get(segment, []), theirs.segments(segment) if segment in ours.segments else [], strict=True
        ):
            assert [mine.raw(number) for number in range(1, len(other))] == [str(field) for field in other[1:]]


def test_a_trust_configures_its_authorities(take: Take) -> None:
    """The same message from another trust names another system."""
    sender: Any = Sender("EXT02", authorities={"RIO": "https://other.example/Id/rio"})
    one = only(take(FMT, message("A28"), sender))
    assert one.resources[0].resource["identifier"][0]["system"] == "https://other.example/Id/rio"
