"""Messages about a stay that come out of their order, and cancels: what stands is what the sender recorded last."""

from __future__ import annotations

from itertools import permutations

import pytest

from gateway.mapping import turns
from gateway.mapping.records import Op
from tests.core.mapping.test_mapping_stays import ADMITTED, FMT, STAY, Stored, Take, message

LEAVE = f"{STAY}{turns.LEAVE}"
LEFT, BACK = message("A21", "10"), message("A22", "12")
OUT, NOT_OUT = message("A03", "14", discharged="20250614"), message("A13", "15")
CANCELLED = message("A11", "05")


@pytest.fixture
def stored(take: Take) -> Stored:
    return Stored(take)


def test_a_leave_that_is_told_after_its_return_is_over(stored: Stored) -> None:
    """A22 before its A21: nobody is left on leave for ever, and that the person is back is told once."""
    assert stored.hears(ADMITTED, BACK) == []
    assert stored.hears(LEFT) == [("leave-ended", "new", "2025-06-12")]
    assert stored.stands(LEAVE) == ("inactive", "on-leave", {"start": "2025-06-10", "end": "2025-06-12"})
    assert stored.hears(BACK) == []


def test_a_leave_after_a_return_that_nobody_left_for_is_told(stored: Stored) -> None:
    """The return was of an earlier leave."""
    assert stored.hears(ADMITTED, message("A22", "08"), LEFT) == [("leave-started", "new", "2025-06-10")]


def test_a_discharge_from_leave_that_is_taken_back_puts_the_leave_back(stored: Stored) -> None:
    """A13 after A03 on leave: on leave again, and both corrections are told."""
    told = stored.hears(ADMITTED, LEFT, OUT, NOT_OUT)
    assert sorted(told) == [("admitted", "update", "2025-06-01"), ("leave-started", "update", "2025-06-10")]
    assert stored.stands(LEAVE) == ("active", "on-leave", {"start": "2025-06-10"})
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-06-01"})


def test_a_leave_that_is_told_after_the_discharge_goes_on_when_that_is_taken_back(stored: Stored) -> None:
    """A03, then its A21 late, then A13."""
    stored.hears(ADMITTED, OUT, LEFT)
    assert stored.stands(LEAVE)[2] == {"start": "2025-06-10", "end": "2025-06-14"}
    assert stored.hears(NOT_OUT)[-1] == ("leave-started", "update", "2025-06-10")


@pytest.mark.parametrize("run", [(LEFT, BACK, OUT), (LEFT, OUT, BACK), (OUT, LEFT, BACK), (BACK, LEFT, OUT)])
def test_a_discharge_that_is_taken_back_reopens_no_leave_that_was_over(stored: Stored, run: tuple[str, ...]) -> None:
    """Back before the discharge, whenever that was told: simply in hospital again."""
    stored.hears(ADMITTED, *run, NOT_OUT)
    assert stored.stands(LEAVE) == ("inactive", "on-leave", {"start": "2025-06-10", "end": "2025-06-12"})
    assert stored.stands(STAY)[0] == "active"


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A12", "A13", "A16", "A21", "A22", "A25", "A52", "A53"])
def test_what_was_recorded_before_a_cancel_makes_nothing_after_it(stored: Stored, event: str) -> None:
    """The admission was cancelled on the 5th; a message of the 4th that was late tells nothing and opens nothing."""
    stored.hears(ADMITTED, CANCELLED)
    assert stored.hears(message(event, "04", discharged="20250604")) == []
    assert stored.stands(STAY)[0] == "entered-in-error"
    assert stored.held.get(LEAVE, {"status": "entered-in-error"})["status"] == "entered-in-error"


@pytest.mark.parametrize("event", ["A01", "A02", "A13", "A21"])
def test_what_was_recorded_after_a_cancel_is_a_new_fact(stored: Stored, event: str) -> None:
    """The same visit number again: told as new, and nothing of the cancelled time is left in it."""
    stored.hears(ADMITTED.replace("|20250601|", "|20250520|"), CANCELLED)
    told = stored.hears(message(event, "08", admitted="20250608"))
    assert ("admitted", "new", "2025-06-08") in told
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-06-08"})


def test_what_came_of_a_cancelled_stay_is_not_part_of_the_next(stored: Stored) -> None:
    """The end and the ward of the cancelled time go with it."""
    stored.hears(ADMITTED, message("A03", "03", discharged="20250603"), CANCELLED, message("A02", "08", admitted="", ward=""))
    assert stored.stands(STAY) == ("active", "inpatient", {})
    assert "contained" not in stored.held[STAY]


def test_an_update_after_a_cancel_opens_nothing(stored: Stored) -> None:
    """A08 names the patient of a visit that never was."""
    assert stored.hears(ADMITTED, CANCELLED, message("A08", "08")) == []
    assert stored.stands(STAY)[0] == "entered-in-error"


@pytest.mark.parametrize(("event", "late", "key"), [("A11", "A01", STAY), ("A23", "A01", STAY), ("A52", "A21", LEAVE)])
def test_a_cancel_that_comes_first_is_remembered(stored: Stored, event: str, late: str, key: str) -> None:
    """The cancel overtakes what it cancels: it tells nothing, and nor does what follows."""
    stored.hears(*([] if key == STAY else [ADMITTED]))
    assert stored.hears(message(event, "05")) == []
    assert stored.hears(message(late, "04")) == []
    assert stored.stands(key)[0] == "entered-in-error"


def test_a_cancelled_wait_that_comes_late_stays_cancelled(stored: Stored) -> None:
    """A38 before its A05."""
    assert stored.hears(message("A38", "05"), message("A05", "04", admitted="")) == []


def test_a_cancel_that_comes_late_takes_no_later_stay_back(stored: Stored) -> None:
    """A11 of the first admission, after the second under the same number."""
    assert stored.hears(message("A01", "08", admitted="20250608"), CANCELLED) == []
    assert stored.stands(STAY)[0] == "active"


@pytest.mark.parametrize("visit", ["V1", ""])
def test_an_admission_that_comes_late_reopens_nothing(stored: Stored, visit: str) -> None:
    """A01 after the A03 that followed it, with and without a visit number: its ward is not put over the later one either."""
    key = STAY if visit else STAY.replace("stay/V1", "current-stay")
    late = message("A01", "01", visit=visit, ward="LILY WARD")
    stored.hears(message("A02", "10", visit=visit), message("A03", "14", visit=visit, discharged="20250614"))
    assert stored.hears(late) == []
    assert stored.stands(key) == ("inactive", "inpatient", {"start": "2025-06-01", "end": "2025-06-14"})
    assert stored.held[key]["contained"][0]["location"] == [{"display": "ROSE WARD"}]


def test_an_admission_without_number_after_a_discharge_is_the_next_stay(stored: Stored) -> None:
    """It was recorded later."""
    told = stored.hears(*(message(event, day, visit="") for event, day in (("A01", "01"), ("A03", "04"))))
    told = stored.hears(message("A01", "10", visit="", admitted="20250610"))
    assert told == [("admitted", "new", "2025-06-10")]


def test_messages_of_a_day_count_in_the_order_in_which_they_come(stored: Stored) -> None:
    """A sender that states no time: a cancel and a new admission of one day."""
    dated = [one.replace("081500", "") for one in (ADMITTED, CANCELLED, message("A01", "05", admitted="20250605"))]
    assert stored.hears(*dated) == [("admitted", "new", "2025-06-05")]


AGAIN = message("A01", "08", admitted="20250608")
SECOND = (message("A21", "05"), message("A22", "06"))
RUNS = {
    "leave and return": ((ADMITTED, LEFT, BACK), "active", "inactive"),
    "two leaves": ((ADMITTED, *SECOND, LEFT, BACK), "active", "inactive"),
    "the second leave goes on": ((ADMITTED, *SECOND, LEFT), "active", "active"),
    "a return taken back": ((ADMITTED, LEFT, BACK, message("A53", "13")), "active", "active"),
    "a leave taken back": ((ADMITTED, LEFT, message("A52", "11")), "active", "entered-in-error"),
    "a leave after one taken back": ((ADMITTED, message("A21", "08"), message("A52", "09"), LEFT), "active", "active"),
    "discharged from leave": ((ADMITTED, LEFT, OUT), "inactive", "inactive"),
    "a discharge from leave taken back": ((ADMITTED, LEFT, OUT, NOT_OUT), "active", "active"),
    "back, and a discharge taken back": ((ADMITTED, LEFT, BACK, OUT, NOT_OUT), "active", "inactive"),
    "an admission taken back": ((ADMITTED, message("A21", "03"), CANCELLED), "entered-in-error", "entered-in-error"),
    "admitted again after a cancel": ((ADMITTED, CANCELLED, AGAIN), "active", "entered-in-error"),
    "on leave again after a cancel": ((ADMITTED, message("A21", "03"), CANCELLED, AGAIN, LEFT), "active", "active"),
}


def events(order: tuple[str, ...]) -> list[str]:
    """The events of messages, each with the day on which it was recorded."""
    return [one.split("EVN|")[1][:12] for one in order]


@pytest.mark.parametrize("name", RUNS)
def test_the_same_stands_in_whatever_order_messages_come(take: Take, name: str) -> None:
    """And when the file is sent again."""
    run, stay, leave = RUNS[name]
    for order in permutations(run):
        stored = Stored(take)
        for _ in range(2):
            stored.hears(*order)
            assert stored.stands(STAY)[0] == stay, events(order)
            found = stored.stands(LEAVE)[0] if LEAVE in stored.held else "entered-in-error"
            assert found == leave, events(order)


def test_a_cancel_is_an_operation_of_its_own(take: Take) -> None:
    """What other feeds take back is kept where something stands, and only there."""
    (one,) = take(FMT, CANCELLED)
    assert [item.op for item in one.resources[1:]] == [Op.RETRACT, Op.CANCEL]
