"""FHIR R4 Consent as directives: what a person wants shared, with whom, for what, how long.

The algorithm: the root provision (or policyRule) gives the base, nested provisions are exceptions to any depth, each
with a type of its own; among siblings refusal wins, deeper wins over shallower; a period lasts to the end of its
stated precision; elements of one provision are joined by *and*, repeats of one element by *or*. What is not known of
a request never matches in the permitting direction and always matches in the refusing one.
Sources: FHIR R4 Consent; IHE PCF 1.1; root type as PCF has it, policyRule as R4 has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gateway.fhir import systems
from gateway.fhir.dates import FIRST, bounds, period_bounds
from gateway.fhir.elements import identity

Resource = Mapping[str, Any]
DISCLOSE = frozenset({"disclose", "access"})
KNOWN_RULE_ELEMENTS = frozenset(
    "id type period actor action securityLabel purpose class code dataPeriod data provision extension modifierExtension".split()
)


class Effect(Enum):
    PERMIT = "permit"
    DENY = "deny"


class Match(Enum):
    """Whether a rule speaks of a request; UNKNOWN where the request does not say."""

    YES = 1
    NO = 0
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """What a request is, for matching. A None means that it is not known."""

    at: datetime
    actors: frozenset[str]  # "ods|RX2", "kind|school", "role|ward-nurse", "user|RX2|jd1"
    purposes: frozenset[str]
    inpatient: bool | None
    action: str = "disclose"


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

    def match(self, facts: Facts, data_class: str) -> Match:
        """Whether this rule, without its exceptions, speaks of disclosing this class."""
        parts = (
            self.start <= facts.at < self.end,
            not self.actors or bool(self.actors & facts.actors),
            not self.actions or facts.action in self.actions,
            not self.purposes or bool(self.purposes & facts.purposes),
            not self.classes or data_class in self.classes,
        )
        if not all(parts):
            return Match.NO
        if self.while_status == "inpatient" and facts.inpatient is False:
            return Match.NO
        unclear = self.needs_unknown or (self.while_status and facts.inpatient is None)
        return Match.UNKNOWN if unclear or self.while_status not in ("", "inpatient") else Match.YES

    def applies(self, facts: Facts, data_class: str) -> bool:
        found = self.match(facts, data_class)
        return found is Match.YES or (found is Match.UNKNOWN and self.effect is not Effect.PERMIT)

    def effect_on(self, facts: Facts, data_class: str) -> Effect | None:
        """The effect for a class, or None where neither this rule nor an exception of it speaks of it."""
        if not self.applies(facts, data_class):
            return None
        found = [exception.effect_on(facts, data_class) for exception in self.exceptions]
        if Effect.DENY in found:
            return Effect.DENY
        if Effect.PERMIT in found:
            return Effect.PERMIT
        return self.effect or Effect.DENY


@dataclass(frozen=True, slots=True)
class Directive:
    """One Consent, compiled."""

    ref: str  # Consent/id/_history/version
    recorded_by: str  # ODS code of the agency whose record it is
    patient: str  # "system|value"
    performers: frozenset[str]
    lineage: tuple[str, ...]
    made: datetime
    version: int
    in_force: bool  # status active; a newer statement that is not takes the older one's place
    rule: Rule | None  # None: cannot be understood

    def effect_on(self, facts: Facts, data_class: str) -> Effect | None:
        """Its effect for a class. What cannot be understood refuses."""
        if not self.in_force:
            return None
        return Effect.DENY if self.rule is None else self.rule.effect_on(facts, data_class)


def newest(directives: Iterable[Directive]) -> list[Directive]:
    """The newest statement of each lineage; on equal times the one recorded later, then by reference."""
    latest: dict[tuple[str, ...], Directive] = {}
    for directive in sorted(directives, key=lambda one: (one.made, one.version, one.ref)):
        latest[directive.lineage] = directive
    return list(latest.values())


STATUSES_THAT_COUNT = frozenset({"active", "inactive", "rejected"})


def compile_consent(consent: Resource, ref: str, recorded_by: str, version: int) -> Directive | None:
    """A Consent as a directive; None for drafts, proposals and what was entered in error."""
    status = consent.get("status")
    if status not in STATUSES_THAT_COUNT:
        return None
    patient = identity(consent.get("patient"))
    performers = frozenset(filter(None, (identity(who) for who in consent.get("performer", ()))))
    return Directive(
        ref=ref,
        recorded_by=recorded_by,
        patient=patient,
        performers=performers,
        lineage=_lineage(consent, patient, performers),
        made=_made(consent),
        version=version,
        in_force=status == "active",
        rule=_root(consent),
    )


def _lineage(consent: Resource, patient: str, performers: frozenset[str]) -> tuple[str, ...]:
    organisation = "".join(sorted(identity(one) for one in consent.get("organization", ())))
    policy = "".join(sorted(str(one.get("uri", "")) for one in consent.get("policy", ())))
    categories = ",".join(sorted(_codes(consent.get("category", ()))))
    return (patient, organisation, policy, categories, ",".join(sorted(performers)))


def _made(consent: Resource) -> datetime:
    try:
        return bounds(consent["dateTime"])[0]
    except (KeyError, ValueError, TypeError):
        return FIRST


def _root(consent: Resource) -> Rule | None:
    """The root rule; None where the base cannot be told or a modifier is not understood."""
    provision = consent.get("provision") or {}
    outer = consent.get("modifierExtension", [])
    try:
        root = _rule(provision, outer)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if root.effect is not None:
        return root
    base = _policy_effect(consent)
    return None if base is None else _with_effect(root, base)


def _policy_effect(consent: Resource) -> Effect | None:
    codes = _codes([consent.get("policyRule") or {}])
    if "OPTIN" in codes:
        return Effect.PERMIT
    return Effect.DENY if "OPTOUT" in codes else None


def _with_effect(rule: Rule, effect: Effect) -> Rule:
    return Rule(
        effect, rule.start, rule.end, rule.actors, rule.actions, rule.purposes, rule.classes, rule.needs_unknown,
        rule.while_status, rule.exceptions,
    )  # fmt: skip


def _rule(provision: Resource, outer: list[Resource] | None = None) -> Rule:
    """One provision, raising ValueError where an element is not understood."""
    unknown = {key for key in provision if not key.startswith("_")} - KNOWN_RULE_ELEMENTS
    if unknown:
        raise ValueError(f"unknown elements {sorted(unknown)}")
    start, end = period_bounds(provision.get("period"))
    return Rule(
        effect=Effect(provision["type"]) if provision.get("type") else None,
        start=start,
        end=end,
        actors=frozenset(_actor(actor) for actor in provision.get("actor", ())),
        actions=frozenset("disclose" if code in DISCLOSE else code for code in _codes(provision.get("action", ()))),
        purposes=frozenset(str(coding["code"]) for coding in provision.get("purpose", ())),
        classes=frozenset(str(coding["code"]) for coding in provision.get("class", ())),
        needs_unknown=any(provision.get(key) for key in ("code", "securityLabel", "data", "dataPeriod")),
        while_status=_while_status([*(outer or ()), *provision.get("modifierExtension", ())]),
        exceptions=tuple(_rule(nested) for nested in provision.get("provision", ())),
    )


def _while_status(modifiers: list[Resource]) -> str:
    for modifier in modifiers:
        if not str(modifier.get("url", "")).endswith("/StructureDefinition/while-status"):
            raise ValueError("a modifierExtension that is not understood")
        return str(modifier["valueCoding"]["code"])
    return ""


def _actor(actor: Resource) -> str:
    """How an actor is matched: an organisation by ODS code, a kind of agency, or a role code."""
    reference = actor.get("reference") or {}
    identifier = reference.get("identifier") or {}
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    if system == systems.ODS_CODE and value:
        return f"ods|{value}"
    if system.endswith("/CodeSystem/agency-kind") and value:
        return f"kind|{value}"
    if value:
        return f"{'role' if system.endswith('/CodeSystem/role') else system}|{value}"
    return "unresolved|"  # an actor that we cannot resolve matches nobody


def _codes(concepts: Iterable[Resource]) -> list[str]:
    return [str(coding.get("code", "")) for concept in concepts for coding in (concept or {}).get("coding", ())]
