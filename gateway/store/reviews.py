"""What somebody has to look at, in the queue of an agency: sealed, open until a second person closes it.

A row of the kind ``interest`` is no item of a queue: it says whom a user must not ask about, and stands closed.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, select, update

from gateway.store.sql import Added, Keyed, Statement, one_of
from gateway.store.tables import review

INTEREST = "interest"
QUESTIONS = ("relationship-to-confirm", "disputed")  # what an agency's people are asked about their own records

ADD_REVIEW = Added(review, new_only=True)
_IN_QUEUE = and_(review.c.agency == bindparam("agency", type_=Text), review.c.kind != INTEREST)
OPEN_REVIEWS = Statement(
    select(*review.columns)
    .where(_IN_QUEUE, review.c.closed.is_(None))
    .order_by(review.c.due, review.c.id)
    .limit(bindparam("count", type_=Integer))
)


@lru_cache(maxsize=16)
def open_of(kinds: tuple[str, ...]) -> Statement:
    """What is open of some kinds, the longest due first: however much else waits, they are all found."""
    return Statement(
        select(*review.columns)
        .where(_IN_QUEUE, review.c.closed.is_(None), one_of(review.c.kind, kinds))
        .order_by(review.c.due, review.c.id)
        .limit(bindparam("count", type_=Integer))
    )


@lru_cache(maxsize=16)
def opened_of(kinds: tuple[str, ...]) -> Statement:
    """What was opened of some kinds from ``first`` to ``last``, both inclusive, open or closed."""
    at = review.c.opened
    return Statement(
        select(*review.columns).where(
            _IN_QUEUE,
            one_of(review.c.kind, kinds),
            at >= bindparam("first", type_=BigInteger),
            at <= bindparam("last", type_=BigInteger),
        )
    )


OPEN_QUESTIONS = open_of(QUESTIONS)
CLOSED_REVIEWS = Statement(
    select(*review.columns)
    .where(_IN_QUEUE, review.c.closed.is_not(None))
    .order_by(review.c.closed.desc(), review.c.id)
    .limit(bindparam("count", type_=Integer))
)
_ONE = select(*review.columns).where(_IN_QUEUE, review.c.id == bindparam("id", type_=Text))
ONE_REVIEW = Statement(_ONE)
LOCK_REVIEW = Statement(_ONE, _ONE.with_for_update())
CLOSE_REVIEW = Statement(
    update(review)
    .where(review.c.id == bindparam("review_id", type_=Text), review.c.closed.is_(None))
    .values(body=bindparam("sealed", type_=LargeBinary), closed=bindparam("at", type_=BigInteger))
)
POSTPONE_REVIEW = Statement(
    update(review)
    .where(review.c.id == bindparam("review_id", type_=Text), review.c.closed.is_(None))
    .values(body=bindparam("sealed", type_=LargeBinary), due=bindparam("at", type_=BigInteger))
)
INTERESTS = Keyed(select(review.c.id, review.c.body), review.c.id)
SET_INTERESTS = Statement(
    update(review)
    .where(review.c.id == bindparam("review_id", type_=Text))
    .values(body=bindparam("sealed", type_=LargeBinary), opened=bindparam("at", type_=BigInteger))
)
