"""A relationship that somebody took down, confirmed or not.

By a second person of the agency whose record it is: it is no longer unconfirmed. By another agency that holds the other
person: that agency states what its own record says, as a record of its own; it is told nothing of whom the asker meant,
and the asker nothing of the answer. Whether what both say meets is found by the next decision, for those who may hear it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gateway.exchanges.casework.by_hand import KEY
from gateway.exchanges.casework.questions import Answered, closing, on_record, taken_up
from gateway.exchanges.casework.record_relationship import NOT_ONESELF, TO_CONFIRM
from gateway.exchanges.context import Context
from gateway.exchanges.records.apply import apply
from gateway.exchanges.reviews import Item
from gateway.fhir import systems
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.mapping.records import Op, Resource, Sourced
from gateway.store import people
from gateway.store.ledger import Moment, Story
from gateway.store.people import Held
from gateway.store.sql import Read

GONE = "The relationship is no longer on your record: say so instead of confirming it."
THEIRS = "Another organisation asks this: state the relationship as your own record has it."
OURS = "This is on your own record: confirm it, or say that it is wrong."


def confirm_relationship(ctx: Context, ask: Answered, moment: Moment) -> Story[None]:
    """Confirm what a colleague took down. Raises NotFound, Conflict, Forbidden for who took it down."""
    item = yield from taken_up(ctx, ask, TO_CONFIRM, moment)
    held = yield from _taken_down(ctx, ask, item)
    if held is None:
        raise Conflict(GONE)
    told = [one for one in held.body.get("extension", ()) if not str(one.get("url", "")).endswith("/unconfirmed")]
    confirmed = {**held.body, "extension": told}
    yield from apply(ctx, ask.requester.agency, [Sourced(held.key, confirmed, Op.REPLACE)], moment)
    yield from closing(ctx, ask, item, moment, in_order=True)
    return on_record("confirm_relationship", ask, item, "confirmed", moment)


def state_relationship(ctx: Context, ask: Answered, moment: Moment) -> Story[None]:
    """State, for another agency that asks, with whom one's own record has this relationship. Raises as above."""
    item = yield from taken_up(ctx, ask, TO_CONFIRM, moment)
    if item.matter.agency == ask.requester.agency:
        raise Conflict(OURS)
    if item.matter.patient == f"{systems.NHS_NUMBER}|{ask.nhs}":
        raise Unprocessable(NOT_ONESELF, where="nhs", code="business-rule")
    yield from apply(ctx, ask.requester.agency, [_stated(ctx, ask, item)], moment)
    yield from closing(ctx, ask, item, moment, in_order=True)
    return on_record("state_relationship", ask, item, "stated", moment)


def reject_relationship(ctx: Context, ask: Answered, moment: Moment) -> Story[None]:
    """Say that it is not so, or not known here. What a colleague took down no longer stands. Raises as above."""
    item = yield from taken_up(ctx, ask, TO_CONFIRM, moment)
    if item.matter.agency == ask.requester.agency:
        held = yield from _taken_down(ctx, ask, item)
        if held is not None:
            yield from apply(ctx, ask.requester.agency, [Sourced(held.key, held.body, Op.RETRACT)], moment)
    yield from closing(ctx, ask, item, moment, in_order=False)
    return on_record("reject_relationship", ask, item, "rejected", moment)


def _taken_down(ctx: Context, ask: Answered, item: Item) -> Generator[Any, Any, Held | None]:
    """The relationship on the agency's own record; None where it was taken back. Raises Conflict for another's question."""
    if item.matter.agency != ask.requester.agency:
        raise Conflict(THEIRS)
    wanted = {"agency": ask.requester.agency, "type": "RelatedPerson", "id": dict(item.matter.why).get("record", "")}
    rows = yield Read(people.OWN_RECORD, wanted)
    if not rows:
        return None
    held = people.open_record(people.open_person(ctx.vault, rows[0][:5]).cipher, rows[0][5:])
    return held if held.body.get("active", True) else None


def _stated(ctx: Context, ask: Answered, item: Item) -> Sourced:
    """The agency's own record: who its person is related to, and that it is staff who say so."""
    system, _, number = item.matter.patient.partition("|")
    role = dict(item.matter.why)["relationship"]
    related: Resource = {
        "resourceType": "RelatedPerson",
        "meta": {"profile": [systems.UKCORE_RELATED]},
        "extension": [{"url": systems.extension("told-by", ctx.base), "valueCode": "a-professional"}],
        "identifier": [{"system": systems.NHS_NUMBER, "value": ask.nhs}],
        "active": True,
        "patient": {"type": "Patient", "identifier": {"system": system, "value": number}},
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": role}]}],
    }
    return Sourced(f"{KEY}/related/{number}/{role}/{ask.nhs}", related, Op.REPLACE)
