"""Markers that staff set and end on their own organisation's record: that there is a crisis plan, that contact is
arranged, that somebody was asked about children. Only that it is so and since when; what it says stays in the record.

A marker set again is the same Flag in a new version. Of the answers to "do you have or care for children" one stands.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.release import ADMINISTRATIVE, organisation
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.by_hand import KEY, OwnPatient, check_staff, introduced, past_day, put_down
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.records.apply import apply
from gateway.fhir import systems
from gateway.fhir.codes import MARKERS
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.mapping.records import Op, Resource, Sourced
from gateway.store import clock
from gateway.store.ledger import Moment, Outcome, Story

ASKED = ("children-asked-yes", "children-asked-none", "children-asked-declined")
DISPUTED = "disputed-by-person"
BY_HAND = frozenset(MARKERS) - {DISPUTED}  # what a form sets; that something is disputed comes of saying so
NOT_OFFERED = "This marker is not one that is set here."
NOT_SET = "This marker does not stand, or comes from your record system: end it there."


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """A marker to be set from a day on, or ended with it. ``on`` empty: today."""

    requester: Requester
    person: OwnPatient
    code: str
    on: str = ""
    request_id: str = ""


def set_marker(ctx: Context, ask: MarkRequest, moment: Moment) -> Story[None]:
    """Set it. Raises Unprocessable for one that is not offered or a day ahead, NotFound, Forbidden."""
    check_staff(ask.requester, moment)
    if ask.code not in BY_HAND:
        raise Unprocessable(NOT_OFFERED, where="code", code="code-invalid")
    return (yield from put_marker(ctx, ask, moment))


def put_marker(ctx: Context, ask: MarkRequest, moment: Moment) -> Generator[Any, Any, Outcome[None]]:
    """The same within an exchange that has checked who asks."""
    agency, on = ask.requester.agency, past_day(ask.on, moment, "on")
    ended = yield from _others(ctx, ask, on, moment)
    sourced = [*(yield from introduced(ctx, agency, ask.person)), *ended, _made(ctx, ask, on, moment)]
    yield from apply(ctx, agency, sourced, moment)
    return _on_record("set_marker", ask, moment)


def end_marker(ctx: Context, ask: MarkRequest, moment: Moment) -> Story[None]:
    """End one that was set by hand. Raises Conflict where it does not stand, or a feed tells of it."""
    check_staff(ask.requester, moment)
    on = past_day(ask.on, moment, "on")
    standing = yield from _standing(ctx, ask.requester.agency, ask.person, ask.code, moment)
    if standing is None:
        raise Conflict(NOT_SET)
    yield from apply(ctx, ask.requester.agency, [_ended(ask.person, ask.code, standing, on)], moment)
    return _on_record("end_marker", ask, moment)


def _others(ctx: Context, ask: MarkRequest, on: str, moment: Moment) -> Generator[Any, Any, list[Sourced]]:
    """The other answers to the same question, to be ended."""
    found = []
    for code in ASKED if ask.code in ASKED else ():
        standing = None if code == ask.code else (yield from _standing(ctx, ask.requester.agency, ask.person, code, moment))
        if standing is not None:
            found.append(_ended(ask.person, code, standing, on))
    return found


def _standing(ctx: Context, agency: str, person: OwnPatient, code: str, moment: Moment) -> Generator[Any, Any, Resource | None]:
    """The Flag of a marker that was set by hand and still stands."""
    flag = yield from put_down(ctx, agency, "Flag", _key(person, code), moment)
    return flag if flag is not None and flag.get("status") == "active" else None


def _key(person: OwnPatient, code: str) -> str:
    return f"{KEY}/marker/{person.nhs}/{code}"


def _made(ctx: Context, ask: MarkRequest, on: str, moment: Moment) -> Sourced:
    coding = {"system": systems.code_system("marker", ctx.base), "code": ask.code, "display": MARKERS[ask.code]}
    as_of = {"url": systems.extension("status-as-of", ctx.base), "valueDateTime": clock.instant(moment.at)}
    flag: Resource = {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        "extension": [as_of],
        "status": "active",
        "category": [ADMINISTRATIVE],
        "code": {"coding": [coding], "text": MARKERS[ask.code]},
        "subject": ask.person.reference,
        "period": {"start": on},
        "author": organisation(ask.requester.agency),
    }
    return Sourced(_key(ask.person, ask.code), flag, Op.REPLACE)


def _ended(person: OwnPatient, code: str, standing: Resource, on: str) -> Sourced:
    """It ends on the day, or on the day it began where that is later."""
    period = standing.get("period", {})
    flag = {**standing, "status": "inactive", "period": {**period, "end": max(on, str(period.get("start", on)))}}
    return Sourced(_key(person, code), flag, Op.REPLACE)


def _on_record(name: str, ask: MarkRequest, moment: Moment) -> Outcome[None]:
    entry = line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=ask.person.identity,
        detail=(("marker", ask.code),),
    )  # fmt: skip
    return Outcome(None, (entry,))
