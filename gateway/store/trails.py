"""The outbox as an auditor sees it: what became of a change, and what has not arrived."""

from __future__ import annotations

from sqlalchemy import Integer, Text, and_, bindparam, or_, select

from gateway.store.outbox import COLUMNS, DEAD, HANDSHAKE, UNFINISHED
from gateway.store.sql import Statement, one_of
from gateway.store.tables import acknowledgement, outbox

_AGENCY = bindparam("agency", type_=Text)
_one = outbox.alias("asked_about")
_TOLD = and_(_one.c.receiver == _AGENCY, _one.c.number.is_not(None))  # a receiver knows of what it was told
_PERSON = select(_one.c.person, _one.c.created, _one.c.owner, _one.c.id).where(
    _one.c.id == bindparam("id", type_=Text), or_(_one.c.owner == _AGENCY, _TOLD)
)
_asked = _PERSON.cte("asked")
# The notices of the same change: all of them for the owner, its own for a receiver; each with its receipt, if there is one.
SAME_CHANGE = Statement(
    select(*COLUMNS, *acknowledgement.columns)
    .select_from(
        _asked.join(outbox, and_(outbox.c.person == _asked.c.person, outbox.c.created == _asked.c.created)).outerjoin(
            acknowledgement, acknowledgement.c.notice == outbox.c.id
        )
    )
    .where(outbox.c.owner == _asked.c.owner, or_(outbox.c.id == _asked.c.id, outbox.c.owner == _AGENCY))
    .order_by(outbox.c.receiver, outbox.c.id)
    .limit(bindparam("count", type_=Integer))
)
NOT_ARRIVED = Statement(
    select(*COLUMNS)
    .where(
        one_of(outbox.c.state, (*UNFINISHED, DEAD)),
        outbox.c.topic != HANDSHAKE,
        or_(outbox.c.owner == _AGENCY, and_(outbox.c.receiver == _AGENCY, outbox.c.state == DEAD, outbox.c.number.is_not(None))),
    )
    .order_by(outbox.c.created, outbox.c.id)
    .limit(bindparam("count", type_=Integer))
)
