"""An agency's notices and what it makes of them, as JSON: for systems and pages without FHIR messaging."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, base_headers, json_body, padded, request_id
from gateway.exchanges.notices.acknowledge_notice import Acknowledgement, acknowledge_notice
from gateway.exchanges.notices.list_notices import SIDES, ListNotices, NoticeLine, list_notices
from gateway.fhir.outcomes import BadRequest, Unprocessable
from gateway.notification.answers import ACKNOWLEDGEMENTS
from gateway.store import clock
from gateway.store.feedback import STATES

SURFACE = "notice"
MOST_NOTE = 1000
MOST_PAGE = 200
PLACE = re.compile(r"[0-9]{1,18}\.[A-Za-z0-9\-.]{1,61}")


async def listed(edge: Edge, request: Request) -> Response:
    """A page of what the caller's own agency was told (``side=received``), or of what was told of its records (``sent``)."""
    requester = allowed(edge, request, SURFACE, "s")
    used = await searches.criteria(request, frozenset({"side", "state", "after", "count"}))
    side, state = chosen(used, "side", SIDES) or SIDES[0], chosen(used, "state", STATES)
    ask = ListNotices(requester, side, state, after_of(used), count_of(used), request_id(request))
    page = await edge.ledger.run(list_notices, ask)
    return as_page(request, {"notices": [as_json(one) for one in page.notices], "next": page.next})


async def acknowledge(edge: Edge, request: Request) -> Response:
    """Say what is made of a notice."""
    requester = allowed(edge, request, SURFACE, "u")
    code, note = read_acknowledgement(await json_body(request))
    ask = Acknowledgement(requester, request.path_params["id"], code, note, request_id(request))
    made = await edge.ledger.run_alone(acknowledge_notice, ask)
    return as_page(request, {"notice": made.notice, "acknowledgement": made.code, "acknowledged": clock.instant(made.at)})


def read_acknowledgement(body: Any) -> tuple[str, str]:
    """Code and note. Raises Unprocessable."""
    if not isinstance(body, dict) or set(body) - {"code", "note"}:
        raise Unprocessable("The body is an object with code and, if you like, note.", where="body", code="structure")
    code, note = body.get("code"), body.get("note", "")
    if code not in ACKNOWLEDGEMENTS:
        raise Unprocessable(f"code is one of {', '.join(ACKNOWLEDGEMENTS)}.", where="code", code="code-invalid")
    if not isinstance(note, str) or len(note) > MOST_NOTE:
        raise Unprocessable(f"note is a text of at most {MOST_NOTE} characters.", where="note", code="value")
    return str(code), note.strip()


def chosen(used: dict[str, list[str]], name: str, known: tuple[str, ...]) -> str:
    """One of the values that a parameter may have; empty where it is not given. Raises BadRequest."""
    stated = searches.one(used, name)
    if stated and stated not in known:
        raise BadRequest(f"{name} is {' or '.join(known)}.", where=name, code="value")
    return stated


def count_of(used: dict[str, list[str]]) -> int:
    """How many to a page. Raises BadRequest."""
    stated = searches.one(used, "count") or "50"
    if not (stated.isascii() and stated.isdigit() and 1 <= int(stated[:9]) <= MOST_PAGE):
        raise BadRequest(f"count is a number from 1 to {MOST_PAGE}.", where="count", code="value")
    return int(stated)


def after_of(used: dict[str, list[str]]) -> str:
    """Where the page before ended; empty for the first page. Raises BadRequest."""
    stated = searches.one(used, "after")
    if stated and not PLACE.fullmatch(stated):
        raise BadRequest("after is the next of the page before.", where="after", code="value")
    return stated


def as_json(one: NoticeLine) -> dict[str, Any]:
    """A notice as its list shows it; what is not said is left out."""
    told = {
        "person": one.person, "happened": one.happened, "owner": one.owner, "ownerName": one.owner_name,
        "receiver": one.receiver, "receiverName": one.receiver_name, "subscription": one.subscription, "reason": one.reason,
        "respondBy": clock.instant(one.respond_by) if one.respond_by else "", "acknowledgement": one.acknowledgement,
        "acknowledged": clock.instant(one.acknowledged) if one.acknowledged else "", "acknowledgedBy": one.acknowledged_by,
        "note": one.note, "contact": one.contact, "corrects": list(one.corrects), "overdue": one.overdue,
        "number": str(one.number) if one.number else "",
    }  # fmt: skip
    first = {"id": one.id, "topic": one.topic, "title": one.title, "urgent": one.urgent, "state": one.state}
    rest = {name: value for name, value in told.items() if value}
    return {**first, "told": clock.instant(one.told), **rest}


def as_page(request: Request, body: Any) -> Response:
    """JSON, padded: its length tells nothing."""
    return Response(padded(body), 200, base_headers(request), "application/json")
