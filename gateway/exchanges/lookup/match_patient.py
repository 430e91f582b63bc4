"""Who of the agency's own people is this? (IHE ITI-119, ``Patient/$match``)

Of the rows that the caller's own organisation has sent and of nothing else: what another agency holds has no part in it, be it
that somebody is sealed there. A person whom the own record seals by adoption is as a stranger here too, and makes nobody else
doubtful. Found by identifiers and by the terms of ``match_terms``; compared unsealed; charged and on record like a lookup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.lookup.charge import OVER_QUOTA, charge_for, retry_after
from gateway.exchanges.records.match_terms import term_token
from gateway.exchanges.records.resources import person_token
from gateway.exchanges.records.unsealed import unsealed
from gateway.fhir.elements import identifiers
from gateway.fhir.outcomes import TooMany
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity.described import Described, described, terms_asked
from gateway.identity.matching import Candidate, Grade, compare, grade_of, ranked, settled
from gateway.store import people
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.people import Opened
from gateway.store.sql import Read

NAME = "match_patient"
MOST_SHARING = 200  # people under one term who are compared
MOST_LIKELY = 50  # people who are looked at further


@dataclass(frozen=True, slots=True)
class MatchRequest:
    """Who is looked for, how many may be named, and whether only with certainty."""

    requester: Requester
    person: Described
    count: int
    only_certain: bool = False
    request_id: str = ""


class Match(NamedTuple):
    """One of the caller's own people, and how surely it is the one looked for."""

    candidate: Candidate
    row: Opened


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """Who was found, the most likely first; ``complete``: whether everybody under the terms was compared."""

    found: tuple[Match, ...]
    complete: bool


def match_patient(ctx: Context, ask: MatchRequest, moment: Moment) -> Story[MatchAnswer]:
    """One question. Raises TooMany, by the request alone."""
    check_current(ask.requester, moment)
    charge = charge_for(ctx, ask.requester, ask.person.text, moment)
    counting, wanted = charge.reads, _reads(ctx, ask)
    rows = yield (*counting, *wanted)
    charged = charge.taken(rows[: len(counting)])
    if charged is None:
        raise TooMany(OVER_QUOTA, headers=retry_after(moment.at))
    held = rows[len(counting) :]
    likely = ranked(_compared(ctx, ask.person, held))
    complete = len(likely) <= MOST_LIKELY and not any(len(one) >= MOST_SHARING for one in held)
    opened = yield from unsealed(ctx, [one.id for one in likely[:MOST_LIKELY]])
    found = [Match(one, opened[one.id]) for one in settled([one for one in likely if one.id in opened], complete=complete)]
    told = [one for one in found if one.candidate.grade is Grade.CERTAIN or not ask.only_certain][: ask.count]
    return Outcome(MatchAnswer(tuple(told), complete), (_entry(ask, told, moment),), charged)


def _reads(ctx: Context, ask: MatchRequest) -> list[Read]:
    """The agency's rows under each identifier and each term."""
    agency = ask.requester.agency
    tokens = [person_token(ctx, agency, text) for text in _named(ask.person)]
    named = [Read(people.OWN_BY_TOKEN, {"token": token, "agency": agency}) for token in tokens]
    tokens = [term_token(ctx, agency, term) for term in terms_asked(ask.person)]
    sharing = [Read(people.OWN_BY_TERM, {"token": token, "agency": agency, "count": MOST_SHARING}) for token in tokens]
    return [*named, *sharing]


def _named(person: Described) -> list[str]:
    """The identifiers of the person looked for, as ``system|value``."""
    number = [f"{NHS_NUMBER}|{person.number}"] if person.number else []
    return number + [f"{system}|{value}" for system, value in sorted(person.local)]


def _compared(ctx: Context, person: Described, held: list[Rows]) -> list[Candidate]:
    """Everybody who was found, once, beside the person looked for."""
    found: list[Candidate] = []
    for columns in {columns[0]: columns for rows in held for columns in rows}.values():
        comparison = compare(person, described(people.open_person(ctx.vault, columns).patient))
        found.append(Candidate(columns[0], comparison, grade_of(comparison)))
    return found


def _entry(ask: MatchRequest, told: list[Match], moment: Moment) -> Entry:
    found = tuple(_number_first(identifiers(one.row.patient)) for one in told)
    return line(
        NAME, ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, patient=_number_first(_named(ask.person)),
        found=found, detail=(("resource", "Patient"), ("count", str(len(told)))),
    )  # fmt: skip


def _number_first(named: list[str]) -> str:
    """The NHS number among identifiers, or else the first; empty where there is none."""
    return min(named, key=lambda text: not text.startswith(f"{NHS_NUMBER}|"), default="")
