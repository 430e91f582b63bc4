"""Subscriptions (R5 backport on R4): create, read, list, update, delete, ``$status``, ``$events``."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, base_headers, fhir, json_body, request_id
from gateway.api.resources import OTHER_ID, if_match
from gateway.api.schemas import STATUS
from gateway.api.subscription_body import CONTENT, read_subscribe
from gateway.exchanges.notices.manage_subscription import (
    ListSubscriptions,
    OwnStatuses,
    OwnSubscription,
    end_subscription,
    list_statuses,
    list_subscriptions,
    read_subscription,
    status_bundle,
)
from gateway.exchanges.notices.replay_events import EVERY, EventsRequest, replay_events
from gateway.exchanges.notices.subscribe import ENDED, NOT_HERE, subscribe
from gateway.exchanges.outbox.subscriptions import Subscribed
from gateway.fhir.outcomes import BadRequest, Gone, NotFound, Unprocessable
from gateway.store import clock


async def create(edge: Edge, request: Request) -> Response:
    """Subscribe. The answer is the same whether the person is known or not."""
    requester = allowed(edge, request, "Subscription", "c")
    ask = read_subscribe(await json_body(request), edge, requester, request_id(request))
    made = await edge.ledger.run_alone(subscribe, ask)
    edge.wake()
    location = f"{edge.context.url}/Subscription/{made.id}/_history/{made.version}"
    return fhir(request, shown(made), 201, {"ETag": f'W/"{made.version}"', "Location": location})


async def update(edge: Edge, request: Request) -> Response:
    """Change it, or bring it back after an error (status requested)."""
    requester = allowed(edge, request, "Subscription", "u")
    identifier = request.path_params["id"]
    body = await json_body(request)
    if isinstance(body, dict) and body.get("id", identifier) != identifier:
        raise Unprocessable(OTHER_ID, where="Subscription.id", code="invalid")
    ask = read_subscribe(body, edge, requester, request_id(request), identifier, if_match(request))
    made = await edge.ledger.run_alone(subscribe, ask)
    edge.wake()
    return fhir(request, shown(made), 200, {"ETag": f'W/"{made.version}"'})


def shown(made: Subscribed) -> dict[str, Any]:
    """A subscription as its owner reads it, with its version; header values withheld."""
    resource = made.shown()
    meta = {**resource.get("meta", {}), "versionId": str(made.version), "lastUpdated": clock.instant(made.updated)}
    return {**resource, "meta": meta}


async def read(edge: Edge, request: Request) -> Response:
    """``GET /fhir/Subscription/{id}``."""
    made = await _own(edge, request, "r")
    return fhir(request, shown(made), headers={"ETag": f'W/"{made.version}"'})


async def _own(edge: Edge, request: Request, interaction: str) -> Subscribed:
    requester = allowed(edge, request, "Subscription", interaction)
    ask = OwnSubscription(requester, request.path_params["id"], request_id(request))
    made = await edge.ledger.run(read_subscription, ask)
    if made is None:
        raise NotFound(NOT_HERE)
    if made.deleted:
        raise Gone(ENDED)
    return made


async def search(edge: Edge, request: Request) -> Response:
    """The caller's own subscriptions."""
    requester = allowed(edge, request, "Subscription", "s")
    asked = await searches.read_search(edge, request, requester.agency, "Subscription", frozenset({"_count", "status"}))
    wanted = searches.code(asked.used, "status", STATUS["Subscription"])
    ask = ListSubscriptions(requester, asked.place or "", searches.count(asked.used), wanted, request_id(request))
    found, following = await edge.ledger.run(list_subscriptions, ask)
    return fhir(request, asked.bundle([shown(one) for one in found], following or None))


async def delete(edge: Edge, request: Request) -> Response:
    """Delete it: reads of it are 410 from then on."""
    requester = allowed(edge, request, "Subscription", "d")
    ask = OwnSubscription(requester, request.path_params["id"], request_id(request))
    if not await edge.ledger.run_alone(end_subscription, ask):
        raise NotFound(NOT_HERE)
    return Response(status_code=204, headers=base_headers(request))


async def status(edge: Edge, request: Request) -> Response:
    """``$status`` of one subscription; ids and statuses are not looked at here, as the backport guide has it."""
    await _given(request)
    made = await _own(edge, request, "r")
    return fhir(request, status_bundle(edge.context, [made], clock.now()))


async def statuses(edge: Edge, request: Request) -> Response:
    """``$status`` of the caller's own subscriptions: of any of these ids and in any of these statuses; without them, of all."""
    requester = allowed(edge, request, "Subscription", "r")
    used = await _given(request)
    ids, wanted = (frozenset(part for text in used.get(name, ()) for part in text.split(",")) for name in ("id", "status"))
    if not all(searches.FHIR_ID.fullmatch(one) for one in ids):
        raise BadRequest("id is the id of a subscription.", where="id", code="value")
    if not wanted <= set(STATUS["Subscription"]):
        raise BadRequest(f"status is one of {', '.join(STATUS['Subscription'])}.", where="status", code="value")
    found = await edge.ledger.run(list_statuses, OwnStatuses(requester, ids, wanted, request_id(request)))
    return fhir(request, status_bundle(edge.context, found, clock.now()))


async def events(edge: Edge, request: Request) -> Response:
    """``$events``: the notices of a range of numbers, decided again."""
    requester = allowed(edge, request, "Subscription", "r")
    used = await _given(request)
    content = searches.one(used, "content")
    if content and content not in CONTENT:
        raise BadRequest("content is empty, id-only or full-resource.", where="content", code="value")
    first, last = (_number(used, name, default) for name, default in (("eventsSinceNumber", 1), ("eventsUntilNumber", EVERY)))
    ask = EventsRequest(requester, request.path_params["id"], first, last, content, request_id(request))
    bundle = await edge.ledger.run_alone(replay_events, ask)
    if bundle is None:
        raise NotFound(NOT_HERE)
    return fhir(request, bundle)


# What the operations take, and the form of each in a Parameters resource.
STATUS_TAKES = {"id": "valueId", "status": "valueCode"}
EVENTS_TAKE = {"eventsSinceNumber": "valueString", "eventsUntilNumber": "valueString", "content": "valueCode"}


async def _given(request: Request) -> dict[str, list[str]]:
    """The parameters of an operation: of the address by GET, of a Parameters resource by POST. Raises BadRequest."""
    takes = EVENTS_TAKE if request.url.path.endswith("$events") else STATUS_TAKES
    if request.method != "POST":
        return await searches.criteria(request, frozenset(takes))
    body = await json_body(request)
    listed = body.get("parameter", []) if isinstance(body, dict) and body.get("resourceType") == "Parameters" else None
    found: dict[str, list[str]] = {}
    if listed == [] and "parameter" in body:
        listed = None  # FHIR has no empty lists
    for one in listed if isinstance(listed, list) else [None]:
        stated = one if isinstance(one, dict) else {}
        name = str(stated.get("name"))
        value = stated.get(takes[name]) if name in takes else None
        if not isinstance(value, str):
            text = f"Parameters are {', '.join(f'{name} ({form})' for name, form in takes.items())}."
            raise BadRequest(text, where="Parameters.parameter", code="structure")
        found.setdefault(name, []).append(value)
    return found


def _number(used: dict[str, list[str]], name: str, default: int) -> int:
    text = searches.one(used, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest(f"{name} is a whole number.", where=name, code="value")
    return int(text)
