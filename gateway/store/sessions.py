"""Where agencies' staff sign in, and who is signed in, as rows.

The browser holds a random id; the row is found by its keyed token, so that a copy of the database signs nobody in. A
session ends when its row is gone, after its hours, or when nothing was asked for a while.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, delete, select, update

from gateway.store import clock
from gateway.store.ledger import Feed, Moment, Upkeep
from gateway.store.sql import Added, Keyed, Read, Row, Statement, Write
from gateway.store.tables import agency, identity_provider, session
from gateway.store.vault import Vault

SEEN_EVERY = 60 * clock.SECOND  # how exactly it is remembered when somebody was last seen
SHELF = "sign-in"

_OF_AGENCY = identity_provider.c.agency == bindparam("agency_code", type_=Text)
PROVIDER = Statement(select(*identity_provider.columns).where(_OF_AGENCY))
PROVIDERS = Statement(
    select(identity_provider.c.agency, agency.c.name, identity_provider.c.issuer, identity_provider.c.client_id)
    .join(agency, agency.c.code == identity_provider.c.agency)
    .order_by(agency.c.name)
)
AT_ISSUER = Statement(select(identity_provider.c.agency).where(identity_provider.c.issuer == bindparam("issuer_url", type_=Text)))
ADD_PROVIDER = Added(identity_provider)
DROP_PROVIDER = Statement(delete(identity_provider).where(_OF_AGENCY))

_THIS = session.c.token == bindparam("session_token", type_=LargeBinary)
SESSION = Keyed(select(*session.columns), session.c.token)
ADD_SESSION = Added(session)
TOUCH_SESSION = Statement(update(session).where(_THIS).values(seen=bindparam("seen_at", type_=BigInteger)))
END_SESSION = Statement(delete(session).where(_THIS))
END_SESSIONS = Statement(delete(session).where(session.c.agency == bindparam("agency_code", type_=Text)))
END_SESSIONS_OF_USER = Statement(
    delete(session).where(
        session.c.agency == bindparam("agency_code", type_=Text),
        session.c.user_token == bindparam("token_of_user", type_=LargeBinary),
    )
)
FORGET_SESSIONS = Statement(delete(session).where(session.c.expires < bindparam("before", type_=BigInteger)))


def session_token(vault: Vault, held: str) -> bytes:
    """The keyed token of what a browser holds."""
    return vault.token("session", held)


@dataclass(frozen=True, slots=True)
class Shown:
    """A session as a browser showed it, and after how many microseconds without a request it has ended."""

    token: bytes
    idle: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at the moment of a visit: the session's row if it lives, the version of clients and agencies, their feeds."""

    row: Row | None
    stamp: str
    feeds: Mapping[str, Feed]


def resume(_: Any, shown: Shown, moment: Moment) -> Generator[Any, Any, Upkeep[Standing]]:
    """Find a session and remember that it was used: what is done in it is an exchange of its own."""
    rows = yield Read(SESSION, {"key": shown.token})
    row = rows[0] if rows and _lives(rows[0], shown.idle, moment.at) else None
    seen = row is not None and moment.at - row[5] > SEEN_EVERY
    writes = (Write(TOUCH_SESSION, {"session_token": shown.token, "seen_at": moment.at}),) if seen else ()
    return Upkeep(Standing(row, moment.stamp, moment.feeds), writes)


def _lives(row: Row, idle: int, at: int) -> bool:
    *_, seen, expires = row
    return bool(at < expires and at - seen < idle)
