"""A FHIR message in (``$process-message``): idempotent on Bundle.id and MessageHeader.id, per sender.

The answer never depends on whether anybody is known here. What cannot be taken undoes all of it; ``refuse_message`` then
says so in the response.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gateway.audit.entry import DONE, Entry
from gateway.exchanges.casework.request_contact import leave_number
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current
from gateway.exchanges.messaging.messages import (
    ContentRefused,
    Message,
    Reply,
    again,
    check_target,
    keep,
    message_line,
    response,
    send_later,
    take,
)
from gateway.exchanges.notices.acknowledge_notice import acknowledge
from gateway.exchanges.records.apply import apply
from gateway.fhir.elements import identifiers, identity
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound, TooMany, Unprocessable
from gateway.mapping.records import Sourced
from gateway.notification.answers import FATAL, OK, TRANSIENT
from gateway.store import standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write

NAME = "receive_message"


def receive_message(ctx: Context, message: Message, moment: Moment) -> Story[Reply]:
    """Process a message once. Raises Conflict for a reused id, Unprocessable and NotFound for what is not for us or not
    from the sender, ContentRefused where a rule refuses what it says."""
    check_current(message.requester, moment)
    check_target(ctx, message, moment)
    before = yield from take(ctx, message)
    if before is not None:
        return (yield from again(ctx, message, NAME, before[1], moment))
    body = response(ctx, message, moment)
    yield from keep(ctx, message, body, moment)
    try:
        lines = yield from _process(ctx, message, moment)
    except TooMany as fault:
        raise ContentRefused(TRANSIENT, fault.issues) from fault
    except (Unprocessable, NotFound, Forbidden, Conflict) as fault:
        raise ContentRefused(FATAL, fault.issues) from fault
    yield from send_later(ctx, message, body, moment)
    return Outcome(Reply(body, OK, False), lines)


def _process(ctx: Context, message: Message, moment: Moment) -> Generator[Any, Any, tuple[Entry, ...]]:
    """Do what the message says; gives its lines of the access log."""
    if message.acknowledges is not None:
        said = yield from acknowledge(ctx, message.acknowledges, moment)
        return (message_line(NAME, message, moment, DONE, "", "acknowledged"), *said.audit)
    if message.contact is not None:
        asked = yield from leave_number(ctx, message.contact, moment)
        return (message_line(NAME, message, moment, DONE, "", "asked"), *asked.audit)
    sender = message.requester.agency
    applied = yield from apply(ctx, sender, message.sourced, moment)
    yield Write(standing.TOUCH_FEED, {"agency_code": sender, "as_of": moment.at})
    patients = sorted(filter(None, {_subject(one) for one in message.sourced})) or [""]
    return tuple(message_line(NAME, message, moment, DONE, patient, str(len(applied.written))) for patient in patients)


def _subject(one: Sourced) -> str:
    resource = one.resource
    if resource.get("resourceType") == "Patient":
        return next(iter(identifiers(resource)), "")
    return identity(resource.get("subject") or resource.get("patient"))
