"""A refusal to share under a duty: the owner withholds a record, by a named person's decision and for a reason.

The holder judges whether sharing would be more detrimental than silence (Children Act 2004 section 16LA(3)); that it does
not share is a decision like any other, with a decider, a reason and a date by which it is looked at again. It holds from
its acknowledgement on, for every worker and for notices that wait, until its last day or until it is lifted.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.question import Withheld
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.records.withholdings import is_withholding, mark_of, withholdings
from gateway.exchanges.reviews import WITHHOLDING, Matter, open_item, opening, seal_matter
from gateway.exchanges.wishes.shield import own_record
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.store import clock, reviews
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Opened
from gateway.store.sql import Read, Write

REVIEW_DAYS, MOST_DAYS = 90, 366
MOST = 20  # that stand on one record at a time
NOT_WITHHELD = "No such withholding stands on this record."
TOO_MANY = f"At most {MOST} withholdings stand on one record: lift one, or withhold from everybody."


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decided, by name and role: not always who writes it down."""

    name: str
    role: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


@dataclass(frozen=True, slots=True)
class WithholdRequest:
    """A record (``system|value``) of the caller's own organisation, to be withheld. Empty purposes: every duty; empty
    receivers: everybody."""

    requester: Requester
    person: str
    reason: str
    decider: Decider
    purposes: frozenset[str] = frozenset()
    receivers: frozenset[str] = frozenset()
    until: date | None = None
    review_by: date | None = None  # else in 90 days
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class LiftRequest:
    """A withholding to be lifted, by whose decision and why."""

    requester: Requester
    person: str
    id: str
    reason: str
    decider: Decider
    request_id: str = ""


def withhold(ctx: Context, ask: WithholdRequest, moment: Moment) -> Story[str]:
    """Withhold; gives the id. Raises NotFound, Forbidden, Unprocessable."""
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    today = clock.day(moment.at)
    review_by = _check(ask, today, moment)
    one = Withheld(new_id(), ask.purposes, ask.receivers, ask.until, str(ask.decider))
    standing = _standing(row, today)
    if len(standing) >= MOST:
        raise Conflict(TOO_MANY)
    yield from desk.mark_withheld(row, [*standing, mark_of(one, clock.instant(moment.at), ctx.base)])
    matter = _matter(ask, one, (review_by - today).days)
    yield opening(ctx, WITHHOLDING, desk.agency, matter, moment, one.id, _end_of(review_by))
    return Outcome(one.id, (_entry("withhold", ask, moment, one.id, _scope(ask)),))


def _check(ask: WithholdRequest, today: date, moment: Moment) -> date:
    """The day by which it is reviewed. Raises Unprocessable for days and receivers that cannot be meant."""
    unknown = sorted(ask.receivers - moment.feeds.keys())
    if unknown:
        text = f"{', '.join(unknown)} takes no part here: check the ODS code. Without a receiver it is withheld from everybody."
        raise Unprocessable(text, where="Parameters.parameter(receiver)", code="value")
    if ask.until is not None and ask.until < today:
        raise Unprocessable("until has passed.", where="Parameters.parameter(until)", code="value")
    usual = min(filter(None, (today + timedelta(days=REVIEW_DAYS), ask.until)))
    review_by = ask.review_by or usual
    if not today <= review_by <= today + timedelta(days=MOST_DAYS):
        text = f"reviewBy is within {MOST_DAYS} days from today."
        raise Unprocessable(text, where="Parameters.parameter(reviewBy)", code="value")
    return review_by


def _standing(row: Opened, today: date) -> list[dict[str, Any]]:
    """The marks on a row that have not ended."""
    marks = [one for one in row.patient.get("extension", ()) if is_withholding(one)]
    told = withholdings(row.patient)
    return [mark for mark, one in zip(marks, told, strict=True) if one.until is None or one.until >= today]


def _end_of(day: date) -> int:
    """The end of a day, as the store keeps times."""
    return clock.micros(datetime.combine(day + timedelta(days=1), time.min))


def _matter(ask: WithholdRequest, one: Withheld, days: int) -> Matter:
    facts = [("reason", ask.reason), ("decided-by", one.decider), ("review-days", str(max(days, 1))), *_scope(ask)]
    if ask.until is not None:
        facts.append(("ends", str(_end_of(ask.until))))
    requester = ask.requester
    return Matter(requester.agency, requester.user, requester.client_id, requester.role, ask.person, why=tuple(facts))


def _scope(ask: WithholdRequest) -> tuple[tuple[str, str], ...]:
    """For which duties, from whom and until when, as far as it is limited."""
    told = (
        ("withheld-for", " ".join(sorted(ask.purposes))),
        ("withheld-from", " ".join(sorted(ask.receivers))),
        ("until", ask.until.isoformat() if ask.until else ""),
    )
    return tuple((name, value) for name, value in told if value)


def lift_withholding(ctx: Context, ask: LiftRequest, moment: Moment) -> Story[None]:
    """Lift it: the duty is answered again from the acknowledgement on. Raises NotFound, Conflict, Forbidden."""
    desk, row = yield from own_record(ctx, ask.requester, ask.person, moment)
    standing = _standing(row, clock.day(moment.at))
    left = [one for one in standing if not any(part.get("valueId") == ask.id for part in one["extension"])]
    if len(left) == len(standing):
        raise Conflict(NOT_WITHHELD)
    yield from desk.mark_withheld(row, left)
    yield from _close(ctx, ask, moment)
    return Outcome(None, (_entry("lift_withholding", ask, moment, ask.id, ()),))


def _close(ctx: Context, ask: LiftRequest, moment: Moment) -> Generator[Any, Any, None]:
    """There is nothing left to review."""
    for columns in (yield Read(reviews.LOCK_REVIEW, {"agency": ask.requester.agency, "id": ask.id})):
        item = open_item(ctx, columns)
        matter = replace(item.matter, outcome="lifted", sentence=ask.reason, closed_by=ask.requester.user)
        changed = {"review_id": item.id, "sealed": seal_matter(ctx, matter, item.id), "at": moment.at}
        yield Write(reviews.CLOSE_REVIEW, changed)


def _entry(
    name: str, ask: WithholdRequest | LiftRequest, moment: Moment, identifier: str, scope: tuple[tuple[str, str], ...]
) -> Any:
    facts = ((WITHHOLDING, identifier), ("decided-by", str(ask.decider)), ("reason", ask.reason), *scope)
    return line(name, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=ask.person, detail=facts)
