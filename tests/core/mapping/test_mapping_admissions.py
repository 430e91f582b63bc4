"""A visit number that is used again, cancels of the one or the other, and plans that come after their admission."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.core.mapping.test_mapping_stays import ADMITTED, PERSON, STAY, Stored, Take, message
from tests.core.mapping.test_mapping_turns import events

WAIT = f"{PERSON}/waiting"
OUT = message("A03", "04", discharged="20250604")
AGAIN = message("A01", "08", admitted="20250608")
FIRST_CANCELLED = message("A11", "10")
PLANNED, IN = message("A05", "02", admitted=""), message("A01", "10", admitted="20250610")


@pytest.fixture
def stored(take: Take) -> Stored:
    return Stored(take)


def test_a_visit_number_that_is_used_again_is_a_new_stay(stored: Stored) -> None:
    """Admitted on a day after the discharge: told as new, and its end is not that of the last."""
    assert stored.hears(ADMITTED, OUT, AGAIN) == [("admitted", "new", "2025-06-08")]
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-06-08"})


@pytest.mark.parametrize("start", ["20250601", "20250603"])
def test_an_admission_that_is_sent_again_after_the_discharge_reopens_nothing(stored: Stored, start: str) -> None:
    """The same, or corrected: of a day before the discharge."""
    stored.hears(ADMITTED, OUT)
    assert stored.hears(message("A01", "08", admitted=start)) == []
    assert stored.stands(STAY)[0] == "inactive"


@pytest.mark.parametrize("visit", ["V1", ""])
@pytest.mark.parametrize("event", ["A11", "A23"])
@pytest.mark.parametrize("between", [OUT, message("A11", "05")])
def test_a_cancel_of_the_earlier_of_two_admissions_leaves_the_later(stored: Stored, visit: str, event: str, between: str) -> None:
    """It was recorded last, and names the day of the first (PV1-44): the second stay and the leave from it stand."""
    key = STAY if visit else STAY.replace("stay/V1", "current-stay")
    left = message("A21", "09", admitted="20250608")
    run = [one.replace("|V1|", f"|{visit}|") for one in (ADMITTED, between, AGAIN, left, message(event, "10"))]
    assert stored.hears(*run) == []
    assert stored.stands(key) == ("active", "inpatient", {"start": "2025-06-08"})
    assert stored.stands(f"{key}/leave")[0] == "active"


@pytest.mark.parametrize("day", ["20250608", "20250605", ""])
def test_a_cancel_that_names_no_earlier_admission_is_of_the_stay_that_stands(stored: Stored, day: str) -> None:
    """Its own day, one of which nobody has told, or none."""
    stored.hears(ADMITTED, OUT, AGAIN)
    assert [told[:2] for told in stored.hears(message("A11", "10", admitted=day))] == [("record-retracted", "delete")]


def test_a_cancel_names_the_day_as_it_was_corrected(stored: Stored) -> None:
    """A08 has moved the start of the second stay."""
    stored.hears(ADMITTED, OUT, AGAIN, message("A08", "09", admitted="20250607"))
    assert [told[:2] for told in stored.hears(message("A11", "10", admitted="20250607"))] == [("record-retracted", "delete")]


RUNS = {
    "the visit again": ((ADMITTED, OUT, AGAIN), "active", ""),
    "the first of two cancelled late": ((ADMITTED, OUT, AGAIN, FIRST_CANCELLED), "active", ""),
    "a plan and its admission": ((PLANNED, IN), "active", "inactive"),
    "under another number": ((message("A05", "02", visit="P1", admitted=""), IN), "active", "inactive"),
    "and discharged": ((PLANNED, IN, message("A03", "14", admitted="20250610", discharged="20250614")), "inactive", "inactive"),
    "and taken back": ((PLANNED, IN, message("A11", "11", admitted="20250610")), "entered-in-error", "inactive"),
    "the next is planned in hospital": ((IN, message("A05", "12", visit="P2", admitted="")), "active", "active"),
    "a plan called off": ((PLANNED, message("A38", "03")), "", "entered-in-error"),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_same_stands_in_whatever_order_messages_come(take: Take, name: str) -> None:
    """And when the file is sent again."""
    run, stay, wait = RUNS[name]
    for order in permutations(run):
        if FIRST_CANCELLED in order and order.index(FIRST_CANCELLED) < max(order.index(ADMITTED), order.index(AGAIN)):
            continue  # a cancel tells nothing of an admission of which nobody has told yet
        stored = Stored(take)
        for _ in range(2):
            stored.hears(*order)
            found = [stored.stands(key)[0] if key in stored.held else "" for key in (STAY, WAIT)]
            assert found == [stay, wait], events(order)


def test_a_plan_that_comes_after_its_admission_ended_with_it(stored: Stored) -> None:
    """Nobody waits for ever."""
    stored.hears(IN, PLANNED)
    assert stored.stands(WAIT) == ("inactive", "waiting", {"start": "2025-06-02", "end": "2025-06-10"})


def test_a_plan_of_the_moment_of_its_admission_ended_with_it(stored: Stored) -> None:
    """Of the same visit, whichever comes first; another visit's plan counts as it comes."""
    stored.hears(IN, message("A05", "10", admitted=""))
    assert stored.stands(WAIT)[0] == "inactive"
    stored.hears(message("A05", "10", visit="P2", admitted=""))
    assert stored.stands(WAIT)[0] == "active"


@pytest.mark.parametrize("more", [(), (message("A03", "14", discharged="20250614"),)])
def test_nobody_waits_for_a_visit_that_had_begun(stored: Stored, more: tuple[str, ...]) -> None:
    """The plan was recorded after the admission of the visit that it names, and before the discharge."""
    stored.hears(IN, *more)
    assert stored.hears(message("A05", "11", admitted="")) == []
    assert WAIT not in stored.held


def test_a_plan_under_the_number_of_a_stay_that_is_over_is_a_new_one(stored: Stored) -> None:
    """The number is used again."""
    stored.hears(ADMITTED, OUT, message("A05", "06", admitted=""))
    assert stored.stands(WAIT)[:2] == ("active", "waiting")


def test_a_plan_for_a_visit_of_which_the_admission_is_not_known(stored: Stored) -> None:
    """A transfer tells since when: the wait has ended; where it does not, there is none."""
    stored.hears(message("A02", "12", admitted="20250610"), PLANNED)
    assert stored.stands(WAIT)[2] == {"start": "2025-06-02", "end": "2025-06-10"}


def test_a_plan_after_the_admission_was_cancelled_is_a_new_one(stored: Stored) -> None:
    """Under the same number."""
    stored.hears(IN, message("A11", "11", admitted="20250610"), message("A05", "12", admitted=""))
    assert stored.stands(WAIT)[:2] == ("active", "waiting")


def test_what_a_message_names_is_not_stored(stored: Stored) -> None:
    """The visit of a plan, the day of a cancel."""
    stored.hears(PLANNED, IN, message("A11", "11", admitted="20250610"), LEFT_OVER)
    assert all("about-stay" not in one["url"] for flag in stored.held.values() for one in flag["extension"])


LEFT_OVER = message("A11", "12", visit="V9")
