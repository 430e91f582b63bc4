"""HL7 v2 over MLLP: a frame in, the exchange, and after its commit an acknowledgement out.

One connection is served one message at a time, as the protocol has it. Frames are bounded in size and time, connections in
number, so that a peer that sends slowly, without end or nonsense costs nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gateway.disclosure.requester import Requester
from gateway.exchanges.agreements.approve_map import NOT_APPROVED, approval_of
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.record_refusal import Refusal, RefusalNotes, record_refusal
from gateway.exchanges.records.receive_hl7 import Hl7Message, receive_hl7
from gateway.exchanges.records.receive_record import Record, refuse_record
from gateway.fhir.outcomes import GatewayError, Issue
from gateway.listeners.acknowledgement import ERROR, REJECT, TAKEN, Verdict, acknowledgement, rejects
from gateway.listeners.configuration import Mllp
from gateway.mapping.hl7_reader import MESSAGE_BYTES, Message, read_messages
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import Unreadable
from gateway.store.ledger import Ledger

log = logging.getLogger("gateway.listeners")

START, END, AFTER = b"\x0b", b"\x1c", b"\x1c\r"
BLANK = b"\r\n \t"
MOST_CONNECTIONS = 64
FRAME_SECONDS = 30.0  # from the first byte of a frame to its last
IDLE_SECONDS = 3600.0
FORMAT = "hl7v2-adt"
TRY_AGAIN = Issue("Nothing was taken: we cannot write just now. Please send it again.", "transient")


@dataclass(slots=True)
class Limits:
    """How long and how much a peer may take; a test makes them small."""

    frame_seconds: float = FRAME_SECONDS
    idle_seconds: float = IDLE_SECONDS
    frame_bytes: int = MESSAGE_BYTES
    connections: int = MOST_CONNECTIONS


@dataclass(slots=True)
class Port:
    """One port of one agency."""

    ledger: Ledger
    context: Context
    config: Mllp
    sender: Callable[[str], Awaitable[Sender]]
    wake: Callable[[], None] = lambda: None
    limits: Limits = field(default_factory=Limits)
    notes: RefusalNotes = field(default_factory=RefusalNotes)
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def requester(self) -> Requester:
        """Whoever comes in here: the agency's, by this port."""
        return Requester(self.config.name, self.config.agency, frozenset())

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port, *_ = self._server.sockets[0].getsockname()
        return str(host), int(port)

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        tls = self.config.tls()
        more = {"ssl_handshake_timeout": 10.0} if tls else {}
        self._server = await asyncio.start_server(
            self._connected, self.config.host, self.config.port, limit=self.limits.frame_bytes + 2, ssl=tls, **more
        )

    async def stop(self) -> None:
        """Listen no more. What was committed and not acknowledged is sent again, and answered as repeated."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= self.limits.connections or not self._is_client(writer):
            writer.close()
            return
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass  # we are stopping
        except Exception:
            log.exception("a connection failed", extra={"operation": "mllp"})
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    def _is_client(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the client's certificate is one of those that are named."""
        if not self.config.client_names:
            return True
        certificate = writer.get_extra_info("peercert") or {}
        held = {name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"}
        return bool(held & set(self.config.client_names))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for frame in self._frames(reader):
            answer = await self.answer(frame) if frame is not None else await self._too_large()
            writer.write(START + answer + AFTER)
            async with asyncio.timeout(self.limits.frame_seconds):
                await writer.drain()
            if frame is None:
                return

    async def _frames(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes | None]:
        """What stands between the marks of each frame; None, once and last, for one that is too large."""
        while True:
            async with asyncio.timeout(self.limits.idle_seconds):
                first = await reader.read(1)
            if first and first in BLANK:
                continue
            if first != START:  # the end, or no MLLP
                return
            try:
                async with asyncio.timeout(self.limits.frame_seconds):
                    frame = await reader.readuntil(END)
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                yield None
                return
            yield frame[:-1]

    async def _too_large(self) -> bytes:
        issue = Issue(f"A message has at most {self.limits.frame_bytes} bytes.", "too-long")
        return await self._refused(None, Verdict(REJECT, (issue,)))

    async def answer(self, frame: bytes) -> bytes:
        """Take one message; gives the acknowledgement. It leaves after the commit."""
        try:
            messages = read_messages(frame)
        except Unreadable as fault:
            return await self._refused(None, Verdict(REJECT, fault.issues))
        message = messages[0]
        issue = self._unfit(messages)
        if issue is not None:
            return await self._refused(message, Verdict(REJECT, (issue,)))
        try:
            return await self._take(message, frame)
        except Exception:
            log.exception("a message could not be taken", extra={"operation": "mllp"})
            return self._signed(message, Verdict(REJECT, (TRY_AGAIN,)))

    def _unfit(self, messages: list[Message]) -> Issue | None:
        """Why the frame is not looked into; None where nothing speaks against it."""
        message = messages[0]
        if len(messages) > 1:
            return Issue("Send one message in a frame.", "structure", "MSH")
        if not message.value("MSH", 10):
            return Issue("A message needs a number of its own (MSH-10).", "required", "MSH-10")
        if self.context.vault.kind == "production" and message.value("MSH", 11) not in ("", "P"):
            return Issue("Only production messages (MSH-11 P) are taken here.", "not-supported", "MSH-11")
        return None

    async def _take(self, message: Message, frame: bytes) -> bytes:
        sender = await self.sender(self.config.agency)
        mapped = tuple(read(self.context.mappings, FORMAT, frame, sender))
        faults = [fault for one in mapped for fault in one.faults]
        faults = faults or await self._unapproved(mapped)
        if faults:
            return await self._not_taken(message, mapped, tuple(faults))
        taken = Hl7Message(
            self.requester, message.value("MSH", 3), message.value("MSH", 4), message.value("MSH", 10), frame.strip(BLANK), mapped
        )
        try:
            receipt = await self.ledger.run_alone(receive_hl7, taken)
        except GatewayError as error:
            if error.status >= 500:
                raise
            return await self._not_taken(message, mapped, error.issues)
        self.wake()
        return self._signed(message, Verdict(TAKEN, receipt.warnings, repeated=receipt.repeated))

    async def _unapproved(self, mapped: tuple[Mapped, ...]) -> list[Issue]:
        """That nobody of the agency has approved the map, where the deployment takes no records without it."""
        if self.context.unapproved_maps != "refuse":
            return []
        label = mapped[0].version
        found = await self.ledger.read([approval_of(self.context, self.config.agency, label)])
        return [] if found[0] else [Issue(NOT_APPROVED.format(label=label), "not-supported", "MSH")]

    async def _not_taken(self, message: Message, mapped: tuple[Mapped, ...], issues: tuple[Issue, ...]) -> bytes:
        """A message that was read and cannot be applied: on record as refused, nothing of it kept."""
        for one in mapped:
            await self.ledger.run(refuse_record, Record(self.requester, one))
        return self._signed(message, Verdict(REJECT if rejects(issues) else ERROR, issues))

    async def _refused(self, message: Message | None, verdict: Verdict) -> bytes:
        """What is no message for here: on record, the first of a minute and how many there were, then answered."""
        count = self.notes.due("mllp", time.time())
        try:
            if count:
                await self.ledger.run(record_refusal, Refusal(self.requester, "mllp", 400, count=count))
        except Exception:
            log.exception("a refusal could not be put on record", extra={"operation": "mllp"})
            verdict = Verdict(REJECT, (TRY_AGAIN,))
        return self._signed(message, verdict)

    def _signed(self, message: Message | None, verdict: Verdict) -> bytes:
        stamp = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime())
        return acknowledgement(message, verdict, stamp, new_id()[:20])
