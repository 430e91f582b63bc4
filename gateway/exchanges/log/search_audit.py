"""An auditor reads the access log; that is an exchange too, on record before anything is shown.

Auditors see entries where their agency is the custodian, whole; and entries of their own agency's requests, rendered
from the request alone. What no column tells is found by marks (``gateway.audit.marks``), which are made of that rendering,
and judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, LargeBinary, Select, Text, and_, bindparam, or_, select, union_all

from gateway.audit.against_wishes import AGAINST_WISH
from gateway.audit.entry import DONE, Entry, Kind, parse
from gateway.audit.event import View, as_event
from gateway.audit.marks import ANY, ANY_CONSENT, NO_CASE, RARE, unversioned
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.store import audit_log
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Params, Read, Statement
from gateway.store.tables import audit_entry as log
from gateway.store.tables import audit_mark

NAME = "search_audit"
MAX_COUNT = 500
SIFTED_AT_ONCE = 500
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
    client: str = ""  # software, by its client id
    notice: str = ""  # id
    no_case: bool = False  # entries without a case reference alone
    on_consent: bool = False  # entries that name a consent alone
    against_wish: bool = False  # what passed over a wish alone
    oldest_first: bool = False
    end: tuple[int, str] | None = None  # recorded, id of the last entry, oldest first

    @property
    def sifts(self) -> bool:
        """Whether entries are told apart by what stands in no column: by the rendering that this auditor is shown."""
        hidden = (self.subtype, self.entity, self.basis, self.client, self.notice, self.no_case, self.on_consent,
                  self.against_wish)  # fmt: skip
        return any(hidden) or self.outcome is not None

    @property
    def fetch(self) -> int:
        """How many rows are read at a time: one more than shown, to know whether there are more."""
        return (SIFTED_AT_ONCE if self.sifts else min(self.count, MAX_COUNT)) + 1

    def described(self) -> str:
        """The query for the log: which criteria were used, no identifier."""
        used = ("patient", "agent", "organisation", "outcome", "exchange", "id", "purpose", "subtype", "entity", "basis", "client",
                "notice", "no_case", "on_consent", "against_wish")  # fmt: skip
        return "&".join(name for name in used if getattr(self, name) not in ("", None, False)) or "all"

    @property
    def thing(self) -> tuple[str, str] | None:
        """The mark of the one thing that is asked for, or of what is rare, if any."""
        if self.notice:
            return "notice", self.notice
        if self.entity and "|" not in self.entity and not self.entity.startswith("AuditEvent/"):
            return "entity", unversioned(self.entity)  # by identifier, or the entry itself: looked through
        if self.against_wish:
            return AGAINST_WISH, ANY
        if self.on_consent:
            return "entity", ANY_CONSENT
        code = self.subtype.rpartition("|")[2]
        return ("rare", code) if code in RARE else None

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The marks that say in which hours to look."""
        told = [
            ("subtype", self.subtype.rpartition("|")[2]), ("subtype", self.exchange), ("purpose", self.purpose),
            ("outcome", "" if self.outcome is None else str(self.outcome)), ("basis", self.basis), ("client", self.client),
            ("case-reference", NO_CASE if self.no_case else ""),
        ]  # fmt: skip
        return [(name, value) for name, value in told if value]

    @property
    def has_index(self) -> bool:
        """Whether few entries are left by what is asked for by itself."""
        return bool(self.patient or self.agent or self.id)


HEAD = Read(audit_log.LAST_CHECKPOINT)  # size, note and time of the newest signed head: what vouches for the entries

_AGENCY = bindparam("agency", type_=Text)
_HELD = log.c.custodian == _AGENCY
_COUNT = bindparam("count", type_=Integer)
_OF_OURS = and_(log.c.requester == _AGENCY, log.c.asked == 1)
_VISIBLE = or_(_HELD, _OF_OURS)
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
# The window is the one range that an index is walked by; the cursor narrows it (``statement_of``) and is itself no range.
_AT: ColumnElement[int] = log.c.recorded + 0
_BEFORE = or_(_AT < _LAST, and_(_AT == _LAST, log.c.id < _LAST_ID))
_AFTER = or_(_AT > _LAST, and_(_AT == _LAST, log.c.id > _LAST_ID))
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
        "since": max(query.since, last_recorded) if query.oldest_first else query.since,
        "until": query.until if query.oldest_first else min(query.until, last_recorded + 1),
        "last_recorded": last_recorded,
        "last_id": last_id,
        "count": query.fetch,
        **({"end_id": query.end[1]} if query.end else {}),
        **({"found": mark_of(ctx, query, ("entity", query.patient))} if query.patient else {}),
    }
    return Read(_statement(tuple(sorted(used)), query.oldest_first), params)


def mark_of(ctx: Context, query: AuditQuery, mark: tuple[str, str]) -> bytes:
    """The token of a mark as this auditor may find by it."""
    return audit_log.mark_token(ctx.vault, query.requester.agency, *mark)


def _agent(ctx: Context, query: AuditQuery) -> bytes:
    agency, _, user = query.agent.rpartition("|")
    return audit_log.user_token(ctx.vault, agency or query.requester.agency, user)


def _statement(used: tuple[str, ...], oldest_first: bool) -> Statement:
    key = (*used, "oldest") if oldest_first else used
    if key not in _STATEMENTS:
        pages = [arm.order_by(*_order(log.c, oldest_first)).limit(_COUNT) for arm in _arms(used, oldest_first)]
        _STATEMENTS[key] = Statement(_union(pages, oldest_first))
    return _STATEMENTS[key]


def _arms(used: tuple[str, ...], oldest_first: bool) -> list[Select[Any]]:
    """What is looked through, each by an index of its own: as one condition it would be sorted as a whole."""
    follows = _AFTER if oldest_first else _BEFORE
    criteria = [_WINDOW, follows, *(_CRITERIA[name] for name in used)]
    if "patient" in used:
        others = [_CRITERIA[name] for name in used if name != "patient"]
        found = select(*log.columns).where(_HELD, log.c.recorded.in_(_WHERE_FOUND), _OTHERS, *others)
        return [select(*log.columns).where(_VISIBLE, *criteria), found.where(follows)]
    if "agent" in used or "id" in used:
        return [select(*log.columns).where(_VISIBLE, *criteria)]
    return [select(*log.columns).where(one, *criteria) for one in (_HELD, and_(_OF_OURS, log.c.custodian != _AGENCY))]


_OTHERS = log.c.patient_token != bindparam("patient", type_=LargeBinary)
_WHERE_FOUND = select(audit_mark.c.at).where(
    audit_mark.c.token == bindparam("found", type_=LargeBinary),
    audit_mark.c.at >= bindparam("since", type_=BigInteger),
    audit_mark.c.at < bindparam("until", type_=BigInteger),
)


def _union(pages: list[Select[Any]], oldest_first: bool) -> Any:
    if len(pages) == 1:
        return pages[0]
    both = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(both).order_by(*_order(both.c, oldest_first)).limit(_COUNT)


def _order(columns: Any, oldest_first: bool) -> list[ColumnElement[Any]]:
    return [columns.recorded, columns.id] if oldest_first else [columns.recorded.desc(), columns.id.desc()]


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


def _fits(query: AuditQuery, event: dict[str, Any]) -> bool:
    """Whether an event, as this auditor is shown it, has what no column tells."""
    entities = event.get("entity", ())
    facts = _facts(event)
    return (
        (query.outcome is None or event["outcome"] == str(query.outcome))
        and (not query.subtype or any(_is_code(query.subtype, one) for one in event["subtype"]))
        and all(any(_is_entity(wanted, one) for one in entities) for wanted in (query.entity, query.patient) if wanted)
        and all((name, wanted) in facts for name, wanted in (("basis", query.basis), ("notice", query.notice)) if wanted)
        and not (query.no_case and any(name == "case-reference" for name, _ in facts))
        and (not query.on_consent or any(_is_consent(one) for one in entities))
        and (not query.against_wish or any(name == AGAINST_WISH for name, _ in facts))
        and (not query.client or _is_client(query.client, event))
    )


def _is_code(wanted: str, coding: dict[str, Any]) -> bool:
    system, bar, code = wanted.rpartition("|")
    return coding["code"] == code and (not bar or coding["system"] == system)


def _is_entity(wanted: str, entity: dict[str, Any]) -> bool:
    """By reference, with its version or for any of them; by identifier."""
    what = entity.get("what", {})
    identifier = what.get("identifier", {})
    reference = what.get("reference", "")
    of_any = "/_history/" not in wanted and unversioned(reference) == wanted
    return of_any or wanted in (reference, f"{identifier.get('system', '')}|{identifier.get('value', '')}")


def _is_consent(entity: dict[str, Any]) -> bool:
    return str(entity.get("what", {}).get("reference", "")).startswith("Consent/")


def _is_client(wanted: str, event: dict[str, Any]) -> bool:
    return any(
        agent["who"].get("identifier", {}).get("value") == wanted for agent in event["agent"] if "identifier" in agent["who"]
    )


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
