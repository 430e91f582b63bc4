"""What the durability tests share: small exchanges, ledgers on a database of their own, and a second pair of eyes on it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Text, bindparam, func, select, update

from gateway.audit.entry import DONE, Entry, Kind
from gateway.exchanges.context import entry_id
from gateway.fhir.outcomes import Unprocessable
from gateway.settings import Settings
from gateway.store.ledger import Ledger, Moment, Outcome
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.ledger_sqlite import SqliteLedger
from gateway.store.sql import Added, Changed, Hold, Read, Statement, Write
from gateway.store.tables import seen_assertion
from gateway.store.vault import load_keys

ADD = Added(seen_assertion)  # a second row of the same name breaks the table's constraint
ALL = Statement(select(func.count()).select_from(seen_assertion))
FIND = Statement(select(seen_assertion.c.jti).where(seen_assertion.c.jti == bindparam("jti", type_=Text)))
LENGTHEN = Changed(
    "jti",
    {"jti": Text(), "by": BigInteger()},
    lambda given: (
        update(seen_assertion).where(seen_assertion.c.jti == given("jti")).values(expires=seen_assertion.c.expires + given("by"))
    ),
)
Story = Generator[Any, Any, Outcome[Any]]


def row(name: str) -> dict[str, Any]:
    """A row that an exchange writes."""
    return {"client": "c", "jti": name, "expires": 2**60}


def entry(name: str, moment: Moment) -> Entry:
    """The line that an exchange leaves in the access log."""
    return Entry(entry_id(moment.at), moment.at, "note", DONE, Kind.ADMINISTRATION, detail=(("result", name),))


def note(_: Any, name: str, moment: Moment) -> Story:
    """Reads, and writes one row at its end."""
    yield Read(FIND, {"jti": name})
    return Outcome(name, (entry(name, moment),), (Write(ADD, row(name)),))


def note_at_once(_: Any, name: str, moment: Moment) -> Story:
    """Writes one row and reads it again; answers with how many of the name it saw before and after."""
    before = yield Read(FIND, {"jti": name})
    changed = yield Write(ADD, row(name))
    after = yield Read(FIND, {"jti": name})
    return Outcome((len(before), changed, len(after)), (entry(name, moment),))


def lengthens(_: Any, ask: tuple[str, int], moment: Moment) -> Story:
    """Changes one row at its end."""
    name, by = ask
    yield Read(FIND, {"jti": name})
    return Outcome(name, (entry(name, moment),), (Write(LENGTHEN, {"jti": name, "by": by}),))


def refuses(_: Any, name: str, moment: Moment) -> Story:
    """Raises after it has read."""
    yield Read(FIND, {"jti": name})
    raise Unprocessable("not this one")


def refuses_late(_: Any, name: str, moment: Moment) -> Story:
    """Raises after it has written, which only an exchange alone may do."""
    yield Write(ADD, row(name))
    raise Unprocessable("not this one")


def writes_too_early(_: Any, name: str, moment: Moment) -> Story:
    """Breaks the form of an exchange that shares a batch."""
    yield Write(ADD, row(name))
    return Outcome(name, (entry(name, moment),))


def holding(_: Any, ask: tuple[str, tuple[bytes, ...]], moment: Moment) -> Story:
    """Changes what decisions about these persons rest on."""
    name, tokens = ask
    yield Hold(tokens)
    yield Write(ADD, row(name))
    return Outcome(name, (entry(name, moment),))


def deciding(_: Any, ask: tuple[str, tuple[tuple[bytes, ...], ...]], moment: Moment) -> Story:
    """Decides on persons that it comes to know of one after the other."""
    name, rounds = ask
    for tokens in rounds:
        yield Read(ALL, {}, tokens)
    return Outcome(name, (entry(name, moment),), (Write(ADD, row(name)),))


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Any]:
    """A ledger of one worker on the database of these settings."""
    vault = load_keys(settings.keys_folder)
    ledger: Ledger
    if settings.on_postgres:
        ledger = PostgresLedger(settings.database_url, None, vault)
        await ledger.start()
    else:
        ledger = SqliteLedger(settings.database_file, None, vault)
    try:
        yield ledger
    finally:
        await ledger.close()


@dataclass(frozen=True)
class Stored:
    """What a second connection sees."""

    names: frozenset[str]
    entries: int
    places: tuple[int, ...]
    unsealed: int


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows by a connection of its own, which sees only what is committed."""
    if settings.on_postgres:
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()
    with contextlib.closing(sqlite3.connect(settings.database_file, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def change(settings: Settings, sql: str, *params: Any) -> None:
    """Alter the database behind the gateway's back. A row that a transaction holds is waited for in a thread, or for nothing:
    who waits on the loop keeps that transaction from ending."""
    if settings.on_postgres:
        with psycopg.connect(settings.database_url, autocommit=True, options="-c lock_timeout=10s") as connection:
            connection.execute(sql.replace("?", "%s"), params)
        return
    with contextlib.closing(sqlite3.connect(settings.database_file, isolation_level=None)) as connection:
        connection.execute(sql, params)


def stored(settings: Settings) -> Stored:
    """Names, entries and places as they are committed."""
    names = frozenset(name for (name,) in ask(settings, "SELECT jti FROM seen_assertion"))
    places = tuple(place for (place,) in ask(settings, "SELECT place FROM audit_leaf ORDER BY place"))
    entries = ask(settings, "SELECT count(*) FROM audit_entry")[0][0]
    return Stored(names, entries, places, ask(settings, "SELECT count(*) FROM audit_unsealed")[0][0])


async def all_sealed(settings: Settings, ledger: Any) -> None:
    """Until every entry has its place in the tree, given by this worker or by another that is at it."""
    while settings.on_postgres and ask(settings, "SELECT count(*) FROM audit_unsealed")[0][0]:
        await ledger.seal()
        await asyncio.sleep(0.005)
