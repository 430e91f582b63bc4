"""The proof log: its signed head, proofs, receipts for entries, and signing the heads of other agencies' logs.

Leaf hashes and proofs name nobody and are for auditors and witnesses; the bytes of a leaf are for the holder's auditor.
What is handed out was checked against the signed head before.
"""

from __future__ import annotations

import base64

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.api import searches, smart
from gateway.api.edge import Edge, base_headers, body_of, caller, request_id
from gateway.audit.checkpoint import BadCheckpoint
from gateway.audit.submission import parse_submission
from gateway.disclosure.requester import Requester
from gateway.exchanges.log.prove import ProofWanted, Proved, prove, receipt_of, record_proof
from gateway.exchanges.records.resources import NOT_HERE
from gateway.fhir import outcomes
from gateway.fhir.outcomes import BadRequest, Forbidden, GatewayError, NotFound
from gateway.store.witnesses import Answer, Submitted, cosign_head

MAX_SUBMISSION = 16 << 10
SIZE_KIND = "text/x.tlog.size"
REFUSALS: dict[int, type[GatewayError]] = {
    400: BadRequest, 403: Forbidden, 404: NotFound, 422: outcomes.Unprocessable,
}  # fmt: skip


async def checkpoint(edge: Edge, request: Request) -> Response:
    """``GET /audit/checkpoint``: the last signed head, with the signatures of other agencies (C2SP tlog-checkpoint)."""
    wanted = ProofWanted(_auditor_or_witness(edge, request), "checkpoint", request_id=request_id(request))
    return _text(request, (await _proved(edge, wanted)).note)


async def inclusion(edge: Edge, request: Request) -> Response:
    """``GET /audit/proof/inclusion``: that the leaf at ``index`` is in the tree of ``size``, the last signed one if not said."""
    requester = _auditor_or_witness(edge, request)
    index, size = _number(request, "index"), _number(request, "size")
    if index is None:
        raise BadRequest("index is needed: the place of the entry in the log, from 0.", where="index", code="required")
    found = await _proved(edge, ProofWanted(requester, "inclusion", index=index, size=size, request_id=request_id(request)))
    return _json(request, {"index": index, "size": found.size, "leafHash": _b64(found.leaf)}, found)


async def consistency(edge: Edge, request: Request) -> Response:
    """``GET /audit/proof/consistency``: that the tree of ``size`` begins with that of ``old``; nothing follows from an empty one."""
    requester = _auditor_or_witness(edge, request)
    old, size = _number(request, "old"), _number(request, "size")
    if not old:
        raise BadRequest(
            "old is the size of an earlier head, from 1: nothing follows from an empty log.", where="old", code="value"
        )
    found = await _proved(edge, ProofWanted(requester, "consistency", old=old, size=size, request_id=request_id(request)))
    return _json(request, {"old": old, "size": found.size, "oldRoot": _b64(found.leaf)}, found)


async def receipt(edge: Edge, request: Request) -> Response:
    """``GET /audit/receipt/{id}``: proof for one entry that the caller may see, as one text (C2SP tlog-proof)."""
    requester = caller(edge, request)
    if not smart.allows(requester.scopes, "AuditEvent", "r"):
        raise Forbidden("The token's scopes do not allow this operation.")
    wanted = ProofWanted(requester, "receipt", entry=request.path_params["id"], request_id=request_id(request))
    await edge.ledger.run(record_proof, wanted)
    found = await receipt_of(edge.context, edge.ledger, wanted)
    if found is None:
        raise NotFound(NOT_HERE)
    headers = {"Content-Disposition": f'attachment; filename="{wanted.entry}.tlog-proof"'}
    return _text(request, found.text(), headers)


async def add_checkpoint(edge: Edge, request: Request) -> Response:
    """``POST /witness/add-checkpoint`` (C2SP tlog-witness): sign the head of another agency's log, if it only grew.

    Needs no token: the log's own signature on the head is what is checked.
    """
    try:
        submission = parse_submission((await body_of(request, MAX_SUBMISSION)).decode())
    except (BadCheckpoint, UnicodeDecodeError) as fault:
        raise BadRequest(f"This is no submission to a witness: {fault}.") from None
    answer: Answer = await edge.ledger.run_alone(cosign_head, Submitted(submission, edge.context.vault))
    if answer.status in REFUSALS:
        raise REFUSALS[answer.status](f"The head is not signed: {answer.says}.")
    kind = SIZE_KIND if answer.status == 409 else "text/plain; charset=utf-8"
    headers = {**base_headers(request), "Content-Type": kind}
    return Response(answer.says.encode(), answer.status, headers)


def _auditor_or_witness(edge: Edge, request: Request) -> Requester:
    requester = caller(edge, request)
    if not (smart.allows(requester.scopes, "AuditEvent", "r") or smart.allows(requester.scopes, "witness", "r")):
        raise Forbidden("The token's scopes do not allow this operation: it is for auditors and witnesses.")
    return requester


async def _proved(edge: Edge, wanted: ProofWanted) -> Proved:
    await edge.ledger.run(record_proof, wanted)
    return await prove(edge.context, edge.ledger, wanted)


def _number(request: Request, name: str) -> int | None:
    given = request.query_params.getlist(name)
    text = searches.one({name: given}, name) if given else ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"{name} is a whole number from 0.", where=name, code="value")
    return int(text)


def _json(request: Request, said: dict[str, object], found: Proved) -> Response:
    body = {**said, "proof": [_b64(one) for one in found.proof], "checkpoint": found.note}
    return JSONResponse(body, headers=base_headers(request))


def _text(request: Request, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text, headers={**base_headers(request), **(headers or {})})


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
