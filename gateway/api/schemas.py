"""JSON Schemas of what the API takes and gives, as far as OpenAPI can say it; FHIR says the rest."""

from __future__ import annotations

from gateway.api import schema_translate
from gateway.api.schema_hooks import HOOK, HOOK_FEEDBACK
from gateway.api.schema_parameters import (
    CHECK_SHARE,
    EXPLAIN,
    LIFT_WITHHOLDING,
    LOOKUP,
    MATCH,
    PERSON_INFO,
    RECORD_WISH,
    REQUEST_CONTACT,
    WITHHOLD,
)
from gateway.api.schema_parts import (
    CODE,
    CODING,
    CONCEPT,
    COUNT,
    DATE,
    DATE_TIME,
    FORMAT,
    ID,
    IDENTIFIER,
    INSTANT,
    NHS_NUMBER,
    PERIOD,
    PERSON,
    SEARCH_DATE,
    TEXT,
    URI,
    Schema,
)
from gateway.api.schema_parts import list_of as _list
from gateway.api.schema_parts import object_of as _object
from gateway.api.schema_parts import one_of as _enum
from gateway.api.schema_parts import parameters_of as _parameters
from gateway.api.schema_parts import part as _part
from gateway.api.schema_subscriptions import (
    CONTENT,
    EVENTS_PARAMETERS,
    GROUP,
    STATUS_PARAMETERS,
    SUBSCRIPTION,
    SUBSCRIPTION_STATUS,
)
from gateway.notification.answers import ACKNOWLEDGEMENTS

STATUS = {
    "Flag": ["active", "inactive", "entered-in-error"],
    "Consent": ["draft", "proposed", "active", "rejected", "inactive", "entered-in-error"],
    "Subscription": SUBSCRIPTION_STATUS,
}
ELEMENTS = "The elements that a sender is most likely to need. Others of R4 are taken as the map of the format fhir keeps them; no others."

PATH: dict[str, Schema] = {
    "id": ID,
    "version": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "format": FORMAT,
    "la_code": {"type": "string", "pattern": "^[0-9]{3}$"},
    "place": {"type": "string", "pattern": "^[0-9]{1,6}$"},
}


SHIELD = _parameters(_part("person", valueIdentifier=IDENTIFIER), _part("reason", valueString=TEXT), once=("person", "reason"))
CLOSING = _object(
    {
        "outcome": _enum(["in-order", "not-in-order", "passed-on"]),
        "sentence": {"type": "string", "minLength": 10, "maxLength": 1000, "pattern": "\\S"},
    },
    ["outcome", "sentence"],
)
INTERESTS = _object(
    {"user": {**TEXT, "maxLength": 64}, "people": {"type": "array", "items": NHS_NUMBER, "maxItems": 50}}, ["user", "people"]
)
ACKNOWLEDGEMENT = _object({"code": _enum(list(ACKNOWLEDGEMENTS)), "note": {**TEXT, "maxLength": 1000}}, ["code"])
CALL_BACK_CLOSING = _object({"sentence": {"type": "string", "minLength": 10, "maxLength": 1000, "pattern": "\\S"}}, ["sentence"])
FLAG = _object(
    {
        "resourceType": {"const": "Flag"},
        "status": _enum(STATUS["Flag"]),
        "category": _list(CONCEPT),
        "code": CONCEPT,
        "subject": PERSON,
        "period": PERIOD,
    },
    ["resourceType", "status", "code", "subject"],
)
RELATED = _object(
    {
        "resourceType": {"const": "RelatedPerson"},
        "active": {"type": "boolean"},
        "identifier": _list(IDENTIFIER),
        "patient": PERSON,
        "relationship": _list(CONCEPT),
        "birthDate": DATE,
        "period": PERIOD,
    },
    ["resourceType", "patient"],
)
CONSENT = _object(
    {
        "resourceType": {"const": "Consent"},
        "status": _enum(STATUS["Consent"]),
        "scope": CONCEPT,
        "category": _list(CONCEPT),
        "patient": PERSON,
        "dateTime": DATE_TIME,
        "performer": _list(PERSON),
        "policy": _list(_object({"uri": URI})),
        "provision": _object({"type": _enum(["permit", "deny"]), "period": PERIOD, "purpose": _list(CODING)}),
    },
    ["resourceType", "status", "scope", "category", "patient", "policy"],
)


_HEADER = _object(
    {
        "resourceType": {"const": "MessageHeader"},
        "id": ID,
        "eventCoding": _object({"system": URI, "code": CODE}, ["system", "code"]),
        "source": _object({"endpoint": URI}, ["endpoint"]),
        "destination": _list(_object({"endpoint": URI}, ["endpoint"])),
    },
    ["resourceType", "id", "eventCoding", "source"],
)
_SENT = {"anyOf": [{**one, "properties": {**one["properties"], "id": ID}} for one in (FLAG, RELATED, CONSENT)]}
MESSAGE = _object(
    {
        "resourceType": {"const": "Bundle"},
        "id": ID,
        "type": {"const": "message"},
        "timestamp": INSTANT,
        "entry": {
            "type": "array",
            "prefixItems": [_object({"fullUrl": URI, "resource": _HEADER}, ["resource"])],
            "items": _object({"fullUrl": URI, "resource": _SENT}, ["resource"]),
            "minItems": 1,
        },
    },
    ["resourceType", "id", "type", "entry"],
)
CHILD = _object(
    {
        "la_child_id": {"type": ["string", "integer"]},
        "purge": {"type": ["boolean", "string", "integer", "null"]},
        "child_details": {"type": ["object", "null"]},
        "social_care_episodes": {"type": ["array", "null"]},
    },
    ["la_child_id"],
    more=True,
)
CHILDREN: Schema = {
    "description": "Up to 100 children of the DfE children's social care API 1.0.1. Those that cannot be read are counted and "
    "reported; the others land.",
    "anyOf": [{"type": "array", "items": {"anyOf": [CHILD, {}]}}, CHILD],
}

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


for _written in (FLAG, RELATED, CONSENT, SUBSCRIPTION, GROUP):
    _written["description"] = ELEMENTS

COMPONENTS: dict[str, Schema] = {
    "OperationOutcome": _resource("OperationOutcome", ["issue"]),
    "Bundle": _resource("Bundle", ["type"]),
    "Parameters": _resource("Parameters", []),
    "Resource": RESOURCE,
    "Flag": FLAG,
    "RelatedPerson": RELATED,
    "Consent": CONSENT,
    "Subscription": SUBSCRIPTION,
    "Group": GROUP,
    "StatusParameters": STATUS_PARAMETERS,
    "EventsParameters": EVENTS_PARAMETERS,
    "Lookup": LOOKUP,
    "Match": MATCH,
    "CheckShare": CHECK_SHARE,
    **schema_translate.COMPONENTS,
    "RecordWish": RECORD_WISH,
    "Explain": EXPLAIN,
    "Shield": SHIELD,
    "Withhold": WITHHOLD,
    "LiftWithholding": LIFT_WITHHOLDING,
    "Closing": CLOSING,
    "Interests": INTERESTS,
    "Message": MESSAGE,
    "Acknowledgement": ACKNOWLEDGEMENT,
    "CallBackClosing": CALL_BACK_CLOSING,
    "RequestContact": REQUEST_CONTACT,
    "Children": CHILDREN,
    "Hook": HOOK,
    "PersonInfo": PERSON_INFO,
    "HookFeedback": HOOK_FEEDBACK,
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ANSWERS: dict[str, Schema] = {
    "resource": _ref("Resource"),
    "bundle": _ref("Bundle"),
    "Parameters": _ref("Parameters"),
    "json": {"type": "object"},
    "receipt": {"type": "string", "format": "uuid"},
    "text": {"type": "string"},
    "ndjson": {"type": "string"},
    "page": {"type": "string"},
    "accepted": {},
    "nothing": {},
}

_FHIR = {
    "lookup": "Lookup",
    "match": "Match",
    "person-info": "PersonInfo",
    "check-share": "CheckShare",
    "record-wish": "RecordWish",
    "explain": "Explain",
    "shield": "Shield",
    "withhold": "Withhold",
    "lift-withholding": "LiftWithholding",
    "message": "Message",
    **schema_translate.TAKES,
    "request-contact": "RequestContact",
    "status-parameters": "StatusParameters",
    "events-parameters": "EventsParameters",
    **{kind: kind for kind in ("Flag", "RelatedPerson", "Consent", "Subscription", "Group")},
}
_FORM = "application/x-www-form-urlencoded"
_TOKEN_FORM = _object(
    {
        "grant_type": {"const": "client_credentials"},
        "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
        "client_assertion": TEXT,
        "scope": TEXT,
    },
    ["grant_type", "client_assertion_type", "client_assertion", "scope"],
    more=True,
)
_BODIES: dict[str, tuple[str, Schema]] = {
    **{takes: ("application/fhir+json", _ref(name)) for takes, name in _FHIR.items()},
    "children": ("application/json", _ref("Children")),
    "hook": ("application/json", _ref("Hook")),
    "hook-feedback": ("application/json", _ref("HookFeedback")),
    "closing": ("application/json", _ref("Closing")),
    "interests": ("application/json", _ref("Interests")),
    "acknowledgement": ("application/json", _ref("Acknowledgement")),
    "call-back-closing": ("application/json", _ref("CallBackClosing")),
    "token": (_FORM, _TOKEN_FORM),
    "introspect": (_FORM, _object({"token": TEXT}, ["token"], more=True)),
    "form": (_FORM, {"type": "object", "additionalProperties": {"type": "string"}}),
    "submission": ("text/plain", {"type": "string", "description": "C2SP tlog-witness: old size, proof, empty line, checkpoint"}),
    "file": ("application/octet-stream", {"type": "string", "format": "binary"}),
}


def body(takes: str) -> tuple[str, Schema] | None:
    """Media type and schema of the request body of an operation; None where it takes none."""
    return _BODIES.get(takes)


_ID = {"name": "_id", "schema": ID}
_UPDATED = {"name": "_lastUpdated", "schema": SEARCH_DATE}
_NUMBER = {"type": "string", "pattern": "^[0-9]{1,15}$"}


def _status(kind: str) -> Schema:
    return {"name": "status", "schema": _enum(STATUS[kind])}


_PLACE = {"type": "string", "maxLength": 80, "pattern": r"^([0-9]{1,18}\.[A-Za-z0-9\-.]{1,61})?$"}
_PAGE = [
    {"name": "after", "schema": _PLACE, "description": "The next of the page before"},
    {"name": "count", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
]
_CODED = {"name": "code", "schema": TEXT}
_TARGET = {"name": "target", "schema": {"type": "string", "pattern": r"^(Consent|Flag|RelatedPerson)/[A-Za-z0-9\-.]{1,64}$"}}
_QUERIES: dict[str, list[Schema]] = {
    "search-Patient": [COUNT, _ID],
    "search-RelatedPerson": [COUNT, _UPDATED, _ID],
    "search-Flag": [COUNT, _UPDATED, _ID, _status("Flag"), _CODED],
    "search-Consent": [COUNT, _UPDATED, _ID, _status("Consent")],
    "search-Provenance": [COUNT, {"name": "recorded", "schema": SEARCH_DATE}, _ID, _TARGET],
    "search-Organization": [COUNT, _ID, {"name": "identifier", "schema": TEXT}, {"name": "name", "schema": TEXT}],
    "search-PractitionerRole": [COUNT, _ID, {"name": "organization:identifier", "schema": TEXT}],
    "subscription-search": [COUNT, _status("Subscription")],
    "group-search": [COUNT],
    "statuses": [{"name": "id", "schema": ID}, _status("Subscription")],
    "audit-search": [
        COUNT,
        _UPDATED,
        {"name": "_sort", "schema": _enum(["-date", "date", "-_lastUpdated", "_lastUpdated"])},
        {"name": "date", "schema": SEARCH_DATE},
        {"name": "outcome", "schema": _enum(["0", "4", "8", "12"])},
        *(
            {"name": name, "schema": TEXT}
            for name in ("purpose", "subtype", "basis", "exchange", "organization", "client", "notice")
        ),
        {"name": "case-reference:missing", "schema": _enum(["true"])},
        {"name": "against-wish:missing", "schema": _enum(["false"])},
    ],
    "bulk-export": [
        {"name": "_type", "schema": _enum(["AuditEvent"]), "required": True},
        {"name": "_since", "schema": SEARCH_DATE},
        {"name": "_until", "schema": SEARCH_DATE},
        {"name": "_typeFilter", "schema": {"type": "string"}},
        {"name": "_outputFormat", "schema": _enum(["application/fhir+ndjson", "application/ndjson", "ndjson"])},
    ],
    "inclusion": [{"name": "index", "schema": _NUMBER, "required": True}, {"name": "size", "schema": _NUMBER}],
    "consistency": [{"name": "old", "schema": _NUMBER, "required": True}, {"name": "size", "schema": _NUMBER}],
    "notices": [
        {"name": "side", "schema": _enum(["received", "sent"])},
        {"name": "state", "schema": _enum(["received", "acknowledged", "overdue"])},
        *_PAGE,
    ],
    "call-backs": [{"name": "state", "schema": _enum(["open", "closed"])}, *_PAGE],
    **schema_translate.QUERIES,
    "definition-search": [{"name": "url", "schema": {"type": "string"}}],
    "events": [
        {"name": "eventsSinceNumber", "schema": _NUMBER},
        {"name": "eventsUntilNumber", "schema": _NUMBER},
        {"name": "content", "schema": _enum(CONTENT)},
    ],
}


def query(takes: str) -> list[Schema]:
    """The query parameters of an operation."""
    return [{"in": "query", "required": False, **parameter} for parameter in _QUERIES.get(takes, ())]
