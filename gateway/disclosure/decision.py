"""May this be disclosed, how much, and on what basis? The only place that makes a Permit.

``decide`` is asked for each agency and each person whose record would leave. It is a pure function of what it is
given; whatever it does not recognise is a refusal. The order of its steps is law-like and stays in code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gateway.disclosure.agreements import CLASS_TIERS, Agreements, Line
from gateway.disclosure.directives import Directive, Effect, Facts, newest
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.requester import Requester
from gateway.fhir.dates import age_on

ADOPTED = frozenset({"adopted", "placed-for-adoption"})
COMPETENT_ALONE = 16  # years; Family Law Reform Act 1969 section 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A request after its gates: who asks, in which kind of agency, what for."""

    requester: Requester
    kind: str
    purpose: Purpose
    at: datetime
    classes: frozenset[str] = frozenset(CLASS_TIERS)

    @property
    def on(self) -> date:
        return self.at.date()


@dataclass(frozen=True, slots=True)
class Tie:
    """One RelatedPerson: what ``other`` is to ``patient``, who says so, and parental responsibility if stated."""

    patient: str  # "system|value"
    other: str
    role: str
    source: str  # ODS code of the agency whose record says so
    responsible: bool = False
    responsible_from: datetime | None = None
    responsible_until: datetime | None = None

    def held_responsibility(self, at: datetime) -> bool:
        """Whether ``other`` held parental responsibility for ``patient`` at that time."""
        if not self.responsible:
            return False
        begun = self.responsible_from is None or self.responsible_from <= at
        return begun and (self.responsible_until is None or at < self.responsible_until)


@dataclass(frozen=True, slots=True)
class Subject:
    """A person whose record at one agency would leave."""

    custodian: str
    about: str  # self | children | parents
    identities: frozenset[str]  # every "system|value" of this person at any agency
    certain: bool  # found by a verified identifier and birth date, no other candidate
    birth_date: date | None
    restriction: str  # adopted | placed-for-adoption | protected | ""
    inpatient: Mapping[str, bool]  # who is known to be in hospital or not, by "system|value": "while I am in hospital"
    fresh: bool
    proof: tuple[Tie, ...] = ()  # for children and parents: the ties that link them to the person asked about


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to disclose: these classes, up to this tier, on this basis. Made by ``decide`` alone."""

    tier: int
    classes: frozenset[str]
    basis: str
    obligations: tuple[str, ...]
    policy: str
    consents: tuple[str, ...]
    explicit_negatives: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """No leave; ``reason`` is from refusal-reason and stays in the access log."""

    reason: str
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person's directives say of each class."""

    permitted: frozenset[str]
    refused: frozenset[str]
    considered: tuple[str, ...]
    condition_failed: bool


def gate(asked: Asked, case_owner_kind: str | None, *, has_reason: bool, has_override: bool) -> str | None:
    """The refusal reason that stands before any person is looked at, or None. Depends on the request alone.

    ``case_owner_kind`` is the kind of agency whose case reference was given, None where none was.
    """
    purpose, requester = asked.purpose, asked.requester
    if purpose.code not in requester.purposes or purpose.mode == "none":
        return "purpose-not-yours"
    if purpose.since is not None and asked.on < purpose.since:
        return "duty-not-in-force"
    given = {
        "user": bool(requester.user),
        "role": bool(requester.role),
        "case-reference": case_owner_kind is not None,
        "reason": has_reason,
        "override": has_override,
    }
    if any(not given[need] for need in purpose.needs if need != "case-reference"):
        return "role-not-allowed"
    if "case-reference" in purpose.needs and case_owner_kind is None:
        return "case-reference-missing"
    return _gate_on_kind(asked, case_owner_kind)


def _gate_on_kind(asked: Asked, case_owner_kind: str | None) -> str | None:
    purpose = asked.purpose
    if purpose.roles and asked.requester.role not in purpose.roles:
        return "role-not-allowed"
    if not purpose.asked_by or asked.kind in purpose.asked_by:
        return None
    if purpose.case_of and case_owner_kind == purpose.case_of:
        return None
    return "purpose-not-yours"


def decide(
    asked: Asked,
    subject: Subject,
    directives: Iterable[Directive],
    ties: Iterable[Tie],
    agreements: Agreements,
) -> Permit | Refuse:
    """Leave, or the first reason against it. Order of ``directives`` and ``ties`` never matters."""
    line = agreements.line(
        subject.custodian, asked.requester.agency, asked.kind, asked.purpose.code, asked.requester.role, asked.on
    )
    reason = _reason_against(asked, subject, line)
    if line is None or reason is not None:
        return Refuse(reason or "no-agreement")
    classes = line.classes & asked.classes
    wishes = _wishes(asked, subject, list(directives), list(ties), line)
    if not asked.purpose.is_duty:
        against = _wish_against(wishes, classes)
        if against is not None:
            return Refuse(against, wishes.considered)
        classes &= wishes.permitted
    return Permit(
        tier=max(CLASS_TIERS[code] for code in classes),
        classes=classes,
        basis=line.basis,
        obligations=_obligations(asked, line, wishes),
        policy=agreements.version,
        consents=wishes.considered,
        explicit_negatives=line.explicit_negatives,
    )


def _reason_against(asked: Asked, subject: Subject, line: Line | None) -> str | None:
    if line is None or not line.permits or not line.classes & asked.classes:
        return "no-agreement"
    if subject.restriction in ADOPTED:
        return "adopted"
    if subject.restriction:
        return "shielded"
    if not subject.certain:
        return "not-certain"
    if subject.about != "self" and not _proven(asked, subject):
        return "no-relationship"
    return None if subject.fresh or asked.purpose.is_duty else "feed-stale"


def _proven(asked: Asked, subject: Subject) -> bool:
    """A relationship counts when it comes from another source than who asks, the holder's own record included."""
    return any(tie.source != asked.requester.agency for tie in subject.proof)


def _wish_against(wishes: Wishes, classes: frozenset[str]) -> str | None:
    allowed = wishes.permitted & classes
    if allowed:
        return None
    if wishes.refused & classes:
        return "wish-refused"
    return "wish-condition-not-met" if wishes.condition_failed else "wish-missing"


def _wishes(asked: Asked, subject: Subject, directives: list[Directive], ties: list[Tie], line: Line) -> Wishes:
    """Each lineage's newest statement counts; among lineages a refusal wins."""
    actors, purposes = _actors(asked), frozenset({asked.purpose.code, *asked.purpose.v3})
    counted = [one for one in newest(directives) if one.patient in subject.identities]
    permitted: set[str] = set()
    refused: set[str] = set()
    failed = False
    for directive in counted:
        facts = Facts(asked.at, actors, purposes, _in_hospital(subject, directive))
        _weigh(directive, facts, _may_permit(asked, subject, ties, line, directive), permitted, refused)
        failed = failed or _condition_failed(directive, facts)
    considered = tuple(sorted(directive.ref for directive in counted))
    return Wishes(frozenset(permitted - refused), frozenset(refused), considered, failed)


def _weigh(directive: Directive, facts: Facts, may_permit: bool, permitted: set[str], refused: set[str]) -> None:
    for code in CLASS_TIERS:
        effect = directive.effect_on(facts, code)
        if effect is Effect.DENY:
            refused.add(code)
        elif effect is Effect.PERMIT and may_permit:
            permitted.add(code)


def _may_permit(asked: Asked, subject: Subject, ties: list[Tie], line: Line, directive: Directive) -> bool:
    """Whether a permitting statement counts: made by who may make it, and not by the asker for itself alone."""
    if directive.recorded_by == asked.requester.agency and not line.accepts_own_wishes:
        return False
    if directive.performers & subject.identities:
        return True
    if subject.birth_date is None or age_on(subject.birth_date, asked.on) >= COMPETENT_ALONE:
        return False
    return any(
        tie.other in directive.performers
        and tie.patient in subject.identities
        and tie.held_responsibility(directive.made)
        and tie.held_responsibility(asked.at)
        for tie in ties
    )


def _in_hospital(subject: Subject, directive: Directive) -> bool | None:
    """Whether who made this statement is in hospital; None where nobody's records say so."""
    known = [subject.inpatient[who] for who in directive.performers if who in subject.inpatient]
    return any(known) if known else None


def _condition_failed(directive: Directive, facts: Facts) -> bool:
    """Whether it would have permitted in another state (only while I am in hospital)."""
    inside = Facts(facts.at, facts.actors, facts.purposes, True, facts.action)
    return facts.inpatient is False and directive.effect_on(inside, "existence") is Effect.PERMIT


def _actors(asked: Asked) -> frozenset[str]:
    requester = asked.requester
    actors = {f"ods|{requester.agency}", f"kind|{asked.kind}"}
    if requester.role:
        actors.add(f"role|{requester.role}")
    return frozenset(actors)


def _obligations(asked: Asked, line: Line, wishes: Wishes) -> tuple[str, ...]:
    """What goes with the answer. Under a duty: decide whether it is safe to tell the person, and only that person."""
    obligations = list(line.obligations)
    if asked.purpose.is_duty:
        obligations += [code for code in ("tell-only-this-person", "review-by") if code not in obligations]
        if wishes.refused and "seek-advice" not in obligations:
            obligations.append("seek-advice")
    return tuple(obligations)
