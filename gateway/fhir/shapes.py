"""What each FHIR type is made of, read once from the models of the FHIR library when the type is first met.

A shape is a table from the members that JSON may have to what each must be, so that a resource is checked in one
walk. Only what R4 4.0.1 has: the two data types that R4B added are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from gateway.fhir import bundles, definitions, invariants
from gateway.fhir.bindings import MIME_TYPED, REQUIRED, VALUE_SETS, is_language, is_mime
from gateway.fhir.invariants import Rule
from gateway.fhir.primitives import PRIMITIVES, Primitive

NOT_IN_R4 = frozenset({"CodeableReference", "RatioRange"})
ANY = frozenset({"Resource"})
NOTHING: frozenset[str] = frozenset()
RESOURCE = "Resource"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. ``step`` is its step in a FHIRPath; ``model`` is set where it has elements itself."""

    name: str
    step: str
    many: bool
    primitive: Primitive | None = None
    accepts: Callable[[Any], bool] | None = None
    value_set: str = ""
    model: Any = None
    is_resource: bool = False
    is_extra: bool = False
    targets: frozenset[str] = NOTHING
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A type: its elements by JSON member, and the elements and choices that it cannot be without, and its rules.

    ``exclusive`` are the members that belong to a choice.
    """

    name: str
    elements: dict[str, Element]
    required: tuple[str, ...]
    choices: tuple[str, ...]
    exclusive: frozenset[str]
    rules: tuple[Rule, ...]


@cache
def shape_of(model: Any) -> Shape:
    """The shape of a type, from a model class of the FHIR library."""
    name = model.__name__
    elements: dict[str, Element] = {}
    required: list[str] = []
    choices: dict[str, None] = {}
    for key, field in model.model_fields.items():
        facts = field.json_schema_extra or {}
        if key == "fhir_comments" or key.endswith("__ext") or _is_newer(key, facts):
            continue
        element = _element(name, field, facts)
        elements[element.name] = element
        if facts.get("one_of_many_required"):
            choices[facts["one_of_many"]] = None
        elif facts.get("element_required") or field.is_required():
            required.append(element.name)
    elements |= _extras(name, elements)
    if hasattr(model, "get_resource_type") and "meta" in elements and "implicitRules" in elements:
        elements["resourceType"] = _type_name(name)
    exclusive = frozenset(each.name for each in elements.values() if each.choice)
    return Shape(name, elements, tuple(required), tuple(choices), exclusive, _rules(name))


def _element(owner: str, field: Any, facts: dict[str, Any]) -> Element:
    name, choice = field.alias, facts.get("one_of_many", "")
    many, inner = _unwrapped(field.annotation)
    primitive = _primitive(inner)
    if owner == "Narrative" and name == "div":
        primitive = PRIMITIVES["xhtml"]
    kind = primitive.name if primitive else _model_name(inner)
    step = f"{choice}.ofType({kind})" if choice else name
    if primitive is None:
        is_resource = kind == RESOURCE
        model = None if is_resource else inner.get_model_klass()
        targets = frozenset(facts.get("enum_reference_types", ())) - ANY
        return Element(name, step, many, model=model, is_resource=is_resource, targets=targets, choice=choice)
    value_set, accepts = _bound(owner, name, primitive)
    return Element(name, step, many, primitive, accepts, value_set, choice=choice)


def _extras(owner: str, elements: dict[str, Element]) -> dict[str, Element]:
    """The member ``_name`` beside each primitive, with its id and extensions; ids and extension urls have none."""
    return {
        f"_{name}": Element(f"_{name}", each.step, each.many, is_extra=True, choice=each.choice)
        for name, each in elements.items()
        if each.primitive is not None and name != "id" and (owner, name) != ("Extension", "url")
    }


def _type_name(name: str) -> Element:
    kind = Primitive("code", lambda value: value == name, name)
    return Element("resourceType", "resourceType", False, kind, kind.accepts)


def _rules(name: str) -> tuple[Rule, ...]:
    return (*invariants.RULES.get(name, ()), *bundles.RULES.get(name, ()), *definitions.RULES.get(name, ()))


def _bound(owner: str, name: str, primitive: Primitive) -> tuple[str, Callable[[Any], bool]]:
    """The value set that R4 requires of an element, if any, and the whole test of its value."""
    if (owner, name) in MIME_TYPED:
        return "mimetypes", is_mime
    if name == "language" and primitive.name == "code" and owner != "Expression":
        return "all-languages", is_language
    value_set = REQUIRED.get((owner, name), "")
    if not value_set:
        return "", primitive.accepts
    codes = VALUE_SETS[value_set]
    return value_set, lambda value: type(value) is str and value in codes


def _is_newer(key: str, facts: dict[str, Any]) -> bool:
    """Whether a choice is of a data type that R4 did not have."""
    return bool(facts.get("one_of_many")) and key[len(facts["one_of_many"]) :] in NOT_IN_R4


def _unwrapped(annotation: Any) -> tuple[bool, Any]:
    """Whether a field is a list, and the one type inside of its optional and list wrappings."""
    many = False
    while True:
        inner = [kind for kind in get_args(annotation) if kind is not type(None)]
        if not inner or hasattr(annotation, "__metadata__"):
            return many, annotation
        many = many or getattr(annotation, "__origin__", None) is list
        annotation = inner[0]


def _primitive(inner: Any) -> Primitive | None:
    if inner is bool:
        return PRIMITIVES["boolean"]
    for mark in getattr(inner, "__metadata__", ()):
        name = type(mark).__name__
        kind = PRIMITIVES.get("uuid" if name == "UuidVersion" else name[0].lower() + name[1:])
        if kind is not None:
            return kind
    return None


def _model_name(inner: Any) -> str:
    return str(inner.__name__).removesuffix("Type")
