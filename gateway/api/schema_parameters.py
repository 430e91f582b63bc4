"""JSON Schemas of the Parameters that operations take."""

from __future__ import annotations

from gateway.api.schema_parts import CODE, DATE, ID, ODS, TEXT, URI, list_of, object_of, one_of, parameters_of, part
from gateway.disclosure.wish_forms import TAKES

_PATIENT = object_of(
    {
        "resourceType": {"const": "Patient"},
        "identifier": list_of(object_of({"system": URI, "value": TEXT}, more=True)),
        "birthDate": DATE,
    },
    ["resourceType"],
    more=True,
)
_OVERRIDE = part("override", part=list_of(object_of({"name": TEXT}, ["name"], more=True)))
_LOOKUP_PARTS = [
    part("person", resource=_PATIENT),
    part("purpose", valueCoding=object_of({"code": CODE}, ["code"], more=True)),
    part("about", valueCode=one_of(["self", "children", "parents"])),
    part("caseReference", valueIdentifier=object_of({"system": URI, "value": TEXT}, ["system", "value"], more=True)),
    part("reason", valueString=TEXT),
    _OVERRIDE,
]
LOOKUP = object_of(
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
        },
    },
    ["resourceType", "parameter"],
    more=True,
)
PERSON_INFO = parameters_of(
    part("resource", resource=_PATIENT),
    part("reason", valueUri=URI),
    part("caseReference", valueIdentifier=object_of({"system": URI, "value": TEXT}, ["system", "value"], more=True)),
    part("justification", valueString=TEXT),
    once=("resource", "reason"),
)
REQUEST_CONTACT = parameters_of(
    *(one for one in _LOOKUP_PARTS if one["properties"]["name"]["const"] in ("person", "purpose", "caseReference", "reason")),
    part("name", valueString=TEXT),
    part("phone", valueString={"type": "string", "pattern": "^[+]?[0-9][0-9 ()-]{3,30}[0-9]$"}),
    once=("person", "purpose", "name", "phone"),
)
CHECK_SHARE = parameters_of(
    part("purpose", valueCoding=object_of({"code": CODE}, ["code"], more=True)),
    part("class", valueCode=CODE),
    part("receiver", valueIdentifier=ODS),
    part("receiverKind", valueCode=CODE),
    part("receiverRole", valueCode=CODE),
    once=("purpose",),
)
_MATCHED = object_of(
    {
        "resourceType": {"const": "Patient"},
        "identifier": list_of(object_of({"system": URI, "value": TEXT}, ["system", "value"])),
        "name": list_of(object_of({"family": TEXT, "given": list_of(TEXT)})),
        "birthDate": DATE,
        "gender": one_of(["male", "female", "other", "unknown"]),
    },
    ["resourceType"],
)
MATCH = {
    "anyOf": [
        parameters_of(
            part("resource", resource=_MATCHED),
            part("onlyCertainMatches", valueBoolean={"type": "boolean"}),
            part("count", valueInteger={"type": "integer", "minimum": 1, "maximum": 50}),
            once=("resource",),
        ),
        _MATCHED,
    ]
}
_ROLE_OR_KIND = object_of({"system": URI, "code": CODE}, ["system", "code"], more=True)
_NUMBER = object_of({"system": URI, "value": TEXT}, ["system", "value"], more=True)
RECORD_WISH = parameters_of(
    part("person", valueIdentifier=_NUMBER),
    part("madeBy", valueIdentifier=_NUMBER),
    part("capacity", valueCode=one_of(["had", "lacked", "not-assessed"])),
    part("kind", valueCode=CODE),
    part(
        "wish",
        part=list_of(
            {
                "anyOf": [
                    part("code", valueCode=one_of(sorted(TAKES))),
                    part("receiver", valueIdentifier=ODS),
                    part("receiver", valueCoding=_ROLE_OR_KIND),
                    part("date", valueDate=DATE),
                    part("purpose", valueCode=CODE),
                    part("class", valueCode=CODE),
                ]
            }
        ),
    ),
    once=("person",),
)
EXPLAIN = parameters_of(
    part("event", valueId=ID),
    part("disclosure", valueId=ID),
    part("date", valueDate=DATE),
)
_DECIDED = [
    part("person", valueIdentifier=_NUMBER),
    part("reason", valueString=TEXT),
    part("decider", valueString=TEXT),
    part("deciderRole", valueCode=CODE),
]
WITHHOLD = parameters_of(
    *_DECIDED,
    part("purpose", valueCode=CODE),
    part("receiver", valueIdentifier=ODS),
    part("until", valueDate=DATE),
    part("reviewBy", valueDate=DATE),
    once=("person", "reason", "decider", "deciderRole"),
)
LIFT_WITHHOLDING = parameters_of(
    *_DECIDED, part("withholding", valueId=ID), once=("person", "reason", "decider", "deciderRole", "withholding")
)
