"""How a withholding stands on the owner's row of a person: a mark in the sealed identity, where every decision sees it.

The mark says for which duties, from whom, until when, and who decided; why stands in the access log and in the item by
which it is reviewed. No feed sets it, changes it or takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.disclosure.question import Withheld
from gateway.fhir import systems
from gateway.fhir.dates import whole_day

WITHHELD = "withheld"  # the extension of a Patient
Resource = dict[str, Any]


def is_withholding(extension: Mapping[str, Any]) -> bool:
    """Whether an extension is such a mark."""
    return str(extension.get("url", "")).endswith(f"/StructureDefinition/{WITHHELD}")


def withholdings(patient: Mapping[str, Any]) -> tuple[Withheld, ...]:
    """What the owner withholds of a person's record."""
    return tuple([_read(one) for one in patient.get("extension", ()) if is_withholding(one)])


def _read(mark: Mapping[str, Any]) -> Withheld:
    parts: dict[str, list[str]] = {}
    for part in mark.get("extension", ()):
        parts.setdefault(part["url"], []).extend(str(value) for key, value in part.items() if key.startswith("value"))
    until = parts.get("until", [""])[0]
    return Withheld(
        id=parts["id"][0],
        purposes=frozenset(parts.get("purpose", ())),
        receivers=frozenset(parts.get("receiver", ())),
        until=whole_day(until) if until else None,
        decider=parts["decider"][0],
    )


def mark_of(one: Withheld, since: str, base: str) -> Resource:
    """A withholding as the extension of a Patient; ``since`` is an instant."""
    told: list[tuple[str, str, str]] = [("id", "valueId", one.id), ("since", "valueInstant", since)]
    told += [("purpose", "valueCode", code) for code in sorted(one.purposes)]
    told += [("receiver", "valueString", code) for code in sorted(one.receivers)]
    told += [("until", "valueDate", until) for until in [_text(one.until)] if until]
    told.append(("decider", "valueString", one.decider))
    parts = [{"url": name, kind: value} for name, kind, value in told]
    return {"url": systems.extension(WITHHELD, base), "extension": parts}


def _text(day: date | None) -> str:
    return day.isoformat() if day is not None else ""
