"""Dates and ends as the yearly returns and extracts of councils write them: rules of the record maps.

A date that cannot be read may have been an end: it is never read as none. The reader counts it, and the involvement
comes out as one of which nobody can say whether it goes on.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.mapping import dates
from gateway.mapping.values import NOTHING, LeftOut, Unusable, Work, is_mask

TWO_DIGITS = re.compile(r"(\d{1,2}[-/.]\d{1,2}[-/.])(\d{2})(?:[T ].{0,30})?")
WHOLE = re.compile(r"(\d{1,20})\.0+")
FOREVER = re.compile(r"9999[-/]?12[-/]?31(?:[T ].{0,30})?|31[-/.]12[-/.]9999(?:[T ].{0,30})?")
EMPTY_CELL: Final = frozenset({"1900-01-01", "1899-12-30"})  # what databases and spreadsheets make of nothing
PLACEHOLDER: Final = "A placeholder stands where a date is due."
TRUE: Final = frozenset({"1", "true", "y", "yes", "t", "1.0"})
FALSE: Final = frozenset({"0", "false", "n", "no", "f", "0.0"})


def whole_number(text: str) -> str:
    """A number without the decimals that a spreadsheet gave it."""
    found = WHOLE.fullmatch(text.strip())
    return found[1] if found else text


def told(value: Any) -> bool:
    """Whether a source says something."""
    return value is not NOTHING and value not in (None, "")


def day(value: Any, work: Work) -> Any:
    """A day, in either order; a year of two digits is of this century and is reported; 31 December 9999 is no day."""
    text = str(value).strip()
    if FOREVER.fullmatch(text):
        return NOTHING
    if is_mask(text):
        raise Unusable(PLACEHOLDER)
    short = TWO_DIGITS.fullmatch(text)
    if short:
        work.warn("The year has two digits: it was read as one of this century.", work.reading)
        text = f"{short[1]}20{short[2]}"
    found = dates.full_date(text)
    if found in EMPTY_CELL:
        raise Unusable(PLACEHOLDER)
    return found


def plain_day(value: Any) -> str:
    """A day in one order, for a key; the text as sent where it cannot be read."""
    text = str(value).strip()
    short = TWO_DIGITS.fullmatch(text)
    try:
        return dates.full_date(f"{short[1]}20{short[2]}" if short else text)
    except Unusable:
        return text


def birth_date(value: Any, work: Work) -> Any:
    """A birth date, partial where only month or year is known, never in the future and never a placeholder."""
    text = str(value).strip()
    if is_mask(text) or FOREVER.fullmatch(text):
        raise LeftOut(f"{PLACEHOLDER} The value was left out.")
    found = dates.past_birth_date(text, work.on)
    if found in EMPTY_CELL:
        raise LeftOut(f"{PLACEHOLDER} The value was left out.")
    return found


def death_date(value: Any, work: Work) -> Any:
    """A day of death, never in the future."""
    found = day(value, work)
    if found is not NOTHING and work.on is not None and found > work.on.isoformat():
        raise Unusable("A date of death cannot be in the future.")
    return found


def expected_birth_date(values: tuple[Any, ...], work: Work) -> Any:
    """The due date of a child not yet born; a date of birth takes it away."""
    expected, born = values
    if told(born) and not is_mask(str(born)):
        if told(expected):
            work.warn(
                "A child has a date of birth or a due date, not both: the date of birth was kept.", work.reading, "conflict"
            )
        return None
    return day(expected, work) if told(expected) else NOTHING


def flag(value: Any) -> bool | None:
    """True or false, however it is written; None where nothing is said or nothing can be read from it."""
    word = str(value).strip().lower() if told(value) else ""
    return True if word in TRUE else False if word in FALSE else None


def episode_end(values: tuple[Any, ...], work: Work) -> Any:
    """Closure date; else, where no further action was taken, the day of the referral."""
    closed, no_action, referred = values
    if told(closed):
        return day(closed, work)
    return day(referred, work) if flag(no_action) and told(referred) else NOTHING


def enquiry_end(values: tuple[Any, ...], work: Work) -> Any:
    """The conference date; else, where no conference was required, the start."""
    conference, not_required, start = values
    if told(conference):
        if flag(not_required):
            work.warn("A conference was held and yet not required: its date was followed.", work.reading, "conflict")
        return day(conference, work)
    return day(start, work) if flag(not_required) and told(start) else NOTHING


def enquiry_closed(values: tuple[Any, ...], work: Work) -> Any:
    """End date; else, where no further action was taken, the start."""
    end, no_action, start = values
    if told(end):
        return day(end, work)
    return day(start, work) if flag(no_action) and told(start) else NOTHING


def first_end(values: tuple[Any, ...], work: Work) -> Any:
    """The earliest of the dates that end it."""
    found = [one for one in (day(value, work) for value in values if told(value)) if one is not NOTHING]
    return min(found) if found else NOTHING


def adopted(values: tuple[Any, ...], work: Work) -> Any:
    """The restriction of a child with any of these dates, however they are written."""
    return "adopted" if any(told(value) and not is_mask(str(value)) for value in values) else NOTHING


def placement_stands(values: tuple[Any, ...], work: Work) -> Any:
    """The restriction of a child who is to be placed for adoption; none where the decision was taken back."""
    placed, taken_back = values
    return "placed-for-adoption" if adopted((placed,), work) is not NOTHING and not told(taken_back) else NOTHING
