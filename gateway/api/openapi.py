"""The OpenAPI description, made from the table of operations. Committed in ``openapi/`` and compared by a test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.api import directory, resources, schemas
from gateway.api.operations import OPERATIONS, Operation
from gateway.fhir.systems import BASE

ERRORS = (400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429, 503)
FHIR_JSON = "application/fhir+json"
KINDS = {
    "json": "application/json",
    "receipt": "application/json",
    "text": "text/plain",
    "ndjson": "application/fhir+ndjson",
    "page": "text/html",
}
ETAG = {"type": "string", "pattern": '^(W/)?"[0-9]{1,9}"$'}
PREFER = {"type": "string", "enum": ["respond-async"]}  # 202: the report is fetched from Content-Location
FOLDER = Path(__file__).parent.parent.parent / "openapi" / "examples"
EXAMPLES = {
    "knownToServices": ("lookup-known", "lookup-no-information", "lookup-cannot-say"),
    "checkShare": ("check-share",),
    "recordWish": ("record-wish",),
    "createSubscription": ("subscription",),
    "processMessage": ("message",),
    "children": ("children",),
}


def document(base: str = BASE) -> dict[str, Any]:
    """OpenAPI 3.1 of everything that is served, in the codes of a deployment whose canonical base this is."""
    made: dict[str, Any] = json.loads(json.dumps(_document()).replace(BASE, base))
    return made


def _document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(_path(operation.path), {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Think Family Gateway",
            "version": __version__,
            "description": "Consent-checked status lookups and change notices between adult mental health and children's services.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.COMPONENTS,
            "securitySchemes": {
                "backend": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of the token endpoint (SMART Backend Services, private_key_jwt).",
                }
            },
        },
    }


def _examples(operation: str, part: str) -> dict[str, Any]:
    """The committed examples of an operation's ``request`` or ``answer``; a test plays each of them."""
    found = {name: {"value": json.loads((FOLDER / f"{name}.{part}.json").read_text())} for name in EXAMPLES.get(operation, ())}
    return {"examples": found} if found else {}


def _path(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says,
        "tags": [operation.type or operation.path.split("/")[1]],
        "parameters": [*_path_parameters(operation), *schemas.query(operation.takes)],
        "responses": _responses(operation),
        "security": [] if operation.open else [{"backend": []}],
    }
    body = schemas.body(operation.takes)
    if body:
        kind, schema = body
        content = {"schema": schema, **_examples(operation.name, "request")}
        described["requestBody"] = {"required": operation.takes != "form", "content": {kind: content}}
    if operation.method == "PUT" and operation.interaction == "update":
        described["parameters"].append({"name": "If-Match", "in": "header", "required": False, "schema": ETAG})
    if operation.name == "records":
        described["parameters"].append({"name": "Prefer", "in": "header", "required": False, "schema": PREFER})
    return {key: value for key, value in described.items() if value != [] or key == "security"}


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.PATH[name]}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in _good(operation):
        responses[str(status)] = _good_response(operation, status)
    for status in ERRORS:
        responses.setdefault(str(status), _error(operation))
    return dict(sorted(responses.items()))


def _good(operation: Operation) -> tuple[int, ...]:
    several = {"children": (200, 204), "exportStatus": (200, 202), "records": (200, 202), "loadStatus": (200, 202)}
    if operation.name in several:
        return several[operation.name]
    if operation.interaction == "create":
        return (201,)
    if (
        operation.interaction in ("read", "vread")
        and not operation.open
        and operation.type in (*resources.TYPES, *directory.TYPES)
    ):
        return (200, 304)
    return {"nothing": (204,), "accepted": (202,)}.get(operation.gives, (200,))


def _good_response(operation: Operation, status: int) -> dict[str, Any]:
    if status in (202, 204, 304):
        return {"description": "Nothing to show" if status != 202 else "Taken up"}
    kind = KINDS.get(operation.gives, FHIR_JSON)
    content = {"schema": schemas.ANSWERS[operation.gives], **_examples(operation.name, "answer")}
    return {"description": "Done", "content": {kind: content}}


def _error(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}}
    if operation.name == "addCheckpoint":  # C2SP tlog-witness: the size that is known, where another was taken for it
        content["text/x.tlog.size"] = {"schema": {"type": "string"}}
    if operation.path.startswith("/oauth2") or operation.path.startswith("/health"):
        content["application/json"] = {"schema": {"type": "object"}}
    return {"description": "Refused; the OperationOutcome says what and where", "content": content}
