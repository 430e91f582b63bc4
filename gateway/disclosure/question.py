"""What the decision is asked: who asks for what, about whom at which agency, and who is whose parent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from gateway.disclosure.agreements import CLASS_TIERS
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.requester import Requester


class Asked(NamedTuple):
    """A request after its gates: who asks, in which kind of agency, what for."""

    requester: Requester
    kind: str
    purpose: Purpose
    at: datetime
    classes: frozenset[str] = frozenset(CLASS_TIERS)

    @property
    def on(self) -> date:
        """The day of the question, UTC."""
        return self.at.date()


@dataclass(frozen=True, slots=True)
class Tie:
    """One RelatedPerson: what somebody is to ``patient``, who says so, and parental responsibility if stated."""

    patient: str  # "system|value"
    others: frozenset[str]  # every identifier of the related person
    role: str
    source: str  # ODS code of the agency whose record says so
    responsibility: str = ""  # yes | no; empty: not stated, not known, or its dates cannot be read
    responsible_from: datetime | None = None
    responsible_until: datetime | None = None
    confirmed: bool = True  # its sender does not call it unconfirmed

    def held_responsibility(self, at: datetime) -> bool:
        """Whether the related person held parental responsibility for ``patient`` at that time."""
        if self.responsibility != "yes":
            return False
        begun = self.responsible_from is None or self.responsible_from <= at
        return begun and (self.responsible_until is None or at < self.responsible_until)


class Withheld(NamedTuple):
    """That an owner withholds a record under a duty: a decision of a named person, dated and with a reason on record."""

    id: str
    purposes: frozenset[str]  # empty: every duty, the claim of danger to life among them
    receivers: frozenset[str]  # ODS codes; empty: everybody
    until: date | None  # its last day; None: until it is lifted
    decider: str  # name and role, for the owner's own auditor


class Subject(NamedTuple):
    """A person whose record at one agency would leave."""

    custodian: str
    about: str  # self | children | parents
    identities: frozenset[str]  # every "system|value" of this person at any agency; of use to wishes alone
    certain: bool  # found by a verified identifier and birth date, no other candidate
    birth_date: date | None  # a whole date, or None
    restriction: str  # adopted | placed-for-adoption | protected | ""
    inpatient: Mapping[str, bool]  # who is known to be in hospital or not, by "system|value": "while I am in hospital"
    fresh: bool
    proof: tuple[Tie, ...] = ()  # for children and parents: the ties that link them to the person asked about
    withheld: tuple[Withheld, ...] = ()  # what its owner withholds under a duty


def proven(proof: tuple[Tie, ...], requester: str) -> bool:
    """Whether a relationship is told by another source than who asks, the holder's own record included.

    What its own sender calls unconfirmed proves nothing.
    """
    return any(tie.source != requester and tie.confirmed for tie in proof)


def withheld_from(asked: Asked, told: tuple[Withheld, ...]) -> Withheld | None:
    """The decision of the owner, one of several, that keeps the record from this request; None where none does.

    Children Act 2004 section 16LA(3): the judgement that to share is more detrimental than to be silent is the holder's.
    It is made under a duty; where a wish opens the answer, wishes and shields say what is kept back.
    """
    if not told or not asked.purpose.is_duty:
        return None
    speaking = [
        one
        for one in told
        if (not one.purposes or asked.purpose.code in one.purposes)
        and (not one.receivers or asked.requester.agency in one.receivers)
        and (one.until is None or asked.on <= one.until)
    ]
    return min(speaking, key=lambda one: one.id, default=None)
