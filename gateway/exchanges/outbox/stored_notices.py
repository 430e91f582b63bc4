"""Rows of the outbox, opened, and the lines that they leave in the access log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.audit.entry import Entry, Kind
from gateway.exchanges.context import Context, entry_id
from gateway.exchanges.outbox.subscriptions import Subscribed
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import outbox
from gateway.store.ledger import Moment
from gateway.store.sql import Row
from gateway.store.vault import open_sealed

HANDSHAKE = outbox.HANDSHAKE
WIDTH = len(outbox.COLUMNS)


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the outbox, opened."""

    id: str
    subscription: str
    owner: str
    receiver: str
    person: str  # the owner's row
    topic: str
    state: str
    attempts: int
    epoch: int
    number: int | None
    created: int
    tried_since: int
    happened: str
    reason: str
    status: bool
    was_inpatient: bool
    nhs: str
    record: str = ""  # the owner's record that it tells of, where it tells of one
    corrects: tuple[str, ...] = ()  # earlier notices that were wrong
    extra: dict[str, Any] = field(default_factory=dict)
    respond_by: int = 0  # by when somebody says what they make of it; 0: nobody needs to


def open_notice(ctx: Context, row: Row) -> Stored:
    """A row of the table ``outbox``, columns in its order. Raises Broken."""
    body = orjson.loads(open_sealed(ctx.vault.shelf("outbox"), row[8], row[0]))
    return Stored(
        row[0], row[1], row[3], row[2], row[4], body.get("topic", row[7]), row[9], row[10], row[13], row[14],
        row[16], row[18] or row[16],
        body["happened"], body["reason"], body["status"], body["was_inpatient"], body["nhs"],
        body.get("record", ""), tuple(body.get("corrects", ())), body.get("extra", {}),
    )  # fmt: skip


def notice_entry(
    name: str, subscribed: Subscribed, stored: Stored, moment: Moment, ctx: Context, kind: Kind, outcome: int,
    told: str = "", number: int | None = None, **more: Any,
) -> Entry:  # fmt: skip
    """A line of the access log about one notice: to whom, about whom, on what basis.

    Its number stands there where the holder is the receiver: to another holder a gap in the numbers would tell of
    notices that were not its own.
    """
    detail = [("notice", stored.id), ("topic", told or stored.topic), ("attempt", str(stored.attempts + 1))]
    if number and stored.owner == subscribed.agency:
        detail.append(("number", str(number)))
    detail += [("corrects", one) for one in stored.corrects[:MOST_NAMED]]
    return Entry(
        id=entry_id(moment.at),
        recorded=moment.at,
        exchange=name,
        outcome=outcome,
        kind=kind,
        requester=subscribed.agency,
        custodian=stored.owner,
        client=subscribed.requester.client_id,
        user=subscribed.requester.user,
        role=subscribed.requester.role,
        purpose=subscribed.purpose,
        case_reference=subscribed.case_reference,
        patient=f"{NHS_NUMBER}|{stored.nhs}" if stored.nhs else "",
        policy=ctx.agreements.version,
        disclosure=stored.id,
        detail=tuple(detail),
        asked=False,
        **more,
    )


MOST_NAMED = 50  # earlier notices in one entry; the row names them all
