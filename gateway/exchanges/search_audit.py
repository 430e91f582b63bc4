"""An auditor reads the access log; that is an exchange too, on record before anything is shown.

Auditors see entries where their agency is the custodian, whole; and entries of their own agency's requests, rendered
from the request alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, or_, select

from gateway.audit.entry import DONE, Entry, Kind, parse
from gateway.audit.event import View, as_event
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.store import audit_log
from gateway.store.ledger import Ledger, Moment, Outcome, Rows, Story
from gateway.store.sql import Params, Read, Statement
from gateway.store.standing import FEEDS
from gateway.store.tables import audit_entry as log

NAME = "search_audit"
MAX_COUNT = 500
SIFTED_AT_ONCE = 500
MOST_SIFTED = 10  # reads for one page: a page may come short, its next link goes on
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
    purpose: str = ""  # code
    subtype: str = ""  # code, or system|code
    entity: str = ""  # reference, or system|value
    basis: str = ""  # code
    oldest_first: bool = False
    end: tuple[int, str] | None = None  # recorded, id of the last entry, oldest first

    @property
    def sifts(self) -> bool:
        """Whether entries are told apart by what stands in no column: by the rendering that this auditor is shown."""
        return bool(self.subtype or self.entity or self.basis)

    @property
    def fetch(self) -> int:
        """How many rows are read at a time: one more than shown, to know whether there are more."""
        return (SIFTED_AT_ONCE if self.sifts else min(self.count, MAX_COUNT)) + 1

    def described(self) -> str:
        """The query for the log: which criteria were used, no identifier."""
        used = ("patient", "agent", "organisation", "outcome", "exchange", "id", "purpose", "subtype", "entity", "basis")
        return "&".join(name for name in used if getattr(self, name) not in ("", None)) or "all"


HEAD = Read(audit_log.LAST_CHECKPOINT)  # size, note and time of the newest signed head: what vouches for the entries

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
    "purpose": log.c.purpose == bindparam("purpose", type_=Text),
    "end": or_(
        log.c.recorded < bindparam("end", type_=BigInteger),
        and_(log.c.recorded == bindparam("end", type_=BigInteger), log.c.id <= bindparam("end_id", type_=Text)),
    ),
}
_WINDOW = and_(log.c.recorded >= bindparam("since", type_=BigInteger), log.c.recorded < bindparam("until", type_=BigInteger))
_LAST, _LAST_ID = bindparam("last_recorded", type_=BigInteger), bindparam("last_id", type_=Text)
_BEFORE = or_(log.c.recorded < _LAST, and_(log.c.recorded == _LAST, log.c.id < _LAST_ID))
_AFTER = or_(log.c.recorded > _LAST, and_(log.c.recorded == _LAST, log.c.id > _LAST_ID))
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
    """The one statement that answers a query, newest first unless it asks otherwise."""
    given = {
        "patient": audit_log.patient_token(ctx.vault, query.patient) if query.patient else None,
        "agent": _agent(ctx, query) if query.agent else None,
        "organisation": query.organisation or None,
        "outcome": query.outcome,
        "exchange": query.exchange or None,
        "id": query.id or None,
        "purpose": query.purpose or None,
        "end": query.end[0] if query.end else None,
    }
    used = {name: value for name, value in given.items() if value is not None}
    last_recorded, last_id = query.before or ((-1, "") if query.oldest_first else (LATEST, "~"))
    params: dict[str, Any] = {
        **used,
        "agency": query.requester.agency,
        "since": query.since,
        "until": query.until,
        "last_recorded": last_recorded,
        "last_id": last_id,
        "count": query.fetch,
        **({"end_id": query.end[1]} if query.end else {}),
    }
    return Read(_statement(tuple(sorted(used)), query.oldest_first), params)


def _agent(ctx: Context, query: AuditQuery) -> bytes:
    agency, _, user = query.agent.rpartition("|")
    return audit_log.user_token(ctx.vault, agency or query.requester.agency, user)


def _statement(used: tuple[str, ...], oldest_first: bool) -> Statement:
    key = (*used, "oldest") if oldest_first else used
    if key not in _STATEMENTS:
        wanted = select(*log.columns).where(_VISIBLE, _WINDOW, *(_CRITERIA[name] for name in used))
        if oldest_first:
            ordered = wanted.where(_AFTER).order_by(log.c.recorded, log.c.id)
        else:
            ordered = wanted.where(_BEFORE).order_by(log.c.recorded.desc(), log.c.id.desc())
        _STATEMENTS[key] = Statement(ordered.limit(bindparam("count", type_=Integer)))
    return _STATEMENTS[key]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Events for an auditor, in the order that was asked for, and the cursor of the next page (None on the last)."""

    events: tuple[dict[str, Any], ...]
    cursor: tuple[int, str] | None


def shown(ctx: Context, query: AuditQuery, rows: Rows, names: Params) -> AuditPage:
    """Rows opened and rendered as this auditor may see them; told apart by that rendering, so that nothing hidden can be found."""
    events: list[dict[str, Any]] = []
    cursor = None
    for row in rows[: query.fetch - 1]:
        entry = open_entry(ctx, row)
        cursor = (entry.recorded, entry.id)
        event = render(ctx, query.requester.agency, entry, names)
        if _fits(query, event):
            events.append(event)
        if len(events) == min(query.count, MAX_COUNT):
            break
    at_end = len(rows) < query.fetch and (not rows or cursor == (rows[-1][1], rows[-1][0]))
    return AuditPage(tuple(events), None if at_end else cursor)


async def found(ctx: Context, ledger: Ledger, query: AuditQuery) -> AuditPage:
    """A page of a query that is on record. Where entries are sifted it reads on until the page is full, up to a limit."""
    events: list[dict[str, Any]] = []
    for _ in range(MOST_SIFTED):
        rows, feeds = await ledger.read([statement_of(ctx, query), Read(FEEDS)])
        page = await asyncio.to_thread(shown, ctx, query, rows, {row[0]: row[1] for row in feeds})
        events += page.events
        if page.cursor is None or not query.sifts or len(events) >= query.count:
            return AuditPage(tuple(events), page.cursor)
        query = replace(query, before=page.cursor, count=query.count - len(page.events))
    return AuditPage(tuple(events), page.cursor)


def _fits(query: AuditQuery, event: dict[str, Any]) -> bool:
    """Whether an event, as this auditor is shown it, has what no column tells."""
    return (
        (query.outcome is None or event["outcome"] == str(query.outcome))
        and (not query.subtype or any(_is_code(query.subtype, one) for one in event["subtype"]))
        and (not query.entity or any(_is_entity(query.entity, one) for one in event.get("entity", ())))
        and (not query.basis or ("basis", query.basis) in _facts(event))
    )


def _is_code(wanted: str, coding: dict[str, Any]) -> bool:
    system, bar, code = wanted.rpartition("|")
    return coding["code"] == code and (not bar or coding["system"] == system)


def _is_entity(wanted: str, entity: dict[str, Any]) -> bool:
    what = entity.get("what", {})
    identifier = what.get("identifier", {})
    return wanted in (what.get("reference"), f"{identifier.get('system', '')}|{identifier.get('value', '')}")


def _facts(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["valueString"]) for entity in event.get("entity", ()) for one in entity.get("detail", ())]


def open_entry(ctx: Context, row: Sequence[Any]) -> Entry:
    """A stored row as its entry. Raises Broken."""
    stored = audit_log.as_log_row(row)
    return parse(ctx.vault.open_audit(stored.key_id, stored.id, stored.body))


def render(ctx: Context, agency: str, entry: Entry, names: Params) -> dict[str, Any]:
    """One entry as an AuditEvent, as the auditor of this agency may see it."""
    view: View = "holder" if entry.custodian == agency else "requester"
    names = dict(names)
    return as_event(entry, base_url=ctx.url, view=view, gateway_name=ctx.name, names=names, canonical_base=ctx.base)
