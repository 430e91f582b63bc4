"""What the setting names is listened to from start to stop of the process that serves; a bad entry keeps it from starting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from gateway import app as wiring
from gateway.demo import people
from gateway.deployment import StartRefused
from gateway.listening import listen
from gateway.settings import Settings
from tests.edge.desks import until
from tests.edge.served import free_port
from tests.edge.test_mllp import admission
from tests.world import register


def entries(folder: Path, port: int, fmt: str = "crosswalk") -> Path:
    """The trust's port and the council's folder."""
    file = folder / "listeners.toml"
    file.write_text(
        f'[[mllp]]\nagency = "TMH01"\nport = {port}\n\n[[folder]]\nagency = "TLA01"\nformat = "{fmt}"\n'
        f'path = "{folder / "drop"}"\nsettle_seconds = 0\n'
    )
    return file


async def test_ports_and_folders_are_at_work_while_the_process_serves(
    settings: Settings, client_keys: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    """A message is acknowledged, a file is put away; after the stop nobody listens."""
    port = free_port()
    app = wiring.make_app(settings.model_copy(update={"listeners": str(entries(tmp_path, port))}))
    async with app.router.lifespan_context(app):
        await register(app.state.gateway, client_keys[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x0b" + admission("1").encode() + b"\x1c\r")
        assert b"MSA|AA|1" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60)
        writer.close()
        (tmp_path / "drop" / "in" / "a.csv").write_text(people.crosswalk())
        await until(lambda: list((tmp_path / "drop" / "done").glob("*a.csv")))
        assert list((tmp_path / "drop" / "done").glob("*a.csv.report.json"))
    with pytest.raises(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
        pass


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", ["there is no format nonsense", "No such file", "address already in use"])
async def test_a_bad_entry_keeps_it_from_starting(settings: Settings, tmp_path: Path, fault: str) -> None:
    """A format that nobody reads, a file that is not there, a port that another has: one line that says which."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1] if "address" in fault else free_port()
        file = entries(tmp_path, port, "nonsense" if "format" in fault else "crosswalk")
        if "file" in fault:
            file.unlink()
        gateway = await wiring.open_gateway(settings.model_copy(update={"listeners": str(file)}))
        try:
            with pytest.raises(StartRefused, match=fault):
                await listen(gateway)
        finally:
            await wiring.close_gateway(gateway)
