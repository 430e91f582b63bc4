"""Is this person known to services, and what is their status?

The story of one lookup, downwards: gates -> one dossier -> ``decide`` for each agency and person -> ``release`` on a
Permit -> answer and access log. In wish mode whatever keeps a record back ends in the same answer; in duty mode a
negative is either a careful not-known or a cannot-say.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.decision import ADOPTED, Asked, Permit, Refuse, Tie, decide, gate
from gateway.disclosure.release import Disclosure, answer_of, release
from gateway.disclosure.requester import Requester
from gateway.exchanges import dossiers
from gateway.exchanges.agencies import is_fresh
from gateway.exchanges.context import Context, entry_id, new_id
from gateway.exchanges.dossiers import Known, Resource
from gateway.fhir import systems
from gateway.fhir.codes import CHILDREN, PARENTS, Answer
from gateway.fhir.dates import first_day
from gateway.fhir.elements import nhs_number
from gateway.store import clock, people
from gateway.store.ledger import Feed, Moment, Outcome, Story
from gateway.store.sql import Read

NAME = "look_up_status"
ROLES = {"children": CHILDREN, "parents": PARENTS}
Reads = Generator[Any, Any, list[Known]]


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A lookup as the edge understood it; nothing in it is decided yet."""

    requester: Requester
    nhs: str  # ten digits with a valid check digit, or empty
    birth_date: str  # FHIR date, or empty
    verified: bool  # the asker does not doubt the number
    purpose: str
    about: tuple[str, ...] = ("self",)
    case_reference: str = ""  # system|value
    case_owner: str = ""  # ODS code of the agency whose case it is
    reason: str = ""
    override: tuple[str, str, str] | None = None  # type, reason, justification
    request_id: str = ""

    @property
    def patient(self) -> str:
        return f"{systems.NHS_NUMBER}|{self.nhs}" if self.nhs else ""


@dataclass(frozen=True, slots=True)
class Group:
    """One agency about one person, as it goes into the answer."""

    custodian: str
    about: str
    answer: Answer
    reason: str = ""
    disclosure: Disclosure | None = None


@dataclass(frozen=True, slots=True)
class LookupAnswer:
    """What the edge renders. ``refused`` names a gate; ``held`` says that the answer leaves on the tick."""

    id: str
    at: int
    mode: str
    coverage: tuple[Feed, ...] = ()
    groups: tuple[Group, ...] = ()
    basis: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    explanation: str = ""
    refused: str = ""
    held: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one agency and one person: a group for the answer or None, and the line for the log."""

    group: Group | None
    custodian: str
    known: Known
    permit: Permit | None = None
    reason: str = ""
    consents: tuple[str, ...] = ()


def look_up_status(ctx: Context, ask: LookupRequest, moment: Moment) -> Story[LookupAnswer]:
    """One lookup. Always an answer: refusals are values."""
    asked = as_asked(ctx, ask, moment)
    refused = refusal_at_gate(ctx, ask, asked, moment)
    if refused or asked is None:
        return _refuse(ctx, ask, moment, refused)
    covered = ctx.agreements.coverage(
        asked.requester.agency, asked.kind, asked.purpose.code, asked.requester.role, asked.on
    )
    known = yield from _people(ctx, ask)
    hospital = yield from hospital_states(ctx, known, asked.on)
    findings = [
        _finding(ctx, ask, asked, moment, person, moment.feeds[code], hospital)
        for person in known
        for code in covered
        if code in moment.feeds
    ]
    findings += [_unlinked(ask, about, code) for about in ask.about for code in covered if _none_told(known, about)]
    findings += _held_elsewhere(known, {*covered, asked.requester.agency})
    return _answer(ctx, ask, asked, moment, covered, findings)


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
    owner = None
    if ask.case_reference:
        owner_feed = moment.feeds.get(ask.case_owner or ask.requester.agency)
        owner = owner_feed.kind if owner_feed else ""
    return gate(asked, owner, has_reason=bool(ask.reason), has_override=ask.override is not None) or ""


def _people(ctx: Context, ask: LookupRequest) -> Reads:
    """The persons asked about, opened: the person, and their children or parents where somebody told us of them."""
    if not ask.nhs:
        return [Known("self", "", [])] if "self" in ask.about else []
    token = ctx.vault.nhs_token(ask.nhs)
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": token}, (token,))))
    me = Known("self", ask.nhs, rows)
    found = [me] if "self" in ask.about else []
    for about in ask.about:
        if about in ROLES:
            found += yield from _relatives(ctx, me, about)
    return found


def _relatives(ctx: Context, me: Known, about: str) -> Reads:
    """Children or parents of a person, each once, however many agencies told us."""
    told = [
        (held, row)
        for row in me.rows
        for held in row.of_type("RelatedPerson")
        if held.related and held.body.get("active", True) and dossiers.role(held.body) in ROLES[about]
    ]
    if not told:
        return []
    found = yield tuple(Read(people.NHS_TOKENS, {"key": held.related}) for held, _ in told)
    tokens = [rows[0][1] if rows else None for rows in found]
    dossier_rows = yield tuple(
        Read(people.DOSSIER, {"key": token}, (token,)) if token else Read(people.DOSSIER_BY_ROW, {"key": held.related})
        for token, (held, _) in zip(tokens, told, strict=True)
    )
    relatives: dict[object, Known] = {}
    for token, (held, row), rows in zip(tokens, told, dossier_rows, strict=True):
        known = relatives.get(token or held.related)
        if known is None:
            opened = people.open_dossier(ctx.vault, rows)
            number = next(filter(None, (nhs_number(one.patient) for one in opened)), "")
            known = relatives[token or held.related] = Known(about, number if token else "", opened)
        known.proof.append(dossiers.tie(held, row))
        known.relatives[row.agency] = held.body
    return sorted(relatives.values(), key=lambda one: one.nhs)


def hospital_states(ctx: Context, known: list[Known], on: date) -> Generator[Any, Any, dict[str, bool]]:
    """Who is in hospital, of the persons read and of those on whose stay a wish depends."""
    if not dossiers.has_conditions(known):
        return {}
    rows = [row for one in known for row in one.rows]
    tokens = [ctx.vault.nhs_token(number) for number in sorted(dossiers.conditional_performers(known))]
    if tokens:
        for found in (yield tuple(Read(people.DOSSIER, {"key": token}, (token,)) for token in tokens)):
            rows += people.open_dossier(ctx.vault, found)
    return dossiers.in_hospital(rows, on)


def _none_told(known: list[Known], about: str) -> bool:
    """Whether children or parents were asked about and nobody has told us of any (nor is a person to look for)."""
    return about in ROLES and not any(one.about == about for one in known)


def _finding(
    ctx: Context, ask: LookupRequest, asked: Asked, moment: Moment, known: Known, feed: Feed, hospital: dict[str, bool]
) -> Finding:
    """One agency, one person: decide, and release on a Permit only."""
    row = known.at(feed.code)
    if row is None or dossiers.restriction(row.patient) in ADOPTED:
        reason = "not-known" if row is None else "adopted"
        return _stranger(ctx, ask, asked, moment, known, feed, reason)
    asked_birth = first_day(ask.birth_date) if known.about == "self" else None
    if known.about == "self" and asked_birth is None:
        return _kept_back(asked, known, feed, Refuse("not-certain"))
    subject = dossiers.subject(known, row, feed, moment, asked_birth, hospital)
    decision = decide(asked, subject, dossiers.directives(known), _ties(known), ctx.agreements)
    if isinstance(decision, Refuse):
        return _kept_back(asked, known, feed, decision)
    holding = dossiers.holding(known, row, feed, reference(ctx, known, asked.requester.agency, decision))
    answer = answer_of(holding, asked.on)
    if answer is Answer.NOT_KNOWN:
        return _stranger(ctx, ask, asked, moment, known, feed, "not-known")
    if answer is Answer.CLOSED and not asked.purpose.is_duty:
        return _kept_back(asked, known, feed, Refuse("not-known", decision.consents))
    disclosure = release(holding, decision, asked.on, ctx.base)
    return Finding(
        Group(feed.code, known.about, answer, disclosure=disclosure), feed.code, known, decision, "", decision.consents
    )


def _ties(known: Known) -> list[Tie]:
    return [*dossiers.ties(known.rows), *known.proof]


def reference(ctx: Context, known: Known, receiver: str, permit: Permit) -> Resource:
    """How a person is named to a receiver: by NHS number where identity may leave, else by a handle of its own."""
    if known.nhs and (known.about == "self" or "relative-identity" in permit.classes):
        return {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": known.nhs}}
    mark = known.nhs or (known.rows[0].id if known.rows else "")
    handle = ctx.vault.token("handle", receiver, mark).hex()
    return {"type": "Patient", "identifier": {"system": f"{ctx.base}/Id/person-handle", "value": handle}}


def _stranger(
    ctx: Context, ask: LookupRequest, asked: Asked, moment: Moment, known: Known, feed: Feed, reason: str
) -> Finding:
    """Nothing is held here. Under a duty that may be said, if everything that could make it untrue is ruled out."""
    if not asked.purpose.is_duty:
        return Finding(None, feed.code, known, reason=reason)
    doubt = _doubt(ctx, ask, asked, moment, known, feed)
    if doubt:
        return Finding(Group(feed.code, known.about, Answer.CANNOT_SAY, doubt), feed.code, known, reason=reason)
    return Finding(Group(feed.code, known.about, Answer.NOT_KNOWN), feed.code, known, reason=reason)


def _doubt(ctx: Context, ask: LookupRequest, asked: Asked, moment: Moment, known: Known, feed: Feed) -> str:
    """Why not-known may not be said (cannot-say-reason); empty where it may."""
    line = ctx.agreements.line(
        feed.code, asked.requester.agency, asked.kind, asked.purpose.code, asked.requester.role, asked.on
    )
    if line is None or not line.explicit_negatives or not known.nhs:
        return "ring-the-desk"
    if known.about == "self" and (not ask.verified or not ask.birth_date or _other_birth_date(known, ask.birth_date)):
        return "ring-the-desk"
    return "" if feed.complete and is_fresh(feed, moment.at) else "data-too-old"


def _other_birth_date(known: Known, stated: str) -> bool:
    """Whether anybody holds this number under another birth date."""
    born: date | None = first_day(stated)
    held = (first_day(row.patient.get("birthDate")) for row in known.rows)
    return any(other is not None and other != born for other in held)


DUTY_REASONS = {"no-relationship": "no-relationship-recorded", "feed-stale": "data-too-old"}


def _kept_back(asked: Asked, known: Known, feed: Feed, refusal: Refuse) -> Finding:
    """A record that does not leave: part of a duty answer as cannot-say, of a wish answer not at all."""
    group = None
    if asked.purpose.is_duty:
        reason = DUTY_REASONS.get(refusal.reason, "ring-the-desk")
        group = Group(feed.code, known.about, Answer.CANNOT_SAY, reason)
    return Finding(group, feed.code, known, reason=refusal.reason, consents=refusal.consents)


def _unlinked(ask: LookupRequest, about: str, code: str) -> Finding:
    group = Group(code, about, Answer.CANNOT_SAY, "no-relationship-recorded")
    return Finding(group, code, Known(about, ask.nhs, []), reason="no-relationship")


def _held_elsewhere(known: list[Known], apart_from: set[str]) -> list[Finding]:
    """Agencies that hold the person and share nothing with the asker: their auditors see that somebody asked."""
    others = {(row.agency, id(one)): one for one in known for row in one.rows if row.agency not in apart_from}
    return [Finding(None, agency, one, reason="no-agreement") for (agency, _), one in others.items()]


def _answer(
    ctx: Context, ask: LookupRequest, asked: Asked, moment: Moment, covered: tuple[str, ...], findings: list[Finding]
) -> Outcome[LookupAnswer]:
    duty = asked.purpose.is_duty
    groups = tuple(one.group for one in findings if one.group and (duty or one.permit))
    permits = [one.permit for one in findings if one.permit]
    identifier = new_id()
    strongest = _strongest(groups)
    answer = LookupAnswer(
        id=identifier,
        at=moment.at,
        mode=asked.purpose.mode,
        coverage=tuple(moment.feeds[code] for code in covered if code in moment.feeds),
        groups=groups,
        basis=_each_once(permit.basis for permit in permits),
        obligations=_each_once(code for permit in permits for code in permit.obligations),
        explanation=ctx.explanations[f"{asked.purpose.mode}/{strongest}"],
        held=not duty or any(group.answer is Answer.CANNOT_SAY for group in groups) or not groups,
    )
    return Outcome(answer, _entries(ask, moment, identifier, ctx.agreements.version, findings))


STRENGTH = [Answer.KNOWN, Answer.RECENTLY_CLOSED, Answer.CLOSED, Answer.CANNOT_SAY, Answer.NOT_KNOWN]


def _strongest(groups: tuple[Group, ...]) -> Answer:
    answers = {group.answer for group in groups}
    return next((answer for answer in STRENGTH if answer in answers), Answer.NO_INFORMATION)


def _each_once(codes: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


def _entries(
    ask: LookupRequest, moment: Moment, identifier: str, policy: str, findings: list[Finding]
) -> tuple[Entry, ...]:
    """One line for each agency and person; the first stands for the request as the asker's auditor sees it."""
    if not any(one.group or one.reason != "no-agreement" for one in findings):
        mine = entry(ask, moment, identifier, policy, Kind.NEGATIVE, REFUSED, refusal="no-agreement", asked=True)
        return (mine, *(_line(ask, moment, identifier, policy, one, first=False) for one in findings))
    return tuple(
        _line(ask, moment, identifier, policy, finding, first=place == 0) for place, finding in enumerate(findings)
    )


def _line(
    ask: LookupRequest, moment: Moment, identifier: str, policy: str, finding: Finding, *, first: bool
) -> Entry:
    permit, known = finding.permit, finding.known
    found = (f"{systems.NHS_NUMBER}|{known.nhs}",) if known.about != "self" and known.nhs else ()
    done = permit is not None or finding.reason == "not-known"
    return entry(
        ask,
        moment,
        identifier,
        policy,
        Kind.DISCLOSURE if permit else Kind.NEGATIVE,
        DONE if done else REFUSED,
        custodian=finding.custodian,
        found=found,
        basis=(permit.basis,) if permit else (),
        tier=permit.tier if permit else None,
        consents=finding.consents,
        refusal="" if permit else finding.reason,
        asked=first,
    )


def entry(
    ask: LookupRequest, moment: Moment, identifier: str, policy: str, kind: Kind, outcome: int, **more: Any
) -> Entry:
    """A line of the access log for this request."""
    requester = ask.requester
    return Entry(
        id=entry_id(moment.at),
        recorded=moment.at,
        exchange=NAME,
        outcome=outcome,
        kind=kind,
        requester=requester.agency,
        client=requester.client_id,
        user=requester.user,
        role=requester.role,
        purpose=ask.purpose,
        case_reference=ask.case_reference,
        patient=ask.patient,
        policy=policy,
        disclosure=identifier,
        request_id=ask.request_id,
        **more,
    )


def _refuse(ctx: Context, ask: LookupRequest, moment: Moment, reason: str) -> Outcome[LookupAnswer]:
    """Refused at a gate: the words are constant and depend on the request alone."""
    identifier = new_id()
    line = entry(ask, moment, identifier, ctx.agreements.version, Kind.NEGATIVE, REFUSED, refusal=reason, asked=True)
    return Outcome(LookupAnswer(identifier, moment.at, "none", refused=reason, held=False), (line,))
