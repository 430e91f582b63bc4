"""What is listened to beside HTTP, started and stopped with the process that serves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gateway.api.load_report import Report
from gateway.api.loading import Desk, load_once
from gateway.api.records import sender_of
from gateway.deployment import Gateway, StartRefused
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.listeners.configuration import ListenersFault, Listening, read_listeners
from gateway.listeners.folder import Watch
from gateway.listeners.mllp import Port
from gateway.mapping.reading import formats
from gateway.mapping.records import Sender


@dataclass(slots=True)
class Listeners:
    """Ports and folders at work."""

    ports: list[Port] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def stop(self) -> None:
        """Listen no more; what is under way ends or is taken up at the next start."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for port in self.ports:
            await port.stop()


async def listen(gateway: Gateway) -> Listeners:
    """Start what the setting names. Raises StartRefused in one plain line."""
    started = Listeners()
    file = gateway.settings.listeners
    if not file:
        return started
    try:
        configured = read_listeners(Path(file), gateway.settings.kind)
        _check_formats(gateway, configured)
        for one in configured.ports:
            port = Port(gateway.ledger, gateway.context, one, _sender(gateway), gateway.deliverer.wake)
            await port.start()
            started.ports.append(port)
        watches = [Watch(gateway.ledger, one, _loading(gateway)) for one in configured.folders]
        for watch in watches:
            watch.prepare()
    except (ListenersFault, OSError) as fault:
        await started.stop()
        raise StartRefused(f"listeners: {fault}") from fault
    started.tasks = [asyncio.create_task(watch.run()) for watch in watches]
    return started


def _check_formats(gateway: Gateway, configured: Listening) -> None:
    known = formats(gateway.context.mappings)
    for one in configured.folders:
        if one.format.partition("@")[0] not in known:
            raise ListenersFault(f"folder {one.path}: there is no format {one.format}; known are {', '.join(known)}")


def _sender(gateway: Gateway) -> Any:
    async def sender(agency: str) -> Sender:
        return await sender_of(gateway.ledger, gateway.context, agency)

    return sender


def _loading(gateway: Gateway) -> Any:
    async def loading(file: FileLoaded, source: BinaryIO) -> tuple[dict[str, Any], bool]:
        report = Report()
        sender = await sender_of(gateway.ledger, gateway.context, file.requester.agency)
        desk = Desk(gateway.ledger, gateway.context, file.requester, digest=file.digest)
        before = await load_once(desk, file, source, sender, report)
        gateway.deliverer.wake()
        return report.as_fhir(), before

    return loading
