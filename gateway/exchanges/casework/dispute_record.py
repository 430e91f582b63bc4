"""The person says that a line is wrong: taken down, brought to whose record it is, and shown with the line.

On the agency's own record the marker ``disputed-by-person`` stands at once, and a colleague has the question in the queue.
Another agency gets the question if it holds the person; the marker is its own to set, for each writes its own records.
Whoever takes it down hears the same whether that agency holds anybody or not.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.by_hand import OwnPatient, check_staff
from gateway.exchanges.casework.markers import DISPUTED, MarkRequest, put_marker
from gateway.exchanges.casework.questions import Answered, closing, on_record, taken_up
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.grounds import NONE, Grounds, entries, reach
from gateway.exchanges.reviews import Matter, opening
from gateway.fhir.outcomes import Unprocessable
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write

NAME = "dispute_record"
WRONG = "disputed"  # kind of review
SAID_BY = ("the-person", "a-parent", "a-representative")
NO_OWNER = "Choose whose record is said to be wrong."
NOT_OFFERED = "This is not one of the choices."


@dataclass(frozen=True, slots=True)
class Dispute:
    """Whose record (``owner``, ODS code) says what wrongly about whom, in the words of who says so. For another agency
    also for which purpose it is brought there, and who may be rung."""

    requester: Requester
    person: OwnPatient
    owner: str
    sentence: str
    said_by: str
    grounds: Grounds = NONE
    name: str = ""
    phone: str = ""
    request_id: str = ""


def dispute_record(ctx: Context, ask: Dispute, moment: Moment) -> Story[None]:
    """Take it down. Raises Unprocessable; for another agency's record TooMany and Forbidden, by the request alone."""
    check_staff(ask.requester, moment)
    if ask.owner not in moment.feeds:
        raise Unprocessable(NO_OWNER, where="owner", code="not-found")
    if ask.said_by not in SAID_BY:
        raise Unprocessable(NOT_OFFERED, where="said_by", code="code-invalid")
    if ask.owner == ask.requester.agency:
        mark = MarkRequest(ask.requester, ask.person, DISPUTED, request_id=ask.request_id)
        marked = yield from put_marker(ctx, mark, moment)
        yield _item(ctx, ask, moment)
        return Outcome(None, (*marked.audit, _line(ask, moment)))
    person = ask.person
    holders = yield from reach(ctx, ask.requester, person.nhs, person.birth_date, ask.grounds, moment)
    reached = [one for one in holders if one == ask.owner]
    if reached:
        yield _item(ctx, ask, moment)
    told = {"request_id": ask.request_id, "patient": person.identity, "detail": _said(ask)}
    return Outcome(None, entries(ctx, NAME, ask.requester, moment, ask.grounds, reached, **told))


def accept_dispute(ctx: Context, ask: Answered, moment: Moment) -> Story[None]:
    """The owner's people mark the record as disputed, and say what they do about it. Raises NotFound, Conflict, Forbidden."""
    item = yield from taken_up(ctx, ask, WRONG, moment)
    person = OwnPatient(item.matter.patient.rpartition("|")[2])
    yield from put_marker(ctx, MarkRequest(ask.requester, person, DISPUTED, request_id=ask.request_id), moment)
    yield from closing(ctx, ask, item, moment, in_order=False)
    return on_record("accept_dispute", ask, item, "marked", moment)


def close_dispute(ctx: Context, ask: Answered, moment: Moment) -> Story[None]:
    """The owner's people have looked, and the record stands as it is. Raises as above."""
    item = yield from taken_up(ctx, ask, WRONG, moment)
    yield from closing(ctx, ask, item, moment, in_order=True)
    return on_record("close_dispute", ask, item, "stands", moment)


def _item(ctx: Context, ask: Dispute, moment: Moment) -> Write:
    """For who keeps the record: what is said to be wrong, by whom, and whom to ring."""
    requester = ask.requester
    stated = (("said", ask.sentence), ("said-by", ask.said_by), ("name", ask.name), ("phone", ask.phone))
    matter = Matter(
        requester.agency, requester.user, requester.client_id, requester.role, ask.person.identity, ask.grounds.purpose,
        ask.grounds.case_reference, tuple((name, value) for name, value in stated if value),
    )  # fmt: skip
    return opening(ctx, WRONG, ask.owner, matter, moment, new_id())


def _said(ask: Dispute) -> tuple[tuple[str, str], ...]:
    """That it was said; the words are with whose record it is."""
    return (("said-by", ask.said_by),)


def _line(ask: Dispute, moment: Moment) -> Entry:
    return line(
        NAME,
        ask.requester,
        moment,
        Kind.RECEIVED,
        DONE,
        request_id=ask.request_id,
        patient=ask.person.identity,
        detail=_said(ask),
    )
