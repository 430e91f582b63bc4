"""What a file maps to, as one FHIR Bundle to look at (``gateway map``)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.mapping.records import Mapped, Op, Resource, Sourced

SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://gateway.example/fhir/mapped")
HIDDEN: Final = frozenset({Op.PURGE_PERSON, Op.AMEND, Op.END, Op.REOPEN})


def bundle(mapped: Iterable[Mapped]) -> Resource:
    """A Bundle (collection). fullUrls come from the keys, so that two runs over one file compare.

    Records in parts make resources in parts. Explicit nulls, which only say what to remove, are left out, and so are
    a purge of a person, which has no FHIR form, and what only changes something that is stored.
    """
    entries = [entry(one) for record in mapped for one in record.resources if one.op not in HIDDEN]
    found: Resource = {"resourceType": "Bundle", "type": "collection"}
    return {**found, "entry": entries} if entries else found


def written(mapped: Iterable[Mapped]) -> Iterator[str]:
    """The text of the same Bundle, piece by piece, so that a file of any size can be looked at."""
    yield '{\n  "resourceType": "Bundle",\n  "type": "collection"'
    before, after = ',\n  "entry": [\n', ""
    for one in (one for record in mapped for one in record.resources if one.op not in HIDDEN):
        text = json.dumps(entry(one), indent=2, ensure_ascii=False)
        yield before + "    " + text.replace("\n", "\n    ")
        before, after = ",\n", "\n  ]"
    yield after + "\n}\n"


def entry(sourced: Sourced) -> Resource:
    """One entry."""
    name = f"{sourced.resource['resourceType']}:{sourced.key}"
    return {"fullUrl": f"urn:uuid:{uuid.uuid5(SPACE, name)}", "resource": clean(sourced.resource)}


def clean(value: Any) -> Any:
    """The value without nulls and what they leave empty: an extension without value, an identifier without value."""
    if isinstance(value, list):
        return [one for one in map(clean, value) if one not in (None, {}, []) and not hollow(one)]
    if isinstance(value, dict):
        found = {name: clean(one) for name, one in value.items()}
        return {name: one for name, one in found.items() if one not in (None, {}, [])}
    return value


def hollow(one: Any) -> bool:
    """Whether only a url, or only a system, is left."""
    return isinstance(one, dict) and one.keys() in ({"url"}, {"system"})
