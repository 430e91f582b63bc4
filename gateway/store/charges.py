"""Whom a user has asked about within an hour, as rows: the quota that all workers share.

A row is one of a fixed number of places. Two who take the same place at once do not both have it: the key of the table
refuses the second, whose batch is begun anew and finds what the first did. Two questions about one person that come at
once take one place. ``who`` begins with the hour, so that
what is past is one range of the key.
"""

from __future__ import annotations

from sqlalchemy import LargeBinary, bindparam, delete, select

from gateway.store import clock
from gateway.store.sql import Added, Keyed, Statement
from gateway.store.tables import charge

CHARGES = Keyed(select(charge.c.who, charge.c.place, charge.c.person), charge.c.who)
ADD_CHARGE = Added(charge)
FORGET_CHARGES = Statement(delete(charge).where(charge.c.who < bindparam("before", type_=LargeBinary)))


def hour_mark(at: int) -> bytes:
    """The hour of a time, in bytes that sort as hours do."""
    return (at // clock.HOUR).to_bytes(4, "big")
