"""The NHS number and its check digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.nhs_number import check_digit, is_test, parse


@pytest.mark.parametrize("text", ["9990001006", "999 000 1006", "999-000-1006", "9434765919", "4010232137"])
def test_a_good_number_is_ten_digits(text: str) -> None:
    """However it is written; examples of the NHS Data Dictionary and of the test range."""
    assert parse(text) == text.replace(" ", "").replace("-", "")


@pytest.mark.parametrize(
    "text",
    [
        "9990001007",
        "999000100",
        "99900010061",
        "",
        "ABCDEFGHIJ",
        "0000000000",
        "1111111111",
        "٩٩٩٠٠٠١٠٠٦",
        "999000100X",
        "+990001006",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """Wrong check digit or length, letters, other scripts' digits, one digit repeated."""
    assert parse(text) is None


@given(st.text(alphabet="0123456789", min_size=9, max_size=9))
def test_exactly_one_or_no_tenth_digit_fits(first_nine: str) -> None:
    """Modulus 11: where it gives ten there is no such number."""
    fitting = [digit for digit in "0123456789" if parse(first_nine + digit)]
    expected = check_digit(first_nine)
    repeated = expected is not None and len({*first_nine, str(expected)}) == 1
    assert fitting == ([] if expected is None or repeated else [str(expected)])


@given(st.integers(0, 9), st.integers(1, 9))
def test_a_single_slip_is_always_found(place: int, by: int) -> None:
    """Any one digit changed gives no number."""
    good = "9990001006"
    slipped = good[:place] + str((int(good[place]) + by) % 10) + good[place + 1 :]
    assert parse(slipped) is None


def test_the_test_range() -> None:
    """999 is never given to a person."""
    assert is_test("9990001006")
    assert not is_test("9434765919")
