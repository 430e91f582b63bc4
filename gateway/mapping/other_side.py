"""The other side of a relationship that is sent as FHIR in one direction, so that it is found from either person.

Validated relationships name a parent on the child's record. Who asks about the parent has to find the child. What the
sender states itself of the other direction stands; parental responsibility stays where it was stated.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.mapping import people, relatives
from gateway.mapping.records import Op, Resource, Sourced
from gateway.mapping.swapped import has
from gateway.mapping.values import Work

KEPT: Final = ("active", "period")
ALSO: Final = "/StructureDefinition/unconfirmed"  # who is not confirmed here is not confirmed there


def add(found: Resource, key: str, stated: list[dict[str, Any]], patients: list[dict[str, Any]], work: Work) -> None:
    """Appends what the patient is to the related person, where that one has an identifier and the role has an inverse.

    Of a resource that is refused nothing is read: it need not have the form of one.
    """
    related = found if found["resourceType"] == "RelatedPerson" and not work.faults else {}
    others = [one for one in related.get("identifier", []) if one.get("value")]
    concept = next((one for one in related.get("relationship", []) if relatives.role_of(one)), None)
    if not others or concept is None:
        return
    mine, theirs = found["patient"]["identifier"], people.preferred(others)
    back = relatives.inverse(concept, gender_of(mine, patients))
    if not relatives.role_of(back) or same(mine, theirs) or any(says(one, theirs, mine) for one in stated):
        return
    parts = {name: found.get(name) for name in KEPT}
    extension = [one for one in found.get("extension", []) if str(one.get("url", "")).endswith(ALSO)]
    other = relatives.related(people.logical(theirs), [back], identifier=[mine], extension=extension, **parts)
    security = found.get("meta", {}).get("security")
    if security:
        other["meta"]["security"] = security
    work.resources.append(Sourced(f"{key}/other-side", other, Op.REPLACE, "relatedperson"))


def same(one: Resource, other: Resource) -> bool:
    """Whether two identifiers are one."""
    return (one["system"], one["value"]) == (other["system"], other["value"])


def says(related: dict[str, Any], patient: Resource, relative: Resource) -> bool:
    """Whether a RelatedPerson of the Bundle states that direction itself."""
    reference = related.get("patient")
    named = reference.get("identifier") if isinstance(reference, dict) else None
    return isinstance(named, dict) and named.get("value") == patient["value"] and has(related, relative)


def gender_of(identifier: Resource, patients: list[dict[str, Any]]) -> str:
    """The gender that the Bundle's Patient of an identifier has; empty where it says none."""
    return next((str(one.get("gender") or "") for one in patients if has(one, identifier)), "")
