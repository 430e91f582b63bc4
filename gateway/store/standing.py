"""What each batch reads first: the versions in force and what is known of the agencies' feeds."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, Integer, Text, bindparam, select, true, update

from gateway.store.ledger import Feed, Moment
from gateway.store.sql import Added, Row, Statement
from gateway.store.tables import agency, client, standing

STANDING = Statement(select(standing.c.policy, standing.c.stamp, standing.c.kind))
SET_POLICY = Statement(update(standing).values(policy=bindparam("policy", type_=Text)))
SET_STAMP = Statement(update(standing).values(stamp=bindparam("stamp", type_=Text)))
FEED_COLUMNS = (
    agency.c.code,
    agency.c.name,
    agency.c.kind,
    agency.c.profile,
    agency.c.complete,
    agency.c.holds_from,
    agency.c.data_as_of,
    agency.c.fresh_hours,
    agency.c.version,
)
FEEDS = Statement(select(*FEED_COLUMNS).order_by(agency.c.code))
ADD_AGENCY = Added(agency)
ADD_CLIENT = Added(client)
RAISE_VERSION = Statement(
    update(agency).where(agency.c.code == bindparam("agency_code", type_=Text)).values(version=agency.c.version + 1)
)
CHANGE_AGENCY = Statement(
    update(agency)
    .where(agency.c.code == bindparam("agency_code", type_=Text))
    .values(
        name=bindparam("called", type_=Text),
        profile=bindparam("described", type_=Text),
        complete=bindparam("whole", type_=Integer),
        holds_from=bindparam("since", type_=Text),
        fresh_hours=bindparam("hours", type_=Integer),
        version=agency.c.version + 1,
    )
)
TOUCH_FEED = Statement(
    update(agency)
    .where(agency.c.code == bindparam("agency_code", type_=Text))
    .values(data_as_of=bindparam("as_of", type_=BigInteger))
)
CLIENT = Statement(select(*client.columns).where(client.c.id == bindparam("id", type_=Text)))
CLIENTS = Statement(select(client.c.id, client.c.agency, client.c.name, client.c.revoked).order_by(client.c.id))
SET_ENDPOINTS = Statement(
    update(client).where(client.c.id == bindparam("client_id", type_=Text)).values(endpoints=bindparam("registered", type_=Text))
)
REVOKE_CLIENT = Statement(update(client).where(client.c.id == bindparam("client_id", type_=Text)).values(revoked=1))


# What every batch stands on, in one statement: the versions in force beside each agency's feed, if there is any.
STOOD = Statement(
    select(standing.c.policy, standing.c.stamp, *FEED_COLUMNS)
    .select_from(standing.outerjoin(agency, true()))
    .order_by(agency.c.code)
)


class Stood:
    """What a ledger last read of ``STOOD``. A moment is made of it without reading; whether it still holds is found by
    reading again, in the transaction that would use it."""

    __slots__ = ("_feeds", "_policy", "_rows", "_stamp")

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._policy = self._stamp = ""
        self._feeds: dict[str, Feed] = {}

    def moment(self, at: int) -> Moment | None:
        """A moment on what stood when it was last read; None where it never was."""
        return Moment(at, self._policy, self._stamp, self._feeds) if self._rows else None

    def learn(self, at: int, rows: list[Row]) -> Moment:
        """A moment on these rows. What has not changed is not made anew: where nothing has, it equals ``moment(at)``."""
        if rows != self._rows:
            self._policy, self._stamp = rows[0][0], rows[0][1]
            self._feeds = {row[2]: _feed(row[2:]) for row in rows if row[2] is not None}
            self._rows = rows
        return Moment(at, self._policy, self._stamp, self._feeds)


def feeds_of(rows: Iterable[Row]) -> dict[str, Feed]:
    """The rows of ``FEEDS`` by agency."""
    return {row[0]: _feed(row) for row in rows}


def _feed(row: Row) -> Feed:
    code, name, kind, profile, complete, holds_from, data_as_of, fresh_hours, version = row
    return Feed(code, name, kind, profile, bool(complete), holds_from, data_as_of, fresh_hours, version)
