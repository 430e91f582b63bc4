"""A relationship that the record system lacks, taken down by staff: who somebody is to the patient, and who said so.

It stands in the agency's own record as unconfirmed and proves nothing to anybody. A second person of the same agency may
confirm it: then it may prove something to others, never to the agency whose it is. For its own questions the agency needs
the word of whoever holds the other person's record. If staff wish, these are asked: they see that the agency asks about
this person of theirs, and what the unnamed other is said to be to them; never who that is. Who knows states it as a record
of their own (``confirm_relationship``). The receipt is the same whether anybody holds a record or not.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.by_hand import KEY, OwnPatient, check_staff, introduced, past_day, put_down
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.grounds import NONE, Grounds, entries, reach
from gateway.exchanges.records.apply import apply
from gateway.exchanges.reviews import Matter, opening
from gateway.fhir import systems
from gateway.fhir.codes import inverse_role
from gateway.fhir.outcomes import Unprocessable
from gateway.mapping.records import Op, Resource, Sourced
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Held
from gateway.store.sql import Write

NAME = "record_relationship"
TO_CONFIRM = "relationship-to-confirm"  # kind of review
ROLES = ("CHILD", "PRN", "STPCHLD", "STPPRN", "GRNDCHILD", "GRPRN", "SIB", "DOMPART")  # what the other is to the patient
TOLD_BY = ("the-person", "a-relative", "a-professional", "a-document")
NOT_ONESELF = "This is the patient's own number: enter that of the other person."
NOT_OFFERED = "This is not one of the choices."
NOBODY_NAMED = "Name the other person: by NHS number, or by first name and birth date."
NUMBER_NEEDED = "Others can be asked about somebody whose NHS number you give."


@dataclass(frozen=True, slots=True)
class RelationshipRequest:
    """``role``: what the other person is to the patient (v3-RoleCode). With ``grounds`` agencies that hold the other are
    asked to confirm it, with somebody to ring."""

    requester: Requester
    patient: OwnPatient
    role: str
    told_by: str
    told_on: str = ""
    nhs: str = ""
    given: str = ""
    birth_date: str = ""
    grounds: Grounds | None = None
    name: str = ""
    phone: str = ""
    request_id: str = ""


def record_relationship(ctx: Context, ask: RelationshipRequest, moment: Moment) -> Story[None]:
    """Take it down. Raises Unprocessable; where others are asked also TooMany and Forbidden, by the request alone."""
    check_staff(ask.requester, moment)
    _check(ask)
    on, agency = past_day(ask.told_on, moment, "told_on"), ask.requester.agency
    owners: list[str] = []
    if ask.grounds is not None:
        owners = yield from reach(ctx, ask.requester, ask.nhs, ask.birth_date, ask.grounds, moment)
    if not (yield from _is_confirmed(ctx, ask, moment)):
        sourced = [*(yield from introduced(ctx, agency, ask.patient)), Sourced(_key(ask), _related(ctx, ask, on), Op.REPLACE)]
        applied = yield from apply(ctx, agency, sourced, moment)
        for stored in applied.stored:
            yield _own_item(ctx, ask, stored, moment)
    for owner in owners:
        yield _item(ctx, ask, owner, on, moment)
    return Outcome(None, _entries(ctx, ask, owners, moment))


def _is_confirmed(ctx: Context, ask: RelationshipRequest, moment: Moment) -> Generator[Any, Any, bool]:
    """Whether the same stands already as more than one person's word: nobody by themselves makes it less."""
    held = yield from put_down(ctx, ask.requester.agency, "RelatedPerson", _key(ask), moment)
    if held is None or not held.get("active", True):
        return False
    return not any(str(one.get("url", "")).endswith("/unconfirmed") for one in held.get("extension", ()))


def _check(ask: RelationshipRequest) -> None:
    if ask.role not in ROLES:
        raise Unprocessable(NOT_OFFERED, where="role", code="code-invalid")
    if ask.told_by not in TOLD_BY:
        raise Unprocessable(NOT_OFFERED, where="told_by", code="code-invalid")
    if ask.nhs == ask.patient.nhs:
        raise Unprocessable(NOT_ONESELF, where="nhs", code="business-rule")
    if not ask.nhs and not (ask.given and ask.birth_date):
        raise Unprocessable(NOBODY_NAMED, where="nhs", code="required")
    if ask.grounds is not None and not ask.nhs:
        raise Unprocessable(NUMBER_NEEDED, where="nhs", code="required")


def _key(ask: RelationshipRequest) -> str:
    return f"{KEY}/related/{ask.patient.nhs}/{ask.role}/{ask.nhs or f'{ask.given.lower()}/{ask.birth_date}'}"


def _related(ctx: Context, ask: RelationshipRequest, on: str) -> Resource:
    """As it stands in the agency's own record. Parental responsibility is no part of it: that is for who has evidence."""
    extensions: list[tuple[str, Resource]] = [
        ("unconfirmed", {"valueBoolean": True}),
        ("told-by", {"valueCode": ask.told_by}),
        ("told-on", {"valueDate": on}),
    ]
    made: Resource = {
        "resourceType": "RelatedPerson",
        "meta": {"profile": [systems.UKCORE_RELATED]},
        "extension": [{"url": systems.extension(name, ctx.base), **value} for name, value in extensions],
        "identifier": [{"system": systems.NHS_NUMBER, "value": ask.nhs}] if ask.nhs else [],
        "active": True,
        "patient": ask.patient.reference,
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": ask.role}]}],
        "name": [{"given": [ask.given]}] if ask.given else [],
        "birthDate": ask.birth_date,
    }
    return {name: value for name, value in made.items() if value not in ("", [])}


def _own_item(ctx: Context, ask: RelationshipRequest, stored: Held, moment: Moment) -> Write:
    """For a second person of the agency itself: anew for what was taken down again, or otherwise."""
    requester = ask.requester
    why = (("record", stored.id), ("relationship", ask.role), ("told-by", ask.told_by))
    matter = Matter(requester.agency, requester.user, requester.client_id, requester.role, ask.patient.identity, why=why)
    return opening(ctx, TO_CONFIRM, requester.agency, matter, moment, _once(ctx, ask, requester.agency, stored.version))


def _item(ctx: Context, ask: RelationshipRequest, owner: str, on: str, moment: Moment) -> Write:
    """For who holds the other person: about that person, and nobody else is named."""
    requester, grounds = ask.requester, ask.grounds or NONE
    inverse = inverse_role(ask.role) or "FAMMEMB"
    why = (("relationship", inverse), ("told-by", ask.told_by), ("told-on", on), ("name", ask.name), ("phone", ask.phone))
    matter = Matter(
        requester.agency, requester.user, requester.client_id, requester.role, f"{systems.NHS_NUMBER}|{ask.nhs}",
        grounds.purpose, grounds.case_reference, why,
    )  # fmt: skip
    return opening(ctx, TO_CONFIRM, owner, matter, moment, _once(ctx, ask, owner))


def _once(ctx: Context, ask: RelationshipRequest, owner: str, version: int = 0) -> str:
    """The same question to the same agency is one item, however often it is asked."""
    return ctx.vault.token("relationship-item", owner, ask.requester.agency, _key(ask), str(version)).hex()[:32]


def _entries(ctx: Context, ask: RelationshipRequest, owners: list[str], moment: Moment) -> tuple[Entry, ...]:
    """The recorder's own; where others are asked, one about the other person, and one for each owner."""
    asked = (("relationship", ask.role), ("told-by", ask.told_by))
    own = line(
        NAME, ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, patient=ask.patient.identity, detail=asked
    )
    if ask.grounds is None:
        return (own,)
    told = {"request_id": ask.request_id, "patient": f"{systems.NHS_NUMBER}|{ask.nhs}"}
    return (own, *entries(ctx, NAME, ask.requester, moment, ask.grounds, owners, **told))
