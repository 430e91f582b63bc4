"""What a person wants, written down in one call and read back in plain words; and a stored wish in plain words.

The wish goes the way of every Consent (``write_resource``, ``read_resource``), with the same line in the log.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.disclosure import plain
from gateway.disclosure.requester import Requester
from gateway.disclosure.wish_forms import Said, consent_of, faults_of, faults_on
from gateway.exchanges.agencies import names
from gateway.exchanges.context import Context
from gateway.exchanges.records.resources import ReadRequest, WriteRequest, person_token, read_resource, write_resource
from gateway.fhir.dates import last_day
from gateway.fhir.elements import identifiers, identity
from gateway.fhir.outcomes import Issue, Unprocessable
from gateway.store import clock, people
from gateway.store.ledger import Feed, Moment, Outcome, Story
from gateway.store.people import Held, Opened
from gateway.store.sql import Read


@dataclass(frozen=True, slots=True)
class WishRequest:
    """Wishes to be written down."""

    requester: Requester
    said: Said
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A Consent as it is held, and its sentences."""

    held: Held
    plain: tuple[str, ...]


def record_wish(ctx: Context, ask: WishRequest, moment: Moment) -> Story[Told]:
    """One Consent made of the wishes, stored, and read back. Raises Unprocessable where they contradict each other,
    or what is on record."""
    faults = faults_of(ask.said)
    if faults:
        raise Unprocessable.of([Issue(text, "business-rule", "Parameters.parameter(wish)") for text in faults])
    words, agency = ctx.wording.wishes, ask.requester.agency
    born = yield from _born(ctx, agency, ask.said.person)
    if untimely := faults_on(ask.said, clock.day(moment.at), born):
        raise Unprocessable.of([Issue(text, "business-rule", f"Parameters.parameter({part})") for part, text in untimely])
    title = words["note"]["paper"]
    consent = consent_of(ask.said, agency, clock.instant(moment.at), title, ctx.base)
    write = WriteRequest(ask.requester, "Consent", consent, request_id=ask.request_id)
    outcome = yield from write_resource(ctx, write, moment)
    held = outcome.answer.held
    person, others = yield from _person(ctx, agency, held)
    replaced = [words["note"]["replaces"]] if any(_takes_place_of(held, one) for one in others) else []
    told = Told(held, (*_sentences(ctx, held, agency, person, moment.feeds), *replaced))
    return Outcome(told, outcome.audit, outcome.writes)


def read_wish(ctx: Context, ask: ReadRequest, moment: Moment) -> Story[Told | None]:
    """The sentences of one of the agency's own Consents; None where there is none, or it is not theirs."""
    outcome = yield from read_resource(ctx, ask, moment)
    held = outcome.answer
    if held is None:
        return Outcome(None, outcome.audit)
    agency = ask.requester.agency
    person, _ = yield from _person(ctx, agency, held)
    return Outcome(Told(held, _sentences(ctx, held, agency, person, moment.feeds)), outcome.audit)


def _sentences(ctx: Context, held: Held, agency: str, person: plain.Person, feeds: Mapping[str, Feed]) -> tuple[str, ...]:
    return plain.sentences_of(held.body, agency, held.updated, ctx.wording.wishes, person, names(feeds))


def _born(ctx: Context, agency: str, person: str) -> Generator[Any, Any, date | None]:
    """The birth date that the agency itself holds; of a month or a year the last day, so that nobody is made older."""
    row = yield from _own(ctx, agency, person)
    return last_day(row.patient.get("birthDate")) if row else None


def _person(ctx: Context, agency: str, held: Held) -> Generator[Any, Any, tuple[plain.Person, list[Held]]]:
    """Whose wish it is, by the name that the agency itself holds, and the person's other Consents there."""
    row = yield from _own(ctx, agency, identity(held.body.get("patient")))
    if row is None:
        return plain.NOBODY_NAMED, []
    records = yield Read(people.OWN_RECORDS_OF, {"agency": agency, "type": "Consent", "person_id": row.id})
    others = [people.open_record(row.cipher, columns[5:]) for columns in records]
    return person_of(row.patient), [one for one in others if one.id != held.id]


def _own(ctx: Context, agency: str, person: str) -> Generator[Any, Any, Opened | None]:
    """The agency's own row of a person ``system|value``."""
    rows = yield Read(people.OWN_BY_TOKEN, {"token": person_token(ctx, agency, person), "agency": agency})
    return people.open_person(ctx.vault, rows[0]) if rows else None


def person_of(patient: Mapping[str, Any]) -> plain.Person:
    """A Patient for the words of a wish: first name, words, numbers."""
    given = next((str(name) for one in patient.get("name", ()) for name in one.get("given", ())), "")
    shown = given.title() if given.isupper() else given
    return plain.Person(shown, str(patient.get("gender", "")), frozenset(identifiers(patient)))


def _takes_place_of(held: Held, other: Held) -> bool:
    """Whether a Consent says what the same person said before in the same matter (``rules.newest``)."""
    same = all(held.body.get(part) == other.body.get(part) for part in ("performer", "policy", "category", "organization"))
    return same and other.body.get("status") == "active"
