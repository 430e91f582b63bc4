"""The queue of an organisation's own reviews, as JSON; and whom its users must not ask about."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, allowed, base_headers, json_body, request_id
from gateway.exchanges.lookup.interests import Interests, record_interests
from gateway.exchanges.reviews import OUTCOMES, Closing, Item, OwnQueue, close_review, list_reviews
from gateway.fhir.outcomes import Unprocessable
from gateway.identity import nhs_number
from gateway.store import clock

SURFACE = "review"
LEAST, MOST = 10, 1000  # characters of the sentence
MOST_PEOPLE = 50
MOST_USER = 64


async def queue(edge: Edge, request: Request) -> Response:
    """What is open in the caller's own organisation, the longest due first, then what was closed last."""
    requester = allowed(edge, request, SURFACE, "s")
    found = await edge.ledger.run(list_reviews, OwnQueue(requester, request_id(request)))
    now = clock.now()
    return _json(request, {"reviews": [as_json(one, now) for one in found]})


async def close(edge: Edge, request: Request) -> Response:
    """Close an item: by somebody else than the one whose act it is."""
    requester = allowed(edge, request, SURFACE, "u")
    outcome, sentence = _members(await json_body(request), "outcome", "sentence")
    if outcome not in OUTCOMES:
        raise Unprocessable(f"outcome is one of {', '.join(OUTCOMES)}.", where="outcome", code="code-invalid")
    if not isinstance(sentence, str) or not LEAST <= len(sentence.strip()) <= MOST:
        raise Unprocessable(f"sentence says in {LEAST} to {MOST} characters what came of it.", where="sentence", code="value")
    ask = Closing(requester, request.path_params["id"], outcome, sentence.strip(), request_id(request))
    return _json(request, as_json(await edge.ledger.run_alone(close_review, ask), clock.now()))


async def interests(edge: Edge, request: Request) -> Response:
    """Register whom a user of the caller's own organisation must not ask about, in place of what was registered."""
    requester = allowed(edge, request, SURFACE, "u")
    user, people = read_interests(await json_body(request))
    await edge.ledger.run_alone(record_interests, Interests(requester, user, people, request_id(request)))
    return _json(request, {"user": user, "people": len(people)})


def read_interests(body: Any) -> tuple[str, tuple[str, ...]]:
    """User and NHS numbers. Raises Unprocessable."""
    user, people = _members(body, "user", "people")
    if not isinstance(user, str) or not user.strip() or len(user) > MOST_USER:
        raise Unprocessable("user is the id of a user as your software states it in its tokens.", where="user", code="value")
    if not isinstance(people, list) or len(people) > MOST_PEOPLE:
        raise Unprocessable(f"people is a list of at most {MOST_PEOPLE} NHS numbers.", where="people", code="structure")
    numbers = [nhs_number.parse(one) if isinstance(one, str) else None for one in people]
    if None in numbers:
        raise Unprocessable("Each of people is a NHS number with a valid check digit.", where="people", code="value")
    return user, tuple(dict.fromkeys(number for number in numbers if number))


def _members(body: Any, *names: str) -> list[Any]:
    """The members of an object that may have these and no other. Raises Unprocessable: a slip of the pen is not passed over."""
    if not isinstance(body, dict) or set(body) - set(names):
        raise Unprocessable(f"The body is an object with {' and '.join(names)}.", where="body", code="structure")
    return [body.get(name) for name in names]


def as_json(item: Item, now: int) -> dict[str, Any]:
    """An item as its queue shows it; what is not said is left out."""
    matter = item.matter
    told = {
        "agency": matter.agency, "user": matter.user, "role": matter.role, "client": matter.client, "person": matter.patient,
        "purpose": matter.purpose, "caseReference": matter.case_reference, "disclosure": matter.disclosure,
        "why": dict(matter.why), "outcome": matter.outcome, "sentence": matter.sentence, "closedBy": matter.closed_by,
        "users": list(matter.users),
    }  # fmt: skip
    times = {"opened": clock.instant(item.opened), "due": clock.instant(item.due)}
    state = {"state": "open", "overdue": item.due < now} if item.closed is None else {"state": "closed", "overdue": False}
    closed = {} if item.closed is None else {"closed": clock.instant(item.closed)}
    return {"id": item.id, "kind": item.kind, **state, **times, **closed, **{name: one for name, one in told.items() if one}}


def _json(request: Request, body: Any) -> Response:
    return Response(orjson.dumps(body), 200, base_headers(request), "application/json")
