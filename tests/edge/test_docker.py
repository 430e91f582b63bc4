"""The image and the compose files: read as they are, and what they name is run on this machine, without an engine."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from gateway.settings import Settings
from gateway.store.vault import make_keys
from tests.conftest import database_of

ROOT = Path(__file__).parent.parent.parent
DOCKER = ROOT / "docker"
WAIT = 120  # seconds
GIVEN = {"GATEWAY_URL": "https://gateway.southshire.example", "GATEWAY_CANONICAL_BASE": "https://gateway.southshire.example/fhir"}
FIXED_TAG = re.compile(r"[a-z0-9./-]+:\d[\w.-]*")


def instructions() -> list[tuple[str, str]]:
    """The lines of the Dockerfile: instruction and argument, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def final_stage() -> list[tuple[str, str]]:
    """The instructions of the stage that is shipped."""
    lines = instructions()
    last = max(place for place, (word, _) in enumerate(lines) if word == "FROM")
    return lines[last:]


def image_environment() -> dict[str, str]:
    """The environment that the image sets."""
    return dict(part.split("=", 1) for word, rest in final_stage() if word == "ENV" for part in shlex.split(rest))


def compose(*names: str) -> dict[str, dict[str, Any]]:
    """The services of compose files, later files over earlier ones as compose does, ``extends`` resolved."""
    services: dict[str, dict[str, Any]] = {}
    for name in names:
        for service, stated in yaml.safe_load((DOCKER / name).read_text())["services"].items():
            over = dict(stated)
            under = services.get(service, {})
            if "extends" in over:
                other = over.pop("extends")
                under = yaml.safe_load((DOCKER / other["file"]).read_text())["services"][other["service"]]
            services[service] = {**under, **over}
            for merged in ("environment", "healthcheck"):
                if merged in under or merged in over:
                    services[service][merged] = {**under.get(merged, {}), **over.get(merged, {})}
    return services


def single() -> dict[str, dict[str, Any]]:
    """One gateway on PostgreSQL."""
    return compose("compose.yaml")


def workers() -> dict[str, dict[str, Any]]:
    """Several workers and a deliverer."""
    return compose("compose.yaml", "compose.workers.yaml")


def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The services that run the gateway."""
    return {name: one for name, one in services.items() if one["image"].startswith("think-family-gateway")}


EVERY = {**single(), **{f"workers/{name}": one for name, one in workers().items()}}


def test_the_image_is_made_from_a_pinned_base_in_stages() -> None:
    """What builds is left behind; the base is a version, never latest."""
    bases = [rest.split(" ")[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    assert all(FIXED_TAG.fullmatch(base) for base in bases)


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A user without a name elsewhere, a shell or a home; set by number, so that an orchestrator can see that it is not root."""
    (user,) = [rest for word, rest in final_stage() if word == "USER"]
    uid, gid = user.split(":")
    assert int(uid) > 0 and int(gid) > 0
    words = [word for word, _ in final_stage()]
    assert words.index("USER") < words.index("ENTRYPOINT")


def test_the_image_installs_hashed_runtime_packages_alone() -> None:
    """Versions and hashes come from the runtime lock; nothing is installed in the stage that is shipped."""
    install = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(install) == 1
    assert "--require-hashes -r requirements.runtime.lock" in install[0]
    assert not [rest for word, rest in final_stage() if word == "RUN" and re.search(r"\b(pip|apt-get|curl)\b", rest)]


def test_what_is_copied_exists_and_may_be_copied() -> None:
    """Every source of a COPY is in the repository and let through by .dockerignore; keys and test files are not."""
    sources = [part for word, rest in instructions() if word == "COPY" and "--from" not in rest for part in rest.split()[:-1]]
    assert {"gateway", "mappings", "migrations", "openapi"} <= set(sources)
    assert not [source for source in sources if not (ROOT / source).exists() or is_ignored(source)]
    assert is_ignored("tests") and is_ignored("demo-data.keys") and is_ignored("gateway/data.keys") and is_ignored(".git")


def is_ignored(path: str) -> bool:
    """The last line of .dockerignore that matches the path or a folder above it decides."""
    above = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not line.startswith("#") and any(matches(one, pattern) for one in above):
            ignored = not line.startswith("!")
    return ignored


def matches(path: str, pattern: str) -> bool:
    """A pattern of .dockerignore; ``**/`` stands for any folder or none."""
    return fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(f"/{path}", pattern.replace("**/", "*/"))


def test_the_gateway_finds_its_data_beside_the_package() -> None:
    """Maps, migrations and definitions are looked for beside the folder ``gateway``: that is where they are copied."""
    targets = {part.split()[-1] for word, part in final_stage() if word == "COPY"}
    assert {"./gateway", "./mappings", "./migrations", "./openapi"} <= targets


def test_the_image_has_a_healthcheck_that_asks_whether_it_lives() -> None:
    """Liveness is of the process: a database that is away must not make an orchestrator kill the gateway."""
    (check,) = [rest for word, rest in final_stage() if word == "HEALTHCHECK"]
    assert "/health/live" in check


@pytest.mark.parametrize("name", EVERY)
def test_services_are_held_tight(name: str) -> None:
    """A read-only file system, no new privileges, no capabilities but those that are named, a pinned image."""
    service = EVERY[name]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert FIXED_TAG.fullmatch(service["image"])


@pytest.mark.parametrize("name", EVERY)
def test_no_secret_stands_in_the_environment(name: str) -> None:
    """Secrets are files: an environment is seen by whoever may look at the process."""
    environment = EVERY[name].get("environment", {})
    assert not [key for key in environment if re.search("PASSWORD|SECRET|TOKEN", key) and not key.endswith("_FILE")]
    assert not [value for value in environment.values() if re.search(r"password=|://[^/]*:[^/]*@", value)]


@pytest.mark.parametrize("name", EVERY)
def test_services_tell_whether_they_are_well(name: str) -> None:
    """What goes on running has a healthcheck; a step that ends needs none."""
    service = EVERY[name]
    if service.get("command") == ["migrate"]:
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert not service["healthcheck"].get("disable")


def test_keys_are_read_only_but_for_the_first_start() -> None:
    """The one service that may write keys runs only when it is asked for by its profile."""
    for name, service in {**ours(single()), **ours(workers())}.items():
        (mount,) = [one for one in service["volumes"] if one.startswith("keys:")]
        assert mount.endswith(":ro") or (name == "first" and service["profiles"] == ["first"])


def test_nothing_listens_beyond_this_machine() -> None:
    """Plain http stays behind the TLS proxy: ports are published on the loopback address unless the operator says otherwise."""
    ports = [port for service in EVERY.values() for port in service.get("ports", ())]
    assert ports and all("127.0.0.1" in port for port in ports)


def test_every_setting_that_is_named_exists() -> None:
    """A mistyped GATEWAY_ variable would be ignored in silence."""
    known = {f"GATEWAY_{name.upper()}" for name in Settings.model_fields}
    named = set(image_environment()) | {key for service in ours(EVERY).values() for key in service["environment"]}
    named = {name for name in named if name.startswith("GATEWAY_")}
    assert named and named <= known
    values = {value for service in ours(EVERY).values() for value in service["environment"].values()}
    asked = {name for value in values for name in re.findall(r"\$\{(GATEWAY_\w+)", value)}
    assert asked <= known


def test_workers_do_not_deliver_and_one_deliverer_does() -> None:
    """Several workers answer; delivery has a process of its own."""
    services = workers()
    assert services["gateway"]["deploy"]["replicas"] > 1
    assert services["gateway"]["environment"]["GATEWAY_DELIVER"] == "false"
    assert services["deliverer"]["command"] == ["deliver"]
    assert "ports" not in services["deliverer"]


# -- what they name is run ---------------------------------------------------------------------------------------------


@pytest.fixture
def empty_database(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with nothing in it, as a first start finds it."""
    name = f"image_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield database_of(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the image lays it out: what is copied, and nothing else, compiled as the image compiles it."""
    folder = tmp_path_factory.mktemp("image")
    for word, rest in final_stage():
        if word == "COPY" and "--from" not in rest:
            *copied, target = rest.split()
            for source in copied:
                put(ROOT / source, folder / target)
    (compiling,) = [shlex.split(rest) for word, rest in final_stage() if word == "RUN" and "compileall" in rest]
    subprocess.run([sys.executable, *compiling[1:]], cwd=folder, check=True)
    return folder


def put(source: Path, target: Path) -> None:
    """As COPY does it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def port_of() -> int:
    """A port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Machine:
    """This machine in the place of a container: the same folder, entry point and settings, another database address."""

    def __init__(self, image: Path, mounts: Path, database: str, services: dict[str, dict[str, Any]]):
        self.image = image
        self.database = database
        self.services = services
        self.keys, self.data, self.agreements = (mounts / name for name in ("keys", "data", "agreements"))
        self.agreements.mkdir()  # production shares by what was published
        self.running: list[subprocess.Popen[str]] = []

    def environment(self, name: str, port: int) -> dict[str, str]:
        """The service's environment over the image's, with the mounts where they are here."""
        stated = {**image_environment(), **self.services[name]["environment"]}
        filled = {
            key: re.sub(r"\$\{(\w+)(:[?-])[^}]*\}", lambda found: GIVEN.get(found[1], ""), value) for key, value in stated.items()
        }
        here = {
            "PATH": os.environ["PATH"],
            "GATEWAY_DATABASE_URL": self.database,
            "GATEWAY_KEYS": str(self.keys),
            "GATEWAY_AGREEMENTS": str(self.agreements),
            "GATEWAY_DATA": str(self.data),
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
        }
        return {**filled, **here}

    def command(self, name: str) -> list[str]:
        """The image's entry point with the service's command."""
        (entry,) = [json.loads(rest) for word, rest in final_stage() if word == "ENTRYPOINT"]
        return [sys.executable, *entry[1:], *self.services[name]["command"]]

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a step to its end."""
        return subprocess.run(
            self.command(name), cwd=self.image, env=self.environment(name, 0), capture_output=True, text=True, timeout=WAIT
        )

    def start(self, name: str, port: int) -> subprocess.Popen[str]:
        """Start a service that goes on."""
        process = subprocess.Popen(
            self.command(name), cwd=self.image, env=self.environment(name, port), stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    def stop(self) -> list[str]:
        """Ask everything to end, as an orchestrator does; gives what each said."""
        running, self.running = self.running, []
        for process in running:
            process.send_signal(signal.SIGTERM)
        return [process.communicate(timeout=WAIT)[1] for process in running]


@pytest.fixture
def machine(image: Path, tmp_path: Path, empty_database: str) -> Iterator[Machine]:
    """Ready to run services; what still runs afterwards is stopped."""
    made = Machine(image, tmp_path, empty_database, workers())
    yield made
    made.stop()


def status(port: int, path: str) -> int:
    """The HTTP status of a path; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=4) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as fault:
        return fault.code
    except OSError:
        return 0


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    """Wait for readiness, as the healthcheck does; say what the process said if it ended."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if status(port, "/health/ready") == 200:
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"never ready: {process.communicate()[1][-2000:]}")


def test_first_start_then_workers_and_a_deliverer(machine: Machine) -> None:
    """The steps of compose, on an empty PostgreSQL: keys and tables are made, two workers become ready, all end when asked."""
    first = machine.run("first")
    assert first.returncode == 0, first.stderr
    assert (machine.keys / "kind").read_text() == "production"
    again = machine.run("migrate")
    assert again.returncode == 0, again.stderr
    ports = [port_of(), port_of()]
    processes = [machine.start("gateway", port) for port in ports]
    deliverer = machine.start("deliverer", 0)
    for process, port in zip(processes, ports, strict=True):
        wait_until_ready(process, port)
        assert status(port, "/health/live") == 200
        assert status(port, "/fhir/AuditEvent") == 401
    assert deliverer.poll() is None
    assert machine.running == [*processes, deliverer]
    said = machine.stop()
    assert all("Application shutdown complete." in text for text in said[:2])
    assert deliverer.returncode == 0


def test_lost_keys_are_not_replaced(machine: Machine) -> None:
    """A missing key mount must not become new keys beside old data: then nobody would be found any more."""
    assert machine.run("first").returncode == 0
    shutil.rmtree(machine.keys)
    for step in ("migrate", "first"):
        refused = machine.run(step)
        assert refused.returncode == 2
        assert "are missing: restore them" in refused.stderr
        assert not machine.keys.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"GATEWAY_URL": "http://gateway.southshire.example"}, "over https"),
        ({"GATEWAY_CANONICAL_BASE": "https://gateway.example/fhir"}, "canonical base of its own"),
        ({"GATEWAY_KIND": "demo"}, "belong to a production deployment"),
    ],
)
def test_production_refuses_what_is_not_fit_for_it(machine: Machine, change: dict[str, str], says: str) -> None:
    """One plain line, and exit code 2."""
    make_keys(machine.keys, "production")
    assert machine.run("migrate").returncode == 0
    environment = {**machine.environment("gateway", port_of()), **change}
    run = subprocess.run(
        machine.command("gateway"), cwd=machine.image, env=environment, capture_output=True, text=True, timeout=WAIT
    )
    assert run.returncode == 2
    assert says in run.stderr.splitlines()[-1]


def test_the_database_address_takes_its_password_from_a_file() -> None:
    """The address in compose is one that both the migrations and the ledger understand."""
    from gateway.store.migrate import postgres_url

    address = single()["gateway"]["environment"]["GATEWAY_DATABASE_URL"]
    made = postgres_url(address)
    assert (made.host, made.port, made.database, made.username, made.password) == ("postgres", 5432, "gateway", "gateway", None)
    assert made.query["passfile"] == "/run/secrets/pgpass"
    assert psycopg.conninfo.conninfo_to_dict(address)["passfile"] == "/run/secrets/pgpass"
