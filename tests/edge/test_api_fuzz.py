"""The running gateway against its own OpenAPI description: generated requests, every check, nothing left out."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway import app as wiring
from gateway.api import scopes
from gateway.api.definitions import published
from gateway.api.operations import OPERATIONS
from gateway.demo import people
from gateway.demo.client import fetch_token, new_key
from gateway.exchanges import administer
from gateway.fhir import systems
from tests.conftest import count
from tests.data.edge import flag, related
from tests.world import register, settings_for

HERE = Path(__file__).parent.parent
ROOT = HERE.parent
SCOPES = " ".join(scopes.SCOPES)
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
def running(tmp_path_factory: pytest.TempPathFactory, made_keys: Path, sqlite_template: Path) -> Iterator[tuple[str, Path]]:
    """A gateway on a loopback port with one client that may do everything; its address and its credentials file."""
    folder, port = tmp_path_factory.mktemp("fuzz"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = settings_for(folder, made_keys, "", url=url, port=port)
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
        "seeds": {},
    }
    file = folder / "credentials.json"
    file.write_text(json.dumps(credentials))
    server, thread = serve(settings)
    file.write_text(json.dumps({**credentials, "seeds": seeded(credentials, url)}))
    yield url, file
    server.should_exit = True
    thread.join(20)


def seeded(credentials: dict[str, Any], url: str) -> dict[str, list[str]]:
    """Ids of resources that are there, by type: the client's own, entries of the log, published definitions."""
    purposes = ["safeguarding-s47", "duty-to-share-16la"]
    token = fetch_token(credentials, "fuzz-system", "sw22", "social-worker", purposes)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    seeds: dict[str, list[str]] = {}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        wanted = people.subscription(people.AMINA, "admitted", "https://sw.example/fhir", "safeguarding-s47", case="C-1")
        wish = people.consent(people.LEO, people.AMINA, [], agency=people.COUNCIL, when="2026-01-01")
        for body in (flag(people.LEO), related(people.LEO, people.AMINA, "MTH"), wish, wanted):
            answer = client.post(f"/fhir/{body['resourceType']}", json=body)
            assert answer.status_code == 201, answer.text
            seeds[body["resourceType"]] = [answer.json()["id"]]
        form = {"identifier": f"{systems.NHS_NUMBER}|{people.LEO.nhs}"}
        found = client.post(
            "/fhir/Patient/_search", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
        ).json()
        seeds["Patient"] = [entry["resource"]["id"] for entry in found["entry"]]
        seeds["AuditEvent"] = [entry["resource"]["id"] for entry in client.get("/fhir/AuditEvent").json()["entry"]]
    for kind, identifier in published():
        seeds.setdefault(kind, []).append(identifier)
    return seeds


def test_one_setting_is_all_that_the_checks_are_given() -> None:
    """No check is left out and no operation is excluded: the file holds the list of statuses, and no more."""
    held = tomllib.loads((ROOT / "schemathesis.toml").read_text())
    assert held.keys() == {"checks"}
    assert held["checks"].keys() == {"positive_data_acceptance"}
    assert held["checks"]["positive_data_acceptance"].keys() == {"expected-statuses"}
    assert not {"500", "5xx"} & set(held["checks"]["positive_data_acceptance"]["expected-statuses"])


def test_generated_requests_find_nothing_that_the_description_does_not_say(running: tuple[str, Path]) -> None:
    """Schemathesis, every check, good and bad requests, single and in sequences: no failure, no server error."""
    url, credentials = running
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.data.fuzz.token_hook", "FUZZ_CREDENTIALS": str(credentials)}
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "schemathesis.toml"), "run", f"{url}/openapi.json",
        "--checks", "all", "--max-examples", str(count(20, 200)), "--continue-on-failure", "--seed", "7", "--no-color",
        "--generation-database", "none", "--workers", "1",  # CPython 3.11 parses to an AST in one thread at a time
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"Selected: {len(OPERATIONS)}/{len(OPERATIONS)}" in done.stdout
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
    counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert counted is not None
    assert counted[1] == counted[2]
    assert int(counted[1]) >= count(2_000, 10_000)
    print(done.stdout[-1500:])
