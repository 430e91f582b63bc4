"""``ConceptMap/$translate`` (FHIR R4): what the gateway makes of a code. About nobody, so nobody needs a token for it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, check_accept, fhir, json_body
from gateway.api.parameters import CODE, LONGEST, Parts, read_parts
from gateway.fhir.outcomes import NotFound, Unprocessable
from gateway.mapping.concept_maps import Ask, Match, translate

MAPS = ("url", "source", "target", "targetsystem")
KINDS = {"code": "valueCode", **dict.fromkeys((*MAPS, "system"), "valueUri")}
URIS = ("valueUri", "valueCanonical", "valueString", "valueUrl")
ONCE = frozenset({*KINDS, "coding", "codeableConcept"})
MOST = 20  # codings of one concept


async def by_query(edge: Edge, request: Request) -> Response:
    """``GET /fhir/ConceptMap/$translate``, with or without the id of a map."""
    check_accept(request)
    asked = [(name, value) for name, value in request.query_params.multi_items() if not name.startswith("_")]
    given = [{"name": name, KINDS.get(name, "valueString"): value} for name, value in asked]
    return _answer(edge, request, {"resourceType": "Parameters", "parameter": given})


async def by_parameters(edge: Edge, request: Request) -> Response:
    """``POST /fhir/ConceptMap/$translate``, with or without the id of a map."""
    check_accept(request)
    return _answer(edge, request, await json_body(request))


def _answer(edge: Edge, request: Request, body: Any) -> Response:
    named = request.path_params.get("id", "")
    url = ""
    if named:
        resource = edge.definitions.resources.get(("ConceptMap", named))
        if resource is None:
            raise NotFound("There is no such map.")
        url = resource["url"]
    ask = parse(body, url)
    if ask.url and all(ask.url != one.url for one in edge.definitions.indexes):
        raise NotFound("No map with this url is published here.", where="Parameters.parameter(url)")
    return fhir(request, render(translate(edge.definitions.indexes, ask)))


def parse(body: Any, url: str = "") -> Ask:
    """The question; ``url`` is that of the map whose address was called. Raises Unprocessable naming the part."""
    parts = read_parts(body, ONCE, frozenset())
    stated = [name for name in ("code", "coding", "codeableConcept") if name in parts]
    if len(stated) != 1:
        raise Unprocessable("Give one of code, coding and codeableConcept.", where="Parameters.parameter", code="required")
    if url and "url" in parts:
        raise Unprocessable("The address names the map already.", where=parts.place("url"), code="structure")
    if "system" in parts and stated != ["code"]:
        raise Unprocessable("A system stands beside a code alone.", where=parts.place("system"), code="structure")
    named, source, target, target_system = (_uri(parts, name) for name in MAPS)
    codings = _codings(parts, stated[0])
    if not (url or named) and not all(system for system, _ in codings):
        raise Unprocessable("A code needs its system, or a map that is named.", where=parts.place(stated[0]), code="required")
    return Ask(codings, url or named.partition("|")[0], source, target, target_system)


def _uri(parts: Parts, name: str) -> str:
    if name not in parts:
        return ""
    found = parts.text(name, URIS)
    if found.split() != [found]:
        raise Unprocessable(f"{name} needs a uri.", where=parts.place(name), code="value")
    return found


def _codings(parts: Parts, stated: str) -> tuple[tuple[str, str], ...]:
    if stated == "code":
        return ((_uri(parts, "system"), parts.code("code")),)
    place, part = parts.place(stated), parts.all(stated)[0]
    if stated == "coding":
        return (_coding(part.get("valueCoding"), place),)
    concept = part.get("valueCodeableConcept")
    listed = concept.get("coding") if isinstance(concept, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        raise Unprocessable(f"A concept needs 1 to {MOST} codings.", where=place, code="required")
    return tuple(_coding(one, place) for one in listed)


def _coding(coding: Any, place: str) -> tuple[str, str]:
    system, code = (coding.get("system", ""), coding.get("code")) if isinstance(coding, dict) else ("", None)
    if not isinstance(code, str) or len(code) > LONGEST or not CODE.fullmatch(code):
        raise Unprocessable("A coding needs a code.", where=place, code="required")
    if not isinstance(system, str) or len(system) > LONGEST or (system and system.split() != [system]):
        raise Unprocessable("The system of a coding is a uri.", where=place, code="value")
    return system, code


def render(matches: tuple[Match, ...]) -> dict[str, Any]:
    """Parameters: whether a code stands for it here, and each line that speaks of it."""
    result = any(match.translates for match in matches)
    said = next((match.why for match in matches if match.why), "The maps say that it stands for nothing.")
    message = [] if result else [said if matches else "No map here speaks of this code."]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "result", "valueBoolean": result},
            *({"name": "message", "valueString": text} for text in message),
            *({"name": "match", "part": _parts(match)} for match in matches),
        ],
    }


def _parts(match: Match) -> list[dict[str, Any]]:
    return [
        {"name": "equivalence", "valueCode": match.equivalence},
        *([{"name": "concept", "valueCoding": match.coding}] if match.coding else []),
        {"name": "source", "valueUri": match.source},
    ]
