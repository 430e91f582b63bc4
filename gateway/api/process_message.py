"""``$process-message`` (FHIR R4 messaging): a message Bundle in, its response Bundle out, at once or posted later.

A message that is not for us, not from the sender, or no message is refused by an HTTP status and an OperationOutcome. One
that was processed is answered with 200 and a response message. What cannot be taken is 422 or 429 with an OperationOutcome;
a sender that asks for response messages gets 200 and one that says fatal-error or transient-error, the OperationOutcome in
it. With ``async=true`` the answer is 202, and the response message is posted to an endpoint that is
registered for the client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import bars
from gateway.api.call_backs import read_request
from gateway.api.edge import FHIR_JSON, MAX_BUNDLE, Edge, Tick, allowed, base_headers, json_body, raise_errors, request_id
from gateway.disclosure.requester import Requester
from gateway.exchanges.messaging.messages import ContentRefused, Message, Reply
from gateway.exchanges.messaging.receive_message import receive_message
from gateway.exchanges.messaging.refuse_message import RefusedMessage, refuse_message
from gateway.exchanges.notices.acknowledge_notice import Acknowledgement
from gateway.fhir import resources, systems
from gateway.fhir.elements import identity
from gateway.fhir.outcomes import BadRequest, GatewayError, Issue, TooLarge, Unprocessable
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender, Sourced
from gateway.notification.answers import ACKNOWLEDGED, FATAL, OK, TRANSIENT, acknowledgement_of

OPERATION = "$process-message"
CONTACT_REQUESTED = "contact-requested"
ASKED_BY_MESSAGE = (ACKNOWLEDGED, CONTACT_REQUESTED)  # events beside the topics
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
MAX_ENTRIES = 200
# messageheader-response-request: which responses the sender wants to see
WANTED = {
    "always": frozenset({OK, FATAL, TRANSIENT}),
    "on-error": frozenset({FATAL, TRANSIENT}),
    "on-success": frozenset({OK}),
    "never": frozenset(),
}
REFUSED_STATUS = {FATAL: 422, TRANSIENT: 429}


async def process_message(edge: Edge, request: Request) -> Response:
    """Take one message. The answer is the same on every repeat, whoever is known here."""
    tick = Tick()
    try:
        return await _process(edge, request, tick)
    except GatewayError as error:
        error.issues = bars.coded(error.issues, error.status)
        raise
    finally:
        tick.stop()


async def _process(edge: Edge, request: Request, tick: Tick) -> Response:
    requester = allowed(edge, request, OPERATION)
    bars.check_context(request, requester)
    later, answer_to = _how_to_answer(request)
    bundle = await json_body(request, MAX_BUNDLE)
    header = check(bundle, edge, requester.agency)
    message = Message(
        requester=requester,
        bundle_id=bundle["id"],
        message_id=message_id(bundle),
        event=header["eventCoding"]["code"],
        endpoint=header["source"]["endpoint"],
        content=orjson.dumps(bundle["entry"], option=orjson.OPT_SORT_KEYS),
        answer_later=later,
        answer_to=answer_to,
        target=bars.target_of(request),
        receivers=_receivers(header, edge),
        request_id=request_id(request),
    )
    reply = await _answer(edge, message, bundle)
    edge.wake()
    if message.event == CONTACT_REQUESTED:  # what was looked for must not be told by how long it took
        await tick.wait()
    return _as_asked(request, header, reply, later=later)


def _how_to_answer(request: Request) -> tuple[bool, str]:
    """Whether the response is posted later, and where to if it is not the sender's endpoint. Raises BadRequest."""
    stated = {name: request.query_params.getlist(name) for name in ("async", "response-url")}
    if any(len(values) > 1 for values in stated.values()) or stated["async"] not in ([], ["true"], ["false"]):
        raise BadRequest("async is true or false, and each parameter is given once.", where="async", code="value")
    answer_to = next(iter(stated["response-url"]), "")
    if answer_to and stated["async"] != ["true"]:
        raise BadRequest("response-url goes with async=true.", where="response-url", code="value")
    return stated["async"] == ["true"], answer_to


async def _answer(edge: Edge, message: Message, bundle: dict[str, Any]) -> Reply:
    """The response message, whatever came of what the message says."""
    try:
        return await edge.ledger.run_alone(receive_message, _with_content(edge, message, bundle))
    except ContentRefused as refused:
        issues = bars.coded(refused.issues, REFUSED_STATUS[refused.code])
        return await edge.ledger.run_alone(refuse_message, RefusedMessage(message, refused.code, issues))


def _as_asked(request: Request, header: dict[str, Any], reply: Reply, *, later: bool) -> Response:
    """202 where the response is posted later, 204 where the sender wants to see none of this kind, else the response.

    A sender that asks for no response messages may read none: what was not taken is an HTTP error to it, never a 200.
    """
    if later:
        return Response(status_code=202, headers=base_headers(request))
    asked = [one.get("valueCode") for one in header.get("extension", ()) if one.get("url") == systems.MESSAGE_RESPONSE_REQUEST]
    if asked and reply.code not in WANTED.get(asked[0], WANTED["always"]):
        return Response(status_code=204, headers=base_headers(request))
    if asked or reply.code == OK:
        return Response(reply.body, 200, base_headers(request), FHIR_JSON)
    outcome = orjson.loads(reply.body)["entry"][1]["resource"]
    return Response(orjson.dumps(outcome), REFUSED_STATUS[reply.code], base_headers(request), FHIR_JSON)


def _with_content(edge: Edge, message: Message, bundle: dict[str, Any]) -> Message:
    """The message with what it says, read. Raises ContentRefused."""
    header = bundle["entry"][0]["resource"]
    try:
        if message.event == ACKNOWLEDGED:
            return replace(message, acknowledges=_acknowledgement(header, message))
        if message.event == CONTACT_REQUESTED:
            return replace(message, contact=_contact(bundle, message))
        return replace(message, sourced=_sourced(edge, bundle, message.requester))
    except Unprocessable as fault:
        raise ContentRefused(FATAL, fault.issues) from fault


def _acknowledgement(header: dict[str, Any], message: Message) -> Acknowledgement:
    """Which notice is acknowledged, and how. Raises Unprocessable."""
    notice, code = (header.get("response") or {}).get("identifier"), acknowledgement_of(header)
    if not notice:
        where = "Bundle.entry[0].resource.response.identifier"
        raise Unprocessable("response.identifier is the id of the notice.", where=where, code="required")
    if not code:
        where = "Bundle.entry[0].resource.reason"
        raise Unprocessable("reason is a code of the code system acknowledgement.", where=where, code="code-invalid")
    return Acknowledgement(message.requester, str(notice), code, request_id=message.request_id)


def _contact(bundle: dict[str, Any], message: Message) -> Any:
    """The call-back request that the message carries. Raises Unprocessable."""
    found = [entry["resource"] for entry in bundle["entry"][1:] if entry["resource"].get("resourceType") == "Parameters"]
    if len(found) != 1:
        raise Unprocessable("A contact-requested carries one Parameters.", where="Bundle.entry", code="structure")
    return read_request(found[0], message.requester, message.request_id)


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
    known = event.get("code") in edge.context.topics or event.get("code") in ASKED_BY_MESSAGE
    if event.get("system") != systems.code_system("topic", edge.context.base) or not known:
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


def _receivers(header: dict[str, Any], edge: Edge) -> tuple[str, ...]:
    """The ODS codes of the organisations that the message is for where it is addressed to us; a reference or a name is none."""
    ours = [one for one in header.get("destination", ()) if one.get("endpoint") in _addresses(edge)]
    named = [identity(one.get("receiver")).partition("|") for one in ours]
    return tuple(value for system, _, value in named if system == systems.ODS_CODE)


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


def _sourced(edge: Edge, bundle: dict[str, Any], requester: Requester) -> tuple[Sourced, ...]:
    """What the message says of people, by the map of the format ``fhir``."""
    data = orjson.dumps({"resourceType": "Bundle", "type": "collection", "entry": bundle["entry"]})
    mapped = list(read(edge.context.mappings, "fhir", data, Sender(requester.agency, base=edge.context.base)))
    faults = [issue for one in mapped for issue in one.faults]
    if faults:
        raise Unprocessable.of([Issue(issue.text, issue.code, issue.where) for issue in faults])
    return tuple(_resources(mapped))


def _resources(mapped: list[Mapped]) -> Iterator[Sourced]:
    for one in mapped:
        yield from one.resources
