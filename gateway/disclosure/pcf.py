"""Which profile of IHE Privacy Consent on FHIR (PCF 1.1) a Consent conforms to, so that it claims that and nothing else.

PCF says whom, for what and until when; not which class of data, nor which action. Where a Consent says those it claims no
profile: who knew PCF alone and passed the class over would share more than was permitted. The profiles forbid them at the
root; we take the prohibition, as their text does, to hold for exceptions too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fhir import systems

Resource = Mapping[str, Any]
PROFILES = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
BASIC, INTERMEDIATE, ADVANCED = (f"{PROFILES}{name}" for name in ("Basic", "Intermediate", "Advanced"))
DUE = ("status", "category", "patient", "dateTime", "performer", "organization", "policy", "provision")
NOT_USED = frozenset({"policyRule", "verification", "modifierExtension", "implicitRules"})
NOT_SAID = frozenset({"action", "class", "code", "modifierExtension"})  # of a provision
BASIC_PURPOSES = frozenset({"TREAT", "HPAYMT", "HOPERAT", "BTG"})
BEYOND_BASIC = frozenset({"dataPeriod", "data", "provision"})
# Those that every edition of the value set has.
LABELS = {
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality": frozenset({"N", "R"}),
    systems.V3_ACT_CODE: frozenset({"ETH", "ETHUD", "OPIOIDUD", "PSY", "HIV"}),
}
FAULTS = (KeyError, TypeError, AttributeError, ValueError)


def with_claim(consent: Resource) -> dict[str, Any]:
    """A Consent as it is shown: ``meta.profile`` names the narrowest PCF profile that it conforms to, or nothing. What its
    sender claimed of it does not hold of what was kept."""
    rest = {name: value for name, value in consent.get("meta", {}).items() if name != "profile"}
    profile = profile_of(consent)
    meta = {**rest, "profile": [profile]} if profile else rest
    kept = {name: value for name, value in consent.items() if name != "meta"}
    return {**kept, "meta": meta} if meta else kept


def profile_of(consent: Resource) -> str:
    """The narrowest of the three profiles that a valid R4 Consent conforms to; empty where none."""
    try:
        return _profile_of(consent) if _is_founded(consent) else ""
    except FAULTS:
        return ""


def _is_founded(consent: Resource) -> bool:
    """What all three have in common, but for the provisions."""
    if any(not consent.get(name) for name in DUE) or not NOT_USED.isdisjoint(consent):
        return False
    sources = [name for name in ("sourceAttachment", "sourceReference") if name in consent]
    scopes = [(one.get("system"), one.get("code")) for one in consent["scope"]["coding"]]
    policies = [one for one in consent["policy"] if not one.get("uri") or "authority" in one or "modifierExtension" in one]
    return len(sources) == 1 and (systems.CONSENT_SCOPE, "patient-privacy") in scopes and not policies


def _profile_of(consent: Resource) -> str:
    root = consent["provision"]
    exceptions = root.get("provision", ())
    rules = [root, *exceptions]
    if any(not _is_plain(rule) for rule in rules) or any("provision" in one for one in exceptions):
        return ""
    if any("securityLabel" in rule for rule in rules):
        return ADVANCED if all(_is_listed(label) for rule in rules for label in rule.get("securityLabel", ())) else ""
    purposes = {(one.get("system"), one.get("code")) for one in root.get("purpose", ())}
    is_basic = BEYOND_BASIC.isdisjoint(root) and all(
        system == systems.V3_ACT_REASON and code in BASIC_PURPOSES for system, code in purposes
    )
    return BASIC if is_basic else INTERMEDIATE


def _is_plain(rule: Resource) -> bool:
    """Whether a rule keeps to what PCF says: permit or deny, to recipients, with named records at most."""
    if rule.get("type") not in ("permit", "deny") or not NOT_SAID.isdisjoint(rule):
        return False
    if any(one.get("meaning") != "instance" for one in rule.get("data", ())):
        return False
    roles = [actor["role"]["coding"] for actor in rule.get("actor", ())]
    return all(any(_is_recipient(one) for one in codings) for codings in roles)


def _is_recipient(coding: Resource) -> bool:
    return (coding.get("system"), coding.get("code")) == (systems.V3_PARTICIPATION, "IRCP")


def _is_listed(label: Resource) -> bool:
    return label.get("code") in LABELS.get(str(label.get("system")), frozenset())
