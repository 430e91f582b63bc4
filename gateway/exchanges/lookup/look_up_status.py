"""Is this person known to services, and what is their status?

The story of one lookup, downwards: gates -> one dossier -> ``decide`` for each agency and person -> ``release`` on a
Permit -> answer and access log. In wish mode whatever keeps a record back ends in the same answer; in duty mode a
negative is either a careful not-known or a cannot-say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from gateway.audit.vouched import UNWITNESSED
from gateway.disclosure.decision import Asked, Permit, Refuse, Tie, decide, gate
from gateway.disclosure.question import proven
from gateway.disclosure.release import release
from gateway.disclosure.rules import Directive
from gateway.exchanges.agencies import case_owner_kind, is_fresh
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lookup.charge import OVER, charge_for
from gateway.exchanges.lookup.interests import avoided, interests_read
from gateway.exchanges.lookup.look_up_log import entries, gate_entry
from gateway.exchanges.lookup.look_up_people import Found, find_people, first_reads
from gateway.exchanges.lookup.look_up_people import hospital_states as hospital_states
from gateway.exchanges.lookup.look_up_reviews import conflict_item, override_items, override_notices
from gateway.exchanges.lookup.lookups import Finding
from gateway.exchanges.lookup.lookups import Group as Group
from gateway.exchanges.lookup.lookups import LookupAnswer as LookupAnswer
from gateway.exchanges.lookup.lookups import LookupRequest as LookupRequest
from gateway.exchanges.records import dossiers
from gateway.exchanges.records.dossiers import Known, Resource
from gateway.exchanges.reviews import CONFLICT
from gateway.fhir import systems
from gateway.fhir.codes import Answer
from gateway.fhir.dates import first_day
from gateway.fhir.outcomes import Forbidden
from gateway.store import clock
from gateway.store.ledger import Feed, Moment, Outcome, Rows, Story
from gateway.store.people import Opened
from gateway.store.sql import Write

AT_THE_GATE = "This purpose may not be used here: check purpose, role and case reference. $check-share says what may be shared."
# Refused for what is not the asker's doing, or before it is known who asks.
NOT_CHARGED = frozenset({"token-superseded", "policy-stale", UNWITNESSED})


class Enquiry(NamedTuple):
    """A lookup after its gates, with what all its decisions stand on."""

    ctx: Context
    ask: LookupRequest
    asked: Asked
    on: date
    moment: Moment
    hospital: dict[str, bool]
    avoided: frozenset[str] = frozenset()  # NHS numbers of the asker and their family


class Person(NamedTuple):
    """One person of a lookup, with wishes and ties compiled once for all agencies."""

    known: Known
    wishes: list[Directive]
    ties: list[Tie]


def look_up_status(ctx: Context, ask: LookupRequest, moment: Moment) -> Story[LookupAnswer]:
    """One lookup. Always an answer: refusals are values."""
    asked = as_asked(ctx, ask, moment)
    refused = refusal_at_gate(ctx, ask, asked, moment)
    if refused in NOT_CHARGED:
        return _refuse(ctx, ask, moment, refused)
    charge = charge_for(ctx, ask.requester, ask.nhs or ask.birth_date, moment, by_day=ask.by_day)
    counting = charge.reads
    if refused or asked is None:
        charged = charge.taken((yield counting) if counting else [])
        return _refuse(ctx, ask, moment, OVER if charged is None else refused, charged)
    interests = interests_read(ctx, ask.requester, moment)
    wanted = (*counting, *interests, *first_reads(ctx, ask))
    rows = (yield wanted) if wanted else []
    charged, rows = charge.taken(rows[: len(counting)]), rows[len(counting) :]
    if charged is None:
        return _refuse(ctx, ask, moment, OVER)
    enquiry = Enquiry(ctx, ask, asked, asked.on, moment, {}, avoided(ctx, ask.requester, moment, rows[: len(interests)]))
    return (yield from _look_up(enquiry, rows[len(interests) :], charged))


def _look_up(enquiry: Enquiry, rows: list[Rows], charged: tuple[Write, ...]) -> Story[LookupAnswer]:
    """A lookup that passed its gates, with what its first read gave."""
    ctx, ask, asked, on, moment, *_ = enquiry
    covered = covering(ctx, asked, moment)
    if ask.nhs in enquiry.avoided:
        return _answer(enquiry, covered, _conflicted(enquiry, covered), charged)
    found = yield from find_people(ctx, ask, moment, asked, rows)
    hospital = yield from hospital_states(ctx, found.known, on, moment)
    if hospital:
        enquiry = enquiry._replace(hospital=hospital)
    findings = [_finding(enquiry, one, feed) for one in _with_wishes(found.known, on) for feed in covered]
    findings += [_unlinked(enquiry, found, about, feed) for about in ask.about for feed in covered if found.none_told(about)]
    findings += _held_elsewhere(found, {asked.requester.agency, *(feed.code for feed in covered)})
    if ask.is_override:
        charged = (*charged, *(yield from override_notices(ctx, ask, moment, found.everybody())))
    return _answer(enquiry, covered, findings, charged, found)


def _conflicted(enquiry: Enquiry, covered: list[Feed]) -> list[Finding]:
    """Who asks about themselves or their family gets what is said when a record does not leave, and nobody is looked for."""
    ask, refusal = enquiry.ask, Refuse(CONFLICT)
    return [_kept_back(enquiry, Known(about, ask.nhs, []), feed, refusal) for about in ask.about for feed in covered]


def as_asked(ctx: Context, ask: LookupRequest, moment: Moment) -> Asked | None:
    """The request for the decision; None where purpose or organisation is not known here."""
    purpose = ctx.purposes.get(ask.purpose)
    feed = moment.feeds.get(ask.requester.agency)
    if purpose is None or feed is None:
        return None
    return Asked(ask.requester, feed.kind, purpose, clock.moment(moment.at))


def refusal_at_gate(ctx: Context, ask: LookupRequest, asked: Asked | None, moment: Moment) -> str:
    """A refusal that rests on the request alone; empty where there is none."""
    if ask.requester.stamp != moment.stamp:
        return "token-superseded"
    if ctx.agreements.version != moment.policy:
        return "policy-stale"
    if asked is None:
        return "purpose-not-yours"
    if not ask.is_override and ctx.vouched.refuses(moment.at, duty=asked.purpose.is_duty):
        return UNWITNESSED
    return _at_gate(ask, asked, moment)


def _at_gate(ask: LookupRequest, asked: Asked, moment: Moment) -> str:
    owner = case_owner_kind(moment, ask.requester.agency, ask.case_reference, ask.case_owner)
    return gate(asked, owner, has_reason=bool(ask.reason), has_override=ask.override is not None) or ""


def check_gate(ctx: Context, ask: LookupRequest, moment: Moment) -> None:
    """The gate of a lookup for what is not answered as one. Raises Forbidden, with the same words for every cause."""
    asked = as_asked(ctx, ask, moment)
    if asked is None or _at_gate(ask, asked, moment):
        raise Forbidden(AT_THE_GATE)


def covering(ctx: Context, asked: Asked, moment: Moment) -> list[Feed]:
    """The agencies from which this requester may hear for this purpose, whoever is asked about."""
    requester = asked.requester
    codes = ctx.agreements.coverage(requester.agency, asked.kind, asked.purpose.code, requester.role, asked.on)
    return [moment.feeds[code] for code in codes if code in moment.feeds]


def _with_wishes(known: Iterable[Known], on: date) -> list[Person]:
    people = []
    for one in known:
        wishes = dossiers.directives(one)  # ties say whose wishes count
        people.append(Person(one, wishes, [*dossiers.ties(one.rows, on), *one.proof] if wishes else []))
    return people


def _finding(enquiry: Enquiry, person: Person, feed: Feed) -> Finding:
    """One agency, one person. A relative whom the asker alone has told of is nobody's; who has no involvement that has
    begun is a stranger here, as is who was adopted; a shield, or that the owner withholds it, stands before that."""
    known = person.known
    if known.nhs in enquiry.avoided:
        return _kept_back(enquiry, known, feed, Refuse(CONFLICT))
    if known.about != "self" and not proven(tuple(known.proof), enquiry.asked.requester.agency):
        return _kept_back(enquiry, known, feed, Refuse("no-relationship"))
    row = known.at(feed.code)
    involved = dossiers.involvements(row) if row else []
    if row is None or not (dossiers.is_telling(row, enquiry.on) or dossiers.is_closed(row, enquiry.asked)):
        return _without(enquiry, known, row, feed)
    decision = _decide(enquiry, person, row, feed)
    if isinstance(decision, Refuse):
        return _kept_back(enquiry, known, feed, decision)
    named = reference(enquiry.ctx, known, enquiry.asked.requester.agency, decision)
    holding = dossiers.holding(known, row, feed, named, involved, enquiry.ctx.base, _named_by_number(enquiry.ask.nhs))
    disclosure = release(holding, decision, enquiry.on, enquiry.ctx.base)
    if disclosure is None:
        return _kept_back(enquiry, known, feed, Refuse("not-known", decision.consents))
    group = Group(feed.code, known.about, disclosure.answer, "", disclosure)
    return Finding(group, feed.code, known, decision, "", decision.consents)


def _without(enquiry: Enquiry, known: Known, row: Opened | None, feed: Feed) -> Finding:
    """Nothing is held that could be told: a stranger; or a record that contradicts itself, which is no stranger's."""
    if row is not None and dossiers.is_unsettled(row, enquiry.on):
        return _kept_back(enquiry, known, feed, Refuse("not-certain"))
    hidden = any(one.agency == feed.code for one in known.hidden)
    return _stranger(enquiry, known, feed, "adopted" if hidden else "not-known")


def _decide(enquiry: Enquiry, person: Person, row: Opened, feed: Feed) -> Permit | Refuse:
    asked_birth = first_day(enquiry.ask.birth_date) if person.known.about == "self" else None
    if person.known.about == "self" and asked_birth is None:
        return Refuse("not-certain")
    subject = dossiers.subject(person.known, row, feed, enquiry.moment, asked_birth, enquiry.hospital)
    return decide(enquiry.asked, subject, person.wishes, person.ties, enquiry.ctx.agreements)


def reference(ctx: Context, known: Known, receiver: str, permit: Permit) -> Resource:
    """How a person is named to a receiver: by NHS number where identity may leave, else by a handle of its own."""
    if known.nhs and (known.about == "self" or "relative-identity" in permit.classes):
        return _named_by_number(known.nhs)
    mark = known.nhs or (known.rows[0].id if known.rows else "")
    handle = ctx.vault.token("handle", receiver, mark).hex()
    return {"type": "Patient", "identifier": {"system": f"{ctx.base}/Id/person-handle", "value": handle}}


def _named_by_number(nhs: str) -> Resource:
    return {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": nhs}}


def _stranger(enquiry: Enquiry, known: Known, feed: Feed, reason: str) -> Finding:
    """Nothing is held here. Under a duty that may be said, if everything that could make it untrue is ruled out."""
    if not enquiry.asked.purpose.is_duty:
        return Finding(None, feed.code, known, reason=reason)
    doubt = _doubt(enquiry, known, feed)
    if doubt:
        return Finding(Group(feed.code, known.about, Answer.CANNOT_SAY, doubt), feed.code, known, reason=reason)
    return Finding(Group(feed.code, known.about, Answer.NOT_KNOWN), feed.code, known, reason=reason)


def _doubt(enquiry: Enquiry, known: Known, feed: Feed) -> str:
    """Why not-known may not be said (cannot-say-reason); empty where it may."""
    asked = enquiry.asked
    if enquiry.ask.is_override:
        return RING
    line = enquiry.ctx.agreements.line(
        feed.code, asked.requester.agency, asked.kind, asked.purpose.code, asked.requester.role, asked.on
    )
    if line is None or not line.explicit_negatives or not _is_sure_who(enquiry, known):
        return RING
    return "" if feed.complete and is_fresh(feed, enquiry.moment.at) else "data-too-old"


def _is_sure_who(enquiry: Enquiry, known: Known) -> bool:
    """Whether number and birth date are given and sure: by the asker, and nobody holds the number under another birth
    date; a relative's by somebody's record."""
    ask = enquiry.ask
    if known.about != "self":
        return dossiers.confirmed(known, enquiry.moment.feeds, None)
    born = first_day(ask.birth_date)
    return bool(known.nhs) and ask.verified and born is not None and known.birth_dates() <= {born}


RING = "ring-the-desk"
DUTY_REASONS = {"no-relationship": "no-relationship-recorded", "feed-stale": "data-too-old"}


def _kept_back(enquiry: Enquiry, known: Known, feed: Feed, refusal: Refuse) -> Finding:
    """A record that does not leave: part of a duty answer as cannot-say, of a wish answer not at all. An override's owner
    rings back: its negatives are all of one shape."""
    group = None
    if enquiry.asked.purpose.is_duty:
        reason = RING if enquiry.ask.is_override else DUTY_REASONS.get(refusal.reason, RING)
        group = Group(feed.code, known.about, Answer.CANNOT_SAY, reason)
    return Finding(group, feed.code, known, reason=refusal.reason, consents=refusal.consents, withheld=refusal.withheld)


def _unlinked(enquiry: Enquiry, found: Found, about: str, feed: Feed) -> Finding:
    """Children or parents were asked about, and none can be named."""
    doubt = RING if enquiry.ask.is_override else found.doubt
    group = Group(feed.code, about, Answer.CANNOT_SAY, doubt) if enquiry.asked.purpose.is_duty else None
    return Finding(group, feed.code, Known(about, enquiry.ask.nhs, []), reason="no-relationship")


def _held_elsewhere(found: Found, apart_from: set[str]) -> list[Finding]:
    """Agencies that hold the person and share nothing with the asker: their auditors see that somebody asked."""
    if found.known == [found.me] and not found.me.hidden and all(row.agency in apart_from for row in found.me.rows):
        return []
    others = {
        (row.agency, id(one)): one
        for one in found.everybody()
        for row in (*one.rows, *one.hidden)
        if row.agency not in apart_from
    }
    return [Finding(None, agency, one, reason="no-agreement") for (agency, _), one in others.items()]


def _answer(
    enquiry: Enquiry, covered: list[Feed], findings: list[Finding], charged: tuple[Write, ...], found: Found | None = None
) -> Outcome[LookupAnswer]:
    mode, duty = enquiry.asked.purpose.mode, enquiry.asked.purpose.is_duty
    groups = tuple(one.group for one in findings if one.group)
    permits = [one.permit for one in findings if one.permit]
    answer = LookupAnswer(
        id=new_id(),
        at=enquiry.moment.at,
        mode=mode,
        coverage=tuple(covered),
        groups=groups,
        basis=_each_once([permit.basis for permit in permits]),
        obligations=_each_once([code for permit in permits for code in permit.obligations]),
        explanation=enquiry.ctx.explanations[f"{mode}/{_strongest(groups)}"],
        held=not duty or not groups or Answer.CANNOT_SAY in [group.answer for group in groups],
    )
    audit = entries(enquiry.ask, enquiry.moment, answer.id, enquiry.ctx.agreements.version, findings)
    return Outcome(answer, audit, (*charged, *_items(enquiry, found, answer.id)))


def _items(enquiry: Enquiry, found: Found | None, identifier: str) -> list[Write]:
    """What somebody has to look at afterwards."""
    ctx, ask, moment = enquiry.ctx, enquiry.ask, enquiry.moment
    items: list[Write] = []
    if ask.nhs in enquiry.avoided:  # by the request alone: an item on a relative's account would tell whose relative it is
        items.append(conflict_item(ctx, ask, moment, identifier))
    if ask.is_override:
        items += override_items(ctx, ask, moment, found.everybody() if found else (), identifier)
    return items


STRENGTH = [Answer.KNOWN, Answer.RECENTLY_CLOSED, Answer.CLOSED, Answer.CANNOT_SAY, Answer.NOT_KNOWN]


def _strongest(groups: tuple[Group, ...]) -> Answer:
    answers = [group.answer for group in groups]
    return next((answer for answer in STRENGTH if answer in answers), Answer.NO_INFORMATION)


def _each_once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


def _refuse(
    ctx: Context, ask: LookupRequest, moment: Moment, reason: str, charged: tuple[Write, ...] | None = None
) -> Outcome[LookupAnswer]:
    """Refused at a gate: the words are constant and depend on the request alone. Where rows of the person were read, how
    long that took is not shown."""
    asked = as_asked(ctx, ask, moment) if reason == UNWITNESSED else None
    desks = tuple(covering(ctx, asked, moment)) if asked else ()  # whom to ring instead
    answer = LookupAnswer(new_id(), moment.at, "none", desks, refused=reason, held=reason == OVER)
    return Outcome(answer, (gate_entry(ask, moment, answer.id, ctx.agreements.version, reason),), charged or ())
