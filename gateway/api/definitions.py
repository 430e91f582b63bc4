"""FHIR definitions that the gateway publishes: its operations, messages, search parameters, code systems and maps."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, check_accept, fhir
from gateway.exchanges.context import Context
from gateway.fhir.outcomes import NotFound
from gateway.fhir.systems import BASE
from gateway.mapping import concept_maps
from gateway.mapping.formats import Mappings

FOLDERS = (
    Path(__file__).parent.parent.parent / "openapi" / "fhir",
    Path(__file__).parent.parent.parent / "mappings" / "code_systems",
)
TYPES = ("OperationDefinition", "MessageDefinition", "SearchParameter", "CodeSystem", "ValueSet", "ConceptMap")


@cache
def published(base: str = BASE) -> dict[tuple[str, str], dict[str, Any]]:
    """Every definition that stands in a file, by type and id, with the canonicals of a deployment whose base this is."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.json")):
            for resource in _resources(json.loads(path.read_text().replace(BASE, base))):
                found[resource["resourceType"], resource["id"]] = resource
    return found


def compiled(context: Context) -> concept_maps.Published:
    """Every definition that is served: those in files, and those made from the code tables."""
    return _compiled(context.mappings, context.base)


@cache
def _compiled(mappings: Mappings, base: str) -> concept_maps.Published:
    found = {**concept_maps.published(mappings, base), **published(base)}
    maps = (one for (kind, _), one in found.items() if kind == "ConceptMap")
    return concept_maps.Published(found, tuple(concept_maps.index(one) for one in maps))


def _resources(document: dict[str, Any]) -> list[dict[str, Any]]:
    if document["resourceType"] != "Bundle":
        return [document]
    return [entry["resource"] for entry in document["entry"]]


async def read(edge: Edge, request: Request) -> Response:
    """One definition; nobody needs a token for it."""
    check_accept(request)
    resource = edge.definitions.resources.get((request.path_params["type"], request.path_params["id"]))
    if resource is None:
        raise NotFound("There is no such definition.")
    return fhir(request, resource)


async def search(edge: Edge, request: Request) -> Response:
    """All definitions of a type, or the one with a ``url``."""
    check_accept(request)
    kind = request.path_params["type"]
    wanted = request.query_params.get("url")
    found = [one for (name, _), one in edge.definitions.resources.items() if name == kind and wanted in (None, one.get("url"))]
    base = f"{edge.context.url}/{kind}"
    entries = [{"fullUrl": f"{base}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in found]
    here = base if wanted is None else f"{base}?{urlencode({'url': wanted})}"
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "self", "url": here}]}
    return fhir(request, {**bundle, "total": len(entries), **({"entry": entries} if entries else {})})
