"""The children in need census: versions, streams, sloppy and contradictory records, what each becomes."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.mapping import Mapped, Mappings, Resource, Sender, Unreadable, merged, read, restated
from gateway.notification.topics import flag_changes

Take = Callable[..., list[Mapped]]
FMT = "dfe-cin-census"
COUNCIL = Sender("EXC01", la_code="999", received="2025-06-15T09:00:00+00:00")


def element(name: str, content: Any) -> str:
    """An element of text, of parts by name, or one for each of a list."""
    if isinstance(content, list):
        return "".join(element(name, one) for one in content)
    inner = "".join(element(key, value) for key, value in content.items()) if isinstance(content, dict) else str(content)
    return f"<{name}>{inner}</{name}>"


def census(*children: str, year: str = "2025", reference: str = "2025-03-31", lea: str = "999") -> str:
    """A census file."""
    details = {"Collection": "CIN", "Year": year, "ReferenceDate": reference}
    header = element("Header", {"CollectionDetails": details, "Source": {"LEA": lea}})
    return f"<Message>{header}<Children>{''.join(children)}</Children></Message>"


def child(*episodes: dict[str, Any], **identity: str) -> str:
    """A child with referrals."""
    known = {"LAchildID": "EXA1", "PersonBirthDate": "2012-04-03", "Sex": "F", **identity}
    return element(
        "Child", {"ChildIdentifiers": {key: value for key, value in known.items() if value}, "CINdetails": list(episodes)}
    )


def only(mapped: list[Mapped]) -> Mapped:
    """The one record of a file, without faults."""
    (one,) = mapped
    assert one.faults == ()
    return one


def flag_of(mapped: list[Mapped], detail: str) -> Resource:
    """The Flag of a detail."""
    return next(one.resource for one in only(mapped).resources if detail in codes_of(one.resource))


def codes_of(resource: Resource) -> list[str]:
    """The codes of a Flag."""
    return [one["code"] for one in resource.get("code", {}).get("coding", [])]


def patient_of(mapped: list[Mapped]) -> Resource:
    """The Patient of the one record."""
    return only(mapped).resources[0].resource


def said(mapped: Mapped) -> str:
    """Every warning of a record."""
    return "\n".join(f"{one.where}: {one.text}" for one in mapped.warnings)


REFERRED = {"CINreferralDate": "2025-01-01"}
PLANS = {
    "cin-plan": ("CINPlanDates", "CINPlanStartDate", "CINPlanEndDate"),
    "cp-plan": ("ChildProtectionPlans", "CPPstartDate", "CPPendDate"),
    "assessment": ("Assessments", "AssessmentActualStartDate", "AssessmentAuthorisationDate"),
}


@pytest.mark.parametrize("detail", PLANS)
@pytest.mark.parametrize("end", ["", "2025-03-01"])
def test_a_record_is_open_until_it_has_an_end(take: Take, detail: str, end: str) -> None:
    """Each kind of record becomes a Flag of its detail, of the day that the file speaks of."""
    block, first, last = PLANS[detail]
    record = {first: "2025-02-01", **({last: end} if end else {})}
    flag = flag_of(take(FMT, census(child({**REFERRED, block: record}))), detail)
    assert flag["status"] == ("inactive" if end else "active")
    assert flag["period"] == {"start": "2025-02-01", **({"end": end} if end else {})}
    assert {"valueDateTime": "2025-03-31"}.items() <= flag["extension"][0].items()


def test_a_child_joins_by_the_councils_own_identifier(take: Take) -> None:
    """The same key as in every other format of the council; no NHS number is made of a UPN."""
    one = only(take(FMT, census(child(UPN="A999000000001"))))
    assert one.resources[0].key == "child/EXA1"
    systems = [found["system"] for found in one.resources[0].resource["identifier"]]
    assert systems == ["https://gateway.example/Id/la/999/child-id", "https://www.gov.uk/Id/unique-pupil-number"]


@pytest.mark.parametrize(
    ("enquiry", "end"),
    [
        ({"DateOfInitialCPC": "2025-02-20", "ICPCnotRequired": "false"}, "2025-02-20"),
        ({"ICPCnotRequired": "1"}, "2025-02-01"),
        ({"ICPCnotRequired": "true"}, "2025-02-01"),
        ({"ICPCnotRequired": "0"}, None),
        ({}, None),
    ],
)
def test_an_enquiry_has_no_end_of_its_own_in_the_census(take: Take, enquiry: dict[str, str], end: str | None) -> None:
    """The conference ends it; without need of one it ended at once."""
    found = take(FMT, census(child({**REFERRED, "Section47": {"S47ActualStartDate": "2025-02-01", **enquiry}})))
    assert flag_of(found, "section-47")["period"].get("end") == end


@pytest.mark.parametrize(
    ("block", "detail"),
    [({"S47ActualStartDate": "2025-01-02"}, "section-47"), ({"AssessmentActualStartDate": "2025-01-02"}, "assessment")],
)
def test_what_cannot_outlive_its_episode_ends_with_it(take: Take, block: dict[str, str], detail: str) -> None:
    """An enquiry or assessment without an end, in an episode that was closed."""
    name = "Section47" if detail == "section-47" else "Assessments"
    closed = {**REFERRED, "CINclosureDate": "2025-02-02", "ReasonForClosure": "RC8", name: block}
    assert flag_of(take(FMT, census(child(closed))), detail)["period"] == {"start": "2025-01-02", "end": "2025-02-02"}


@pytest.mark.parametrize(
    ("episode", "end"),
    [
        ({"CINclosureDate": "2025-02-02", "ReasonForClosure": "RC7"}, "2025-02-02"),
        ({"ReferralNFA": "true"}, "2025-01-01"),
        ({"ReferralNFA": "1.0"}, "2025-01-01"),
        ({"ReferralNFA": "0"}, None),
        ({"ReferralNFA": "xx"}, None),
    ],
)
def test_a_referral_ends(take: Take, episode: dict[str, str], end: str | None) -> None:
    """With the episode, or at once where no further action was taken, however that is written."""
    assert flag_of(take(FMT, census(child({**REFERRED, **episode}))), "referral")["period"].get("end") == end


CONTRADICTIONS = {
    "a plan that is open in a closed episode": ({"CINclosureDate": "2025-02-02", "ChildProtectionPlans": {"CPPstartDate": "2025-01-05"}}, "cp-plan"),
    "no further action and a conference": ({"ReferralNFA": "true", "DateOfInitialCPC": "2025-02-01"}, "referral"),
    "a reason for the closure without a date": ({"ReasonForClosure": "RC7"}, "referral"),
    "an end before the start": ({"CINPlanDates": {"CINPlanStartDate": "2025-02-02", "CINPlanEndDate": "2025-01-02"}}, "cin-plan"),
    "an end that nobody can read": ({"ChildProtectionPlans": {"CPPstartDate": "2025-01-05", "CPPendDate": "31/02/2025"}}, "cp-plan"),
    "a placeholder for an end": ({"ChildProtectionPlans": {"CPPstartDate": "2025-01-05", "CPPendDate": "UNKNOWN"}}, "cp-plan"),
    "an end of the year nothing": ({"ChildProtectionPlans": {"CPPstartDate": "2025-01-05", "CPPendDate": "1900-01-01"}}, "cp-plan"),
    "two different ends": ({"ChildProtectionPlans": {"CPPstartDate": "2025-01-05", "CPPendDate": ["2025-02-01", "2025-03-01"]}}, "cp-plan"),
    "no start": ({"ChildProtectionPlans": {"NumberOfPreviousCPP": "1"}}, "cp-plan"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_neither_open_nor_ended(take: Take, case: str) -> None:
    """The coarse code is cannot-say, nothing is active, and the sender is told."""
    episode, detail = CONTRADICTIONS[case]
    found = take(FMT, census(child({**REFERRED, **episode})))
    flag = flag_of(found, detail)
    assert (codes_of(flag)[0], flag["status"]) == ("cannot-say", "inactive")
    assert "whether it goes on cannot be said" in said(found[0])


def test_a_contradiction_is_no_news_and_stays_one(take: Take) -> None:
    """It raises no notice and no day makes it an involvement; once the record is mended it is one."""
    closed = {"CINclosureDate": "2025-02-02", "ReasonForClosure": "RC7"}
    plan = {"ChildProtectionPlans": {"CPPstartDate": "2025-01-05"}}
    flag = flag_of(take(FMT, census(child({**REFERRED, **closed, **plan}))), "cp-plan")
    assert flag_changes(None, flag, date(2025, 6, 15)) == []
    assert restated(flag, date(2025, 6, 15)) == flag
    mended = flag_of(take(FMT, census(child({**REFERRED, **plan}))), "cp-plan")
    now = restated(merged(flag, mended), date(2025, 6, 15))
    assert codes_of(now) == ["high-intensity", "cp-plan", "342191000000101"]
    assert [one.topic for one in flag_changes(flag, now, date(2025, 6, 15))] == ["child-protection-plan-started"]


def test_an_end_for_ever_is_no_end(take: Take) -> None:
    """31 December 9999 is how databases write that there is none."""
    plan = {"CPPstartDate": "2025-01-05", "CPPendDate": "9999-12-31"}
    flag = flag_of(take(FMT, census(child({**REFERRED, "ChildProtectionPlans": plan}))), "cp-plan")
    assert (flag["status"], flag["period"]) == ("active", {"start": "2025-01-05"})


def test_what_went_on_years_ago_may_have_ended_since(take: Take) -> None:
    """A census of 2022, received in 2025: an open plan is cannot-say, an ended one has ended."""
    plans = [{"CPPstartDate": "2021-05-05"}, {"CPPstartDate": "2020-05-05", "CPPendDate": "2021-01-01"}]
    found = take(
        FMT,
        census(
            child({"CINreferralDate": "2020-01-01", "ChildProtectionPlans": plans}, Sex="", GenderCurrent="2"),
            year="2022",
            reference="2022-03-31",
        ),
    )
    flags = [one.resource for one in only(found).resources if "cp-plan" in codes_of(one.resource)]
    assert [codes_of(flag)[0] for flag in flags] == ["cannot-say", "closed"]


def test_a_child_who_is_not_born_has_no_birth_date(take: Take) -> None:
    """A due date, a plan for an unborn child, and one key that the plan keeps after the birth."""
    plan = {**REFERRED, "ChildProtectionPlans": {"CPPstartDate": "2025-02-01"}}
    before = take(FMT, census(child(plan, PersonBirthDate="", ExpectedPersonBirthDate="2025-07-01", Sex="U")))
    after = take(FMT, census(child(plan)))
    assert "birthDate" not in patient_of(before)
    assert patient_of(before)["extension"] == [
        {"url": "https://gateway.example/fhir/StructureDefinition/expected-birth-date", "valueDate": "2025-07-01"}
    ]
    assert codes_of(flag_of(before, "cp-plan-unborn"))[1:] == ["cp-plan-unborn", "818901000000100"]
    keys = [next(one.key for one in only(found).resources if "/cp-plan/" in one.key) for found in (before, after)]
    assert keys[0] == keys[1]


def test_the_rules_for_unborn_children_are_held_against_the_sender(take: Take) -> None:
    """A sex, a due date long past, both dates: warnings; a birth date stands."""
    unborn = take(FMT, census(child(PersonBirthDate="", ExpectedPersonBirthDate="2024-07-01", Sex="M")))
    assert "not yet born is U" in said(unborn[0])
    assert "passed long ago" in said(unborn[0])
    both = take(FMT, census(child(ExpectedPersonBirthDate="1066-04-13")))
    assert patient_of(both)["birthDate"] == "2012-04-03"
    assert "not both" in said(both[0])


def test_an_adopted_child_is_restricted_whatever_else_is_sent(take: Take) -> None:
    """The restriction is on the child; a former pupil number, which would join two lives, is not kept."""
    adopted = {**REFERRED, "CINclosureDate": "2025-02-01", "ReasonForClosure": "RC1"}
    one = only(take(FMT, census(child(adopted, REFERRED, FormerUPN="B999000000002"))))
    assert {"valueCode": "adopted"}.items() <= one.resources[0].resource["extension"][-1].items()
    assert "B999000000002" not in str(one)


def test_a_death_is_told_one_way(take: Take) -> None:
    """The day where it is known, else only that it happened; never a day to come."""
    died = {**REFERRED, "CINclosureDate": "2025-02-01", "ReasonForClosure": "RC2"}
    assert patient_of(take(FMT, census(child(died))))["deceasedBoolean"] is True
    dated = patient_of(take(FMT, census(child(died, PersonDeathDate="2025-01-30"))))
    assert (dated["deceasedDateTime"], "deceasedBoolean" in dated) == ("2025-01-30", False)
    assert "deceasedDateTime" not in patient_of(take(FMT, census(child(PersonDeathDate="2026-01-30"))))


def test_a_young_carer_is_a_marker_and_no_other_factor_is_kept(take: Take) -> None:
    """7A is told; the parent's mental health is a concern at an assessment, and stays out."""
    assessment = {
        "AssessmentActualStartDate": "2025-01-02",
        "FactorsIdentifiedAtAssessment": {"AssessmentFactors": ["4B", "7A", "3B"]},
    }
    one = only(take(FMT, census(child({**REFERRED, "Assessments": assessment}))))
    (marker,) = [found.resource for found in one.resources if found.key.endswith("/marker/young-carer")]
    assert (codes_of(marker), marker["period"], marker["status"]) == (["young-carer"], {"start": "2025-01-02"}, "active")
    assert not one.unmatched
    assert "4B" not in str(one.resources)


def test_the_version_is_found_in_the_file(take: Take) -> None:
    """By the year of the collection; where a child has fields of a later year, that child is read by the later."""
    assert only(take(FMT, census(child(Sex="", GenderCurrent="1"), year="2022"))).version == f"{FMT}@2022"
    newer = only(take(FMT, census(child(), year="2022")))
    assert (newer.version, newer.resources[0].resource["gender"]) == (f"{FMT}@2025", "female")
    latest = {**REFERRED, "PreProceedingsandFGDM": {"PPStartDate": "2025-02-01"}}
    assert only(take(FMT, census(child(latest)))).version == f"{FMT}@2026"
    assert "pre-proceedings" in codes_of(flag_of(take(FMT, census(child(latest))), "pre-proceedings"))


@pytest.mark.parametrize(("year", "version"), [("2019", "2021"), ("2031", "2026"), ("", "2026"), ("soon", "2026")])
def test_a_year_without_a_map_is_read_by_the_nearest(take: Take, year: str, version: str) -> None:
    """With a warning."""
    one = only(take(FMT, census(child(Sex=""), year=year)))
    assert one.version == f"{FMT}@{version}"
    assert "no map of its own" in said(one)


def test_a_version_that_was_asked_for_is_followed(take: Take) -> None:
    """Against the header, and said so."""
    one = only(take(f"{FMT}@2024", census(child(Sex=""))))
    assert (one.version, "another year" in said(one)) == (f"{FMT}@2024", True)


def test_an_older_code_is_taken_with_a_warning(take: Take) -> None:
    """M, F and U since 2024-25; 1, 2, 0 and 9 still come, as decimal numbers too."""
    one = only(take(FMT, census(child(Sex="1.0"))))
    assert one.resources[0].resource["gender"] == "male"
    assert "outdated: M, F or U are due" in said(one)


def test_the_same_code_keeps_its_meaning_apart_in_each_field(mappings: Mappings) -> None:
    """3A is a GP among sources of a referral and domestic abuse of the child among factors; N3 and 1 stand elsewhere."""
    tables = mappings.formats[FMT].tables
    assert "Domestic abuse" in getattr(tables["assessment_factors"].find("3A"), "source_display", "")
    assert tables["reason_for_closure"].find("3A") is None
    assert tables["assessment_factors"].find("1") is None
    assert getattr(tables["sex"].find("1"), "target_code", "") == "male"
    assert tables["gender_current"].find("M") is None


@pytest.mark.parametrize("name", ["EX_A1", "EX-A1-AND-VERY-MUCH-LONGER", "10001.0"])
def test_an_identifier_that_breaks_the_rule_is_taken_with_a_warning(take: Take, name: str) -> None:
    """Underscores, too many characters, a decimal number."""
    one = only(take(FMT, census(child(LAchildID=name))))
    assert one.resources[0].resource["identifier"][0]["value"] == name.removesuffix(".0")
    assert "dentifier" in said(one)


@pytest.mark.parametrize("name", ["", "UNKNOWN", "xx", "N/K", "a\tb", "x" * 65])
def test_who_is_nobody_is_refused(take: Take, name: str) -> None:
    """A placeholder would make one person of many."""
    (one,) = take(FMT, census(child(LAchildID=name)))
    assert one.faults
    assert not one.resources


def test_a_header_that_cannot_be_right_is_reported_with_the_first_child(take: Take) -> None:
    """Another council, a reference date of another year or to come."""
    first, second = take(FMT, census(child(), child(LAchildID="EXA2"), lea="201", reference="2026-03-31"))
    assert "another council" in said(first)
    assert "do not belong together" in said(first)
    assert "lies in the future" in said(first)
    assert second.warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<Message/>",
        "<EXPSSDA903/>",
        "<Message><Children/></Message>",
        "<!DOCTYPE Message><Message><Children><Child/></Children></Message>",
        '<!DOCTYPE Message [<!ENTITY a "b">]><Message><Children><Child>&a;</Child></Children></Message>',
        '<!DOCTYPE Message SYSTEM "file:///etc/passwd"><Message/>',
        "<Message><Children><Child>" + "<a>" * 40,
        "<Message><Header><CollectionDetails><Collection>CLA</Collection></CollectionDetails></Header></Message>",
    ],
)
def test_a_file_that_is_no_census_or_a_danger_is_refused(take: Take, text: str) -> None:
    """With one reason and no record."""
    with pytest.raises(Unreadable) as refused:
        take(FMT, text)
    assert refused.value.issues


def test_text_entities_and_references_are_never_expanded(take: Take) -> None:
    """An entity that is not XML's own ends the reading."""
    first, broken = take(FMT, census(child(), child(UPN="&secret;")))
    assert first.resources
    assert broken.faults


def test_a_file_that_breaks_off_keeps_what_came_before(take: Take) -> None:
    """The children before the break land; one refusal names the line."""
    whole = census(child(), child(LAchildID="EXA2"))
    first, broken = take(FMT, whole[: whole.rindex("<Child>") + 30])
    assert first.resources
    assert "not well-formed" in broken.faults[0].text


@pytest.mark.parametrize(
    "before", ["\ufeff", "\n \r\n", '<?xml version="1.0" encoding="utf-8"?>\r\n', "\ufeff<?xml version='1.0'?>"]
)
def test_marks_and_empty_lines_before_the_file_do_no_harm(take: Take, before: str) -> None:
    """As editors and exports leave them."""
    assert only(take(FMT, before + census(child()).replace("><", ">\r\n<"))).resources


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "windows-1252"])
def test_other_encodings_that_are_named_are_read(take: Take, charset: str) -> None:
    """XML says which it is."""
    text = f'<?xml version="1.0" encoding="{charset}"?>' + census(child())
    assert only(take(FMT, text.encode(charset))).resources


def test_a_namespace_changes_nothing(take: Take) -> None:
    """Some exports have one."""
    text = census(child()).replace("<", "<c:").replace("<c:/", "</c:").replace("<c:Message>", '<c:Message xmlns:c="urn:x">')
    assert only(take(FMT, text)).resources


def test_a_part_that_never_ends_is_refused(take: Take) -> None:
    """Nothing is gathered without bound: a comment of megabytes, a record of too many parts."""
    with pytest.raises(Unreadable):
        take(FMT, "<Message><!--" + "x" * (9 << 20))
    with pytest.raises(Unreadable):
        take(FMT, census(child(*[REFERRED] * 20_001)))


class Endless(io.RawIOBase):
    """A file without end, of which each part is made when it is asked for."""

    def __init__(self) -> None:
        self.parts = 0

    def read(self, size: int = -1) -> bytes:
        self.parts += 1
        name = {"LAchildID": f"E{self.parts}"}
        return census().split("</Children>")[0].encode() if self.parts == 1 else child(**name).encode()


def test_a_file_is_read_as_a_stream(mappings: Mappings) -> None:
    """The first children are there before the file has come to its end."""
    endless = Endless()
    found = read(mappings, FMT, endless, COUNCIL)  # type: ignore[arg-type]
    assert [next(found).where.split()[1] for _ in range(50)] == [str(number) for number in range(1, 51)]
    assert endless.parts < 100


def test_the_published_sample_shows_what_it_must(take: Take, samples: Path) -> None:
    """Stray text, an outdated sex, an unmatched factor, an adoption, dates that cannot be: taken, and said."""
    first, second = take(
        FMT, (samples / FMT / "CIN_Census_2026.xml").read_bytes(), Sender("X", "201", received="2026-08-01T00:00:00Z")
    )
    assert not first.faults + second.faults
    assert [one.code for one in first.unmatched] == ["RB"]
    assert {"valueCode": "adopted"}.items() <= first.resources[0].resource["extension"][-1].items()
    assert {one.resource.get("status") for one in first.resources} == {None, "inactive"}
    assert "outdated" in said(first)
    assert "Text stands between" in said(first)
    assert "end lies before the start" in said(first)
    assert "young-carer" not in str(first.resources)
    assert "breaks the published rule" in said(second)
    assert (
        codes_of(second.resources[1].resource) == ["closed", "referral"]
        or codes_of(second.resources[1].resource)[0] == "recently-closed"
    )
