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
from gateway.demo.play import clear, settings_of
from gateway.deployment import StartRefused, hold_folder
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


@pytest.mark.parametrize("kind", ["production", "test", ""], ids=["production", "test", "no deployment"])
def test_a_folder_that_is_no_demonstrations_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """A demonstration is made anew each time; records and keys of anything else are not taken away for it."""
    data, keys = tmp_path / "data", tmp_path / "data.keys"
    data.mkdir()
    (data / "gateway.sqlite").write_text("records")
    if kind:
        keys.mkdir()
        (keys / "kind").write_text(kind)
    with pytest.raises(StartRefused, match="is no demonstration's"):
        clear(data)
    assert (data / "gateway.sqlite").read_text() == "records"
    assert not kind or (keys / "kind").read_text() == kind


def test_what_a_demonstration_left_makes_room_for_the_next_but_not_while_it_is_served(tmp_path: Path) -> None:
    """Its data, keys and copy go; an empty folder is no hindrance."""
    data, keys = tmp_path / "d", tmp_path / "d.keys"
    data.mkdir()
    clear(data)
    for folder in (data, keys, tmp_path / "d.copy"):
        folder.mkdir()
    (keys / "kind").write_text("demo\n")
    with hold_folder(settings_of(0, data)), pytest.raises(StartRefused, match="is serving from"):
        clear(data)
    clear(data)
    assert not list(tmp_path.iterdir())


def test_a_demonstration_is_embedded_and_on_this_machine_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's shell names a database and an address of a real deployment: made-up people go to neither."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "host=db dbname=gateway")
    monkeypatch.setenv("GATEWAY_HOST", "0.0.0.0")  # noqa: S104 - what must not be followed
    monkeypatch.setenv("GATEWAY_LISTENERS", "/etc/gateway/listeners.toml")
    made = settings_of(8080, tmp_path / "d")
    assert (made.on_postgres, made.host, made.listeners) == (False, "127.0.0.1", "")


def test_a_demonstration_is_not_served_to_other_machines(played: Played) -> None:
    """What it left is served again on this machine alone."""
    command = [Path(sys.executable).with_name("gateway"), "serve", "--data", str(played.data), "--host", "0.0.0.0"]  # noqa: S104 - what is refused
    ran = subprocess.run([*command, "--port", str(free_port())], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "a demonstration listens on 127.0.0.1 alone, not on 0.0.0.0" in ran.stderr


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
