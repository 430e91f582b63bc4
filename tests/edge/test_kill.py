"""A gateway that is killed at any moment: what it acknowledged is there, what it told is on record, and it serves again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.audit.entry import parse
from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, STRANGER
from gateway.demo.people import Person as Someone
from gateway.fhir import systems
from gateway.identity import nhs_number
from gateway.settings import Settings
from gateway.store import audit_log
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log
from tests.conftest import count
from tests.edge.durable import ask
from tests.edge.served import Served, headers, serving

KILLS = {"sqlite": count(5, 100), "postgres": count(3, 50)}
STRACE = shutil.which("strace")


@dataclass
class Book:
    """The client's own ledger, on disk before the next request goes out: what was acknowledged, refused, or left open."""

    path: Path
    acked: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # disclosure ids of answered lookups

    def write(self, kind: str, what: str) -> None:
        {"acked": self.acked, "unknown": self.unknown, "told": self.told}[kind].add(what)
        with self.path.open("a") as file:
            file.write(json.dumps([kind, what]) + "\n")
            file.flush()
            os.fsync(file.fileno())


def crosswalk(local: str, number: str) -> str:
    """A record of the council: one child of hers has this NHS number."""
    head = "local_system,local_id,nhs_number,verification_status,birth_date,valid_from,valid_to"
    return f"{head}\nla-child-id,{local},{number},01,2019-01-01,2020-01-01,\n"


def numbers(start: int) -> Any:
    """Valid numbers of the test range, each once."""
    for body in range(999_100_000 + start, 999_999_999):
        for digit in range(10):
            if nhs_number.parse(f"{body}{digit}"):
                yield f"{body}{digit}"


async def load(settings: Settings, book: Book, tokens: dict[str, dict[str, str]], fresh: Any, seconds: float) -> None:
    """Lookups and record posts, several at a time, until the server is gone."""
    end = asyncio.get_running_loop().time() + seconds
    async with httpx.AsyncClient(base_url=settings.url, trust_env=False, timeout=5) as client:

        async def post_records() -> None:
            while asyncio.get_running_loop().time() < end:
                number = next(fresh)
                try:
                    answer = await client.post(
                        "/records/crosswalk", content=crosswalk(f"C{number}", number), headers=tokens["council"]
                    )
                except httpx.HTTPError:
                    book.write("unknown", number)
                    return
                assert answer.status_code == 200, answer.text
                book.write("acked", number)

        async def look() -> None:
            while asyncio.get_running_loop().time() < end:
                body = people.lookup(random.choice([AMINA, STRANGER]), "safeguarding-s47", case="C-1")
                try:
                    answer = await client.post("/fhir/Patient/$known-to-services", json=body, headers=tokens["worker"])
                except httpx.HTTPError:
                    return
                assert answer.status_code == 200, answer.text
                told = next(
                    one["valueString"] if "valueString" in one else one["valueId"]
                    for one in answer.json()["parameter"]
                    if one["name"] == "disclosure"
                )
                book.write("told", told)

        await asyncio.gather(*(post_records() for _ in range(3)), *(look() for _ in range(5)))


def check(settings: Settings, book: Book) -> None:
    """The rules alone: nothing acknowledged is lost, nothing told is off the record, nothing is there by halves."""
    vault = load_keys(settings.keys_folder)
    for year, wrapped in ask(settings, "SELECT id, wrapped FROM audit_key"):
        vault.learn_year(year, bytes(wrapped))
    columns = ", ".join(column.name for column in audit_log.ENTRY_COLUMNS)
    entries = [
        parse(vault.open_audit(found[10], found[0], bytes(found[12])))
        for found in ask(settings, f"SELECT {columns} FROM audit_entry")
    ]
    disclosed = {one.disclosure for one in entries if one.exchange == "look_up_status"}
    assert book.told <= disclosed, "an answered lookup is not on record"
    received = {one.patient.partition("|")[2] for one in entries if one.exchange == "receive_record"}
    tokens = {
        bytes(token): person
        for token, person in ask(settings, f"SELECT token, person FROM person_token WHERE agency = '{COUNCIL}'")
    }
    persons = {person for (person,) in ask(settings, "SELECT id FROM person")}
    for number in book.acked | book.unknown:
        by_number = tokens.get(vault.nhs_token(number))
        by_local = tokens.get(vault.token("local-id", COUNCIL, systems.local_child_id(people.LA_CODE), f"C{number}"))
        there = [by_number is not None, by_local is not None, number in received]
        assert there in ([True] * 3, [False] * 3), f"half there: {there}"
        assert by_number == by_local
        assert by_number is None or by_number in persons
        assert number not in book.acked or all(there), "an acknowledged record is lost"


async def kill_loop(settings: Settings, clients: Path, folder: Path, kills: int) -> list[float]:
    """Start, load, kill, look; again and again. Gives how long each start took to its first answer."""
    book, fresh, starts = Book(folder / "book.jsonl"), numbers(0), []
    tokens: dict[str, dict[str, str]] = {}
    for _ in range(kills):
        served = Served(settings, folder / "server.log").wait()
        starts.append(served.started)
        tokens = {
            "council": headers(settings, clients, "council-system") | {"Content-Type": "application/octet-stream"},
            "worker": headers(settings, clients, "council-system", "sw22", "social-worker", "safeguarding-s47"),
        }
        loading = asyncio.create_task(load(settings, book, tokens, fresh, 30))
        await asyncio.sleep(0.25 + random.random() * 0.5)
        served.kill()
        await loading
        check(settings, book)
    served = Served(settings, folder / "server.log").wait()
    try:
        starts.append(served.started)
        await load(settings, book, tokens, fresh, 0.3)
        await asyncio.sleep(1.2)
    finally:
        assert served.stop() in (0, -15)  # the server ends in order, and then by the signal that it was sent
    check(settings, book)
    assert len(book.acked) > kills
    assert len(book.told) > kills
    verdict = verify_log(settings.database_url or settings.database_file, load_keys(settings.keys_folder))
    assert verdict.ok, verdict.says
    print(
        f"kills {kills}, acked {len(book.acked)}, unknown {len(book.unknown)}, lookups {len(book.told)}, slowest start {max(starts):.2f} s"
    )
    return starts


async def test_nothing_acknowledged_is_lost_by_a_kill(
    database_kind: str, deployed: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """kill -9 under load: every acknowledged record whole, every answered lookup on record, unknown ones whole or not at
    all, the log in order, and the first answer typically within five seconds of a start (a busy machine may need longer once)."""
    starts = await kill_loop(deployed, client_keys[0], tmp_path, KILLS[database_kind])
    assert statistics.median(starts) < 5
    assert max(starts) < 15


@pytest.mark.skipif(STRACE is None, reason="strace is not on this machine, so the syncs to disk cannot be counted")
async def test_every_acknowledgement_has_reached_the_disk(
    there: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """What kill -9 cannot show, since the kernel keeps the pages: each of the acknowledgements, made one at a time, was
    preceded by a sync to disk of its own."""
    trace = tmp_path / "trace"
    with serving(
        there, tmp_path / "server.log", str(STRACE), "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)
    ) as served:
        token = headers(there, client_keys[0], "council-system") | {"Content-Type": "application/octet-stream"}
        fresh = numbers(500_000)
        async with httpx.AsyncClient(base_url=there.url, trust_env=False, timeout=10) as client:
            before = syncs(trace)
            for _ in range(50):
                number = next(fresh)
                answer = await client.post("/records/crosswalk", content=crosswalk(f"C{number}", number), headers=token)
                assert answer.status_code == 200
            after = syncs(trace)
        assert served.process.poll() is None
    assert after - before >= 50


def syncs(trace: Path) -> int:
    """Completed syncs in a trace."""
    done = subprocess.run(["grep", "-cE", r"(fsync|fdatasync).*= 0", str(trace)], capture_output=True, text=True, check=False)
    return int(done.stdout or 0)


def test_the_number_of_a_child_is_never_used_twice() -> None:
    """Each record of the load is another child, so that a lost one cannot hide behind another."""
    some = [number for number, _ in zip(numbers(0), range(2000), strict=False)]
    assert len(set(some)) == 2000
    assert all(isinstance(one, Someone) for one in (AMINA, STRANGER))
    assert not {AMINA.nhs, STRANGER.nhs} & set(some)
