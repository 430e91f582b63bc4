"""An answer as the clinician's page shows it: lines to ring by, the picture, duties, what is not said, how current it is."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.disclosure.family import Family, Member, Released, family_of, plain
from gateway.disclosure.family_picture import called, responsibility, says, svg
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.release import STATUS_DISPLAY
from gateway.disclosure.wording import Wording, Words
from gateway.exchanges.access.launched import Launched
from gateway.exchanges.agencies import profile
from gateway.exchanges.lookup.lookups import Group, LookupAnswer
from gateway.fhir.codes import Answer
from gateway.store.ledger import Feed
from gateway.web.desks import Desk, desk_of, desks_of
from gateway.web.render import day, markup

UNSTATED = "1970-01-01"  # the first day of a feed that says none
TOLD = frozenset({Answer.KNOWN, Answer.RECENTLY_CLOSED, Answer.CLOSED})


class Line(NamedTuple):
    """What a service says of one person."""

    who: str
    status: str
    since: str
    last: str


class Involved(NamedTuple):
    """A service that is or was involved, with whom, and how to reach it."""

    code: str
    organisation: str
    lines: list[Line]
    contacts: list[Desk]
    as_of: int | None


class NotSaid(NamedTuple):
    """A service that says nothing of somebody, why, and whom to ring."""

    who: str
    organisation: str
    answer: str
    reason: str
    desks: list[Desk]
    as_of: int | None


class Row(NamedTuple):
    """Somebody of the picture, in words."""

    name: str
    number: str
    relation: str
    responsibility: str
    lives: str
    known: list[tuple[int, str, str, str, int | None]]  # number, service, what it says, markers, as of


def shown(answer: LookupAnswer, launched: Launched, purpose: Purpose, wording: Wording) -> dict[str, Any]:
    """What the template shows of an answer."""
    words, feeds = wording.family, {feed.code: feed for feed in answer.coverage}
    told = [one for one in answer.groups if one.answer in TOLD and one.disclosure is not None]
    patient = launched.patient
    me = Member(
        "self", patient.name, patient.birth_date, symbol=patient.gender if patient.gender in ("female", "male") else "unknown"
    )
    involved = dict.fromkeys(one.custodian for one in told)
    family = family_of(me, [_released(one, feeds[one.custodian]) for one in told])
    return {
        "answer": answer,
        "purpose": purpose,
        "involved": [_involved(feeds[code], [one for one in told if one.custodian == code], words) for code in involved],
        "picture": markup(svg(family, words, {one: day(one) for one in _dates(family)})) if told else "",
        "rows": [_row(one, words) for one in family.people] if told else [],
        "not_said": [_not_said(one, feeds[one.custodian], words) for one in answer.groups if one.answer not in TOLD],
        "follows": _follows(answer, wording.hooks),
        "desks": [(feed.name, desks_of(profile(feed).desks)) for feed in answer.coverage if feed.code not in involved],
        "covered": [(feed.name, feed.holds_from if feed.holds_from > UNSTATED else "", feed.data_as_of) for feed in answer.coverage],
        "unsaid": words["unsaid"][answer.mode],
    }  # fmt: skip


def _follows(answer: LookupAnswer, words: Words) -> list[str]:
    """What to ask and tell, where the family's agreement opens the answer (as on the card), and what the owners ask for."""
    told = [one.answer for one in answer.groups]
    state = next((one for one in (Answer.KNOWN, Answer.RECENTLY_CLOSED) if one in told), Answer.NO_INFORMATION)
    tell = [] if "do-not-tell" in answer.obligations else [words["tell"][state]]
    advice = [words["ask"]["patient-view"], *tell] if answer.mode == "wish" else []
    return [*advice, *(words["obligation"][code] for code in answer.obligations)]


def _released(group: Group, feed: Feed) -> Released:
    assert group.disclosure is not None
    return Released(group.about, feed.name, group.disclosure, feed.data_as_of)


def _involved(feed: Feed, groups: list[Group], words: Words) -> Involved:
    """One service with all whom it speaks of; whom to ring, each number once."""
    contacts = [_contact(role) for one in groups if one.disclosure for role in one.disclosure.contacts]
    each = [one for place, one in enumerate(contacts) if one["phone"] and one not in contacts[:place]]
    leads_first = sorted(each, key=lambda one: one in desks_of(profile(feed).desks))
    return Involved(feed.code, feed.name, [_line(one, words) for one in groups], leads_first, feed.data_as_of)


def _line(group: Group, words: Words) -> Line:
    held, who = group.disclosure, words["who"][group.about]
    assert held is not None
    name = next((given for one in (held.related_person or {}).get("name", ()) for given in one.get("given", ())), "")
    status = STATUS_DISPLAY[held.status] if held.status else "Involved"
    return Line(f"{who}, {plain(str(name))}" if name else who, status, held.since, held.last_contact)


def _contact(role: dict[str, Any]) -> Desk:
    """A contact by its person's name where it has one, else by the desk's."""
    found = desk_of(role)
    name = (role.get("practitioner") or {}).get("display")
    return {**found, "name": str(name)} if name else found


def _not_said(group: Group, feed: Feed, words: Words) -> NotSaid:
    not_known = group.answer is Answer.NOT_KNOWN
    reason = words["reason"]["not-known" if not_known else group.reason]
    said = "Not in its records" if not_known else "Cannot say"
    return NotSaid(words["who"][group.about], feed.name, said, reason, desks_of(profile(feed).desks), feed.data_as_of)


def _row(member: Member, words: Words) -> Row:
    relation = "patient" if member.about == "self" else words["relation"].get(member.relation, "")
    lives = {"yes": "lives with the patient", "no": "does not live with the patient"}.get(member.lives_with, "")
    doubt = "not confirmed by who holds the record" if member.unconfirmed else ""
    known = [(one.service + 1, one.organisation, says(one), ", ".join(one.markers), one.as_of) for one in member.known]
    return Row(
        called(member, words),
        member.number,
        relation,
        responsibility(member, words),
        ", ".join(filter(None, (lives, doubt))),
        known,
    )


def _dates(family: Family) -> set[str]:
    return {date for one in family.people for date in (one.born, one.expected) if date}
