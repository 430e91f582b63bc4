"""``$events``: what was numbered, decided again today. What may no longer be told keeps its number and says no more."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.decision import Permit
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.look_up_log import passed_over
from gateway.exchanges.notices.decide_notice import decide_notice
from gateway.exchanges.notices.manage_subscription import mine, subscription_line
from gateway.exchanges.notices.shape_notice import payload_content, route_of, shape_notice
from gateway.exchanges.notices.subscribe import ENDED
from gateway.exchanges.outbox.stored_notices import Stored, open_notice
from gateway.exchanges.outbox.subscriptions import Resource, Subscribed, for_person
from gateway.exchanges.outbox.told_before import that_were_told
from gateway.fhir.outcomes import Gone
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification import bundles
from gateway.notification.bundles import Notice
from gateway.notification.topics import RETRACTED, SIGNAL_ENDED, told_to, topic_of
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "replay_events"
MANY = 1000
EVERY = 2**53  # an exact number in every JSON reader


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """``$events``: numbers inclusive, as the backport guide has it."""

    requester: Requester
    id: str
    first: int = 1
    last: int = EVERY
    content: str = ""
    request_id: str = ""


def replay_events(ctx: Context, ask: EventsRequest, moment: Moment) -> Story[Resource | None]:
    """The notices of a range of numbers, a thousand at most and a link to what follows; None where there is no such subscription
    of the caller's."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.SUBSCRIPTION, {"id": ask.id})
    found = mine(ctx, rows, ask.requester)
    if found is None:
        return Outcome(None, (subscription_line(NAME, ask.requester, moment, ask.request_id, None),))
    if found.deleted:
        raise Gone(ENDED)
    subscribed = found.with_stamp(moment.stamp)
    wanted = {"subscription_id": ask.id, "first": ask.first, "last": ask.last, "count": MANY}
    numbered = yield Read(outbox.NUMBERED, wanted)
    told: list[Notice] = []
    entries = []
    for row in numbered:
        notice, entry = yield from _again(ctx, subscribed, open_notice(ctx, row), moment, ask.request_id)
        told.append(notice)
        entries.append(entry)
    bundle = bundles.notification(
        "query-event", route_of(ctx, subscribed, moment), subscribed.id, subscribed.topic, subscribed.status, subscribed.events,
        told, ask.content or payload_content(subscribed.resource),
    )  # fmt: skip
    if len(told) == MANY and (following := told[-1].number + 1) <= min(ask.last, subscribed.events):
        bundle["link"] = [{"relation": "next", "url": _page(ctx, ask, following)}]
    entries.append(subscription_line(NAME, ask.requester, moment, ask.request_id, subscribed))
    return Outcome(bundle, tuple(entries))


def _page(ctx: Context, ask: EventsRequest, first: int) -> str:
    """Where the same range goes on."""
    until = f"&eventsUntilNumber={ask.last}" if ask.last < EVERY else ""
    content = f"&content={ask.content}" if ask.content else ""
    return f"{ctx.url}/Subscription/{ask.id}/$events?eventsSinceNumber={first}{until}{content}"


def _again(
    ctx: Context, subscribed: Subscribed, stored: Stored, moment: Moment, request_id: str
) -> Generator[Any, Any, tuple[Notice, Entry]]:
    """One notice as it may be told today, and its line of the access log."""
    mine_today = yield from for_person(ctx, subscribed, stored.nhs)
    permit = yield from _permit(ctx, mine_today, stored, moment)
    known = topic_of(ctx.topics, stored.topic)
    topic = told_to(known, permit.classes) if permit else None
    corrects = yield from that_were_told(stored)
    said = topic or (RETRACTED if corrects else SIGNAL_ENDED)
    notice = shape_notice(ctx, mine_today, stored, said, stored.number or 0, moment, corrects, bare=topic is None)
    if (
        topic is None and not corrects
    ):  # the number stands, so that nobody looks for what is missing; of whom and when is not told
        notice = replace(notice, reason="update", happened=clock.instant(moment.at)[:10], recorded="")
    return notice, _line(ctx, mine_today, stored, permit if topic else None, moment, request_id)


def _permit(ctx: Context, subscribed: Subscribed, stored: Stored, moment: Moment) -> Generator[Any, Any, Permit | None]:
    """The Permit of today. Of somebody who was taken off the case list nothing more is told."""
    if subscribed.wanted.case_list and subscribed.status == "off":
        return None
    heard = yield from decide_notice(ctx, subscribed, stored.owner, moment, was_inpatient=stored.was_inpatient)
    return heard.about_it if isinstance(heard.about_it, Permit) else None


def _line(ctx: Context, subscribed: Subscribed, stored: Stored, permit: Permit | None, moment: Moment, request_id: str) -> Entry:
    return line(
        NAME, subscribed.requester, moment, Kind.DELIVERY if permit else Kind.NEGATIVE,
        DONE if permit else REFUSED, request_id=request_id, custodian=stored.owner, purpose=subscribed.purpose,
        patient=f"{NHS_NUMBER}|{stored.nhs}" if stored.nhs else "", tier=permit.tier if permit else None,
        basis=(permit.basis,) if permit else (), policy=ctx.agreements.version,
        detail=(("notice", stored.id), ("topic", stored.topic), *passed_over(permit)), asked=False,
    )  # fmt: skip
