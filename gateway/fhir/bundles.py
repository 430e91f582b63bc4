"""The invariants of Bundles (bdl-1 to bdl-12), and what holds across the entries of a message or a collection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir.invariants import Node, Rule, nodes
from gateway.fhir.outcomes import Issue

TOTALLED = frozenset({"searchset", "history"})
REQUESTED = frozenset({"batch", "transaction", "history"})
ANSWERED = frozenset({"batch-response", "transaction-response", "history"})
WHOLE = frozenset({"message", "collection"})


def _type(bundle: Node) -> str:
    kind = bundle.get("type")
    return kind if isinstance(kind, str) else ""


def _bdl_1(bundle: Node) -> bool:
    return "total" not in bundle or _type(bundle) in TOTALLED


def _bdl_2(bundle: Node) -> bool:
    return _type(bundle) == "searchset" or all("search" not in entry for entry in nodes(bundle, "entry"))


def _bdl_3(bundle: Node) -> bool:
    return _present_as_told(bundle, "request", REQUESTED)


def _bdl_4(bundle: Node) -> bool:
    return _present_as_told(bundle, "response", ANSWERED)


def _present_as_told(bundle: Node, name: str, types: frozenset[str]) -> bool:
    told = _type(bundle) in types
    return all((name in entry) == told for entry in nodes(bundle, "entry"))


def _bdl_7(bundle: Node) -> bool:
    keys = [
        (entry["fullUrl"], _version(entry.get("resource")))
        for entry in nodes(bundle, "entry")
        if isinstance(entry.get("fullUrl"), str)
    ]
    return _type(bundle) == "history" or len(keys) == len(set(keys))


def _version(resource: Any) -> str:
    meta = resource.get("meta") if isinstance(resource, dict) else None
    return str(meta.get("versionId", "")) if isinstance(meta, dict) else ""


def _bdl_9(bundle: Node) -> bool:
    identifier = bundle.get("identifier")
    return _type(bundle) != "document" or (isinstance(identifier, dict) and {"system", "value"} <= identifier.keys())


def _bdl_10(bundle: Node) -> bool:
    return _type(bundle) != "document" or "timestamp" in bundle


def _bdl_11(bundle: Node) -> bool:
    return _type(bundle) != "document" or _first_type(bundle) == "Composition"


def _bdl_12(bundle: Node) -> bool:
    return _type(bundle) != "message" or _first_type(bundle) == "MessageHeader"


def _first_type(bundle: Node) -> Any:
    for entry in nodes(bundle, "entry")[:1]:
        resource = entry.get("resource")
        return resource.get("resourceType") if isinstance(resource, dict) else None
    return None


def _bdl_5(entry: Node) -> bool:
    return any(name in entry for name in ("resource", "request", "response"))


def _bdl_8(entry: Node) -> bool:
    return "/_history/" not in str(entry.get("fullUrl", ""))


def _same_id(entry: Node) -> bool:
    """An http(s) fullUrl ends in the type and id of its resource (bundle.html, section on fullUrl)."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if not isinstance(url, str) or not isinstance(resource, dict) or not url.startswith(("http:", "https:")):
        return True
    return "id" not in resource or url.endswith(f"/{resource.get('resourceType')}/{resource['id']}")


def _absolute(entry: Node) -> bool:
    url = entry.get("fullUrl")
    return not isinstance(url, str) or url.startswith(("http://", "https://", "urn:"))


RULES: dict[str, tuple[Rule, ...]] = {
    "Bundle": (
        Rule("bdl-1", "Only a searchset or a history has a total", _bdl_1, "total"),
        Rule("bdl-2", "Only entries of a searchset have search", _bdl_2, "entry.search"),
        Rule("bdl-3", "Entries have a request in a batch, transaction or history, and only there", _bdl_3, "entry.request"),
        Rule("bdl-4", "Entries have a response in a history or an answer to a batch or transaction, and only there",
             _bdl_4, "entry.response"),
        Rule("bdl-7", "Each fullUrl stands once in a Bundle", _bdl_7, "entry.fullUrl"),
        Rule("bdl-9", "A document needs an identifier with system and value", _bdl_9),
        Rule("bdl-10", "A document needs a timestamp", _bdl_10),
        Rule("bdl-11", "The first entry of a document is a Composition", _bdl_11, "entry[0]"),
        Rule("bdl-12", "The first entry of a message is a MessageHeader", _bdl_12, "entry[0]"),
    ),
    "BundleEntry": (
        Rule("bdl-5", "An entry needs a resource, or a request or response", _bdl_5),
        Rule("bdl-8", "A fullUrl never names a version", _bdl_8, "fullUrl"),
        Rule("fullUrl", "A fullUrl is absolute: http, https or urn", _absolute, "fullUrl"),
        Rule("fullUrl", "A fullUrl ends in the type and id of its resource", _same_id, "fullUrl"),
    ),
}  # fmt: skip


def across_entries(bundle: Node, references: Iterable[tuple[str, str]]) -> list[Issue]:
    """What is wrong between the entries of a message or collection: entries without a resource, and references that
    lead nowhere (messaging.html: what a message's focus reaches is in the Bundle or has an absolute address).

    ``references`` are the literal references of the Bundle, as (FHIRPath, target).
    """
    entries = nodes(bundle, "entry")
    found = [
        Issue("An entry of a message or collection needs a resource.", "required", f"Bundle.entry[{number}].resource")
        for number, entry in enumerate(entries)
        if not isinstance(entry.get("resource"), dict)
    ]
    known, is_message = _addresses(entries), _type(bundle) == "message"
    found += [_dangling(path, target, is_message) for path, target in references if not _leads(target, known)]
    return found


def _addresses(entries: list[Node]) -> set[str]:
    """Every way to point at an entry: its fullUrl, and type and id."""
    known: set[str] = set()
    for entry in entries:
        resource = entry.get("resource")
        known.add(str(entry.get("fullUrl", "")))
        if isinstance(resource, dict):
            known.add(f"{resource.get('resourceType')}/{resource.get('id')}")
    return known


def _leads(target: str, known: set[str]) -> bool:
    return target.startswith(("#", "http://", "https://")) or target.partition("/_history/")[0] in known


def _dangling(path: str, target: str, is_message: bool) -> Issue:
    if target.startswith("urn:") or (is_message and path.startswith("Bundle.entry[0].resource.focus")):
        return Issue("The reference leads to no entry of this Bundle; such a target must be sent along.", "not-found", path)
    return Issue("The reference is relative and its target is not in this Bundle.", "not-found", path, "warning")


def uuid_of(identifier: str) -> str:
    """A random id of ours (32 hexadecimal digits) in the form of a UUID, for a fullUrl."""
    return f"{identifier[:8]}-{identifier[8:12]}-{identifier[12:16]}-{identifier[16:20]}-{identifier[20:32]}"
