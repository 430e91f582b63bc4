"""What the people whose record would leave want: whose word counts, and what it comes to for each class of data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import NamedTuple

from gateway.disclosure.agreements import Line
from gateway.disclosure.question import Asked, Subject, Tie, proven
from gateway.disclosure.rules import BIT, CLASSES, DISCLOSING, EVERY_CLASS, Directive, Facts, newest
from gateway.fhir.dates import age_on

COMPETENT_ALONE = 16  # years; Family Law Reform Act 1969 section 8, Mental Capacity Act 2005 section 2(5)
EXISTENCE = BIT["existence"]
BY_OTHERS = frozenset({"attorney", "deputy", "best-interests"})  # decided for an adult by somebody else


class Wishes(NamedTuple):
    """What the person's directives say of each class. A class may be in both: then the refusal wins."""

    permitted: frozenset[str]
    refused: frozenset[str]
    outright: frozenset[str]  # refused, and not only because a condition (while I am in hospital) is not met
    condition_failed: bool
    considered: tuple[str, ...]
    obliged: frozenset[str]  # what those who permit ask of who hears

    @property
    def allowed(self) -> frozenset[str]:
        """What may leave as far as the wishes go."""
        return self.permitted - self.refused


NO_WISHES = Wishes(frozenset(), frozenset(), frozenset(), False, (), frozenset())


def wishes_of(asked: Asked, subject: Subject, directives: Iterable[Directive], ties: list[Tie], line: Line) -> Wishes:
    """Each lineage's newest statement counts; among lineages a refusal wins."""
    own = [one for one in directives if one.patient in subject.identities or not one.patient]
    if not own:
        return NO_WISHES
    counted = newest(own, subject.identities)
    permitted = refused = outright = 0
    obliged: frozenset[str] = frozenset()
    failed = False
    asking, age = _facts(asked), _age(asked, subject)
    lacking = "lacked" in [one.capacity for one in counted]
    advance = _said_in_advance(asked, subject, age, line, counted) if lacking else None
    for directive in counted:
        facts = asking._replace(inpatient=_in_hospital(subject, directive)) if subject.inpatient else asking
        permits, refuses = directive.says(facts, EVERY_CLASS)
        if advance and _without_capacity(subject, directive):
            refuses &= ~advance
        if _may_permit(asked, subject, age, ties, line, directive):
            permitted |= permits
            if permits and directive.obliging:
                obliged |= directive.obliges(facts)
        unopened = not permits & EXISTENCE
        if (refuses or unopened) and _may_refuse(asked, subject, age, ties, directive):
            refused |= refuses
            conditional = unopened and _condition_failed(directive, facts)
            failed |= conditional
            outright |= 0 if conditional else refuses
    considered = tuple(sorted(directive.ref for directive in counted))
    return Wishes(CLASSES[permitted], CLASSES[refused], CLASSES[outright], failed, considered, obliged)


def against(wishes: Wishes) -> str | None:
    """Why nothing may leave (refusal-reason), or None. Whoever is answered learns that the person is known: without
    leave to tell that, nothing leaves, whatever else is permitted."""
    if "existence" in wishes.allowed:
        return None
    if "existence" in wishes.outright:
        return "wishes-conflict" if "existence" in wishes.permitted else "wish-refused"
    return "wish-condition-not-met" if wishes.condition_failed else "wish-missing"


def _said_in_advance(asked: Asked, subject: Subject, age: int | None, line: Line, counted: list[Directive]) -> int:
    """What the person permits for this very request by an advance wish, stated to be made with capacity, where they have
    since spoken without it: that does not take the place of the advance wish, whoever wrote it down."""
    spoken = [
        one.says(_facts(asked)._replace(inpatient=_in_hospital(subject, one)), EVERY_CLASS)[0]
        for one in counted
        if one.wish_kind == "advance-wish" and one.capacity == "had" and not one.performers.isdisjoint(subject.identities)
        if _may_permit(asked, subject, age, [], line, one)
    ]
    return reduce(or_, spoken, 0)


def _without_capacity(subject: Subject, directive: Directive) -> bool:
    """Whether it is the person's own word, spoken without capacity."""
    return directive.capacity == "lacked" and not directive.performers.isdisjoint(subject.identities)


def _facts(asked: Asked) -> Facts:
    requester = asked.requester
    actors = {f"ods|{requester.agency.upper()}", f"kind|{asked.kind}"}
    if requester.role:
        actors.add(f"role|{requester.role}")
    return Facts(asked.at, (frozenset(actors), frozenset({asked.purpose.code, *asked.purpose.v3}), DISCLOSING), None)


def _may_permit(asked: Asked, subject: Subject, age: int | None, ties: list[Tie], line: Line, directive: Directive) -> bool:
    """Whether a permitting statement counts: dated, by who may make it with capacity, not by the asker for itself alone."""
    if directive.made is None or directive.doubted or directive.capacity == "lacked":
        return False
    if directive.recorded_by == asked.requester.agency and not line.accepts_own_wishes:
        return False
    if not directive.performers.isdisjoint(subject.identities):
        return (age is not None and age >= COMPETENT_ALONE) or directive.capacity == "had"
    if age is None or age >= COMPETENT_ALONE:
        return False
    times = (directive.made[0], asked.at)
    return any(_holds_responsibility(_stated(subject, ties, who), times, asked.requester.agency) for who in directive.performers)


def _may_refuse(asked: Asked, subject: Subject, age: int | None, ties: list[Tie], directive: Directive) -> bool:
    """Whether a refusal counts: always, unless it is certain that its maker does not decide for this person.

    That is so for everybody else once the young person is sixteen, and for those who are on record as not, or no
    longer, holding parental responsibility.
    """
    makers = directive.performers
    if not makers or not makers.isdisjoint(subject.identities) or directive.wish_kind in BY_OTHERS:
        return True
    if age is None:
        return True
    if age >= COMPETENT_ALONE:
        return False
    said = [_stated(subject, ties, who) for who in makers]
    return any(not stated or any(tie.held_responsibility(asked.at) for tie in stated) for stated in said)


def _age(asked: Asked, subject: Subject) -> int | None:
    return None if subject.birth_date is None else age_on(subject.birth_date, asked.on)


def _stated(subject: Subject, ties: list[Tie], who: str) -> list[Tie]:
    """What is on record about somebody's parental responsibility for the person."""
    return [tie for tie in ties if tie.responsibility and who in tie.others and tie.patient in subject.identities]


def _holds_responsibility(stated: list[Tie], times: tuple[datetime, ...], requester: str) -> bool:
    """Whether all who have stated it agree that it was held at these times, one of them at least not who asks, and sure of
    the relationship."""
    told = proven(tuple(stated), requester)
    return told and all(tie.held_responsibility(at) for tie in stated for at in times)


def _in_hospital(subject: Subject, directive: Directive) -> bool | None:
    """Whether who made this statement is in hospital; None where nobody's records say so."""
    known = [subject.inpatient[who] for who in directive.performers if who in subject.inpatient]
    return any(known) if known else None


def _condition_failed(directive: Directive, facts: Facts) -> bool:
    """Whether what does not permit now would have permitted in another state (only while I am in hospital)."""
    if facts.inpatient or directive.rule is None or not directive.rule.conditional:
        return False
    permitted, _ = directive.says(facts._replace(inpatient=True), EXISTENCE)
    return bool(permitted)
