"""The elements of inbound FHIR: their form, their canonical spelling, and what is kept of them."""

from __future__ import annotations

from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import people
from gateway.mapping.records import Resource, Sender
from gateway.mapping.values import Unusable, Work
from gateway.mapping.vocabulary import EXTENSIONS

LISTS: Final = frozenset(
    {
        "identifier",
        "name",
        "link",
        "relationship",
        "extension",
        "modifierExtension",
        "category",
        "policy",
        "verification",
        "performer",
        "organization",
        "contained",
    }
)
OBJECTS: Final = frozenset(
    {"meta", "patient", "period", "code", "subject", "author", "scope", "policyRule", "provision", "sourceAttachment"}
)
BOOLEANS: Final = frozenset({"active", "deceasedBoolean"})
NAME_PARTS: Final = frozenset({"use", "family", "given", "period"})
META_PARTS: Final = frozenset({"profile", "security"})
CONSENT_EXTENSIONS: Final = frozenset({"capacity", "wish-kind"})
WHILE_STATUS: Final = "while-status"


def refuse_unknown_rules(kind: str, resource: dict[str, Any], work: Work) -> None:
    """A fault for what may change the meaning of a resource in a way that we do not know (FHIR R4, 2.4.2)."""
    if resource.get("implicitRules") is not None:
        work.fault("implicitRules are not taken.", "implicitRules", "not-supported")
    own = systems.extension(WHILE_STATUS, work.base)
    for one in as_list(resource.get("modifierExtension")):
        if kind != "Consent" or not isinstance(one, dict) or one.get("url") != own:
            work.fault("A modifier extension is not known: it may change the meaning.", "modifierExtension", "extension")


def as_list(value: Any) -> list[Any]:
    """The list, or nothing."""
    return value if isinstance(value, list) else [] if value is None else [value]


def well_formed(built: Resource, work: Work) -> bool:
    """Whether each element has the form that its name asks for; a fault for each that has not."""
    before = len(work.faults)
    for name, value in built.items():
        if not form(name, value):
            work.fault("The element does not have the form that FHIR gives it.", name, "structure")
    return len(work.faults) == before


def form(name: str, value: Any) -> bool:
    """Whether a value is a list of objects, an object, a boolean or text, as the element asks."""
    if name in LISTS:
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if name in OBJECTS:
        return isinstance(value, dict)
    return isinstance(value, bool) if name in BOOLEANS else isinstance(value, str)


def kept(built: Resource, work: Work) -> Resource:
    """What is kept of a well-formed resource, in its canonical spelling."""
    found = {name: canonical(value, name, work) for name, value in built.items()}
    if "identifier" in found:
        found["identifier"] = identifiers(found["identifier"], work)
    if "name" in found:
        found["name"] = [{part: one[part] for part in one if part in NAME_PARTS} for one in found["name"]]
    if "meta" in found:
        found["meta"] = {part: value for part, value in found["meta"].items() if part in META_PARTS}
    if "extension" in found:
        found["extension"] = extensions(found["extension"], work)
    if "contained" in found:
        found["contained"] = [one for one in found["contained"] if one.get("resourceType") == "PractitionerRole"]
    return {name: value for name, value in found.items() if value not in ([], {})}


def extensions(found: list[Resource], work: Work) -> list[Resource]:
    """The extensions that this service knows; others are left out with a warning."""
    own = {systems.extension(name, work.base) for name in EXTENSIONS | CONSENT_EXTENSIONS}
    taken = [one for one in found if isinstance(one.get("url"), str) and one["url"] in own]
    if len(taken) < len(found):
        work.warn(f"{len(found) - len(taken)} extension(s) are not known and were not kept.", "extension", "extension")
    return taken


def identifiers(found: list[Resource], work: Work) -> list[Resource]:
    """Identifiers with system and value; one without is left out with a warning."""
    taken = []
    for one in found:
        if isinstance(one.get("system"), str) and isinstance(one.get("value"), str):
            try:
                taken.append({**extras(one), **identifier(one, work.sender)})
            except Unusable as problem:
                work.unusable(problem, "identifier")
        else:
            work.warn("An identifier without system and value was left out.", "identifier", "required")
    return taken


def extras(one: Resource) -> Resource:
    """What an identifier may carry beside system and value."""
    own = [item for item in as_list(one.get("extension")) if isinstance(item, dict)]
    status = [item for item in own if item.get("url") == systems.NHS_NUMBER_STATUS_EXT]
    parts: Resource = {"extension": status} if status else {}
    if isinstance(one.get("period"), dict):
        parts["period"] = one["period"]
    return parts


def identifier(one: Any, sender: Sender) -> Resource:
    """An identifier that keeps the rule of its system; Unusable where it is none."""
    if not isinstance(one, dict) or not isinstance(one.get("system"), str) or not isinstance(one.get("value"), str):
        raise Unusable("An identifier has a system and a value.")
    return people.identifier(people.url(one["system"]), one["value"].strip(), sender)


def first_identifier(found: Any) -> Any:
    """The identifier that refers to a person: the NHS number where there is one, else the first."""
    usable = [one for one in as_list(found) if isinstance(one, dict) and one.get("system") and one.get("value")]
    return people.preferred(usable) if usable else None


def canonical(value: Any, name: str, work: Work) -> Any:
    """The value with HL7's own ``http`` code systems, and no coding that lacks a system."""
    if isinstance(value, list):
        return [canonical(one, name, work) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: canonical(one, name, work) for key, one in value.items()}
    if isinstance(found.get("system"), str):
        found["system"] = systems.canonical_system(found["system"])
    if isinstance(found.get("coding"), list):
        return concept(found, name, work)
    return found


def concept(found: Resource, name: str, work: Work) -> Resource:
    """A CodeableConcept whose codings name their system; the words of the others are kept as text."""
    codings = [one for one in found["coding"] if isinstance(one, dict)]
    named = [one for one in codings if isinstance(one.get("system"), str) and one["system"]]
    for one in codings:
        if one not in named:
            words = next((part for part in (one.get("display"), one.get("code")) if isinstance(part, str)), "")
            work.unknown_code(name, str(one.get("code") or words), name)
            if words:
                found.setdefault("text", words)
    rest = {key: value for key, value in found.items() if key != "coding"}
    return {"coding": named, **rest} if named else rest
