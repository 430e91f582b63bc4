"""Read, search, create and update of the owner's own RelatedPerson, Flag, Consent and Patient."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, base_headers, fhir, json_body, raise_errors, request_id
from gateway.api.schemas import STATUS
from gateway.disclosure.pcf import with_claim
from gateway.exchanges.records.resources import (
    NOT_HERE,
    Page,
    ReadRequest,
    SearchRequest,
    WriteRequest,
    read_resource,
    search_resources,
    write_resource,
)
from gateway.fhir import resources
from gateway.fhir.elements import identity
from gateway.fhir.outcomes import BadRequest, NotFound, Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity import nhs_number
from gateway.mapping.reading import read as read_format
from gateway.mapping.records import Sender
from gateway.store import clock
from gateway.store.people import Held

TYPES = ("Patient", "RelatedPerson", "Flag", "Consent")
WRITABLE = ("RelatedPerson", "Flag", "Consent")
SUBJECT = {"RelatedPerson": "patient", "Flag": "subject", "Consent": "patient"}
OTHER_ID = "The id in the resource is not the id in the address."
ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')
OF_A_PERSON = frozenset({"_id", "patient:identifier", "patient.identifier", "subject:identifier", "_lastUpdated", "_count"})
PARAMETERS = {
    "Patient": frozenset({"_id", "identifier", "_count"}),
    "RelatedPerson": OF_A_PERSON,
    "Flag": OF_A_PERSON | {"status", "code"},
    "Consent": OF_A_PERSON | {"status"},
}


def kind_of(request: Request) -> str:
    """The resource type in the path."""
    return str(request.path_params["type"])


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/{type}/{id}``, and ``/_history/{version}``."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "r")
    version = request.path_params.get("version")
    number = int(version) if version and version.isdigit() and len(version) < 10 else None
    if version and number is None:
        raise NotFound(NOT_HERE)
    ask = ReadRequest(requester, kind, request.path_params["id"], number, request_id(request))
    return answered(request, await edge.ledger.run(read_resource, ask))


def answered(request: Request, held: Held | None) -> Response:
    """A resource that was read, or that the reader has it already. Raises NotFound for none."""
    if held is None:
        raise NotFound(NOT_HERE)
    if _already_has(request, held):
        return Response(status_code=304, headers={**base_headers(request), **_headers(held)})
    return fhir(request, shown(held), headers=_headers(held))


def _already_has(request: Request, held: Held) -> bool:
    """Whether If-None-Match names this version, among others or in its strong form, or any version."""
    stated = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in stated or any(one.removeprefix("W/") == f'"{held.version}"' for one in stated)


def shown(held: Held) -> dict[str, Any]:
    """A resource with the id, version and time that it has here; a Consent with the profile that it conforms to."""
    body = with_claim(held.body) if held.type == "Consent" else held.body
    meta = {**body.get("meta", {}), "versionId": str(held.version)}
    if held.updated:
        meta["lastUpdated"] = clock.instant(held.updated)
    if held.origin:
        meta["source"] = f"urn:sha256:{held.origin['file']}#{held.origin['map']}/{held.origin['rule']}"
    return {**body, "id": held.id, "meta": meta}


def _etag(held: Held) -> str:
    return f'W/"{held.version}"'


def _headers(held: Held) -> dict[str, str]:
    headers = {"ETag": _etag(held)}
    if held.updated:
        headers["Last-Modified"] = formatdate(held.updated / clock.SECOND, usegmt=True)
    return headers


async def search(edge: Edge, request: Request) -> Response:
    """``GET /fhir/{type}`` and ``POST /fhir/{type}/_search``."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "s")
    asked = await searches.read_search(edge, request, requester.agency, kind, PARAMETERS[kind])
    used = asked.used
    person = _person(used, kind)
    if kind == "Patient" and not person and "_id" not in used:
        raise BadRequest("A Patient is searched by identifier (POST _search) or _id.", code="required")
    since, until = searches.window(used.get("_lastUpdated", []), "_lastUpdated")
    ask = SearchRequest(
        requester, kind, person, searches.identifier(used), searches.code(used, "status", STATUS.get(kind, ())),
        searches.code(used, "code"), since, until,
        searches.count(used), asked.place or "", request_id(request),
    )  # fmt: skip
    page: Page = await edge.ledger.run(search_resources, ask)
    return fhir(request, asked.bundle([shown(held) for held in page.found], page.after or None))


def _person(used: dict[str, list[str]], kind: str) -> str:
    names = ("identifier",) if kind == "Patient" else ("patient:identifier", "patient.identifier", "subject:identifier")
    stated = [(name, searches.one(used, name)) for name in names if name in used]
    if not stated:
        return ""
    name, value = stated[0]
    return searches.token_text(value, name)


async def create(edge: Edge, request: Request) -> Response:
    """``POST /fhir/{type}``: for the caller's own organisation."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "c")
    resource = _checked(await json_body(request), kind, edge, requester.agency)
    ask = WriteRequest(requester, kind, resource, request_id=request_id(request))
    written = await edge.ledger.run_alone(write_resource, ask)
    edge.wake()
    location = f"{edge.context.url}/{kind}/{written.held.id}/_history/{written.held.version}"
    return fhir(request, shown(written.held), 201, {**_headers(written.held), "Location": location})


async def update(edge: Edge, request: Request) -> Response:
    """``PUT /fhir/{type}/{id}`` with If-Match."""
    kind = kind_of(request)
    requester = allowed(edge, request, kind, "u")
    sent = await json_body(request)
    resource = _checked(sent, kind, edge, requester.agency)
    identifier = request.path_params["id"]
    if sent.get("id", identifier) != identifier:
        raise Unprocessable(OTHER_ID, where=f"{kind}.id", code="invalid")
    ask = WriteRequest(requester, kind, resource, identifier, if_match(request), request_id(request))
    written = await edge.ledger.run_alone(write_resource, ask)
    edge.wake()
    return fhir(request, shown(written.held), 200, _headers(written.held))


def if_match(request: Request) -> int | None:
    """The version that If-Match names, None where there is no such header. Raises BadRequest."""
    stated = request.headers.get("if-match")
    if stated is None:
        return None
    match = ETAG.fullmatch(stated.strip())
    if match is None:
        raise BadRequest('If-Match must be an ETag as it was given, such as W/"3".', where="If-Match", code="value")
    return int(match[1])


def _checked(resource: Any, kind: str, edge: Edge, agency: str) -> dict[str, Any]:
    """A valid resource of this type, about a person named by an identifier. Raises Unprocessable."""
    raise_errors(resources.validate(resource, expected=kind))
    named = identity(resource.get(SUBJECT[kind]))
    where = f"{kind}.{SUBJECT[kind]}.identifier"
    if not named:
        raise Unprocessable("Name the person by an identifier with system and value.", where=where, code="required")
    system, value = named.split("|", 1)
    if system == NHS_NUMBER and nhs_number.parse(value) is None:
        raise Unprocessable("This is not an NHS number: ten digits with a valid check digit are due.", where=where, code="value")
    if kind == "Consent":
        _check_maker(resource)
    return _kept(resource, edge, agency)


def _check_maker(consent: dict[str, Any]) -> None:
    """Whose word it is and since when: without either no wish could ever count. Raises Unprocessable."""
    if not any(identity(who) for who in consent.get("performer", ())):
        text = "Say who decided this (performer), by an identifier with system and value."
        raise Unprocessable(text, where="Consent.performer", code="required")
    if not consent.get("dateTime"):
        raise Unprocessable("Say when this was decided (dateTime).", where="Consent.dateTime", code="required")


def _kept(resource: dict[str, Any], edge: Edge, agency: str) -> dict[str, Any]:
    """What the map of the format ``fhir`` keeps of a resource; what is not mapped is not kept. Raises Unprocessable."""
    data = orjson.dumps({**resource, "id": "sent"})
    (mapped,) = read_format(edge.context.mappings, "fhir", data, Sender(agency, base=edge.context.base))
    if mapped.faults:
        raise Unprocessable.of(mapped.faults)
    kept: dict[str, Any] = mapped.resources[0].resource
    return kept
