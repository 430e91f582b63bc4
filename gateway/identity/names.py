"""Names as they are compared: folded, without placeholders, by their sound, by what a slip of the pen changes."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

WITHOUT_MARKS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
APART = re.compile(r"[^\w']+|_+")  # an apostrophe binds: O'Neill is one word
TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "master", "rev", "sir", "prof"})
# Written where no name is known yet, or none is to be told. A child of the ward is not called Baby.
PLACEHOLDERS = frozenset(
    {"baby", "infant", "newborn", "unborn", "twin", "twin1", "twin2", "triplet", "unknown", "notknown", "unnamed", "nk", "unk", "nil", "tbc", "xx", "xxx"}
)  # fmt: skip
PARTICLES = frozenset({"al", "el", "de", "da", "di", "du", "la", "le", "von", "van", "der", "den", "del", "bin", "ibn", "bint", "abu", "mac", "mc", "st", "and"})  # fmt: skip
LONGEST = 100  # letters of a name that are looked at
LEAST_FOR_AN_EDIT = 4  # letters: of shorter names every second one is a slip of another
SOUNDS = {letter: digit for letters, digit in (("bfpv", "1"), ("cgjkqsxz", "2"), ("dt", "3"), ("l", "4"), ("mn", "5"), ("r", "6")) for letter in letters}  # fmt: skip


def words(text: str) -> tuple[str, ...]:
    """The words of a name without case, accents, apostrophes and titles; none for a placeholder."""
    return _words(text[:LONGEST])


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'")).translate(WITHOUT_MARKS)
    folded = "".join(letter for letter in plain if not unicodedata.combining(letter))
    found = tuple(word for part in APART.split(folded) if (word := part.replace("'", "")) and word not in TITLES)
    return () if found[:1] and (found[0] in PLACEHOLDERS or found[0].isdigit()) else found


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """American Soundex of a folded word; a word of another script stands for itself."""
    if not word.isascii() or not word.isalpha():
        return word
    coded, last = word[0], SOUNDS.get(word[0], "")
    for letter in word[1:]:
        code = SOUNDS.get(letter, "")
        if code and code != last:
            coded += code
        if letter not in "hw":  # letters that do not part two of one sound
            last = code
    return coded[:4].ljust(4, "0")


def parts(family: tuple[str, ...]) -> frozenset[str]:
    """The words of a family name by which somebody may be known alone: each half of a double name, no particle."""
    return frozenset(word for word in family if word not in PARTICLES and len(word) > 1)


def is_slip(one: str, other: str) -> bool:
    """Whether one letter was changed, left out, added, or changed places with the next, in names that are long enough."""
    return min(len(one), len(other)) >= LEAST_FOR_AN_EDIT and is_one_edit(one, other)


def is_one_edit(one: str, other: str) -> bool:
    """Whether exactly one sign was changed, left out, added, or changed places with the next."""
    short, long = sorted((one, other), key=len)
    if one == other or len(long) - len(short) > 1:
        return False
    start = next((place for place, sign in enumerate(short) if sign != long[place]), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    return swapped or short[start + 1 :] == long[start + 1 :]
