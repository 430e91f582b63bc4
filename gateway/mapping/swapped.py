"""A known fault of validated relationships: the relative's number beside the child's own name and birth date.

In the published shape a RelatedPerson of a child carries the parent's identifier, and some senders put the child's
name and birth date beside it. Kept as they are, they would tell a child's identity as if it were the parent's.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from gateway.fhir import codes, systems
from gateway.mapping.records import Resource
from gateway.mapping.values import Work, day_of

YOUNGEST_PARENT: Final = 12  # years


def mend(found: Resource, patients: list[dict[str, Any]], work: Work) -> None:
    """Drops name and birth date, with a warning, where they are or must be those of the child."""
    if same_as_patient(found, patients) or too_young(found, work.on):
        found.pop("name", None)
        found.pop("birthDate", None)
        work.warn(
            "The name or birth date seems to be that of the patient, not of the related person: both were left out. "
            "Send the related person's own.",
            "name",
            "business-rule",
        )


def same_as_patient(found: Resource, patients: list[dict[str, Any]]) -> bool:
    """Whether the Bundle's Patient of this relationship has the same name and birth date."""
    own = found["patient"]["identifier"]
    if not found.get("name") and not found.get("birthDate"):
        return False
    for patient in patients:
        if has(patient, own) and (names(patient), patient.get("birthDate")) == (names(found), found.get("birthDate")):
            return True
    return False


def has(patient: dict[str, Any], own: Resource) -> bool:
    """Whether a Patient has an identifier."""
    listed = patient.get("identifier")
    return isinstance(listed, list) and any(
        isinstance(one, dict) and one.get("value") == own["value"] and one.get("system") == own["system"] for one in listed
    )


def names(resource: dict[str, Any]) -> set[str]:
    """The names of a resource, folded for comparison."""
    listed = resource.get("name")
    found = set()
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            given = one.get("given")
            words = [*(given if isinstance(given, list) else []), one.get("family")]
            found.add(" ".join(word.casefold() for word in words if isinstance(word, str)))
    return found


def too_young(found: Resource, on: date | None) -> bool:
    """Whether the related person is called a parent and would be a child under twelve."""
    born = day_of(found.get("birthDate", ""))
    if born is None or on is None or (on - born).days >= YOUNGEST_PARENT * 365:
        return False
    return any(role in codes.PARENTS for role in roles(found))


def roles(found: Resource) -> list[str]:
    """The v3 roles of a RelatedPerson."""
    listed = [concept.get("coding") for concept in found.get("relationship", [])]
    codings = [one for coding in listed if isinstance(coding, list) for one in coding if isinstance(one, dict)]
    return [str(one.get("code")) for one in codings if one.get("system") == systems.V3_ROLE]
