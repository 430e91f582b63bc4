"""Topics as resources: R4 has no SubscriptionTopic, so each is a Basic with the cross-version extensions of R5.

Clients find topics by the extensions of the CapabilityStatement (backport guide); here they can read what each takes.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, check_accept, fhir
from gateway.fhir import systems
from gateway.fhir.outcomes import NotFound
from gateway.notification.filters import ROUTINE, URGENT
from gateway.notification.topics import WITHOUT_A_PERSON, Topic, offered

Resource = dict[str, Any]
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
R4_TYPES = "http://hl7.org/fhir/fhir-types"
PERSON_FILTERS = (("patient", "identifier", "One person, by NHS number"), ("patient", "in", "Everybody on a case list (Group)"))
FILTERS = (
    ("author", "identifier", "The agency whose record it is, by ODS code"),
    ("service", "", "The service that the record is of (code system service)"),
    ("priority", "", "Urgent or routine, as it is told to this receiver"),
)


async def search(edge: Edge, request: Request) -> Response:
    """All topics that can be subscribed to; nobody needs a token for it."""
    check_accept(request)
    topics = [as_basic(edge.context.topics[code], edge) for code in offered(edge.context.topics)]
    base = f"{edge.context.url}/Basic"
    entries = [{"fullUrl": f"{base}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in topics]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
    return fhir(request, {**bundle, "link": [{"relation": "self", "url": base}]})


async def read(edge: Edge, request: Request) -> Response:
    """One topic, by its code."""
    check_accept(request)
    code = request.path_params["id"]
    if code not in offered(edge.context.topics):
        raise NotFound("There is no such topic.")
    return fhir(request, as_basic(edge.context.topics[code], edge))


def as_basic(topic: Topic, edge: Edge) -> Resource:
    """A topic with its canonical, its words, the tier that a receiver needs, its urgency and its filters."""
    base = edge.context.base
    about = () if topic.code in WITHOUT_A_PERSON else PERSON_FILTERS
    told: list[Resource] = [
        {"url": f"{R5}.url", "valueUri": systems.topic(topic.code, base)},
        {"url": f"{R5}.title", "valueString": topic.title},
        {"url": f"{R5}.status", "valueCode": "active"},
        *(_filter(*one) for one in (*about, *FILTERS)),
        {"url": systems.extension("priority", base), "valueCode": URGENT if topic.urgent else ROUTINE},
    ]
    if topic.tier is not None:
        told.append({"url": systems.extension("tier", base), "valueUnsignedInt": topic.tier})
    code = {"coding": [{"system": R4_TYPES, "code": "SubscriptionTopic"}]}
    return {"resourceType": "Basic", "id": topic.code, "extension": told, "code": code}


def _filter(parameter: str, modifier: str, says: str) -> Resource:
    parts: list[Resource] = [{"url": "description", "valueMarkdown": says}, {"url": "filterParameter", "valueString": parameter}]
    if modifier:
        parts.append({"url": "modifier", "valueCode": modifier})
    return {"url": f"{R5}.canFilterBy", "extension": parts}
