"""One walk over a resource that finds everything wrong with it, whatever JSON it is made of.

The walk knows elements by the shapes of their types, so a place in a finding is always made of names from the
specification, and a text never repeats a value: neither can carry what a sender wrote about a person.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from gateway.fhir.bindings import RESOURCE_TYPES, VALUE_SETS
from gateway.fhir.invariants import Node, nodes
from gateway.fhir.outcomes import Issue
from gateway.fhir.primitives import PRIMITIVES
from gateway.fhir.shapes import Element, Shape, shape_of

MOST_ISSUES = 100
DEEPEST = 64
LISTED = 12  # value sets up to this size are written out in a finding
MEMBER = re.compile(r"_?[a-z][A-Za-z]{0,39}").fullmatch
LITERAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?").fullmatch
ABSOLUTE = ("http://", "https://", "urn:")

_STRING = PRIMITIVES["string"]
_ID = Element("id", "id", False, _STRING, _STRING.accepts)


class Walk:
    """Findings of one walk: ``issues`` in the order met, and the literal ``references`` as (FHIRPath, target)."""

    __slots__ = ("_contained", "_depth", "_extra", "_model", "issues", "references")

    def __init__(self, model: Callable[[str], Any]) -> None:
        """``model`` gives the model class of a type name, or None for a name that is not known."""
        self.issues: list[Issue] = []
        self.references: list[tuple[str, str]] = []
        self._model = model
        self._contained: dict[str, str] = {}
        self._depth = 0
        extension = Element("extension", "extension", True, model=model("Extension"))
        self._extra = Shape("Element", {"id": _ID, "extension": extension}, (), (), frozenset(), ())

    def resource(self, value: Any, path: str = "", *, contained: bool = False) -> None:
        """Walk one resource. ``path`` is its FHIRPath, empty for the outermost."""
        if not isinstance(value, dict):
            return self._say("A resource is a JSON object.", "structure", path)
        name = value.get("resourceType")
        model = self._model(name) if isinstance(name, str) and name in RESOURCE_TYPES else None
        if model is None:
            return self._say(_unknown_type(name), "structure", path)
        outer, path = self._contained, path or str(name)
        if not contained:
            self._contained = _contained_types(value)
        self._object(value, shape_of(model), path)
        if "contained" in value:
            self._containment(value, path, contained)
        self._contained = outer
        return None

    def _say(self, text: str, code: str, where: str, severity: str = "error") -> None:
        if len(self.issues) < MOST_ISSUES:
            self.issues.append(Issue(text, code, where, severity))
        elif len(self.issues) == MOST_ISSUES:
            self.issues.append(Issue(f"There is more wrong; the first {MOST_ISSUES} findings are shown.", "incomplete"))

    def _object(self, node: Any, shape: Shape, path: str) -> None:
        if type(node) is not dict or not node:
            return self._say(_not_an_object(node), "structure", path)
        self._depth += 1
        if self._depth > DEEPEST:
            self._say("The resource is nested too deep.", "too-costly", path)
        else:
            self._members(node, shape, path)
            self._whole(node, shape, path)
        self._depth -= 1
        return None

    def _members(self, node: Node, shape: Shape, path: str) -> None:
        elements = shape.elements
        for name, value in node.items():
            element = elements.get(name)
            if element is None:
                self._unknown(name, shape, path)
            elif element.accepts is None or element.many:
                self._compound(element, value, node, path)
            elif not element.accepts(value):
                self._refuse(element, value, f"{path}.{element.step}")

    def _whole(self, node: Node, shape: Shape, path: str) -> None:
        """What concerns an object as a whole: what is missing, what excludes another, and its rules."""
        for name in shape.required:
            if name not in node and f"_{name}" not in node:
                self._say(f"{shape.name} needs {name}, and it is not there.", "required", f"{path}.{name}")
        if shape.exclusive:
            self._choices(node, shape, path)
        if len(node) == 1 and "id" in node and shape is not self._extra and "resourceType" not in shape.elements:
            self._say("An element needs more than an id (ele-1).", "invariant", path)
        for rule in shape.rules:
            if not rule.holds(node):
                where = f"{path}.{rule.at}" if rule.at else path
                self._say(f"{rule.text} ({rule.key}).", "invariant", where, rule.severity)

    def _choices(self, node: Node, shape: Shape, path: str) -> None:
        chosen: dict[str, set[str]] = {choice: set() for choice in shape.choices}
        for name in node:
            if name in shape.exclusive:
                chosen.setdefault(shape.elements[name].choice, set()).add(name.lstrip("_"))
        for choice, names in chosen.items():
            if not names:
                self._say(f"{shape.name} needs one {choice}[x], and there is none.", "required", f"{path}.{choice}")
            elif len(names) > 1:
                self._say(f"Only one type of {choice}[x] can be there.", "structure", f"{path}.{choice}")

    def _compound(self, element: Element, value: Any, node: Node, path: str) -> None:
        place = f"{path}.{element.step}"
        if not element.many:
            return self._one(element, value, node, place)
        if type(value) is not list:
            return self._say(f"{element.name} repeats: its value is an array.", "structure", place)
        if not value:
            return self._say("An array is never empty: leave the member out.", "structure", place)
        if element.primitive is None and not element.is_extra:
            for number, item in enumerate(value):
                self._one(element, item, node, f"{place}[{number}]")
        else:
            self._aligned(element, value, node, place)
        return None

    def _one(self, element: Element, value: Any, node: Node, place: str) -> None:
        if element.is_resource:
            return self.resource(value, place, contained=element.name == "contained")
        if element.is_extra:
            self._beside_nothing(element, value, node, place)
            return self._object(value, self._extra, place)
        shape = shape_of(element.model)
        self._object(value, shape, place)
        if shape.name == "Reference" and type(value) is dict:
            self._reference(value, element.targets, place)
        return None

    def _aligned(self, element: Element, values: list[Any], node: Node, place: str) -> None:
        """Arrays of primitives and of their extensions: null only where the other array has something."""
        other = node.get(element.name[1:] if element.is_extra else f"_{element.name}")
        beside = other if isinstance(other, list) else []
        if beside and len(beside) != len(values):
            self._say(f"{element.name} and its twin array differ in length.", "structure", place)
        for number, value in enumerate(values):
            if value is None:
                if number >= len(beside) or beside[number] is None:
                    self._say("A null needs its counterpart in the twin array.", "structure", f"{place}[{number}]")
            elif element.is_extra:
                self._object(value, self._extra, f"{place}[{number}]")
            elif element.accepts is not None and not element.accepts(value):
                self._refuse(element, value, f"{place}[{number}]")

    def _beside_nothing(self, element: Element, value: Any, node: Node, place: str) -> None:
        if element.name[1:] not in node and type(value) is dict and "extension" not in value:
            self._say("Without a value there must be an extension that says why (ele-1).", "invariant", place)

    def _unknown(self, name: str, shape: Shape, path: str) -> None:
        if len(self.issues) > MOST_ISSUES:
            return
        known = [each for each in shape.elements if each[0] != "_"]
        near = difflib.get_close_matches(name[:40], known, 1, 0.7)
        shown = f"{name} is" if MEMBER(name) else "There is a member that is"
        hint = f"; {near[0]} is" if near and near[0] != name else ""
        self._say(f"{shown} not an element of {shape.name} in R4{hint}.", "structure", path)

    def _refuse(self, element: Element, value: Any, place: str) -> None:
        name = element.name
        if len(self.issues) > MOST_ISSUES:
            return
        if value is None:
            self._say(f"{name} is null: leave the member out.", "structure", place)
        elif isinstance(value, (list, dict)):
            self._say(f"{name} holds one value, not an array or object.", "structure", place)
        elif value == "":
            self._say(f"{name} is empty: leave the member out.", "value", place)
        elif element.value_set:
            self._say(_not_in_value_set(element, value), "code-invalid", place)
        elif element.primitive is not None:
            self._say(f"{name} is not a valid {element.primitive.name}: {element.primitive.right}.", "value", place)

    def _reference(self, node: Node, targets: frozenset[str], place: str) -> None:
        named, target = node.get("type"), node.get("reference")
        if isinstance(target, str) and target:
            self.references.append((f"{place}.reference", target))
            self._literal(target, named, targets, f"{place}.reference")
        if targets and isinstance(named, str) and named in RESOURCE_TYPES and named not in targets:
            self._say(_wrong_target(named, targets), "structure", f"{place}.type")

    def _literal(self, target: str, named: Any, targets: frozenset[str], place: str) -> None:
        kind = self._target_type(target, place)
        if not kind:
            return
        if targets and kind not in targets:
            self._say(_wrong_target(kind, targets), "structure", place)
        elif isinstance(named, str) and named in RESOURCE_TYPES and named != kind:
            self._say(f"The reference is to {kind}, and its type says {named}.", "structure", place)

    def _target_type(self, target: str, place: str) -> str:
        """The type that a literal reference names, empty where it names none; says what is wrong with its form."""
        if target.startswith("#"):
            if target == "#" or target[1:] in self._contained:
                return self._contained.get(target[1:], "")
            self._say("The reference names a contained resource that is not there (ref-1).", "invariant", place)
            return ""
        found = LITERAL(target)
        kind = found.group(1) if found else ""
        if kind in RESOURCE_TYPES:
            return kind
        if not target.startswith(ABSOLUTE):
            self._say("The reference is neither Type/id, nor absolute, nor a contained #id.", "value", place)
        return ""

    def _containment(self, node: Node, path: str, contained: bool) -> None:
        if contained:
            self._say("A contained resource contains no others (dom-2).", "invariant", f"{path}.contained")
        used = _fragments(node)
        for number, inner in enumerate(nodes(node, "contained")):
            place, meta = f"{path}.contained[{number}]", inner.get("meta")
            if f"#{inner.get('id')}" not in used and "#" not in _fragments(inner):
                self._say("Nothing refers to this contained resource (dom-3).", "invariant", place)
            if isinstance(meta, dict) and not meta.keys().isdisjoint(("versionId", "lastUpdated")):
                self._say("A contained resource has no version of its own (dom-4).", "invariant", f"{place}.meta")
            if isinstance(meta, dict) and "security" in meta:
                self._say("A contained resource has no security labels of its own (dom-5).", "invariant", f"{place}.meta")


def _contained_types(node: Node) -> dict[str, str]:
    """The type of each contained resource by its id, empty where it is none of R4."""
    found = {str(inner.get("id")): inner.get("resourceType") for inner in nodes(node, "contained")}
    return {key: name if isinstance(name, str) and name in RESOURCE_TYPES else "" for key, name in found.items()}


def _fragments(node: Node) -> set[str]:
    """Every text in a resource that starts with #, its own ids apart."""
    found: set[str] = set()
    waiting: list[Any] = [node]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and value.startswith("#"):
            found.add(value)
        elif isinstance(value, (list, dict)):
            waiting += value.values() if isinstance(value, dict) else value
    return found


def _unknown_type(name: Any) -> str:
    if not isinstance(name, str):
        return "A resource needs its resourceType."
    near = difflib.get_close_matches(name[:60], RESOURCE_TYPES, 1, 0.7)
    return "The resourceType is not one that is taken here" + (f"; {near[0]} is." if near and near[0] != name else ".")


def _not_an_object(node: Any) -> str:
    if node is None:
        return "Null is no element: leave the member out."
    return "An object is never empty: leave the member out." if node == {} else "An object belongs here."


def _not_in_value_set(element: Element, value: Any) -> str:
    codes = VALUE_SETS.get(element.value_set, frozenset())
    if not codes:
        return f"{element.name} is not in {element.value_set}, which R4 requires."
    if len(codes) <= LISTED:
        right = f"one of {' | '.join(sorted(codes))}"
    else:
        near = difflib.get_close_matches(str(value)[:60], codes, 1, 0.7)
        right = f"{near[0]}, for one" if near else "a code of that list"
    return f"{element.name} is not in the value set {element.value_set}, which R4 requires; right would be {right}."


def _wrong_target(kind: str, targets: frozenset[str]) -> str:
    return f"The reference is to {kind}; here R4 allows {' | '.join(sorted(targets))}."
