"""Subscriptions and the outbox of notices. Rows are written with the change that they tell of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, exists, func, or_, select, update

from gateway.store.sql import Added, Statement, one_of
from gateway.store.tables import inbox, outbox, subscription

PENDING, LEASED, DELIVERED, WITHHELD, DEAD = "pending", "leased", "delivered", "withheld", "dead"
UNFINISHED = (PENDING, LEASED)

ADD_SUBSCRIPTION = Added(subscription)
SUBSCRIPTIONS_ABOUT = Statement(
    select(subscription.c.id, subscription.c.agency, subscription.c.topic)
    .where(
        subscription.c.person == bindparam("person", type_=LargeBinary),
        one_of(subscription.c.status, ("requested", "active", "error")),
        subscription.c.ends > bindparam("at", type_=BigInteger),
    )
    .order_by(subscription.c.id)
)
SUBSCRIPTION = Statement(select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)))
LOCK_SUBSCRIPTION = Statement(
    select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)),
    # not FOR UPDATE: who adds a notice for this subscription must not wait for who sends another
    select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)).with_for_update(key_share=True),
)
OWN_SUBSCRIPTIONS = Statement(
    select(*subscription.columns)
    .where(subscription.c.agency == bindparam("agency", type_=Text), subscription.c.id > bindparam("after", type_=Text))
    .order_by(subscription.c.id)
    .limit(bindparam("count", type_=Integer))
)
SET_SUBSCRIPTION = Statement(
    update(subscription)
    .where(subscription.c.id == bindparam("subscription_id", type_=Text))
    .values(
        status=bindparam("new_status", type_=Text),
        body=bindparam("sealed", type_=LargeBinary),
        ends=bindparam("new_ends", type_=BigInteger),
        version=subscription.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
    )
)
# What a delivery makes of a subscription; one that its agency has ended meanwhile stays ended.
TURN_STATUS = Statement(
    update(subscription)
    .where(
        subscription.c.id == bindparam("subscription_id", type_=Text),
        subscription.c.status == bindparam("old_status", type_=Text),
    )
    .values(
        status=bindparam("new_status", type_=Text),
        version=subscription.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
    )
)
COUNT_EVENT = Statement(
    update(subscription)
    .where(subscription.c.id == bindparam("subscription_id", type_=Text))
    .values(events=subscription.c.events + 1)
)

ADD_NOTICE = Added(outbox)
LAST_PLACE = Statement(
    select(func.coalesce(func.max(outbox.c.place), 0)).where(outbox.c.lane == bindparam("lane", type_=LargeBinary))
)
_before = outbox.alias("before")
_at = bindparam("at", type_=BigInteger)
_ready = and_(
    or_(
        and_(outbox.c.state == PENDING, outbox.c.due <= _at),
        and_(outbox.c.state == LEASED, outbox.c.leased_until <= _at),
    ),
    ~exists().where(_before.c.lane == outbox.c.lane, _before.c.place < outbox.c.place, one_of(_before.c.state, UNFINISHED)),
)
# What stands in the column ``topic``; of what a notice tells is sealed in its body.
HANDSHAKE, NOTE = "handshake", "notice"
# A rest-hook hears nothing before its handshake.
_may_go = or_(subscription.c.status != "requested", outbox.c.topic == HANDSHAKE)
_turn_of = func.row_number().over(partition_by=outbox.c.receiver, order_by=(outbox.c.due, outbox.c.id))
_candidates = (
    select(outbox.c.id, outbox.c.receiver, outbox.c.due, _turn_of.label("turn"))
    .select_from(outbox.join(subscription, subscription.c.id == outbox.c.subscription))
    .where(_ready, _may_go)
    .subquery("candidates")
)
# Every candidate is the first unfinished notice of its lane; no receiver has more than its share of them, so that one
# with a long queue hides nobody else's. The claim below decides between workers.
READY = Statement(
    select(_candidates.c.id, _candidates.c.receiver)
    .where(_candidates.c.turn <= bindparam("share", type_=Integer))
    .order_by(_candidates.c.due, _candidates.c.id)
    .limit(bindparam("count", type_=Integer))
)
CLAIM = Statement(
    update(outbox)
    .where(
        outbox.c.id == bindparam("notice", type_=Text),
        outbox.c.epoch == bindparam("seen_epoch", type_=Integer),
        one_of(outbox.c.state, UNFINISHED),
    )
    .values(
        state=LEASED,
        epoch=outbox.c.epoch + 1,
        attempts=outbox.c.attempts + bindparam("step", type_=Integer),
        leased_until=bindparam("until", type_=BigInteger),
        number=bindparam("number", type_=BigInteger),
        updated=bindparam("at", type_=BigInteger),
    )
)
# To claim it: nothing where another worker is at it. To settle it: waits for that worker.
NOTICE = Statement(
    select(*outbox.columns).where(outbox.c.id == bindparam("id", type_=Text)),
    select(*outbox.columns).where(outbox.c.id == bindparam("id", type_=Text)).with_for_update(skip_locked=True),
)
LEASED_NOTICE = Statement(
    select(*outbox.columns).where(outbox.c.id == bindparam("id", type_=Text)),
    select(*outbox.columns).where(outbox.c.id == bindparam("id", type_=Text)).with_for_update(),
)
# Taken out of the queue without a post; a lease that somebody may still hold is overtaken.
PUT_ASIDE = Statement(
    update(outbox)
    .where(outbox.c.id == bindparam("notice", type_=Text), outbox.c.epoch == bindparam("seen_epoch", type_=Integer))
    .values(
        state=bindparam("new_state", type_=Text),
        epoch=outbox.c.epoch + 1,
        leased_until=None,
        number=bindparam("number", type_=BigInteger),
        last_result=bindparam("result", type_=Text),
        updated=bindparam("at", type_=BigInteger),
    )
)
# Whether a receiver has said that it is gone, or failed its handshake, since the subscription was last brought back.
SHUT = Statement(
    select(outbox.c.id)
    .join(subscription, subscription.c.id == outbox.c.subscription)
    .where(
        subscription.c.id == bindparam("subscription_id", type_=Text),
        subscription.c.status == "error",
        outbox.c.state == DEAD,
        outbox.c.updated >= subscription.c.updated,
        or_(outbox.c.topic == HANDSHAKE, outbox.c.last_result == "http 410"),
    )
    .limit(1)
)
SETTLE = Statement(
    update(outbox)
    .where(
        outbox.c.id == bindparam("notice", type_=Text),
        outbox.c.epoch == bindparam("held_epoch", type_=Integer),
        outbox.c.state == LEASED,
    )
    .values(
        state=bindparam("new_state", type_=Text),
        due=bindparam("new_due", type_=BigInteger),
        leased_until=None,
        last_result=bindparam("result", type_=Text),
        updated=bindparam("at", type_=BigInteger),
    )
)
NUMBERED = Statement(
    select(*outbox.columns)
    .where(
        outbox.c.subscription == bindparam("subscription_id", type_=Text),
        outbox.c.number >= bindparam("first", type_=BigInteger),
        outbox.c.number <= bindparam("last", type_=BigInteger),
    )
    .order_by(outbox.c.number)
    .limit(bindparam("count", type_=Integer))
)
UNDELIVERED = Statement(
    select(outbox.c.id, outbox.c.receiver, outbox.c.owner, outbox.c.topic, outbox.c.state, outbox.c.attempts, outbox.c.due)
    .where(
        or_(outbox.c.receiver == bindparam("agency", type_=Text), outbox.c.owner == bindparam("agency", type_=Text)),
        one_of(outbox.c.state, (PENDING, LEASED, DEAD)),
    )
    .order_by(outbox.c.created)
    .limit(500)
)

ADD_MESSAGE = Added(inbox, new_only=True)
MESSAGE_BY_HEADER = Statement(
    select(inbox.c.bundle, inbox.c.digest, inbox.c.response).where(
        inbox.c.sender == bindparam("sender", type_=Text), inbox.c.message == bindparam("message", type_=Text)
    )
)
MESSAGE_BY_BUNDLE = Statement(
    select(inbox.c.message, inbox.c.digest, inbox.c.response).where(
        inbox.c.sender == bindparam("sender", type_=Text), inbox.c.bundle == bindparam("bundle", type_=Text)
    )
)
