"""What another version of the agreements would have opened, closed or changed: counts, never a person.

The agreement part of the decision alone: wishes, proofs of relationship and restrictions are as they were, and an opening
here is still no disclosure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from gateway.disclosure.agreements import Agreements, Line

# What else of a line decides what a requester hears, in words.
TERMS = {
    "basis": "basis",
    "obligations": "obligations",
    "explicit_negatives": "negatives",
    "accepts_own_wishes": "wishes that the requester recorded",
}


class Decided(NamedTuple):
    """One decision of the access log as the agreements saw it: no person is in it."""

    requester: str
    custodian: str
    purpose: str
    role: str
    disclosed: bool  # something left


class Effect(NamedTuple):
    """What would become of decisions of one sort. ``change``: opens, closes, ``tier 1 to 2``, ``other terms: basis``."""

    requester: str
    custodian: str
    purpose: str
    role: str
    change: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """How many decisions were looked at, how many of them would change, and how; of each, how many had disclosed."""

    decided: int
    effects: Mapping[Effect, int]
    disclosed: Mapping[Effect, int]

    @property
    def changed(self) -> int:
        """Decisions that would come out otherwise."""
        return sum(self.effects.values())


def simulate(
    decisions: Iterable[Decided], before: Agreements, after: Agreements, kinds: Mapping[str, str], on: date
) -> Simulation:
    """Decide again as if everything had been asked on one day, under the one version and the other.

    ``kinds`` are the kinds of the requesters by code; who is no agency any more is left out.
    """
    effects: Counter[Effect] = Counter()
    disclosed: Counter[Effect] = Counter()
    decided = 0
    for one in decisions:
        if one.requester not in kinds:
            continue
        decided += 1
        change = _change(_line(before, one, kinds, on), _line(after, one, kinds, on))
        if change:
            effect = Effect(*one[:4], change)
            effects[effect] += 1
            disclosed[effect] += one.disclosed
    return Simulation(decided, effects, disclosed)


def _line(agreements: Agreements, one: Decided, kinds: Mapping[str, str], on: date) -> Line | None:
    line = agreements.line(one.custodian, one.requester, kinds[one.requester], one.purpose, one.role, on)
    return line if line is not None and line.permits else None


def _change(before: Line | None, after: Line | None) -> str:
    if before is None or after is None:
        return "opens" if after else "closes" if before else ""
    if before.tier != after.tier:
        return f"tier {before.tier} to {after.tier}"
    if before.classes != after.classes:
        return "other classes"
    other = [words for term, words in TERMS.items() if getattr(before, term) != getattr(after, term)]
    return f"other terms: {', '.join(other)}" if other else ""
