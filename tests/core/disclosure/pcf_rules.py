"""The Consent profiles of IHE Privacy Consent on FHIR 1.1 as rules: what each requires, fixes and forbids, path by path.

Taken from the profiles themselves and, where these leave an exception free that their text forbids, from the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CANONICAL = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
REQUIRED = (
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "performer",
    "organization",
    "policy",
    "policy.uri",
    "provision.type",
)
FORBIDDEN = {
    "": ("policy.authority", "policyRule", "verification", "modifierExtension", "implicitRules", "provision.provision.provision"),
    "Basic": ("provision.securityLabel", "provision.dataPeriod", "provision.data", "provision.provision"),
    "Intermediate": ("provision.securityLabel", "provision.provision.securityLabel"),
    "Advanced": (),
}
NEVER_IN_A_RULE = ("action", "class", "code", "modifierExtension")
BASIC_PURPOSES = {"TREAT", "HPAYMT", "HOPERAT", "BTG"}
SECURITY_TAGS = {"N", "R", "ETH", "ETHUD", "OPIOIDUD", "PSY", "HIV"}


def at(resource: Any, path: str) -> Iterator[Any]:
    """Every value at a path; a list is each of its members. What is not there is nothing."""
    name, _, rest = path.partition(".")
    value = resource.get(name) if isinstance(resource, dict) else None
    for one in value if isinstance(value, list) else [value]:
        if one is not None:
            yield from at(one, rest) if rest else [one]


def faults(consent: dict[str, Any], profile: str) -> list[str]:
    """Where a Consent does not conform to a profile (its canonical)."""
    name = profile.removeprefix(CANONICAL)
    found = [f"{path} is required" for path in REQUIRED if not list(at(consent, path))]
    found += [f"{path} is forbidden" for path in (*FORBIDDEN[""], *FORBIDDEN[name]) if list(at(consent, path))]
    if ("sourceAttachment" in consent) == ("sourceReference" in consent):
        found.append("source[x] stands once")
    if {"patient-privacy"} != {one["code"] for one in at(consent, "scope.coding")}:
        found.append("scope is patient-privacy")
    for place in ("provision", "provision.provision"):
        for rule in at(consent, place):
            found += [f"{place}.{one} is forbidden" for one in NEVER_IN_A_RULE if one in rule]
            found += [f"{place}: {one}" for one in _rule(rule, name)]
    return found


def _rule(rule: dict[str, Any], name: str) -> Iterator[str]:
    if rule.get("type") not in ("permit", "deny"):
        yield "a rule has its type"
    roles = [{code["code"] for code in at(actor, "role.coding")} for actor in rule.get("actor", ())]
    if any("IRCP" not in codes for codes in roles):
        yield "an actor is a recipient (IRCP)"
    if any("reference" not in actor for actor in rule.get("actor", ())):
        yield "an actor has a reference"
    if name == "Basic" and {code["code"] for code in at(rule, "purpose")} - BASIC_PURPOSES:
        yield "a purpose is not of the Basic value set"
    if {code["code"] for code in at(rule, "securityLabel")} - SECURITY_TAGS:
        yield "a label is not of the Advanced value set"
