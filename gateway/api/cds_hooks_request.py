"""A request for cards (CDS Hooks 2.0) as it is read: the hook, who works, about whom. What is not used is not looked at."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gateway.exchanges.lookup.sent_patient import (
    FHIR_ID,
    USERS,
    birth_date_of,
    codes_of,
    is_role_of,
    number_of,
    practitioner_of,
    roles_in,
)
from gateway.fhir.codes import HOOKS
from gateway.fhir.outcomes import BadRequest, NotFound, PreconditionFailed

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
PREFIX = "family-"  # of the ids of services, before the hook
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
    number, verified = number_of(patient)
    user, roles = _user(context["userId"], prefetch or {})
    return Asked(hook, user, roles, number, verified, birth_date_of(patient), "fhirServer" in body)


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


def _user(stated: str, prefetch: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Who works, by the record system's own id, and the codes of their roles as they were sent along."""
    kind, _, identifier = stated.partition("/")
    if kind not in USERS or not FHIR_ID.fullmatch(identifier):
        text = "context.userId must be Practitioner/id or PractitionerRole/id: cards are for people who work here."
        raise BadRequest(text, where="context.userId", code="value")
    sent = [*roles_in(prefetch.get("role")), *roles_in(prefetch.get("roles"))]
    roles = [one for one in sent if is_role_of(one, kind, identifier)]
    return identifier if kind == "Practitioner" else practitioner_of(roles) or identifier, codes_of(roles)
