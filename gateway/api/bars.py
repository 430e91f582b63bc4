"""Headers and error codes of the Booking and Referral Standard (BaRS), as far as a receiver of messages needs them.

Headers are Base64 of JSON and optional here: what a sender gives is checked against its token, and nothing is believed
for having been sent.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.requests import Request

from gateway.api.edge import header
from gateway.disclosure.requester import Requester
from gateway.fhir import systems
from gateway.fhir.elements import identifiers
from gateway.fhir.outcomes import BadRequest, Forbidden, Issue

TARGET = "NHSD-Target-Identifier"
RESOURCES = {
    "NHSD-End-User-Organisation": "Organization",
    "NHSD-Requesting-Practitioner": "PractitionerRole",
    "NHSD-Requesting-Software": "Device",
}
LONGEST = 8192
# By HTTP status: SEND what the sender does too often or asks for amiss, REC what we as the receiver refuse. PROXY is for
# those who pass messages on.
CODES = {
    400: "REC_BAD_REQUEST", 401: "REC_UNAUTHORIZED", 403: "REC_FORBIDDEN", 404: "REC_NOT_FOUND", 406: "SEND_NOT_ACCEPTABLE",
    409: "REC_CONFLICT", 413: "REC_BAD_REQUEST", 415: "REC_BAD_REQUEST", 422: "REC_UNPROCESSABLE_ENTITY",
    429: "SEND_TOO_MANY_REQUESTS", 500: "REC_SERVER_ERROR", 503: "REC_SERVICE_UNAVAILABLE",
}  # fmt: skip


def coded(issues: tuple[Issue, ...], status: int) -> tuple[Issue, ...]:
    """The issues with the error code of an HTTP status."""
    coding = f"{systems.HTTP_ERROR_CODES}|{CODES.get(status, 'REC_SERVER_ERROR')}"
    return tuple(Issue(one.text, one.code, one.where, one.severity, coding) for one in issues)


def target_of(request: Request) -> str:
    """``system|value`` of the target, empty where none is named. Raises BadRequest."""
    stated = _decoded(request, TARGET)
    if stated is None:
        return ""
    system, value = stated.get("system"), stated.get("value")
    if not (isinstance(system, str) and isinstance(value, str) and system and value):
        raise _unreadable(TARGET, "an Identifier with system and value")
    return f"{system}|{value}"


def check_context(request: Request, requester: Requester) -> None:
    """Whether who is named in the headers is whom the token names. Raises BadRequest, Forbidden."""
    for name, kind in RESOURCES.items():
        stated = _decoded(request, name)
        if stated is None:
            continue
        if stated.get("resourceType") != kind:
            raise _unreadable(name, f"a resource {kind}")
        if kind == "Organization" and f"{systems.ODS_CODE}|{requester.agency}" not in _identifiers(stated, name):
            raise Forbidden("NHSD-End-User-Organisation is not the organisation of the token.", where=name)


def _identifiers(organization: dict[str, Any], name: str) -> tuple[str, ...]:
    try:
        return tuple(identifiers(organization))
    except (AttributeError, TypeError):
        raise _unreadable(name, "a resource Organization") from None


def _decoded(request: Request, name: str) -> dict[str, Any] | None:
    """The object in a header, None where the header is not sent. Raises BadRequest."""
    stated = header(request, name.lower().encode())
    if not stated:
        return None
    try:
        if len(stated) > LONGEST:
            raise ValueError(name)
        found = json.loads(base64.b64decode(stated, validate=True))
    except (ValueError, RecursionError):
        raise _unreadable(name, "JSON") from None
    if not isinstance(found, dict):
        raise _unreadable(name, "a JSON object")
    return found


def _unreadable(name: str, what: str) -> BadRequest:
    return BadRequest(f"{name} is Base64 of {what}.", where=name, code="value")
