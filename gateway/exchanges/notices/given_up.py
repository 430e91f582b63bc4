"""Notices that were given up: an item in the queues of both agencies, one a day for each receiver's subscription."""

from __future__ import annotations

from gateway.exchanges.context import Context
from gateway.exchanges.outbox.stored_notices import Stored
from gateway.exchanges.reviews import Matter, opening
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import clock
from gateway.store.ledger import Moment
from gateway.store.sql import Write

UNDELIVERED = "notice-undelivered"


def say_undelivered(ctx: Context, stored: Stored, result: str, moment: Moment) -> tuple[Write, ...]:
    """An item for who should have heard and one for whose notice it was, to be looked at within three working days.

    A receiver that is away for long would fill both queues; further notices of the same subscription on the same day
    stand behind the first, in ``gateway outbox`` and ``$events``.
    """
    if not stored.nhs:  # a handshake: nothing happened that anybody should have heard
        return ()
    why = (("receiver", stored.receiver), ("notice", stored.id), ("subscription", stored.subscription), ("result", result))
    matter = Matter("", "", patient=f"{NHS_NUMBER}|{stored.nhs}", why=why)
    return tuple(
        opening(ctx, UNDELIVERED, agency, matter, moment, _item(ctx, stored, agency, moment))
        for agency in sorted({stored.receiver, stored.owner})
    )


def _item(ctx: Context, stored: Stored, agency: str, moment: Moment) -> str:
    day = clock.day(moment.at).isoformat()
    return ctx.vault.token("undelivered", agency, stored.subscription, day).hex()
