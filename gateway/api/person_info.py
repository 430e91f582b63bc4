"""``Patient/$person-info-query``: the lookup in the shape of the draft national data exchange standard.

``match`` is true where somebody says that the person is known now, false where every answer is a careful not-known, and
absent, with an ``outcome``, for everything else: whoever reads only ``match`` never reads a no that nobody gave.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import known_to_services
from gateway.api.edge import Edge, Tick, allowed, json_body, padded, prepared, request_id
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import profile
from gateway.exchanges.lookup.look_up_status import LookupAnswer, LookupRequest, look_up_status
from gateway.fhir import systems
from gateway.fhir.codes import Answer
from gateway.fhir.outcomes import BadRequest, Issue, Unprocessable, outcome
from gateway.store.ledger import Feed

LAW = "https://www.legislation.gov.uk/"
REASONS = {  # the legislation that a reason names, and the purpose that rests on it
    f"{LAW}ukpga/1989/41/section/47": "safeguarding-s47",
    f"{LAW}ukpga/1989/41/section/17": "child-in-need-s17",
    f"{LAW}ukpga/2004/31/section/16LA": "duty-to-share-16la",
    f"{LAW}ukpga/1983/20/section/13": "mha-assessment-s13",
}
OURS = {"resource": "person", "caseReference": "caseReference", "justification": "reason"}
NEITHER = "There is no answer by this route that is a yes or a no. Ring the contact; this is neither."


async def person_info(edge: Edge, request: Request) -> Response:
    """Answer one query: the same exchange, beat and padding as ``$known-to-services``, and its scope."""
    tick = Tick()
    try:
        requester = allowed(edge, request, known_to_services.OPERATION)
        ask = parse(await json_body(request), requester, request_id(request))
        answer = await edge.ledger.run(look_up_status, ask)
        body = b"" if answer.refused else padded(render(answer))
        if answer.held:
            await tick.wait()
        if answer.refused:
            raise known_to_services.refusal(answer)
        return prepared(request, body)
    finally:
        tick.stop()


def parse(body: Any, requester: Requester, identifier: str) -> LookupRequest:
    """The lookup that a query asks for. Raises BadRequest for a reason that is no law we know, Unprocessable."""
    if not isinstance(body, dict) or not isinstance(body.get("parameter"), list):
        raise Unprocessable("The body must be a Parameters resource.", where="Parameters", code="structure")
    translated, reasons = [], []
    for part in body["parameter"]:
        name = part.get("name") if isinstance(part, dict) else None
        if name == "reason":
            reasons.append(part.get("valueUri"))
        elif isinstance(name, str) and name in OURS:
            translated.append({**part, "name": OURS[name]})
        else:
            text = f"Unknown parameter; known are reason, {', '.join(sorted(OURS))}."
            raise Unprocessable(text, where="Parameters.parameter", code="not-supported")
    translated.append({"name": "purpose", "valueCoding": {"code": _purpose(reasons)}})
    lookup = {"resourceType": body.get("resourceType"), "parameter": translated}
    try:
        return known_to_services.parse(lookup, requester, identifier)
    except Unprocessable as error:
        raise Unprocessable.of([_as_asked(issue) for issue in error.issues]) from None


def _purpose(reasons: list[Any]) -> str:
    purpose = REASONS.get(reasons[0]) if len(reasons) == 1 and isinstance(reasons[0], str) else None
    if purpose is None:
        text = f"Give one reason, the address of a law: {', '.join(REASONS)}."
        raise BadRequest(text, where="Parameters.parameter(reason).valueUri", code="code-invalid")
    return purpose


def _as_asked(issue: Issue) -> Issue:
    """A finding in the words of this operation."""
    where = issue.where.replace("parameter(person)", "parameter(resource)").replace("(reason)", "(justification)")
    return Issue(issue.text.replace("person ", "resource ", 1), issue.code, where, issue.severity)


def render(answer: LookupAnswer) -> dict[str, Any]:
    """The answer in the national shape, with whom to ring."""
    told = {group.answer for group in answer.groups}
    parameters: list[dict[str, Any]] = []
    if Answer.KNOWN in told:
        parameters.append({"name": "match", "valueBoolean": True})
        speaking = {group.custodian for group in answer.groups if group.answer is Answer.KNOWN}
    elif told == {Answer.NOT_KNOWN}:
        parameters.append({"name": "match", "valueBoolean": False})
        speaking = set()
    else:
        issue = Issue(NEITHER, "incomplete", severity="information")
        parameters.append({"name": "outcome", "resource": outcome([issue])})
        speaking = {group.custodian for group in answer.groups} or {feed.code for feed in answer.coverage}
    parameters += [{"name": "contact", "resource": _organization(feed)} for feed in answer.coverage if feed.code in speaking]
    return {"resourceType": "Parameters", "parameter": parameters}


def _organization(feed: Feed) -> dict[str, Any]:
    """An agency with the numbers of its desks."""
    numbers = [number for desk in profile(feed).desks for number in desk.get("telecom", ())]
    made: dict[str, Any] = {
        "resourceType": "Organization",
        "identifier": [{"system": systems.ODS_CODE, "value": feed.code}],
        "name": feed.name,
    }
    return {**made, "telecom": numbers} if numbers else made
