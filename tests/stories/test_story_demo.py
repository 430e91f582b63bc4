"""The demonstration as somebody meets it: one command, a story in six steps, a deployment that can be looked at."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.people import AGENCIES, CLIENTS, PEOPLE
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log

STEPS = [
    "1. Two agencies send what they already have",
    "2. The ward asks, to plan care",
    "3. Amina limits her agreement, and is discharged",
    "4. A receiver is down while a plan starts",
    "5. The auditor asks who looked at Amina's record",
    "6. A nurse opens a chart in the ward's own record system",
]


@dataclass(frozen=True)
class Played:
    """The demonstration after it has been played once."""

    code: int
    says: str
    data: Path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """``gateway demo --once`` in a folder of its own, as a process of its own."""
    data = tmp_path_factory.mktemp("demo") / "d"
    command = [Path(sys.executable).with_name("gateway"), "demo", "--once", "--port", str(free_port()), "--data", str(data)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return Played(run.returncode, run.stdout + run.stderr, data)


def test_the_whole_story_comes_out_as_told(played: Played) -> None:
    """Exit code 0, six steps in their order, said so at the end."""
    assert played.code == 0, played.says
    places = [played.says.find(step) for step in STEPS]
    assert -1 not in places
    assert places == sorted(places)
    assert "Every step came out as told." in played.says


@pytest.mark.parametrize(
    "words",
    [
        "Ring Southshire front door",
        "the same bytes",
        "This is not a no",
        "discharged",
        "'signal ended'",
        "with the duty to decide whether it is safe to tell her",
        "in order, each once",
        "of them refused",
        "is altered",
    ],
)
def test_what_each_step_is_for_is_said_in_plain_words(played: Played, words: str) -> None:
    """Whom to ring, the same bytes, told at once, in order, who looked, what was changed."""
    assert words in " ".join(played.says.split())


def test_the_credentials_are_as_the_contract_has_them(played: Played) -> None:
    """Base, token endpoint, clients with their keys, people; the keys are for their owner alone."""
    found = json.loads((played.data / "credentials.json").read_text())
    assert set(found) == {"base", "token_endpoint", "clients", "people"}
    assert found["base"].endswith("/fhir")
    assert found["token_endpoint"].endswith("/oauth2/token")
    assert {one["client_id"] for one in found["clients"]} == {one.id for one in CLIENTS}
    kinds = {one.code: one.kind for one in AGENCIES}
    for one in found["clients"]:
        assert set(one) == {"client_id", "agency", "agency_kind", "scopes", "private_key_file"}
        assert one["agency_kind"] == kinds[one["agency"]]
        assert Path(one["private_key_file"]).stat().st_mode & 0o077 == 0
    assert found["people"] == [{"label": one.label, "nhs_number": one.nhs, "birth_date": one.born} for one in PEOPLE]


def test_the_log_it_left_verifies_and_an_altered_copy_is_named(played: Played, tmp_path: Path) -> None:
    """The story's own copy, and one of ours: whichever entry is altered is the one that is named."""
    import sqlite3

    vault = load_keys(played.data.with_name("d.keys"))
    kept = played.data / "gateway.sqlite"
    assert verify_log(kept, vault).ok
    told = verify_log(played.data.with_name("d.copy") / "gateway.sqlite", vault)
    assert not told.ok
    copied = Path(shutil.copy(kept, tmp_path / "gateway.sqlite"))
    with sqlite3.connect(copied) as database:
        place, entry, body = database.execute(
            "SELECT l.place, e.id, e.body FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry ORDER BY l.place DESC LIMIT 1 OFFSET 3"
        ).fetchone()
        database.execute("UPDATE audit_entry SET body = ? WHERE id = ?", (body[:-1] + bytes([body[-1] ^ 1]), entry))
    database.close()
    verdict = verify_log(copied, vault)
    assert (verdict.ok, verdict.first_bad) == (False, place)
