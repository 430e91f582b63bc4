"""Sourced resources applied to what an agency holds: the one line that records, messages and FHIR writes share.

Everything here is the sender's own: its rows, its keys, its merges. What changed by it is matched to subscriptions
and put into the outbox in the same transaction.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.exchanges.context import Context, new_id
from gateway.exchanges.outbox.enqueue import Happened, enqueue
from gateway.exchanges.records.as_it_stands import Left, as_it_stands, is_unchanged
from gateway.exchanges.records.held import held_of, source_of
from gateway.exchanges.records.hold_persons import hold_persons
from gateway.exchanges.records.merge_rows import merge_rows
from gateway.exchanges.records.persons import Desk, find_or_create, reseal_versions
from gateway.exchanges.records.purge import check_may_go, purge_person
from gateway.fhir.elements import identifiers, identity
from gateway.fhir.outcomes import Issue, Unprocessable
from gateway.fhir.systems import ODS_CODE
from gateway.mapping.merge import applies, merged
from gateway.mapping.records import Op, Origin, Resource, Sourced
from gateway.notification.topics import (
    RETRACTED,
    Change,
    consent_changes,
    flag_changes,
    of_one_person,
    patient_changes,
    relationship_changes,
)
from gateway.store import clock, people
from gateway.store.ledger import Moment
from gateway.store.people import Held, Opened
from gateway.store.sql import Read, Write

OTHER_AUTHOR = "The author is another organisation: each writes its own records."
IDENTIFYING = ("name", "birthDate")
SUBJECT = {"Flag": "subject", "RelatedPerson": "patient", "Consent": "patient"}


@dataclass(slots=True)
class Applied:
    """What came of applying: references of what was written, the persons touched, notices enqueued."""

    written: list[str] = field(default_factory=list)  # Type/id/_history/version
    persons: dict[str, Opened] = field(default_factory=dict)  # by row id
    notices: int = 0
    stored: list[Held] = field(default_factory=list)
    warnings: list[Issue] = field(default_factory=list)  # what was left as it was, and why


def apply(
    ctx: Context, agency: str, sourced: Iterable[Sourced], moment: Moment, origin: Origin | None = None
) -> Generator[Any, Any, Applied]:
    """Apply resources in their order, each kept with its origin. Raises Unprocessable; the transaction is then undone as a whole."""
    resources = list(sourced)
    desk = Desk(ctx, agency, moment)
    yield from _hold(desk, resources)
    yield from _read_ahead(desk, resources)
    applied = Applied()
    happened: list[Happened] = []
    for one in resources:
        desk.origin = asdict(replace(origin, rule=one.rule)) if origin else None
        happened += yield from _apply_one(desk, one, applied)
    happened += desk.renumbered
    applied.persons = desk.opened
    applied.notices = yield from enqueue(ctx, agency, _as_told(happened), desk.opened, moment)
    return applied


def _as_told(happened: list[Happened]) -> list[Happened]:
    """What happened, person by person, without what only looks like an end and a new start (a move between placements)."""
    told: list[Happened] = []
    for row in dict.fromkeys(one.row for one in happened):
        mine = {id(one.change): one for one in happened if one.row == row}
        left = of_one_person([one.change for one in mine.values()])
        told += [mine.get(id(change)) or Happened(row, change) for change in left]
    return told


def _hold(desk: Desk, resources: list[Sourced]) -> Generator[Any, Any, None]:
    """Lock every person named."""
    named: set[str] = set()
    for one in resources:
        named.update(identifiers(one.resource))
        named.update(filter(None, (identity(one.resource.get(part)) for part in ("subject", "patient"))))
        named.update(filter(None, (identity(link.get("other")) for link in one.resource.get("link", ()))))
    yield from hold_persons(desk, named)


def _read_ahead(desk: Desk, resources: list[Sourced]) -> Generator[Any, Any, None]:
    """What is stored under the keys of these resources, in one round trip."""
    keys = {(one.resource["resourceType"], one.key) for one in resources if one.resource.get("resourceType") in SUBJECT}
    if len(keys) > 1:
        found = yield tuple(Read(people.RECORD_BY_SOURCE, source_of(desk, *key)) for key in keys)
        desk.records = dict(zip(keys, found, strict=True))


def _apply_one(desk: Desk, one: Sourced, applied: Applied) -> Generator[Any, Any, list[Happened]]:
    kind = one.resource.get("resourceType")
    if one.op is Op.PURGE_PERSON:
        return (yield from purge_person(desk, one.resource))
    if one.op is Op.MERGE_PERSON:
        return (yield from merge_rows(desk, one.resource))
    if one.op is Op.RETRACT and one.key.endswith("/"):
        return (yield from _retract_under(desk, one, applied))
    if kind == "Patient":
        return (yield from _patient(desk, one))
    if kind in SUBJECT:
        return (yield from _record(desk, kind, one, applied))
    raise Unprocessable(f"A {kind} is not taken here.", where=str(kind), code="not-supported")


def _patient(desk: Desk, one: Sourced) -> Generator[Any, Any, list[Happened]]:
    named = identifiers(one.resource)
    if not named:
        raise Unprocessable("A Patient needs an identifier with a system.", where="Patient.identifier", code="required")
    row = yield from find_or_create(desk, named)
    before = dict(row.patient)
    after = merged(before, one.resource, one.op)
    if any(before.get(name) and not after.get(name) for name in IDENTIFYING):  # the details are purged
        yield from check_may_go(row)
    yield from desk.store_patient(row, after)
    return [Happened(row.id, change) for change in patient_changes(before, row.patient, clock.day(desk.moment.at))]


def _record(desk: Desk, kind: str, one: Sourced, applied: Applied) -> Generator[Any, Any, list[Happened]]:
    resource = one.resource
    subject = identity(resource.get(SUBJECT[kind]))
    held = yield from held_of(desk, kind, one.key, subject, identifiers(resource))
    before = held[0].body if held else None
    if not applies(before, one.op):
        return []
    if not subject:
        where = f"{kind}.{SUBJECT[kind]}"
        raise Unprocessable(f"{where} must name the person by an identifier.", where=where, code="required")
    _check_owner(kind, resource, desk.agency)
    row = yield from find_or_create(desk, [subject])
    related = yield from _related(desk, kind, resource)
    after = yield from as_it_stands(desk, kind, before, one)
    if isinstance(after, Left):
        applied.warnings += after.warnings
        return []
    if is_unchanged(before, after, one.op):
        return []
    stored = yield from store_record(desk, row, kind, held[0].key if held else one.key, after, held, related)
    applied.written.append(stored.ref)
    applied.stored.append(stored)
    if held and held[1] != row.id:
        return _repointed(kind, held, row.id, stored.body, desk)
    return [Happened(row.id, change, before, stored.body) for change in _changes(kind, before, after, desk)]


def _repointed(kind: str, held: tuple[Held, str], row: str, after: Resource, desk: Desk) -> list[Happened]:
    """A record that turns out to be of somebody else: taken back where it was told, and news of the other."""
    before = held[0].body
    back = merged(before, {}, Op.RETRACT)
    taken = [Happened(held[1], change, before, back) for change in _changes(kind, before, back, desk)]
    return taken + [Happened(row, change, None, after) for change in _changes(kind, None, after, desk)]


def _check_owner(kind: str, resource: Resource, agency: str) -> None:
    """A Flag that names its author names the sender: nobody writes for another organisation."""
    author = identity(resource.get("author")) if kind == "Flag" else ""
    if author.startswith(f"{ODS_CODE}|") and author != f"{ODS_CODE}|{agency}":
        raise Unprocessable(OTHER_AUTHOR, where="Flag.author", code="business-rule")


def _changes(kind: str, before: Resource | None, after: Resource, desk: Desk) -> list[Change]:
    on = clock.day(desk.moment.at)
    if kind == "Flag":
        return flag_changes(before, after, on)
    if kind == "RelatedPerson":
        return relationship_changes(before, after, on)
    if after.get("status") == "entered-in-error":
        return [Change(RETRACTED, on.isoformat(), False, "delete")]
    return consent_changes(on, is_new=before is None)


def _related(desk: Desk, kind: str, resource: Resource) -> Generator[Any, Any, str | None]:
    """The sender's own row of the other person of a relationship, made if it is new; None where it has no identifier."""
    named = identifiers(resource) if kind == "RelatedPerson" else []
    if not named:
        return None
    row = yield from find_or_create(desk, named)
    return row.id


def store_record(
    desk: Desk, row: Opened, kind: str, key: str, resource: Resource, held: tuple[Held, str] | None, related: str | None
) -> Generator[Any, Any, Held]:
    """Write a record and keep the version before it; gives what is now held."""
    identifier = held[0].id if held else desk.next_id()
    version = held[0].version + 1 if held else 1
    resource = {**resource, "id": identifier}
    sealed = people.seal_record(row.cipher, identifier, key, resource, desk.origin)
    at = desk.moment.at
    if held is None:
        yield Write(people.ADD_RECORD, _new_record(desk, row, kind, key, identifier, sealed, related))
    else:
        if held[1] != row.id:
            yield from reseal_versions(identifier, (yield from desk.open_row(held[1])), row)
        changed = {"record_id": identifier, "person_id": row.id, "related_id": related, "sealed": sealed}
        yield Write(people.SET_RECORD, {**changed, "new_version": version, "at": at}, later=True)
    kept = {"record": identifier, "version": version, "body": sealed, "updated": at}
    yield Write(people.ADD_VERSION, kept)
    return Held(identifier, kind, version, at, related, key, resource, desk.origin)


def _new_record(
    desk: Desk, row: Opened, kind: str, key: str, identifier: str, sealed: bytes, related: str | None
) -> dict[str, Any]:
    return {
        "id": identifier,
        "agency": desk.agency,
        "type": kind,
        "person": row.id,
        "source": source_of(desk, kind, key)["source"],
        "related": related,
        "body": sealed,
        "version": 1,
        "updated": desk.moment.at,
    }


def _retract_under(desk: Desk, one: Sourced, applied: Applied) -> Generator[Any, Any, list[Happened]]:
    """Take back everything of a person whose key begins so (an episode with all that is under it)."""
    kind = one.resource["resourceType"]
    row = yield from find_or_create(desk, [identity(one.resource.get(SUBJECT[kind]))])
    desk.forget()
    rows = yield Read(people.RECORDS_OF_PERSON, {"person_id": row.id})
    happened: list[Happened] = []
    for held in (people.open_record(row.cipher, columns) for columns in rows):
        if held.type != kind or not held.key.startswith(one.key) or held.body.get("status") == "entered-in-error":
            continue
        after = merged(held.body, {}, Op.RETRACT)
        stored = yield from store_record(desk, row, kind, held.key, after, (held, row.id), held.related)
        applied.written.append(stored.ref)
        happened += [Happened(row.id, change, held.body, after) for change in _changes(kind, held.body, after, desk)]
    return happened


def fresh_key() -> str:
    """The key of a resource that was created over the FHIR API."""
    return f"fhir/{new_id()}"
