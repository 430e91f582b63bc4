"""The invariants of R4 4.0.1 for the types that the gateway takes or publishes, and a few rules of our own.

Each rule is a plain function of one JSON object that may be malformed in any way: it holds where it cannot tell, since
the structure is judged elsewhere. Rules of Bundles are in ``bundles``, those of published definitions in ``definitions``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.fhir.primitives import after

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """``key`` as in the specification; ``at`` is the step below the object that the finding is about."""

    key: str
    text: str
    holds: Callable[[Node], bool]
    at: str = ""
    severity: str = "error"


def nodes(node: Node, name: str) -> list[Node]:
    """The objects in a repeating element; what is not an object is left out."""
    found = node.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def unique(values: list[Any]) -> bool:
    """Whether no text stands twice among the values."""
    texts = [value for value in values if isinstance(value, str)]
    return len(texts) == len(set(texts))


def _both(first: str, second: str) -> Callable[[Node], bool]:
    return lambda node: not (first in node and second in node)


def _needs(first: str, *others: str) -> Callable[[Node], bool]:
    """Where ``first`` is, one of the others is too."""
    return lambda node: first not in node or any(other in node or f"_{other}" in node for other in others)


def _any_of(*names: str) -> Callable[[Node], bool]:
    return lambda node: any(name in node or f"_{name}" in node for name in names)


def _has_value(node: Node) -> bool:
    return any(name.lstrip("_").startswith("value") for name in node)


def _ext_1(node: Node) -> bool:
    return _has_value(node) != ("extension" in node)


def _inv_1(node: Node) -> bool:
    return _has_value(node) + ("resource" in node) + ("part" in node) == 1


def _not_home(elements: str) -> Callable[[Node], bool]:
    return lambda node: all(item.get("use") != "home" for item in nodes(node, elements))


def _pat_1(node: Node) -> bool:
    return any(name in node for name in ("name", "telecom", "address", "organization"))


def _low_before_high(node: Node) -> bool:
    low, high = (_number(node.get(end)) for end in ("low", "high"))
    return low is None or high is None or low <= high


def _number(quantity: Any) -> float | None:
    value = quantity.get("value") if isinstance(quantity, dict) else None
    return value if isinstance(value, (int, float)) else None


def _nested_types(node: Node) -> bool:
    return all("type" in nested or "_type" in nested for nested in nodes(node, "provision"))


def _known_recipient(node: Node) -> bool:
    return any(name in node for name in ("identifier", "reference", "display", "extension"))


_QTY_3 = Rule("qty-3", "A quantity with a code needs the system of the code", _needs("code", "system"))
_QTY_TYPES = ("Quantity", "Age", "Count", "Distance", "Duration")

RULES: dict[str, tuple[Rule, ...]] = {
    "Attachment": (Rule("att-1", "An attachment with data needs its contentType", _needs("data", "contentType")),),
    "AuditEventEntity": (Rule("sev-1", "An entity has a name or a query, not both", _both("name", "query")),),
    "Coding": (
        Rule(
            "coding system",
            "A code without a system cannot be understood; it is read as text only",
            _needs("code", "system"),
            severity="warning",
        ),
    ),
    "Consent": (
        Rule("ppc-1", "A Consent needs a policy or a policyRule", _any_of("policy", "policyRule")),
        Rule("ppc-2", "A Consent about privacy needs the patient whose information it is about", _any_of("patient")),
    ),
    "ConsentProvision": (
        Rule("Consent.provision.type", "Each nested provision needs a type: deny or permit", _nested_types, "provision"),
    ),
    "ContactPoint": (Rule("cpt-2", "A contact point with a value needs its system", _needs("value", "system")),),
    "Extension": (Rule("ext-1", "An extension has either a value or extensions, not both and not none", _ext_1),),
    "Organization": (
        Rule("org-1", "An organization needs an identifier or a name", _any_of("identifier", "name")),
        Rule("org-2", "The address of an organization is never of use home", _not_home("address"), "address"),
        Rule("org-3", "The telecom of an organization is never of use home", _not_home("telecom"), "telecom"),
    ),
    "ParametersParameter": (Rule("inv-1", "A parameter has exactly one of: a value, a resource, parts", _inv_1),),
    "PatientContact": (Rule("pat-1", "A contact needs a name, telecom, address or organization", _pat_1),),
    "Period": (Rule("per-1", "The start is after the end", lambda n: not after(n.get("start"), n.get("end"))),),
    "Range": (Rule("rng-2", "The low is above the high", _low_before_high),),
    "Ratio": (
        Rule("rat-1", "A ratio has both numerator and denominator, or neither with an extension in their place",
             lambda n: ("numerator" in n) == ("denominator" in n) and ("numerator" in n or "extension" in n)),
    ),
    "Reference": (
        Rule("Reference", "A reference points at nothing: it needs a reference, an identifier or a display", _known_recipient),
    ),
    **dict.fromkeys(_QTY_TYPES, (_QTY_3,)),
}  # fmt: skip
