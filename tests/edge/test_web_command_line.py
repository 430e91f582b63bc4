"""Sign-in from the command line: registered, listed, ended, taken away; each refusal one plain line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.settings import Settings
from tests.edge.durable import ask
from tests.edge.test_command_line import Ran, gateway

ADD = ("--issuer", "https://login.example/realm", "--client-id", "gw", "--role-claim", "groups", "--role", "G=A=auditor")


def run(there: Settings, *words: str, **environment: str) -> Ran:
    """A command about sign-in on this deployment."""
    return gateway(
        "sign-in", *words, GATEWAY_KIND="test", GATEWAY_DATA=str(there.data), GATEWAY_KEYS=str(there.keys), **environment
    )


async def test_an_issuer_is_registered_listed_and_taken_away(there: Settings, tmp_path: Path) -> None:
    """The value of the claim may hold an equals sign; the secret comes from a file and stands nowhere as it is."""
    secret = tmp_path / "secret"
    secret.write_text("opensesame\n")
    added = await asyncio.to_thread(run, there, "add", "TMH01", *ADD, "--secret", str(secret))
    assert (added.code, added.err) == (0, ""), added.err
    assert "staff of TMH01 sign in at https://login.example/realm" in added.out and "/sign-in/back" in added.out
    ((roles, sealed),) = ask(there, "SELECT roles, secret FROM identity_provider")
    assert roles == '{"G=A":"auditor"}' and b"opensesame" not in bytes(sealed)
    listed = await asyncio.to_thread(run, there, "list")
    assert "Northmoor Mental Health NHS Trust" in listed.out and "opensesame" not in listed.out
    assert (await asyncio.to_thread(run, there, "end", "TMH01")).out == "sessions ended: 0\n"
    assert "can no longer sign in" in (await asyncio.to_thread(run, there, "remove", "TMH01")).out
    assert ask(there, "SELECT * FROM identity_provider") == []


async def test_what_cannot_be_registered_is_refused_in_one_line(there: Settings) -> None:
    """An unknown agency, a role that we do not have, a role that is not mapped, nothing to remove."""
    for says, words in (
        ("no agency XXX", ("add", "XXX", *ADD)),
        ("Roles are auditor", ("add", "TMH01", *ADD[:-1], "G=king")),
        ("--role is VALUE=ROLE, not auditor", ("add", "TMH01", *ADD[:-1], "auditor")),
        ("must be https", ("add", "TMH01", "--issuer", "http://login.example", *ADD[2:])),
        ("has no sign-in", ("remove", "TMH01")),
        ("no agency XXX", ("end", "XXX")),
    ):
        assert says in (await asyncio.to_thread(run, there, *words)).plain
