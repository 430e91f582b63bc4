"""What keeps the owner's own record of a person closed: ``Patient/$shield`` to every machine, ``Patient/$withhold`` under a
duty, by a named person's decision; and how either is lifted."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, allowed, fhir, json_body, request_id
from gateway.api.parameters import ROLE, Parts, read_parts
from gateway.disclosure.requester import Requester
from gateway.exchanges.wishes.shield import ShieldRequest, lift_shield, set_shield
from gateway.exchanges.wishes.withhold import Decider, LiftRequest, WithholdRequest, lift_withholding, withhold
from gateway.fhir import systems
from gateway.fhir.dates import whole_day
from gateway.fhir.outcomes import Unprocessable

OPERATION, WITHHOLD = "$shield", "$withhold"
NAMES = frozenset({"person", "reason"})
DECIDED = NAMES | {"decider", "deciderRole"}
WITHHELD = DECIDED | {"until", "reviewBy"}
SCOPE = frozenset({"purpose", "receiver"})  # each any number of times
LIFTED = DECIDED | {"withholding"}
RECEIVED: dict[str, Any] = {"resourceType": "Parameters", "parameter": [{"name": "received", "valueBoolean": True}]}


async def shield(edge: Edge, request: Request) -> Response:
    """Set a shield; it holds from the answer on."""
    ask = read_shield(await json_body(request), allowed(edge, request, OPERATION), request_id(request))
    await edge.ledger.run_alone(set_shield, ask)
    return fhir(request, RECEIVED)


async def lift(edge: Edge, request: Request) -> Response:
    """Ask for a shield to be lifted, or confirm what another user asked."""
    ask = read_shield(await json_body(request), allowed(edge, request, OPERATION), request_id(request))
    await edge.ledger.run_alone(lift_shield, ask)
    return fhir(request, RECEIVED)


def read_shield(body: Any, requester: Requester, request_id: str) -> ShieldRequest:
    """Person and reason of a Parameters resource. Raises Unprocessable naming the part."""
    parts = read_parts(body, NAMES, frozenset(), ("person", "reason"))
    return ShieldRequest(requester, parts.identifier("person"), parts.text("reason", ("valueString",)).strip(), request_id)


async def keep(edge: Edge, request: Request) -> Response:
    """Withhold a record under a duty; it holds from the answer on, which names the withholding."""
    requester = allowed(edge, request, WITHHOLD)
    duties = frozenset(code for code, one in edge.context.purposes.items() if one.is_duty)
    ask = read_withhold(await json_body(request), requester, duties, request_id(request))
    identifier = await edge.ledger.run_alone(withhold, ask)
    return fhir(request, {**RECEIVED, "parameter": [*RECEIVED["parameter"], {"name": "withholding", "valueId": identifier}]})


async def release(edge: Edge, request: Request) -> Response:
    """Lift a withholding."""
    ask = read_lift(await json_body(request), allowed(edge, request, WITHHOLD), request_id(request))
    await edge.ledger.run_alone(lift_withholding, ask)
    return fhir(request, RECEIVED)


def read_withhold(body: Any, requester: Requester, duties: frozenset[str], request_id: str) -> WithholdRequest:
    """Whose record, why, by whose decision; for which duties, from whom, until when. Raises Unprocessable naming the part."""
    parts = read_parts(body, WITHHELD, SCOPE, ("person", "reason", "decider", "deciderRole"))
    return WithholdRequest(
        requester=requester,
        person=parts.identifier("person"),
        reason=_text(parts, "reason"),
        decider=_decider(parts),
        purposes=frozenset(parts.codes("purpose", duties)),
        receivers=frozenset(parts.identifiers("receiver", systems.ODS_CODE)),
        until=_day(parts, "until"),
        review_by=_day(parts, "reviewBy"),
        request_id=request_id,
    )


def read_lift(body: Any, requester: Requester, request_id: str) -> LiftRequest:
    """Which withholding of whose record, why, by whose decision. Raises Unprocessable naming the part."""
    parts = read_parts(body, LIFTED, frozenset(), tuple(sorted(LIFTED)))
    named = parts.text("withholding", ("valueId", "valueString")).strip()
    return LiftRequest(requester, parts.identifier("person"), named, _text(parts, "reason"), _decider(parts), request_id)


def _text(parts: Parts, name: str) -> str:
    return parts.text(name, ("valueString",)).strip()


def _decider(parts: Parts) -> Decider:
    role = parts.code("deciderRole")
    if not ROLE.fullmatch(role):
        raise Unprocessable("deciderRole is a role code, like team-manager.", where=parts.place("deciderRole"), code="value")
    return Decider(_text(parts, "decider"), role)


def _day(parts: Parts, name: str) -> date | None:
    if name not in parts:
        return None
    found = whole_day(parts.text(name, ("valueDate",)))
    if found is None:
        raise Unprocessable(f"{name} must be a whole date, YYYY-MM-DD.", where=parts.place(name), code="value")
    return found
