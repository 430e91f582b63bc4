"""``$process-message`` (FHIR R4 messaging): a message Bundle in, its response Bundle out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import FHIR_JSON, MAX_BUNDLE, Edge, allowed, base_headers, json_body, raise_errors, request_id
from gateway.exchanges.receive_message import Message, receive_message
from gateway.fhir import resources, systems
from gateway.fhir.elements import identity
from gateway.fhir.outcomes import BadRequest, Issue, TooLarge, Unprocessable
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender, Sourced

OPERATION = "$process-message"
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
MAX_ENTRIES = 200


async def process_message(edge: Edge, request: Request) -> Response:
    """Take one message. The answer is the same on every repeat, whoever is known here."""
    requester = allowed(edge, request, OPERATION)
    if request.query_params.get("async") == "true":
        raise BadRequest("Asynchronous processing is not offered: send without async.", code="not-supported")
    bundle = await json_body(request, MAX_BUNDLE)
    header = check(bundle, edge, requester.agency)
    message = Message(
        requester=requester,
        bundle_id=bundle["id"],
        message_id=message_id(bundle),
        event=header["eventCoding"]["code"],
        endpoint=header["source"]["endpoint"],
        content=orjson.dumps(bundle["entry"], option=orjson.OPT_SORT_KEYS),
        sourced=_sourced(edge, bundle, requester.agency),
        request_id=request_id(request),
    )
    reply = await edge.ledger.run_alone(receive_message, message)
    edge.wake()
    return Response(reply.body, 200, base_headers(request), FHIR_JSON)


def check(bundle: Any, edge: Edge, agency: str) -> dict[str, Any]:
    """The MessageHeader of a message that can be taken. Raises Unprocessable, TooLarge."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") != "message":
        raise Unprocessable("The body must be a Bundle of type message.", where="Bundle", code="structure")
    entries = bundle.get("entry")
    if isinstance(entries, list) and len(entries) > MAX_ENTRIES:
        raise TooLarge(f"A message may have {MAX_ENTRIES} entries.", where="Bundle.entry")
    raise_errors(resources.validate_bundle(bundle))
    if not bundle.get("id"):
        raise Unprocessable("Bundle.id is required: resubmissions are told by it.", where="Bundle.id", code="required")
    header: dict[str, Any] = bundle["entry"][0]["resource"]
    _check_event(header, edge)
    _check_destination(header, edge)
    _check_source(header, edge, agency)
    return header


def _check_event(header: dict[str, Any], edge: Edge) -> None:
    event = header.get("eventCoding") or {}
    where = "Bundle.entry[0].resource.eventCoding"
    if event.get("system") != systems.code_system("topic", edge.context.base) or event.get("code") not in edge.context.topics:
        text = "This event is not taken here; the CapabilityStatement lists those that are."
        raise Unprocessable(text, where=where, code="not-supported")
    definition = header.get("definition")
    if definition is not None and definition.split("|")[0] != f"{edge.context.base}/MessageDefinition/{event['code']}":
        where = "Bundle.entry[0].resource.definition"
        raise Unprocessable("This is not the MessageDefinition of the event.", where=where, code="not-supported")


def _check_source(header: dict[str, Any], edge: Edge, agency: str) -> None:
    """Nobody sends for another organisation, and we do not talk to ourselves."""
    sender = identity(header.get("sender"))
    if sender.startswith(f"{systems.ODS_CODE}|") and sender != f"{systems.ODS_CODE}|{agency}":
        where = "Bundle.entry[0].resource.sender"
        raise Unprocessable("sender is not the organisation of the token.", where=where, code="business-rule")
    if header["source"]["endpoint"] in _addresses(edge):
        where = "Bundle.entry[0].resource.source.endpoint"
        raise Unprocessable("source.endpoint is our own: name the sender's.", where=where, code="business-rule")


def _addresses(edge: Edge) -> set[str]:
    return {edge.context.url, f"{edge.context.url}/$process-message"}


def _check_destination(header: dict[str, Any], edge: Edge) -> None:
    destinations = [one.get("endpoint") for one in header.get("destination", ())]
    if destinations and not _addresses(edge) & set(destinations):
        where = "Bundle.entry[0].resource.destination"
        raise Unprocessable("This message is addressed to another endpoint.", where=where, code="not-supported")


def message_id(bundle: dict[str, Any]) -> str:
    """MessageHeader.id, or where a sender leaves it out the id in its fullUrl."""
    entry = bundle["entry"][0]
    stated = entry["resource"].get("id") or str(entry.get("fullUrl", "")).rpartition(":")[2].rpartition("/")[2]
    if not ID.fullmatch(str(stated)):
        raise Unprocessable(
            "MessageHeader.id is required: 1 to 64 letters, digits, hyphens and dots.",
            where="Bundle.entry[0].resource.id",
            code="required",
        )
    return str(stated)


def _sourced(edge: Edge, bundle: dict[str, Any], agency: str) -> tuple[Sourced, ...]:
    """What the message says of people, by the map of the format ``fhir``."""
    data = orjson.dumps({"resourceType": "Bundle", "type": "collection", "entry": bundle["entry"]})
    mapped = list(read(edge.context.mappings, "fhir", data, Sender(agency, base=edge.context.base)))
    faults = [issue for one in mapped for issue in one.faults]
    if faults:
        raise Unprocessable.of([Issue(issue.text, issue.code, issue.where) for issue in faults])
    return tuple(_resources(mapped))


def _resources(mapped: list[Mapped]) -> Iterator[Sourced]:
    for one in mapped:
        yield from one.resources
