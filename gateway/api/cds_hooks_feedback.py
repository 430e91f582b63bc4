"""Feedback on cards (CDS Hooks 2.0) as it is read."""

from __future__ import annotations

from typing import Any

from gateway.api.cds_hooks_request import UUID
from gateway.exchanges.access.record_feedback import Feedback
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import BadRequest

MOST_ITEMS = 100
MOST_TEXT = 2000
OUTCOMES = frozenset({"accepted", "overridden"})


def read_feedback(body: Any) -> tuple[Feedback, ...]:
    """What became of cards. Raises BadRequest naming the place."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise BadRequest(f"feedback must be a list of 1 to {MOST_ITEMS}.", where="feedback", code="required")
    return tuple(_item(one, f"feedback[{place}]") for place, one in enumerate(items))


def _item(item: Any, where: str) -> Feedback:
    if not isinstance(item, dict):
        raise BadRequest("An item of feedback is an object.", where=where)
    name, outcome = item.get("card"), item.get("outcome")
    if not isinstance(name, str) or not UUID.fullmatch(name):
        raise BadRequest("card must be the uuid of a card.", where=f"{where}.card", code="value")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise BadRequest("outcome is accepted or overridden.", where=f"{where}.outcome", code="code-invalid")
    told: dict[str, Any] = {"outcomeTimestamp": _timestamp(item.get("outcomeTimestamp"), f"{where}.outcomeTimestamp")}
    if outcome == "accepted":
        told["acceptedSuggestions"] = _suggestions(item.get("acceptedSuggestions"), f"{where}.acceptedSuggestions")
    if item.get("overrideReason") is not None:
        told["overrideReason"] = _reason(item["overrideReason"], f"{where}.overrideReason")
    return Feedback(name.lower(), outcome, told)


def _timestamp(value: Any, where: str) -> str:
    """A moment of time with its zone."""
    try:
        if isinstance(value, str) and "T" in value and (value.endswith("Z") or value[-6:-5] in "+-"):
            bounds(value)
            return value
    except ValueError:
        pass
    raise BadRequest("outcomeTimestamp must be a time with its zone.", where=where, code="value")


def _suggestions(value: Any, where: str) -> list[str]:
    """The ids of suggestions that were taken; these cards have none, other versions may."""
    listed = value if isinstance(value, list) else [] if value is None else None
    ids = [one.get("id") if isinstance(one, dict) else None for one in listed or ()]
    if listed is None or len(ids) > MOST_ITEMS or not all(isinstance(one, str) and 0 < len(one) <= 64 for one in ids):
        raise BadRequest("acceptedSuggestions is a list of objects with an id.", where=where, code="value")
    return [str(one) for one in ids]


def _reason(value: Any, where: str) -> dict[str, str]:
    """Code of the reason, and what the user wrote."""
    stated = value.get("reason") if isinstance(value, dict) else None
    if not isinstance(value, dict) or (stated is not None and not isinstance(stated, dict)):
        raise BadRequest("overrideReason is an object with a reason or a userComment.", where=where, code="value")
    found = {"code": (stated or {}).get("code"), "system": (stated or {}).get("system"), "userComment": value.get("userComment")}
    told = {name: text for name, text in found.items() if text is not None}
    if not all(isinstance(text, str) and 0 < len(text) <= MOST_TEXT for text in told.values()):
        raise BadRequest(f"Texts of overrideReason have 1 to {MOST_TEXT} characters.", where=where, code="value")
    return told
