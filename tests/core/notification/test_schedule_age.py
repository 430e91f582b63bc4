"""A notice is given up neither before its schedule's time has passed nor long after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.notification.schedule import HOUR, LATE, STEPS, Posted, horizon, next_step

FAILED = Posted(503, "http 503")


@given(st.integers(10, 60), st.floats(0, 1), st.floats(0, 60 * HOUR))
def test_attempts_that_were_brought_forward_shorten_nothing(attempts: int, chance: float, age: float) -> None:
    """However many attempts there were: before its time it waits for another, at the latest until its time is over."""
    step = next_step(attempts, FAILED, chance, STEPS, age)
    assert step.state == "pending"
    assert step.wait <= horizon() - age


@given(st.integers(1, 9), st.floats(0, 1))
def test_one_that_was_hardly_tried_is_not_kept_for_ever(attempts: int, chance: float) -> None:
    """Its destination was left alone for most of the time; after that time it is given up all the same."""
    assert next_step(attempts, FAILED, chance, STEPS, sum(STEPS) * LATE + 1).state == "dead"


def test_a_whole_schedule_of_ten_attempts_ends_with_the_tenth() -> None:
    """Whatever the jitter: the tenth attempt comes after the shortest and before the longest time."""
    for chance in (0.0, 0.5, 1.0):
        age = sum(next_step(number, FAILED, chance).wait for number in range(1, 10))
        assert horizon() - 1 <= age <= sum(STEPS) * LATE
        assert next_step(10, FAILED, chance, STEPS, age + 1).state == "dead"


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 410])
def test_a_receiver_that_refuses_answers(status: int) -> None:
    """It is at work: what it says of one notice is no reason to leave it alone."""
    assert Posted(status, "").answers


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
def test_a_receiver_that_cannot_take_anything_does_not_answer(status: int) -> None:
    """Nobody there, too much, or out of order."""
    assert not Posted(status, "").answers
