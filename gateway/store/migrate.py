"""The revision of a database: brought to the newest, or checked. Migrations stand in ``migrations/`` (Alembic)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from gateway.audit.merkle import Frontier
from gateway.store.tables import audit_key, log_head, standing
from gateway.store.vault import Broken, Vault

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


class DatabaseFault(Exception):
    """A database that cannot be used; the text says in one line why and what to do."""


def engine_of(database: Path | str) -> Engine:
    """An engine for migrations and bulk work: a file for SQLite, a libpq string or URL for PostgreSQL.

    A transaction is one on both: what it reads is of one moment, and a change of tables is undone with it.
    """
    if isinstance(database, Path):
        engine = create_engine(f"sqlite:///{database}", poolclass=NullPool)
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
        return engine
    try:
        return create_engine(
            postgres_url(database), poolclass=NullPool, isolation_level="REPEATABLE READ", connect_args={"connect_timeout": 5}
        )
    except (ArgumentError, ValueError) as fault:
        raise DatabaseFault("the database's address cannot be read: it is a libpq string or a postgresql:// URL") from fault


def _durable(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions late, and none for a change of tables
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: Connection) -> None:
    connection.connection.cursor().execute("BEGIN")


def postgres_url(dsn: str) -> URL:
    """SQLAlchemy's form of a libpq URL or key=value string."""
    if "://" in dsn:
        return make_url(dsn).set(drivername="postgresql+psycopg")
    parts = dict(part.split("=", 1) for part in dsn.split())
    known = {"host", "port", "user", "password", "dbname"}
    query = {key: value for key, value in parts.items() if key not in known}
    if parts.get("host", "").startswith("/"):
        query["host"] = parts.pop("host")
    return URL.create(
        "postgresql+psycopg", parts.get("user"), parts.get("password"), parts.get("host"),
        int(parts["port"]) if "port" in parts else None, parts.get("dbname"), query,
    )  # fmt: skip


def config_of(engine: Engine) -> Config:
    """Alembic's configuration for one engine."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, kind: str, revision: str = "head") -> None:
    """Bring a database to a revision; a new one is told what kind of deployment it is. Raises DatabaseFault."""
    with told():
        command.upgrade(config_of(engine), revision)
        with engine.begin() as connection:
            if connection.execute(select(standing.c.id)).first() is None:
                connection.execute(insert(standing).values(id=1, kind=kind, policy="", stamp="0"))
                connection.execute(insert(log_head).values(id=1, frontier=Frontier().to_bytes()))


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take a database back to a revision; what the tables that go held is gone. Raises DatabaseFault."""
    with told():
        command.downgrade(config_of(engine), revision)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Faults of the driver in one line, without the statement."""
    try:
        yield
    except CommandError as fault:
        raise DatabaseFault(f"the database cannot be migrated: {fault}") from fault
    except DBAPIError as fault:
        raise DatabaseFault(f"the database cannot be used: {(str(fault.orig).splitlines() or ['no reason given'])[0]}") from fault


@cache
def newest() -> str | None:
    """The revision that this gateway needs: to find it, every migration is read, so it is found once in a process."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def check(engine: Engine, kind: str, vault: Vault | None = None) -> None:
    """Refuse a database of another revision or kind, or one that was written with other keys. Raises DatabaseFault."""
    wanted = newest()
    with told(), engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found != wanted:
            raise DatabaseFault(
                f"the database is at revision {found or 'none'}, this gateway needs {wanted}: run gateway migrate"
            )
        row = connection.execute(select(standing.c.kind)).first()
        years = connection.execute(select(audit_key.c.id, audit_key.c.wrapped)).all() if vault else []
    for year, wrapped in years:
        _check_key(vault, year, wrapped)
    if row is None or row[0] != kind:
        raise DatabaseFault(f"the database belongs to a {row[0] if row else 'new'} deployment, this is a {kind} one")


def _check_key(vault: Vault | None, year: str, wrapped: bytes) -> None:
    """Other keys open nothing that is stored, and would find nobody: everyone would be a stranger."""
    try:
        if vault:
            vault.learn_year(year, wrapped)
    except Broken as fault:
        raise DatabaseFault("the database was written with other keys: restore the keys that belong to it") from fault
