"""What each batch reads first: the versions in force and what is known of the agencies' feeds."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, select, update

from gateway.store.ledger import Feed, Moment
from gateway.store.sql import Added, Row, Statement
from gateway.store.tables import agency, client, standing

STANDING = Statement(select(standing.c.policy, standing.c.stamp, standing.c.kind))
SET_POLICY = Statement(update(standing).values(policy=bindparam("policy", type_=Text)))
SET_STAMP = Statement(update(standing).values(stamp=bindparam("stamp", type_=Text)))
FEEDS = Statement(
    select(
        agency.c.code,
        agency.c.name,
        agency.c.kind,
        agency.c.profile,
        agency.c.complete,
        agency.c.holds_from,
        agency.c.data_as_of,
        agency.c.fresh_hours,
        agency.c.version,
    ).order_by(agency.c.code)
)
ADD_AGENCY = Added(agency)
ADD_CLIENT = Added(client)
TOUCH_FEED = Statement(
    update(agency)
    .where(agency.c.code == bindparam("agency_code", type_=Text))
    .values(data_as_of=bindparam("as_of", type_=BigInteger))
)
CLIENT = Statement(select(*client.columns).where(client.c.id == bindparam("id", type_=Text)))
CLIENTS = Statement(select(client.c.id, client.c.agency, client.c.name, client.c.revoked).order_by(client.c.id))
REVOKE_CLIENT = Statement(update(client).where(client.c.id == bindparam("client_id", type_=Text)).values(revoked=1))


def moment(at: int, standing_rows: list[Row], feed_rows: list[Row]) -> Moment:
    """The moment of a batch from its rows."""
    policy, stamp, _ = standing_rows[0]
    return Moment(at, policy, stamp, {row[0]: _feed(row) for row in feed_rows})


def _feed(row: Row) -> Feed:
    code, name, kind, profile, complete, holds_from, data_as_of, fresh_hours, version = row
    return Feed(code, name, kind, profile, bool(complete), holds_from, data_as_of, fresh_hours, version)
