"""A receiver says what it makes of a notice: taken up, already known, passed on, not ours, more needed.

Who sent it sees that it was received; the rest only where the receiver's agreement lets it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.notices.acknowledgements import Awaited, Said, record_acknowledgement
from gateway.exchanges.outbox.stored_notices import open_notice
from gateway.fhir.outcomes import NotFound
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import clock, feedback
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "acknowledge_notice"
NOT_HERE = "There is no such notice, or it is not addressed to you."
RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What is said of a notice, in a code of the code system acknowledgement."""

    requester: Requester
    notice: str
    code: str
    note: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The receipt."""

    notice: str
    code: str
    at: int


def acknowledge_notice(ctx: Context, ask: Acknowledgement, moment: Moment) -> Story[Acknowledged]:
    """Acknowledge one of one's own agency's notices. Raises NotFound."""
    check_current(ask.requester, moment)
    return (yield from acknowledge(ctx, ask, moment))


def acknowledge(ctx: Context, ask: Acknowledgement, moment: Moment) -> Generator[Any, Any, Outcome[Acknowledged]]:
    """The same within an exchange that has checked who asks."""
    requester = ask.requester
    said = Said("", ask.code, requester.user, requester.client_id, ask.note)
    known = yield from record_acknowledgement(ctx, ask.notice, requester.agency, said, moment)
    if known is None:
        raise NotFound(NOT_HERE)
    rows = yield Read(feedback.NOTICE_ROW, {"id": ask.notice})
    nhs = open_notice(ctx, rows[0]).nhs if rows else ""
    receipt = Acknowledged(ask.notice, known.said.code, known.answered or moment.at)
    return Outcome(receipt, tuple(entries_of(ctx, ask, known, nhs, moment)))


def entries_of(ctx: Context, ask: Acknowledgement, known: Awaited, nhs: str, moment: Moment) -> list[Entry]:
    """One line for the receiver, and one for who sent it: with as much of the answer as the receiver lets it see."""
    patient = f"{NHS_NUMBER}|{nhs}" if nhs else ""
    mine = line(
        NAME, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=patient,
        disclosure=known.notice, detail=(("notice", known.notice), ("result", known.said.code)),
    )  # fmt: skip
    seen = known.said.code if ctx.agreements.says_what_came(known.receiver, clock.day(moment.at)) else RECEIVED
    theirs = line(
        NAME, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=patient, custodian=known.owner,
        disclosure=known.notice, detail=(("notice", known.notice), ("result", seen)), asked=False,
    )  # fmt: skip
    return [mine] if known.owner == known.receiver else [mine, theirs]
