"""What JSON Schemas of FHIR are put together from: primitives, datatypes, parts of a Parameters resource."""

from __future__ import annotations

from typing import Any

from gateway.api.searches import MOST_STATED
from gateway.fhir import systems

Schema = dict[str, Any]
# What FHIR R4 allows of each primitive (datatypes.html), where JSON Schema can say it.
ID = {"type": "string", "pattern": "^[A-Za-z0-9\\-.]{1,64}$"}
TEXT = {"type": "string", "pattern": "\\S"}
URI = {"type": "string", "pattern": "^\\S+$"}
CODE = {"type": "string", "pattern": "^\\S+( \\S+)*$"}
_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
DATE = {"type": "string", "pattern": f"^{_DAY}$"}
DATE_TIME = {"type": "string", "pattern": f"^([0-9]{{4}}(-(0[1-9]|1[0-2]))?|{_DAY}({_TIME})?)$"}
INSTANT = {"type": "string", "pattern": f"^{_DAY}{_TIME}$"}
SEARCH_DATE = {"type": "string", "pattern": f"^(eq|ge|gt|le|lt|sa|eb)?([0-9]{{4}}(-(0[1-9]|1[0-2]))?|{_DAY}({_TIME})?)$"}
COUNT = {"name": "_count", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_STATED}}
NHS_NUMBER = {"type": "string", "pattern": "^[0-9]{10}$", "examples": ["9990001006", "9990001014"]}


def object_of(properties: Schema, required: list[str] | None = None, *, more: bool = False) -> Schema:
    """An object of these properties, of no others unless ``more``, and never empty."""
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": more,
        "minProperties": 1,
    }


def list_of(items: Schema) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}


def one_of(codes: list[str]) -> Schema:
    """One of these codes."""
    return {"type": "string", "enum": codes}


CODING = object_of({"system": URI, "code": CODE, "display": TEXT})
CONCEPT = object_of({"coding": list_of(CODING), "text": TEXT})
IDENTIFIER = object_of({"system": URI, "value": TEXT}, ["system", "value"])
PERSON = object_of({"type": {"const": "Patient"}, "identifier": IDENTIFIER}, ["identifier"])
PERIOD = object_of({"start": DATE_TIME, "end": DATE_TIME})


def part(name: str, **content: Schema) -> Schema:
    """A parameter or part of this name with this content."""
    return object_of({"name": {"const": name}, **content}, ["name", *content], more=True)


ODS = object_of({"system": {"const": systems.ODS_CODE}, "value": TEXT}, ["system", "value"], more=True)


def parameters_of(*parts: Schema, once: tuple[str, ...] = ()) -> Schema:
    """A Parameters resource of these parts, of which some stand exactly once; where none has to, there may be no parts."""
    listed: Schema = {"type": "array", "items": {"anyOf": list(parts)}, "minItems": 1}
    if once:
        listed["allOf"] = [_one(name) for name in once]
    needed = ["resourceType", "parameter"] if once else ["resourceType"]
    return object_of({"resourceType": {"const": "Parameters"}, "parameter": listed}, needed, more=True)


def _one(name: str) -> Schema:
    """That a part of this name stands exactly once."""
    return {"contains": {"properties": {"name": {"const": name}}, "required": ["name"]}, "minContains": 1, "maxContains": 1}


FORMATS = ["crosswalk", "dfe-cin-census", "dfe-csc-api", "dfe-ssda903", "fhir", "hl7v2-adt", "mhsds", "relationships", "ssd"]
FORMAT: Schema = {"type": "string", "enum": FORMATS}
