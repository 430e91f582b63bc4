"""What every HTTP operation shares: the caller, the body, the answer, the error. No decisions, no SQL."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from gateway.api import smart
from gateway.api.cds_hooks_doors import Doors
from gateway.api.tokens import AccessTokens, TokenRefused
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.record_refusal import NOBODY, Refusal, RefusalNotes, record_refusal
from gateway.exchanges.tick import TICK as TICK
from gateway.exchanges.tick import Tick as Tick
from gateway.fhir import outcomes, strict_json
from gateway.fhir.outcomes import GatewayError, Issue
from gateway.mapping.concept_maps import Published
from gateway.store.ledger import Ledger

log = logging.getLogger("gateway.api")

FHIR_JSON = "application/fhir+json"
READABLE = frozenset({"application/fhir+json", "application/json", "text/json"})
MAX_BODY = 1 << 20
MAX_BUNDLE = 5 << 20
REQUEST_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
PAGE = 4096
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="gateway"'}
FORMATS = READABLE | {"json"}  # of _format
UNRECORDED = "The access log cannot be written just now, so nothing is done. Please try again."
OUR_FAULT = "Something went wrong on our side. Nothing was disclosed; please try again, and tell us the request id."


@dataclass(frozen=True, slots=True)
class Edge:
    """What operations are given: the ledger, the compiled context, our tokens."""

    ledger: Ledger
    context: Context
    tokens: AccessTokens
    token_endpoint: str
    scopes: tuple[str, ...]
    interactions: dict[str, list[str]] = field(default_factory=dict)  # by FHIR type, for the CapabilityStatement
    wake: Callable[[], None] = lambda: None  # a notice may be due
    notes: RefusalNotes = field(default_factory=RefusalNotes)
    hooks: Doors = field(default_factory=Doors)
    definitions: Published = field(default_factory=Published)


Handler = Callable[[Edge, Request], Awaitable[Response]]


class Served:
    """A handler as a route: whatever it raises becomes an OperationOutcome, and is on record.

    An ASGI application of its own, so that the framework adds no layer of wrapping to the busiest path.
    """

    __slots__ = ("_edge", "_handler", "_kind", "_operation")

    def __init__(self, edge: Edge, operation: str, handler: Handler, kind: str = ""):
        self._edge, self._operation, self._handler, self._kind = edge, operation, handler, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("path_params", {})["type"] = self._kind  # from the route, never from the caller
        request = Request(scope, receive)
        try:
            response = await self._handler(self._edge, request)
        except GatewayError as error:
            response = await refuse(self._edge, request, self._operation, error)
        except Exception:
            log.exception("operation failed", extra={"operation": self._operation, "request_id": request_id(request)})
            response = await refuse(self._edge, request, self._operation, _our_fault())
        await response(scope, receive, send)


class Prepared(Response):
    """An answer whose raw headers are ready: no rendering, for the busiest path."""

    def __init__(self, body: bytes, status: int, raw_headers: list[tuple[bytes, bytes]]):
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [*raw_headers, (b"content-length", str(len(body)).encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def header(request: Request, name: bytes) -> str:
    """One header by its lower-case name, empty where it is absent; the last where it is repeated."""
    held: dict[bytes, bytes] | None = request.scope.get("gateway.headers")
    if held is None:
        held = request.scope["gateway.headers"] = dict(request.scope["headers"])
    value = held.get(name)
    return "" if value is None else value.decode("latin-1")


class OurFault(GatewayError):
    """A failure of our own: a 500 that tells nothing of what failed."""

    status, code = 500, "exception"


def _our_fault() -> GatewayError:
    return OurFault(OUR_FAULT)


async def refuse(edge: Edge, request: Request, operation: str, error: GatewayError) -> Response:
    """The error as an answer, once it is on record. A failing log makes it 503: no answer without its entry."""
    try:
        await put_on_record(edge, request, operation, error.status)
    except Exception:
        log.exception("a refusal could not be put on record", extra={"operation": operation, "request_id": request_id(request)})
        return outcome_response(outcomes.Unavailable(UNRECORDED), request)
    return outcome_response(error, request)


async def put_on_record(edge: Edge, request: Request, operation: str, status: int) -> None:
    """An entry for a refused request. Those of nobody we know come once a minute and operation, with their number."""
    requester = request.scope.get("gateway.requester", NOBODY)
    count = edge.notes.due(operation, time.time()) if status == 401 or requester is NOBODY else 1
    if count:
        await edge.ledger.run(record_refusal, Refusal(requester, operation, status, request_id(request), count=count))


def outcome_response(error: GatewayError, request: Request) -> Response:
    """An OperationOutcome with the status of the error, and the headers that HTTP asks of that status."""
    headers = {**base_headers(request), **error.headers}
    if error.status == 401:
        headers |= CHALLENGE
    if error.status == 405:
        headers["Allow"] = ", ".join(sorted(_methods_here(request)))
    return Response(orjson.dumps(outcomes.outcome(error.issues)), error.status, headers, FHIR_JSON)


def _methods_here(request: Request) -> set[str]:
    """Every method that some operation offers at the path of the request."""
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    return {method for route in routes if route.matches(request.scope)[0] is not Match.NONE for method in route.methods or ()}


def from_http_exception(error: HTTPException) -> GatewayError:
    """The framework's own errors (no such path, wrong method) in the words of the one error tree."""
    texts = {
        404: (outcomes.NotFound, "There is nothing at this address."),
        405: (outcomes.MethodNotAllowed, "This method is not allowed here."),
    }
    kind, text = texts.get(error.status_code, (outcomes.BadRequest, "The request cannot be read."))
    return kind(text, headers=dict(error.headers or {}))


def base_headers(request: Request) -> dict[str, str]:
    """Headers of every answer; ids are echoed so that both sides can speak of one request."""
    headers = {**NO_STORE, "X-Request-Id": request_id(request)}
    correlation = header(request, b"x-correlation-id")
    if REQUEST_ID.fullmatch(correlation):
        headers["X-Correlation-Id"] = correlation
    return headers


def request_id(request: Request) -> str:
    """The caller's X-Request-Id if it is well formed, else one of ours; the same through the whole request."""
    known: str | None = request.scope.get("gateway.request_id")
    if known is None:
        given = header(request, b"x-request-id")
        known = request.scope["gateway.request_id"] = given if REQUEST_ID.fullmatch(given) else new_id()
    return known


PREPARED_HEADERS = [(name.lower().encode(), value.encode()) for name, value in NO_STORE.items()] + [
    (b"content-type", FHIR_JSON.encode())
]


def prepared(request: Request, body: bytes) -> Response:
    """A FHIR answer from bytes, with the headers of every answer."""
    headers = [*PREPARED_HEADERS, (b"x-request-id", request_id(request).encode())]
    correlation = header(request, b"x-correlation-id")
    if correlation and REQUEST_ID.fullmatch(correlation):
        headers.append((b"x-correlation-id", correlation.encode()))
    return Prepared(body, 200, headers)


def fhir(request: Request, resource: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A FHIR resource as an answer."""
    return Response(orjson.dumps(resource), status, {**base_headers(request), **(headers or {})}, FHIR_JSON)


def padded(resource: Any) -> bytes:
    """A body about a person: filled with blanks to a multiple of 4,096 bytes, so that its length tells nothing."""
    body = orjson.dumps(resource)
    return body + b" " * (-len(body) % PAGE)


def caller(edge: Edge, request: Request) -> Requester:
    """Who is calling, from the bearer token. Raises NotAuthenticated."""
    kind, _, token = header(request, b"authorization").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise _unauthenticated("A bearer token is needed: get one at the token endpoint.")
    try:
        requester = edge.tokens.verify(token.strip(), time.time())
    except TokenRefused:
        raise _unauthenticated("The token is not valid here, or no longer. Please get a new one.") from None
    request.scope["gateway.requester"] = requester
    return requester


def _unauthenticated(text: str) -> GatewayError:
    return outcomes.NotAuthenticated(text)


def allowed(edge: Edge, request: Request, surface: str, interaction: str = "") -> Requester:
    """The caller, if its scopes allow this. Raises NotAuthenticated or Forbidden."""
    requester = caller(edge, request)
    if not smart.allows(requester.scopes, surface, interaction):
        raise outcomes.Forbidden("The token's scopes do not allow this operation.")
    check_accept(request)
    return requester


def check_accept(request: Request) -> None:
    """Whether the caller takes what we answer with; ``_format`` counts before Accept. Raises NotAcceptable."""
    wanted = header(request, b"accept")
    if b"_format" not in request.scope["query_string"] and wanted in ("", "*/*", FHIR_JSON):
        return
    stated = request.query_params.get("_format")
    if stated is None:
        acceptable = any(_takes_json(part) for part in wanted.lower().split(","))
    else:  # the plus of a media type arrives as a blank where it was not escaped
        acceptable = stated.split(";")[0].strip().replace(" ", "+").lower() in FORMATS
    if not acceptable:
        raise outcomes.NotAcceptable(f"Answers are {FHIR_JSON}; accept that or */*.")


def _takes_json(part: str) -> bool:
    kind, *parameters = (one.strip() for one in part.split(";"))
    refused = any(re.fullmatch(r"q=0(\.0{0,3})?", one) for one in parameters)
    return not refused and (kind in READABLE or kind in ("*/*", "application/*", ""))


def check_body(request: Request, limit: int) -> None:
    """What is known of a body before it is read. Raises TooLarge, UnsupportedMedia where it is packed."""
    if header(request, b"content-encoding").strip().lower() not in ("", "identity"):
        raise outcomes.UnsupportedMedia("Send the body as it is, without a content encoding.")
    stated = header(request, b"content-length")
    if stated.isdigit() and int(stated) > limit:
        raise outcomes.TooLarge(f"The body is larger than {limit} bytes.")


async def body_of(request: Request, limit: int) -> bytes:
    """The body, read up to a limit. Raises TooLarge before more is read, UnsupportedMedia where it is packed."""
    check_body(request, limit)
    parts, size = [], 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise outcomes.BadRequest("The request ended before its body did.")
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise outcomes.TooLarge(f"The body is larger than {limit} bytes.")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def json_body(request: Request, limit: int = MAX_BODY, *, kinds: frozenset[str] = READABLE) -> Any:
    """The body as JSON. Raises UnsupportedMedia, TooLarge, BadRequest."""
    kind, *parameters = (part.strip().lower() for part in header(request, b"content-type").split(";"))
    charsets = [part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")]
    if kind not in kinds or set(charsets) - {"utf-8", "utf8"}:
        raise outcomes.UnsupportedMedia(f"Send {FHIR_JSON} in UTF-8.")
    return strict_json.loads(await body_of(request, limit), max_bytes=limit)


def raise_errors(issues: list[Issue]) -> None:
    """Raise Unprocessable with the findings that make a resource invalid, if there are any."""
    found = [issue for issue in issues if issue.severity in ("error", "fatal")]
    if found:
        raise outcomes.Unprocessable.of(found[:50])
