"""A request for cards (CDS Hooks 2.0) as it is read: the hook, who works, about whom. What is not used is not looked at."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gateway.exchanges.dossiers import verification
from gateway.fhir import systems
from gateway.fhir.codes import HOOKS
from gateway.fhir.dates import WHOLE_DATE, bounds
from gateway.fhir.outcomes import BadRequest, NotFound, PreconditionFailed
from gateway.identity import nhs_number

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
PREFIX = "family-"  # of the ids of services, before the hook
USERS = frozenset({"Practitioner", "PractitionerRole"})
MOST_ROLES = 50
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "roles": "PractitionerRole?practitioner={{userPractitionerId}}",
    "role": "PractitionerRole/{{userPractitionerRoleId}}",
}
CONTEXT = {"patient-view": ("userId", "patientId")}  # the others name an encounter too
ENCOUNTER = ("userId", "patientId", "encounterId")


class Asked(NamedTuple):
    """One call. ``number`` and ``birth_date`` are empty where the record has none that is sound."""

    hook: str
    user: str
    roles: tuple[str, ...]
    number: str
    verified: bool
    birth_date: str
    launchable: bool  # the record system can open a SMART page


def hook_of(service: str) -> str:
    """The hook of a service by its id. Raises NotFound."""
    hook = service.removeprefix(PREFIX)
    if not service.startswith(PREFIX) or hook not in HOOKS:
        raise NotFound("There is no such service: see /cds-services.")
    return hook


def read_call(body: Any, hook: str) -> Asked:
    """A call for cards. Raises BadRequest naming the member; PreconditionFailed where the patient was not sent along."""
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.", where="request")
    _envelope(body, hook)
    context = _object(body, "context")
    for name in CONTEXT.get(hook, ENCOUNTER):
        if not isinstance(context.get(name), str) or not context[name]:
            raise BadRequest(f"context.{name} is required for {hook}.", where=f"context.{name}", code="required")
    prefetch = body.get("prefetch")
    if prefetch is not None and not isinstance(prefetch, dict):
        raise BadRequest("prefetch must be an object.", where="prefetch")
    patient = _patient(prefetch or {}, context["patientId"])
    number, verified = _number(patient)
    user, roles = _user(context["userId"], prefetch or {})
    return Asked(hook, user, roles, number, verified, _birth_date(patient), "fhirServer" in body)


def _envelope(body: dict[str, Any], hook: str) -> None:
    """Members of every call (CDS Hooks 2.0, calling a CDS service)."""
    if body.get("hook") != hook:
        raise BadRequest(f"hook must be {hook} for this service.", where="hook", code="value")
    instance = body.get("hookInstance")
    if not isinstance(instance, str) or not UUID.fullmatch(instance):
        raise BadRequest("hookInstance must be a UUID.", where="hookInstance", code="value")
    server = body.get("fhirServer")
    if server is not None and (not isinstance(server, str) or not re.fullmatch(r"https?://\S{1,500}", server)):
        raise BadRequest("fhirServer must be an address.", where="fhirServer", code="value")
    if "fhirAuthorization" in body and server is None:
        raise BadRequest("fhirAuthorization needs a fhirServer.", where="fhirServer", code="required")


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.", where=name, code="required")
    return value


def _patient(prefetch: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The Patient that was sent along; another patient than the context's is refused."""
    patient = prefetch.get("patient")
    if patient is None:
        raise PreconditionFailed(f"Send the patient along (prefetch.patient: {PREFETCH['patient']}).", where="prefetch.patient")
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise BadRequest("prefetch.patient must be a Patient.", where="prefetch.patient")
    if patient.get("id", wanted) != wanted.removeprefix("Patient/"):
        raise BadRequest("prefetch.patient is not the patient of the context.", where="prefetch.patient.id", code="value")
    return patient


def _number(patient: dict[str, Any]) -> tuple[str, bool]:
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


def _birth_date(patient: dict[str, Any]) -> str:
    stated = patient.get("birthDate")
    if not isinstance(stated, str) or len(stated) != WHOLE_DATE:
        return ""
    try:
        bounds(stated)
    except ValueError:
        return ""
    return stated


def _user(stated: str, prefetch: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Who works, by the record system's own id, and the codes of their roles as they were sent along."""
    kind, _, identifier = stated.partition("/")
    if kind not in USERS or not FHIR_ID.fullmatch(identifier):
        text = "context.userId must be Practitioner/id or PractitionerRole/id: cards are for people who work here."
        raise BadRequest(text, where="context.userId", code="value")
    roles = [one for one in _sent_roles(prefetch) if _is_of(one, kind, identifier)]
    codes = [coding.get("code") for one in roles for concept in _list(one, "code") for coding in _list(concept, "coding")]
    user = identifier if kind == "Practitioner" else _practitioner(roles) or identifier
    return user, tuple(dict.fromkeys(code for code in codes if isinstance(code, str) and code))


def _sent_roles(prefetch: dict[str, Any]) -> list[dict[str, Any]]:
    """PractitionerRoles that were sent along: one by itself, or those of a Bundle that are in use."""
    bundle, single = prefetch.get("roles"), prefetch.get("role")
    entries = [one.get("resource") for one in _list(bundle, "entry")] if isinstance(bundle, dict) else []
    found = [one for one in [single, *entries[:MOST_ROLES]] if isinstance(one, dict)]
    return [one for one in found if one.get("resourceType") == "PractitionerRole" and one.get("active", True) is True]


def _is_of(role: dict[str, Any], kind: str, identifier: str) -> bool:
    return role.get("id") == identifier if kind == "PractitionerRole" else _practitioner([role]) == identifier


def _practitioner(roles: list[dict[str, Any]]) -> str:
    """The id of the practitioner whose role it is, as the record system refers to it."""
    named = roles[0].get("practitioner") if roles else None
    text = named.get("reference") if isinstance(named, dict) else None
    identifier = text.rpartition("Practitioner/")[2] if isinstance(text, str) else ""
    return identifier if FHIR_ID.fullmatch(identifier) else ""


def _list(holder: Any, name: str) -> list[dict[str, Any]]:
    value = holder.get(name) if isinstance(holder, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
