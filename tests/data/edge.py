"""What the tests of the HTTP edge share: counting rows, judging answers, small resources."""

import re
from typing import Any

import httpx
from sqlalchemy import func, select

from gateway.demo.people import Person
from gateway.fhir import resources, systems
from gateway.store import tables
from gateway.store.sql import Read, Statement
from tests.world import At, World

HELD = (
    tables.person,
    tables.person_token,
    tables.record,
    tables.record_version,
    tables.subscription,
    tables.inbox,
    tables.outbox,
)
COUNTS = {
    table.name: Statement(select(func.count()).select_from(table)) for table in (*HELD, tables.unmatched_code, tables.audit_entry)
}
DIFFERS = re.compile(
    rb"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\b999\d{7}\b"
)


async def count_rows(world: World) -> dict[str, int]:
    """Rows of every table that holds something of people, and of the access log."""
    found = await world.gateway.ledger.read([Read(statement) for statement in COUNTS.values()])
    return {name: rows[0][0] for name, rows in zip(COUNTS, found, strict=True)}


def without_log(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if name != "audit_entry"}


def plain(content: bytes) -> bytes:
    """An answer without its ids, times and the number that was asked about."""
    return DIFFERS.sub(b"#", content)


def outcome(answer: httpx.Response, status: int) -> list[dict[str, Any]]:
    """The issues of an answer that must be an OperationOutcome of this status, whole and valid."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/fhir+json"
    assert "no-store" in answer.headers["cache-control"]
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", answer.headers["x-request-id"])
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert is_valid(body)
    return body["issue"]


def is_valid(resource: dict[str, Any]) -> bool:
    found = resources.errors(resources.validate(resource))
    assert not found, (resource["resourceType"], found[:3])
    return True


def reference(person: Person) -> dict[str, Any]:
    return {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": person.nhs}}


def flag(person: Person, detail: str = "cin-plan", **more: Any) -> dict[str, Any]:
    """A Flag as an agency's own system would post it."""
    coding = {"system": systems.code_system("involvement-detail"), "code": detail}
    made = {"resourceType": "Flag", "status": "active", "code": {"coding": [coding]}, "subject": reference(person)}
    return {**made, "period": {"start": "2026-01-05"}, **more}


def related(person: Person, other: Person, role: str, **more: Any) -> dict[str, Any]:
    """A RelatedPerson: ``other`` is ``role`` to ``person``."""
    return {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": reference(person),
        "identifier": [{"system": systems.NHS_NUMBER, "value": other.nhs}],
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": role}]}],
        **more,
    }


def message(*others: dict[str, Any], bundle: str = "b-1", header: str = "m-1", **more: Any) -> dict[str, Any]:
    """A FHIR message with these resources."""
    head = {
        "resourceType": "MessageHeader",
        "id": header,
        "eventCoding": {"system": systems.code_system("topic"), "code": "known-status-changed"},
        "source": {"endpoint": "https://sender.example/fhir"},
        **more,
    }
    entries = [{"fullUrl": f"https://sender.example/fhir/MessageHeader/{header}", "resource": head}]
    entries += [
        {"fullUrl": f"https://sender.example/fhir/{one['resourceType']}/{one['id']}", "resource": one}
        for one in ({"id": f"r{number}", **other} for number, other in enumerate(others))
    ]
    return {"resourceType": "Bundle", "id": bundle, "type": "message", "entry": entries}


async def log_of(at: At, **form: str) -> list[dict[str, Any]]:
    """What an auditor finds in the access log."""
    answer = await at.searches("AuditEvent", _count="200", **form)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def exchange(event: dict[str, Any]) -> str:
    """The exchange of an entry, by the file that it is named after."""
    return next((str(one["code"]) for one in event["subtype"] if one["system"].endswith("/exchange")), "")
