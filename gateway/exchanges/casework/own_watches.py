"""What an agency has asked to be told about one person: its own subscriptions, so that nobody asks twice or forgets one."""

from __future__ import annotations

from typing import NamedTuple

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.outbox.subscriptions import Subscribed, open_subscription
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

MOST = 100


class WatchesOf(NamedTuple):
    """Whose watches, about whom (NHS number)."""

    requester: Requester
    nhs: str
    request_id: str = ""


def own_watches(ctx: Context, ask: WatchesOf, moment: Moment) -> Story[list[Subscribed]]:
    """Those that go on, the last made first."""
    check_current(ask.requester, moment)
    wanted = {"agency": ask.requester.agency, "person": ctx.vault.nhs_token(ask.nhs), "count": MOST}
    rows = yield Read(outbox.OWN_ABOUT, wanted)
    found = [open_subscription(ctx, row) for row in rows]
    entry = line(
        "own_watches", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id,
        patient=f"{NHS_NUMBER}|{ask.nhs}", detail=(("resource", "Subscription"),),
    )  # fmt: skip
    kept = [one for one in found if not one.deleted and one.status != "off" and one.ends > moment.at]
    return Outcome(kept, (entry,))
