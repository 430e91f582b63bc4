"""The staff register and the recorded check from the command line; each refusal one plain line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.edge.durable import ask
from tests.edge.test_command_line import Ran, gateway

HEAD = "user,surname,address_line,postcode,nhs_number,team\n"


async def run(there: Settings, *words: str) -> Ran:
    """A command on this deployment."""
    environment = {"GATEWAY_KIND": "test", "GATEWAY_DATA": str(there.data), "GATEWAY_KEYS": str(there.keys)}
    return await asyncio.to_thread(gateway, *words, **environment)


async def test_a_register_is_loaded_and_listed(there: Settings, tmp_path: Path) -> None:
    """How many, of whom; nothing of it can be read in the database."""
    file = tmp_path / "staff.csv"
    file.write_text(f"{HEAD}jsmith,Smith,1 Road,ZZ1 1ZZ,999 000 1006,North\nbbrown,Brown,,,,\n")
    loaded = await run(there, "staff", "load", str(file), "--agency", "TLA01")
    assert loaded.code == 0 and "2 members of staff of TLA01 are in the register" in loaded.out and "delete it" in loaded.out
    assert "TLA01" in (await run(there, "staff", "list")).out
    rows = ask(there, "SELECT * FROM staff_member")
    assert len(rows) == 2 and not any(word in repr(rows) for word in ("jsmith", "Smith", "9990001006", "ZZ1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("surname\nSmith\n", "line 1: The first line names the columns"),
        ("user,salary\na,1\n", "line 1: The first line names the columns"),
        (f"{HEAD}a,,,,999 000 1007,\n", "line 2, nhs_number: This is not a NHS number"),
        (f"{HEAD}a,,,,,\na,,,,,\n", "line 3, user: This user stands twice"),
        (f"{HEAD},Smith,,,,\n", "line 2, user: Without a user nobody is meant"),
        (f"{HEAD}a,Smith\n", "line 2: The line has more or fewer cells"),
        (HEAD, "A register has 1 to"),
        ("", "line 1: The first line names the columns"),
    ],
)
async def test_a_wrong_register_is_refused_whole(there: Settings, tmp_path: Path, text: str, says: str) -> None:
    """The line and the column are named, and nothing was taken."""
    file = tmp_path / "staff.csv"
    file.write_text(text)
    refused = await run(there, "staff", "load", str(file), "--agency", "TLA01")
    assert says in refused.plain and "Nothing was loaded." in refused.plain
    assert ask(there, "SELECT * FROM staff_member") == []


async def test_a_register_of_nobody_we_know_is_refused(there: Settings, tmp_path: Path) -> None:
    """An agency that is not registered has no staff here."""
    file = tmp_path / "staff.csv"
    file.write_text(f"{HEAD}a,,,,,\n")
    assert "No agency XXX" in (await run(there, "staff", "load", str(file), "--agency", "XXX")).plain
    file.write_bytes(b"user\n\xff\n")
    assert "is not UTF-8" in (await run(there, "staff", "load", str(file), "--agency", "TLA01")).plain


async def test_a_check_is_put_on_record_where_that_is_asked_for(there: Settings) -> None:
    """Without it, nothing is written."""
    count = "SELECT count(*) FROM audit_entry WHERE exchange = 'record_check'"
    assert (await run(there, "audit", "verify")).code == 0 and ask(there, count) == [(0,)]
    assert (await run(there, "audit", "verify", "--record")).code == 0 and ask(there, count) == [(1,)]
