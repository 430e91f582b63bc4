"""Made-up questions, people, wishes and agreements for the decision, each with one thing that a test varies."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.disclosure.agreements import Agreements, compile_agreements
from gateway.disclosure.decision import Asked, Permit, Refuse, Subject, Tie, decide
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.purposes import load_purposes
from gateway.disclosure.requester import Requester
from gateway.disclosure.rules import Directive
from gateway.fhir import systems
from gateway.settings import HERE

PURPOSES = load_purposes(HERE / "mappings" / "purposes.toml")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL = frozenset({"existence", "status", "contact", "relative-identity", "marker", "detail"})
HOLDER, WARD, THIRD = "TLA01", "TMH01", "THV01"
WISH, DUTY = "amh-care-planning", "safeguarding-s47"
ME, MOTHER, FATHER, GRAN = (
    f"{systems.NHS_NUMBER}|{number}" for number in ("9990001014", "9990001006", "9990001022", "9990001030")
)
WHILE = f"{systems.BASE}/StructureDefinition/while-status"


def published(name: str) -> set[str]:
    """The codes of one of our code systems, as it is published."""
    bundle = json.loads((HERE / "mappings" / "code_systems" / f"{name}.json").read_text())
    return {
        one["code"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "CodeSystem"
        for one in entry["resource"]["concept"]
    }


def micros(at: datetime) -> int:
    """A time as the store keeps it."""
    return (at - EPOCH) // timedelta(microseconds=1)


def requester(
    agency: str = WARD, role: str = "ward-nurse", user: str = "nurse7", purposes: frozenset[str] = frozenset(PURPOSES)
) -> Requester:
    """Somebody at work."""
    return Requester("client", agency, frozenset(), user, role, purposes)


def asked(
    purpose: str = WISH, kind: str = "adult-mental-health", at: datetime = NOW, who: Requester | None = None, **more: Any
) -> Asked:
    """A question of the ward, to plan care."""
    return Asked(who or requester(), kind, PURPOSES[purpose], at, **more)


def subject(**more: Any) -> Subject:
    """An adult known at the holder, found for certain, in a fresh feed."""
    given: dict[str, Any] = {
        "custodian": HOLDER, "about": "self", "identities": frozenset({ME}), "certain": True, "birth_date": date(1991, 3, 14),
        "restriction": "", "inpatient": {}, "fresh": True, "proof": (),
    }  # fmt: skip
    return Subject(**{**given, **more})


def child(years: int = 7, **more: Any) -> Subject:
    """A child of so many years."""
    return subject(birth_date=date(2026 - years, 6, 2), **more)


def tie(other: str = MOTHER, responsibility: str = "yes", source: str = HOLDER, **more: Any) -> Tie:
    """Somebody's record that says who is what to the child."""
    return Tie(ME, frozenset({other}), "MTH", source, responsibility, **more)


def person(number: str) -> dict[str, Any]:
    """A logical reference to a person."""
    system, _, value = number.partition("|")
    return {"type": "Patient", "identifier": {"system": system, "value": value}}


def concept(system: str, *codes: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def actor(system: str = systems.ODS_CODE, value: str = WARD, role: str = "IRCP") -> dict[str, Any]:
    """Whom a rule is about."""
    return {"role": concept(systems.V3_PARTICIPATION, role), "reference": {"identifier": {"system": system, "value": value}}}


def kind_actor(kind: str) -> dict[str, Any]:
    return actor(systems.code_system("agency-kind"), kind)


def role_actor(role: str) -> dict[str, Any]:
    return actor(systems.code_system("role"), role)


def action(code: str = "disclose") -> dict[str, Any]:
    return concept(systems.CONSENT_ACTION, code)


def purpose(code: str = WISH, system: str = "") -> dict[str, str]:
    return {"system": system or systems.code_system("purpose"), "code": code}


def v3(code: str) -> dict[str, str]:
    return purpose(code, systems.V3_ACT_REASON)


def classes(*codes: str) -> list[dict[str, str]]:
    return [{"system": systems.code_system("data-class"), "code": code} for code in codes]


def while_inpatient(state: str = "inpatient") -> list[dict[str, Any]]:
    return [{"url": WHILE, "valueCoding": {"system": systems.code_system("involvement-detail"), "code": state}}]


def rule(kind: str = "permit", *nested: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """A provision; ``klass`` stands for class."""
    made = {("class" if name == "klass" else name): value for name, value in parts.items()}
    return {"type": kind, **made, **({"provision": list(nested)} if nested else {})}


def consent(
    provision: dict[str, Any] | None = None, by: str | None = ME, of: str = ME, on: str = "2026-11-01", **more: Any
) -> dict[str, Any]:
    """A Consent; what ``more`` gives as None is left out."""
    made: dict[str, Any] = {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept(systems.CONSENT_SCOPE, "patient-privacy"),
        "category": [concept(systems.V3_ACT_CODE, "INFA")],
        "patient": person(of),
        "dateTime": on,
        "performer": [person(by)] if by else None,
        "policy": [{"uri": "https://gateway.example/fhir/policy/family-sharing"}],
        "provision": provision if provision is not None else rule(),
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def extension(name: str, code: str) -> dict[str, Any]:
    return {"url": systems.extension(name), "valueCode": code}


def compiled_or_none(
    made: dict[str, Any], by: str = HOLDER, ref: str = "", recorded: datetime = NOW - timedelta(hours=1)
) -> Directive | None:
    """A Consent, compiled, as the holder recorded it an hour ago; None where it does not count."""
    return compile_consent(made, ref or f"Consent/{abs(hash(str(made)))}/_history/1", by, micros(recorded))


def directive(made: dict[str, Any], by: str = HOLDER, ref: str = "", recorded: datetime = NOW - timedelta(hours=1)) -> Directive:
    """A Consent that counts, compiled."""
    found = compiled_or_none(made, by, ref, recorded)
    assert found is not None
    return found


LINE = '\n[[default]]\nreceiver_kind = "adult-mental-health"\npurposes = ["amh-care-planning", "safeguarding-s47"]\ntier = 3\nbasis = "person-wish"\n'
HEAD = 'source = "TLA01"\nversion = "1"\nvalid_from = 2026-01-01\nvalid_until = 2028-12-31\nnegatives = "explicit"\n'


def agreements(*parts: str, head: str = HEAD) -> Agreements:
    """The holder's document; without lines it shares everything with mental health trusts for two purposes."""
    return compile_agreements([("holder.toml", (head + "".join(parts or (LINE,))).encode())], PURPOSES)


OPEN = agreements()


def ask(
    *wishes: dict[str, Any] | Directive,
    of: Subject | None = None,
    ties: tuple[Tie, ...] = (),
    by: Asked | None = None,
    under: Agreements = OPEN,
) -> Permit | Refuse:
    """The decision on one question."""
    compiled = [one if isinstance(one, Directive) else compiled_or_none(one) for one in wishes]
    return decide(by or asked(), of or subject(), [one for one in compiled if one], ties, under)


def shared(*wishes: dict[str, Any] | Directive, **more: Any) -> frozenset[str]:
    """The classes that may leave; empty where nothing may."""
    decision = ask(*wishes, **more)
    return decision.classes if isinstance(decision, Permit) else frozenset()


def refused(*wishes: dict[str, Any] | Directive, **more: Any) -> str:
    """The reason of a refusal; empty where something may leave."""
    decision = ask(*wishes, **more)
    return decision.reason if isinstance(decision, Refuse) else ""
