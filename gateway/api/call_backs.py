"""``Patient/$request-contact``, and the call-back requests that are addressed to an agency, as JSON."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import known_to_services, searches
from gateway.api.edge import Edge, Tick, allowed, json_body, padded, prepared, request_id
from gateway.api.notices import after_of, as_page, chosen, count_of
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.call_backs import CallBack
from gateway.exchanges.casework.close_call_back import CloseCallBack, close_call_back
from gateway.exchanges.casework.list_call_backs import STATES, ListCallBacks, list_call_backs
from gateway.exchanges.casework.request_contact import ContactRequest, Receipt, request_contact
from gateway.exchanges.lookup.grounds import Grounds
from gateway.fhir.outcomes import Unprocessable
from gateway.store import clock

OPERATION = "$request-contact"
SURFACE = "call-back"
OWN = ("name", "phone")
NAMES = frozenset({*OWN, "person", "purpose", "caseReference", "reason"})
PHONE = re.compile(r"\+?[0-9][0-9 ()\-]{3,30}[0-9]( ?(ext|x)\.? ?[0-9]{1,6})?")
MOST_NAME = 100
MOST_PARTS = 50
LEAST, MOST = 10, 1000  # characters of the sentence
EXPLANATION = (
    "Your number is kept. Where a service holds a record of this person, its people see your request and decide whether to ring."
    " This receipt says nothing of whether one does. In danger to life ring 999."
)


async def ask(edge: Edge, request: Request) -> Response:
    """Leave a number. The receipt is the same whoever is asked about, and leaves on the tick."""
    tick = Tick()
    try:
        requester = allowed(edge, request, OPERATION)
        wanted = read_request(await json_body(request), requester, request_id(request))
        receipt = await edge.ledger.run_alone(request_contact, wanted)
        body = padded(as_parameters(receipt))
        await tick.wait()
        return prepared(request, body)
    finally:
        tick.stop()


def read_request(body: Any, requester: Requester, request_id: str) -> ContactRequest:
    """The request of a Parameters resource: as a lookup has it, and who is to be rung. Raises Unprocessable naming the part."""
    listed = body.get("parameter") if isinstance(body, dict) else None
    own, rest = _parted(listed) if isinstance(listed, list) else ([], listed)
    asked = known_to_services.parse({**body, "parameter": rest} if isinstance(body, dict) else body, requester, request_id)
    name, phone = _text(own, "name"), _text(own, "phone")
    if not PHONE.fullmatch(phone):
        raise Unprocessable("phone is a telephone number.", where="Parameters.parameter(phone)", code="value")
    grounds = Grounds(asked.purpose, asked.case_reference, asked.case_owner, asked.reason)
    return ContactRequest(requester, asked.nhs, asked.birth_date, grounds, name, phone, request_id)


def _parted(listed: list[Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Who is to be rung, and the parts that a lookup has too. Raises Unprocessable."""
    if len(listed) > MOST_PARTS:
        raise Unprocessable(f"There are at most {MOST_PARTS} parameters.", where="Parameters.parameter", code="too-long")
    own: list[dict[str, Any]] = []
    rest: list[Any] = []
    for place, part in enumerate(listed):
        name = part.get("name") if isinstance(part, dict) else None
        if isinstance(name, str) and name not in NAMES:
            text = f"Unknown parameter; known are {', '.join(sorted(NAMES))}."
            raise Unprocessable(text, where=f"Parameters.parameter[{place}]", code="not-supported")
        (own if isinstance(name, str) and name in OWN else rest).append(part)
    return own, rest


def _text(parts: list[dict[str, Any]], name: str) -> str:
    stated = [part.get("valueString") for part in parts if part["name"] == name]
    value = stated[0].strip() if len(stated) == 1 and isinstance(stated[0], str) else ""
    if not 0 < len(value) <= MOST_NAME:
        where = f"Parameters.parameter({name})"
        raise Unprocessable(f"{name} is given once, as a text of at most {MOST_NAME} characters.", where=where, code="required")
    return value


def as_parameters(receipt: Receipt) -> dict[str, Any]:
    """The receipt."""
    parts = [
        {"name": "request", "valueId": receipt.id},
        {"name": "received", "valueInstant": clock.instant(receipt.at)},
        {"name": "explanation", "valueString": EXPLANATION},
    ]
    return {"resourceType": "Parameters", "parameter": parts}


async def listed(edge: Edge, request: Request) -> Response:
    """A page of the requests that are addressed to the caller's own agency."""
    requester = allowed(edge, request, SURFACE, "s")
    used = await searches.criteria(request, frozenset({"state", "after", "count"}))
    wanted = ListCallBacks(requester, chosen(used, "state", STATES), after_of(used), count_of(used), request_id(request))
    page = await edge.ledger.run(list_call_backs, wanted)
    return as_page(request, {"callBacks": [as_json(one) for one in page.call_backs], "next": page.next})


async def close(edge: Edge, request: Request) -> Response:
    """Close a request, with a sentence on what came of it."""
    requester = allowed(edge, request, SURFACE, "u")
    body = await json_body(request)
    sentence = body.get("sentence") if isinstance(body, dict) and set(body) == {"sentence"} else None
    if not isinstance(sentence, str) or not LEAST <= len(sentence.strip()) <= MOST:
        raise Unprocessable(f"sentence says in {LEAST} to {MOST} characters what came of it.", where="sentence", code="value")
    wanted = CloseCallBack(requester, request.path_params["id"], sentence.strip(), request_id(request))
    return as_page(request, as_json(await edge.ledger.run_alone(close_call_back, wanted)))


def as_json(one: CallBack) -> dict[str, Any]:
    """A request as its list shows it; what is not said is left out."""
    told = {
        "user": one.user, "role": one.role, "reason": one.reason,
        "closed": clock.instant(one.closed) if one.closed else "", "closedBy": one.closed_by, "sentence": one.sentence,
    }  # fmt: skip
    return {
        "id": one.id,
        "state": "open" if one.closed is None else "closed",
        "person": one.person,
        "asker": one.asker,
        "askerName": one.asker_name,
        "name": one.name,
        "phone": one.phone,
        "purpose": one.purpose,
        "made": clock.instant(one.made),
        "due": clock.instant(one.due),
        **{name: value for name, value in told.items() if value},
    }
