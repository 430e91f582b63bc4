"""An AuditEvent as one auditor may see it, as the cells of a line: codes and identifiers, no words."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

from gateway.audit.against_wishes import AGAINST_WISH, OBLIGATION
from gateway.audit.event import EPOCH
from gateway.audit.shapes import EXPORT
from gateway.fhir import systems

Facts = dict[str, Any]  # what stands in a column of ``questions``: text, or microseconds
ASKED, TOLD, DONE, REFUSED, FAILED = "Asked", "Told", "Done", "Refused", "Failed"
PLAIN = {"0": DONE, "4": REFUSED}
NOT_SHOWN = frozenset({"policy", "disclosure", "request-id", "case-reference", "tier", "basis"})  # of the facts of an entry


def facts_of(event: dict[str, Any]) -> Facts:
    """The cells of an entry, by the keys of the columns."""
    user: dict[str, Any] = next((agent for agent in event["agent"] if agent.get("requestor")), {})
    is_person = any(one["code"] == "IRCP" for one in user.get("type", {}).get("coding", ()))
    facts = _facts(event)
    return {
        "when": (datetime.fromisoformat(event["recorded"]) - EPOCH) // timedelta(microseconds=1),
        "who": user.get("who", {}).get("identifier", {}).get("value", ""),
        "role": next((one["text"] for one in user.get("role", ())), "") if is_person else "",
        "organisation": _organisation(event, "PROV"),
        "client": _client(event),
        "what": _code(event.get("subtype", ()), "exchange"),
        "purpose": next(iter(_purposes(event)), ""),
        "person": next(iter(_people(event)), ""),
        "outcome": _outcome(event),
        "reason": _code(event.get("subtype", ()), "refusal-reason"),
        "basis": ", ".join(value for name, value in facts if name == "basis"),
        "tier": next((value for name, value in facts if name == "tier"), ""),
        "case": next((value.rpartition("|")[2] for name, value in facts if name == "case-reference"), ""),
        "detail": "; ".join(_details(event, facts)),
        "against": _codes(facts, AGAINST_WISH),
        "obligations": _codes(facts, OBLIGATION),
        "disclosure": next((value for name, value in facts if name == "disclosure"), ""),
        "consents": ", ".join(reference for reference in _references(event) if reference.startswith("Consent/")),
        "entry": event["id"],
    }


def _codes(facts: list[tuple[str, str]], wanted: str) -> str:
    """Codes that stand in one detail, one behind the other."""
    return ", ".join(code for name, value in facts if name == wanted for code in value.split())


def _outcome(event: dict[str, Any]) -> str:
    """What came of it; where this auditor may see the request alone, that it was asked."""
    if event["outcome"] != "0":
        return PLAIN.get(event["outcome"], FAILED)
    if event.get("outcomeDesc", "").startswith(ASKED):
        return ASKED
    return TOLD if event["type"]["code"] == EXPORT.code else DONE


def _code(codings: Any, system: str) -> str:
    return next((str(one["code"]) for one in codings if one.get("system", "").endswith(f"/{system}")), "")


def _purposes(event: dict[str, Any]) -> list[str]:
    concepts = event.get("purposeOfEvent", ())
    return [one["code"] for concept in concepts for one in concept["coding"] if one["system"].endswith("/purpose")]


def _people(event: dict[str, Any]) -> list[str]:
    """``system|value`` of the people of an entry, whoever was asked about first."""
    things = [one["what"] for one in event.get("entity", ()) if "what" in one]
    found = [one.get("identifier", {}) for one in things if one.get("type") == "Patient"]
    return [f"{one.get('system', '')}|{one.get('value', '')}".removeprefix("|") for one in found]


def _organisation(event: dict[str, Any], role: str) -> str:
    """Whose staff or software it was; by code where it has no name."""
    for agent in event["agent"]:
        if any(one["code"] == role for one in agent["type"]["coding"]):
            who = agent["who"]
            return str(who.get("display") or who["identifier"]["value"])
    return ""


def _client(event: dict[str, Any]) -> str:
    """The software: the device that is not this gateway, which goes by its address."""
    devices = [agent["who"]["identifier"] for agent in event["agent"] if agent["who"].get("type") == "Device"]
    return next((one["value"] for one in devices if one.get("system") != systems.URI), "")


def _facts(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["valueString"]) for entity in event.get("entity", ()) for one in entity.get("detail", ())]


def _references(event: dict[str, Any]) -> list[str]:
    return [str(one["what"]["reference"]) for one in event.get("entity", ()) if "reference" in one.get("what", {})]


def _details(event: dict[str, Any], facts: list[tuple[str, str]]) -> list[str]:
    resources = [one for one in _references(event) if not one.startswith(("#", "Consent/", "AuditEvent/"))]
    query = next((one["query"] for one in event.get("entity", ()) if "query" in one), "")
    asked = [_decoded(query)] if query else []
    return [*asked, *resources, *(f"{name} {value}" for name, value in facts if name not in NOT_SHOWN)]


def _decoded(query: str) -> str:
    return base64.b64decode(query).decode(errors="replace")
