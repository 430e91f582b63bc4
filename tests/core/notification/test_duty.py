"""Whom to ring, by the clock of England: table of times, hours over midnight, summer time, bank holidays."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure.release import desk
from gateway.notification.duty import check_hours, escalation_contact, kind_of, on_duty

WEEK = {"daysOfWeek": ["mon", "tue", "wed", "thu", "fri"], "availableStartTime": "08:30:00", "availableEndTime": "17:30:00"}
NIGHTS = {"daysOfWeek": ["fri", "sat"], "availableStartTime": "22:00:00", "availableEndTime": "06:00:00"}
CHRISTMAS = frozenset({date(2026, 12, 25)})


def contact(kind: str, **more: Any) -> dict[str, Any]:
    return desk("TLA01", "Southshire", kind, {"kind": kind, "phone": "01632 960000", **more})


DUTY, NIGHT = contact("duty-desk", available=[WEEK]), contact("out-of-hours-desk")
MANAGER, LEAD = contact("escalation-manager"), contact("safeguarding-lead")

# UTC; 2026-11-23 is a Monday, 2026-07-06 is one in summer time
TIMES = [
    (datetime(2026, 11, 23, 8, 29, tzinfo=UTC), "out-of-hours-desk"),
    (datetime(2026, 11, 23, 8, 30, tzinfo=UTC), "duty-desk"),
    (datetime(2026, 11, 23, 17, 29, tzinfo=UTC), "duty-desk"),
    (datetime(2026, 11, 23, 17, 30, tzinfo=UTC), "out-of-hours-desk"),
    (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), "out-of-hours-desk"),  # Sunday
    (datetime(2026, 12, 25, 12, 0, tzinfo=UTC), "out-of-hours-desk"),  # a Friday, and Christmas Day
    (datetime(2026, 12, 24, 12, 0, tzinfo=UTC), "duty-desk"),
    (datetime(2026, 7, 6, 7, 30, tzinfo=UTC), "duty-desk"),  # half past eight in England
    (datetime(2026, 7, 6, 16, 30, tzinfo=UTC), "out-of-hours-desk"),
]


@pytest.mark.parametrize(("at", "kind"), TIMES)
def test_the_desk_on_duty_by_the_clock(at: datetime, kind: str) -> None:
    """The duty desk within its hours in England, the out-of-hours desk at all other times."""
    found = on_duty([NIGHT, DUTY, MANAGER], at, CHRISTMAS)
    assert found is not None
    assert kind_of(found) == kind


@pytest.mark.parametrize(
    ("at", "there"),
    [
        (datetime(2026, 11, 27, 23, tzinfo=UTC), True),  # Friday night
        (datetime(2026, 11, 28, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 28, 6, tzinfo=UTC), False),
        (datetime(2026, 11, 29, 5, tzinfo=UTC), True),  # the night from Saturday
        (datetime(2026, 11, 30, 5, tzinfo=UTC), False),
    ],
)
def test_hours_that_go_over_midnight(at: datetime, there: bool) -> None:
    """They belong to the day on which they begin."""
    found = on_duty([DUTY, contact("out-of-hours-desk", available=[NIGHTS]), contact("out-of-hours-desk", name="other")], at)
    assert found is not None
    assert ("availableTime" in found) is there


def test_a_duty_desk_without_hours_keeps_office_hours() -> None:
    """Nine to five on working days, where an agency states nothing for machines."""
    plain = contact("duty-desk", hours="ask at the gate")
    for at, kind in (
        (datetime(2026, 11, 23, 10, tzinfo=UTC), "duty-desk"),
        (datetime(2026, 11, 23, 18, tzinfo=UTC), "out-of-hours-desk"),
    ):
        found = on_duty([plain, NIGHT], at)
        assert found is not None
        assert kind_of(found) == kind


def test_who_comes_after_the_desk() -> None:
    """A manager before a lead, else the desk once more; none where nobody is named."""
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert escalation_contact([DUTY, LEAD, MANAGER], at) == MANAGER
    assert escalation_contact([DUTY, LEAD], at) == LEAD
    assert escalation_contact([DUTY], at) == DUTY
    assert escalation_contact([], at) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)), st.booleans(), st.booleans())
def test_where_a_desk_is_named_somebody_is_always_told(at: datetime, by_day: bool, by_night: bool) -> None:
    """At any time of any day."""
    desks = [one for one, wanted in ((DUTY, by_day), (NIGHT, by_night)) if wanted]
    assert (on_duty(desks, at) is not None) is bool(desks)


@pytest.mark.parametrize(
    ("hours", "right"),
    [
        ([WEEK], True),
        ([], True),
        ("nine to five", False),
        ([{"daysOfWeek": ["monday"]}], False),
        ([{"availableStartTime": "9"}], False),
    ],
)
def test_hours_are_checked_when_an_agency_states_them(hours: Any, right: bool) -> None:
    """Days and times as FHIR has them; a slip is said, not passed over."""
    assert (check_hours(hours) == "") is right
