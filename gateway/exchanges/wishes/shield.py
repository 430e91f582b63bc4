"""Shields: the owner opens a person's record to nobody by machine. Set at once, lifted by two.

The mark stands in the sealed identity of the owner's row, where every decision sees it and no feed can take it away;
who set it and why, and who asked to lift it, stand in a table of their own. Either act waits until nobody decides on
the person: what is acknowledged holds for the next decision of every worker.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.hold_persons import hold_persons
from gateway.exchanges.records.persons import Desk
from gateway.exchanges.records.resources import NOT_HERE
from gateway.exchanges.reviews import NEEDS_USER
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound
from gateway.store import shields
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Read, Write
from gateway.store.vault import open_sealed, seal

NO_SHIELD = "No shield stands on this record."
SHELF = "shield"
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShieldRequest:
    """A shield to be set on, or lifted from, the caller's own organisation's record of a person (``system|value``)."""

    requester: Requester
    person: str
    reason: str
    request_id: str = ""


def set_shield(ctx: Context, ask: ShieldRequest, moment: Moment) -> Story[None]:
    """Shield a person. Set again, it stands as it is and whoever asked to lift it has not. Raises NotFound, Forbidden."""
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    told: Told = {"set_by": ask.requester.user, "reason": ask.reason}
    before = yield Read(shields.SHIELD, {"person_id": row.id})
    sealed = _sealed(ctx, row, {**_opened(ctx, row, before[0][0]), "lift_by": "", "lift_reason": ""} if before else told)
    yield Write(shields.ADD_SHIELD, {"person": row.id, "agency": desk.agency, "body": sealed, "since": moment.at})
    yield Write(shields.SET_SHIELD, {"person_id": row.id, "sealed": sealed})
    yield from desk.mark_shielded(row, shielded=True)
    return _on_record("set_shield", ask, moment, "set")


def lift_shield(ctx: Context, ask: ShieldRequest, moment: Moment) -> Story[None]:
    """Ask for a shield to be lifted; the second of two different users lifts it. Raises NotFound, Conflict, Forbidden."""
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    before = yield Read(shields.SHIELD, {"person_id": row.id})
    if not before:
        raise Conflict(NO_SHIELD)
    told = _opened(ctx, row, before[0][0])
    first = told.get("lift_by", "")
    if first in ("", ask.requester.user):
        asked = {**told, "lift_by": ask.requester.user, "lift_reason": ask.reason}
        yield Write(shields.SET_SHIELD, {"person_id": row.id, "sealed": _sealed(ctx, row, asked)})
        return _on_record("lift_shield", ask, moment, "asked")
    yield Write(shields.DROP_SHIELD, {"person_id": row.id})
    yield from desk.mark_shielded(row, shielded=False)
    return _on_record("lift_shield", ask, moment, "lifted", ("first", first))


def own_record(ctx: Context, requester: Requester, person: str, moment: Moment) -> Generator[Any, Any, tuple[Desk, Opened]]:
    """The owner's row, while nobody decides on the person and no feed writes to it. Raises NotFound, Forbidden."""
    check_current(requester, moment)
    if not requester.user:
        raise Forbidden(NEEDS_USER)
    desk = Desk(ctx, requester.agency, moment)
    yield from hold_persons(desk, {person})
    row = yield from desk.row_named(person)
    if row is None:
        raise NotFound(NOT_HERE)
    return desk, row


def _sealed(ctx: Context, row: Opened, told: Told) -> bytes:
    return seal(ctx.vault.shelf(SHELF), orjson.dumps(told), row.id)


def _opened(ctx: Context, row: Opened, sealed: bytes) -> Told:
    told: Told = orjson.loads(open_sealed(ctx.vault.shelf(SHELF), sealed, row.id))
    return told


def _on_record(name: str, ask: ShieldRequest, moment: Moment, result: str, *more: tuple[str, str]) -> Outcome[None]:
    entry = line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=ask.person,
        detail=(("reason", ask.reason), ("result", result), *more),
    )  # fmt: skip
    return Outcome(None, (entry,))
