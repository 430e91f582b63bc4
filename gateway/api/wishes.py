"""``Consent/$record-wish`` and ``Consent/{id}/$plain``: wishes as people say them, and read back in plain words."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import resources
from gateway.api.edge import Edge, allowed, fhir, json_body, request_id
from gateway.api.parameters import ROLE, Part, Parts, read_parts
from gateway.disclosure.wish_forms import CAPACITIES, KINDS, TAKES, Said, Wish
from gateway.disclosure.wording import CLASSES
from gateway.exchanges.records.resources import NOT_HERE, ReadRequest
from gateway.exchanges.wishes.record_wish import Told, WishRequest, read_wish, record_wish
from gateway.fhir import systems
from gateway.fhir.codes import AGENCY_KINDS
from gateway.fhir.dates import whole_day
from gateway.fhir.outcomes import NotFound, Unprocessable

KIND = "Consent"
ONCE = frozenset({"person", "madeBy", "capacity", "kind"})
MOST = 20  # wishes in one call


async def record(edge: Edge, request: Request) -> Response:
    """``POST /fhir/Consent/$record-wish``: for the caller's own organisation."""
    requester = allowed(edge, request, KIND, "c")
    said = parse(await json_body(request), frozenset(edge.context.purposes), edge.context.base)
    told = await edge.ledger.run_alone(record_wish, WishRequest(requester, said, request_id(request)))
    edge.wake()
    location = f"{edge.context.url}/{KIND}/{told.held.id}/_history/{told.held.version}"
    return fhir(request, render(told), 200, {**_etag(told), "Location": location})


async def plain(edge: Edge, request: Request) -> Response:
    """``GET /fhir/Consent/{id}/$plain``: for its owner; for others it is not there."""
    requester = allowed(edge, request, KIND, "r")
    told = await edge.ledger.run(read_wish, ReadRequest(requester, KIND, request.path_params["id"], None, request_id(request)))
    if told is None:
        raise NotFound(NOT_HERE)
    return fhir(request, {"resourceType": "Parameters", "parameter": _plain(told)}, headers=_etag(told))


def parse(body: Any, purposes: frozenset[str], base: str) -> Said:
    """The wishes of a Parameters resource. Raises Unprocessable naming the part."""
    parts = read_parts(body, ONCE, frozenset({"wish"}), required=("person", "wish"))
    person = parts.identifier("person")
    if len(parts.all("wish")) > MOST:
        raise Unprocessable(f"At most {MOST} wishes are taken at once.", where=parts.place("wish"), code="too-long")
    return Said(
        person=person,
        made_by=parts.identifier("madeBy") if "madeBy" in parts else person,
        wishes=tuple(_wish(parts, one, purposes, base) for one in parts.all("wish")),
        capacity=parts.code("capacity", CAPACITIES) if "capacity" in parts else "",
        kind=parts.code("kind", KINDS) if "kind" in parts else "",
    )


def _wish(parts: Parts, part: Part, purposes: frozenset[str], base: str) -> Wish:
    inner = parts.inner(part, "wish", frozenset({"code", "date"}), frozenset({"receiver", "purpose", "class"}), ("code",))
    return Wish(
        code=inner.code("code", TAKES),
        receivers=tuple(dict.fromkeys(_receiver(inner, one, base) for one in inner.all("receiver"))),
        date=_date(inner) if "date" in inner else "",
        purposes=tuple(dict.fromkeys(inner.codes("purpose", purposes))),
        classes=tuple(dict.fromkeys(inner.codes("class", CLASSES))),
    )


def _receiver(parts: Parts, part: Part, base: str) -> str:
    """An organisation by its ODS code, a kind of agency, or a role, as ``system|value``."""
    coding = part.get("valueCoding")
    if not isinstance(coding, dict):
        return f"{systems.ODS_CODE}|{Parts({'receiver': [part]}, parts.where).identifier('receiver', systems.ODS_CODE)}"
    system, code = coding.get("system"), coding.get("code")
    if system == systems.code_system("agency-kind", base) and code in AGENCY_KINDS:
        return f"{system}|{code}"
    if system == systems.code_system("role", base) and isinstance(code, str) and ROLE.fullmatch(code):
        return f"{system}|{code}"
    text = "receiver is an organisation (Identifier), or a Coding of the code system agency-kind or role."
    raise Unprocessable(text, where=parts.place("receiver"), code="code-invalid")


def _date(parts: Parts) -> str:
    text = parts.text("date", ("valueDate",))
    day = whole_day(text)
    if day is not None:
        return day.isoformat()
    raise Unprocessable("date must be a whole date, YYYY-MM-DD.", where=parts.place("date"), code="value")


def render(told: Told) -> dict[str, Any]:
    """The Consent as it is held, and its sentences."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "consent", "resource": resources.shown(told.held)}, *_plain(told)],
    }


def _etag(told: Told) -> dict[str, str]:
    return {"ETag": f'W/"{told.held.version}"'}


def _plain(told: Told) -> list[dict[str, Any]]:
    return [{"name": "plain", "valueString": sentence} for sentence in told.plain]
