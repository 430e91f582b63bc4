"""Launches from the command line: a record system is registered, listed, taken away; each refusal one plain line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.settings import Settings
from tests.edge.durable import ask
from tests.edge.test_command_line import Ran, gateway

ADD = ("--iss", "https://epr.example/r4", "--client-id", "tfg")


def run(there: Settings, *words: str) -> Ran:
    """A command about launches on this deployment."""
    return gateway("launch", *words, GATEWAY_KIND="test", GATEWAY_DATA=str(there.data), GATEWAY_KEYS=str(there.keys))


async def test_a_record_system_is_registered_listed_and_taken_away(there: Settings, tmp_path: Path) -> None:
    """The secret comes from a file and stands nowhere as it is."""
    secret = tmp_path / "secret"
    secret.write_text("opensesame\n")
    words = ("add", "trust-epr", *ADD, "--role", "224571005=ward-nurse", "--secret", str(secret))
    added = await asyncio.to_thread(run, there, *words)
    assert (added.code, added.err) == (0, ""), added.err
    assert "https://epr.example/r4 may open the page for trust-epr" in added.out and "/launch/back" in added.out
    ((roles, sealed),) = ask(there, "SELECT roles, secret FROM launch_system")
    assert roles == '{"224571005":"ward-nurse"}' and b"opensesame" not in bytes(sealed)
    listed = await asyncio.to_thread(run, there, "list")
    assert "Northmoor Mental Health NHS Trust" in listed.out and "tfg" in listed.out and "opensesame" not in listed.out
    assert "no page is opened for trust-epr" in (await asyncio.to_thread(run, there, "remove", "trust-epr")).out
    assert ask(there, "SELECT * FROM launch_system") == []


async def test_what_cannot_be_registered_is_refused_in_one_line(there: Settings) -> None:
    """An unknown client, one that may not ask, a role of others, an address that is none, nothing to remove."""
    for says, words in (
        ("no client nobody", ("add", "nobody", *ADD)),
        ("needs the scope", ("add", "trust-auditor", *ADD)),
        ("Roles of client trust-epr are", ("add", "trust-epr", *ADD, "--role", "1=social-worker")),
        ("--role is VALUE=ROLE, not nurse", ("add", "trust-epr", *ADD, "--role", "nurse")),
        ("must be https", ("add", "trust-epr", "--iss", "http://epr.example", *ADD[2:])),
        ("has no record system", ("remove", "trust-epr")),
    ):
        assert says in (await asyncio.to_thread(run, there, *words)).plain
