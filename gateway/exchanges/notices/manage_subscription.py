"""Subscriptions of the caller's own agency: read, listed, their status, ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.notices.subscribe import write_subscription
from gateway.exchanges.outbox.subscriptions import Resource, Subscribed, open_subscription
from gateway.fhir.systems import NHS_NUMBER
from gateway.notification import bundles
from gateway.store import clock, outbox
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Read

MOST_STATUSES = 10_000


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
class OwnStatuses:
    """``$status`` at the level of the type: any of these ids, any of these statuses; all where none is named."""

    requester: Requester
    ids: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    request_id: str = ""


def mine(ctx: Context, rows: Rows, requester: Requester) -> Subscribed | None:
    """The row of a subscription opened, if it is the requester's own agency's."""
    return open_subscription(ctx, rows[0]) if rows and rows[0][1] == requester.agency else None


def subscription_line(name: str, requester: Requester, moment: Moment, request_id: str, made: Subscribed | None) -> Entry:
    """The line of the access log about a use of one subscription, or of one that is not there."""
    return line(
        name, requester, moment, Kind.READ, DONE if made else REFUSED,
        request_id=request_id,
        patient=f"{NHS_NUMBER}|{made.nhs}" if made and made.nhs else "",
        purpose=made.purpose if made else "",
        case_reference=made.case_reference if made else "",
        refusal="" if made else "not-known",
        detail=(("subscription", made.id),) if made else (),
    )  # fmt: skip


def read_subscription(ctx: Context, ask: OwnSubscription, moment: Moment) -> Story[Subscribed | None]:
    """One of the agency's own, or None; a deleted one says that it is."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.SUBSCRIPTION, {"id": ask.id})
    found = mine(ctx, rows, ask.requester)
    return Outcome(found, (subscription_line("read_subscription", ask.requester, moment, ask.request_id, found),))


def list_subscriptions(ctx: Context, ask: ListSubscriptions, moment: Moment) -> Story[tuple[list[Subscribed], str]]:
    """The agency's own, a page at a time; deleted ones are left out."""
    check_current(ask.requester, moment)
    wanted = {"agency": ask.requester.agency, "after": ask.after, "count": ask.count + 1}
    rows = yield Read(outbox.OWN_SUBSCRIPTIONS, wanted)
    found = [open_subscription(ctx, row) for row in rows[: ask.count]]
    kept = [one for one in found if not one.deleted and ask.status in ("", one.status)]
    entry = _listed("list_subscriptions", ask.requester, moment, ask.request_id)
    return Outcome((kept, found[-1].id if len(rows) > ask.count else ""), (entry,))


def list_statuses(ctx: Context, ask: OwnStatuses, moment: Moment) -> Story[list[Subscribed]]:
    """Those of the agency's own whose status is asked for. An id that is not there, or another's, is left out."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.OWN_SUBSCRIPTIONS, {"agency": ask.requester.agency, "after": "", "count": MOST_STATUSES})
    found = [open_subscription(ctx, row) for row in rows if not ask.ids or row[0] in ask.ids]
    kept = [one for one in found if not one.deleted and (not ask.statuses or one.status in ask.statuses)]
    return Outcome(kept, (_listed("list_statuses", ask.requester, moment, ask.request_id),))


def _listed(name: str, requester: Requester, moment: Moment, request_id: str) -> Entry:
    resource = (("resource", "Subscription"),)
    return line(name, requester, moment, Kind.SEARCH, DONE, request_id=request_id, detail=resource)


def end_subscription(ctx: Context, ask: OwnSubscription, moment: Moment) -> Story[bool]:
    """Delete: nothing more is sent; what was sent stays in the log. A repeat changes nothing."""
    check_current(ask.requester, moment)
    rows = yield Read(outbox.LOCK_SUBSCRIPTION, {"id": ask.id})
    found = mine(ctx, rows, ask.requester)
    if found and not found.deleted:
        gone = replace(found, status="off", deleted=True, updated=moment.at)
        yield from write_subscription(ctx, gone, moment, is_new=False)
    return Outcome(found is not None, (subscription_line("end_subscription", ask.requester, moment, ask.request_id, found),))


def status_bundle(ctx: Context, found: list[Subscribed], at: int) -> Resource:
    """The status of subscriptions as ``$status`` gives it: a searchset with one Parameters for each."""
    entries = []
    for subscribed in found:
        route = bundles.Route(new_id(), ctx.url, "", clock.instant(at), ctx.base)
        shaped = bundles.notification(
            "query-status", route, subscribed.id, subscribed.topic, subscribed.status, subscribed.events, content="id-only"
        )
        first = shaped["entry"][0]
        entries.append({"fullUrl": first["fullUrl"], "resource": first["resource"], "search": {"mode": "match"}})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return {**bundle, "entry": entries} if entries else bundle
