"""Where in the access log to look: the times at which an entry has all the marks that are wanted (``gateway.audit.marks``)."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import BigInteger, Integer, LargeBinary, bindparam, exists, select

from gateway.store.sql import Statement
from gateway.store.tables import audit_mark, audit_marked

MARKED_SINCE = Statement(select(audit_marked.c.since))  # entries before that have none
FIRST_AFTER = Statement(  # when a mark stands first at or after a time
    select(audit_mark.c.at)
    .where(
        audit_mark.c.token == bindparam("mark", type_=LargeBinary),
        audit_mark.c.at >= bindparam("since", type_=BigInteger),
    )
    .order_by(audit_mark.c.at)
    .limit(1)
)


@lru_cache(maxsize=64)
def times(wanted: int, oldest_first: bool) -> Statement:
    """Times that have each of so many marks: parameters ``mark0`` and on, ``first`` to ``last`` inclusive, ``count``."""
    one = audit_mark.alias("one")
    found = select(one.c.at).where(
        one.c.token == bindparam("mark0", type_=LargeBinary),
        one.c.at >= bindparam("first", type_=BigInteger),
        one.c.at <= bindparam("last", type_=BigInteger),
    )
    for place in range(1, wanted):
        other = audit_mark.alias(f"other{place}")
        too = exists().where(other.c.token == bindparam(f"mark{place}", type_=LargeBinary), other.c.at == one.c.at)
        found = found.where(too)
    return Statement(found.order_by(one.c.at if oldest_first else one.c.at.desc()).limit(bindparam("count", type_=Integer)))
