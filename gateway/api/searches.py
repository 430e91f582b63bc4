"""Search parameters of FHIR: read from the query or the form, checked, never logged."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request

from gateway.api.edge import MAX_BODY, Edge, body_of
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import BadRequest, UnsupportedMedia
from gateway.store import clock
from gateway.store.vault import Broken, open_sealed, seal

# What names a person, or might: whatever follows a colon or a dot.
NAMING = frozenset(
    {"patient", "subject", "identifier", "agent", "name", "family", "given", "phonetic", "birthdate", "telecom", "phone", "email",
     "address", "address-postalcode", "address-city", "entity", "altid"}
)  # fmt: skip
NAMES_NOBODY = {"Organization": frozenset({"identifier", "name"})}  # by type: an organisation is no person
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
UNREADABLE_CURSOR = "The cursor cannot be read: follow the next link as it is."
IN_URL = "What names a person is searched by POST to _search, never in an address: addresses end up in logs."
NOT_NAMED_SO = "Passed over, this would find everybody. What names a person is searched here by"
MAX_COUNT = 200
MOST_STATED = 10**12 - 1  # of a _count; a page has MAX_COUNT at most
FAR = 2**62


Used = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it was asked: its parameters, and after which result the page begins (None on the first).

    The cursor of the next page holds both, sealed for one agency and type, so that a next link can be followed by GET
    though the first page was asked for by POST, and names nobody.
    """

    edge: Edge
    kind: str
    agency: str
    used: Used
    place: Any = None

    def bundle(self, found: list[dict[str, Any]], place: Any = None) -> dict[str, Any]:
        """The results as a searchset; ``place`` is where the next page begins, None on the last."""
        cursor = None if place is None else self._cursor(place)
        return searchset(self.edge.context.url, self.kind, found, self.used, cursor)

    def _cursor(self, place: Any) -> str:
        sealed = seal(self.edge.context.vault.shelf("cursor"), orjson.dumps([self.used, place]), f"{self.agency}/{self.kind}")
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


async def read_search(edge: Edge, request: Request, agency: str, kind: str, known: frozenset[str]) -> Search:
    """The search that a request asks for, or goes on with. Raises BadRequest."""
    used = await criteria(request, known | {"_cursor"}, kind)
    cursor = one(used, "_cursor", 8192)
    if not cursor:
        return Search(edge, kind, agency, used)
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        began, place = orjson.loads(open_sealed(edge.context.vault.shelf("cursor"), sealed, f"{agency}/{kind}"))
    except (ValueError, Broken):
        raise BadRequest(UNREADABLE_CURSOR, where="_cursor") from None
    return Search(edge, kind, agency, began, place)


async def criteria(request: Request, known: frozenset[str], kind: str = "") -> Used:
    """The search parameters of a request. Raises BadRequest for a person in the address or a parameter not known here."""
    found = grouped(parse_qsl(request.url.query, keep_blank_values=True))
    if any(_names_a_person(name, kind) for name in found):
        raise BadRequest(IN_URL, code="not-supported")
    if request.method == "POST":
        found |= await _form(request)
    found.pop("_format", None)
    if any(_names_a_person(name, kind) for name in found.keys() - known):
        naming = ", ".join(sorted(name for name in known if _names_a_person(name, kind)))
        raise BadRequest(f"{NOT_NAMED_SO} {naming or 'no parameter'}.", code="not-supported")
    if "handling=strict" in request.headers.get("prefer", "") and found.keys() - known:
        raise BadRequest(f"Strict handling: known search parameters are {', '.join(sorted(known))}.", code="not-supported")
    return {name: values for name, values in found.items() if name in known}


def _names_a_person(name: str, kind: str) -> bool:
    return name not in NAMES_NOBODY.get(kind, ()) and re.split(r"[:.]", name)[0] in NAMING


async def _form(request: Request) -> dict[str, list[str]]:
    body = await body_of(request, MAX_BODY)
    if not body.strip():
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("A search by POST is a form: application/x-www-form-urlencoded.")
    try:
        return grouped(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except (UnicodeDecodeError, ValueError):
        raise BadRequest("The form cannot be read.") from None


def grouped(pairs: list[tuple[str, str]]) -> Used:
    """Parameters with all values of each."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def one(found: Mapping[str, list[str]], name: str, most: int = 512) -> str:
    """The one value of a parameter, empty where it is absent. Raises BadRequest where it is repeated or has no value."""
    if name not in found:
        return ""
    value, *more = found[name]
    if more:
        raise BadRequest(f"{name} may be given once.", where=name, code="invalid")
    if not value.strip() or "\0" in value or len(value) > most:
        raise BadRequest(f"{name} has no value, or one that cannot be read.", where=name, code="value")
    return value


def token_text(value: str, name: str) -> str:
    """``system|value`` of a token parameter that must have both. Raises BadRequest."""
    system, bar, code = value.partition("|")
    if not (bar and system and code):
        raise BadRequest(f"{name} is written as system|value.", where=name, code="value")
    return f"{system}|{code}"


def code(found: Mapping[str, list[str]], name: str, among: Collection[str] = ()) -> str:
    """A code, or ``system|code``; empty where the parameter is absent. Raises BadRequest for a code that is not ``among``."""
    value = one(found, name)
    if value and among and value not in among:
        raise BadRequest(f"{name} is one of {', '.join(among)}.", where=name, code="value")
    return value


def bare_code(found: Mapping[str, list[str]], name: str) -> str:
    """A code of one of our own systems, given with or without the system; empty where the parameter is absent."""
    return one(found, name).rpartition("|")[2]


def outcome(found: Mapping[str, list[str]]) -> int | None:
    """AuditEvent.outcome; None where it is absent. Raises BadRequest."""
    text = one(found, "outcome")
    if text not in ("", "0", "4", "8", "12"):
        raise BadRequest("outcome is 0, 4, 8 or 12.", where="outcome", code="value")
    return int(text) if text else None


def identifier(found: Mapping[str, list[str]]) -> str:
    """``_id``, empty where it is absent. Raises BadRequest for what cannot be an id."""
    value = one(found, "_id")
    if value and not FHIR_ID.fullmatch(value):
        raise BadRequest("_id is 1 to 64 letters, digits, hyphens and dots.", where="_id", code="value")
    return value


def count(found: Mapping[str, list[str]], default: int = 50) -> int:
    """``_count``, from 1; more than 200 gives 200. Raises BadRequest."""
    text = one(found, "_count")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_STATED)) and int(text)):
        raise BadRequest("_count is a whole number from 1.", where="_count", code="value")
    return min(int(text), MAX_COUNT)


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


def searchset(
    base: str, kind: str, found: list[dict[str, Any]], used: Mapping[str, list[str]], cursor: str | None = None
) -> dict[str, Any]:
    """A searchset Bundle; links repeat no parameter that names a person."""
    shown = {name: values for name, values in used.items() if not _names_a_person(name, kind)}
    links = [{"relation": "self", "url": _url(base, kind, shown)}]
    if cursor is not None:
        links.append({"relation": "next", "url": _url(base, kind, {"_cursor": [cursor]})})
    entries = [{"fullUrl": f"{base}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in found]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return {**bundle, "entry": entries} if entries else bundle


def _url(base: str, kind: str, shown: Mapping[str, list[str]]) -> str:
    query = urlencode([(name, value) for name, values in shown.items() for value in values])
    return f"{base}/{kind}{'?' + query if query else ''}"
