"""What comes back of notices and messages: acknowledgements, call-back requests, response messages to be posted."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Select, Text, and_, bindparam, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.outbox import COLUMNS, LEASED, PENDING
from gateway.store.sql import Added, Keyed, Statement
from gateway.store.tables import acknowledgement, call_back, outbox, reply

RECEIVED, ACKNOWLEDGED, OVERDUE = "received", "acknowledged", "overdue"
STATES = (RECEIVED, ACKNOWLEDGED, OVERDUE)

_at = bindparam("at", type_=BigInteger)

# --- acknowledgements ---

ADD_ACKNOWLEDGEMENT = Added(acknowledgement, new_only=True)
_one = select(*acknowledgement.columns).where(acknowledgement.c.notice == bindparam("notice", type_=Text))
ACKNOWLEDGEMENT = Keyed(select(*acknowledgement.columns), acknowledgement.c.notice)
LOCK_ACKNOWLEDGEMENT = Statement(_one, _one.with_for_update())
_acknowledge = (
    update(acknowledgement)
    .where(acknowledgement.c.notice == bindparam("told_notice", type_=Text))
    .values(
        state=ACKNOWLEDGED,
        next_at=None,
        answered=bindparam("at", type_=BigInteger),
        body=bindparam("sealed", type_=LargeBinary),
    )
)
SET_ACKNOWLEDGEMENT = Statement(_acknowledge)
ACKNOWLEDGE_FIRST = Statement(_acknowledge.where(acknowledgement.c.state != ACKNOWLEDGED))
# Who changes the level raises it; another worker that saw the same level changes nothing.
RAISE = Statement(
    update(acknowledgement)
    .where(
        acknowledgement.c.notice == bindparam("told_notice", type_=Text),
        acknowledgement.c.level == bindparam("seen_level", type_=Integer),
        acknowledgement.c.next_at <= _at,
    )
    .values(
        state=OVERDUE,
        level=acknowledgement.c.level + 1,
        next_at=bindparam("then_at", type_=BigInteger),
        body=bindparam("sealed", type_=LargeBinary),
    )
)
DUE_ACKNOWLEDGEMENTS = Statement(
    select(acknowledgement.c.notice)
    .where(acknowledgement.c.next_at <= _at)
    .order_by(acknowledgement.c.next_at)
    .limit(bindparam("count", type_=Integer))
)


NOTICE_ROW = Statement(select(*COLUMNS).where(outbox.c.id == bindparam("id", type_=Text)))


def _page(side: ColumnElement[str], oldest_first: bool = False) -> Select[tuple[object, ...]]:
    """A page of one side's notices, the last told first, with the row of the outbox before that of the acknowledgement."""
    told, last = bindparam("told", type_=BigInteger), bindparam("last", type_=Text)
    at, notice = acknowledgement.c.told, acknowledgement.c.notice
    follows = or_(at > told, and_(at == told, notice > last)) if oldest_first else or_(at < told, and_(at == told, notice < last))
    order = (at, notice) if oldest_first else (at.desc(), notice.desc())
    return (
        select(*COLUMNS, *acknowledgement.columns)
        .select_from(acknowledgement.join(outbox, outbox.c.id == acknowledgement.c.notice))
        .where(
            side == bindparam("agency", type_=Text),
            or_(bindparam("any_state", type_=Integer) == 1, acknowledgement.c.state == bindparam("state", type_=Text)),
            follows,
        )
        .order_by(*order)
        .limit(bindparam("count", type_=Integer))
    )


NOTICES = {"received": Statement(_page(acknowledgement.c.receiver)), "sent": Statement(_page(acknowledgement.c.owner))}
RECEIVED_OLDEST_FIRST = Statement(_page(acknowledgement.c.receiver, oldest_first=True))
OUTBOX_COLUMNS = len(COLUMNS)

# --- call-back requests ---

ADD_CALL_BACK = Added(call_back)
_mine = and_(call_back.c.owner == bindparam("owner", type_=Text), call_back.c.id == bindparam("id", type_=Text))
LOCK_CALL_BACK = Statement(select(*call_back.columns).where(_mine), select(*call_back.columns).where(_mine).with_for_update())
CLOSE_CALL_BACK = Statement(
    update(call_back)
    .where(call_back.c.id == bindparam("call_back_id", type_=Text), call_back.c.closed.is_(None))
    .values(closed=_at, body=bindparam("sealed", type_=LargeBinary))
)


def _requests(*more: ColumnElement[bool]) -> Statement:
    made, last = bindparam("made", type_=BigInteger), bindparam("last", type_=Text)
    return Statement(
        select(*call_back.columns)
        .where(
            call_back.c.owner == bindparam("owner", type_=Text),
            or_(call_back.c.made < made, and_(call_back.c.made == made, call_back.c.id < last)),
            *more,
        )
        .order_by(call_back.c.made.desc(), call_back.c.id.desc())
        .limit(bindparam("count", type_=Integer))
    )


CALL_BACKS = {
    "open": _requests(call_back.c.closed.is_(None)),
    "closed": _requests(call_back.c.closed.is_not(None)),
    "": _requests(),
}

# --- response messages ---

ADD_REPLY = Added(reply)
READY_REPLIES = Statement(
    select(reply.c.id)
    .where(
        or_(
            and_(reply.c.state == PENDING, reply.c.due <= _at),
            and_(reply.c.state == LEASED, reply.c.leased_until <= _at),
        )
    )
    .order_by(reply.c.due)
    .limit(bindparam("count", type_=Integer))
)
_reply = select(*reply.columns).where(reply.c.id == bindparam("id", type_=Text))
REPLY = Statement(_reply, _reply.with_for_update())
CLAIM_REPLY = Statement(
    update(reply)
    .where(
        reply.c.id == bindparam("reply_id", type_=Text),
        reply.c.epoch == bindparam("seen_epoch", type_=Integer),
        or_(reply.c.state == PENDING, reply.c.state == LEASED),
    )
    .values(
        state=LEASED, epoch=reply.c.epoch + 1, attempts=reply.c.attempts + 1,
        leased_until=bindparam("until", type_=BigInteger), updated=_at,
    )
)  # fmt: skip
SETTLE_REPLY = Statement(
    update(reply)
    .where(
        reply.c.id == bindparam("reply_id", type_=Text),
        reply.c.epoch == bindparam("held_epoch", type_=Integer),
        reply.c.state == LEASED,
    )
    .values(
        state=bindparam("new_state", type_=Text),
        due=bindparam("new_due", type_=BigInteger),
        leased_until=None,
        last_result=bindparam("result", type_=Text),
        updated=_at,
    )
)
