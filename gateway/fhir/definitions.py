"""The invariants of the definitions that the gateway publishes: code systems, value sets, maps, capabilities, operations."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.invariants import Node, Rule, nodes, unique

_COUNT = re.compile(r"[1-9][0-9]*").fullmatch


def _has(node: Node, name: str) -> bool:
    return name in node or f"_{name}" in node


def _csd_1(system: Node) -> bool:
    codes: list[Any] = []
    waiting = nodes(system, "concept")
    while waiting:
        concept = waiting.pop()
        codes.append(concept.get("code"))
        waiting += nodes(concept, "concept")
    return unique(codes)


def _vsd_1(include: Node) -> bool:
    return _has(include, "valueSet") or _has(include, "system")


def _vsd_2(include: Node) -> bool:
    return not ("concept" in include or "filter" in include) or _has(include, "system")


def _vsd_3(include: Node) -> bool:
    return not ("concept" in include and "filter" in include)


def _vsd_6(contains: Node) -> bool:
    return _has(contains, "code") or _has(contains, "display")


def _vsd_10(contains: Node) -> bool:
    return not _has(contains, "code") or _has(contains, "system")


def _cmd_1(target: Node) -> bool:
    return target.get("equivalence") not in ("narrower", "inexact") or _has(target, "comment")


def _cmd_2(unmapped: Node) -> bool:
    return unmapped.get("mode") != "fixed" or _has(unmapped, "code")


def _cmd_3(unmapped: Node) -> bool:
    return unmapped.get("mode") != "other-map" or _has(unmapped, "url")


def _cpb_1(statement: Node) -> bool:
    return any(name in statement for name in ("rest", "messaging", "document"))


def _cpb_2(statement: Node) -> bool:
    return any(_has(statement, name) for name in ("description", "software", "implementation"))


def _cpb_3(statement: Node) -> bool:
    is_instance = statement.get("kind") == "instance"
    return is_instance or all("endpoint" not in messaging for messaging in nodes(statement, "messaging"))


def _cpb_14(statement: Node) -> bool:
    return statement.get("kind") != "instance" or "implementation" in statement


def _cpb_9(rest: Node) -> bool:
    return unique([resource.get("type") for resource in nodes(rest, "resource")])


def _cpb_12(resource: Node) -> bool:
    return unique([parameter.get("name") for parameter in nodes(resource, "searchParam")])


def _md_1(focus: Node) -> bool:
    most = focus.get("max")
    return not isinstance(most, str) or most == "*" or _COUNT(most) is not None or most == "0"


def _opd_0(parameter: Node) -> bool:
    most = parameter.get("max")
    return not isinstance(most, str) or most == "*" or _COUNT(most) is not None or most == "0"


def _opd_1(parameter: Node) -> bool:
    return _has(parameter, "type") or "part" in parameter


def _opd_2(parameter: Node) -> bool:
    return "searchType" not in parameter or parameter.get("type") == "string"


def _opd_3(parameter: Node) -> bool:
    return "targetProfile" not in parameter or parameter.get("type") in ("Reference", "canonical")


def _spd_1(parameter: Node) -> bool:
    return not _has(parameter, "xpath") or _has(parameter, "xpathUsage")


_INCLUDE = (
    Rule("vsd-1", "An include needs a system or a value set", _vsd_1),
    Rule("vsd-2", "Concepts or filters need the system they are from", _vsd_2),
    Rule("vsd-3", "An include has concepts or filters, not both", _vsd_3),
)

RULES: dict[str, tuple[Rule, ...]] = {
    "CapabilityStatement": (
        Rule("cpb-1", "A CapabilityStatement needs at least one of rest, messaging, document", _cpb_1),
        Rule("cpb-2", "A CapabilityStatement needs a description, software or implementation", _cpb_2),
        Rule("cpb-3", "Only the statement of an instance names a messaging endpoint", _cpb_3, "messaging.endpoint"),
        Rule("cpb-14", "The statement of an instance needs its implementation", _cpb_14, "implementation"),
    ),
    "CapabilityStatementRest": (Rule("cpb-9", "Each resource type stands once", _cpb_9, "resource"),),
    "CapabilityStatementRestResource": (Rule("cpb-12", "Each search parameter stands once", _cpb_12, "searchParam"),),
    "CodeSystem": (Rule("csd-1", "Each code stands once in a code system", _csd_1, "concept"),),
    "ConceptMapGroupElementTarget": (Rule("cmd-1", "A narrower or inexact map needs a comment", _cmd_1, "comment"),),
    "ConceptMapGroupUnmapped": (
        Rule("cmd-2", "A fixed map needs its code", _cmd_2, "code"),
        Rule("cmd-3", "Another map needs its url", _cmd_3, "url"),
    ),
    "MessageDefinitionFocus": (Rule("md-1", "The most is * or a whole number", _md_1, "max"),),
    "OperationDefinitionParameter": (
        Rule("opd max", "The most is * or a whole number", _opd_0, "max"),
        Rule("opd-1", "A parameter needs a type or parts", _opd_1),
        Rule("opd-2", "Only a string parameter has a searchType", _opd_2, "searchType"),
        Rule("opd-3", "Only a Reference or canonical has a targetProfile", _opd_3, "targetProfile"),
    ),
    "SearchParameter": (Rule("spd-1", "An xpath needs its xpathUsage", _spd_1, "xpathUsage"),),
    "ValueSetComposeInclude": _INCLUDE,
    "ValueSetExpansionContains": (
        Rule("vsd-6", "A contained concept needs a code or a display", _vsd_6),
        Rule("vsd-10", "A contained code needs its system", _vsd_10),
    ),
}
