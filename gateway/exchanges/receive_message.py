"""A FHIR message in (``$process-message``): idempotent on Bundle.id and MessageHeader.id, per sender.

The four rows of the reliable cache (FHIR R4 messaging): both new, process; both seen, the first answer again; message
seen in a new bundle, a resubmission, the first answer again; a seen bundle with a new message, an error. The answer
never depends on whether anybody is known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.apply import apply
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.fhir import systems
from gateway.fhir.elements import identifiers, identity
from gateway.fhir.outcomes import Conflict
from gateway.mapping.records import Sourced
from gateway.store import clock, outbox, standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Write

NAME = "receive_message"
Resource = dict[str, Any]
REUSED = "This Bundle.id was used before for another message. Send each message in a bundle with an id of its own."
OTHER_BODY = "This message id was used before with other content. Give each message an id of its own."


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read and checked at the edge. ``sourced`` is what it says, mapped."""

    requester: Requester
    bundle_id: str
    message_id: str
    event: str
    endpoint: str  # MessageHeader.source.endpoint
    content: bytes  # what the digest is made of: everything but the bundle's id and time
    sourced: tuple[Sourced, ...]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response bundle, and whether it was given before."""

    body: bytes
    repeated: bool


def receive_message(ctx: Context, message: Message, moment: Moment) -> Story[Reply]:
    """Process a message once. Raises Conflict for a reused id, Unprocessable where a rule refuses the content."""
    check_current(message.requester, moment)
    sender = message.requester.agency
    yield Hold((ctx.vault.token("inbox", sender, message.message_id),))
    before = yield from _before(message)
    digest = hashlib.sha256(message.content).digest()
    if before is not None:
        return _again(message, moment, before, digest)
    row = {"sender": sender, "message": message.message_id, "bundle": message.bundle_id, "digest": digest}
    reply = orjson.dumps(_response(ctx, message, moment))
    if (yield Write(outbox.ADD_MESSAGE, {**row, "response": reply, "received": moment.at})) != 1:
        raise Conflict(REUSED)
    applied = yield from apply(ctx, sender, message.sourced, moment)
    yield Write(standing.TOUCH_FEED, {"agency_code": sender, "as_of": moment.at})
    patients = sorted(filter(None, {_subject(one) for one in message.sourced})) or [""]
    lines = tuple(_line(message, moment, DONE, patient, str(len(applied.written))) for patient in patients)
    return Outcome(Reply(reply, False), lines)


def _before(message: Message) -> Generator[Any, Any, tuple[bytes, bytes] | None]:
    """Digest and response of the same message, if it was received; raises Conflict for a reused bundle id."""
    sender = message.requester.agency
    same, bundled = yield (
        Read(outbox.MESSAGE_BY_HEADER, {"sender": sender, "message": message.message_id}),
        Read(outbox.MESSAGE_BY_BUNDLE, {"sender": sender, "bundle": message.bundle_id}),
    )
    if bundled and bundled[0][0] != message.message_id:
        raise Conflict(REUSED)
    return (same[0][1], same[0][2]) if same else None


def _again(message: Message, moment: Moment, before: tuple[bytes, bytes], digest: bytes) -> Outcome[Reply]:
    if before[0] != digest:
        raise Conflict(OTHER_BODY)
    return Outcome(Reply(before[1], True), (_line(message, moment, DONE, "", "repeated"),))


def _subject(one: Sourced) -> str:
    resource = one.resource
    if resource.get("resourceType") == "Patient":
        return next(iter(identifiers(resource)), "")
    return identity(resource.get("subject") or resource.get("patient"))


def _line(message: Message, moment: Moment, outcome: int, patient: str, result: str) -> Any:
    detail = (("event", message.event), ("message", message.message_id), ("result", result))
    return line(
        NAME, message.requester, moment, Kind.RECEIVED, outcome, patient=patient, request_id=message.request_id,
        detail=detail, refusal="error" if outcome == REFUSED else "",
    )  # fmt: skip


def _response(ctx: Context, message: Message, moment: Moment) -> Resource:
    """The response message: what was accepted, to whom, for which request."""
    header = new_id()
    resource: Resource = {
        "resourceType": "MessageHeader",
        "id": header,
        "eventCoding": {"system": systems.code_system("topic", ctx.base), "code": message.event},
        "destination": [{"endpoint": message.endpoint}],
        "source": {"name": ctx.name, "endpoint": f"{ctx.url}/$process-message"},
        "response": {"identifier": message.message_id, "code": "ok"},
    }
    uuid = f"{header[:8]}-{header[8:12]}-{header[12:16]}-{header[16:20]}-{header[20:]}"
    return {
        "resourceType": "Bundle",
        "id": new_id(),
        "type": "message",
        "timestamp": clock.instant(moment.at),
        "entry": [{"fullUrl": f"urn:uuid:{uuid}", "resource": resource}],
    }
