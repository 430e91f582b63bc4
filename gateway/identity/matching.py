"""Whether two descriptions are of one person: compared part by part, graded by rules, ranked by weights.

An identifier makes a match certain, and only together with what it cannot be mistaken in: the birth date and a given name
that does not say otherwise. Names and dates alone never do: without an address, which is not kept here, a namesake of the
same age and the other twin look like the person. What is not told is no evidence, in either direction.

Grades are those of the FHIR match-grade extension (Patient/$match, IHE ITI-119). For one pair, one more agreement never
lowers a grade; among several, those that are equally good make each other doubtful. The weights rank within a grade and are
no probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from gateway.identity.described import WHOLE, Described, Name, swapped
from gateway.identity.given_names import may_be_one
from gateway.identity.names import is_one_edit, is_slip, parts, sound

ENOUGH = 4  # of the levels of birth date, given and family name together, for a possible match


class Level(IntEnum):
    """How far one part agrees. What is missing stands between agreement and contradiction."""

    DIFFERENT = -1
    MISSING = 0
    WEAK = 1
    CLOSE = 2
    EXACT = 3


class Grade(IntEnum):
    """How surely two descriptions are of one person, in the order of certainty."""

    CERTAINLY_NOT = 0
    POSSIBLE = 1
    PROBABLE = 2
    CERTAIN = 3

    @property
    def code(self) -> str:
        """The code of http://terminology.hl7.org/CodeSystem/match-grade."""
        return self.name.lower().replace("_", "-")


class Comparison(NamedTuple):
    """What comparing two descriptions came to. Identifiers and gender are exact, different or missing."""

    number: Level
    local: Level
    born: Level
    given: Level
    family: Level
    gender: Level

    @property
    def is_identified(self) -> bool:
        """Whether an identifier is the same."""
        return Level.EXACT in (self.number, self.local)


class Candidate(NamedTuple):
    """Somebody who may be the person described."""

    id: str
    comparison: Comparison
    grade: Grade


# What the agreement of each part is worth and its contradiction costs, in bits by level from DIFFERENT to EXACT, in the order
# of a Comparison. Gender weighs little and decides nothing: it is recorded wrongly, and it changes.
WEIGHTS = (
    (-12.0, 0.0, 0.0, 0.0, 30.0),  # NHS number
    (-6.0, 0.0, 0.0, 0.0, 25.0),  # local identifiers
    (-8.7, 0.0, 3.0, 8.6, 14.0),  # birth date
    (-5.6, 0.0, 2.0, 6.0, 8.0),  # given name
    (-4.0, 0.0, 3.0, 6.0, 9.0),  # family name
    (-2.0, 0.0, 0.0, 0.0, 1.0),  # gender
)
LOWEST, HIGHEST = (sum(side(weights) for weights in WEIGHTS) for side in (min, max))
BANDS = {Grade.CERTAINLY_NOT: (0.0, 0.5), Grade.POSSIBLE: (0.5, 0.8), Grade.PROBABLE: (0.8, 0.95), Grade.CERTAIN: (0.95, 1.0)}


def compare(one: Described, other: Described) -> Comparison:
    """How far two descriptions agree; the order of the two is no matter."""
    given, family = _names(one.names, other.names)
    return Comparison(
        number=_same(one.number, other.number),
        local=_local(one.local, other.local),
        born=_born(one.born, other.born),
        given=given,
        family=family,
        gender=_same(one.gender, other.gender),
    )


def _same(one: str, other: str) -> Level:
    if not one or not other:
        return Level.MISSING
    return Level.EXACT if one == other else Level.DIFFERENT


def _local(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> Level:
    """One identifier that is the same is enough: old numbers stay on file beside the new."""
    if one & other:
        return Level.EXACT
    return Level.MISSING if {system for system, _ in one}.isdisjoint(system for system, _ in other) else Level.DIFFERENT


def _born(one: str, other: str) -> Level:
    """Close is day and month swapped, or one digit that makes nobody a generation older. Two parts of three, and the first of
    January, which is written where nobody knows, are weak."""
    if not one or not other:
        return Level.MISSING
    short, long = sorted((one, other), key=len)
    if len(short) < WHOLE:
        return Level.WEAK if long.startswith(short) else Level.DIFFERENT
    if one == other:
        return Level.WEAK if one.endswith("-01-01") else Level.EXACT
    if one == swapped(other) or (is_one_edit(one, other) and abs(int(one[:4]) - int(other[:4])) <= 1):
        return Level.CLOSE
    agreeing = sum(mine == theirs for mine, theirs in zip(one.split("-"), other.split("-"), strict=True))
    return Level.WEAK if agreeing == 2 else Level.DIFFERENT


def _names(one: tuple[Name, ...], other: tuple[Name, ...]) -> tuple[Level, Level]:
    """Given and family name of the two names that agree best: a name that was given up still names the person."""
    found = [_name(mine, theirs) for mine in one for theirs in other]
    return max(found, key=lambda levels: (sum(levels), levels), default=(Level.MISSING, Level.MISSING))


def _name(one: Name, other: Name) -> tuple[Level, Level]:
    straight = _given(one.given, other.given), _family(one.family, other.family)
    crossed = min(_family(one.given, other.family), _family(one.family, other.given))
    return max(straight, (Level.CLOSE, Level.CLOSE), key=sum) if crossed >= Level.CLOSE else straight


def _given(one: tuple[str, ...], other: tuple[str, ...]) -> Level:
    """Exact as far as both are told; close by a short form or a slip of the pen; weak by an initial, sound or second name."""
    if not one or not other:
        return Level.MISSING
    told = min(len(one), len(other))
    if one[:told] == other[:told] or "".join(one) == "".join(other):
        return Level.EXACT
    if one[0] == other[0] or is_slip(one[0], other[0]) or may_be_one(one[0], other[0]):
        return Level.CLOSE
    return Level.WEAK if _resembles(one, other) else Level.DIFFERENT


def _resembles(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    initial = 1 in (len(one[0]), len(other[0])) and one[0][0] == other[0][0]
    return initial or sound(one[0]) == sound(other[0]) or one[0] in other or other[0] in one


def _family(one: tuple[str, ...], other: tuple[str, ...]) -> Level:
    """Close by one half of a double name or a slip of the pen; weak by the sound."""
    if not one or not other:
        return Level.MISSING
    mine, theirs = "".join(one), "".join(other)
    if mine == theirs:
        return Level.EXACT
    if is_slip(mine, theirs) or not parts(one).isdisjoint(parts(other)):
        return Level.CLOSE
    sounds = [{sound(word) for word in (whole, *parts(words))} for whole, words in ((mine, one), (theirs, other))]
    return Level.DIFFERENT if sounds[0].isdisjoint(sounds[1]) else Level.WEAK


def grade_of(found: Comparison) -> Grade:
    """The grade of one comparison by itself."""
    if not found.is_identified:
        return _grade_described(found)
    if found.number is Level.DIFFERENT:
        return Grade.POSSIBLE
    grade = _grade_identified(found)
    return min(grade, Grade.PROBABLE) if found.local is Level.DIFFERENT else grade


def _grade_identified(found: Comparison) -> Grade:
    """An identifier is the same. If birth date and given name both say otherwise, it was mistaken: a person must look."""
    if found.born is Level.EXACT and found.given >= Level.MISSING:
        return Grade.CERTAIN
    if found.born >= Level.WEAK and min(found.given, found.family) >= Level.CLOSE:
        return Grade.CERTAIN
    contradicted = found.born is Level.DIFFERENT and found.given is Level.DIFFERENT
    return Grade.POSSIBLE if contradicted else Grade.PROBABLE


def _grade_described(found: Comparison) -> Grade:
    """No identifier is the same: names and birth date, and never more than possible where identifiers differ."""
    alike = found.born is Level.EXACT and min(found.given, found.family) >= Level.CLOSE
    if alike and Level.DIFFERENT not in (found.number, found.local):
        return Grade.PROBABLE
    likely = found.born is not Level.DIFFERENT and found.born + found.given + found.family >= ENOUGH
    return Grade.POSSIBLE if likely else Grade.CERTAINLY_NOT


def weight(found: Comparison) -> float:
    """How much speaks for it, in bits."""
    return sum(weights[level + 1] for weights, level in zip(WEIGHTS, found, strict=True))


def score(one: Candidate) -> float:
    """Between 0 and 1, in the order of grade and weight; each grade has a band of its own."""
    least, most = BANDS[one.grade]
    return round(least + (most - least) * (weight(one.comparison) - LOWEST) / (HIGHEST - LOWEST), 4)


def ranked(found: Iterable[Candidate]) -> list[Candidate]:
    """Those who may be the person, the most likely first; the order in which they were found is no matter."""
    held = [one for one in found if one.grade is not Grade.CERTAINLY_NOT]
    return sorted(held, key=lambda one: (-one.grade, -weight(one.comparison), one.id))


def settled(found: Iterable[Candidate], *, complete: bool = True) -> list[Candidate]:
    """The candidates with the grades that they have beside each other, the most likely first.

    Identifiers that lead to two people make neither more than possible. Who is known by name and birth date alone is no more
    than possible beside another such, beside somebody whom an identifier names without certainty, and where not everybody was
    looked at (``complete``).
    """
    held = list(found)
    identified = [one for one in held if one.comparison.is_identified]
    alike = [one for one in held if one.grade is Grade.PROBABLE and not one.comparison.is_identified]
    unsure = len(alike) > 1 or not complete or any(one.grade is not Grade.CERTAIN for one in identified)
    doubted = {one.id for one in identified} if len(identified) > 1 else set()
    if doubted or unsure:
        doubted |= {one.id for one in alike}
    return ranked(one._replace(grade=min(one.grade, Grade.POSSIBLE)) if one.id in doubted else one for one in held)
