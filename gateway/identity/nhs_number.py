"""The NHS number: ten digits, the last a modulus 11 check (NHS Data Dictionary, NHS NUMBER)."""

from __future__ import annotations

from operator import mul

WEIGHTS = range(10, 1, -1)
ZEROS = ord("0") * sum(WEIGHTS)


def check_digit(first_nine: str) -> int | None:
    """The check digit of nine digits, or None where modulus 11 gives 10 and no number exists."""
    remainder = 11 - (sum(map(mul, first_nine.encode("ascii"), WEIGHTS)) - ZEROS) % 11
    return None if remainder == 10 else remainder % 11


def parse(text: str) -> str | None:
    """The ten digits of an NHS number written with or without spaces or hyphens; None if it is not one."""
    digits = text.replace(" ", "").replace("-", "")
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit() or digits == digits[0] * 10:
        return None
    return digits if check_digit(digits[:9]) == int(digits[9]) else None


def is_test(number: str) -> bool:
    """Whether this is from the 999 range, which is never given to a person."""
    return number.startswith("999")
