"""Files that were handed in, loaded beside the requests: one worker has each, and another goes on with it where one ends."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from gateway.api.load_report import Report
from gateway.api.loading import Desk, load_once
from gateway.api.records import sender_of
from gateway.exchanges.context import Context
from gateway.exchanges.records.hand_in import PART_BYTES, Handed, handed_by_id, open_part, settle_hand_in
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.fhir.outcomes import GatewayError, Unavailable, Unprocessable
from gateway.mapping.load_page import refused
from gateway.store import clock, handed_in
from gateway.store.ledger import Ledger
from gateway.store.sql import Read

log = logging.getLogger("gateway.handed_in")

LEASE = 15 * clock.SECOND
RENEWED = 3.0  # seconds: how soon a sender who gives its file up is heard, too
AGAIN = 2 * clock.SECOND  # after a failure that may pass
MOST_TRIES = 10
UNREADABLE = "The gateway could not read this file, though it tried several times; its operator finds the reason in its log."


class Parts(io.RawIOBase):
    """The bytes of a file, a part of it in memory at a time. Read in a thread, while the loop goes on."""

    def __init__(self, ledger: Ledger, context: Context, file: Handed) -> None:
        super().__init__()
        self._ledger, self._context, self._file = ledger, context, file
        self._loop = asyncio.get_running_loop()
        self._place = 0
        self._number, self._part = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """As many bytes as are left of the part where it stands."""
        if self._place >= self._file.size:
            return 0
        number, start = divmod(self._place, PART_BYTES)
        if number != self._number:
            reading = asyncio.run_coroutine_threadsafe(self._read(number), self._loop)
            self._number, self._part = number, reading.result()
        found = self._part[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    async def _read(self, number: int) -> bytes:
        params = {"file_id": self._file.id, "number": number}
        (rows,) = await self._ledger.read([Read(handed_in.PART, params)])
        if not rows:
            raise GivenUp
        return open_part(self._context, self._file.id, number, bytes(rows[0][0]))


class GivenUp(Exception):
    """The sender has ended the load, or another worker has it."""


@dataclass(slots=True)
class Turn:
    """This worker's turn at a file."""

    ledger: Ledger
    context: Context
    file: Handed
    until: int
    report: Report

    async def hold(self, until: int) -> None:
        """Have it until then. Raises GivenUp."""
        held = handed_in.Held(self.file.id, self.until, until, self.report.received)
        if not await self.ledger.run_alone(handed_in.hold_file, held):
            raise GivenUp
        self.until = until

    async def load(self) -> dict[str, Any]:
        """The report of the file, as far as it can be loaded."""
        file, requester = self.file, self.file.requester
        known = FileLoaded(requester, file.format, file.digest, file.size)
        desk = Desk(self.ledger, self.context, requester, file.request_id, file.digest)
        source = cast("Any", io.BufferedReader(Parts(self.ledger, self.context, file), PART_BYTES))
        try:
            before = await load_once(
                desk, known, source, await sender_of(self.ledger, self.context, requester.agency), self.report
            )
        except Unavailable:
            raise
        except GatewayError as error:
            return refused(error.issues)
        return {**self.report.as_fhir(), **({"id": "loaded-before"} if before else {})}


async def load_handed_in(ledger: Ledger, context: Context, wake: Callable[[], None]) -> bool:
    """Load one file that waits, if no other worker has it; else delete what nobody needs. Gives whether there was anything."""
    (due,) = await ledger.read([Read(handed_in.DUE, {"at": clock.now()})])
    for identifier, was in due:
        until = clock.now() + LEASE
        if await ledger.run_alone(handed_in.hold_file, handed_in.Held(identifier, was, until, 0)):
            file = await handed_by_id(context, ledger, identifier)
            if file is not None:
                await _have_turn(Turn(ledger, context, file, until, Report()))
                wake()
            return True
    swept = await ledger.run_alone(handed_in.sweep, None)
    return swept > 0


async def _have_turn(turn: Turn) -> None:
    """Load and settle it. What fails for a while is tried again; a file that fails for good is reported so."""
    try:
        report = await _while_held(turn)
    except (GivenUp, Unavailable):
        return  # where the database was away, the lease runs out and somebody goes on with it
    except Exception:
        log.exception("a file that was handed in could not be loaded", extra={"operation": "hand_in", "file": turn.file.id[:12]})
        if await turn.ledger.run_alone(handed_in.count_try, turn.file.id) < MOST_TRIES:
            with contextlib.suppress(GivenUp):
                await turn.hold(clock.now() + AGAIN)
            return
        report = refused(Unprocessable(UNREADABLE).issues)
    await turn.ledger.run_alone(settle_hand_in, (replace(turn.file, report=report), turn.until))


async def _while_held(turn: Turn) -> dict[str, Any]:
    """The report, unless the file is lost before there is one."""
    loading = asyncio.ensure_future(turn.load())
    try:
        while not (await asyncio.wait((loading,), timeout=RENEWED))[0]:
            await turn.hold(clock.now() + LEASE)
        return loading.result()
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
