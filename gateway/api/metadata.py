"""The CapabilityStatement: made from the table of operations, so that it says what is there."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway import __version__
from gateway.api import definitions, directory
from gateway.api.edge import Edge, check_accept, fhir
from gateway.api.process_message import ASKED_BY_MESSAGE
from gateway.fhir import systems
from gateway.notification.topics import offered

PUBLISHED = "2026-11-21"
SEARCHES: dict[str, tuple[tuple[str, str], ...]] = {
    "Patient": (("identifier", "token"), ("_id", "token")),
    "RelatedPerson": (("patient:identifier", "token"), ("_id", "token"), ("_lastUpdated", "date")),
    "Flag": (("patient:identifier", "token"), ("status", "token"), ("code", "token"), ("_id", "token"), ("_lastUpdated", "date")),
    "Consent": (("patient:identifier", "token"), ("status", "token"), ("_id", "token"), ("_lastUpdated", "date")),
    "Provenance": (
        ("target", "reference"), ("recorded", "date"), ("agent:identifier", "token"), ("patient:identifier", "token"), ("_id", "token"),
    ),
    "Organization": (("identifier", "token"), ("name", "string"), ("_id", "token")),
    "PractitionerRole": (("organization:identifier", "token"), ("_id", "token")),
    "Subscription": (("status", "token"),),
    **dict.fromkeys(definitions.TYPES, (("url", "uri"),)),
    "AuditEvent": (
        ("patient:identifier", "token"), ("agent", "token"), ("organization", "token"), ("date", "date"), ("outcome", "token"),
        ("exchange", "token"), ("purpose", "token"), ("subtype", "token"), ("entity", "reference"), ("basis", "token"),
        ("client", "token"), ("notice", "token"),
        ("_id", "token"), ("_lastUpdated", "date"),
    ),
}  # fmt: skip
PATIENT_OPERATIONS = (
    "known-to-services",
    "person-info-query",
    "shield",
    "lift-shield",
    "withhold",
    "lift-withholding",
    "request-contact",
)
OWN_OPERATIONS = {"AuditEvent": ("explain",), "Consent": ("record-wish", "plain")}  # by type, beside the lookup
MATCH = "http://hl7.org/fhir/OperationDefinition/Patient-match"
TRANSLATE = "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"
RELIABLE_CACHE = 60 * 24 * 365  # minutes: what was received is never received twice


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/metadata``; nobody needs a token for it."""
    check_accept(request)
    return fhir(request, statement(edge))


def statement(edge: Edge) -> dict[str, Any]:
    """What this server is and speaks."""
    url, base = edge.context.url, edge.context.base
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "instantiates": ["http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4"],
        "software": {"name": edge.context.name, "version": __version__},
        "implementation": {"description": edge.context.name, "url": url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [_rest(edge)],
        "messaging": [
            {
                "endpoint": [
                    {
                        "protocol": {"system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http"},
                        "address": f"{url}/$process-message",
                    }
                ],
                "reliableCache": RELIABLE_CACHE,
                "supportedMessage": [
                    {"mode": mode, "definition": f"{base}/MessageDefinition/{code}"}
                    for mode, codes in (("sender", ()), ("receiver", ASKED_BY_MESSAGE))
                    for code in (*edge.context.topics, *codes)
                ],
            }
        ],
    }


def _rest(edge: Edge) -> dict[str, Any]:
    security = {
        "cors": False,
        "service": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}]}
        ],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": edge.token_endpoint}],
            }
        ],
    }
    return {
        "mode": "server",
        "documentation": "People are logical references, searched by POST _search with patient:identifier; their names and addresses are not searched.",
        "security": security,
        "resource": [_resource(kind, found, edge) for kind, found in sorted(edge.interactions.items())],
        "operation": [
            {"name": "process-message", "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"},
            _operation("check-share", edge),
            {"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"},
        ],
    }


def _operation(name: str, edge: Edge) -> dict[str, Any]:
    """An operation of ours, by its published definition."""
    return {"name": name, "definition": f"{edge.context.base}/OperationDefinition/{name}"}


def _resource(kind: str, interactions: list[str], edge: Edge) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": code} for code in dict.fromkeys(interactions)],
        "versioning": _versioning(kind, interactions),
    }
    parameters = [{"name": name, "type": type_} for name, type_ in SEARCHES.get(kind, ())]
    if parameters:
        described["searchParam"] = parameters
    if kind in OWN_OPERATIONS:
        described["operation"] = [_operation(name, edge) for name in OWN_OPERATIONS[kind]]
    if kind == "Patient":
        described["operation"] = [
            *(_operation(name, edge) for name in PATIENT_OPERATIONS),
            {"name": "match", "definition": MATCH},
        ]
    if kind == "ConceptMap":
        described["operation"] = [{"name": "translate", "definition": TRANSLATE}]
    if kind == "Subscription":
        described |= _topics(edge)
    return described


def _versioning(kind: str, interactions: list[str]) -> str:
    """versioned-update: an update must name its version (If-Match)."""
    if "vread" in interactions:
        return "versioned-update"
    return "versioned" if kind in ("Patient", "Subscription", *directory.TYPES) else "no-version"


def _topics(edge: Edge) -> dict[str, Any]:
    canonical = (
        "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
    )
    operations = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
    return {
        "extension": [
            {"url": canonical, "valueCanonical": systems.topic(code, edge.context.base)} for code in offered(edge.context.topics)
        ],
        "supportedProfile": [f"{systems.BACKPORT}/backport-subscription"],
        "operation": [
            {"name": "status", "definition": f"{operations}/backport-subscription-status"},
            {"name": "events", "definition": f"{operations}/backport-subscription-events"},
        ],
    }
