"""A call-back request: the asker leaves a number; who holds a record of the person, if anybody does, sees it.

Charged and on record like a lookup, behind the same gates. The receipt says nothing of anybody: it is the same for a
stranger, for somebody known, shielded or adopted. Whom the record belongs to decides whether and what to say on the phone.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.call_backs import CallBack, row_of
from gateway.exchanges.charge import charge_now
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.look_up_status import LookupRequest, check_gate
from gateway.exchanges.reviews import working_days_after
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import feedback, people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "request_contact"
WORKING_DAYS = 1


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """Who wants to be rung back, about whom, what for. ``birth_date`` is for the owner's eyes."""

    requester: Requester
    nhs: str
    birth_date: str
    purpose: str
    name: str
    phone: str
    reason: str = ""
    case_reference: str = ""
    case_owner: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """That the request is kept. The id is nobody's: it leads to no row."""

    id: str
    at: int


def request_contact(ctx: Context, ask: ContactRequest, moment: Moment) -> Story[Receipt]:
    """Leave a number. Raises TooMany and Forbidden, both by the request alone."""
    check_current(ask.requester, moment)
    return (yield from leave_number(ctx, ask, moment))


def leave_number(ctx: Context, ask: ContactRequest, moment: Moment) -> Generator[Any, Any, Outcome[Receipt]]:
    """The same within an exchange that has checked who asks."""
    yield from charge_now(ctx, ask.requester, ask.nhs or ask.birth_date, moment)
    lookup = LookupRequest(
        ask.requester, ask.nhs, ask.birth_date, verified=True, purpose=ask.purpose, case_reference=ask.case_reference,
        case_owner=ask.case_owner, reason=ask.reason,
    )  # fmt: skip
    check_gate(ctx, lookup, moment)
    owners = yield from _owners(ctx, ask)
    for owner in owners:
        yield Write(feedback.ADD_CALL_BACK, row_of(ctx, owner, _call_back(ctx, ask, moment)))
    return Outcome(Receipt(new_id(), moment.at), _entries(ctx, ask, owners, moment))


def _owners(ctx: Context, ask: ContactRequest) -> Generator[Any, Any, list[str]]:
    """The agencies that hold the person, but for the asker's own; whatever keeps their records back is theirs to judge."""
    if not ask.nhs:
        return []
    token = ctx.vault.nhs_token(ask.nhs)
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": token}, (token,))))
    return sorted({row.agency for row in rows} - {ask.requester.agency})


def _call_back(ctx: Context, ask: ContactRequest, moment: Moment) -> CallBack:
    requester = ask.requester
    return CallBack(
        id=new_id(), person=f"{NHS_NUMBER}|{ask.nhs}", asker=requester.agency, asker_name="", user=requester.user,
        role=requester.role, name=ask.name, phone=ask.phone, purpose=ask.purpose, reason=ask.reason, made=moment.at,
        due=working_days_after(moment.at, WORKING_DAYS, ctx.holidays),
    )  # fmt: skip


def _entries(ctx: Context, ask: ContactRequest, owners: list[str], moment: Moment) -> tuple[Entry, ...]:
    """One line for the asker, whatever came of it, and one for each owner."""
    told = {
        "purpose": ask.purpose, "case_reference": ask.case_reference, "request_id": ask.request_id,
        "patient": f"{NHS_NUMBER}|{ask.nhs}" if ask.nhs else "", "policy": ctx.agreements.version,
    }  # fmt: skip
    mine = line(NAME, ask.requester, moment, Kind.NEGATIVE, DONE, custodian="", **told)
    return (mine, *(line(NAME, ask.requester, moment, Kind.NEGATIVE, DONE, custodian=one, asked=False, **told) for one in owners))
