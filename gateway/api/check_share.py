"""``$check-share``: what may be shared with whom, and why, for a purpose. Parameters in, Parameters out; about nobody."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, allowed, fhir, json_body, request_id
from gateway.api.parameters import ROLE, Parts, concept, read_parts
from gateway.disclosure.release import organisation
from gateway.disclosure.requester import Requester
from gateway.disclosure.wording import CLASSES
from gateway.exchanges.lookup.check_share import ShareAnswer, ShareRequest, Verdict, check_share
from gateway.fhir import systems
from gateway.fhir.codes import AGENCY_KINDS
from gateway.fhir.outcomes import Unprocessable

OPERATION = "$check-share"
ONCE = frozenset({"purpose", "receiver", "receiverKind", "receiverRole"})


async def check(edge: Edge, request: Request) -> Response:
    """``POST /fhir/$check-share``."""
    requester = allowed(edge, request, OPERATION)
    ask = parse(await json_body(request), requester, request_id(request))
    answer = await edge.ledger.run(check_share, ask)
    return fhir(request, render(answer, edge.context.base))


def parse(body: Any, requester: Requester, request_id: str) -> ShareRequest:
    """The question. Raises Unprocessable naming the part; a person is no part of it."""
    parts = read_parts(body, ONCE, frozenset({"class"}), required=("purpose",))
    receiver = parts.identifier("receiver", systems.ODS_CODE) if "receiver" in parts else ""
    kind = parts.code("receiverKind", AGENCY_KINDS) if "receiverKind" in parts else ""
    if receiver and kind:
        raise Unprocessable("Give a receiver or a receiverKind, not both.", where="Parameters.parameter", code="structure")
    return ShareRequest(
        requester,
        purpose=parts.code("purpose"),
        classes=tuple(dict.fromkeys(parts.codes("class", CLASSES))),
        receiver=receiver,
        receiver_kind=kind,
        receiver_role=_role(parts),
        request_id=request_id,
    )


def _role(parts: Parts) -> str:
    if "receiverRole" not in parts:
        return ""
    role = parts.code("receiverRole")
    if not ROLE.fullmatch(role):
        raise Unprocessable(
            "A role is a short code, such as social-worker.", where="Parameters.parameter(receiverRole)", code="value"
        )
    return role


def render(answer: ShareAnswer, base: str) -> dict[str, Any]:
    """The answer as Parameters: the verdict at the top, what the caller may be told in parts."""
    parameters = _verdict(answer.asked, base)
    parameters += [{"name": "told", "part": _told(one, base)} for one in answer.told]
    parameters += [{"name": "advice", "resource": desk} for desk in answer.desks]
    parameters.append({"name": "policy", "valueString": answer.policy})
    return {"resourceType": "Parameters", "parameter": parameters}


def _told(verdict: Verdict, base: str) -> list[dict[str, Any]]:
    source = verdict.source
    return [{"name": "organization", "valueReference": organisation(source.code, source.name)}, *_verdict(verdict, base)]


def _verdict(verdict: Verdict, base: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"name": "may", "valueBoolean": verdict.may}]
    if verdict.tier is not None:
        parts.append({"name": "tier", "valueInteger": verdict.tier})
    parts += [{"name": "class", "valueCode": code} for code in verdict.classes]
    parts += [concept("basis", code, base) for code in verdict.basis]
    parts += [concept("obligation", code, base) for code in verdict.obligations]
    parts += [{"name": "role", "valueCode": role} for role in verdict.roles]
    return [*parts, {"name": "explanation", "valueString": verdict.explanation}]
