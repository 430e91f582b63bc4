"""Whether the log is whole, as far as its rows say without being read one by one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, func, select

from gateway.store.audit_log import HEAD as HEAD
from gateway.store.sql import Statement
from gateway.store.tables import audit_entry, audit_leaf, audit_restore, audit_unsealed

NEWEST_LEAVES = Statement(  # how many there are between two places
    select(func.count()).where(
        audit_leaf.c.place >= bindparam("first", type_=BigInteger), audit_leaf.c.place < bindparam("size", type_=BigInteger)
    )
)
WAITING = Statement(select(func.count(), func.min(audit_unsealed.c.recorded)))  # durable, and without a place yet
RESTORED = Statement(select(audit_restore.c.size, audit_restore.c.entry, audit_restore.c.declared).order_by(audit_restore.c.size))
CHECKS = Statement(  # the newest checks of the whole log that were put on record
    select(*audit_entry.columns)
    .where(
        audit_entry.c.requester == "",
        audit_entry.c.exchange == bindparam("exchange", type_=Text),
        audit_entry.c.recorded >= bindparam("since", type_=BigInteger),
    )
    .order_by(audit_entry.c.recorded.desc())
    .limit(1)
)
