"""A lease that is given back before anything left: the notice is due again at once, and is decided again when it is leased.

Between a lease and its first byte somebody may have withdrawn, or been shielded. What has waited there for more than
a moment is not sent on the old decision. It has cost no attempt.
"""

from __future__ import annotations

from gateway.audit.entry import FAULT, Kind
from gateway.exchanges.context import Context
from gateway.exchanges.notices.lease_notice import NoticeLease
from gateway.exchanges.outbox.stored_notices import notice_entry
from gateway.store import outbox
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "give_back_notice"
RESULT = "given-back"


def give_back_notice(ctx: Context, lease: NoticeLease, moment: Moment) -> Story[None]:
    """Give one lease back; one that was overtaken changes nothing. On record either way: what was about to leave did not."""
    rows = yield Read(outbox.LEASE, {"key": lease.notice})
    is_mine = bool(rows) and rows[0][1:] == (lease.epoch, outbox.LEASED)
    back = {"notice": lease.notice, "held_epoch": lease.epoch, "at": moment.at}
    line = notice_entry(
        NAME, lease.subscribed, lease.stored, moment, ctx, Kind.DELIVERY_RESULT, FAULT, told=lease.topic
    )  # fmt: skip
    line = line._replace(detail=(*line.detail, ("result", RESULT)))
    return Outcome(None, (line,), (Write(outbox.GIVE_BACK, back),) if is_mine else ())
