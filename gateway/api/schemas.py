"""JSON Schemas of what the API takes and gives, as far as OpenAPI can say it; FHIR says the rest."""

from __future__ import annotations

from typing import Any

from gateway.fhir import systems

Schema = dict[str, Any]
ID = {"type": "string", "pattern": "^[A-Za-z0-9\\-.]{1,64}$"}
TEXT = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[A-Za-z0-9][A-Za-z0-9 .,'-]*$"}
DATE = {"type": "string", "pattern": "^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"}
URI = {"type": "string", "pattern": "^https://[a-z]{1,20}\\.example/[a-z]{1,20}$"}
CODE = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,40}$"}
NHS_NUMBER = {"type": "string", "pattern": "^999[0-9]{7}$"}

PATH: dict[str, Schema] = {
    "id": ID,
    "version": {"type": "string", "pattern": "^[1-9][0-9]{0,5}$"},
    "format": {"type": "string", "enum": ["crosswalk", "dfe-csc-api", "fhir", "hl7v2-adt", "relationships"]},
    "la_code": {"type": "string", "pattern": "^[0-9]{3}$"},
}


def _object(properties: Schema, required: list[str] | None = None, *, more: bool = False) -> Schema:
    return {"type": "object", "properties": properties, "required": required or list(properties), "additionalProperties": more}


def _list(items: Schema, least: int = 1, most: int = 3) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _coding(system: str | None = None) -> Schema:
    return _object({"system": {"const": system} if system else URI, "code": CODE})


def _concept(system: str | None = None) -> Schema:
    return _object({"coding": _list(_coding(system), 1, 1)})


IDENTIFIER = _object({"system": URI, "value": TEXT})
PERSON = _object({"type": {"const": "Patient"}, "identifier": _object({"system": {"const": systems.NHS_NUMBER}, "value": NHS_NUMBER})})
PERIOD = _object({"start": DATE}, more=False)


def _part(name: str, **content: Schema) -> Schema:
    return _object({"name": {"const": name}, **content})


_PURPOSES = ["safeguarding-s47", "duty-to-share-16la", "mha-assessment-s13", "child-in-need-s17", "early-help", "amh-care-planning"]
_PATIENT = _object(
    {
        "resourceType": {"const": "Patient"},
        "identifier": _list(_object({"system": {"const": systems.NHS_NUMBER}, "value": NHS_NUMBER}), 1, 1),
        "birthDate": DATE,
    },
    ["resourceType"],
)
_LOOKUP_PARTS = [
    _part("person", resource=_PATIENT),
    _part("purpose", valueCoding=_object({"code": {"type": "string", "enum": _PURPOSES}})),
    _part("about", valueCode={"type": "string", "enum": ["self", "children", "parents"]}),
    _part("caseReference", valueIdentifier=IDENTIFIER),
    _part("reason", valueString=TEXT),
]
LOOKUP = _object(
    {
        "resourceType": {"const": "Parameters"},
        "parameter": {
            "type": "array",
            "items": {"anyOf": _LOOKUP_PARTS},
            "allOf": [
                {"contains": {"properties": {"name": {"const": name}}, "required": ["name"]}, "minContains": 1, "maxContains": 1}
                for name in ("person", "purpose")
            ],
            "minItems": 2,
            "maxItems": 6,
        },
    }
)
FLAG = _object(
    {
        "resourceType": {"const": "Flag"},
        "status": {"type": "string", "enum": ["active", "inactive", "entered-in-error"]},
        "code": _concept(systems.code_system("involvement-detail")),
        "subject": PERSON,
        "period": PERIOD,
    },
    ["resourceType", "status", "code", "subject"],
)
RELATED = _object(
    {
        "resourceType": {"const": "RelatedPerson"},
        "active": {"type": "boolean"},
        "patient": PERSON,
        "relationship": _list(_concept(systems.V3_ROLE), 1, 2),
        "period": PERIOD,
    },
    ["resourceType", "patient"],
)
CONSENT = _object(
    {
        "resourceType": {"const": "Consent"},
        "status": {"type": "string", "enum": ["draft", "proposed", "active", "rejected", "inactive", "entered-in-error"]},
        "scope": _concept(systems.CONSENT_SCOPE),
        "category": _list(_concept(systems.V3_ACT_CODE), 1, 1),
        "patient": PERSON,
        "dateTime": DATE,
        "performer": _list(PERSON, 1, 1),
        "policy": _list(_object({"uri": URI}), 1, 1),
        "provision": _object(
            {"type": {"type": "string", "enum": ["permit", "deny"]}, "period": PERIOD, "purpose": _list(_coding(), 1, 2)}, ["type"]
        ),
    },
    ["resourceType", "status", "scope", "category", "patient", "policy"],
)
SUBSCRIPTION = _object(
    {
        "resourceType": {"const": "Subscription"},
        "status": {"type": "string", "enum": ["requested", "active", "off"]},
        "reason": TEXT,
        "criteria": {"type": "string", "enum": [systems.topic(code) for code in ("admitted", "discharged", "known-status-changed")]},
        "channel": _object(
            {
                "type": {"type": "string", "enum": ["message", "rest-hook"]},
                "endpoint": {"type": "string", "pattern": "^https://[a-z]{1,20}\\.example/[a-z]{1,20}$"},
                "payload": {"const": "application/fhir+json"},
            }
        ),
    }
)
_HEADER = _object(
    {
        "resourceType": {"const": "MessageHeader"},
        "id": ID,
        "eventCoding": _object({"system": {"const": systems.code_system("topic")}, "code": {"type": "string", "enum": ["admitted", "discharged"]}}),
        "source": _object({"endpoint": URI}),
    }
)
MESSAGE = _object(
    {
        "resourceType": {"const": "Bundle"},
        "id": ID,
        "type": {"const": "message"},
        "entry": {
            "type": "array",
            "prefixItems": [_object({"resource": _HEADER})],
            "items": _object({"resource": {"anyOf": [FLAG, RELATED]}}),
            "minItems": 1,
            "maxItems": 3,
        },
    }
)
CHILDREN: Schema = _list(
    _object(
        {
            "la_child_id": {"type": "string", "pattern": "^[A-Za-z0-9]{1,20}$"},
            "purge": {"type": "boolean"},
            "child_details": _object(
                {"first_name": TEXT, "surname": TEXT, "date_of_birth": DATE, "sex": {"type": "string", "enum": ["M", "F", "U"]}}, []
            ),
        },
        ["la_child_id"],
    ),
    0,
    5,
)

RESOURCE = {
    "type": "object",
    "properties": {"resourceType": {"type": "string"}},
    "required": ["resourceType"],
    "additionalProperties": True,
}


def _resource(kind: str, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {"resourceType": {"const": kind}},
        "required": ["resourceType", *required],
        "additionalProperties": True,
    }


COMPONENTS: dict[str, Schema] = {
    "OperationOutcome": _resource("OperationOutcome", ["issue"]),
    "Bundle": _resource("Bundle", ["type"]),
    "Parameters": _resource("Parameters", []),
    "Resource": RESOURCE,
    "Flag": FLAG,
    "RelatedPerson": RELATED,
    "Consent": CONSENT,
    "Subscription": SUBSCRIPTION,
    "Lookup": LOOKUP,
    "Message": MESSAGE,
    "Children": CHILDREN,
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ANSWERS: dict[str, Schema] = {
    "resource": _ref("Resource"),
    "bundle": _ref("Bundle"),
    "Parameters": _ref("Parameters"),
    "json": {"type": "object"},
    "receipt": {"type": "string", "format": "uuid"},
    "nothing": {},
}

_FHIR = {"lookup": "Lookup", "message": "Message", **{kind: kind for kind in ("Flag", "RelatedPerson", "Consent", "Subscription")}}
_FORM = "application/x-www-form-urlencoded"
_TOKEN_FORM = _object(
    {
        "grant_type": {"const": "client_credentials"},
        "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
        "client_assertion": {"type": "string", "minLength": 1, "maxLength": 8000},
        "scope": {"type": "string", "minLength": 1, "maxLength": 500},
    },
    more=True,
)


def body(takes: str) -> Schema:
    """The request body of an operation by media type; empty where it takes none."""
    if takes in _FHIR:
        return {"application/fhir+json": {"schema": _ref(_FHIR[takes])}}
    if takes == "children":
        return {"application/json": {"schema": _ref("Children")}}
    if takes == "token":
        return {_FORM: {"schema": _TOKEN_FORM}}
    if takes == "introspect":
        return {_FORM: {"schema": _object({"token": {"type": "string", "minLength": 1}}, more=True)}}
    if takes == "form":
        return {_FORM: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}}
    if takes == "file":
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {}


_COUNT = {"name": "_count", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}
_UPDATED = {"name": "_lastUpdated", "schema": {"type": "string", "pattern": "^ge(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"}}
_DAY = {"name": "date", "schema": _UPDATED["schema"]}
_QUERIES: dict[str, list[Schema]] = {
    "search": [_COUNT, _UPDATED, {"name": "_id", "schema": ID}, {"name": "status", "schema": CODE}],
    "subscription-search": [_COUNT, {"name": "status", "schema": CODE}],
    "audit-search": [_COUNT, _DAY, {"name": "outcome", "schema": {"type": "string", "enum": ["0", "4", "8", "12"]}}],
    "definition-search": [{"name": "url", "schema": {"type": "string", "maxLength": 200}}],
    "events": [
        {"name": "eventsSinceNumber", "schema": {"type": "integer", "minimum": 0, "maximum": 10_000}},
        {"name": "eventsUntilNumber", "schema": {"type": "integer", "minimum": 0, "maximum": 10_000}},
    ],
}


def query(takes: str) -> list[Schema]:
    """The query parameters of an operation."""
    return [{"in": "query", "required": False, **parameter} for parameter in _QUERIES.get(takes, ())]
