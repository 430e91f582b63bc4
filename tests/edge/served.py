"""A real gateway in a process of its own, on a folder as an operator would prepare it, and a client to load it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from gateway import app as wiring
from gateway.demo.client import assertion
from gateway.demo.people import CLIENTS
from gateway.settings import Settings
from gateway.store import migrate
from tests.world import register, settings_for

GATEWAY = Path(sys.executable).with_name("gateway")


def free_port() -> int:
    """A port of this machine that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


async def deployment(folder: Path, keys: Path, clients: dict[str, Any], database_url: str = "") -> Settings:
    """A migrated deployment with the demonstration's agencies and clients."""
    port = free_port()
    settings = settings_for(folder, keys, database_url, url=f"http://127.0.0.1:{port}", port=port)
    if not database_url:
        migrate.upgrade(migrate.engine_of(settings.database_file), settings.kind)
    gateway = await wiring.open_gateway(settings)
    await register(gateway, clients)
    await wiring.close_gateway(gateway)
    return settings


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """The settings as a process reads them."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "XDG_RUNTIME_DIR", "HOME") if name in os.environ}
    stated = {
        "KIND": settings.kind, "DATA": settings.data, "KEYS": settings.keys_folder, "DATABASE_URL": settings.database_url,
        "URL": settings.url, "PORT": settings.port, "AGREEMENTS": settings.agreements, "RETRY_SECONDS": settings.retry_seconds,
        "CHECKPOINT_SECONDS": 1, "QUOTA_PERSONS_PER_HOUR": settings.quota_persons_per_hour,
    }  # fmt: skip
    return {**kept, **{f"GATEWAY_{name}": str(value) for name, value in stated.items()}, **more}


class Served:
    """``gateway serve`` in a process of its own; ``started`` is how long it took to the first answer."""

    def __init__(self, settings: Settings, log: Path, *before: str, **more: str) -> None:
        self.settings = settings
        self.log = log.open("ab")
        self.started = 0.0
        self._begun = time.monotonic()
        command = [*before, str(GATEWAY), "serve"]
        self.process = subprocess.Popen(
            command, env=environment(settings, **more), stdout=self.log, stderr=self.log, start_new_session=True
        )

    def wait(self, seconds: float = 60.0) -> Served:
        """Until it answers; whoever asks how soon looks at ``started``."""
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() - self._begun < seconds:
                with contextlib.suppress(httpx.HTTPError):
                    client.get(f"{self.settings.url}/health/live", timeout=1)
                    self.started = time.monotonic() - self._begun
                    return self
                assert self.process.poll() is None, Path(self.log.name).read_text()[-2000:]
                time.sleep(0.01)
        raise AssertionError("the gateway does not answer: " + Path(self.log.name).read_text()[-2000:])

    def kill(self) -> None:
        """End it as a power cut would, in the middle of whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.log.close()

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        code = self.process.wait(20)
        self.log.close()
        return code


@contextlib.contextmanager
def serving(settings: Settings, log: Path, *before: str, **more: str) -> Iterator[Served]:
    """A served gateway for a while."""
    served = Served(settings, log, *before, **more)
    try:
        yield served.wait()
    finally:
        served.kill()


def headers(settings: Settings, keys: Path, client: str, *acting: str) -> dict[str, str]:
    """An access token through the real token endpoint, as headers. ``acting``: user, role, purposes."""
    user, role, *purposes = [*acting, "", ""][: max(2, len(acting))]
    endpoint = f"{settings.url}/oauth2/token"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion(client, endpoint, keys / f"{client}.pem", user=user, role=role, purposes=tuple(purposes)),
        "scope": next(one.scopes for one in CLIENTS if one.id == client),
    }
    answer = httpx.post(endpoint, data=form, trust_env=False, timeout=10)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}", "Content-Type": "application/fhir+json"}
