"""Search parameters of FHIR: read from the query or the form, checked, never logged."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request

from gateway.api.edge import MAX_BODY, body_of
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import BadRequest, UnsupportedMedia
from gateway.store import clock

NAMING = frozenset({"patient:identifier", "patient.identifier", "identifier", "agent", "subject:identifier"})
IN_URL = "What names a person is searched by POST to _search, never in an address: addresses end up in logs."
MAX_COUNT = 200
FAR = 2**62


async def criteria(request: Request, known: frozenset[str]) -> dict[str, list[str]]:
    """The search parameters of a request. Raises BadRequest for a person in the address or a parameter not known here."""
    found = _grouped(parse_qsl(request.url.query, keep_blank_values=True))
    if request.method == "GET" and any(name.split(":")[0] in ("patient", "identifier", "agent", "subject") for name in found):
        raise BadRequest(IN_URL, code="not-supported")
    if request.method == "POST":
        found |= await _form(request)
    strict = "handling=strict" in request.headers.get("prefer", "")
    unknown = sorted(name for name in found if name not in known and name != "_format")
    if strict and unknown:
        raise BadRequest(f"Unknown search parameters: {', '.join(name[:40] for name in unknown)}.", code="not-supported")
    return {name: values for name, values in found.items() if name in known}


async def _form(request: Request) -> dict[str, list[str]]:
    body = await body_of(request, MAX_BODY)
    if not body.strip():
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("A search by POST is a form: application/x-www-form-urlencoded.")
    try:
        return _grouped(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except (UnicodeDecodeError, ValueError):
        raise BadRequest("The form cannot be read.") from None


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def one(found: Mapping[str, list[str]], name: str) -> str:
    """The one value of a parameter, empty where it is absent. Raises BadRequest where it is repeated."""
    values = found.get(name, [""])
    if len(values) > 1:
        raise BadRequest(f"{name} may be given once.", where=name, code="invalid")
    if "\0" in values[0] or len(values[0]) > 512:
        raise BadRequest(f"{name} cannot be read.", where=name, code="invalid")
    return values[0]


def token_text(value: str, name: str) -> str:
    """``system|value`` of a token parameter that must have both. Raises BadRequest."""
    system, bar, code = value.partition("|")
    if not (bar and system and code):
        raise BadRequest(f"{name} is written as system|value.", where=name, code="value")
    return f"{system}|{code}"


def count(found: Mapping[str, list[str]], default: int = 50) -> int:
    """``_count``, at most 200. Raises BadRequest."""
    text = one(found, "_count")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise BadRequest("_count is a whole number.", where="_count", code="value")
    return max(1, min(int(text), MAX_COUNT))


def window(values: list[str], name: str) -> tuple[int, int]:
    """Microseconds from and until of date parameters with ge, gt, le, lt, eq prefixes. Raises BadRequest."""
    since, until = 0, FAR
    for value in values:
        prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
        start, end = _bounds(text, name)
        if prefix in ("ge", "eq", "gt", "sa"):
            since = max(since, end if prefix in ("gt", "sa") else start)
        if prefix in ("le", "eq", "lt", "eb"):
            until = min(until, start if prefix in ("lt", "eb") else end)
        if prefix not in ("ge", "gt", "le", "lt", "eq", "sa", "eb"):
            raise BadRequest(f"{name} takes the prefixes ge, gt, le, lt and eq.", where=name, code="value")
    return since, until


def _bounds(text: str, name: str) -> tuple[int, int]:
    try:
        start, end = bounds(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is a date or time like 2026-11-21.", where=name, code="value") from None
    return max(0, clock.micros(start)), clock.micros(end)


def write_cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def read_cursor(text: str) -> Any:
    """A cursor of ours. Raises BadRequest."""
    try:
        return orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise BadRequest("The cursor cannot be read: follow the next link as it is.", where="_cursor") from None


def searchset(base: str, kind: str, found: list[dict[str, Any]], used: Mapping[str, list[str]], cursor: Any = None) -> dict[str, Any]:
    """A searchset Bundle; links repeat no parameter that names a person."""
    shown = {name: values for name, values in used.items() if name not in NAMING}
    links = [{"relation": "self", "url": _url(base, kind, shown)}]
    if cursor is not None:
        links.append({"relation": "next", "url": _url(base, kind, {**shown, "_cursor": [write_cursor(cursor)]})})
    entries = [
        {"fullUrl": f"{base}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in found
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return {**bundle, "entry": entries} if entries else bundle


def _url(base: str, kind: str, shown: Mapping[str, list[str]]) -> str:
    query = urlencode([(name, value) for name, values in shown.items() for value in values])
    return f"{base}/{kind}/_search{'?' + query if query else ''}"
