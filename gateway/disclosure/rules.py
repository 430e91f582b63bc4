"""What a person wants shared, with whom, for what, how long: rules, statements made of them, and which of them stand.

The algorithm: the root provision (or policyRule) gives the base, nested provisions are exceptions to any depth, each
with a type of its own; among siblings refusal wins, deeper wins over shallower; a period lasts to the end of its
stated precision; elements of one provision are joined by *and*, repeats of one element by *or*. What is not known of
a request, and what of a rule is not understood, never matches in the permitting direction and always matches in the
refusing one. A Consent that as a whole cannot be understood refuses.
Sources: FHIR R4 Consent; IHE PCF 1.1; root type as PCF has it, policyRule as R4 has it. How a Consent becomes a
directive is in ``directives``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from gateway.disclosure.agreements import CLASS_TIERS

UNREAD = "?"  # stands for an actor, action, purpose or class that is not understood
THEMSELVES = frozenset({"self"})
NOTHING: frozenset[str] = frozenset()
# Sets of classes are asked about so often that here they are whole numbers, one bit for each class.
BIT = {code: 1 << place for place, code in enumerate(CLASS_TIERS)}
EVERY_CLASS = (1 << len(BIT)) - 1
CLASSES = tuple([frozenset(code for code, bit in BIT.items() if bit & bits) for bits in range(EVERY_CLASS + 1)])  # by their bits
SILENT = (0, 0)
DISCLOSING = frozenset({"disclose"})  # what every request is for
# v3-ActReason: what includes some of our purposes. Who refuses these refuses us; who permits these has not named us.
BROADER_PURPOSES = frozenset({"PurposeOfUse", "TREAT", "HOPERAT"})
NOT_CLEAR = BROADER_PURPOSES | {UNREAD}


class Effect(Enum):
    """What a rule says of disclosing a class."""

    PERMIT = "permit"
    DENY = "deny"


class Facts(NamedTuple):
    """What a request is, for matching. A None means that it is not known."""

    at: datetime
    stated: tuple[frozenset[str], ...]  # actors ("ods|RX2", "kind|school", "role|ward-nurse"), purposes, actions
    inpatient: bool | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One provision."""

    effect: Effect | None
    start: datetime
    end: datetime
    actors: frozenset[str]
    actions: frozenset[str]
    purposes: frozenset[str]
    classes: frozenset[str]
    needs_unknown: bool  # names a code, label, instance or data period, which a status lookup does not state
    while_status: str
    exceptions: tuple[Rule, ...]
    obligations: frozenset[str] = NOTHING  # what it asks of those whom it lets hear
    # Of the above: what a request must have one of (its place in Facts.stated, which, whether not all are clear) ...
    _narrowed: tuple[tuple[int, frozenset[str], bool], ...] = field(init=False)
    _surely: int = field(init=False)  # ... the classes that it speaks of ...
    _maybe: int = field(init=False)  # ... and those that it may speak of

    def __post_init__(self) -> None:
        narrowed = enumerate((self.actors, self.purposes, self.actions))
        surely = sum([BIT.get(code, 0) for code in self.classes]) if self.classes else EVERY_CLASS
        made = {
            "_narrowed": tuple([(place, some, not some.isdisjoint(NOT_CLEAR)) for place, some in narrowed if some]),
            "_surely": surely,
            "_maybe": EVERY_CLASS if UNREAD in self.classes else surely,
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def _speaks(self, facts: Facts) -> bool | None:
        """Whether this rule, without its exceptions, speaks of a request, whatever class is asked for; None where the
        request or our understanding does not say."""
        if not self.start <= facts.at < self.end:
            return False
        unclear = self.needs_unknown
        for place, some, is_unclear in self._narrowed:
            if some.isdisjoint(facts.stated[place]):  # repeats of one element: one of them is enough
                if not is_unclear:
                    return False
                unclear = True
        if self.while_status:
            if self.while_status == "inpatient" and facts.inpatient is False:
                return False
            unclear = unclear or not facts.inpatient or self.while_status != "inpatient"
        return None if unclear else True

    def says(self, facts: Facts, classes: int) -> tuple[int, int]:
        """Of these classes, those that it permits and those that it refuses, its exceptions counted.

        Where it may or may not speak of a class, what it refuses counts, and what it permits does not.
        """
        speaks = self._speaks(facts)
        if speaks is False:
            return SILENT
        surely, maybe = classes & self._surely if speaks else 0, classes & self._maybe
        if not self.exceptions:
            return (surely, 0) if self.effect is Effect.PERMIT else (0, maybe)
        permitted = refused = 0
        for exception in self.exceptions if maybe else ():
            permits, refuses = exception.says(facts, maybe)
            permitted |= permits
            refused |= refuses
        if self.effect is Effect.PERMIT:
            return surely & ~refused, refused
        permitted &= surely & ~refused
        return permitted, maybe & ~permitted

    def obliges(self, facts: Facts) -> frozenset[str]:
        """What it, or an exception of it, asks of who hears, wherever it may speak of the request."""
        if self._speaks(facts) is False:
            return NOTHING
        return self.obligations.union(*(exception.obliges(facts) for exception in self.exceptions))

    @property
    def obliging(self) -> bool:
        """Whether it, or an exception of it, asks anything of who hears."""
        return bool(self.obligations) or any(exception.obliging for exception in self.exceptions)

    @property
    def conditional(self) -> bool:
        """Whether it, or an exception of it, holds only in a state."""
        return bool(self.while_status) or any(exception.conditional for exception in self.exceptions)


@dataclass(frozen=True, slots=True)
class Directive:
    """One Consent, compiled."""

    ref: str  # Consent/id/_history/version
    recorded_by: str  # ODS code of the agency whose record it is
    patient: str  # "system|value"
    performers: frozenset[str]  # empty: nobody knows who decided
    lineage: str  # apart from who decided
    made: tuple[datetime, datetime] | None  # when the statement was made, to its stated precision; None: not stated
    recorded: int  # when we heard of it, microseconds since 1970
    in_force: bool  # status active; a newer statement that is not takes the older one's place
    rule: Rule | None  # None: cannot be understood
    capacity: str = ""  # had | lacked | not-assessed
    wish_kind: str = ""
    doubted: bool = False  # its verification says that it was not verified
    obliging: bool = False  # asks something of those whom it lets hear

    def says(self, facts: Facts, classes: int) -> tuple[int, int]:
        """Of these classes, those that it permits and those that it refuses. What cannot be understood refuses."""
        if not self.in_force:
            return SILENT
        return (0, classes) if self.rule is None else self.rule.says(facts, classes)

    def obliges(self, facts: Facts) -> frozenset[str]:
        """What it asks of who hears by it."""
        return self.rule.obliges(facts) if self.obliging and self.rule is not None else NOTHING

    def may_be_later_than(self, other: Directive) -> bool:
        """Whether this takes the other's place: made after it, or, where their times overlap, recorded after it.

        "On the 3rd" and "on the 3rd at nine" overlap: then what was written down later is what the person last said.
        """
        if self.made is None or other.made is None:
            return False
        if self.made[0] >= other.made[1]:
            return True
        return self.made[1] > other.made[0] and self.recorded > other.recorded


def newest(directives: list[Directive], identities: frozenset[str]) -> list[Directive]:
    """The newest statements of each lineage: same recorder, organisation, policy, category and maker.

    ``identities`` are those of the person: a statement of their own is theirs by whatever number it names them. Where
    it cannot be told which of two is newer both are given, and the refusing one wins. A statement without a date
    takes nobody's place and gives up its own to nobody. One that was made without capacity does not take the place
    of an advance wish, which was made for that very situation (Mental Capacity Act 2005 sections 24 to 26), and does
    not count beside it.
    """
    if len({one.lineage for one in directives}) == len(directives):
        return directives
    lineages: dict[tuple[str, frozenset[str]], list[Directive]] = {}
    for directive in directives:
        maker = directive.performers
        if not maker.isdisjoint(identities):
            maker = THEMSELVES if maker <= identities else (maker - identities) | THEMSELVES
        lineages.setdefault((directive.lineage, maker), []).append(directive)
    return [one for statements in lineages.values() for one in _standing(statements)]


def _standing(statements: list[Directive]) -> list[Directive]:
    if len(statements) == 1:
        return statements
    standing = [one for one in statements if not any(_supersedes(other, one) for other in statements)]
    if any(one.in_force and one.wish_kind == "advance-wish" for one in standing):
        standing = [one for one in standing if one.capacity != "lacked"]
    return standing or statements  # times that go round in a circle: all of them, so that a refusal is never lost


def _supersedes(newer: Directive, older: Directive) -> bool:
    if older.wish_kind == "advance-wish" and newer.capacity == "lacked":
        return False
    return newer is not older and newer.may_be_later_than(older)
