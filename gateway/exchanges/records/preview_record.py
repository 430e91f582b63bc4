"""What a record would change if it were applied now: read, compared, and nothing written but that somebody looked.

For a file that is loaded again with newer maps: its sender sees what the change does before it is done. Each record is
compared with what is stored, not with those before it in the file.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.apply import SUBJECT
from gateway.exchanges.records.as_it_stands import Left, as_it_stands, is_unchanged
from gateway.exchanges.records.held import held_of
from gateway.exchanges.records.persons import Desk
from gateway.exchanges.records.receive_record import Record
from gateway.fhir.elements import identifiers, identity, in_order
from gateway.mapping.merge import IN_ERROR, applies, merged
from gateway.mapping.records import Op, Resource, Sourced
from gateway.store import people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "preview_record"
WHOLE = {Op.PURGE_PERSON: "purge", Op.MERGE_PERSON: "merge"}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one resource would do: new, changed (with the names of the elements), unchanged, retracted, purge or merge."""

    rule: str
    what: str
    elements: tuple[str, ...] = ()


def preview_record(ctx: Context, record: Record, moment: Moment) -> Story[tuple[Effect, ...]]:
    """The effects of one record, resource by resource."""
    check_current(record.requester, moment)
    desk = Desk(ctx, record.requester.agency, moment)
    effects: list[Effect] = []
    for one in record.mapped.resources:
        effects += [(yield from _effect(desk, one))]
    detail = (("format", record.mapped.version), ("result", "preview"))
    return Outcome(tuple(effects), (line(NAME, record.requester, moment, Kind.READ, DONE, detail=detail),))


def _effect(desk: Desk, one: Sourced) -> Generator[Any, Any, Effect]:
    if one.op in WHOLE or (one.op is Op.RETRACT and one.key.endswith("/")):
        return Effect(one.rule, WHOLE.get(one.op, "retracted"))
    before = yield from (_person(desk, one) if one.resource["resourceType"] == "Patient" else _stored(desk, one))
    if not applies(before, one.op):
        return Effect(one.rule, "unchanged")
    if before is None:
        return Effect(one.rule, "new")
    return (yield from _compared(desk, one, before))


def _compared(desk: Desk, one: Sourced, before: Resource) -> Generator[Any, Any, Effect]:
    kind = one.resource["resourceType"]
    after: Resource | Left
    if kind == "Patient":
        after = in_order(merged(before, one.resource, one.op))
        same = after == in_order(before)
    else:
        after = yield from as_it_stands(desk, kind, before, one)
        same = isinstance(after, Left) or is_unchanged(before, after, one.op)
    if same or isinstance(after, Left):
        return Effect(one.rule, "unchanged")
    names = tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
    return Effect(one.rule, "retracted" if one.op in IN_ERROR else "changed", names)


def _person(desk: Desk, one: Sourced) -> Generator[Any, Any, Resource | None]:
    """What is held of a person, found by the first identifier that is known."""
    for text in identifiers(one.resource):
        rows = yield Read(people.OWN_BY_TOKEN, {"token": desk.token(text)[0], "agency": desk.agency})
        if rows:
            return people.open_person(desk.ctx.vault, rows[0]).patient
    return None


def _stored(desk: Desk, one: Sourced) -> Generator[Any, Any, Resource | None]:
    kind = one.resource["resourceType"]
    subject = identity(one.resource.get(SUBJECT[kind])) if kind in SUBJECT else ""
    named = identifiers(one.resource)
    held = (yield from held_of(desk, kind, one.key, subject, named)) if kind in SUBJECT else None
    return held[0].body if held else None
