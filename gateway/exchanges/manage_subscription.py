"""Subscriptions: made, read, changed, ended, their status and their events.

Making one passes the gates of a lookup and is on record like one. It never tells whether a person is known: every
well-formed request is accepted in the same way.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.decision import Permit, gate
from gateway.disclosure.requester import Requester
from gateway.exchanges.charge import charge_now
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.decide_notice import decide_notice
from gateway.exchanges.enqueue import topic_token
from gateway.exchanges.lease_notice import HANDSHAKE, open_notice, payload_content, route_of, shape_notice
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.look_up_status import LookupRequest, as_asked
from gateway.exchanges.subscriptions import Subscribed, open_subscription, seal_subscription
from gateway.fhir.outcomes import Forbidden, Gone, NotFound, PreconditionFailed, Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification import bundles
from gateway.notification.bundles import Notice
from gateway.notification.topics import Topic, told_to
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Read, Write
from gateway.store.vault import seal

Resource = dict[str, Any]
NOT_HERE = "There is no such subscription, or it is not yours."
ENDED = "This subscription was deleted."
ANOTHER_SUBJECT = "Topic and person of a subscription stay as they are: delete it and make another."
MANY = 1000


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A Subscription that was checked at the edge: topic, person, channel and purpose are well formed."""

    requester: Requester
    resource: Resource
    topic: str
    nhs: str
    purpose: str
    case_reference: str
    case_owner: str
    ends: int
    reason: str = ""
    id: str = ""  # empty: create
    expected: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnSubscription:
    """One of the caller's subscriptions, by id."""

    requester: Requester
    id: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ListSubscriptions:
    """A page of the caller's subscriptions, after the id of the last one seen."""

    requester: Requester
    after: str = ""
    count: int = 50
    status: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """``$events``: numbers inclusive, as the backport guide has it."""

    requester: Requester
    id: str
    first: int = 1
    last: int = 2**62
    content: str = ""
    request_id: str = ""


def subscribe(ctx: Context, ask: Subscribe, moment: Moment) -> Story[Subscribed]:
    """Create or update. Raises Forbidden at a gate, the same for everyone asked about."""
    check_current(ask.requester, moment)
    if not ask.id:
        yield from charge_now(ctx, ask.requester, ask.nhs, moment)
    known = yield from _known(ctx, ask) if ask.id else _nothing()
    _check_gate(ctx, ask, moment)
    identifier = ask.id or new_id()
    made = Subscribed(
        identifier, ask.requester.agency, ask.topic, ctx.vault.nhs_token(ask.nhs), _status(ask),
        known.events if known else 0, ask.ends, known.version + 1 if known else 1, moment.at, ask.resource, ask.requester,
        ask.purpose, ask.case_reference, ask.case_owner, ask.nhs, ask.reason,
    )  # fmt: skip
    yield from _write(ctx, made, moment, is_new=known is None)
    if made.status == "requested":
        yield from _enqueue_handshake(ctx, made, moment)
    entry = _line("subscribe", ask.requester, moment, ask.request_id, made)
    return Outcome(made, (entry,))


def _nothing() -> Generator[Any, Any, None]:
    yield from ()


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
    if (ask.topic, ask.nhs) != (known.topic, known.nhs):
        raise Unprocessable(ANOTHER_SUBJECT, where="Subscription.criteria", code="business-rule")
    return known


def _check_gate(ctx: Context, ask: Subscribe, moment: Moment) -> None:
    lookup = LookupRequest(ask.requester, ask.nhs, "", True, ask.purpose)
    asked = as_asked(ctx, lookup, moment)
    owner = None
    if ask.case_reference:
        feed = moment.feeds.get(ask.case_owner or ask.requester.agency)
        owner = feed.kind if feed else ""
    if asked is None or gate(asked, owner, has_reason=bool(ask.reason), has_override=False):
        raise Forbidden("This purpose may not be used here: check purpose, role and case reference.")


def _write(ctx: Context, made: Subscribed, moment: Moment, *, is_new: bool) -> Generator[Any, Any, None]:
    sealed = seal_subscription(ctx, made)
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
        }
        yield Write(outbox.ADD_SUBSCRIPTION, row)
        return
    changed = {"subscription_id": made.id, "new_status": made.status, "sealed": sealed}
    yield Write(outbox.SET_SUBSCRIPTION, {**changed, "new_ends": made.ends, "at": moment.at})


def _enqueue_handshake(ctx: Context, made: Subscribed, moment: Moment) -> Generator[Any, Any, None]:
    """A rest-hook is tried with a handshake before anything about a person goes there."""
    identifier = new_id()
    lane = ctx.vault.token("lane", made.agency, f"handshake/{made.id}")
    last = yield Read(outbox.LAST_PLACE, {"lane": lane})
    body = {"nhs": "", "happened": "", "reason": "new", "status": False, "was_inpatient": False}
    yield Write(
        outbox.ADD_NOTICE,
        {
            "id": identifier,
            "subscription": made.id,
            "receiver": made.agency,
            "owner": made.agency,
            "person": "",
            "lane": lane,
            "place": last[0][0] + 1,
            "topic": HANDSHAKE,
            "body": seal(ctx.vault.shelf("outbox"), orjson.dumps(body), identifier),
            "state": outbox.PENDING,
            "attempts": 0,
            "due": moment.at,
            "leased_until": None,
            "epoch": 0,
            "number": None,
            "last_result": "",
            "created": moment.at,
            "updated": moment.at,
        },
    )


def _line(name: str, requester: Requester, moment: Moment, request_id: str, made: Subscribed | None) -> Any:
    return line(
        name, requester, moment, Kind.RECEIVED if name == "subscribe" else Kind.READ, DONE if made else REFUSED,
        request_id=request_id,
        patient=f"{NHS_NUMBER}|{made.nhs}" if made else "",
        purpose=made.purpose if made else "",
        case_reference=made.case_reference if made else "",
        refusal="" if made else "not-known",
        detail=(("subscription", made.id),) if made else (),
    )  # fmt: skip


def _mine(ctx: Context, rows: Rows, requester: Requester) -> Subscribed | None:
    """The row of a subscription opened, if it is the requester's own agency's."""
    return open_subscription(ctx, rows[0]) if rows and rows[0][1] == requester.agency else None


def read_subscription(ctx: Context, ask: OwnSubscription, moment: Moment) -> Story[Subscribed | None]:
    """One of the agency's own, or None; a deleted one says that it is."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.SUBSCRIPTION, {"id": ask.id})
    found = _mine(ctx, rows, ask.requester)
    return Outcome(found, (_line("read_subscription", ask.requester, moment, ask.request_id, found),))


def list_subscriptions(ctx: Context, ask: ListSubscriptions, moment: Moment) -> Story[tuple[list[Subscribed], str]]:
    """The agency's own, a page at a time; deleted ones are left out."""
    check_current(ask.requester, moment)
    wanted = {"agency": ask.requester.agency, "after": ask.after, "count": ask.count + 1}
    rows = yield Read(outbox.OWN_SUBSCRIPTIONS, wanted)
    found = [open_subscription(ctx, row) for row in rows[: ask.count]]
    kept = [one for one in found if not one.deleted and ask.status in ("", one.status)]
    entry = line(
        "list_subscriptions", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id,
        detail=(("resource", "Subscription"),),
    )  # fmt: skip
    return Outcome((kept, found[-1].id if len(rows) > ask.count else ""), (entry,))


def end_subscription(ctx: Context, ask: OwnSubscription, moment: Moment) -> Story[bool]:
    """Delete: nothing more is sent; what was sent stays in the log. A repeat changes nothing."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.LOCK_SUBSCRIPTION, {"id": ask.id})
    found = _mine(ctx, rows, ask.requester)
    if found and not found.deleted:
        gone = replace(found, status="off", deleted=True, updated=moment.at)
        yield from _write(ctx, gone, moment, is_new=False)
    return Outcome(found is not None, (_line("end_subscription", ask.requester, moment, ask.request_id, found),))


def replay_events(ctx: Context, ask: EventsRequest, moment: Moment) -> Story[Resource | None]:
    """``$events``: what was numbered, decided again today. What may no longer be told keeps its number and says no more."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.SUBSCRIPTION, {"id": ask.id})
    found = _mine(ctx, rows, ask.requester)
    if found is None:
        return Outcome(None, (_line("replay_events", ask.requester, moment, ask.request_id, None),))
    if found.deleted:
        raise Gone(ENDED)
    subscribed = found.with_stamp(moment.stamp)
    wanted = {"subscription_id": ask.id, "first": ask.first, "last": ask.last, "count": MANY}
    numbered = yield Read(outbox.NUMBERED, wanted)
    content = ask.content or payload_content(subscribed.resource)
    told: list[Notice] = []
    entries = []
    for row in numbered:
        stored = open_notice(ctx, row)
        heard = yield from decide_notice(ctx, subscribed, stored.owner, moment, was_inpatient=stored.was_inpatient)
        permit = heard.about_it if isinstance(heard.about_it, Permit) else None
        topic = (
            told_to(ctx.topics.get(stored.topic) or Topic(stored.topic, stored.topic, 3, False), permit.classes)
            if permit
            else None
        )
        notice = shape_notice(ctx, subscribed, stored, topic or "signal-ended", stored.number or 0, moment)
        told.append(notice if topic else replace(notice, owner="", owner_name="", happened=clock.instant(moment.at)[:10]))
        entries.append(_replayed(ctx, subscribed, stored, permit, moment, ask.request_id))
    route = route_of(ctx, subscribed, moment)
    bundle = bundles.notification(
        "query-event", route, subscribed.id, subscribed.topic, subscribed.status, subscribed.events, told, content
    )
    entries.append(_line("replay_events", ask.requester, moment, ask.request_id, subscribed))
    return Outcome(bundle, tuple(entries))


def _replayed(ctx: Context, subscribed: Subscribed, stored: Any, permit: Permit | None, moment: Moment, request_id: str) -> Any:
    return line(
        "replay_events", subscribed.requester, moment, Kind.DELIVERY if permit else Kind.NEGATIVE,
        DONE if permit else REFUSED, request_id=request_id, custodian=stored.owner, purpose=subscribed.purpose,
        patient=f"{NHS_NUMBER}|{stored.nhs}", tier=permit.tier if permit else None,
        basis=(permit.basis,) if permit else (), policy=ctx.agreements.version,
        detail=(("notice", stored.id), ("topic", stored.topic)), asked=False,
    )  # fmt: skip


def status_bundle(ctx: Context, subscribed: Subscribed, at: int) -> Resource:
    """The status of one subscription as ``$status`` gives it: Parameters in a searchset."""
    route = bundles.Route(new_id(), ctx.url, "", clock.instant(at), ctx.base)
    shaped = bundles.notification(
        "query-status", route, subscribed.id, subscribed.topic, subscribed.status, subscribed.events, content="id-only"
    )
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "entry": [{**{k: shaped["entry"][0][k] for k in ("fullUrl", "resource")}, "search": {"mode": "match"}}],
    }
