"""What has happened: from a record before and after to the topics that are told of it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir.codes import DETAILS
from gateway.mapping.merge import restated
from gateway.notification.topics import (
    ENDED,
    RETRACTED,
    SIGNAL_ENDED,
    STARTED,
    STATUS_CHANGED,
    Change,
    Topic,
    consent_changes,
    flag_changes,
    hears,
    load_topics,
    of_one_person,
    patient_changes,
    relationship_changes,
    told_to,
)
from gateway.settings import HERE

ON = date(2026, 11, 21)
TOPICS = load_topics(HERE / "mappings" / "topics")
Flag = dict[str, Any]


def day(after: int) -> str:
    return (ON + timedelta(days=after)).isoformat()


def flag(detail: str = "inpatient", start: int | None = -3, end: int | None = None, stored: int = 0, **more: Any) -> Flag:
    """A Flag as it was stored so many days from today, with the status that its dates gave then."""
    period = {name: day(value) for name, value in (("start", start), ("end", end)) if value is not None}
    made = {
        "resourceType": "Flag",
        "code": {"coding": [{"system": "https://gateway.example/fhir/CodeSystem/involvement-detail", "code": detail}]},
        "period": period,
    }
    return {**restated(made, ON + timedelta(days=stored)), **more}


def review(after: int) -> dict[str, str]:
    return {"url": "https://gateway.example/fhir/StructureDefinition/next-review", "valueDate": day(after)}


def marker(code: str, start: int = -9, status: str = "active") -> Flag:
    coding = {"system": "https://gateway.example/fhir/CodeSystem/marker", "code": code}
    return {"resourceType": "Flag", "status": status, "code": {"coding": [coding]}, "period": {"start": day(start)}}


def topics_of(before: Flag | None, after: Flag) -> list[tuple[str, str, str]]:
    return [(one.topic, one.happened, one.reason) for one in flag_changes(before, after, ON)]


@pytest.mark.parametrize("detail", DETAILS)
def test_every_detail_tells_its_start_its_end_and_its_retraction(detail: str) -> None:
    """By its own topic where it has one, else as a change of status."""
    opened, closed = flag(detail), flag(detail, end=0)
    assert topics_of(None, opened) == [(STARTED.get(detail, STATUS_CHANGED), day(-3), "new")]
    assert topics_of(opened, closed) == [(ENDED.get(detail, STATUS_CHANGED), day(0), "new")]
    assert topics_of(opened, {**opened, "status": "entered-in-error"}) == [(RETRACTED, day(0), "delete")]
    assert topics_of(opened, opened) == []
    assert all(change.status for pair in ((None, opened), (opened, closed)) for change in flag_changes(*pair, ON))


CASES: list[tuple[str, Flag | None, Flag, list[tuple[str, str, str]]]] = [
    ("told late", None, flag(start=-40), [("admitted", day(-40), "new")]),
    ("a start that lies ahead", None, flag(start=2), []),
    ("its day has come, and the record is sent again", flag(start=0, stored=-2), flag(start=0), [("admitted", day(0), "new")]),
    ("an end that lies ahead", flag(), flag(end=5), [("discharge-planned", day(5), "new")]),
    ("an end that is put off", flag(end=5), flag(end=8), [("discharge-planned", day(8), "update")]),
    ("a planned end that is taken away", flag(end=5), flag(), [("discharge-planned", day(0), "delete")]),
    ("a plan that is said again", flag(end=5), flag(end=5), []),
    ("a planned end of a plan that is no stay", flag("cp-plan"), flag("cp-plan", end=5), []),
    ("a review", flag("cp-plan"), flag("cp-plan", extension=[review(9)]), [("review-planned", day(9), "new")]),
    ("a review that was", flag("cp-plan"), flag("cp-plan", extension=[review(-1)]), []),
    ("a crisis plan", None, marker("crisis-plan"), [("crisis-plan-updated", day(0), "new")]),
    ("another crisis plan", marker("crisis-plan"), marker("crisis-plan", start=-1), [("crisis-plan-updated", day(0), "update")]),
    ("the same crisis plan", marker("crisis-plan"), marker("crisis-plan"), []),
    ("a crisis plan of the past", None, marker("crisis-plan", status="inactive"), []),
    ("contact arrangements", None, marker("contact-arrangements"), [("contact-arrangements-changed", day(0), "new")]),
    ("a marker that nobody is told of", None, marker("young-carer"), []),
    (
        "the end's day has come, and the record is sent again",
        flag(end=0, stored=-2),
        flag(end=0),
        [("discharged", day(0), "new")],
    ),
    ("an end told late", flag(), flag(end=-2), [("discharged", day(-2), "new")]),
    ("history of long ago", None, flag(start=-900, end=-400), []),
    ("history that ended last week", None, flag(start=-30, end=-7), [("discharged", day(-7), "new")]),
    ("history that ended the week before", None, flag(start=-30, end=-8), []),
    ("a discharge that is taken back", flag(end=-1), flag(), [("admitted", day(-3), "update")]),
    ("a correction of an ended stay", flag(end=-100), flag(end=-90), []),
    ("a start that is put off", flag(start=0), flag(start=4), [(STATUS_CHANGED, day(0), "update")]),
    ("retracted before it was ever sent", None, flag(status="entered-in-error"), []),
    ("retracted twice", flag(status="entered-in-error"), flag(status="entered-in-error"), []),
    ("retracted, and then right after all", flag(status="entered-in-error"), flag(), [("admitted", day(-3), "new")]),
    ("ended and then retracted", flag(end=-1), flag(end=-1, status="entered-in-error"), [(RETRACTED, day(0), "delete")]),
    ("from the ward into leave under one key", flag(), flag("on-leave", start=0), [("leave-started", day(0), "new")]),
    ("a start without a date", None, flag(start=None), [("admitted", day(0), "new")]),
    (
        "a new lead",
        flag(contained=[{"id": "a"}]),
        flag(contained=[{"id": "b"}]),
        [("lead-professional-changed", day(0), "update")],
    ),
    ("a lead that is not named any more", flag(contained=[{"id": "a"}]), flag(), []),
    ("a new lead of an ended stay", flag(end=-1, contained=[{"id": "a"}]), flag(end=-1, contained=[{"id": "b"}]), []),
    ("a marker", None, {"resourceType": "Flag", "status": "active", "code": {"coding": []}}, []),
    ("what shields raises no notice", None, flag("adopted", status="active"), []),
]


@pytest.mark.parametrize(("before", "after", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_late_early_corrected_and_taken_back(before: Flag | None, after: Flag, told: list[tuple[str, str, str]]) -> None:
    """A start or end is told when its day has come, however it was sent; history is no news."""
    assert topics_of(before, after) == told


def change(topic: str, on: int = 0) -> Change:
    return Change(topic, day(on), True)


MOVES: list[tuple[str, list[Change], list[str]]] = [
    ("the same day", [change("looked-after-ended"), change("looked-after-started")], ["care-plan-changed"]),
    ("the next day", [change("looked-after-ended", -1), change("looked-after-started")], ["care-plan-changed"]),
    ("start told first", [change("looked-after-started"), change("looked-after-ended")], ["care-plan-changed"]),
    (
        "a gap of days",
        [change("looked-after-ended", -3), change("looked-after-started")],
        ["looked-after-ended", "looked-after-started"],
    ),
    ("an end alone", [change("looked-after-ended")], ["looked-after-ended"]),
    (
        "two moves and an end",
        [
            change("looked-after-ended", -9),
            change("looked-after-started", -9),
            change("looked-after-ended", -2),
            change("looked-after-started", -2),
            change("looked-after-ended"),
        ],
        ["care-plan-changed", "care-plan-changed", "looked-after-ended"],
    ),
    (
        "different things",
        [change("discharged"), change("child-protection-plan-started")],
        ["discharged", "child-protection-plan-started"],
    ),
    ("between hospitals", [change("discharged"), change("admitted")], ["care-plan-changed"]),
    ("nothing", [], []),
]


@pytest.mark.parametrize(("changes", "told"), [case[1:] for case in MOVES], ids=[case[0] for case in MOVES])
def test_a_move_is_no_end_and_no_start(changes: list[Change], told: list[str]) -> None:
    """A child who moves to the next placement is looked after all the while."""
    assert [one.topic for one in of_one_person(changes)] == told
    assert all(not one.status for one in of_one_person(changes) if one.topic == "care-plan-changed")


def test_every_topic_has_its_tier_and_urgency() -> None:
    """As the table of codes has them."""
    tiers = {
        0: {"wishes-changed", "signal-ended", "accessed", "override-used", "feed-stale", "notice-overdue"},
        1: {"known-status-changed", "person-died"},
        2: {"review-planned", "care-plan-changed", "lead-professional-changed", "crisis-plan-updated", "contact-arrangements-changed", "relationship-changed"},
        3: {"admitted", "discharge-planned", "discharged", "leave-started", "leave-ended", "absent-without-leave", "child-protection-plan-started", "child-protection-plan-ended", "looked-after-started", "looked-after-ended"},
        None: {"record-retracted"},
    }  # fmt: skip
    owners = {"accessed", "override-used", "feed-stale", "notice-overdue"}
    found = {tier: {code for code, one in TOPICS.items() if one.tier == tier} - owners for tier in tiers}
    assert found == {tier: codes - owners for tier, codes in tiers.items()}
    urgent = {
        "admitted",
        "discharged",
        "absent-without-leave",
        "child-protection-plan-started",
        "looked-after-started",
        "person-died",
        "override-used",
    }
    assert {code for code, one in TOPICS.items() if one.urgent} == urgent
    assert set(STARTED.values()) | set(ENDED.values()) | {STATUS_CHANGED, RETRACTED, SIGNAL_ENDED} <= set(TOPICS)


TOLD_TO = [
    ("admitted", {"existence", "status", "detail"}, "admitted"),
    ("admitted", {"existence", "status", "contact"}, STATUS_CHANGED),
    ("admitted", {"existence", "contact"}, None),
    ("admitted", {"existence", "detail"}, None),
    ("known-status-changed", {"existence", "contact"}, None),
    ("known-status-changed", {"existence", "status"}, STATUS_CHANGED),
    ("lead-professional-changed", {"existence", "contact"}, "lead-professional-changed"),
    ("lead-professional-changed", {"existence", "status"}, STATUS_CHANGED),
    ("relationship-changed", {"existence", "contact"}, None),
    ("relationship-changed", {"existence", "relative-identity"}, "relationship-changed"),
    ("crisis-plan-updated", {"existence", "contact"}, None),
    ("crisis-plan-updated", {"existence", "marker"}, "crisis-plan-updated"),
    ("signal-ended", {"existence"}, "signal-ended"),
    ("wishes-changed", {"existence", "contact"}, "wishes-changed"),
    ("record-retracted", {"existence"}, "record-retracted"),
]


@pytest.mark.parametrize(("code", "classes", "told"), TOLD_TO)
def test_a_topic_is_told_to_who_may_hear_its_class(code: str, classes: set[str], told: str | None) -> None:
    """Who may hear the contact, and nothing else, does not hear that the status changed."""
    assert told_to(TOPICS[code], frozenset(classes)) == told


HEARS = [
    ("admitted", change("admitted"), True),
    ("discharged", change("admitted"), False),
    (STATUS_CHANGED, change("admitted"), True),
    (STATUS_CHANGED, Change("lead-professional-changed", day(0), False), False),
    ("admitted", Change(RETRACTED, day(0), True, "delete"), True),
    ("admitted", Change(RETRACTED, day(0), True, "delete", frozenset({"admitted", "discharged", STATUS_CHANGED})), True),
    ("looked-after-started", Change(RETRACTED, day(0), True, "delete", frozenset({"admitted"})), False),
    (RETRACTED, Change(RETRACTED, day(0), True, "delete", frozenset({"admitted"})), True),
]


@pytest.mark.parametrize(("subscribed", "happened", "told"), HEARS)
def test_who_hears_of_a_change(subscribed: str, happened: Change, told: bool) -> None:
    """Its own topic, every change of status, and of a retraction whoever may have been told."""
    assert hears(subscribed, happened) is told


def test_a_retraction_says_which_topics_it_undoes() -> None:
    """So that who heard of the admission hears that it was in error."""
    (undone,) = flag_changes(flag(), flag(status="entered-in-error"), ON)
    assert undone.undoes == {"admitted", "discharged", STATUS_CHANGED}


RELATED: Flag = {"resourceType": "RelatedPerson", "relationship": [{"coding": [{"code": "MTH"}]}], "active": True}


def test_a_relationship_is_told_when_it_begins_ends_or_changes() -> None:
    """Another name or label of the same relationship is no change."""
    assert [one.reason for one in relationship_changes(None, RELATED, ON)] == ["new"]
    for changed in (
        {"active": False},
        {"relationship": []},
        {"period": {"end": day(0)}},
        {
            "extension": [
                {"url": "x/StructureDefinition/parental-responsibility", "extension": [{"url": "value", "valueCode": "no"}]}
            ]
        },
    ):
        assert [one.topic for one in relationship_changes(RELATED, {**RELATED, **changed}, ON)] == ["relationship-changed"]
    assert relationship_changes(RELATED, {**RELATED, "name": [{"given": ["X"]}]}, ON) == []


def test_a_death_is_told_once_and_a_wish_each_time() -> None:
    """With the day of the death where it is known."""
    assert patient_changes(None, {"deceasedDateTime": "2026-11-20"}, ON) == [Change("person-died", "2026-11-20", True)]
    assert patient_changes({}, {"deceasedBoolean": True}, ON) == [Change("person-died", day(0), True)]
    assert patient_changes({"deceasedBoolean": True}, {"deceasedDateTime": "2026-11-20"}, ON) == []
    assert patient_changes({}, {"deceasedBoolean": False}, ON) == []
    assert [one.reason for new in (True, False) for one in consent_changes(ON, is_new=new)] == ["new", "update"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"code": "x", "title": "X"}',
        '{"code": "x", "title": "X", "urgent": false, "tier": "3"}',
        '{"code": "x", "title": "X", "urgent": false, "tier": 4}',
        '{"code": "x", "title": "X", "urgent": false, "tier": true}',
        "[]",
    ],
)
def test_a_topic_that_is_not_in_order_stops_the_start_and_names_its_file(tmp_path: Path, text: str) -> None:
    """A tier that cannot be read must not pass as told to everybody."""
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.json"):
        load_topics(tmp_path)
    assert json.loads((HERE / "mappings" / "topics" / "admitted.json").read_text())["tier"] == TOPICS["admitted"].tier
    assert Topic("x", "X", None, False).tier is None
