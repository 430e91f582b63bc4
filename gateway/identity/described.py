"""A person as they are described, and under which terms they are looked for where no identifier leads to them.

Two terms find nearly everybody: the birth date, and the sound of given and family name together, in either order. A slip
in one of them leaves the other. What is stored is a keyed token of each term, so a term says no more than finding needs:
no name, and no date beside one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.fhir.dates import first_day
from gateway.fhir.elements import identifiers
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity import nhs_number
from gateway.identity.given_names import forms_of
from gateway.identity.names import parts, sound, words

MOST_NAMES = 4  # of one person: as many are compared and looked for
MOST_TERMS = 64  # of one question
WHOLE = 10  # characters of a whole date


class Name(NamedTuple):
    """A name in folded words, either part perhaps without any."""

    given: tuple[str, ...]
    family: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """A person as far as a Patient tells who they are."""

    number: str = ""  # NHS number: ten digits with a valid check digit
    local: frozenset[tuple[str, str]] = frozenset()  # system and value of every other identifier
    names: tuple[Name, ...] = ()
    born: str = ""  # FHIR date of any precision
    gender: str = ""

    @property
    def text(self) -> str:
        """All of it in one text that is the same for the same description."""
        return repr((self.number, sorted(self.local), self.names, self.born, self.gender))

    @property
    def is_enough(self) -> bool:
        """Whether anybody could be found by it: by an identifier, or by a birth date with a part of a name."""
        return bool(self.number or self.local or (self.born and self.names))


def described(patient: Mapping[str, Any]) -> Described:
    """What a Patient tells of who somebody is. A NHS number that is none counts as not told."""
    told = [tuple(text.split("|", 1)) for text in identifiers(patient)]
    numbers = [nhs_number.parse(value) for system, value in told if system == NHS_NUMBER]
    return Described(
        number=next(filter(None, numbers), ""),
        local=frozenset((system, value) for system, value in told if system != NHS_NUMBER),
        names=_names(patient),
        born=_date(patient.get("birthDate")),
        gender=str(patient.get("gender") or ""),
    )


def _names(patient: Mapping[str, Any]) -> tuple[Name, ...]:
    names = [Name(_given(one), words(str(one.get("family") or ""))) for one in patient.get("name", ())]
    return tuple(dict.fromkeys(name for name in names if any(name)))[:MOST_NAMES]


def _date(told: Any) -> str:
    return str(told) if first_day(told) is not None and len(told) <= WHOLE else ""


def _given(name: Mapping[str, Any]) -> tuple[str, ...]:
    return words(" ".join(text for text in name.get("given", ()) if isinstance(text, str)))


def terms(patient: Mapping[str, Any]) -> frozenset[str]:
    """The terms under which a Patient is kept: of name and birth date alone."""
    born = _date(patient.get("birthDate"))
    sounding = {term for name in _names(patient) for term in _sounding(name, name.given[:1])}
    return frozenset({f"born|{born}", *sounding} if born else sounding)


def terms_asked(one: Described) -> tuple[str, ...]:
    """The terms under which somebody is looked for, the most telling first: also under a birth date whose day and month
    changed places or which was told in part, and under every form of a given name."""
    sounding = {term for name in one.names for term in _sounding(name, forms_of(name.given[0]) if name.given else ())}
    return (*(f"born|{date}" for date in _dates(one.born)), *sorted(sounding))[:MOST_TERMS]


def _sounding(name: Name, given: Any) -> Iterator[str]:
    """The sounds of a given and a family name, in the order of the alphabet: names that changed places sound the same."""
    if not name.given or not name.family:
        return
    families = {sound(one) for one in (*parts(name.family), "".join(name.family))}
    for mine in {sound(one) for one in (*given, "".join(name.given))}:
        yield from ("name|" + "|".join(sorted((mine, family))) for family in families)


def _dates(born: str) -> list[str]:
    """A date, itself with day and month swapped, and as it is told in part."""
    if len(born) < WHOLE:
        return [born] if born else []
    return list(dict.fromkeys([born, swapped(born) or born, born[:7], born[:4]]))


def swapped(born: str) -> str:
    """A whole date with day and month in each other's place; empty where that is no date."""
    year, month, day = born.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 else ""
