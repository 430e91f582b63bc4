"""What leaves under a Permit: exactly the parts that its classes allow."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from gateway.disclosure.decision import Permit
from gateway.disclosure.release import Disclosure, Holding, Involved, Marked, desk, headline, release
from gateway.fhir import resources, systems
from gateway.fhir.codes import Answer, Involvement
from tests.core.disclosure.made import DUTY, LINE, agreements, ask, asked, classes, consent, rule

ON = date(2026, 11, 21)
SECRET = "NEVER-TOLD"
DESK = desk("TLA01", "Council", "duty-desk", {"name": "Front door", "phone": "01632 960201", "hours": "always"})
LEAD: dict[str, Any] = {
    "resourceType": "PractitionerRole", "id": "c1", "practitioner": {"display": "Jo Lead", "identifier": {"value": SECRET}},
    "organization": {"display": "Team"}, "code": [{"text": "Lead"}], "telecom": [{"system": "phone", "value": "01632 960299"}], "location": [{"display": SECRET}],
}  # fmt: skip
RELATIVE: dict[str, Any] = {
    "resourceType": "RelatedPerson", "id": SECRET, "active": True, "patient": {"identifier": {"system": "local", "value": SECRET}},
    "identifier": [{"system": systems.NHS_NUMBER, "value": "9990001014", "extension": []}, {"system": "local", "value": SECRET}],
    "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": "CHILD"}], "text": SECRET}, {"text": SECRET}],
    "name": [{"family": SECRET, "given": ["LEO"]}], "birthDate": "2019-06-02", "telecom": [{"value": SECRET}], "address": [{"text": SECRET}],
    "gender": "male", "photo": [{"title": SECRET}], "period": {"start": "2019-06-02"},
    "extension": [
        {"url": systems.extension("lives-with"), "valueCode": "yes"},
        {"url": systems.extension("parental-responsibility"), "extension": [{"url": "value", "valueCode": "yes"}, {"url": "evidence", "valueString": SECRET}, {"url": "recordedBy", "valueReference": {"display": SECRET}}]},
        {"url": systems.extension("restriction"), "valueCode": SECRET},
    ],
}  # fmt: skip
ME = {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": "9990001006"}}
LEO = {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": "9990001014"}}
HANDLE = {"type": "Patient", "identifier": {"system": "https://gateway.example/fhir/Id/person-handle", "value": "abc"}}


def involved(detail: str = "cp-plan", start: date | None = date(2026, 1, 5), end: date | None = None, **more: Any) -> Involved:
    return Involved(detail, "children-social-care", start, end, "2026-11-20T08:00:00Z", "2026-10-17", **more)


def holding(*involvements: Involved, **more: Any) -> Holding:
    given: dict[str, Any] = {"relative": RELATIVE, "asked_about": ME, "reference": HANDLE, "sensitive": False, **more}
    return Holding(
        "TLA01",
        "Council",
        given.pop("sensitive"),
        given.pop("reference"),
        involvements or (involved(contacts=(LEAD,)),),
        (DESK,),
        **given,
    )


def permit(*codes: str, purpose: str = "amh-care-planning") -> Permit:
    """A Permit for these classes, from the decision as everywhere."""
    text = LINE + f"classes = {list(codes)}\n"
    decision = ask(consent(rule("permit", klass=classes("existence", *codes))), by=asked(purpose), under=agreements(text))
    assert isinstance(decision, Permit)
    return decision


def told(*codes: str, of: Holding | None = None, purpose: str = "amh-care-planning") -> Disclosure:
    disclosure = release(of or holding(), permit(*codes, purpose=purpose), ON)
    assert disclosure is not None
    return disclosure


PARTS = {
    (): set[str](),
    ("contact",): {"contacts"},
    ("status",): {"status", "since", "last_contact", "flags"},
    ("relative-identity",): {"related_person"},
    ("status", "detail"): {"status", "since", "last_contact", "flags"},
    ("detail",): set[str](),
    ("marker",): set[str](),
    ("status", "contact", "relative-identity", "marker", "detail"): {
        "status",
        "since",
        "last_contact",
        "flags",
        "contacts",
        "related_person",
    },
}


@pytest.mark.parametrize("codes", PARTS, ids=["+".join(codes) or "existence" for codes in PARTS])
def test_each_class_opens_its_parts_and_no_other(codes: tuple[str, ...]) -> None:
    """Existence is the answer and its ITK code alone; a detail without leave for the status is not told."""
    disclosure = told(*codes)
    filled = {
        name for name in ("status", "since", "last_contact", "contacts", "flags", "related_person") if getattr(disclosure, name)
    }
    assert filled == PARTS[codes]
    assert (disclosure.answer, disclosure.itk) == (Answer.KNOWN, "30001")


def text_of(disclosure: Disclosure) -> str:
    return json.dumps([disclosure.contacts, disclosure.flags, disclosure.related_person])


def test_nothing_more_than_is_listed_ever_leaves() -> None:
    """No address, telecom, family name, staff number, local number, free text, evidence or restriction of a relative."""
    disclosure = told("status", "contact", "relative-identity", "marker", "detail", of=holding(reference=LEO))
    assert SECRET not in text_of(disclosure)
    relative = disclosure.related_person
    assert relative is not None
    assert set(relative) == {
        "resourceType",
        "meta",
        "extension",
        "identifier",
        "active",
        "patient",
        "relationship",
        "name",
        "birthDate",
        "period",
    }
    assert relative["name"] == [{"given": ["LEO"]}]
    assert relative["identifier"] == [LEO["identifier"]]
    without = told("relative-identity").related_person
    assert without is not None
    assert "identifier" not in without
    assert relative["patient"] == ME
    assert not resources.errors(resources.validate(relative))


def test_flags_name_the_detail_only_with_leave_for_it() -> None:
    """Coarse, else coded with SNOMED CT; both valid."""
    (coarse,), (fine,) = told("status").flags, told("status", "detail").flags
    assert [one["code"] for one in coarse["code"]["coding"]] == ["high-intensity"]
    assert coarse["code"]["text"] == "Intensive now"
    assert [one["code"] for one in fine["code"]["coding"]] == ["high-intensity", "cp-plan", "342191000000101"]
    assert fine["subject"] == HANDLE
    assert not [issue for flag in (coarse, fine) for issue in resources.errors(resources.validate(flag))]


def test_last_contact_is_told_to_the_month() -> None:
    """In the answer and on the flag."""
    disclosure = told("status")
    assert disclosure.last_contact == "2026-10"
    assert "2026-10-17" not in text_of(disclosure)


def test_coarse_flags_do_not_tell_how_many_plans_there_are() -> None:
    """One for each status, the same whatever order they are stored in."""
    several = (
        involved("cin-plan", date(2026, 3, 1)),
        involved("assessment", date(2026, 2, 1)),
        involved("cp-plan"),
        involved("looked-after", date(2026, 6, 1)),
    )
    forward, backward = told("status", of=holding(*several)).flags, told("status", of=holding(*several[::-1])).flags
    assert forward == backward
    assert [flag["code"]["text"] for flag in forward] == ["Intensive now", "Involved now"]


LADDER: list[tuple[list[Involved], Answer, Involvement | None]] = [
    ([], Answer.NOT_KNOWN, None),
    ([involved(start=date(2026, 12, 1))], Answer.NOT_KNOWN, None),
    ([involved(start=date(2026, 11, 21))], Answer.KNOWN, Involvement.HIGH_INTENSITY),
    ([involved("cin-plan"), involved("cp-plan")], Answer.KNOWN, Involvement.HIGH_INTENSITY),
    ([involved("care-leaver"), involved("referral")], Answer.KNOWN, Involvement.PENDING),
    ([involved(end=date(2026, 11, 21))], Answer.RECENTLY_CLOSED, Involvement.RECENTLY_CLOSED),
    ([involved(end=date(2026, 11, 22))], Answer.KNOWN, Involvement.HIGH_INTENSITY),
    ([involved(end=date(2025, 11, 21))], Answer.RECENTLY_CLOSED, Involvement.RECENTLY_CLOSED),
    ([involved(end=date(2025, 11, 20))], Answer.CLOSED, Involvement.CLOSED),
    ([involved(end=date(2020, 1, 1)), involved(end=date(2026, 10, 1))], Answer.RECENTLY_CLOSED, Involvement.RECENTLY_CLOSED),
    ([involved(end=date(2020, 1, 1)), involved("referral")], Answer.KNOWN, Involvement.PENDING),
    ([involved("something-new")], Answer.KNOWN, Involvement.ACTIVE),
]


@pytest.mark.parametrize(("involvements", "answer", "status"), LADDER)
def test_the_ladder_gives_answer_and_status(involvements: list[Involved], answer: Answer, status: Involvement | None) -> None:
    """The first open line speaks for the person, else the last to end; an end day counts as ended."""
    held = Holding("TLA01", "Council", False, ME, tuple(involvements), ())
    if status is None:
        assert headline(held, ON) is None
    else:
        disclosure = told("status", of=held, purpose=DUTY)
        assert (disclosure.answer, disclosure.status) == (answer, status)


def test_what_ended_long_ago_is_told_under_a_duty_alone() -> None:
    """Beside what is open now, a wish does not open the far past."""
    held = holding(involved(), involved("cin-plan", date(2010, 1, 1), date(2011, 1, 1)))
    assert len(told("status", of=held).flags) == 1
    assert len(told("status", of=held, purpose=DUTY).flags) == 2


def test_where_all_ended_long_ago_a_wish_releases_nothing() -> None:
    """Not even that there was something: only a duty reaches back beyond twelve months."""
    held = holding(involved("cin-plan", date(2010, 1, 1), date(2011, 1, 1)))
    assert release(held, permit("status"), ON) is None
    assert told("status", of=held, purpose=DUTY).answer == Answer.CLOSED


@pytest.mark.parametrize(("codes", "itk"), [((), "30001"), (("contact",), "30001"), (("status",), "30004")])
def test_a_death_is_part_of_the_status(codes: tuple[str, ...], itk: str) -> None:
    """Who may hear existence or contact alone does not hear it."""
    assert told(*codes, of=holding(died=True)).itk == itk


def test_a_sensitive_agency_answers_by_its_desk_with_kind_and_team_unnamed() -> None:
    """No lead, no service, no detail: each would say what kind of agency it is."""
    disclosure = told("status", "contact", "detail", of=holding(involved("crisis-team", contacts=(LEAD,)), sensitive=True))
    assert disclosure.contacts == (DESK,)
    text = json.dumps(disclosure.flags)
    assert "children-social-care" not in text
    assert "crisis" not in text.lower()
    assert "Jo Lead" not in text


def test_nothing_is_released_where_nothing_is_held() -> None:
    """A programming fault, said as such."""
    with pytest.raises(ValueError, match="nothing is held"):
        release(Holding("TLA01", "Council", False, ME, (), ()), permit("status"), ON)


def test_a_desk_needs_no_more_than_its_kind() -> None:
    """An agency that has not said its number yet must not break the answer."""
    bare = desk("TLA01", "Council", "duty-desk", {})
    assert not resources.errors(resources.validate(bare))
    assert "telecom" not in bare
    assert not resources.errors(resources.validate(DESK))


MARKED = (Marked("young-carer", date(2026, 1, 1), None), Marked("expecting-child", date(2025, 1, 1), date(2025, 9, 1)))


@pytest.mark.parametrize(
    ("codes", "more", "found"),
    [
        (("marker",), {}, ["young-carer"]),
        (("status", "contact"), {}, []),
        (("marker",), {"sensitive": True}, []),
        (("marker",), {"markers": (Marked("young-carer", date(2027, 1, 1), None), Marked("unheard-of", None, None))}, []),
    ],
)
def test_markers_are_told_by_leave_of_their_own(codes: tuple[str, ...], more: dict[str, Any], found: list[str]) -> None:
    """Those that hold today and are published; none of a sensitive agency, and none without the class."""
    flags = [one for one in told(*codes, of=holding(**{"markers": MARKED, **more})).flags if one["category"][1:] == []]
    assert [one["code"]["coding"][0]["code"] for one in flags] == found
    assert not [issue for one in flags for issue in resources.errors(resources.validate(one))]


EVERYTHING = ("status", "contact", "relative-identity", "marker", "detail")
COUNCIL = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": "TLA01"}, "display": "Council"}
ADMIN = {"coding": [{"system": systems.FLAG_CATEGORY, "code": "admin", "display": "Administrative"}]}
AS_OF = {"url": systems.extension("status-as-of"), "valueDateTime": "2026-11-20T08:00:00Z"}


def test_a_flag_is_exactly_this() -> None:
    """Status and detail coded, the service beside the category, when it was last so, since when, and whose word it is."""
    (flag,) = told("status", "detail").flags
    assert flag == {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        "extension": [AS_OF, {"url": systems.extension("last-contact"), "valueDate": "2026-10"}],
        "status": "active",
        "category": [ADMIN, {"coding": [{"system": systems.code_system("service"), "code": "children-social-care"}]}],
        "code": flag["code"],
        "subject": HANDLE,
        "period": {"start": "2026-01-05"},
        "author": COUNCIL,
    }
    assert [one["code"] for one in flag["code"]["coding"]][:2] == [told("status").status, "cp-plan"]
    (nameless,) = told("status", of=holding(involved()._replace(service=""))).flags
    assert nameless["category"] == [ADMIN]


def test_a_marker_is_exactly_this() -> None:
    """From the day on which it begins, with when its sender last said so; the newest of those that say the same."""
    told_twice = (Marked("young-carer", None, None, "2026-01-01"), Marked("young-carer", ON, None, "2026-11-20T08:00:00Z"))
    for markers in (told_twice, told_twice[::-1]):
        (flag,) = told("marker", of=holding(markers=markers)).flags
        assert flag == {
            "resourceType": "Flag",
            "meta": {"profile": [systems.UKCORE_FLAG]},
            "extension": [AS_OF],
            "status": "active",
            "category": [ADMIN],
            "code": flag["code"],
            "subject": HANDLE,
            "period": {"start": "2026-11-21"},
            "author": COUNCIL,
        }
        assert [one["code"] for one in flag["code"]["coding"]] == ["young-carer"]


def test_what_ended_is_told_as_ended() -> None:
    """Inactive, with its end, as no longer known at this place."""
    disclosure = told("status", of=holding(involved(end=date(2026, 10, 1))))
    assert [(one["status"], one["period"]["end"]) for one in disclosure.flags] == [("inactive", "2026-10-01")]
    assert (disclosure.answer, disclosure.itk) == (Answer.RECENTLY_CLOSED, "30003")


def test_of_two_open_lines_of_one_rank_the_one_begun_first_speaks() -> None:
    """One whose beginning nobody stated before all."""
    early, late, unstated = (involved(start=start) for start in (date(2025, 1, 1), date(2026, 1, 1), None))
    assert told("status", of=holding(late, early)).since == "2025-01-01"
    assert told("status", of=holding(late, unstated)).since == ""


def test_a_contact_is_exactly_this() -> None:
    """Kind, team, number and hours, and the name alone of the person; then the desk."""
    hours = {"availableTime": [{"daysOfWeek": ["mon"]}], "availabilityExceptions": "not on bank holidays"}
    lead, front = told("contact", of=holding(involved(contacts=({**LEAD, **hours},)))).contacts
    assert lead == {
        "resourceType": "PractitionerRole",
        "practitioner": {"display": "Jo Lead"},
        **{name: LEAD[name] for name in ("organization", "code", "telecom")},
        **hours,
    }
    assert front == DESK
    (nameless, _) = told("contact", of=holding(involved(contacts=({**LEAD, "practitioner": {"identifier": {}}},)))).contacts
    assert "practitioner" not in nameless


def test_of_a_relative_leave_role_responsibility_and_plain_facts() -> None:
    """Parental responsibility by its value and dates, whether they live together, an expected birth, what is not confirmed."""
    dates = [{"url": "since", "valueDate": "2019-06-02"}, {"url": "until", "valueDate": "2030-01-01"}]
    value = {"url": "value", "valueCode": "yes"}
    facts = [
        {"url": systems.extension(name), "valueString": "said"} for name in ("lives-with", "expected-birth-date", "unconfirmed")
    ]
    whose = {"url": systems.extension("parental-responsibility"), "extension": [value, {"url": "evidence"}, *dates]}
    stored = {**RELATIVE, "extension": [*facts, whose, {}], "name": [{"family": SECRET}, *RELATIVE["name"]]}
    relative = told("relative-identity", of=holding(relative=stored)).related_person
    assert relative is not None
    assert relative["extension"] == [*facts, {**whose, "extension": [value, *dates]}]
    assert relative["relationship"] == [{"coding": RELATIVE["relationship"][0]["coding"]}]
    assert relative["name"] == [{"given": ["LEO"]}]
