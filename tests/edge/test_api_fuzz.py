"""The running gateway against its own OpenAPI description: generated requests, every check, nothing left out."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway import app as wiring
from gateway.demo import people
from gateway.demo.client import new_key
from gateway.exchanges import administer
from tests.conftest import count
from tests.world import register, settings_for

HERE = Path(__file__).parent.parent
ROOT = HERE.parent
SCOPES = (
    "system/records.c system/Consent.crus system/Flag.crus system/RelatedPerson.crus system/Patient.rs system/AuditEvent.rs "
    "system/$known-to-services system/$process-message system/Subscription.cruds"
)
PURPOSES = ("safeguarding-s47", "duty-to-share-16la", "child-in-need-s17", "audit")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(settings: Any) -> tuple[uvicorn.Server, threading.Thread]:
    """The real server in a thread, once it answers."""
    config = uvicorn.Config(
        wiring.make_app(settings), host="127.0.0.1", port=settings.port, log_config=None, access_log=False, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(400):
        if server.started or not thread.is_alive():
            break
        time.sleep(0.05)
    assert server.started
    return server, thread


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, keys_folder: Path, sqlite_template: Path) -> Iterator[tuple[str, Path]]:
    """A gateway on a loopback port with one client that may do everything; its address and its credentials file."""
    folder, port = tmp_path_factory.mktemp("fuzz"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = settings_for(folder, keys_folder, "", url=url, port=port)
    shutil.copy(sqlite_template, settings.database_file)
    jwks = {one.id: new_key(folder / f"{one.id}.pem") for one in people.CLIENTS}
    fuzz = new_key(folder / "fuzz-system.pem")

    async def set_up() -> None:
        gateway = await wiring.open_gateway(settings)
        await register(gateway, jwks)
        client = administer.NewClient(
            "fuzz-system", people.COUNCIL, "Generated requests", SCOPES, PURPOSES, ("social-worker",), fuzz
        )
        await gateway.ledger.run_alone(administer.add_client, client)
        await wiring.close_gateway(gateway)

    asyncio.run(set_up())
    credentials = {
        "base": f"{url}/fhir",
        "token_endpoint": f"{url}/oauth2/token",
        "clients": [{"client_id": "fuzz-system", "scopes": SCOPES, "private_key_file": str(folder / "fuzz-system.pem")}],
    }
    file = folder / "credentials.json"
    file.write_text(json.dumps(credentials))
    server, thread = serve(settings)
    yield url, file
    server.should_exit = True
    thread.join(20)


def test_generated_requests_find_nothing_that_the_description_does_not_say(running: tuple[str, Path]) -> None:
    """Schemathesis, every check, good and bad requests, single and in sequences: no failure, no server error."""
    url, credentials = running
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.data.fuzz.token_hook", "FUZZ_CREDENTIALS": str(credentials)}
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "schemathesis.toml"), "run", f"{url}/openapi.json",
        "--checks", "all", "--max-examples", str(count(20, 200)), "--continue-on-failure", "--seed", "7", "--no-color",
        "--generation-database", "none", "--workers", "2",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600)
    Path("/tmp/st-out.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-20_000:]
