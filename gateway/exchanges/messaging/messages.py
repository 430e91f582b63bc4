"""A FHIR message as its exchanges see it: who sent it, from where, with which ids; and its response bundle.

The four rows of the reliable cache (FHIR R4 messaging): both ids new, process; both seen, the first answer again; message
seen in a new bundle, a resubmission, the first answer again; a seen bundle with a new message, an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.request_contact import ContactRequest
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.messaging.replies import queued
from gateway.exchanges.notices.acknowledge_notice import Acknowledgement
from gateway.fhir import systems
from gateway.fhir.bundles import uuid_of
from gateway.fhir.outcomes import Conflict, Issue, NotFound, Unprocessable, outcome
from gateway.mapping.records import Sourced
from gateway.notification.answers import FATAL, OK, TRANSIENT
from gateway.store import clock, outbox, standing
from gateway.store.ledger import Moment, Outcome
from gateway.store.sql import Hold, Read, Write

Resource = dict[str, Any]
PROCESS = "/$process-message"
REUSED = "This Bundle.id was used before for another message. Send each message in a bundle with an id of its own."
OTHER_BODY = "This message id was used before with other content. Give each message an id of its own."
NOT_REGISTERED = "This endpoint is not registered for your software: ask the operator of this gateway to register it."
NOT_SERVED = "{} names nobody who is served here."
TARGET, RECEIVER = "NHSD-Target-Identifier", "Bundle.entry[0].resource.destination.receiver"
SOURCE = "Bundle.entry[0].resource.source.endpoint"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read and checked at the edge. What it says is one of ``sourced``, ``acknowledges``, ``contact``."""

    requester: Requester
    bundle_id: str
    message_id: str
    event: str
    endpoint: str  # MessageHeader.source.endpoint
    content: bytes  # what the digest is made of: everything but the bundle's id and time
    sourced: tuple[Sourced, ...] = ()  # mapped records
    acknowledges: Acknowledgement | None = None
    contact: ContactRequest | None = None
    answer_later: bool = False  # async=true
    answer_to: str = ""  # response-url
    target: str = ""  # system|value of NHSD-Target-Identifier
    receivers: tuple[str, ...] = ()  # ODS codes of MessageHeader.destination.receiver at our own address
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response bundle, what it says, and whether it was given before."""

    body: bytes
    code: str  # ok | transient-error | fatal-error
    repeated: bool


class ContentRefused(Exception):
    """What the message says cannot be taken: ``code`` says for ever (fatal-error) or for now (transient-error)."""

    def __init__(self, code: str, issues: tuple[Issue, ...]):
        super().__init__(code)
        self.code, self.issues = code, issues


def take(ctx: Context, message: Message) -> Generator[Any, Any, tuple[bytes, bytes] | None]:
    """Hold the message against its own repeats; digest and response of the same message, if it was received before.

    Raises Unprocessable for an endpoint that is not the sender's, NotFound for another's message, Conflict for a reused id.
    """
    sender = message.requester.agency
    yield Hold((ctx.vault.token("inbox", sender, message.message_id),))
    same, bundled, registered = yield (
        Read(outbox.MESSAGE_BY_HEADER, {"sender": sender, "message": message.message_id}),
        Read(outbox.MESSAGE_BY_BUNDLE, {"sender": sender, "bundle": message.bundle_id}),
        Read(standing.CLIENT, {"id": message.requester.client_id}),
    )
    _check_endpoints(message, (registered[0][8] or "") if registered else "")
    if bundled and bundled[0][0] != message.message_id:
        raise Conflict(REUSED)
    if same and same[0][1] != digest_of(ctx, message):
        raise Conflict(OTHER_BODY)
    return (same[0][1], same[0][2]) if same else None


def check_target(ctx: Context, message: Message, moment: Moment) -> None:
    """Whether a message that names its target or a receiver means us: organisations served here, or our own address."""
    system, _, value = message.target.partition("|")
    if message.target and not (_is_served(value, moment) if system == systems.ODS_CODE else value == ctx.url):
        raise NotFound(NOT_SERVED.format(TARGET), where=TARGET)
    if not all(_is_served(code, moment) for code in message.receivers):
        raise NotFound(NOT_SERVED.format("destination.receiver"), where=RECEIVER)


def _is_served(code: str, moment: Moment) -> bool:
    return code.upper() in {one.upper() for one in moment.feeds}


def _check_endpoints(message: Message, registered: str) -> None:
    """Answers are posted to endpoints that are registered for the client alone, and one that has any sends from none but
    those. Raises Unprocessable.

    A client without any is answered where it asked, so its source.endpoint is a name and nothing rests on it.
    """
    known = {plain_endpoint(one) for one in registered.split()}
    if plain_endpoint(message.endpoint) not in known and (known or message.answer_later):
        raise Unprocessable(NOT_REGISTERED, where=SOURCE, code="business-rule")
    if message.answer_to and plain_endpoint(message.answer_to) not in known:
        raise Unprocessable(NOT_REGISTERED, where="response-url", code="business-rule")


def plain_endpoint(url: str) -> str:
    """An endpoint without the operation's name."""
    return url.rstrip("/").removesuffix(PROCESS)


def digest_of(ctx: Context, message: Message) -> bytes:
    """A keyed token of what the message says."""
    return ctx.vault.token("message", hashlib.sha256(message.content).hexdigest())


def keep(ctx: Context, message: Message, reply: bytes, moment: Moment) -> Generator[Any, Any, None]:
    """Keep the answer for every repeat. Raises Conflict where another message took the bundle's id meanwhile."""
    row = {
        "sender": message.requester.agency, "message": message.message_id, "bundle": message.bundle_id,
        "digest": digest_of(ctx, message), "response": reply, "received": moment.at,
    }  # fmt: skip
    if (yield Write(outbox.ADD_MESSAGE, row)) != 1:
        raise Conflict(REUSED)


def send_later(ctx: Context, message: Message, reply: bytes, moment: Moment) -> Generator[Any, Any, None]:
    """Queue the response of a message that was sent with ``async=true``. It asks for no answer to itself."""
    if message.answer_later:
        url = f"{plain_endpoint(message.answer_to or message.endpoint)}{PROCESS}?async=true"
        yield queued(ctx, message.requester, new_id(), url, reply, moment)


def again(ctx: Context, message: Message, name: str, response: bytes, moment: Moment) -> Generator[Any, Any, Outcome[Reply]]:
    """The first answer once more."""
    code = orjson.loads(response)["entry"][0]["resource"]["response"]["code"]
    yield from send_later(ctx, message, response, moment)
    return Outcome(Reply(response, code, True), (message_line(name, message, moment, DONE, "", "repeated"),))


def message_line(name: str, message: Message, moment: Moment, result: int, patient: str, came: str) -> Entry:
    """A line of the access log about one message."""
    detail = (("event", message.event), ("message", message.message_id), ("result", came))
    return line(
        name, message.requester, moment, Kind.RECEIVED, result, patient=patient, request_id=message.request_id, detail=detail,
        refusal="" if result == DONE else "error",
    )  # fmt: skip


def response(ctx: Context, message: Message, moment: Moment, code: str = OK, issues: tuple[Issue, ...] = ()) -> bytes:
    """The response message: to whom, for which request, what came of it; where it was refused with an OperationOutcome."""
    header, told = new_id(), new_id()
    said: Resource = {"identifier": message.message_id, "code": code}
    if code in (FATAL, TRANSIENT):
        said["details"] = {"reference": f"urn:uuid:{uuid_of(told)}"}
    resource: Resource = {
        "resourceType": "MessageHeader",
        "id": header,
        "eventCoding": {"system": systems.code_system("topic", ctx.base), "code": message.event},
        "destination": [{"endpoint": message.endpoint}],
        "source": {"name": ctx.name, "endpoint": f"{ctx.url}{PROCESS}"},
        "response": said,
    }
    entries = [{"fullUrl": f"urn:uuid:{uuid_of(header)}", "resource": resource}]
    if "details" in said:
        entries.append({"fullUrl": f"urn:uuid:{uuid_of(told)}", "resource": {**outcome(issues), "id": told}})
    bundle = {
        "resourceType": "Bundle",
        "id": new_id(),
        "type": "message",
        "timestamp": clock.instant(moment.at),
        "entry": entries,
    }
    return orjson.dumps(bundle)
