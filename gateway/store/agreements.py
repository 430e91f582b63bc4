"""Approvers and published agreements as rows, and all of them that a version in force is made of."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, or_, select, update

from gateway.store import migrate
from gateway.store.ledger import Rows
from gateway.store.sql import Added, Read, Statement
from gateway.store.tables import agreement, approver

_IN_FORCE = select(*agreement.columns).where(agreement.c.ended.is_(None)).order_by(agreement.c.source, agreement.c.id)
_APPROVERS = select(*approver.columns).order_by(approver.c.agency, approver.c.added, approver.c.id)
_SOURCES = select(agreement.c.source).distinct().order_by(agreement.c.source)

# The documents that were in force at a time, of those that were published.
IN_FORCE_AT = Statement(
    select(*agreement.columns)
    .where(
        agreement.c.published <= bindparam("at", type_=BigInteger),
        or_(agreement.c.ended.is_(None), agreement.c.ended > bindparam("at", type_=BigInteger)),
    )
    .order_by(agreement.c.source, agreement.c.id)
)

# The documents in force, who may sign, and every organisation that ever published: read together.
APPROVERS = Read(Statement(_APPROVERS))
STORED = (Read(Statement(_IN_FORCE)), APPROVERS, Read(Statement(_SOURCES)))

ADD_APPROVER = Added(approver)
END_APPROVER = Statement(
    update(approver)
    .where(approver.c.id == bindparam("approver_id", type_=Text))
    .values(ended=bindparam("ended_at", type_=BigInteger), body=bindparam("sealed", type_=LargeBinary))
)
ADD_AGREEMENT = Added(agreement)
AGREEMENT = Statement(select(*agreement.columns).where(agreement.c.id == bindparam("id", type_=Text)))
END_AGREEMENT = Statement(
    update(agreement)
    .where(agreement.c.id == bindparam("agreement_id", type_=Text))
    .values(ended=bindparam("ended_at", type_=BigInteger))
)
SET_SIGNATURES = Statement(
    update(agreement)
    .where(agreement.c.id == bindparam("agreement_id", type_=Text))
    .values(signatures=bindparam("stated", type_=Text))
)


def stored_at(database: Path | str) -> list[Rows]:
    """The rows of ``STORED`` as they stand, for a process that is about to start. Raises DatabaseFault."""
    with migrate.told(), migrate.engine_of(database).connect() as connection:
        return [[tuple(row) for row in connection.execute(wanted)] for wanted in (_IN_FORCE, _APPROVERS, _SOURCES)]
