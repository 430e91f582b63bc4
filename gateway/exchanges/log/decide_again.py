"""The same decision once more, from the versions that it used: does it come out the same?

Agreements that were published, wishes, relationships and hospital stays are taken as they stood when the entry was made.
Purposes are those of today: where they have changed, the version of then cannot be made again, nor can one that a folder
had part in. What is not kept as of then (how sure an identity was, how fresh a feed was) is taken as the decision itself
found it; where it turned on that, it cannot be made again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, select

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.agreements import Agreements
from gateway.disclosure.decision import Asked, Permit, Refuse, Subject, decide
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.requester import Requester
from gateway.disclosure.rules import Directive
from gateway.exchanges.context import Context
from gateway.exchanges.records import dossiers
from gateway.exchanges.records.dossiers import Known, Resource
from gateway.fhir import systems
from gateway.fhir.dates import whole_day
from gateway.store import clock, people
from gateway.store.ledger import Moment
from gateway.store.people import Held, Opened
from gateway.store.sql import Read, Statement
from gateway.store.tables import record_version as kept

DECIDED = frozenset({"look_up_status"})
DECIDED_OTHERWISE = frozenset({Kind.DELIVERY, Kind.DELIVERY_RESULT, Kind.DECISION, Kind.OVERRIDE})
ON_VERSIONS = frozenset({"", "no-agreement", "wish-missing", "wish-refused", "wish-condition-not-met", "wishes-conflict"})
NHS = f"{systems.NHS_NUMBER}|"
VERSION_AT = Statement(
    select(kept.c.version, kept.c.body, kept.c.updated)
    .where(kept.c.record == bindparam("id", type_=Text), kept.c.updated <= bindparam("at", type_=BigInteger))
    .order_by(kept.c.version.desc())
    .limit(1)
)


class Considered(NamedTuple):
    """A Consent that a decision looked at, in the version of then. ``body`` is None where it is gone."""

    ref: str
    agency: str
    body: Resource | None
    updated: int
    patient: Resource  # whose record it stands in

    def directive(self) -> Directive | None:
        """As the decision saw it."""
        return None if self.body is None else compile_consent(self.body, self.ref, self.agency, self.updated)


class Again(NamedTuple):
    """``same``, ``different`` or ``not-possible``; what is gone, by the words of [again]; what came out where it differs."""

    result: str
    gone: tuple[str, ...] = ()
    came_out: str = ""


def decide_again(
    ctx: Context, entry: Entry, considered: list[Considered], then: Agreements | None, moment: Moment
) -> Generator[Any, Any, Again]:
    """Decide the matter of an entry again, as of its time, by the agreements of ``then``."""
    gone = what_is_gone(ctx, entry, considered, then, moment)
    if gone or then is None:
        return Again("not-possible", gone)
    directives = [one for one in (each.directive() for each in considered) if one is not None]
    known = Known("self", _number(entry), (yield from _as_of(ctx, _number(entry), entry.recorded)))
    row = known.at(entry.custodian)
    if row is None and entry.refusal != "no-agreement":
        return Again("not-possible", ("person",))
    hospital = yield from _hospital(ctx, known, directives, entry)
    subject = _subject(entry, known, row, directives, hospital)
    asked = Asked(
        _requester(entry), moment.feeds[entry.requester].kind, ctx.purposes[entry.purpose], clock.moment(entry.recorded)
    )
    decision = decide(asked, subject, directives, dossiers.ties(known.rows, asked.on), then)
    if _same(entry, decision):
        return Again("same")
    if any(one.rule is not None and one.rule.conditional for one in directives):  # which feeds were fresh is not kept
        return Again("not-possible", ("state",))
    return Again("different", (), decision.reason if isinstance(decision, Refuse) else f"tier {decision.tier}")


def what_is_gone(
    ctx: Context, entry: Entry, considered: list[Considered], then: Agreements | None, moment: Moment
) -> tuple[str, ...]:
    """Why it cannot be decided again, before anything of a person is read."""
    if entry.kind in DECIDED_OTHERWISE:
        return ("decided-otherwise",)
    if entry.exchange not in DECIDED or entry.kind not in (Kind.DISCLOSURE, Kind.NEGATIVE) or not entry.custodian:
        return ("not-a-decision",)
    reasons = {
        "purpose": entry.purpose not in ctx.purposes,
        "policy": then is None,
        "requester": entry.requester not in moment.feeds,
        "consent": any(one.body is None for one in considered),
        "state": entry.refusal not in ON_VERSIONS or any(name == "override" for name, _ in entry.detail),
    }
    return tuple(name for name, is_so in reasons.items() if is_so)


def _number(entry: Entry) -> str:
    """The NHS number of whom the entry is about: a relative who was found, else who was asked about."""
    named = entry.found[0] if entry.found else entry.patient
    return named.removeprefix(NHS) if named.startswith(NHS) else ""


def _as_of(ctx: Context, number: str, at: int) -> Generator[Any, Any, list[Opened]]:
    """What all agencies held of a person at that time, as far as it is still kept."""
    if not number:
        return []
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": ctx.vault.nhs_token(number)})))
    later = [(row, held) for row in rows for held in _held(row) if held.updated > at]
    if not later:
        return rows
    found = yield tuple(Read(VERSION_AT, {"id": held.id, "at": at}) for _, held in later)
    for (row, held), versions in zip(later, found, strict=True):
        row.records[held.type].remove(held)
        for version, body, updated in versions:
            columns = (held.id, held.type, body, version, held.related, updated)
            row.records[held.type].append(people.open_record(row.cipher, columns))
    return rows


def _held(row: Opened) -> list[Held]:
    return [held for records in row.records.values() for held in records]


def _hospital(ctx: Context, known: Known, directives: Iterable[Directive], entry: Entry) -> Generator[Any, Any, dict[str, bool]]:
    """Who was in hospital then, of those on whose stay a wish depended."""
    conditional = [one for one in directives if one.rule is not None and one.rule.conditional]
    makers = sorted({who for one in conditional for who in one.performers if who.startswith(NHS)} - known.identities())
    rows = list(known.rows) if conditional else []
    for who in makers:
        rows += yield from _as_of(ctx, who.removeprefix(NHS), entry.recorded)
    return dossiers.in_hospital(rows, clock.moment(entry.recorded).date())


def _subject(entry: Entry, known: Known, row: Opened | None, directives: list[Directive], hospital: dict[str, bool]) -> Subject:
    return Subject(
        custodian=entry.custodian,
        about="self",  # that a relative belongs to who was asked about stands on record: else this was not decided
        identities=known.identities() | {one.patient for one in directives if one.patient},
        certain=True,
        birth_date=whole_day(row.patient.get("birthDate")) if row is not None else None,
        restriction="",
        inpatient=hospital,
        fresh=True,
    )


def _requester(entry: Entry) -> Requester:
    return Requester(entry.client, entry.requester, frozenset(), entry.user, entry.role, frozenset({entry.purpose}))


def _same(entry: Entry, decision: Permit | Refuse) -> bool:
    """Whether a decision is the one on record."""
    if sorted(decision.consents) != sorted(entry.consents):
        return False
    if isinstance(decision, Refuse):
        return entry.outcome != DONE and entry.refusal == decision.reason
    return entry.kind is Kind.DISCLOSURE and (entry.tier, entry.basis) == (decision.tier, (decision.basis,))
