"""Legal holds: a record that must be kept, for a court, an inquiry or a review. Set at once, lifted by two.

While one stands the record is not erased, not purged by a feed, and not cleaned up when its time is over. A hold says nothing
about sharing: who may be told what stays as it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import orjson

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.reviews import NEEDS_USER
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound, Unprocessable
from gateway.store import subjects
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Row, Write
from gateway.store.vault import open_sealed, seal

SHELF = "hold"
NOT_HERE = "There is no such hold, or it is not your organisation's."
LIFTED_ALREADY = "This hold has been lifted already."
LEAST_REASON, MOST = 10, 500
NO_REASON = f"Say in at least {LEAST_REASON} characters why."


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """A hold to be set on the caller's own organisation's record of a person (``system|value``)."""

    requester: Requester
    person: str
    reason: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class LiftHold:
    """A hold to be lifted, by its id, and why."""

    requester: Requester
    id: str
    reason: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnHolds:
    """Who asks for the holds of their organisation."""

    requester: Requester
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold, opened. Times are microseconds."""

    id: str
    person: str  # system|value
    reason: str
    set_by: str
    since: int
    lift_by: str = ""  # who asked first to lift it
    lift_reason: str = ""
    lifted_by: str = ""  # the second
    lifted: int | None = None


def set_hold(ctx: Context, ask: HoldRequest, moment: Moment) -> Story[str]:
    """Set a hold; gives its id. Several may stand on one record. Raises NotFound, Forbidden, Unprocessable."""
    check_reason(ask.reason)
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    hold = LegalHold(new_id(), ask.person, ask.reason, ask.requester.user, moment.at)
    columns = {"id": hold.id, "agency": desk.agency, "person": row.id, "since": moment.at, "lifted": None}
    entry = _entry("set_hold", ask, hold, moment, "set", ask.reason)
    return Outcome(hold.id, (entry,), (Write(subjects.ADD_HOLD, {**columns, "body": _sealed(ctx, hold)}),))


def lift_hold(ctx: Context, ask: LiftHold, moment: Moment) -> Story[LegalHold]:
    """Ask for a hold to be lifted; the second of two different users lifts it. Raises NotFound, Conflict, Forbidden."""
    check_current(ask.requester, moment)
    check_reason(ask.reason)
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    rows = yield Read(subjects.LOCK_HOLD, {"agency": ask.requester.agency, "id": ask.id})
    if not rows:
        raise NotFound(NOT_HERE)
    hold = open_hold(ctx, rows[0])
    if hold.lifted is not None:
        raise Conflict(LIFTED_ALREADY)
    if hold.lift_by in ("", ask.requester.user):
        asked = replace(hold, lift_by=ask.requester.user, lift_reason=ask.reason)
        change = Write(subjects.SET_HOLD, {"hold_id": hold.id, "sealed": _sealed(ctx, asked)})
        return Outcome(asked, (_entry("lift_hold", ask, asked, moment, "asked", ask.reason),), (change,))
    gone = replace(hold, lifted_by=ask.requester.user, lifted=moment.at)
    change = Write(subjects.LIFT_HOLD, {"hold_id": hold.id, "sealed": _sealed(ctx, gone), "at": moment.at})
    entry = _entry("lift_hold", ask, gone, moment, "lifted", ask.reason, ("first", hold.lift_by))
    return Outcome(gone, (entry,), (change,))


def list_holds(ctx: Context, ask: OwnHolds, moment: Moment) -> Story[list[LegalHold]]:
    """The agency's holds: those that stand, the last set first; then those that were lifted."""
    check_current(ask.requester, moment)
    rows = yield Read(subjects.HOLDS, {"agency": ask.requester.agency, "count": MOST})
    entry = line(
        "list_holds", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=(("resource", "hold"),)
    )
    return Outcome([open_hold(ctx, row) for row in rows], (entry,))


def check_reason(reason: str) -> None:
    """A reason that somebody can read later. Raises Unprocessable."""
    if len(reason.strip()) < LEAST_REASON:
        raise Unprocessable(NO_REASON, where="reason", code="required")


def _sealed(ctx: Context, hold: LegalHold) -> bytes:
    told = {name: value for name, value in asdict(hold).items() if name not in ("id", "since", "lifted")}
    return seal(ctx.vault.shelf(SHELF), orjson.dumps(told), hold.id)


def open_hold(ctx: Context, columns: Row) -> LegalHold:
    """A row of the table ``legal_hold``, columns in its order. Raises Broken."""
    identifier, _, _, body, since, lifted = columns
    told = orjson.loads(open_sealed(ctx.vault.shelf(SHELF), body, identifier))
    return LegalHold(id=identifier, since=since, lifted=lifted, **told)


def _entry(
    name: str, ask: HoldRequest | LiftHold, hold: LegalHold, moment: Moment, result: str, reason: str, *more: tuple[str, str]
) -> Entry:
    return line(
        name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=hold.person,
        detail=(("hold", hold.id), ("reason", reason), ("result", result), *more),
    )  # fmt: skip
