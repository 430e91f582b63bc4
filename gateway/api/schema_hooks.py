"""JSON Schemas of CDS Hooks 2.0, as far as the gateway reads a call; more may stand in it."""

from __future__ import annotations

from gateway.api.schema_parts import TEXT, Schema, list_of, object_of, one_of
from gateway.fhir.codes import HOOKS

UUID: Schema = {"type": "string", "format": "uuid"}
HOOK: Schema = object_of(
    {
        "hook": one_of(list(HOOKS)),
        "hookInstance": UUID,
        "fhirServer": {"type": "string", "format": "uri"},
        "fhirAuthorization": {"type": "object"},
        "context": object_of({"userId": TEXT, "patientId": TEXT, "encounterId": TEXT}, ["userId", "patientId"], more=True),
        "prefetch": object_of({"patient": {"type": "object"}, "roles": {}, "role": {}}, ["patient"], more=True),
    },
    ["hook", "hookInstance", "context", "prefetch"],
    more=True,
)
HOOK_FEEDBACK: Schema = object_of(
    {
        "feedback": list_of(
            object_of(
                {
                    "card": UUID,
                    "outcome": one_of(["accepted", "overridden"]),
                    "acceptedSuggestions": list_of(object_of({"id": TEXT}, ["id"])),
                    "overrideReason": object_of({"reason": {"type": "object"}, "userComment": TEXT}),
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                },
                ["card", "outcome", "outcomeTimestamp"],
            )
        )
    },
    ["feedback"],
)
