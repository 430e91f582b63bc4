"""After the fact: what of past lookups somebody has to look at (behaviour section 2, After the fact).

Three things are found in the access log. A section 47 enquiry of which no council's own feed tells within ten working
days: no section 47 enquiry, assessment or child protection plan of the person or of a child that the council has
told of. And a duty that was claimed within a day after the same user's wish about the same person was answered with
nothing. Each opens one item in the asker's queue and one with every agency that disclosed. And a person whom many users
of one agency asked about on one day: an item for that agency's own privacy office, whatever was answered. It refuses
nothing. Found again, an item is there already, also where it was closed.
"""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, and_, bindparam, or_, select

from gateway.audit.entry import DONE, Entry, Kind
from gateway.audit.shapes import GATES
from gateway.disclosure.purposes import Purpose
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.log.search_audit import open_entry
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.exchanges.lookup.look_up_status import NOT_CHARGED
from gateway.exchanges.records import dossiers
from gateway.exchanges.reviews import Matter, opening, working_days_after
from gateway.fhir.codes import CHILDREN
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import clock, people
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.people import Opened
from gateway.store.sql import Read, Statement, Write
from gateway.store.tables import audit_entry as log

NO_CASE, AFTER_WISH, ASKED_OFTEN = "no-case-record", "duty-after-wish", "asked-about-often"
ENQUIRY = "safeguarding-s47"
COUNCIL = "children-social-care"
OF_A_CASE = frozenset({"section-47", "assessment", "cp-plan", "cp-plan-unborn", "cp-plan-other-area", "pre-proceedings"})
DAYS_FOR_A_CASE = 10  # working days
MANY = 8  # users who ask about one person on one day: more than two shifts of a team, its lead and the duty desk need
CardPurposes = Container[tuple[str, str]]  # client and purpose whose charts ask by themselves as they are opened
PAGE = 2000
REFUSED_BEFORE = GATES | NOT_CHARGED  # before anybody was looked at

_AFTER = or_(
    log.c.recorded > bindparam("since", type_=BigInteger),
    and_(log.c.recorded == bindparam("since", type_=BigInteger), log.c.id > bindparam("after", type_=Text)),
)
LOOKUPS = Statement(
    select(*log.columns)
    .where(log.c.requester == bindparam("agency", type_=Text), log.c.exchange == LOOKUP, _AFTER)
    .order_by(log.c.recorded, log.c.id)
    .limit(bindparam("count", type_=Integer))
)


class Lookup(NamedTuple):
    """A lookup as the log tells of it: the request, and which agencies disclosed anything."""

    asked: Entry
    disclosed: tuple[str, ...]


class Crowd(NamedTuple):
    """Users of one agency who asked about the same person on the same day (UTC)."""

    patient: str
    day: date
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Lookups of one agency: enquiries whose case is due, duties claimed after a wish, people asked about by many."""

    agency: str
    enquiries: tuple[Lookup, ...]
    claims: tuple[Lookup, ...]
    crowds: tuple[Crowd, ...]


def page_of_lookups(agency: str, since: int, after: str) -> Read:
    """Entries of an agency's lookups, oldest first, after the last one seen."""
    return Read(LOOKUPS, {"agency": agency, "since": since, "after": after, "count": PAGE})


def entries_of(ctx: Context, rows: Rows) -> list[Entry]:
    """The entries of a page, opened. Raises Broken."""
    return [open_entry(ctx, row) for row in rows]


def suspects(ctx: Context, agency: str, entries: Iterable[Entry], at: int, cards: CardPurposes = ()) -> Suspects:
    """Which of an agency's lookups are to be looked at, on what the log alone tells."""
    found = [one for one in _lookups(entries) if one.asked.patient and one.asked.refusal not in REFUSED_BEFORE]
    enquiries = [one for one in found if one.asked.purpose == ENQUIRY and _deadline(ctx, one.asked.recorded) <= at]
    return Suspects(agency, tuple(enquiries), tuple(_after_wish(found, ctx.purposes)), asked_often(found, cards))


def _lookups(entries: Iterable[Entry]) -> list[Lookup]:
    """Entries of one request go together by their disclosure id."""
    asked: dict[str, Entry] = {}
    told: dict[str, list[str]] = {}
    for one in entries:
        if one.asked:
            asked[one.disclosure] = one
        if one.kind is Kind.DISCLOSURE:
            told.setdefault(one.disclosure, []).append(one.custodian)
    return [Lookup(one, tuple(sorted(set(told.get(name, ()))))) for name, one in asked.items()]


def _after_wish(found: Sequence[Lookup], purposes: Mapping[str, Purpose]) -> list[Lookup]:
    """Duties claimed by a user within a day after a wish of theirs about the person was answered with nothing."""
    refused: dict[tuple[str, str], int] = {}
    claims = []
    for one in sorted(found, key=lambda one: one.asked.recorded):
        who, purpose = (one.asked.user, one.asked.patient), purposes.get(one.asked.purpose)
        if purpose is None or not one.asked.user:
            continue
        if not purpose.is_duty and not one.disclosed:
            refused[who] = one.asked.recorded
        elif purpose.is_duty and one.asked.recorded - refused.get(who, -clock.DAY - 1) <= clock.DAY:
            claims.append(one)
    return claims


def asked_often(found: Iterable[Lookup], cards: CardPurposes = ()) -> tuple[Crowd, ...]:
    """People whom many users asked about on one day. On what was asked alone, never on what came of it."""
    users: dict[tuple[str, date], set[str]] = {}
    for asked, _ in found:
        if asked.user and (asked.client, asked.purpose) not in cards:
            users.setdefault((asked.patient, clock.day(asked.recorded)), set()).add(asked.user)
    return tuple(Crowd(*whom, tuple(sorted(who))) for whom, who in users.items() if len(who) >= MANY)


def _deadline(ctx: Context, recorded: int) -> int:
    return working_days_after(recorded, DAYS_FOR_A_CASE, ctx.holidays)


def find_reviews(ctx: Context, found: Suspects, moment: Moment) -> Story[int]:
    """Open what is to be looked at; gives the number of items that are there now because of it."""
    writes: list[Write] = []
    for one in found.enquiries:
        if not (yield from _has_case(ctx, one.asked, moment)):
            writes += _items(ctx, NO_CASE, one, moment)
    for one in found.claims:
        writes += _items(ctx, AFTER_WISH, one, moment)
    writes += [_of_crowd(ctx, found.agency, one, moment) for one in found.crowds]
    entry = line(
        "find_reviews", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=found.agency,
        detail=(("result", str(len(writes))),),
    )  # fmt: skip
    return Outcome(len(writes), (entry,), tuple(writes))


def _items(ctx: Context, kind: str, one: Lookup, moment: Moment) -> list[Write]:
    """One item in the queue of each side, under an id of its own."""
    asked = one.asked
    matter = Matter(
        asked.requester, asked.user, asked.client, asked.role, asked.patient, asked.purpose, asked.case_reference,
        (("asked", clock.instant(asked.recorded)),), asked.disclosure,
    )  # fmt: skip
    sides = dict.fromkeys((asked.requester, *one.disclosed))
    return [opening(ctx, kind, side, matter, moment, item_id(ctx, kind, asked.disclosure, side)) for side in sides]


def _of_crowd(ctx: Context, agency: str, one: Crowd, moment: Moment) -> Write:
    """One item for each person and day, in the asker's queue alone."""
    day = one.day.isoformat()
    matter = Matter(agency, "", patient=one.patient, why=(("day", day),), users=one.users)
    identifier = ctx.vault.token("review-found", ASKED_OFTEN, agency, one.patient, day).hex()
    return opening(ctx, ASKED_OFTEN, agency, matter, moment, identifier)


def item_id(ctx: Context, kind: str, disclosure: str, side: str) -> str:
    """The id of what is found about a disclosure, in the queue of one side."""
    return ctx.vault.token("review-found", kind, disclosure, side).hex()


def _has_case(ctx: Context, asked: Entry, moment: Moment) -> Generator[Any, Any, bool]:
    """Whether a council's own records tell of a case of the person, or of a child of theirs, at about that time."""
    system, _, number = asked.patient.partition("|")
    if system != NHS_NUMBER:
        return False
    token = ctx.vault.nhs_token(number)
    first, last = clock.day(asked.recorded), clock.day(_deadline(ctx, asked.recorded))
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": token}, (token,))))
    for row in (one for one in rows if one.agency in moment.feeds and moment.feeds[one.agency].kind == COUNCIL):
        if _of_a_case(row, first, last):
            return True
        for child in _children(row):
            found = yield Read(people.DOSSIER_BY_ROW, {"key": child})
            if any(_of_a_case(one, first, last) for one in people.open_dossier(ctx.vault, found)):
                return True
    return False


def _children(row: Opened) -> list[str]:
    """The council's own rows of those whom it has told to be the person's children."""
    return [held.related for held in row.of_type("RelatedPerson") if held.related and dossiers.roles(held.body) & CHILDREN]


def _of_a_case(row: Opened, first: date, last: date) -> bool:
    """Whether a record of a case was open between two days."""
    return any(
        one.detail in OF_A_CASE and (one.start is None or one.start <= last) and (one.end is None or one.end >= first)
        for one in dossiers.involvements(row)
    )
