"""What the gateway refuses to start with, through the real command line: one plain line that says what to do, no traceback."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.vault import KeyFault, load_keys, make_keys
from tests.edge.durable import change
from tests.edge.served import GATEWAY, Served, environment, free_port
from tests.world import settings_for


@pytest.fixture
def ready(tmp_path: Path, keys_folder: Path) -> Settings:
    """A migrated deployment which would start."""
    port = free_port()
    settings = settings_for(tmp_path, keys_folder, "", url=f"http://127.0.0.1:{port}", port=port)
    migrate.upgrade(migrate.engine_of(settings.database_file), "test")
    return settings


def refusal(settings: Settings, *arguments: str, **more: str) -> str:
    """What ``gateway serve`` says when it does not start: the one line on standard error."""
    command = [GATEWAY, *(arguments or ("serve",))]
    done = subprocess.run(command, env=environment(settings, **more), capture_output=True, text=True, timeout=120)
    assert done.returncode not in (0, None), done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("gateway: ")
    return said[0]


def test_a_database_of_another_revision(ready: Settings) -> None:
    """Says which revision it is at, which is needed, and by what command it gets there."""
    change(ready, "UPDATE alembic_version SET version_num = '0000'")
    assert "revision 0000" in refusal(ready)
    assert "gateway migrate" in refusal(ready)


def test_a_key_that_is_missing(ready: Settings) -> None:
    """Names the file; it is not made anew, for nothing could then be opened."""
    (ready.keys_folder / "content.key").unlink()
    assert str(ready.keys_folder / "content.key") in refusal(ready)
    assert not (ready.keys_folder / "content.key").exists()


@pytest.mark.parametrize("name", ["index.key", "content.key", "audit.key", "signing.pem", "tokens.pem", "kind"])
def test_each_key_is_needed(ready: Settings, name: str) -> None:
    """Missing, empty or a folder: named, whichever it is."""
    (ready.keys_folder / name).write_text("")
    with pytest.raises(KeyFault, match=name):
        load_keys(ready.keys_folder)
    (ready.keys_folder / name).unlink()
    with pytest.raises(KeyFault, match=name):
        load_keys(ready.keys_folder)
    (ready.keys_folder / name).mkdir()
    with pytest.raises(KeyFault, match=name):
        load_keys(ready.keys_folder)


def test_all_keys_missing_beside_data(ready: Settings) -> None:
    """A data folder whose keys are gone is not given new ones."""
    shutil.rmtree(ready.keys_folder)
    assert "restore" in refusal(ready)
    assert not ready.keys_folder.exists()


def test_a_key_that_others_can_read(ready: Settings) -> None:
    """Names the file, its mode and the command that mends it."""
    (ready.keys_folder / "content.key").chmod(0o644)
    told = refusal(ready)
    assert "content.key" in told
    assert "644" in told
    assert "chmod 600" in told


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_any_opening_of_a_key_to_others_is_refused(ready: Settings, mode: int) -> None:
    """Group or everybody, reading or writing."""
    (ready.keys_folder / "content.key").chmod(mode)
    with pytest.raises(KeyFault, match=f"mode {mode:o}"):
        load_keys(ready.keys_folder)


@pytest.mark.parametrize(
    ("name", "content"), [("index.key", "zz"), ("audit.key", "ab" * 31), ("signing.pem", "no key"), ("tokens.pem", "no key")]
)
def test_a_key_that_is_none(ready: Settings, name: str, content: str) -> None:
    """A damaged key file is named."""
    (ready.keys_folder / name).write_text(content)
    with pytest.raises(KeyFault, match=name):
        load_keys(ready.keys_folder)


def test_a_damaged_key_is_one_line(ready: Settings) -> None:
    """Through the command line."""
    (ready.keys_folder / "audit.key").write_text("zz")
    assert "audit.key" in refusal(ready)


def test_keys_of_another_kind_of_deployment(ready: Settings) -> None:
    """Demonstration keys open no production data."""
    assert "belong to a test deployment" in refusal(ready, GATEWAY_KIND="demo")


def test_keys_of_another_deployment_of_the_same_kind(ready: Settings, tmp_path: Path) -> None:
    """The keys of a sister deployment would make strangers of everyone: refused before anything is served."""
    vault = load_keys(ready.keys_folder)
    change(ready, "INSERT INTO audit_key (id, wrapped) VALUES (?, ?)", "2020", vault.new_year_key("2020"))
    make_keys(tmp_path / "sister.keys", "test")
    assert "other keys" in refusal(ready, GATEWAY_KEYS=str(tmp_path / "sister.keys"))


def test_a_database_of_another_kind(ready: Settings, tmp_path: Path) -> None:
    """The kind is written into the database once."""
    make_keys(tmp_path / "demo.keys", "demo")
    assert "belongs to a test deployment" in refusal(ready, GATEWAY_KIND="demo", GATEWAY_KEYS=str(tmp_path / "demo.keys"))


PRODUCTION = {
    "GATEWAY_URL": "https://gateway.southshire.example", "GATEWAY_CANONICAL_BASE": "https://gateway.southshire.example/fhir",
}  # fmt: skip


def production(settings: Settings, folder: Path, **more: str) -> dict[str, str]:
    """A production deployment on the same place, but for what ``more`` says."""
    if not (folder / "production.keys").exists():
        make_keys(folder / "production.keys", "production")
        change(settings, "UPDATE standing SET kind = 'production'")
    return {"GATEWAY_KIND": "production", "GATEWAY_KEYS": str(folder / "production.keys"), **PRODUCTION, **more}


def test_production_with_the_example_base_or_plain_http(ready: Settings, tmp_path: Path) -> None:
    """Production names its codes by itself and is reached over https."""
    example = production(ready, tmp_path, GATEWAY_CANONICAL_BASE="https://gateway.example/fhir")
    assert "GATEWAY_CANONICAL_BASE" in refusal(ready, **example)
    assert "https" in refusal(ready, **production(ready, tmp_path, GATEWAY_URL="http://gateway.southshire.example"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("GATEWAY_CANONICAL_BASE", "https://gateway.example/fhir"), ("GATEWAY_URL", "http://gateway.southshire.example")],
)
def test_production_that_may_not_start_leaves_nothing_behind(tmp_path: Path, name: str, value: str) -> None:
    """A first start that is refused for its settings has made no keys, no folder and no database."""
    settings = settings_for(tmp_path, tmp_path / "unused", "", port=free_port())
    keys, data = tmp_path / "new.keys", tmp_path / "new"
    given = {"GATEWAY_KIND": "production", "GATEWAY_KEYS": str(keys), "GATEWAY_DATA": str(data), **PRODUCTION, name: value}
    assert name in refusal(settings, **given)
    assert not keys.exists()
    assert not data.exists()


def test_a_postgresql_that_is_not_there(ready: Settings) -> None:
    """Says that it cannot be reached, in one line, for a socket, a port and an address that cannot be read."""
    for address in ("host=/nowhere dbname=x user=y", "postgresql://u:secret@127.0.0.1:1/x", "nonsense"):
        told = refusal(ready, GATEWAY_DATABASE_URL=address)
        assert "database" in told
        assert "secret" not in told


def test_a_file_that_is_no_database(ready: Settings) -> None:
    """A damaged database is not served, and not overwritten."""
    ready.database_file.write_bytes(b"not a database, " * 1000)
    assert "database" in refusal(ready)
    assert ready.database_file.read_bytes().startswith(b"not a database")


def test_a_second_process_on_one_folder(ready: Settings, tmp_path: Path) -> None:
    """One embedded folder has one long-lived process: the second says who is there, the first goes on."""
    first = Served(ready, tmp_path / "server.log").wait()
    try:
        assert "another gateway is serving" in refusal(ready, GATEWAY_PORT=str(free_port()))
        assert first.process.poll() is None
    finally:
        first.kill()
    again = Served(ready, tmp_path / "server.log").wait()
    again.kill()


def test_a_first_start_makes_keys_outside_of_the_data_with_a_warning(tmp_path: Path) -> None:
    """New keys stand beside the data folder, for their owner alone, and the log says where and that they must be backed up."""
    port = free_port()
    settings = settings_for(tmp_path, tmp_path / "unused", "", url=f"http://127.0.0.1:{port}", port=port)
    keys = tmp_path / "data.keys"
    served = Served(settings, tmp_path / "server.log", GATEWAY_KEYS=str(keys)).wait()
    served.kill()
    assert "back them up" in (tmp_path / "server.log").read_text()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    assert not [path for path in settings.data.rglob("*") if path.suffix in (".key", ".pem")]


async def test_a_start_in_the_new_year_learns_its_key_once(ready: Settings) -> None:
    """Two starts, one key for the year: what the first sealed, the second opens."""
    from tests.edge.durable import ask, note, opened

    for name in ("a", "b"):
        async with opened(ready) as ledger:
            await ledger.run(note, name)
    assert len(ask(ready, "SELECT id FROM audit_key")) == 1
