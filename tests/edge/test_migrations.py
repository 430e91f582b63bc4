"""The tables as migrations make them, on both databases."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.tables import metadata
from gateway.store.vault import load_keys, make_keys

OWN = {table.name for table in metadata.sorted_tables}


@pytest.fixture
def engine(settings: Settings) -> Engine:
    """An engine on a migrated database."""
    return migrate.engine_of(settings.database_url or settings.database_file)


def tables(engine: Engine) -> set[str]:
    """The gateway's own tables that are there."""
    return set(inspect(engine).get_table_names()) & OWN


def test_down_and_up_again(engine: Engine) -> None:
    """A database can be taken back to nothing and brought to the newest revision again, and is then fit to serve."""
    assert tables(engine) == OWN
    migrate.downgrade(engine)
    assert tables(engine) == set()
    with pytest.raises(migrate.DatabaseFault, match="revision none"):
        migrate.check(engine, "test")
    migrate.upgrade(engine, "test")
    assert tables(engine) == OWN
    migrate.check(engine, "test")


def test_up_twice_changes_nothing(engine: Engine) -> None:
    """The command may be run at every start."""
    migrate.upgrade(engine, "test")
    migrate.check(engine, "test")


def test_the_tables_in_code_are_those_of_the_migrations(engine: Engine) -> None:
    """Nothing is left to be generated: columns, keys, indexes and constraints are the same."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_migration_that_fails_leaves_the_tables_as_they_were(engine: Engine, settings: Settings) -> None:
    """A change of tables is one transaction on both databases: after a fault in the middle the old tables are all there."""
    from alembic.operations import Operations

    def broken() -> None:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                Operations(context).drop_table("unmatched_code")
                Operations(context).drop_table("there_is_no_such_table")

    with pytest.raises(Exception, match="there_is_no_such_table"):
        broken()
    assert "unmatched_code" in tables(engine)


def test_a_database_of_another_kind_is_refused(engine: Engine) -> None:
    """Demonstration and production never mix."""
    with pytest.raises(migrate.DatabaseFault, match="test deployment, this is a production one"):
        migrate.check(engine, "production")


async def test_a_database_that_was_written_with_other_keys_is_refused(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    """With other keys of the same kind everyone would be a stranger: told before anything is served."""
    from tests.edge.durable import note, opened

    async with opened(settings) as ledger:
        await ledger.run(note, "a")
    make_keys(tmp_path / "other.keys", "test")
    migrate.check(engine, "test", load_keys(settings.keys_folder))
    with pytest.raises(migrate.DatabaseFault, match="other keys"):
        migrate.check(engine, "test", load_keys(tmp_path / "other.keys"))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:p@db.example:5433/gateway?sslmode=require",
        "host=db.example port=5433 user=u password=p dbname=gateway sslmode=require",
        "postgresql:///gateway?host=/run/postgresql&user=u&port=5433",
        "host=/run/postgresql user=u dbname=gateway port=5433",
    ],
)
def test_every_form_of_a_libpq_address_is_understood_alike(address: str) -> None:
    """The same setting serves the driver and the migrations: both arrive at the same place."""
    wanted = psycopg.conninfo.conninfo_to_dict(address)
    url = migrate.postgres_url(address)
    found = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    merged = {**{key: str(value) for key, value in found.items() if value is not None}, **url.query}
    assert merged == {key: str(value) for key, value in wanted.items()}


@pytest.mark.parametrize("address", ["nonsense", "postgresql://[", "host=db port=many"])
def test_an_address_that_cannot_be_read_is_a_plain_refusal(address: str) -> None:
    """One line that says what form is wanted, not a driver's exception."""
    with pytest.raises(migrate.DatabaseFault, match="cannot be"):
        migrate.check(migrate.engine_of(address), "test")


async def test_a_log_that_an_earlier_version_began_is_refused_in_one_line(settings: Settings) -> None:
    """Its tree has other leaves, so it would not verify: the database is left as it was, and the operator is told what to do."""
    from tests.edge.durable import note, opened

    engine = migrate.engine_of(settings.database_url or settings.database_file)
    async with opened(settings) as ledger:
        await ledger.run(note, "a")
    migrate.downgrade(engine, "0009")
    with pytest.raises(
        migrate.DatabaseFault, match="begun by an earlier version, whose tree has other leaves: begin a new deployment"
    ):
        migrate.upgrade(engine, "test")
    assert "audit_beside" not in tables(engine)
