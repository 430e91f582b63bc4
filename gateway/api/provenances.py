"""Read and search of Provenance: where the records of the caller's own organisation came from."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, fhir, request_id
from gateway.exchanges.records.provenances import (
    TARGETS,
    ProvenancePage,
    ProvenanceRead,
    ProvenanceSearch,
    read_provenance,
    search_provenances,
)
from gateway.exchanges.records.resources import NOT_HERE
from gateway.fhir import systems
from gateway.fhir.outcomes import BadRequest, NotFound
from gateway.store import clock
from gateway.store.people import Held

KIND: Final = "Provenance"
PARAMETERS: Final = frozenset({"_id", "target", "recorded", "agent:identifier", "patient:identifier", "_count"})
ID: Final = re.compile(r"([A-Za-z]{1,30})\.([A-Za-z0-9\-]{1,40})\.([0-9]{1,9})")
TARGET: Final = re.compile(r"([A-Za-z]{1,30})/([A-Za-z0-9\-.]{1,64})(?:/_history/([0-9]{1,9}))?")
OTHER_TARGET = f"target is a reference such as Flag/1, of one of {', '.join(TARGETS)}; with /_history/1 for a version."


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/Provenance/{id}``."""
    requester = allowed(edge, request, KIND, "r")
    named = request.path_params["id"]
    kind, identifier, version = _named(ID.fullmatch(named))
    ask = ProvenanceRead(requester, named, kind, identifier, version or 0, request_id(request))
    held = await edge.ledger.run(read_provenance, ask)
    if held is None:
        raise NotFound(NOT_HERE)
    return fhir(request, shown(held, requester.agency))


async def search(edge: Edge, request: Request) -> Response:
    """``GET /fhir/Provenance`` and ``POST /fhir/Provenance/_search``."""
    requester = allowed(edge, request, KIND, "s")
    asked = await searches.read_search(edge, request, requester.agency, KIND, PARAMETERS)
    used = asked.used
    since, until = searches.window(used.get("recorded", []), "recorded")
    kind, last = asked.place or ("", "")
    ask = ProvenanceSearch(
        requester, _token(used, "patient:identifier"), _target(used), since, until, _is_another(used, requester.agency),
        searches.count(used), (kind, last), request_id(request),
    )  # fmt: skip
    page: ProvenancePage = await edge.ledger.run(search_provenances, ask)
    return fhir(request, asked.bundle([shown(held, requester.agency) for held in page.found], page.after))


def _token(used: searches.Used, name: str) -> str:
    value = searches.one(used, name)
    return searches.token_text(value, name) if value else ""


def _is_another(used: searches.Used, agency: str) -> bool:
    """Whether an agent is named who is not the asker's organisation: an agency's records are told by itself."""
    agent = _token(used, "agent:identifier")
    return bool(agent) and agent != f"{systems.ODS_CODE}|{agency}"


def _target(used: searches.Used) -> tuple[str, str, int | None] | None:
    """The record of ``target`` or ``_id``. Raises BadRequest for what is no reference to a record."""
    if "_id" in used:
        return _named(ID.fullmatch(searches.identifier(used)))
    if "target" not in used:
        return None
    found = TARGET.fullmatch(searches.one(used, "target"))
    if found is None or found[1] not in TARGETS:
        raise BadRequest(OTHER_TARGET, where="target", code="value")
    return _named(found)


def _named(found: re.Match[str] | None) -> tuple[str, str, int | None]:
    """Type, id and version; of what names nothing, a type that is not kept."""
    return (found[1], found[2], int(found[3]) if found[3] else None) if found else ("", "", None)


def shown(held: Held, agency: str) -> dict[str, Any]:
    """A version of a record as its Provenance: who told it, by which map it was made, out of which place of which file."""
    origin = held.origin or {}
    made_by = f"{origin['map']}/{origin['rule']}, mappings {origin['mappings']}"
    source = {"identifier": {"system": systems.URI, "value": f"urn:sha256:{origin['file']}"}, "display": origin["place"]}
    return {
        "resourceType": KIND,
        "id": f"{held.type}.{held.id}.{held.version}",
        "target": [{"reference": held.ref, "type": held.type}],
        "recorded": clock.instant(held.updated),
        "agent": [
            _agent("author", {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": agency}}),
            _agent("assembler", {"type": "Device", "display": made_by}),
        ],
        "entity": [{"role": "source", "what": source}],
    }


def _agent(code: str, who: dict[str, Any]) -> dict[str, Any]:
    return {"type": {"coding": [{"system": systems.PROVENANCE_AGENT, "code": code}]}, "who": who}
