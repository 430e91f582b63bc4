"""What may go out now: a look into the outbox, which takes no longer the more may go to one destination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import NamedFromClause

from gateway.store.outbox import AT, HANDSHAKE, LEASED, PENDING, UNFINISHED, goes_to, is_in
from gateway.store.sql import Statement
from gateway.store.tables import outbox, subscription

# The clock that all workers share, as it stood when the statement began: an index can be searched by that.
_shared: ColumnElement[int] = literal_column("(extract(epoch FROM statement_timestamp()) * 1000000)::bigint", BigInteger)


def _destinations(found_in: Callable[..., ColumnElement[int]]) -> CTE:
    """Where anything waits to go: found one after the other through the index, however much waits for each. Left out are
    those of which enough is known."""
    first, following = outbox.alias("first"), outbox.alias("following")
    found = select(func.min(first.c.destination).label("name")).where(is_in(first.c.state, PENDING)).cte("each", recursive=True)
    after = (
        select(func.min(following.c.destination))
        .where(is_in(following.c.state, PENDING), following.c.destination > found.c.name)
        .scalar_subquery()
    )
    each = found.union_all(select(after).where(found.c.name.is_not(None)))
    named = literal_column("'<'", Text).concat(each.c.name).concat(literal_column("'>'", Text))
    known = bindparam("known", type_=Text)
    return select(each.c.name).where(each.c.name.is_not(None), found_in(known, named) == literal_column("0")).cte("destinations")


def _may_go(row: NamedFromClause[Any]) -> ColumnElement[bool]:
    """The first unfinished notice of its lane; a rest-hook hears nothing before its handshake."""
    other, its = outbox.alias("other"), subscription.alias("its")
    is_first = ~exists().where(other.c.lane == row.c.lane, other.c.place < row.c.place, is_in(other.c.state, *UNFINISHED))
    status = select(its.c.status).where(its.c.id == row.c.subscription).scalar_subquery()
    return and_(is_first, or_(row.c.topic == HANDSHAKE, status != "requested"))


def _first_of(destination: ColumnElement[str], clock: ColumnElement[int]) -> Select[Any]:
    """The first few that may go to one destination."""
    row = outbox.alias("waiting")
    return (
        select(row.c.id)
        .where(is_in(row.c.state, PENDING), row.c.destination == destination, row.c.due <= clock, _may_go(row))
        .order_by(row.c.due)
        .limit(bindparam("share", type_=Integer))
    )


def _ready(clock: ColumnElement[int], chosen: Select[Any]) -> Select[Any]:
    """Where each goes is its subscription's to say; the row's own column finds it, and no more."""
    row = outbox.alias("lapsed")
    lapsed = select(row.c.id).where(row.c.state == LEASED, row.c.leased_until <= clock, _may_go(row))
    since = func.coalesce(outbox.c.tried_since, outbox.c.created)
    turn = func.row_number().over(partition_by=goes_to, order_by=(outbox.c.due, outbox.c.id))
    return (
        select(outbox.c.id, outbox.c.subscription, goes_to, since)
        .select_from(outbox.join(subscription, subscription.c.id == outbox.c.subscription))
        .where(outbox.c.id.in_(union_all(chosen, lapsed)))
        .order_by(turn, outbox.c.due, outbox.c.id)
        .limit(bindparam("count", type_=Integer))
    )


def _ready_on_sqlite() -> Select[Any]:
    destinations, row = _destinations(func.instr), outbox.alias("chosen")
    chosen = select(row.c.id).select_from(destinations.join(row, row.c.id.in_(_first_of(destinations.c.name, AT))))
    return _ready(AT, chosen)


def _ready_on_postgres() -> Select[Any]:
    destinations = _destinations(func.strpos)
    few = _first_of(destinations.c.name, _shared).correlate(destinations).lateral("few")
    chosen = select(few.c.id).select_from(destinations.join(few, literal_column("true")))
    return _ready(_shared, chosen)


# The first few for each destination but those in ``known`` (each between angle brackets), and leases that have lapsed. Each
# destination has its first before any has its second. What may go is found at once, however much waits behind it; what may
# not yet, for another notice of its lane or a handshake is before it, is passed over one by one. Between workers decides
# the claim (``outbox.CLAIM``).
READY = Statement(_ready_on_sqlite(), _ready_on_postgres())
