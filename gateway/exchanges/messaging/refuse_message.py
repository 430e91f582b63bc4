"""A FHIR message whose content cannot be taken: a response message that says so, and why.

A fatal-error is kept, for a repeat gets the first answer; a transient-error is not: the same message may come again and
be processed then.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import REFUSED
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current
from gateway.exchanges.messaging.messages import (
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
from gateway.fhir.outcomes import Issue
from gateway.notification.answers import FATAL
from gateway.store.ledger import Moment, Outcome, Story

NAME = "refuse_message"


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message, and why what it says cannot be taken: ``fatal-error`` or ``transient-error``."""

    message: Message
    code: str
    issues: tuple[Issue, ...]


def refuse_message(ctx: Context, refused: RefusedMessage, moment: Moment) -> Story[Reply]:
    """Answer it. Raises what ``receive_message`` raises for ids and endpoints."""
    message = refused.message
    check_current(message.requester, moment)
    check_target(ctx, message, moment)
    before = yield from take(ctx, message)
    if before is not None:
        return (yield from again(ctx, message, NAME, before[1], moment))
    body = response(ctx, message, moment, refused.code, refused.issues)
    if refused.code == FATAL:
        yield from keep(ctx, message, body, moment)
    yield from send_later(ctx, message, body, moment)
    return Outcome(Reply(body, refused.code, False), (message_line(NAME, message, moment, REFUSED, "", refused.code),))
