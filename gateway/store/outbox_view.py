"""The outbox as an operator sees it: how much waits for whom, what can be sent once more. References only."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, and_, bindparam, case, func, or_, select, update

from gateway.store.outbox import DEAD, DELIVERED, LEASED, NOTE, PENDING, UNFINISHED, goes_to
from gateway.store.sql import Statement, one_of
from gateway.store.tables import acknowledgement, outbox, subscription

_agency = bindparam("agency", type_=Text)
_open = (*UNFINISHED, DEAD)


def _count(state: str, *, tried: bool) -> ColumnElement[int]:
    which = outbox.c.attempts > 0 if tried else outbox.c.attempts == 0
    return func.sum(case((and_(outbox.c.state == state, which), 1), else_=0))


_unfinished = case((outbox.c.state == DEAD, None), else_=outbox.c.created)
# For each receiver: waiting for a first attempt, for another one, under way, given up, and how long the oldest has waited.
BY_RECEIVER = Statement(
    select(
        outbox.c.receiver,
        _count(PENDING, tried=False),
        _count(PENDING, tried=True),
        func.sum(case((outbox.c.state == LEASED, 1), else_=0)),
        func.sum(case((outbox.c.state == DEAD, 1), else_=0)),
        func.min(_unfinished),
    )
    .where(one_of(outbox.c.state, _open))
    .group_by(outbox.c.receiver)
    .order_by(outbox.c.receiver)
)
# The same for everybody together: of a queue without end only what is not done is looked at.
FIGURES = Statement(
    select(
        _count(PENDING, tried=False),
        _count(PENDING, tried=True),
        func.sum(case((outbox.c.state == LEASED, 1), else_=0)),
        func.sum(case((outbox.c.state == DEAD, 1), else_=0)),
        func.min(_unfinished),
    ).where(one_of(outbox.c.state, _open))
)
OVERDUE_BY_RECEIVER = Statement(
    select(acknowledgement.c.receiver, func.count())
    .where(acknowledgement.c.state == "overdue")
    .group_by(acknowledgement.c.receiver)
)
UNDELIVERED = Statement(
    select(outbox.c.id, outbox.c.receiver, outbox.c.owner, outbox.c.state, outbox.c.attempts, outbox.c.due, outbox.c.last_result)
    .where(or_(outbox.c.receiver == _agency, outbox.c.owner == _agency), one_of(outbox.c.state, _open))
    .order_by(outbox.c.created, outbox.c.id)
    .limit(bindparam("count", type_=Integer))
)
# What was queued for a receiver in a time and may be sent once more, a page at a time after (created, id).
_created, _last = bindparam("after_created", type_=BigInteger), bindparam("after_id", type_=Text)
REPLAYABLE = Statement(
    select(*outbox.columns)
    .where(
        outbox.c.receiver == _agency,
        outbox.c.topic == NOTE,
        one_of(outbox.c.state, (DEAD, DELIVERED)),
        or_(outbox.c.state == DEAD, bindparam("delivered_too", type_=Integer) == 1),
        outbox.c.number.is_not(None),
        outbox.c.created < bindparam("until", type_=BigInteger),
        or_(outbox.c.created > _created, and_(outbox.c.created == _created, outbox.c.id > _last)),
    )
    .order_by(outbox.c.created, outbox.c.id)
    .limit(bindparam("count", type_=Integer))
)
REPLAY = Statement(
    update(outbox)
    .where(
        outbox.c.id == bindparam("notice", type_=Text),
        outbox.c.epoch == bindparam("seen_epoch", type_=Integer),
        one_of(outbox.c.state, (DEAD, DELIVERED)),
    )
    .values(
        state=PENDING,
        epoch=outbox.c.epoch + 1,
        attempts=0,
        due=bindparam("at", type_=BigInteger),
        last_result="to be sent once more",
        tried_since=bindparam("at", type_=BigInteger),
        destination=select(goes_to).where(subscription.c.id == outbox.c.subscription).scalar_subquery(),
        updated=bindparam("at", type_=BigInteger),
    )
)
