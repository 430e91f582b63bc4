"""JSON Schemas of subscriptions and case lists."""

from __future__ import annotations

from gateway.api.schema_parts import (
    CODE,
    ID,
    IDENTIFIER,
    INSTANT,
    PERSON,
    TEXT,
    URI,
    Schema,
    list_of,
    object_of,
    one_of,
    parameters_of,
    part,
)
from gateway.fhir import systems

SUBSCRIPTION_STATUS = ["requested", "active", "error", "off"]


def _extension(url: str, **value: Schema) -> Schema:
    return object_of({"url": {"const": url}, **value}, ["url", *value])


_PURPOSE = systems.extension("purpose")
CONTENT = ["empty", "id-only", "full-resource"]
_NUMBER_OF = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
SUBSCRIPTION = object_of(
    {
        "resourceType": {"const": "Subscription"},
        "extension": {
            "type": "array",
            "items": {
                "anyOf": [
                    _extension(_PURPOSE, valueCoding=object_of({"system": URI, "code": CODE}, ["code"])),
                    _extension(systems.extension("case-reference"), valueIdentifier=IDENTIFIER),
                    _extension(systems.extension("reason"), valueString=TEXT),
                ]
            },
            "contains": {"properties": {"url": {"const": _PURPOSE}}, "required": ["url"]},
        },
        "status": one_of(["requested", "active", "off"]),
        "end": INSTANT,
        "reason": TEXT,
        "criteria": URI,
        "_criteria": object_of(
            {
                "extension": {
                    "type": "array",
                    "items": _extension(systems.BACKPORT_FILTER, valueString=TEXT),
                    "minItems": 1,
                    "maxItems": 4,
                }
            },
            ["extension"],
        ),
        "channel": object_of(
            {
                "type": one_of(["message", "rest-hook"]),
                "endpoint": {"type": "string", "pattern": "^https?://\\S+$"},
                "payload": one_of(["application/fhir+json", "application/json"]),
                "_payload": object_of({"extension": list_of(_extension(systems.BACKPORT_PAYLOAD, valueCode=one_of(CONTENT)))}),
                "header": list_of(TEXT),
                "extension": list_of(
                    object_of({"url": URI, "valueUnsignedInt": _NUMBER_OF, "valuePositiveInt": _NUMBER_OF}, ["url"])
                ),
            },
            ["type", "endpoint"],
        ),
    },
    ["resourceType", "extension", "status", "reason", "criteria", "_criteria", "channel"],
)
_MEMBER = object_of(
    {"entity": PERSON, "extension": list_of(_extension(systems.extension("case-reference"), valueIdentifier=IDENTIFIER))},
    ["entity"],
)
GROUP = object_of(
    {
        "resourceType": {"const": "Group"},
        "type": {"const": "person"},
        "actual": {"const": True},
        "name": TEXT,
        "member": {"type": "array", "items": _MEMBER, "minItems": 1, "maxItems": 2000},
    },
    ["resourceType", "type", "actual"],
)
STATUS_PARAMETERS = parameters_of(part("id", valueId=ID), part("status", valueCode=one_of(SUBSCRIPTION_STATUS)))
_TEXT_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]{1,15}$"}
EVENTS_PARAMETERS = parameters_of(
    part("eventsSinceNumber", valueString=_TEXT_NUMBER),
    part("eventsUntilNumber", valueString=_TEXT_NUMBER),
    part("content", valueCode=one_of(CONTENT)),
)
