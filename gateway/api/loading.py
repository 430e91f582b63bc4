"""A file of records, read and applied: one exchange each, several at a time where their order says nothing.

A load of which the file is known goes on where it was broken off: each record that is in is counted in its own
transaction, so that after a crash none is applied twice and none is left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final

from gateway.api.load_report import Report, at
from gateway.disclosure.requester import Requester
from gateway.exchanges.agreements.approve_map import NOT_APPROVED, approval_of
from gateway.exchanges.context import Context
from gateway.exchanges.records.load_file_once import FileLoaded, Progress, begin_load, keep_progress
from gateway.exchanges.records.receive_nothing import EmptyFile, receive_nothing
from gateway.exchanges.records.receive_record import Receipt, Record, Step, receive_record, refuse_record
from gateway.fhir.elements import identifiers, identity
from gateway.fhir.outcomes import BadRequest, Forbidden, GatewayError, Issue, NotFound, TooLarge, Unprocessable
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable
from gateway.store.ledger import Ledger

TOGETHER: Final = 32  # records of different people that wait for one commit
CHECKPOINT: Final = 512  # records after which the report is kept, and their steps are forgotten
IN_ORDER: Final = frozenset({"hl7v2-adt", "fhir"})  # one person under several numbers: their order is what they say


@dataclass(frozen=True, slots=True)
class Desk:
    """Where records are handed in, and by whom."""

    ledger: Ledger
    context: Context
    requester: Requester
    request_id: str = ""
    digest: str = ""  # SHA-256 of the file, where it is known


@dataclass(slots=True)
class Load:
    """A load under way."""

    desk: Desk
    report: Report
    together: int
    key: bytes = b""  # of a load that can go on; empty: it cannot
    waiting: list[Record] = field(default_factory=list)
    people: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)  # formats of which it is known whether they are approved

    async def take(self, number: int, mapped: Mapped) -> None:
        """One record: it waits for others of other people, and they are applied at once. Raises Forbidden for a map that
        has to be approved first."""
        if mapped.version not in self.looked_up:
            self.looked_up.add(mapped.version)
            await self._look_up(mapped.version)
        people = people_of(mapped)
        if len(self.waiting) >= self.together or people & self.people:
            await self.apply()
        step = Step(self.key, number) if self.key else None
        self.waiting.append(Record(self.desk.requester, mapped, self.desk.request_id, self.desk.digest, step))
        self.people |= people

    async def _look_up(self, label: str) -> None:
        """Whether an approver of the sender has approved a map as it is."""
        context, ledger = self.desk.context, self.desk.ledger
        if context.unapproved_maps == "allow" or not label:
            return
        if (await ledger.read([approval_of(context, self.desk.requester.agency, label)]))[0]:
            return
        if context.unapproved_maps == "refuse":
            raise Forbidden(NOT_APPROVED.format(label=label), where=label)
        if label not in self.report.unapproved:  # a load that goes on may have said so
            self.report.unapproved.append(label)

    async def apply(self) -> None:
        """Apply what waits, and report it in file order. What cannot be written ends the load, once all of it is settled."""
        records, self.waiting, self.people = self.waiting, [], set()
        ended = await self._ended(records)
        refused = [record for record, outcome in zip(records, ended, strict=True) if isinstance(outcome, Unprocessable)]
        await asyncio.gather(*(self.desk.ledger.run(refuse_record, record) for record in refused))
        for record, outcome in zip(records, ended, strict=True):
            if isinstance(outcome, Receipt):
                self.report.note(record.mapped)
                self.report.warn(record.mapped, outcome.warnings)
                self.report.take(outcome.written, outcome.notices)
            elif isinstance(outcome, Unprocessable):
                self.report.note(record.mapped)
                self.report.refuse([Issue(one.text, one.code, at(record.mapped, one)) for one in outcome.issues])
            else:
                raise outcome

    async def _ended(self, records: list[Record]) -> list[Receipt | Exception]:
        """What came of each record: what could not be mapped is refused as what cannot be applied is."""
        whole = [record for record in records if not record.mapped.faults]
        applied = await self.desk.ledger.run_each(receive_record, whole)
        ended = iter(applied)
        return [Unprocessable.of(one.mapped.faults) if one.mapped.faults else next(ended) for one in records]


def people_of(mapped: Mapped) -> set[str]:
    """Everybody whom a record names, by every identifier."""
    named: set[str] = set()
    for one in mapped.resources:
        named.update(identifiers(one.resource))
        named.update(identity(link.get("other")) for link in one.resource.get("link", ()))
        named.update(identity(one.resource.get(part)) for part in ("subject", "patient"))
    return named - {""}


async def load(desk: Desk, fmt: str, data: bytes | BinaryIO, sender: Sender, report: Report) -> None:
    """Read a file and apply its records in file order. Raises BadRequest, TooLarge, NotFound."""
    under_way = Load(desk, report, 1 if fmt.partition("@")[0] in IN_ORDER else TOGETHER)
    number = 0
    async for mapped in _records(desk, fmt, data, sender):
        number += 1
        await under_way.take(number, mapped)
    await under_way.apply()
    if not report.received:
        await desk.ledger.run(receive_nothing, EmptyFile(desk.requester, fmt, desk.request_id))


async def load_once(desk: Desk, file: FileLoaded, data: BinaryIO, sender: Sender, report: Report) -> bool:
    """Load a file, from where an earlier load of it was broken off; gives whether it had been loaded before, whole and
    by the same mappings: then nothing is done, and the report says what came of it then."""
    begun = await desk.ledger.run_alone(begin_load, file)
    if begun.report:
        report.go_on(json.loads(begun.report))
    if begun.done is None:
        return True
    under_way = Load(desk, report, 1 if file.format.partition("@")[0] in IN_ORDER else TOGETHER, begun.key)
    number = 0
    async for mapped in _records(desk, file.format, data, sender):
        number += 1
        await _go_on(under_way, number, mapped, begun)
        if number > begun.done and number % CHECKPOINT == 0:
            await under_way.apply()
            await _keep(desk, file, report, number)
    await under_way.apply()
    await _keep(desk, file, report, None if report.accepted or not report.received else 0)
    return False


async def _go_on(under_way: Load, number: int, mapped: Mapped, begun: Progress) -> None:
    """A record is applied, unless it is in."""
    if number <= (begun.done or 0):
        return
    if number in begun.steps:
        under_way.report.note(mapped)
        under_way.report.take(*begun.steps[number])
    else:
        await under_way.take(number, mapped)


async def _keep(desk: Desk, file: FileLoaded, report: Report, done: int | None) -> None:
    state = json.dumps(report.state() if done != 0 else {}).encode()
    await desk.ledger.run_alone(keep_progress, (file, done, state))


async def _records(desk: Desk, fmt: str, data: bytes | BinaryIO, sender: Sender) -> AsyncIterator[Mapped]:
    """The records of a file; a file that cannot be read is the sender's fault and says so. An open file is read and mapped
    in a thread: it may be long, and others are answered meanwhile."""
    pages = Pages(desk, fmt, data, sender)
    while not pages.ended:
        for one in pages.turn() if isinstance(data, bytes) else await asyncio.to_thread(pages.turn):
            yield one
    if isinstance(pages.fault, UnknownFormat):
        raise NotFound.of(pages.fault.issues)
    if pages.fault is not None:
        kind: Any = TooLarge if any(issue.code == "too-long" for issue in pages.fault.issues) else BadRequest
        error: GatewayError = kind.of(pages.fault.issues)
        raise error


@dataclass(slots=True)
class Pages:
    """The records of a file, so many at a time, and where they end: perhaps with a fault, after those that were good."""

    desk: Desk
    format: str
    data: bytes | BinaryIO
    sender: Sender
    records: Iterator[Mapped] | None = None
    ended: bool = False
    fault: UnknownFormat | Unreadable | None = None

    def turn(self) -> list[Mapped]:
        """The next page."""
        page: list[Mapped] = []
        try:
            if self.records is None:
                self.records = read(self.desk.context.mappings, self.format, self.data, self.sender)
            page.extend(islice(self.records, TOGETHER))  # what came before a fault is kept
        except (UnknownFormat, Unreadable) as fault:
            self.fault = fault
        self.ended = len(page) < TOGETHER
        return page
