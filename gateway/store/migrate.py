"""The revision of a database: brought to the newest, or checked. Migrations stand in ``migrations/`` (Alembic)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from gateway.audit.merkle import Frontier
from gateway.store.tables import log_head, standing

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


class DatabaseFault(Exception):
    """A database that cannot be used; the text says in one line why and what to do."""


def engine_of(database: Path | str) -> Engine:
    """An engine for migrations and bulk work: a file for SQLite, a libpq string or URL for PostgreSQL."""
    if isinstance(database, Path):
        engine = create_engine(f"sqlite:///{database}", poolclass=NullPool)
        event.listen(engine, "connect", _durable)
        return engine
    return create_engine(postgres_url(database), poolclass=NullPool)


def _durable(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


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
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, kind: str, revision: str = "head") -> None:
    """Bring a database to a revision; a new one is told what kind of deployment it is."""
    command.upgrade(config_of(engine), revision)
    with engine.begin() as connection:
        if connection.execute(select(standing.c.id)).first() is None:
            connection.execute(insert(standing).values(id=1, kind=kind, policy="", stamp="0"))
            connection.execute(insert(log_head).values(id=1, frontier=Frontier().to_bytes()))


def downgrade(engine: Engine, revision: str = "base") -> None:
    command.downgrade(config_of(engine), revision)


def check(engine: Engine, kind: str) -> None:
    """Refuse a database of another revision or kind. Raises DatabaseFault."""
    wanted = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            if found != wanted:
                raise DatabaseFault(f"the database is at revision {found or 'none'}, this gateway needs {wanted}: run gateway migrate")
            row = connection.execute(select(standing.c.kind)).first()
    except OperationalError as fault:
        raise DatabaseFault(f"the database cannot be reached: {str(fault.orig).splitlines()[0]}") from fault
    if row is None or row[0] != kind:
        raise DatabaseFault(f"the database belongs to a {row[0] if row else 'new'} deployment, this is a {kind} one")
