"""Reports, holds and erasure from the command line, and the register beside the keys that outlives a restore."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from pathlib import Path

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, TRUST
from gateway.erasing import keep_register, replay
from gateway.exchanges.subjects.ask_erasure import ErasureRequest
from gateway.exchanges.subjects.erase_person import erase_person
from gateway.settings import Settings
from gateway.store.erasure_register import FILE, Line, RegisterFault, read_register, write_missing
from tests.edge.durable import ask
from tests.edge.served import deployment
from tests.edge.test_command_line import Ran, gateway
from tests.edge.test_erasure import asked
from tests.edge.test_subject_access import staff
from tests.world import World

WHY = ("--reason", "Settled with the solicitors")


@pytest.fixture
async def there(tmp_path: Path, keys_folder: Path, client_keys: tuple[Path, dict[str, object]]) -> Settings:
    """An embedded deployment where the trust has sent one admission."""
    made = await deployment(tmp_path, keys_folder, client_keys[1])
    message = tmp_path / "a01.hl7"
    message.write_text(people.adt("A01", AMINA, "M1"))
    loaded = await asyncio.to_thread(run, made, "load", "hl7v2-adt", message, "--agency", TRUST)
    assert loaded.code == 0, loaded.err
    return made


def run(there: Settings, *words: object, typed: str = "") -> Ran:
    """A command on this deployment, with what is typed at its prompt."""
    with pytest.MonkeyPatch.context() as here:
        here.setattr(sys, "stdin", io.StringIO(typed))
        return gateway(*words, GATEWAY_KIND="test", GATEWAY_DATA=str(there.data), GATEWAY_KEYS=str(there.keys))


def does(there: Settings, *words: object, typed: str = "") -> str:
    """What a command that works prints."""
    ran = run(there, "person", *words, typed=typed)
    assert ran.code == 0, ran.err
    return ran.out


def the_id(text: str) -> str:
    """The id in what a command says."""
    found = re.search(r"\b[0-9a-f]{32}\b", text)
    assert found, text
    return found[0]


async def test_a_report_from_the_command_line(there: Settings) -> None:
    """Prepared by one, approved by another, printed in Polish; the number is typed, and stands in no argument or output."""
    await asyncio.to_thread(report_is_made, there)


def report_is_made(there: Settings) -> None:
    said = does(there, "report", "prepare", TRUST, "--user", "dpo1", "--checked", "Seen in person", typed=f"{AMINA.nhs}\n")
    report = the_id(said)
    assert AMINA.nhs not in said
    assert "gives no" not in does(there, "report", "lines", TRUST, report, "--user", "dpo1")
    assert "approved by somebody who neither" in run(there, "person", "report", "approve", TRUST, report, "--user", "dpo1").plain
    assert "is approved" in does(there, "report", "approve", TRUST, report, "--user", "dpo2")
    text = does(there, "report", "give", TRUST, report, "--user", "dpo2", "--language", "pl")
    assert "AMINA EXAMPLE" in text and "Pobyt w szpitalu" in text
    assert "approved" in does(there, "report", "list", TRUST, "--user", "dpo2")
    wrong = run(there, "person", "report", "prepare", TRUST, "--user", "dpo1", "--checked", "Seen", typed="9990001007\n")
    assert wrong.code == 2 and "not a valid NHS number" in wrong.err


async def test_a_hold_and_an_erasure_from_the_command_line(there: Settings) -> None:
    """Held: not erased; lifted by two and asked for by one, another carries it out, and the register beside the keys has it."""
    await asyncio.to_thread(erasure_is_done, there)


def erasure_is_done(there: Settings) -> None:
    typed = f"{AMINA.nhs}\n"
    hold = the_id(does(there, "hold", "set", TRUST, "--user", "dpo1", *WHY, typed=typed))
    wanted = ("erase", TRUST, "--user", "dpo1", "--ground", "retention-ended", *WHY)
    refused = run(there, "person", *wanted, typed=typed)
    assert refused.code == 2 and "a legal hold stands on it" in refused.err
    assert "until a second user" in does(there, "hold", "lift", TRUST, hold, "--user", "dpo1", *WHY)
    assert "is lifted" in does(there, "hold", "lift", TRUST, hold, "--user", "dpo2", *WHY)
    assert "dpo2" in does(there, "hold", "list", TRUST, "--user", "dpo1")
    ((row,),) = ask(there, f"SELECT id FROM person WHERE agency = '{TRUST}'")
    erasure = the_id(does(there, *wanted, typed=typed))
    assert "somebody else" in run(there, "person", "erase", TRUST, "--user", "dpo1", "--carry-out", erasure).plain
    assert "is carried out" in does(there, "erase", TRUST, "--user", "dpo2", "--carry-out", erasure)
    assert ask(there, "SELECT count(*) FROM person")[0][0] == 0
    assert [(one.row, one.agency) for one in read_register(there.keys_folder)] == [(row, TRUST)]
    listed = does(there, "erasures", TRUST, "--user", "dpo1")
    assert "retention-ended" in listed and AMINA.nhs not in listed
    assert "finished" in run(there, "person", "erase", TRUST, "--user", "dpo3", "--give-up", erasure).plain
    verified = run(there, "audit", "verify")
    assert verified.code == 0, verified.out


async def test_a_restored_backup_does_not_bring_back_who_was_erased(fed: World, tmp_path: Path) -> None:
    """The register beside the keys is ahead of the restored database: the row goes again before anything is served."""
    keys, ledger = tmp_path / "keys", fed.gateway.ledger
    keys.mkdir()
    ((row,),) = ask(fed.settings, f"SELECT id FROM person WHERE agency = '{TRUST}' ORDER BY id LIMIT 1")
    assert await replay(ledger, keys) == 0
    write_missing(keys, [Line(row, TRUST, 1_700_000_000_000_000), Line("0" * 32, TRUST, 1_700_000_000_000_000)])
    assert await replay(ledger, keys) == 1
    assert ask(fed.settings, f"SELECT count(*) FROM person WHERE id = '{row}'")[0][0] == 0
    assert await replay(ledger, keys) == 0
    assert await keep_register(ledger, keys) == 0


async def test_the_register_beside_the_keys_is_kept_up(fed: World, tmp_path: Path) -> None:
    """What the database has more is appended once, readable by its owner alone, and names nobody."""
    done = await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), await asked(fed, AMINA)))
    assert await keep_register(fed.gateway.ledger, tmp_path) == 1
    assert await keep_register(fed.gateway.ledger, tmp_path) == 0
    path = tmp_path / FILE
    assert path.read_text() == f"{done.row} {TRUST} {done.erased}\n"
    assert path.stat().st_mode & 0o077 == 0


def test_a_register_that_cannot_be_read_is_named_by_file_and_line(tmp_path: Path) -> None:
    """Nothing is guessed: the gateway would serve somebody who was erased."""
    (tmp_path / FILE).write_text("a TMH01 1\nb TMH01\n")
    with pytest.raises(RegisterFault, match="erasures, line 2 is no erasure"):
        read_register(tmp_path)


async def test_a_gateway_does_not_start_beside_a_register_that_cannot_be_read(there: Settings) -> None:
    """One line that says which."""
    (there.keys_folder / FILE).write_text("nonsense\n")
    assert "line 1 is no erasure" in (await asyncio.to_thread(run, there, "reviews", "find")).plain
