"""A sender's word that a record should never have been: everything that it holds of the person goes, unless it must be kept.

The person's row and key stay, empty, so that those who were told can hear that it is taken back; ``erase_person`` takes both.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gateway.exchanges.outbox.enqueue import Happened
from gateway.exchanges.records.dossiers import is_shielded
from gateway.exchanges.records.persons import Desk, Resource, rows_named
from gateway.exchanges.records.withholdings import is_withholding
from gateway.fhir.elements import identifiers
from gateway.fhir.outcomes import Unprocessable
from gateway.store import people, subjects
from gateway.store.people import Opened
from gateway.store.sql import Read, Write

SHIELDED = "A shielded record is not purged: let two of your people lift the shield first."
WITHHOLDING = "A record that is withheld is not purged: lift the withholding first."
HELD = "This record must be kept: a legal hold stands on it. Two of your people lift it first."


def purge_person(desk: Desk, patient: Resource) -> Generator[Any, Any, list[Happened]]:
    """Everything this sender holds of a person goes: identity, tokens, records; who was told hears that it is taken back."""
    found = yield from rows_named(desk, identifiers(patient))
    happened: list[Happened] = []
    for row in found.values():
        yield from check_may_go(row)
        happened.append(Happened(row.id, desk.taken_back("delete")))
        yield from empty(row)
        desk.forget()
        gone: Resource = {"resourceType": "Patient", "id": row.id, "active": False}
        sealed = people.seal_patient(row.cipher, row.id, gone)
        yield Write(people.SET_IDENTITY, {"person_id": row.id, "sealed": sealed, "at": desk.moment.at})
    return happened


def check_may_go(row: Opened) -> Generator[Any, Any, None]:
    """Whether a feed may take away who somebody is. Raises Unprocessable."""
    if is_shielded(row.patient):
        raise Unprocessable(SHIELDED, code="business-rule")
    if any(is_withholding(one) for one in row.patient.get("extension", ())):
        raise Unprocessable(WITHHOLDING, code="business-rule")
    if (yield from must_be_kept(row)):
        raise Unprocessable(HELD, code="business-rule")


def must_be_kept(row: Opened) -> Generator[Any, Any, bool]:
    """Whether a hold stands on a row, or on one of the sender's other people whose record says who this one is to them:
    that line would go with it."""
    related = yield Read(people.RELATED_TO, {"person_id": row.id})
    for identifier in {row.id, *(columns[0] for columns in related)}:
        if (yield Read(subjects.STANDING_HOLDS, {"key": identifier})):
            return True
    return False


def empty(row: Opened) -> Generator[Any, Any, None]:
    """Records, versions, tokens and terms of a row go, and what the sender's other people are told to be to this one."""
    for statement in (people.DROP_VERSIONS, people.DROP_RECORDS, people.DROP_TOKENS, people.DROP_TERMS):
        yield Write(statement, {"person_id": row.id})
