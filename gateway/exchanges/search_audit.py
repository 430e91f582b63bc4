"""An auditor reads the access log; that is an exchange too, on record before anything is shown.

Auditors see entries where their agency is the custodian, whole; and entries of their own agency's requests, rendered
from the request alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, or_, select

from gateway.audit.entry import DONE, Entry, Kind, parse
from gateway.audit.event import View, as_event
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.store import audit_log
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Params, Read, Statement
from gateway.store.tables import audit_entry as log

NAME = "search_audit"
MAX_COUNT = 500
LATEST = 2**62


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What an auditor asks of the log. Times are microseconds, inclusive to exclusive."""

    requester: Requester
    patient: str = ""  # system|value
    agent: str = ""  # a user of the auditor's own agency, or "ODS|user"
    organisation: str = ""
    outcome: int | None = None
    exchange: str = ""
    since: int = 0
    until: int = LATEST
    count: int = 50
    before: tuple[int, str] | None = None  # cursor: recorded, id of the last entry shown
    id: str = ""
    request_id: str = ""

    def described(self) -> str:
        """The query for the log: which criteria were used, no identifier."""
        used = ("patient", "agent", "organisation", "outcome", "exchange", "id")
        return "&".join(name for name in used if getattr(self, name) not in ("", None)) or "all"


_HELD = log.c.custodian == bindparam("agency", type_=Text)
_VISIBLE = or_(
    _HELD,
    and_(log.c.requester == bindparam("agency", type_=Text), log.c.asked == 1),
)
_CRITERIA = {
    "patient": log.c.patient_token == bindparam("patient", type_=LargeBinary),
    "agent": log.c.user_token == bindparam("agent", type_=LargeBinary),
    # What the asker's view does not show must not be searched by either: the custodian and the true outcome count for
    # the holder's own entries alone. The asker's entries are sifted by the outcome that they are shown with.
    "organisation": or_(
        log.c.requester == bindparam("organisation", type_=Text),
        and_(_HELD, log.c.custodian == bindparam("organisation", type_=Text)),
    ),
    "outcome": or_(~_HELD, log.c.outcome == bindparam("outcome", type_=Integer)),
    "exchange": log.c.exchange == bindparam("exchange", type_=Text),
    "id": log.c.id == bindparam("id", type_=Text),
}
_WINDOW = and_(
    log.c.recorded >= bindparam("since", type_=BigInteger),
    log.c.recorded < bindparam("until", type_=BigInteger),
    or_(
        log.c.recorded < bindparam("last_recorded", type_=BigInteger),
        and_(log.c.recorded == bindparam("last_recorded", type_=BigInteger), log.c.id < bindparam("last_id", type_=Text)),
    ),
)
_STATEMENTS: dict[tuple[str, ...], Statement] = {}


def record_search(ctx: Context, query: AuditQuery, moment: Moment) -> Story[None]:
    """Put the auditor's question on record; committed before anything is read."""
    yield from ()
    check_current(query.requester, moment)
    entry = line(
        NAME, query.requester, moment, Kind.SEARCH, DONE, request_id=query.request_id, patient=query.patient,
        purpose="audit", detail=(("query", query.described()),),
    )  # fmt: skip
    return Outcome(None, (entry,))


def statement_of(ctx: Context, query: AuditQuery) -> Read:
    """The one statement that answers a query, newest first."""
    given = {
        "patient": audit_log.patient_token(ctx.vault, query.patient) if query.patient else None,
        "agent": _agent(ctx, query) if query.agent else None,
        "organisation": query.organisation or None,
        "outcome": query.outcome,
        "exchange": query.exchange or None,
        "id": query.id or None,
    }
    used = {name: value for name, value in given.items() if value is not None}
    last_recorded, last_id = query.before or (LATEST, "~")
    params: dict[str, Any] = {
        **used,
        "agency": query.requester.agency,
        "since": query.since,
        "until": query.until,
        "last_recorded": last_recorded,
        "last_id": last_id,
        "count": min(query.count, MAX_COUNT) + 1,
    }
    return Read(_statement(tuple(sorted(used))), params)


def _agent(ctx: Context, query: AuditQuery) -> bytes:
    agency, _, user = query.agent.rpartition("|")
    return audit_log.user_token(ctx.vault, agency or query.requester.agency, user)


def _statement(used: tuple[str, ...]) -> Statement:
    if used not in _STATEMENTS:
        wanted = select(*log.columns).where(_VISIBLE, _WINDOW, *(_CRITERIA[name] for name in used))
        ordered = wanted.order_by(log.c.recorded.desc(), log.c.id.desc()).limit(bindparam("count", type_=Integer))
        _STATEMENTS[used] = Statement(ordered)
    return _STATEMENTS[used]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Events for an auditor, newest first, and the cursor of the next page (None on the last)."""

    events: tuple[dict[str, Any], ...]
    cursor: tuple[int, str] | None


def shown(ctx: Context, query: AuditQuery, rows: Rows, names: Params) -> AuditPage:
    """Rows opened and rendered as this auditor may see them."""
    count = min(query.count, MAX_COUNT)
    entries = [open_entry(ctx, row) for row in rows[:count]]
    rendered = (render(ctx, query.requester.agency, entry, names) for entry in entries)
    events = tuple(event for event in rendered if query.outcome is None or event["outcome"] == str(query.outcome))
    more = len(rows) > count
    return AuditPage(events, (entries[-1].recorded, entries[-1].id) if more else None)


def open_entry(ctx: Context, row: Sequence[Any]) -> Entry:
    """A stored row as its entry. Raises Broken."""
    stored = audit_log.as_log_row(row)
    return parse(ctx.vault.open_audit(stored.key_id, stored.id, stored.body))


def render(ctx: Context, agency: str, entry: Entry, names: Params) -> dict[str, Any]:
    """One entry as an AuditEvent, as the auditor of this agency may see it."""
    view: View = "holder" if entry.custodian == agency else "requester"
    names = dict(names)
    return as_event(entry, base_url=ctx.url, view=view, gateway_name=ctx.name, names=names, canonical_base=ctx.base)
