"""A subscription made or changed.

Making one passes the gates of a lookup and is on record like one. It never tells whether a person is known: every
well-formed request is accepted in the same way.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.decision import OVERSIGHT
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.charge import charge_now
from gateway.exchanges.lookup.grounds import Grounds, check_grounds
from gateway.exchanges.outbox.enqueue import Addressed, new_row, next_place, topic_token
from gateway.exchanges.outbox.stored_notices import HANDSHAKE
from gateway.exchanges.outbox.subscriptions import Subscribed, destination_of, found_under, open_subscription, seal_subscription
from gateway.fhir.outcomes import Forbidden, Gone, NotFound, PreconditionFailed, Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification.filters import Wanted
from gateway.notification.topics import WITHOUT_A_PERSON
from gateway.store import case_lists, clock, heartbeats, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

Resource = dict[str, Any]
NOT_HERE = "There is no such subscription, or it is not yours."
ENDED = "This subscription was deleted."
ANOTHER_SUBJECT = "Topic and filters of a subscription stay as they are: delete it and make another."
NOT_OVERSIGHT = "What befell your own records is told for the purpose audit, to software and users that may claim it."
NO_SUCH_LIST = "There is no such list (Group), or it is not yours."
HEARTBEAT = "backport-heartbeat-period"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A Subscription that was checked at the edge: topic, filters, channel and purpose are well formed."""

    requester: Requester
    resource: Resource
    topic: str
    wanted: Wanted
    purpose: str
    case_reference: str
    case_owner: str
    ends: int
    reason: str = ""
    id: str = ""  # empty: create
    expected: int | None = None
    request_id: str = ""


def subscribe(ctx: Context, ask: Subscribe, moment: Moment) -> Story[Subscribed]:
    """Create or update. Raises Forbidden at a gate, the same for everyone asked about."""
    check_current(ask.requester, moment)
    if not ask.id and ask.wanted.nhs:
        yield from charge_now(ctx, ask.requester, ask.wanted.nhs, moment)
    known = (yield from _known(ctx, ask)) if ask.id else None
    _check_gate(ctx, ask, moment)
    yield from _check_list(ask)
    identifier = ask.id or new_id()
    made = Subscribed(
        identifier, ask.requester.agency, ask.topic, found_under(ctx, ask.requester.agency, ask.wanted), _status(ask),
        known.events if known else 0, ask.ends, known.version + 1 if known else 1, moment.at, ask.resource, ask.requester,
        ask.purpose, ask.case_reference, ask.case_owner, ask.wanted.nhs, ask.reason, wanted=ask.wanted,
    )  # fmt: skip
    yield from write_subscription(ctx, made, moment, is_new=known is None)
    if made.status == "requested":
        yield from _enqueue_handshake(ctx, made, moment)
    return Outcome(made, (_line(made, ask, moment),))


def _status(ask: Subscribe) -> str:
    """A message channel is ready at once; a rest-hook after its handshake."""
    if ask.resource.get("status") == "off":
        return "off"
    return "active" if ask.resource["channel"]["type"] == "message" else "requested"


def _known(ctx: Context, ask: Subscribe) -> Generator[Any, Any, Subscribed]:
    rows = yield Read(outbox.LOCK_SUBSCRIPTION, {"id": ask.id})
    if not rows or rows[0][1] != ask.requester.agency:
        raise NotFound(NOT_HERE)
    known = open_subscription(ctx, rows[0])
    if known.deleted:
        raise Gone(ENDED)
    if ask.expected is not None and ask.expected != known.version:
        raise PreconditionFailed("The subscription has been changed since you read it. Read it again.")
    if (ask.topic, ask.wanted) != (known.topic, known.wanted):
        raise Unprocessable(ANOTHER_SUBJECT, where="Subscription.criteria", code="business-rule")
    return known


def _check_gate(ctx: Context, ask: Subscribe, moment: Moment) -> None:
    if ask.topic in WITHOUT_A_PERSON:
        if ask.purpose != OVERSIGHT or OVERSIGHT not in ask.requester.purposes:
            raise Forbidden(NOT_OVERSIGHT)
        return
    grounds = Grounds(ask.purpose, ask.case_reference, ask.case_owner, ask.reason)
    check_grounds(ctx, ask.requester, ask.wanted.nhs, "", grounds, moment)


def _check_list(ask: Subscribe) -> Generator[Any, Any, None]:
    """A list that is named is the agency's own; another's and none are the same."""
    if not ask.wanted.case_list or ask.id:
        return
    if not (yield Read(case_lists.LIST, {"id": ask.wanted.case_list, "agency": ask.requester.agency})):
        where = "Subscription._criteria.extension(backport-filter-criteria)"
        raise Unprocessable(NO_SUCH_LIST, where=where, code="not-found")


def write_subscription(ctx: Context, made: Subscribed, moment: Moment, *, is_new: bool) -> Generator[Any, Any, None]:
    """Write a subscription, and when its next heartbeat is due."""
    sealed = seal_subscription(ctx, made)
    destination = destination_of(ctx, made.channel.get("endpoint", ""))
    if is_new:
        row = {
            "id": made.id,
            "agency": made.agency,
            "topic": topic_token(ctx, made.topic),
            "person": made.person,
            "status": made.status,
            "body": sealed,
            "events": 0,
            "ends": made.ends,
            "version": 1,
            "updated": moment.at,
            "destination": destination,
        }
        yield Write(outbox.ADD_SUBSCRIPTION, row)
    else:
        changed = {"subscription_id": made.id, "new_status": made.status, "sealed": sealed, "destination": destination}
        yield Write(outbox.SET_SUBSCRIPTION, {**changed, "new_ends": made.ends, "at": moment.at})
        yield Write(outbox.TURN_WAITING, {"subscription_id": made.id, "destination": destination or made.agency})
        yield Write(heartbeats.FORGET_HEARTBEAT, {"subscription_id": made.id})
    period = made.of_channel(HEARTBEAT)
    if period and made.status != "off":
        due = moment.at + period * clock.SECOND
        yield Write(heartbeats.ADD_HEARTBEAT, {"subscription": made.id, "period": period, "due": due})


def _enqueue_handshake(ctx: Context, made: Subscribed, moment: Moment) -> Generator[Any, Any, None]:
    """A rest-hook is tried with a handshake before anything about a person goes there."""
    identifier = new_id()
    lane = ctx.vault.token("lane", made.agency, f"handshake/{made.id}")
    place = yield from next_place(lane, made.id)
    body = {"nhs": "", "happened": "", "reason": "new", "status": False, "was_inpatient": False}
    to = Addressed(made.id, made.agency, made.agency, topic=HANDSHAKE)
    yield new_row(ctx, identifier, to, place, orjson.dumps(body), moment)


def _line(made: Subscribed, ask: Subscribe, moment: Moment) -> Entry:
    about = [("subscription", made.id)]
    if made.wanted.case_list:
        about.append(("list", made.wanted.case_list))
    return line(
        "subscribe", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id,
        patient=f"{NHS_NUMBER}|{made.nhs}" if made.nhs else "", purpose=made.purpose, case_reference=made.case_reference,
        detail=tuple(about),
    )  # fmt: skip
