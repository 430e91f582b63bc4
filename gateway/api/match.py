"""``Patient/$match`` (IHE ITI-119): who of the caller's own people is this? Patient in, one exchange, a searchset out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, Tick, allowed, json_body, padded, prepared, raise_errors, request_id
from gateway.api.parameters import Parts, read_parts
from gateway.disclosure.requester import Requester
from gateway.exchanges.lookup.match_patient import MOST_LIKELY, Match, MatchAnswer, MatchRequest, match_patient
from gateway.fhir import resources, systems
from gateway.fhir.outcomes import BadRequest, Issue, Unprocessable, outcome
from gateway.identity import nhs_number
from gateway.identity.described import described
from gateway.identity.matching import score

OPERATION = "$match"
ONCE = frozenset({"resource", "onlyCertainMatches", "count"})
RESOURCE = "Parameters.parameter(resource).resource"
USUAL_COUNT = 10
MOST_IDENTIFIERS = 20
# Who somebody is, as the caller itself sent it; what was marked on the record here, and where it came from, is no part of it.
SHOWN = ("identifier", "active", "name", "gender", "birthDate", "deceasedBoolean", "deceasedDateTime")
TOO_LITTLE = "Nobody can be found by this: give an identifier with its system, or a birth date and a part of the name."
NOT_ALL = (
    "More people share these details than are compared, so the list may lack the right one and nobody is more than possible by "
    "name and birth date. Give an identifier, or more of the name."
)


async def match(edge: Edge, request: Request) -> Response:
    """``POST /fhir/Patient/$match``; the answer leaves on the tick that was armed on arrival."""
    tick = Tick()
    try:
        requester = allowed(edge, request, OPERATION)
        ask = parse(await json_body(request), requester, request_id(request))
        answer = await edge.ledger.run(match_patient, ask)
        body = padded(render(answer, edge.context.url))
        await tick.wait()
        return prepared(request, body)
    finally:
        tick.stop()


def parse(body: Any, requester: Requester, request_id: str) -> MatchRequest:
    """The question of Parameters, or of a Patient alone. Raises Unprocessable naming the part, BadRequest for too little."""
    if isinstance(body, dict) and body.get("resourceType") == "Patient":
        body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": body}]}
    parts = read_parts(body, ONCE, frozenset(), ("resource",))
    person = described(_patient(parts.all("resource")[0].get("resource")))
    if not person.is_enough:
        raise BadRequest(TOO_LITTLE, where=RESOURCE, code="required")
    return MatchRequest(requester, person, _count(parts), _only_certain(parts), request_id)


def _patient(resource: Any) -> dict[str, Any]:
    """A valid Patient with few identifiers, at most one of them a NHS number, that is one."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        raise Unprocessable("resource must be a Patient.", where=RESOURCE, code="structure")
    raise_errors(resources.validate(resource, expected="Patient"))
    stated = resource.get("identifier", [])
    numbers = [one.get("value", "") for one in stated if one.get("system") == systems.NHS_NUMBER]
    if len(stated) > MOST_IDENTIFIERS:
        raise Unprocessable(f"Give at most {MOST_IDENTIFIERS} identifiers.", where=f"{RESOURCE}.identifier", code="too-long")
    if len(numbers) > 1 or any(nhs_number.parse(one) is None for one in numbers):
        text = "Give one NHS number of ten digits with a valid check digit."
        raise Unprocessable(text, where=f"{RESOURCE}.identifier", code="value")
    return resource


def _count(parts: Parts) -> int:
    if "count" not in parts:
        return USUAL_COUNT
    part = parts.all("count")[0]
    stated = part.get("valueInteger", part.get("valuePositiveInt"))
    if not isinstance(stated, int) or isinstance(stated, bool) or stated < 1:
        raise Unprocessable("count is a whole number from 1.", where=parts.place("count"), code="value")
    return min(stated, MOST_LIKELY)


def _only_certain(parts: Parts) -> bool:
    if "onlyCertainMatches" not in parts:
        return False
    stated = parts.all("onlyCertainMatches")[0].get("valueBoolean")
    if not isinstance(stated, bool):
        raise Unprocessable("onlyCertainMatches is true or false.", where=parts.place("onlyCertainMatches"), code="value")
    return stated


def render(answer: MatchAnswer, url: str) -> dict[str, Any]:
    """The answer as a searchset, the most likely first. Who is certainly not the person is not in it."""
    entries = [_entry(one, url) for one in answer.found]
    if not answer.complete:
        told = outcome([Issue(NOT_ALL, "incomplete", severity="warning")])
        entries.append({"resource": told, "search": {"mode": "outcome"}})
    link = [{"relation": "self", "url": f"{url}/Patient/{OPERATION}"}]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(answer.found), "link": link}
    return {**bundle, "entry": entries} if entries else bundle


def _entry(one: Match, url: str) -> dict[str, Any]:
    row, grade = one.row, one.candidate.grade
    told = {name: row.patient[name] for name in SHOWN if name in row.patient}
    patient = {"resourceType": "Patient", "id": row.id, "meta": {"versionId": str(row.version)}, **told}
    graded = [{"url": systems.MATCH_GRADE, "valueCode": grade.code}]
    search = {"extension": graded, "mode": "match", "score": score(one.candidate)}
    return {"fullUrl": f"{url}/Patient/{row.id}", "resource": patient, "search": search}
