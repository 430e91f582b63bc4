"""A native record in: already mapped to sourced FHIR resources, it is applied to the sender's own rows.

One record is one exchange: it lands whole, with its notices and its audit entry, or not at all.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.apply import apply
from gateway.fhir.elements import identifiers
from gateway.fhir.outcomes import Issue
from gateway.fhir.systems import NHS_NUMBER
from gateway.mapping.records import Mapped, Origin
from gateway.store import people, standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.loaded_files import ADD_STEP
from gateway.store.sql import Write

NAME = "receive_record"


@dataclass(frozen=True, slots=True)
class Step:
    """Which record of which load: the load's key, and the place of the record in its file, from 1."""

    load: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """One mapped record from an agency."""

    requester: Requester
    mapped: Mapped
    request_id: str = ""
    file: str = ""  # SHA-256 of the file or message that it stands in
    step: Step | None = None  # of a load that goes on after a crash


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of it."""

    written: int
    notices: int
    warnings: tuple[Issue, ...] = ()


def receive_record(ctx: Context, record: Record, moment: Moment) -> Story[Receipt]:
    """Apply one record. Raises Unprocessable where a rule of the gateway refuses it; nothing of it is then kept."""
    check_current(record.requester, moment)
    agency = record.requester.agency
    mapped = record.mapped
    origin = Origin(record.file, ctx.mappings.version, mapped.version, place=mapped.where)
    applied = yield from apply(ctx, agency, mapped.resources, moment, origin)
    if record.step is not None:
        told = {"written": len(applied.written), "notices": applied.notices}
        yield Write(ADD_STEP, {"load": record.step.load, "number": record.step.number, **told})
    for one in record.mapped.unmatched:
        yield from _count(agency, f"{record.mapped.version}/{one.table}", one.code, moment)
    yield Write(standing.TOUCH_FEED, {"agency_code": agency, "as_of": moment.at}, later=True, once=True)
    patients = [_patient(row.patient) for row in applied.persons.values()] or [""]
    lines = tuple(_line(record, moment, DONE, patient, applied.written) for patient in patients)
    return Outcome(Receipt(len(applied.written), applied.notices, tuple(applied.warnings)), lines)


def refuse_record(ctx: Context, record: Record, moment: Moment) -> Story[None]:
    """A record that could not be mapped or applied: on record as refused, nothing of it kept."""
    yield from ()
    check_current(record.requester, moment)
    return Outcome(None, (_line(record, moment, REFUSED, "", []),))


def _count(agency: str, table: str, code: str, moment: Moment) -> Generator[Write, Any, None]:
    """One more of a code that its table (format, version, field) does not know, on the agency's review list."""
    known = {"agency_code": agency, "table_name": table, "the_code": code, "at": moment.at}
    row = {"agency": agency, "code_table": table, "code": code, "seen": 0}
    yield Write(people.ADD_UNMATCHED, {**row, "first_seen": moment.at, "last_seen": moment.at}, later=True)
    yield Write(people.COUNT_UNMATCHED, known, later=True)


def _patient(patient: dict[str, object]) -> str:
    named = identifiers(patient)
    return next((text for text in named if text.startswith(NHS_NUMBER)), named[0] if named else "")


def _line(record: Record, moment: Moment, outcome: int, patient: str, written: list[str]) -> Entry:
    return line(
        NAME, record.requester, moment, Kind.RECEIVED, outcome, patient=patient, request_id=record.request_id,
        refusal="" if outcome == DONE else "error",
        detail=(("format", record.mapped.version), ("resources", str(len(written)))),
    )  # fmt: skip
