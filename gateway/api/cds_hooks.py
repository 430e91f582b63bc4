"""CDS Hooks 2.0: the card that a clinician sees in the electronic record. It enters at the exchange of ``$known-to-services``.

One card for every call, of the same parts and on the beat of 50 ms, whatever is known: a card is made for purposes that
rest on the person's wish, and there a negative depends on who asks and what for alone.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.cds_hooks_cards import Setting, card, stop_card
from gateway.api.cds_hooks_doors import Door, checked, grant, knock
from gateway.api.cds_hooks_feedback import read_feedback
from gateway.api.cds_hooks_request import PREFETCH, PREFIX, Asked, hook_of, read_call
from gateway.api.edge import (
    Edge,
    Handler,
    Tick,
    base_headers,
    check_accept,
    header,
    json_body,
    outcome_response,
    padded,
    request_id,
)
from gateway.api.known_to_services import refusal
from gateway.api.tokens import TokenRefused, peek_issuer
from gateway.audit.vouched import UNWITNESSED
from gateway.exchanges.access.admit_card_client import Admitted, Knock, admit_card_client
from gateway.exchanges.access.record_feedback import FeedbackSent, record_feedback
from gateway.exchanges.context import new_id
from gateway.exchanges.lookup.charge import OVER
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.fhir.codes import HOOKS
from gateway.fhir.outcomes import GatewayError, NotAuthenticated, Unavailable
from gateway.store.cards import ORIGINS
from gateway.store.ledger import Feed
from gateway.store.sql import Read

JSON = "application/json"
MOST = 256 << 10  # bytes of a call: a patient and the user's roles
STOPS = frozenset({OVER, UNWITNESSED, "policy-stale", "token-superseded"})
NOT_PROVEN = "The token does not prove a record system that is registered here for cards, or was used before."
METHODS = "GET, POST, OPTIONS"
HEADERS = "Authorization, Content-Type, Accept, X-Request-Id, X-Correlation-Id"
USAGE = (
    "The record system signs each call (ES384 or RS384) and is registered here, with one purpose that rests on the "
    "person's wish. Send the patient along; NHS number and birth date are read."
)


def _with_cors(handler: Handler) -> Handler:
    """Answers, refusals too, may be read by browsers whose page is registered; by no others."""

    async def served(edge: Edge, request: Request) -> Response:
        allowed = await _cors(edge, request)
        try:
            response = await handler(edge, request)
        except GatewayError as error:
            error.headers = {**error.headers, **allowed}
            raise
        response.headers.update(allowed)
        return response

    return served


async def _cors(edge: Edge, request: Request) -> dict[str, str]:
    """The headers of the Fetch standard for the page that calls; nothing of them where it is not registered."""
    origin = header(request, b"origin")
    if not origin:
        return {}
    try:
        ((*rows,),) = await edge.ledger.read([Read(ORIGINS)])
        edge.hooks.origins = frozenset(one for (text,) in rows for one in text.split())
    except Unavailable:  # those that were registered when it was last read
        pass
    if origin not in edge.hooks.origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "X-Request-Id"}


async def preflight(edge: Edge, request: Request) -> Response:
    """What a browser asks before it calls from another page."""
    allowed = await _cors(edge, request)
    if "Access-Control-Allow-Origin" in allowed:
        allowed |= {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": "600",
        }
    return Response(status_code=204, headers={**base_headers(request), **allowed})


@_with_cors
async def discover(edge: Edge, request: Request) -> Response:
    """``GET /cds-services``: what there is and what it wants sent along. Nobody needs a token for it."""
    check_accept(request)
    words = edge.context.wording.hooks
    services = [
        {
            "hook": hook,
            "id": f"{PREFIX}{hook}",
            "title": words["hook"][hook],
            "description": words["description"][hook],
            "prefetch": PREFETCH,
            "usageRequirements": USAGE,
        }
        for hook in HOOKS
    ]
    return _json(request, orjson.dumps({"services": services}))


@_with_cors
async def call(edge: Edge, request: Request) -> Response:
    """``POST /cds-services/{id}``: one card, on the beat that was armed on arrival."""
    tick = Tick()
    try:
        check_accept(request)
        hook = hook_of(request.path_params["id"])
        asked = read_call(await json_body(request, MOST), hook)
        url = _address(edge, hook)
        try:
            made = await _card(edge, request, asked, url)
        except Unavailable:
            made = await _stopped(edge, request, asked, url)
        if made is None:
            return outcome_response(NotAuthenticated(NOT_PROVEN), request)  # the exchange has put it on record
        body = padded({"cards": [made]})
        await tick.wait()
        return _json(request, body)
    finally:
        tick.stop()


async def _card(edge: Edge, request: Request, asked: Asked, url: str) -> dict[str, Any] | None:
    """The card of a call by an admitted client; None where nobody was admitted. Raises GatewayError of a gate."""
    admitted = await _admit(edge, request, url, asked.user, asked.roles)
    if admitted is None or admitted.requester is None:
        return None
    setting = _setting(edge, asked, admitted.purpose)
    answer = await edge.ledger.run(look_up_status, _lookup(edge, asked, admitted, request_id(request)))
    if answer.refused in STOPS:
        return stop_card(setting, answer.id, admitted.covered)
    if answer.refused:
        raise refusal(answer)
    return card(setting, answer)


def _lookup(edge: Edge, asked: Asked, admitted: Admitted, identifier: str) -> LookupRequest:
    about = edge.context.wording.hooks["about"].get(admitted.kind, "self")
    assert admitted.requester is not None
    return LookupRequest(
        requester=admitted.requester,
        nhs=asked.number,
        birth_date=asked.birth_date,
        verified=asked.verified,
        purpose=admitted.purpose,
        about=tuple(about.split()),
        request_id=identifier,
        by_day=True,
    )


async def _stopped(edge: Edge, request: Request, asked: Asked, url: str) -> dict[str, Any]:
    """The duty numbers, for a caller that proves its key by what is remembered. Raises Unavailable for all others."""
    token, issuer = _token(request)
    door = edge.hooks.known.get(issuer)
    if door is None:
        raise Unavailable("Nothing can be asked just now. In danger ring the duty desk.")
    try:
        checked(token, issuer, door.client, door.keys, url)
    except ValueError:
        raise Unavailable("Nothing can be asked just now. In danger ring the duty desk.") from None
    return stop_card(_setting(edge, asked, door.client.purpose), new_id(), door.covered)


@_with_cors
async def feedback(edge: Edge, request: Request) -> Response:
    """``POST /cds-services/{id}/feedback``: what became of cards, kept once however often it is sent."""
    check_accept(request)
    hook = hook_of(request.path_params["id"])
    items = read_feedback(await json_body(request, MOST))
    admitted = await _admit(edge, request, f"{_address(edge, hook)}/feedback")
    if admitted is None or admitted.requester is None:
        return outcome_response(NotAuthenticated(NOT_PROVEN), request)
    await edge.ledger.run_alone(record_feedback, FeedbackSent(admitted.requester, items, request_id(request)))
    return Response(status_code=200, headers=base_headers(request))


async def _admit(edge: Edge, request: Request, url: str, user: str = "", roles: tuple[str, ...] = ()) -> Admitted | None:
    """Who calls. Raises NotAuthenticated where no token was sent, Unavailable."""
    token, issuer = _token(request)
    client, keys = await edge.hooks.find(edge.ledger, issuer)
    verify = knock(token, issuer, keys, url, client.jku if client else "")
    admitted = await edge.ledger.run_alone(admit_card_client, Knock(issuer, verify, grant, user, roles, request_id(request)))
    if admitted.requester is None:
        edge.hooks.refused(issuer)
    elif client is not None:
        request.scope["gateway.requester"] = admitted.requester
        edge.hooks.known[issuer] = Door(client, keys, _longest(admitted.covered, edge.hooks.known.get(issuer)))
    return admitted


def _longest(covered: tuple[Feed, ...], before: Door | None) -> tuple[Feed, ...]:
    """Whom a client may hear from, by the role that hears from most: duty numbers are for anybody who works there."""
    return covered if before is None or len(covered) >= len(before.covered) else before.covered


def _token(request: Request) -> tuple[str, str]:
    """The bearer token and the issuer that it names. Raises NotAuthenticated."""
    kind, _, token = header(request, b"authorization").partition(" ")
    try:
        if kind.lower() == "bearer":
            return token.strip(), peek_issuer(token.strip())
    except TokenRefused:
        pass
    raise NotAuthenticated("A signed token of the record system is needed (CDS Hooks, trusting CDS clients).")


def _address(edge: Edge, hook: str) -> str:
    """The address of a service, as its callers must name it (``aud``)."""
    return f"{_root(edge)}/cds-services/{PREFIX}{hook}"


def _root(edge: Edge) -> str:
    return edge.context.url.removesuffix("/fhir")


def _setting(edge: Edge, asked: Asked, purpose: str) -> Setting:
    return Setting(edge.context.wording.hooks, asked.hook, _root(edge), edge.context.base, purpose, asked.launchable)


def _json(request: Request, body: bytes) -> Response:
    return Response(body, 200, base_headers(request), JSON)
