"""A patient and a user as a record system has them: what of it can be rested on. What is not used is not looked at."""

from __future__ import annotations

import re
from typing import Any

from gateway.exchanges.records.dossiers import verification
from gateway.fhir import systems
from gateway.fhir.dates import WHOLE_DATE, bounds
from gateway.identity import nhs_number

USERS = frozenset({"Practitioner", "PractitionerRole"})
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
MOST_ROLES = 50
MOST_NAME = 80
GENDERS = frozenset({"female", "male", "other", "unknown"})


def number_of(patient: dict[str, Any]) -> tuple[str, bool]:
    """The one sound NHS number of a Patient, and whether nothing in it doubts that; empty where there is none."""
    stated = patient.get("identifier")
    listed = stated if isinstance(stated, list) else []
    found = [one for one in listed if isinstance(one, dict) and one.get("system") == systems.NHS_NUMBER]
    value = found[0].get("value") if len(found) == 1 else None
    number = nhs_number.parse(value) if isinstance(value, str) else None
    if number is None:
        return "", False
    try:
        return number, verification(found[0]) in ("", "01")
    except (AttributeError, TypeError):
        return number, False


def birth_date_of(patient: dict[str, Any]) -> str:
    """The whole birth date of a Patient; empty where there is none."""
    stated = patient.get("birthDate")
    if not isinstance(stated, str) or len(stated) != WHOLE_DATE:
        return ""
    try:
        bounds(stated)
    except ValueError:
        return ""
    return stated


def name_of(patient: dict[str, Any]) -> str:
    """A Patient's name for a person to read, on one line; empty where none is stated."""
    for one in listed(patient, "name"):
        stated = one.get("given")
        given = stated if isinstance(stated, list) else []
        parts = [text for text in [*given, one.get("family"), one.get("text")] if isinstance(text, str)]
        shown = " ".join("".join(sign if sign.isprintable() else " " for sign in " ".join(parts[:3])).split())
        if shown:
            return shown[:MOST_NAME]
    return ""


def gender_of(patient: dict[str, Any]) -> str:
    """AdministrativeGender of a Patient; empty where none is stated."""
    stated = patient.get("gender")
    return stated if isinstance(stated, str) and stated in GENDERS else ""


def codes_of(roles: list[dict[str, Any]]) -> tuple[str, ...]:
    """The codes of PractitionerRoles, each once."""
    found = [coding.get("code") for one in roles for concept in listed(one, "code") for coding in listed(concept, "coding")]
    return tuple(dict.fromkeys(code for code in found if isinstance(code, str) and code))


def roles_in(sent: Any) -> list[dict[str, Any]]:
    """PractitionerRoles that are in use: of a Bundle, or one by itself."""
    if not isinstance(sent, dict):
        return []
    entries = [one.get("resource") for one in listed(sent, "entry")]
    found = [one for one in [sent, *entries[:MOST_ROLES]] if isinstance(one, dict)]
    return [one for one in found if one.get("resourceType") == "PractitionerRole" and one.get("active", True) is True]


def is_role_of(role: dict[str, Any], kind: str, identifier: str) -> bool:
    """Whether a PractitionerRole is that user's."""
    return role.get("id") == identifier if kind == "PractitionerRole" else practitioner_of([role]) == identifier


def practitioner_of(roles: list[dict[str, Any]]) -> str:
    """The id of the practitioner whose role it is, as the record system refers to it; empty where it names none."""
    named = roles[0].get("practitioner") if roles else None
    text = named.get("reference") if isinstance(named, dict) else None
    identifier = text.rpartition("Practitioner/")[2] if isinstance(text, str) else ""
    return identifier if FHIR_ID.fullmatch(identifier) else ""


def listed(holder: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list; none where there is no list."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
