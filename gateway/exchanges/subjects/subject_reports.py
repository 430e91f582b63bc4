"""Reports to a person about their own record, as they are kept: sealed under the person's own key, until it is destroyed.

What is put together is kept as it was found, so that what the second person approves is what the person reads.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import About, Fact, fact_of, stored
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.interests import check_not_of_their_own
from gateway.fhir.outcomes import Conflict, NotFound
from gateway.store import subjects
from gateway.store.ledger import Moment
from gateway.store.people import PERSON_COLUMNS, open_person
from gateway.store.sql import Read, Row, Write
from gateway.store.vault import open_sealed, seal

NOT_HERE = "There is no such report, or it is not your organisation's."
NOT_OPEN = "This report is finished: prepare a new one."
LEAST_REASON = 10


class Decision(NamedTuple):
    """What somebody decided on a fact that was kept back: told or not, why, who, when."""

    released: bool
    reason: str
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class SubjectReport:
    """One report, opened. Times are microseconds."""

    id: str
    agency: str
    row: str  # the agency's row of the person
    state: str  # open | approved | withdrawn
    asked: int  # when the person asked
    changed: int
    person: str  # system|value, as it was given
    about: About
    facts: tuple[Fact, ...]
    prepared_by: str
    prepared: int
    checked: str  # how it is known that it is they who ask
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    approved_by: str = ""
    approved: int = 0
    decided_before: tuple[str, ...] = ()  # whose decisions others took the place of

    @property
    def kept_back(self) -> tuple[Fact, ...]:
        """The facts on which somebody has to decide, or has decided."""
        return tuple(one for one in self.facts if one.waits())

    @property
    def undecided(self) -> tuple[Fact, ...]:
        """Those on which nobody has decided yet."""
        return tuple(one for one in self.kept_back if one.id not in self.decisions)

    @property
    def released(self) -> frozenset[str]:
        """Ids of what was kept back and is told after all."""
        return frozenset(name for name, one in self.decisions.items() if one.released)

    @property
    def hands(self) -> frozenset[str]:
        """Who prepared it or decided on any of it: none of them approves it."""
        return frozenset((self.prepared_by, *(one.by for one in self.decisions.values()), *self.decided_before))


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """One report of the caller's own organisation, by its id."""

    requester: Requester
    id: str
    request_id: str = ""


def seal_report(one: SubjectReport, cipher: AESGCM) -> bytes:
    """The sealed column of a report; it opens for this row and with this person's key only."""
    body = {
        "person": one.person, "about": asdict(one.about), "facts": [stored(fact) for fact in one.facts],
        "prepared_by": one.prepared_by, "prepared": one.prepared, "checked": one.checked,
        "decisions": {name: list(decision) for name, decision in one.decisions.items()},
        "approved_by": one.approved_by, "approved": one.approved, "decided_before": one.decided_before,
    }  # fmt: skip
    return seal(cipher, orjson.dumps(body), one.id)


def open_report(ctx: Context, columns: Row) -> tuple[SubjectReport, AESGCM]:
    """A row of ``subjects.REPORT``, opened, and the cipher of the person whose it is. Raises Broken."""
    width = len(PERSON_COLUMNS)
    cipher = open_person(ctx.vault, columns[:width]).cipher
    identifier, agency, row, state, sealed, asked, changed = columns[width:]
    told = orjson.loads(open_sealed(cipher, sealed, identifier))
    about = {**told["about"], "others": tuple(told["about"]["others"])}
    report = SubjectReport(
        identifier, agency, row, state, asked, changed, told["person"], About(**about),
        tuple(fact_of(one) for one in told["facts"]), told["prepared_by"], told["prepared"], told["checked"],
        {name: Decision(*decision) for name, decision in told["decisions"].items()}, told["approved_by"], told["approved"],
        tuple(told.get("decided_before", ())),
    )  # fmt: skip
    return report, cipher


def report_row(one: SubjectReport, cipher: AESGCM) -> dict[str, Any]:
    """The row of the table ``subject_report``."""
    columns = {"id": one.id, "agency": one.agency, "person": one.row, "state": one.state, "asked": one.asked}
    return {**columns, "changed": one.changed, "body": seal_report(one, cipher)}


def open_for_change(ctx: Context, ask: ReportRequest, moment: Moment) -> Generator[Any, Any, tuple[SubjectReport, AESGCM]]:
    """A report that is still worked on, held until the commit. Raises NotFound, Forbidden, Conflict."""
    rows = yield Read(subjects.LOCK_REPORT, {"agency": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    report, cipher = open_report(ctx, rows[0])
    yield from check_not_of_their_own(ctx, ask.requester, report.person, moment)
    if report.state != subjects.OPEN:
        raise Conflict(NOT_OPEN)
    return report, cipher


def keep(one: SubjectReport, cipher: AESGCM, moment: Moment) -> Write:
    """The report as it is now."""
    changed = replace(one, changed=moment.at)
    sealed = seal_report(changed, cipher)
    return Write(subjects.SET_REPORT, {"report_id": one.id, "sealed": sealed, "new_state": one.state, "at": moment.at})
