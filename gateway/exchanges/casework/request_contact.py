"""A call-back request: the asker leaves a number; who holds a record of the person, if anybody does, sees it.

Charged and on record like a lookup, behind the same gates. The receipt says nothing of anybody: it is the same for a
stranger, for somebody known, shielded or adopted. Whom the record belongs to decides whether and what to say on the phone.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.call_backs import CallBack, row_of
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current
from gateway.exchanges.lookup.grounds import Grounds, entries, reach
from gateway.exchanges.reviews import working_days_after
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import feedback
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write

NAME = "request_contact"
WORKING_DAYS = 1


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """Who wants to be rung back, about whom, what for. ``birth_date`` is for the owner's eyes."""

    requester: Requester
    nhs: str
    birth_date: str
    grounds: Grounds
    name: str
    phone: str
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
    owners = yield from reach(ctx, ask.requester, ask.nhs, ask.birth_date, ask.grounds, moment)
    for owner in owners:
        yield Write(feedback.ADD_CALL_BACK, row_of(ctx, owner, _call_back(ctx, ask, moment)))
    told = {"request_id": ask.request_id, "patient": f"{NHS_NUMBER}|{ask.nhs}" if ask.nhs else ""}
    return Outcome(Receipt(new_id(), moment.at), entries(ctx, NAME, ask.requester, moment, ask.grounds, owners, **told))


def _call_back(ctx: Context, ask: ContactRequest, moment: Moment) -> CallBack:
    requester = ask.requester
    return CallBack(
        id=new_id(), person=f"{NHS_NUMBER}|{ask.nhs}", asker=requester.agency, asker_name="", user=requester.user,
        role=requester.role, name=ask.name, phone=ask.phone, purpose=ask.grounds.purpose, reason=ask.grounds.reason, made=moment.at,
        due=working_days_after(moment.at, WORKING_DAYS, ctx.holidays),
    )  # fmt: skip
