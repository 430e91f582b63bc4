"""``AuditEvent/$explain``: why something was shared, or not, at the time. Parameters in, one exchange, Parameters out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, fhir, json_body, request_id
from gateway.api.parameters import concept, read_parts
from gateway.disclosure.agreements import Line
from gateway.disclosure.requester import Requester
from gateway.exchanges.log.explain_decision import ExplainRequest, Explanation, explain_decision
from gateway.exchanges.records.resources import NOT_HERE
from gateway.fhir import systems
from gateway.fhir.outcomes import NotFound, Unprocessable

ONCE = frozenset({"event", "disclosure", "date"})
IDS = ("valueId", "valueString")


async def explain(edge: Edge, request: Request) -> Response:
    """``POST /fhir/AuditEvent/$explain``."""
    requester = allowed(edge, request, "AuditEvent", "s")
    ask = parse(await json_body(request), requester, request_id(request))
    found = await edge.ledger.run(explain_decision, ask)
    if found is None:
        raise NotFound(NOT_HERE)
    return fhir(request, render(found, edge.context.base))


def parse(body: Any, requester: Requester, request_id: str) -> ExplainRequest:
    """Which entry is meant. Raises Unprocessable naming the part."""
    parts = read_parts(body, ONCE, frozenset())
    if ("event" in parts) == ("disclosure" in parts):
        raise Unprocessable("Give the id of one event, or of one disclosure.", where=parts.where, code="required")
    ask = ExplainRequest(requester, request_id=request_id)
    if "date" in parts:
        since, until = searches.window([parts.text("date", ("valueDate",))], "date")
        ask = ask._replace(since=since, until=until)
    if "event" in parts:
        return ask._replace(id=parts.text("event", IDS).removeprefix("AuditEvent/"))
    return ask._replace(disclosure=parts.text("disclosure", IDS))


def render(found: Explanation, base: str) -> dict[str, Any]:
    """The explanation as Parameters: the facts in parts, and the sentences."""
    entry = found.entry
    parameters: list[dict[str, Any]] = [
        {"name": "event", "valueId": entry.id},
        {"name": "view", "valueCode": "holder" if found.holder else "requester"},
        {"name": "outcome", "valueCode": found.outcome},
    ]
    if entry.purpose:
        parameters.append(
            {"name": "purpose", "valueCoding": {"system": systems.code_system("purpose", base), "code": entry.purpose}}
        )
    if entry.refusal:
        coding = {"system": systems.code_system("refusal-reason", base), "code": entry.refusal}
        parameters.append({"name": "refusal", "valueCodeableConcept": {"coding": [coding]}})
    if entry.policy:
        parameters.append({"name": "policy", "valueString": entry.policy})
        parameters.append({"name": "policyInForce", "valueBoolean": found.in_force})
    parameters += [{"name": "line", "part": _line(found.line, base)}] if found.line else []
    parameters += [
        {
            "name": "consent",
            "part": [{"name": "reference", "valueString": wish.ref}, *(_text("plain", one) for one in wish.plain)],
        }
        for wish in found.wishes
    ]
    if found.again is not None:
        gone = [{"name": "gone", "valueCode": code} for code in found.again.gone]
        parameters.append({"name": "again", "part": [{"name": "result", "valueCode": found.again.result}, *gone]})
    return {"resourceType": "Parameters", "parameter": [*parameters, *(_text("explanation", one) for one in found.sentences)]}


def _line(line: Line, base: str) -> list[dict[str, Any]]:
    """The line that decided: where it stands, and its terms."""
    return [
        _text("place", line.place),
        {"name": "may", "valueBoolean": line.permits},
        {"name": "tier", "valueInteger": line.tier},
        *({"name": "class", "valueCode": code} for code in sorted(line.classes)),
        *([concept("basis", line.basis, base)] if line.basis else []),
        *(concept("obligation", code, base) for code in line.obligations),
        *([_text("why", line.why)] if line.why else []),
    ]


def _text(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "valueString": text}
