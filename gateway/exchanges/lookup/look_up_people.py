"""The persons of a lookup, opened: who was asked about, their children or parents, and who of them is in hospital.

A relative is found only from a record of somebody who is surely the person asked about, never from a record that is
shielded, and never across an adoption (behaviour sections 1, 2.2 and 2.6).
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import date
from typing import Any, NamedTuple

from gateway.disclosure.question import Asked, Tie
from gateway.exchanges.agencies import is_fresh
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.lookups import LookupRequest
from gateway.exchanges.records import dossiers
from gateway.exchanges.records.dossiers import Known
from gateway.fhir.codes import CHILDREN, FOSTER_CARERS, PARENTS
from gateway.fhir.dates import first_day
from gateway.fhir.elements import identifiers, nhs_number
from gateway.store import people
from gateway.store.ledger import Moment, Rows
from gateway.store.people import Held, Opened
from gateway.store.sql import Read

ROLES = {"children": CHILDREN, "parents": PARENTS}
CONFIRMED_BY = {"children": PARENTS, "parents": CHILDREN}  # what the other's record calls the person asked about
FOSTER_CHILDREN = frozenset({"CHLDFOST", "SONFOST", "DAUFOST"})
Told = list[tuple[Held, Opened]]


class Found(NamedTuple):
    """Who was found: the person asked about, and everyone whose record is in question."""

    me: Known
    known: list[Known]
    doubt: str  # cannot-say-reason where children or parents were asked about and none can be named

    def everybody(self) -> list[Known]:
        """The person asked about and all others, each once."""
        return self.known if any(one is self.me for one in self.known) else [self.me, *self.known]

    def none_told(self, about: str) -> bool:
        """Whether children or parents were asked about and nobody has told us of any."""
        return about in ROLES and not any(one.about == about for one in self.known)


def first_reads(ctx: Context, ask: LookupRequest) -> tuple[Read, ...]:
    """What is read of the person asked about; nothing without a NHS number."""
    if not ask.nhs:
        return ()
    token = ctx.vault.nhs_token(ask.nhs)
    return (Read(people.DOSSIER, {"key": token}, (token,)),)


def find_people(
    ctx: Context, ask: LookupRequest, moment: Moment, asked: Asked, dossiers_read: list[Rows]
) -> Generator[Any, Any, Found]:
    """The persons asked about, from what ``first_reads`` gave. Without a NHS number nobody is looked for."""
    on = asked.on
    if not dossiers_read:
        nobody = Known("self", "", [])
        return Found(nobody, [nobody] if "self" in ask.about else [], "ring-the-desk")
    me = _as_known("self", ask.nhs, people.open_dossier(ctx.vault, dossiers_read[0]))
    found = [me] if "self" in ask.about else []
    kinds = [about for about in ask.about if about in ROLES]
    if not kinds:
        return Found(me, found, "")
    born = first_day(ask.birth_date)
    sure = born is not None and dossiers.confirmed(me, moment.feeds, born)
    for about in kinds if sure else ():
        found += yield from _relatives(ctx, me, about, asked)
    return Found(me, found, _doubt(ask, asked, me, [pair for about in kinds for pair in _told(me, about, on)], sure=sure))


def _as_known(about: str, nhs: str, rows: list[Opened]) -> Known:
    """A person with what is held of them; sealed by adoption they are known to nobody."""
    return Known(about, nhs, [], hidden=rows) if dossiers.sealed(rows) else Known(about, nhs, rows)


def _doubt(ask: LookupRequest, asked: Asked, me: Known, told: Told, *, sure: bool) -> str:
    """Why no child or parent can be named. A shield, a doubtful identity and an incomplete question sound the same; a
    child that was adopted is none of this person's."""
    if not ask.verified or not ask.birth_date or me.birth_dates() - {first_day(ask.birth_date)}:
        return "ring-the-desk"
    kept_back = any(dossiers.is_closed(row, asked) or dossiers.is_restricted(held.body) for held, row in told)
    return "ring-the-desk" if kept_back or (told and not sure) else "no-relationship-recorded"


def _told(me: Known, about: str, on: date) -> Told:
    """The relationships on file that are of this kind. Foster carers are never parents, whatever else they are called."""
    found = []
    for row in me.rows:
        for held in row.of_type("RelatedPerson"):
            roles = dossiers.roles(held.body)
            of_this_kind = bool(roles & ROLES[about]) and not (about == "parents" and roles & FOSTER_CARERS)
            if of_this_kind and held.related and dossiers.is_current(held.body, on):
                found.append((held, row))
    return found


def _relatives(ctx: Context, me: Known, about: str, asked: Asked) -> Generator[Any, Any, list[Known]]:
    """Children or parents of a person, each once, however many agencies told us."""
    told = [
        (held, row)
        for held, row in _told(me, about, asked.on)
        if not dossiers.is_closed(row, asked) and not dossiers.is_restricted(held.body)
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
            known = relatives[token or held.related] = _as_known(about, number if token else "", opened)
        known.proof.append(dossiers.tie(held, row))
        known.relatives[row.agency] = held.body
    for known in relatives.values():
        known.proof += _confirmations(me, known, about, asked)
    return sorted((one for one in relatives.values() if not one.hidden), key=lambda one: one.nhs)


def _confirmations(me: Known, relative: Known, about: str, asked: Asked) -> list[Tie]:
    """What the relative's own records say of the person asked about: a holder that tells of the relationship from its side
    confirms it (behaviour section 2.6), unless it keeps either of the two records closed. A foster child is no proof of a
    parent, nor a foster carer of a child."""
    own, confirming = me.identities(), CONFIRMED_BY[about]
    closed = {row.agency for row in (*me.rows, *relative.rows) if dossiers.is_closed(row, asked)}
    return [
        dossiers.tie(held, row)
        for row in relative.rows
        if row.agency not in closed
        for held in row.of_type("RelatedPerson")
        if confirming & (roles := dossiers.roles(held.body)) and not roles & (FOSTER_CARERS | FOSTER_CHILDREN)
        if dossiers.is_current(held.body, asked.on) and not dossiers.is_restricted(held.body)
        if not own.isdisjoint(identifiers(held.body))
    ]


def hospital_states(
    ctx: Context, known: list[Known], on: date, moment: Moment | None = None
) -> Generator[Any, Any, dict[str, bool]]:
    """Who is in hospital, of the persons read and of those on whose stay a wish depends.

    With a ``moment`` only the word of fresh feeds counts: a ward that has fallen silent may have discharged her.
    """
    if not dossiers.has_conditions(known):
        return {}
    rows = [row for one in known for row in one.rows]
    tokens = [ctx.vault.nhs_token(number) for number in sorted(dossiers.conditional_performers(known))]
    if tokens:
        for found in (yield tuple(Read(people.DOSSIER, {"key": token}, (token,)) for token in tokens)):
            rows += people.open_dossier(ctx.vault, found)
    heard = [
        row for row in rows if moment is None or (row.agency in moment.feeds and is_fresh(moment.feeds[row.agency], moment.at))
    ]
    return dossiers.in_hospital(heard, on)
