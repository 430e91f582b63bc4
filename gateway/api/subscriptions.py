"""Subscriptions (R5 backport on R4): create, read, list, update, delete, ``$status``, ``$events``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, base_headers, fhir, json_body, raise_errors, request_id
from gateway.api.resources import OTHER_ID, if_match
from gateway.api.schemas import STATUS
from gateway.exchanges.manage_subscription import (
    ENDED,
    NOT_HERE,
    EventsRequest,
    ListSubscriptions,
    OwnSubscription,
    Subscribe,
    end_subscription,
    list_subscriptions,
    read_subscription,
    replay_events,
    status_bundle,
    subscribe,
)
from gateway.exchanges.subscriptions import Subscribed
from gateway.fhir import resources, systems
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import BadRequest, Gone, NotFound, Unprocessable
from gateway.identity import nhs_number
from gateway.notification.signatures import may_be_set
from gateway.partners.guard import Refused, check_url
from gateway.store import clock

DEFAULT_DAYS, MOST_DAYS = 90, 366
FILTER = re.compile(r"(?:\w+\?)?(?:\w+\.)?patient:identifier=([^|&]+)\|([^|&]+)")
CONTENT = frozenset({"empty", "id-only", "full-resource"})
CHANNELS = frozenset({"message", "rest-hook"})
CONTENT_TYPES = frozenset({"application/fhir+json", "application/json"})


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


def read_subscribe(
    resource: Any, edge: Edge, requester: Any, request_id: str, identifier: str = "", expected: int | None = None
) -> Subscribe:
    """A Subscription as the exchange takes it. Raises Unprocessable with what is not supported and why."""
    raise_errors(resources.validate(resource, expected="Subscription"))
    base = edge.context.base
    topic = str(resource.get("criteria", "")).removeprefix(f"{base}/SubscriptionTopic/")
    if topic not in edge.context.topics:
        raise Unprocessable(
            "This topic is not offered: see the CapabilityStatement.", where="Subscription.criteria", code="not-supported"
        )
    if resource.get("status") not in ("requested", "active", "off"):
        raise Unprocessable("status is requested, active or off.", where="Subscription.status", code="value")
    _check_channel(resource["channel"], edge)
    case = _extension(resource, "case-reference").get("valueIdentifier") or {}
    purpose = _extension(resource, "purpose").get("valueCoding") or {}
    if not purpose.get("code"):
        where = "Subscription.extension(purpose)"
        raise Unprocessable("A subscription names its purpose (extension purpose, a Coding).", where=where, code="required")
    ends = _ends(resource)
    kept = {key: value for key, value in resource.items() if key not in ("id", "meta", "text")}
    return Subscribe(
        requester=requester,
        resource={**kept, "end": resource.get("end") or ends.strftime("%Y-%m-%dT%H:%M:%SZ")},
        topic=topic,
        nhs=_person(resource),
        purpose=str(purpose["code"]),
        case_reference=f"{case['system']}|{case['value']}" if case.get("system") and case.get("value") else "",
        case_owner=str(((case.get("assigner") or {}).get("identifier") or {}).get("value", "")),
        ends=clock.micros(ends),
        reason=str(_extension(resource, "reason").get("valueString", "")),
        id=identifier,
        expected=expected,
        request_id=request_id,
    )


def _extension(resource: dict[str, Any], name: str) -> dict[str, Any]:
    for extension in resource.get("extension", ()):
        if str(extension.get("url", "")).endswith(f"/StructureDefinition/{name}"):
            found: dict[str, Any] = extension
            return found
    return {}


def _person(resource: dict[str, Any]) -> str:
    """The NHS number that the filter names. Raises Unprocessable for any other filter."""
    where = "Subscription._criteria.extension(backport-filter-criteria)"
    stated = [
        str(one.get("valueString", ""))
        for one in (resource.get("_criteria") or {}).get("extension", ())
        if one.get("url") == systems.BACKPORT_FILTER
    ]
    match = FILTER.fullmatch(stated[0]) if len(stated) == 1 else None
    if match is None or match[1] != systems.NHS_NUMBER:
        text = f"One filter is supported: patient:identifier={systems.NHS_NUMBER}|number."
        raise Unprocessable(text, where=where, code="not-supported")
    number = nhs_number.parse(match[2])
    if number is None:
        raise Unprocessable("The filter's NHS number is not valid: check its digits.", where=where, code="value")
    return number


def _check_channel(channel: dict[str, Any], edge: Edge) -> None:
    if channel.get("type") not in CHANNELS:
        raise Unprocessable("Channels are message and rest-hook.", where="Subscription.channel.type", code="not-supported")
    if (channel.get("payload") or "application/fhir+json") not in CONTENT_TYPES:
        raise Unprocessable("Payloads are application/fhir+json.", where="Subscription.channel.payload", code="not-supported")
    contents = [
        one.get("valueCode")
        for one in (channel.get("_payload") or {}).get("extension", ())
        if one.get("url") == systems.BACKPORT_PAYLOAD
    ]
    if any(code not in CONTENT for code in contents):
        raise Unprocessable(
            "Contents are empty, id-only and full-resource.", where="Subscription.channel.payload", code="not-supported"
        )
    for header in channel.get("header", ()):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9\-]{0,63}: ?[\x20-\x7e]{0,1024}", header):
            raise Unprocessable("A header is written as Name: value.", where="Subscription.channel.header", code="value")
        if not may_be_set(header.partition(":")[0]):
            text = "This header is the gateway's own: a subscription does not set it."
            raise Unprocessable(text, where="Subscription.channel.header", code="not-supported")
    try:
        check_url(channel.get("endpoint") or "", loopback_allowed=edge.context.loopback_allowed)
    except Refused as fault:
        raise Unprocessable(str(fault), where="Subscription.channel.endpoint", code="not-supported") from None


def _ends(resource: dict[str, Any]) -> datetime:
    """When it ends: as stated, else after 90 days. Raises Unprocessable."""
    now = datetime.now(UTC)
    stated = resource.get("end")
    try:
        end = bounds(stated)[0] if stated else now + timedelta(days=DEFAULT_DAYS)
    except (ValueError, OverflowError):
        end = now
    if not now < end <= now + timedelta(days=MOST_DAYS):
        raise Unprocessable(f"end must be within {MOST_DAYS} days from now.", where="Subscription.end", code="value")
    return end


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
    """``$status``."""
    made = await _own(edge, request, "r")
    return fhir(request, status_bundle(edge.context, made, clock.now()))


async def events(edge: Edge, request: Request) -> Response:
    """``$events``: the notices of a range of numbers, decided again."""
    requester = allowed(edge, request, "Subscription", "r")
    used = await searches.criteria(request, frozenset({"eventsSinceNumber", "eventsUntilNumber", "content"}))
    content = searches.one(used, "content")
    if content and content not in CONTENT:
        raise BadRequest("content is empty, id-only or full-resource.", where="content", code="value")
    first, last = (_number(used, name, default) for name, default in (("eventsSinceNumber", 1), ("eventsUntilNumber", 2**53)))
    ask = EventsRequest(requester, request.path_params["id"], first, last, content, request_id(request))
    bundle = await edge.ledger.run_alone(replay_events, ask)
    if bundle is None:
        raise NotFound(NOT_HERE)
    return fhir(request, bundle)


def _number(used: dict[str, list[str]], name: str, default: int) -> int:
    text = searches.one(used, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest(f"{name} is a whole number.", where=name, code="value")
    return int(text)
