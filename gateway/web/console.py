"""The auditor's console: who looked at this person, refusals too, and what vouches for the log.

What names a person travels in the body of a form, never in an address; the search is on record before it is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from starlette.responses import Response

from gateway.exchanges.search_audit import HEAD, LATEST, AuditPage, AuditQuery, record_search, shown, statement_of
from gateway.fhir import systems
from gateway.identity import nhs_number
from gateway.notification.duty import ENGLAND
from gateway.store import clock
from gateway.store.ledger import Rows
from gateway.store.sql import Read
from gateway.store.standing import FEEDS
from gateway.web import words
from gateway.web.visits import Visit

COUNT = 100
EXPORT = "110106"  # DICOM: something was told to somebody
WRONG_NUMBER = "Enter a NHS number: ten digits, as it is written on letters. This one is not a valid number."
WRONG_DAY = "Enter days as they are offered, or as 2026-11-04."


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the log, in words."""

    when: int  # microseconds
    who: str
    role: str
    organisation: str
    what: str
    purpose: str
    outcome: str
    refused: bool
    reason: str
    id: str


async def ask(visit: Visit) -> Response:
    """``GET /console``: the form."""
    return visit.page("console.html", **_NOTHING)


async def look(visit: Visit) -> Response:
    """``POST /console``: the time line of a person."""
    form = visit.form
    number = nhs_number.parse(form.get("number", ""))
    days = [_midnight(form.get(name, "")) for name in ("since", "until")]
    faults = ([] if number else [("number", WRONG_NUMBER)]) + ([("since", WRONG_DAY)] if None in days else [])
    if faults or number is None:
        return visit.page("console.html", 422, **{**_NOTHING, "given": form, "faults": faults})
    since, until = (value or 0 for value in days)
    query = AuditQuery(
        requester=visit.requester,
        patient=f"{systems.NHS_NUMBER}|{number}",
        since=since,
        until=until + clock.DAY if until else LATEST,
        count=COUNT,
        before=_place(form.get("before", "")),
        request_id=visit.request_id,
    )
    page, head = await _answered(visit, query)
    lines = [line_of(event) for event in page.events]
    following = "" if page.cursor is None else f"{page.cursor[0]}.{page.cursor[1]}"
    return visit.page(
        "console.html",
        **{**_NOTHING, "given": form, "person": query.patient, "lines": lines, "following": following, "head": head},
    )


_NOTHING: dict[str, Any] = {"given": {}, "faults": [], "person": "", "lines": [], "following": "", "head": None}


async def _answered(visit: Visit, query: AuditQuery) -> tuple[AuditPage, tuple[int, int] | None]:
    """A query on record, then read and rendered; with size and time of the newest signed head."""
    ledger, context = visit.web.ledger, visit.web.context
    await ledger.run(record_search, query)
    rows, feeds, heads = await ledger.read([statement_of(context, query), Read(FEEDS), HEAD])
    return shown(context, query, rows, {row[0]: row[1] for row in feeds}), _head(heads)


def _head(rows: Rows) -> tuple[int, int] | None:
    return (int(rows[0][0]), int(rows[0][2])) if rows else None


def line_of(event: dict[str, Any]) -> Line:
    """An AuditEvent, as the auditor may see it, in words."""
    user: dict[str, Any] = next((agent for agent in event["agent"] if agent.get("requestor")), {})
    return Line(
        when=clock.micros(datetime.fromisoformat(event["recorded"])),
        who=user.get("who", {}).get("identifier", {}).get("value", ""),
        role=words.code(next((one["text"] for one in user.get("role", ())), "")),
        organisation=_organisation(event),
        what=words.exchange(_code(event.get("subtype", ()), "exchange")),
        purpose=words.code(next(iter(_purposes(event)), "")),
        outcome=_outcome(event),
        refused=event["outcome"] != "0",
        reason=words.code(_code(event.get("subtype", ()), "refusal-reason")),
        id=event["id"],
    )


def _outcome(event: dict[str, Any]) -> str:
    """What came of it; where this auditor may see the request alone, that it was asked."""
    if event["outcome"] != "0":
        return words.OUTCOMES.get(event["outcome"], words.OUTCOMES["8"])
    if event.get("outcomeDesc", "").startswith(words.ONLY_ASKED):
        return words.ONLY_ASKED
    return words.TOLD if event["type"]["code"] == EXPORT else words.OUTCOMES["0"]


def _code(codings: Any, system: str) -> str:
    return next((str(one["code"]) for one in codings if one.get("system", "").endswith(f"/{system}")), "")


def _purposes(event: dict[str, Any]) -> list[str]:
    concepts = event.get("purposeOfEvent", ())
    return [one["code"] for concept in concepts for one in concept["coding"] if one["system"].endswith("/purpose")]


def _organisation(event: dict[str, Any]) -> str:
    """Whose staff or software it was; by code where it has no name."""
    for agent in event["agent"]:
        if any(one["code"] == "PROV" for one in agent["type"]["coding"]):
            who = agent["who"]
            return str(who.get("display") or who["identifier"]["value"])
    return ""


def _midnight(text: str) -> int | None:
    """When a day begins in England; 0 for none, None for what is no day."""
    if not text:
        return 0
    try:
        return clock.micros(datetime.combine(datetime.fromisoformat(text).date(), time.min, ENGLAND))
    except ValueError:
        return None


def _place(text: str) -> tuple[int, str] | None:
    """The cursor of a page, as its form carries it."""
    recorded, _, identifier = text.partition(".")
    return (int(recorded), identifier[:64]) if recorded.isascii() and recorded.isdigit() and len(recorded) <= 18 else None
