"""May this be disclosed, how much, and on what basis? The only place that makes a Permit.

``decide`` is asked for each agency and each person whose record would leave. It is a pure function of what it is
given; whatever it does not recognise is a refusal. The order of its steps is law-like and stays in code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.disclosure.agreements import CLASS_TIERS, Agreements, Line
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.question import Asked as Asked
from gateway.disclosure.question import Subject as Subject
from gateway.disclosure.question import Tie as Tie
from gateway.disclosure.question import Withheld, proven, withheld_from
from gateway.disclosure.requester import Requester
from gateway.disclosure.rules import Directive
from gateway.disclosure.wishes import Wishes, against, wishes_of

OVERSIGHT = "audit"  # the purpose of looking after how records are used
ADOPTED = frozenset({"adopted", "placed-for-adoption"})


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
    long_past: bool  # what ended more than twelve months ago may be told (duty purposes)
    against_wish: frozenset[str] = frozenset()  # the classes among these that a wish refuses: a duty passes over it


@dataclass(frozen=True, slots=True)
class Refuse:
    """No leave; ``reason`` is from refusal-reason and stays in the access log."""

    reason: str
    consents: tuple[str, ...] = ()
    withheld: Withheld | None = None  # whose decision it was, where the owner withholds the record


def gate(asked: Asked, case_owner_kind: str | None, *, has_reason: bool, has_override: bool) -> str | None:
    """The refusal reason that stands before any person is looked at, or None. Depends on the request alone.

    ``case_owner_kind`` is the kind of agency whose case reference was given, None where none was and empty where
    nobody here is known to have given it: such a reference is none.
    """
    purpose, requester = asked.purpose, asked.requester
    if purpose.code not in requester.purposes or purpose.mode == "none":
        return "purpose-not-yours"
    if purpose.since is not None and asked.on < purpose.since:
        return "duty-not-in-force"
    given = {"user": requester.user, "role": requester.role, "reason": has_reason, "override": has_override}
    for need in purpose.needs:
        if need != "case-reference" and not given[need]:
            return "role-not-allowed"
    if not case_owner_kind and "case-reference" in purpose.needs:
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
    """Leave, or the first reason against it. Order of ``directives`` and ``ties`` never matters.

    ``directives`` are those on file with the person. The classes of a Permit are among those of the agreement's line
    and of the request, in wish mode also among those that the person's wishes allow; its tier is the highest of them.
    """
    line = agreements.line(
        subject.custodian, asked.requester.agency, asked.kind, asked.purpose.code, asked.requester.role, asked.on
    )
    reason = _reason_against(asked, subject, line)
    if line is None or reason is not None:
        return Refuse(reason or "no-agreement")
    if subject.withheld and (withheld := withheld_from(asked, subject.withheld)) is not None:
        return Refuse("owner-withheld", withheld=withheld)
    classes = line.classes & asked.classes
    wishes = wishes_of(asked, subject, directives, list(ties), line)
    if not asked.purpose.is_duty:
        wish_against = against(wishes)
        if wish_against is not None:
            return Refuse(wish_against, wishes.considered)
        classes &= wishes.allowed
    return Permit(
        tier=max(map(CLASS_TIERS.__getitem__, classes)),
        classes=classes,
        basis=line.basis,
        obligations=_obligations(asked, line, wishes),
        policy=agreements.version,
        consents=wishes.considered,
        explicit_negatives=line.explicit_negatives,
        long_past=asked.purpose.is_duty,
        against_wish=classes & wishes.refused,
    )


def decide_own(requester: Requester, custodian: str, policy: str) -> Permit | Refuse:
    """May an agency hear what befell its own records? Always, if it may claim to look after how they are used; that it
    happened, and nothing that is in them."""
    if requester.agency != custodian or OVERSIGHT not in requester.purposes:
        return Refuse("purpose-not-yours")
    return Permit(0, frozenset({"existence"}), "own-record", (), policy, (), explicit_negatives=False, long_past=False)


def _reason_against(asked: Asked, subject: Subject, line: Line | None) -> str | None:
    if asked.purpose.mode == "none":
        return "purpose-not-yours"
    if line is None or not line.permits or "existence" not in line.classes & asked.classes:
        return "no-agreement"
    if subject.restriction:
        return "adopted" if subject.restriction in ADOPTED else "shielded"
    if not subject.certain:
        return "not-certain"
    if subject.about != "self" and not proven(subject.proof, asked.requester.agency):
        return "no-relationship"
    return None if subject.fresh or asked.purpose.is_duty else "feed-stale"


def _obligations(asked: Asked, line: Line, wishes: Wishes) -> tuple[str, ...]:
    """What goes with the answer: of the agreement and the law, of who permits it, of a refusal that a duty passes over."""
    standing = standing_obligations(line, asked.purpose)
    advice = ["seek-advice"] if wishes.refused else []
    asks = advice if asked.purpose.is_duty else sorted(wishes.obliged)
    return (*standing, *[code for code in asks if code not in standing])


def standing_obligations(line: Line, purpose: Purpose) -> tuple[str, ...]:
    """What goes with every answer by a line, whoever it is about. Under a duty: decide whether it is safe to tell the
    person, and only that person."""
    if not purpose.is_duty:
        return line.obligations
    return (*line.obligations, *[code for code in ("tell-only-this-person", "review-by") if code not in line.obligations])
