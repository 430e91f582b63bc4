"""From a FHIR R4 Consent to a directive. Whatever is not understood refuses; nothing here raises.

What could widen a wish if it were overlooked makes the whole Consent refuse: an element, a modifierExtension other than
while-status, implicitRules, a scope that is not known. An actor, action, purpose or class that is not understood is
kept as such and matches in the refusing direction alone (IHE PCF 1.1; FHIR R4 Consent and 2.4.2, modifiers).

What the maker asks of those who hear ("tell me each time") is an extension ``obligation`` of the provision that lets
them hear, a Coding of the code system obligation. One that is not known makes the whole Consent refuse: leave that
was given on a condition is not leave without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.disclosure.agreements import CLASS_TIERS, OBLIGATIONS
from gateway.disclosure.rules import UNREAD, Directive, Effect, Rule
from gateway.fhir import systems
from gateway.fhir.codes import AGENCY_KINDS
from gateway.fhir.dates import bounds, period_bounds
from gateway.fhir.elements import extension_value, identity

Resource = Mapping[str, Any]
STATUSES_THAT_COUNT = frozenset({"active", "inactive", "rejected"})
PRIVACY = "patient-privacy"
OTHER_SCOPES = frozenset({"adr", "research", "treatment"})  # consentscope: not about disclosure
RECIPIENTS = frozenset({"IRCP", "PRCP"})  # v3-ParticipationType: to whom
OTHER_ACTIONS = frozenset({"collect", "use", "correct"})  # consentaction: not about disclosure
NARROWING = ("code", "securityLabel", "data", "dataPeriod")  # a status lookup does not state these
KNOWN_RULE_ELEMENTS = frozenset({"id", "type", "period", "actor", "action", "purpose", "class", "provision", *NARROWING}) | {
    "extension",
    "modifierExtension",
}
# Classes that are published and never told (legal orders: by no agreement yet): to refuse them refuses nothing else.
NEVER_TOLD = frozenset({"address", "diagnosis", "mha-section", "abuse-category", "medication", "free-text", "legal-order"})
NAMED_CLASSES = NEVER_TOLD | CLASS_TIERS.keys()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAULTS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def compile_consent(consent: Resource, ref: str, recorded_by: str, recorded: int) -> Directive | None:
    """A Consent as a directive; None for drafts, for what was entered in error, and for what is not about disclosure.

    ``recorded`` (microseconds since 1970) tells which of two came later where their own times do not; nobody said a
    thing after it was recorded.
    """
    status = consent.get("status")
    try:
        if status not in STATUSES_THAT_COUNT or _codes_of(consent.get("scope"), systems.CONSENT_SCOPE) & OTHER_SCOPES:
            return None
        return _directive(consent, ref, recorded_by, recorded)
    except FAULTS:  # not even its frame can be read: it refuses, for whomever it lies with
        return Directive(ref, recorded_by, "", frozenset(), ref, None, recorded, status != "inactive", None)


def _directive(consent: Resource, ref: str, recorded_by: str, recorded: int) -> Directive:
    rule = _root(consent)
    return Directive(
        ref=ref,
        recorded_by=recorded_by,
        patient=identity(consent.get("patient")),
        performers=frozenset(filter(None, (identity(who) for who in consent.get("performer", ())))),
        lineage=_lineage(consent, recorded_by),
        made=_made(consent, recorded),
        recorded=recorded,
        in_force=consent.get("status") == "active",
        rule=rule,
        capacity=str(extension_value(consent, "capacity", "valueCode") or ""),
        wish_kind=str(extension_value(consent, "wish-kind", "valueCode") or ""),
        doubted=_doubted(consent),
        obliging=rule is not None and rule.obliging,
    )


def _lineage(consent: Resource, recorded_by: str) -> str:
    """Whose record, for which organisation, under which policy and category. Nobody replaces another agency's record."""
    organisation = ",".join(sorted(identity(one) for one in consent.get("organization", ())))
    policy = ",".join(sorted(str(one.get("uri", "")) for one in consent.get("policy", ())))
    categories = sorted(str(coding.get("code", "")) for one in consent.get("category", ()) for coding in one.get("coding", ()))
    return "\x1f".join((recorded_by, organisation, policy, *categories))


def _made(consent: Resource, recorded: int) -> tuple[datetime, datetime] | None:
    try:
        stated = bounds(consent["dateTime"])
    except (KeyError, ValueError):
        return None
    heard = EPOCH + timedelta(microseconds=recorded)
    return stated if stated[0] <= heard else (heard, heard + timedelta(microseconds=1))


def _doubted(consent: Resource) -> bool:
    stated = [one.get("verified") for one in consent.get("verification", ())]
    return False in stated and True not in stated


def _root(consent: Resource) -> Rule | None:
    """The root rule; None where the base cannot be told or a part that may change the meaning is not understood."""
    try:
        if PRIVACY not in _codes_of(consent.get("scope"), systems.CONSENT_SCOPE) or _hidden_modifiers(consent):
            return None
        root = _rule(consent.get("provision") or {}, list(consent.get("modifierExtension", ())))
    except FAULTS:
        return None
    if root.effect is not None:
        return root
    base = _policy_effect(consent)
    return None if base is None else replace(root, effect=base)


def _hidden_modifiers(consent: Resource) -> bool:
    """Whether something outside of the rules may change their meaning."""
    beside = [*consent.get("policy", ()), *consent.get("verification", ())]
    return "implicitRules" in consent or any("modifierExtension" in one for one in beside)


def _policy_effect(consent: Resource) -> Effect | None:
    codes = _codes_of(consent.get("policyRule"), systems.V3_ACT_CODE)
    if "OPTOUT" in codes:
        return Effect.DENY
    return Effect.PERMIT if "OPTIN" in codes else None


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
        actions=frozenset(_action(action) for action in provision.get("action", ())),
        purposes=frozenset(_purpose(coding) for coding in provision.get("purpose", ())),
        classes=frozenset(_class(coding) for coding in provision.get("class", ())),
        needs_unknown=any(key in provision for key in NARROWING),
        while_status=_while_status([*(outer or ()), *provision.get("modifierExtension", ())]),
        exceptions=tuple(_rule(nested) for nested in provision.get("provision", ())),
        obligations=_obligations(provision),
    )


def _obligations(provision: Resource) -> frozenset[str]:
    """What this rule asks of who hears. ValueError for one that is not known."""
    own = [one for one in provision.get("extension", ()) if str(one.get("url", "")).endswith("/StructureDefinition/obligation")]
    stated = frozenset(str(one["valueCoding"]["code"]) for one in own)
    if not stated <= OBLIGATIONS or any(not _is_obligation(one["valueCoding"]) for one in own):
        raise ValueError("an obligation that is not understood")
    return stated


def _is_obligation(coding: Resource) -> bool:
    return str(coding.get("system", "")).endswith("/CodeSystem/obligation")


def _while_status(modifiers: list[Resource]) -> str:
    """The state in which a rule holds; of several, or of one that is not known, none is ever met."""
    stated = set()
    for modifier in modifiers:
        if not str(modifier.get("url", "")).endswith("/StructureDefinition/while-status"):
            raise ValueError("a modifierExtension that is not understood")
        stated.add(str(modifier["valueCoding"]["code"]))
    return stated.pop() if len(stated) == 1 else UNREAD if stated else ""


def _actor(actor: Resource) -> str:
    """How an actor is matched: an organisation by ODS code, a kind of agency, or a role code."""
    role = _codes_of(actor.get("role"), systems.V3_PARTICIPATION)
    if not role & RECIPIENTS or "modifierExtension" in actor:
        return UNREAD
    system, _, value = identity(actor.get("reference")).partition("|")
    if system == systems.ODS_CODE:
        return f"ods|{value.upper()}"
    if system.endswith("/CodeSystem/agency-kind") and value in AGENCY_KINDS:
        return f"kind|{value}"
    return f"role|{value}" if system.endswith("/CodeSystem/role") else UNREAD


def _action(action: Resource) -> str:
    """Disclosing is what a lookup does. ``access`` is to look without disclosing: who refuses that refuses us too."""
    codes = _codes_of(action, systems.CONSENT_ACTION)
    if "disclose" in codes:
        return "disclose"
    return min(codes) if codes and codes <= OTHER_ACTIONS else UNREAD


def _purpose(coding: Resource) -> str:
    system, code = str(coding.get("system", "")), str(coding.get("code", ""))
    known = system == systems.V3_ACT_REASON or system.endswith("/CodeSystem/purpose")
    return code if known and code else UNREAD


def _class(coding: Resource) -> str:
    system, code = str(coding.get("system", "")), str(coding.get("code", ""))
    return code if system.endswith("/CodeSystem/data-class") and code in NAMED_CLASSES else UNREAD


def _codes_of(concept: Resource | None, system: str) -> frozenset[str]:
    """The codes of one system in a CodeableConcept."""
    codings: Iterable[Resource] = (concept or {}).get("coding", ())
    return frozenset(str(one.get("code", "")) for one in codings if _is_of(one, system))


def _is_of(coding: Resource, system: str) -> bool:
    stated = coding.get("system")
    return stated == system or systems.canonical_system(str(stated)) == system
