"""When rest-hooks that asked for heartbeats are next told that we are there. A row is moved on by one worker alone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, func, select, update

from gateway.store.outbox import DELIVERED
from gateway.store.sql import Added, Statement
from gateway.store.tables import heartbeat, outbox, subscription

ADD_HEARTBEAT = Added(heartbeat)
FORGET_HEARTBEAT = Statement(delete(heartbeat).where(heartbeat.c.subscription == bindparam("subscription_id", type_=Text)))
DUE_HEARTBEATS = Statement(
    select(heartbeat.c.subscription, heartbeat.c.due)
    .join(subscription, subscription.c.id == heartbeat.c.subscription)
    .where(
        heartbeat.c.due <= bindparam("at", type_=BigInteger),
        subscription.c.status == "active",
        subscription.c.ends > bindparam("at", type_=BigInteger),
    )
    .order_by(heartbeat.c.due)
    .limit(bindparam("count", type_=Integer))
)
HEARTBEAT = Statement(select(*heartbeat.columns).where(heartbeat.c.subscription == bindparam("id", type_=Text)))
# When the receiver last heard anything of us.
LAST_DELIVERED = Statement(
    select(func.max(outbox.c.updated)).where(
        outbox.c.subscription == bindparam("id", type_=Text), outbox.c.number.is_not(None), outbox.c.state == DELIVERED
    )
)
# Moved on only where nobody else has moved it meanwhile.
MOVE_HEARTBEAT = Statement(
    update(heartbeat)
    .where(
        heartbeat.c.subscription == bindparam("subscription_id", type_=Text),
        heartbeat.c.due == bindparam("seen_due", type_=BigInteger),
    )
    .values(due=bindparam("new_due", type_=BigInteger))
)
