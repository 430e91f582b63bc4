"""An HL7 v2 message in by its own transport: taken once by its number, whole or not at all.

The number (MSH-10) is the sending application's own. The same message again gets the same answer and changes nothing; the
number with other content is refused, for one of the two would be lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.records.receive_record import Record, receive_record
from gateway.fhir.outcomes import Conflict, Issue
from gateway.mapping.records import Mapped
from gateway.store import outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Write

NAME = "receive_hl7"
REUSED = "This message number (MSH-10) was used before with other content. Give each message a number of its own."


@dataclass(frozen=True, slots=True)
class Hl7Message:
    """A message that was read and mapped. ``application`` and ``facility`` are MSH-3 and MSH-4, ``number`` is MSH-10."""

    requester: Requester
    application: str
    facility: str
    number: str
    content: bytes
    mapped: tuple[Mapped, ...]


@dataclass(frozen=True, slots=True)
class Hl7Receipt:
    """What came of it."""

    repeated: bool
    notices: int = 0
    warnings: tuple[Issue, ...] = ()  # of the maps, and of what stood there before


def receive_hl7(ctx: Context, message: Hl7Message, moment: Moment) -> Story[Hl7Receipt]:
    """Apply a message once. Raises Conflict for a number with other content, Unprocessable where a rule refuses it."""
    sender = message.requester.agency
    key = ctx.vault.token("hl7-number", sender, message.application, message.facility, message.number)
    digest = ctx.vault.token("hl7-content", hashlib.sha256(message.content).hexdigest())
    yield Hold((key,))
    rows = yield Read(outbox.MESSAGE_BY_HEADER, {"sender": sender, "message": key.hex()})
    if rows and bytes(rows[0][1]) != digest:
        raise Conflict(REUSED, where="MSH-10", code="duplicate")
    if rows:
        return Outcome(Hl7Receipt(repeated=True), (_repeated(message, moment),))
    row = {"sender": sender, "message": key.hex(), "bundle": key.hex(), "digest": digest, "response": b"AA"}
    if (yield Write(outbox.ADD_MESSAGE, {**row, "received": moment.at})) != 1:
        raise Conflict(REUSED, where="MSH-10", code="duplicate")
    return (yield from _apply(ctx, message, moment))


def _apply(ctx: Context, message: Hl7Message, moment: Moment) -> Generator[Any, Any, Outcome[Hl7Receipt]]:
    entries: list[Entry] = []
    notices, warnings = 0, list[Issue]()
    for one in message.mapped:
        done = yield from receive_record(
            ctx, Record(message.requester, one, file=hashlib.sha256(message.content).hexdigest()), moment
        )
        entries += done.audit
        notices += done.answer.notices
        warnings += [*one.warnings, *done.answer.warnings]
    return Outcome(Hl7Receipt(repeated=False, notices=notices, warnings=tuple(warnings)), tuple(entries))


def _repeated(message: Hl7Message, moment: Moment) -> Entry:
    return line(NAME, message.requester, moment, Kind.RECEIVED, DONE, detail=(("result", "repeated"),))
