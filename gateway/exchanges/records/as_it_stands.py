"""What stands once a resource is applied to what its sender told before: of the same thing, and of what it is part of.

A leave is part of its stay, and a wait ends with an admission. Where a message says of an earlier stay what would undo a later
one, or plans what has begun, what stands is left as it is; its sender is told so where the message itself is at odds with that.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.exchanges.records.held import held_of
from gateway.exchanges.records.persons import Desk
from gateway.fhir.elements import identity
from gateway.fhir.outcomes import Issue
from gateway.mapping import admissions
from gateway.mapping.merge import IN_ERROR, merged, restated
from gateway.mapping.records import Op, Resource, Sourced
from gateway.mapping.turns import LEAVE, part_of
from gateway.store import clock, people
from gateway.store.sql import Read

EARLIER = "The admission that is cancelled came before that of the stay that stands, which was left as it is."
BEGUN = "The visit had begun when this was recorded: no planned admission was noted."


@dataclass(frozen=True, slots=True)
class Left:
    """What stands is left as it is."""

    warnings: tuple[Issue, ...] = ()


def as_it_stands(desk: Desk, kind: str, before: Resource | None, one: Sourced) -> Generator[Any, Any, Resource | Left]:
    """What stands once a resource is applied to what was stored, or that this is left as it is."""
    on = clock.day(desk.moment.at)
    after = result_of(kind, before, one, on)
    if kind != "Flag":
        return after
    if one.key.endswith(LEAVE):
        return (yield from _leave(desk, before, after, one, on))
    if one.op in IN_ERROR:
        return Left((Issue(EARLIER, "conflict", "PV1-44"),)) if admissions.is_of_earlier(before, one.resource) else after
    if one.key.endswith(admissions.WAITING) and admissions.goes_on(after):
        return (yield from _wait(desk, after, one, on))
    return after


def _leave(desk: Desk, before: Resource | None, after: Resource, one: Sourced, on: date) -> Generator[Any, Any, Resource | Left]:
    found = yield from held_of(desk, "Flag", one.key.removesuffix(LEAVE), identity(one.resource.get("subject")))
    stay = found[0].body if found else None
    if one.op in IN_ERROR and admissions.is_of_earlier(stay, one.resource):
        return Left()
    leave = part_of(stay, before, after, one.resource, desk.ctx.base)
    return restated(leave, on) if leave else Left()


def _wait(desk: Desk, after: Resource, one: Sourced, on: date) -> Generator[Any, Any, Resource | Left]:
    row = yield from desk.row_named(identity(one.resource.get("subject")))
    if row is None:
        return after
    rows = yield Read(people.OWN_RECORDS_OF, {"agency": desk.agency, "type": "Flag", "person_id": row.id})
    held = [people.open_record(row.cipher, columns[5:]) for columns in rows]
    stays = {flag.key: flag.body for flag in held if admissions.is_stay(flag.key)}
    wait = admissions.wait_beside(after, one.resource, stays)
    return restated(wait, on) if wait else Left((Issue(BEGUN, "conflict", "PV1-19"),))


def result_of(kind: str, before: Resource | None, one: Sourced, today: date) -> Resource:
    """What stands once a resource is applied to what was stored; a Flag with the status that its dates give today."""
    combined = merged(before, one.resource, one.op)
    if before is not None:  # a resource that stands for itself comes without our id
        combined["id"] = before["id"]
    return restated(combined, today) if kind == "Flag" and one.op is not Op.RETRACT else combined


def is_unchanged(before: Resource | None, after: Resource, op: Op) -> bool:
    """Whether there is nothing to write. That a feed says the same again, at a later time, is no change of a record."""
    if before is None or op is Op.REPLACE:
        return before == after
    return _without_time(before) == _without_time(after)


def _without_time(resource: Resource) -> Resource:
    told = [one for one in resource.get("extension", ()) if not str(one.get("url", "")).endswith("/status-as-of")]
    return {**resource, "extension": told}
