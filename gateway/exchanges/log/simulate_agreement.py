"""What a version that is not in force yet would have done: past decisions read from the access log, without their people.

Who reads the log is on record before anything is read, as everybody is; what is given out are counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Integer, Text, and_, bindparam, or_, select

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.agreement_simulation import Decided
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.log.search_audit import open_entry
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Read, Statement
from gateway.store.tables import audit_entry as log

PAGE = 5000
START = (0, "")
DECISIONS = Statement(
    select(*log.columns)
    .where(
        log.c.custodian == bindparam("custodian", type_=Text),
        log.c.exchange == bindparam("exchange", type_=Text),
        log.c.recorded >= bindparam("since", type_=BigInteger),
        or_(
            log.c.recorded > bindparam("last_recorded", type_=BigInteger),
            and_(log.c.recorded == bindparam("last_recorded", type_=BigInteger), log.c.id > bindparam("last_id", type_=Text)),
        ),
    )
    .order_by(log.c.recorded, log.c.id)
    .limit(bindparam("count", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A document that is tried on the decisions about one organisation's records since a time (microseconds)."""

    source: str
    document: str  # its id
    since: int


def record_simulation(ctx: Context, rehearsal: Rehearsal, moment: Moment) -> Story[None]:
    """Put on record that past decisions are read; committed before they are."""
    yield from ()
    detail = (("document", rehearsal.document),)
    entry = line("simulate_agreement", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=rehearsal.source, detail=detail)
    return Outcome(None, (entry,))


def decisions_after(rehearsal: Rehearsal, last: tuple[int, str] = START) -> Read:
    """The next page of decisions after the last one read, oldest first."""
    params = {
        "custodian": rehearsal.source, "exchange": LOOKUP, "since": rehearsal.since,
        "last_recorded": last[0], "last_id": last[1], "count": PAGE,
    }  # fmt: skip
    return Read(DECISIONS, params)


def decided(ctx: Context, rows: Rows) -> tuple[list[Decided], tuple[int, str]]:
    """A page of the log as decisions about nobody, and where it ends. Raises Broken."""
    entries = [open_entry(ctx, row) for row in rows]
    found = [Decided(one.requester, one.custodian, one.purpose, one.role, one.tier is not None) for one in entries]
    return found, (entries[-1].recorded, entries[-1].id) if entries else START
