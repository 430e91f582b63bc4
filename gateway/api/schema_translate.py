"""JSON Schemas of ``ConceptMap/$translate``: its query and its Parameters, on all maps and on one."""

from __future__ import annotations

from gateway.api.schema_parts import CODE, URI, Schema, list_of, object_of, parameters_of, part

_CODING = object_of({"system": URI, "code": CODE}, ["code"], more=True)
_FITTING = ("system", "source", "target", "targetsystem")
_PARTS = (
    part("code", valueCode=CODE),
    part("coding", valueCoding=_CODING),
    part("codeableConcept", valueCodeableConcept=object_of({"coding": list_of(_CODING)}, ["coding"], more=True)),
    *(part(name, valueUri=URI) for name in _FITTING),
)
COMPONENTS: dict[str, Schema] = {
    "Translate": parameters_of(*_PARTS, part("url", valueUri=URI)),
    "TranslateByMap": parameters_of(*_PARTS),
}
TAKES = {"translate-parameters": "Translate", "translateByMap-parameters": "TranslateByMap"}
_CODE: Schema = {"name": "code", "schema": CODE, "required": True}
_QUERY = [_CODE, *({"name": name, "schema": URI} for name in _FITTING)]
QUERIES: dict[str, list[Schema]] = {
    "translate-query": [*_QUERY, {"name": "url", "schema": URI}],
    "translateByMap-query": _QUERY,
}
