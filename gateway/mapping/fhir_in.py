"""FHIR R4 in: a Bundle, or one resource, of Patient, RelatedPerson, Flag and Consent.

References inside the Bundle become logical ones. What may change the meaning and is not known (implicitRules,
modifierExtension) refuses the resource; what is merely more than we keep is left out. A body of which nothing is taken
is refused, unless it is a message, which says something by its event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.fhir import resources, systems
from gateway.fhir.outcomes import Issue
from gateway.mapping import fhir_elements, other_side, people, swapped
from gateway.mapping.engine import organisation
from gateway.mapping.formats import Format
from gateway.mapping.json_reader import read_json
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced
from gateway.mapping.unreadable import Unreadable
from gateway.mapping.values import Unusable, Work, work_for

ENTRIES: Final = 10_000
TYPES: Final = {"Patient": "patient", "RelatedPerson": "relatedperson", "Flag": "flag", "Consent": "consent"}
PEOPLE: Final = {"RelatedPerson": "patient", "Flag": "subject", "Consent": "patient"}
PROFILES: Final = {"RelatedPerson": systems.UKCORE_RELATED, "Flag": systems.UKCORE_FLAG}
CONVEYED: Final = frozenset({"MessageHeader", "Parameters", "Organization", "Provenance", "OperationOutcome"})
BESIDE: Final = frozenset(TYPES) | {"MessageHeader"}  # beside these, other types are passed over; alone they are refused


@dataclass(slots=True)
class Shelf:
    """The resources of a Bundle by fullUrl and by ``Type/id``, to follow references."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    patients: list[dict[str, Any]] = field(default_factory=list)
    relatives: list[dict[str, Any]] = field(default_factory=list)
    alone: bool = False  # nothing beside it is taken, and no message brings it

    def put(self, full_url: Any, resource: dict[str, Any]) -> None:
        """Shelves a resource under its names."""
        if isinstance(full_url, str):
            self.found[full_url] = resource
        if isinstance(resource.get("id"), str):
            self.found[f"{resource.get('resourceType')}/{resource['id']}"] = resource
        if resource.get("resourceType") == "Patient":
            self.patients.append(resource)
        if resource.get("resourceType") == "RelatedPerson":
            self.relatives.append(resource)


def read(fmt: Format, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per entry, in the order of the Bundle."""
    found = read_json(data)
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise Unreadable(Issue("A FHIR resource with a resourceType is due.", "structure"))
    entries = entries_of(found)
    shelf = Shelf()
    for _, full_url, resource in entries:
        if isinstance(resource, dict):
            shelf.put(full_url, resource)
    shelf.alone = not any(type_of(resource) in BESIDE for _, _, resource in entries)
    return (one(fmt, place, full_url, resource, shelf, sender) for place, full_url, resource in entries)


def type_of(resource: Any) -> str | None:
    """The resourceType of an entry's resource; None where it has none."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) else None


def entries_of(found: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Place, fullUrl and resource of each entry; one resource alone is one entry."""
    if found["resourceType"] != "Bundle":
        return [(found["resourceType"] if found["resourceType"].isalnum() else "resource", None, found)]
    listed = found.get("entry", [])
    if not isinstance(listed, list) or len(listed) > ENTRIES:
        raise Unreadable(Issue(f"A Bundle has a list of up to {ENTRIES} entries.", "structure", "Bundle.entry"))
    return [(f"Bundle.entry[{number}]", *entry(one)) for number, one in enumerate(listed)]


def entry(one: Any) -> tuple[Any, Any]:
    """fullUrl and resource of an entry; a deletion has no resource to read."""
    return (one.get("fullUrl"), one.get("resource")) if isinstance(one, dict) else (None, None)


def one(fmt: Format, place: str, full_url: Any, resource: Any, shelf: Shelf, sender: Sender) -> Mapped:
    """One entry: mapped, passed over with a warning, or refused."""
    work = work_for(sender, place, ".", fmt.label)
    kind = type_of(resource)
    if kind is None:
        work.fault("An entry holds a resource with a resourceType; deletions are not taken.", "resource", "structure")
    elif kind not in TYPES:
        shown = kind if kind in CONVEYED else "This type"
        say = work.fault if shelf.alone else work.warn
        say(f"{shown} is not among {', '.join(TYPES)}: not kept.", "resource", "not-supported")
    else:
        work.place = place if place == kind else f"{place}.resource"
        take(fmt, kind, full_url, resource, shelf, work)
    return work.mapped()


def take(fmt: Format, kind: str, full_url: Any, resource: dict[str, Any], shelf: Shelf, work: Work) -> None:
    """A resource of a type that we take."""
    fhir_elements.refuse_unknown_rules(kind, resource, work)
    built = fmt.maps[TYPES[kind]].run(resource, work)
    if not fhir_elements.well_formed(built, work) or work.faults:
        return
    found = {"resourceType": kind, **fhir_elements.kept(built, work)}
    if kind in PROFILES:
        found.setdefault("meta", {}).setdefault("profile", [PROFILES[kind]])
    if kind in PEOPLE:
        refer(found, PEOPLE[kind], shelf, work)
    if work.faults:
        return
    if kind == "Flag":
        complete(found, work)
    if kind == "RelatedPerson":
        swapped.mend(found, shelf.patients, work)
    refuse_invalid(kind, found, work)
    key = key_of(kind, found, resource.get("id"), full_url, work)
    if key:
        work.resources.append(Sourced(key, found, op_of(kind, found), kind.lower()))
        other_side.add(found, key, shelf.relatives, shelf.patients, work)


def refuse_invalid(kind: str, found: Resource, work: Work) -> None:
    """Faults for what is not valid FHIR R4 in what was kept of a resource."""
    for issue in resources.errors(resources.validate(found, second_opinion=False)):
        work.fault(issue.text, issue.where.removeprefix(kind).removeprefix("."), issue.code)


def complete(flag: Resource, work: Work) -> None:
    """A Flag that names no author is the sender's; one that states no time holds as of its receipt."""
    flag.setdefault("author", organisation(work.sender.agency))
    url = systems.extension("status-as-of", work.base)
    if work.sender.received and all(one["url"] != url for one in flag.get("extension", [])):
        flag.setdefault("extension", []).append({"url": url, "valueDateTime": work.sender.received})


def op_of(kind: str, found: Resource) -> Op:
    """A Patient adds to what is known of a person; the rest stands for itself; in error is a retraction."""
    if kind == "Patient":
        return Op.MERGE
    return Op.RETRACT if found.get("status") == "entered-in-error" else Op.REPLACE


def refer(found: Resource, name: str, shelf: Shelf, work: Work) -> None:
    """Makes the reference to a person a logical one."""
    reference = found.get(name, {})
    target = shelf.found.get(text(reference.get("reference")))
    kind = reference.get("type") or (target or {}).get("resourceType") or "Patient"
    if kind != "Patient":
        work.fault("This must refer to a Patient.", name, "value")
        return
    identifier = reference.get("identifier") or fhir_elements.first_identifier((target or {}).get("identifier"))
    if not identifier:
        work.fault("Refer to a person by an identifier with system and value, or to a Patient of the Bundle.", name, "required")
        return
    try:
        found[name] = people.logical(fhir_elements.identifier(identifier, work.sender))
    except Unusable as problem:
        work.fault(str(problem), name, "value")


def text(value: Any) -> str:
    """The value where it is text."""
    return value if isinstance(value, str) else ""


def key_of(kind: str, found: Resource, own_id: Any, full_url: Any, work: Work) -> str:
    """The key of a resource: its identifier, else its id, else its fullUrl; a fault where it has none."""
    listed = [one for one in found.get("identifier", []) if one.get("value")]
    if listed:
        first = people.person_key(people.local_first(listed), work.sender)
        if kind == "Patient":
            return first
        if kind == "RelatedPerson":
            return people.link_key(people.person_key(found["patient"]["identifier"], work.sender), first)
        return f"{kind.lower()}/{first.removeprefix('person/')}"
    name = text(own_id) or text(full_url)
    if not name or kind == "Patient":
        work.fault("An identifier with system and value is required, so that the next message can speak of it.", "", "required")
        return ""
    return f"{kind.lower()}/{people.segment(name[:200])}"
