"""Which lookups of an employer's own staff may have been about their own: ranked, with the reasons, never merely listed.

What is compared are keyed tokens of the staff register and what the employer's own records say. A reason is no proof: a
nurse may share the name of a patient, and a colleague may be one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, NamedTuple

REPEATED: Final = 5  # for each further time
MOST_REPEATED: Final = 20
COMMON: Final = 3  # members of staff with one surname, from which on it says little
WEIGHTS: Final = {
    "self": 100,
    "lives-with": 90,
    "family": 80,
    "same-address": 70,
    "same-team": 40,
    "colleague": 30,
    "same-surname": 20,
    "same-common-surname": 8,
}
WORDS: Final = {
    "self": "the user themselves",
    "lives-with": "your records say that they live together",
    "family": "your records say that they are related",
    "same-address": "a colleague at the same address",
    "same-team": "a colleague of the same team",
    "colleague": "a colleague",
    "same-surname": "the same surname",
    "same-common-surname": "the same surname, which several of your staff have",
}
NO_WORD: Final = re.compile(r"[\W_]+")


class Member(NamedTuple):
    """One of an employer's staff, as tokens; b"" for what the employer did not give."""

    user: bytes
    patient: bytes
    nhs: bytes
    surname: bytes
    address: bytes
    team: bytes


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of the person who was asked about: as a member of staff, and from the employer's own records."""

    colleague: Member | None = None
    surnames: frozenset[bytes] = frozenset()
    related: bool = False
    lives_with: bool = False


class Scored(NamedTuple):
    """How likely, and why: codes of ``WORDS``."""

    score: int
    reasons: tuple[str, ...]


def score(user: Member, other: Compared, times: int, namesakes: int) -> Scored:
    """``namesakes``: how many of the staff have the user's surname. Nothing fits: a score of 0."""
    reasons = _reasons(user, other, namesakes)
    if not reasons:
        return Scored(0, ())
    again = min(REPEATED * (times - 1), MOST_REPEATED)
    return Scored(sum(WEIGHTS[one] for one in reasons) + again, reasons)


def _reasons(user: Member, other: Compared, namesakes: int) -> tuple[str, ...]:
    if other.colleague is not None and other.colleague.user == user.user:
        return ("self",)
    found = ["lives-with"] if other.lives_with else ["family"] if other.related else []
    found += _as_colleague(user, other.colleague)
    if user.surname and user.surname in other.surnames:
        found.append("same-surname" if namesakes < COMMON else "same-common-surname")
    return tuple(found)


def _as_colleague(user: Member, colleague: Member | None) -> list[str]:
    if colleague is None:
        return []
    address = ["same-address"] if user.address and user.address == colleague.address else []
    return [*address, "same-team" if user.team and user.team == colleague.team else "colleague"]


def plain(text: str) -> str:
    """A name or address in the form that is compared: letters and digits alone, without accents or case."""
    letters = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return NO_WORD.sub("", letters.casefold())
