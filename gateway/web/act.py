"""Doing something about it: what a clinician does from the page of a patient. Each form is one exchange, on record.

The patient is that of the session; what names anybody else travels in the body of a form. An act that reaches other
services says for which purpose, passes the gates of a lookup and is charged like one, and its answer is always the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from starlette.responses import Response

from gateway.disclosure.requester import Requester
from gateway.exchanges.access.launched import Launched
from gateway.exchanges.access.offers import Offer, offers
from gateway.exchanges.access.staff import name_of
from gateway.exchanges.casework.by_hand import OwnPatient
from gateway.exchanges.lookup.grounds import Grounds
from gateway.fhir import systems
from gateway.fhir.outcomes import Forbidden
from gateway.store import clock
from gateway.web.forms import Faults, Field, Options
from gateway.web.visits import NOT_YOUR_ROLE, Visit

PATH = "/act"
CASE = "Give the reference of the case in your own system: this purpose needs one."
REASON = "Say why this matters for the child's safety or welfare: this purpose needs a reason."
OWNER = "Choose whose case it is."
ACTS = (  # address, what it needs of the record system's client, name, hint
    ("watch", ("Subscription", "c"), "Watch this person", "Be told when something changes."),
    ("wish", ("Consent", "c"), "Write down what the family wants", "Who may be told what, in plain words."),
    ("relationship", ("RelatedPerson", "c"), "Record a relationship", "Who belongs to the family, and who said so."),
    ("markers", ("Flag", "c"), "Set or end markers", "Crisis plan, contact arrangements, asked about children, young carer."),
    ("wrong", ("$request-contact", ""), "Take down: this is wrong", "For whoever keeps the record that is said to be wrong."),
    ("call-back", ("$request-contact", ""), "Ask to be rung back", "Leave a number for whoever holds a record."),
)  # fmt: skip
SAID = {
    "watch": "You watch this person now. What changes is told in your organisation's notices, as far as it may be told.",
    "watch-ended": "Nothing more is told of that.",
    "relationship": "The relationship is on your organisation's record as unconfirmed. A colleague is asked to confirm it. "
    "Where you wished it, services that hold a record of the other person are asked too: you are not told whether one does.",
    "wrong": "It is taken down and brought to whoever keeps that record, if they hold this person. "
    "Ring them where it cannot wait.",
    "call-back": "Your number is kept. Where a service holds a record of this person, its people see your request and decide "
    "whether to ring. This says nothing of whether one does. In danger to life ring 999.",
}  # fmt: skip


class Stated(NamedTuple):
    """Who asks, in the role in which they may, and on which grounds."""

    requester: Requester
    grounds: Grounds


def launched(visit: Visit) -> Launched:
    """Who is at work, with which patient."""
    assert visit.launched is not None, "a page with a patient in context"
    return visit.launched


def patient(visit: Visit) -> OwnPatient:
    """The patient, as exchanges about the agency's own record take them."""
    found = launched(visit).patient
    return OwnPatient(found.nhs, found.birth_date)


def colleague(visit: Visit) -> Requester:
    """They, in the first of their roles: for what is done to the agency's own record."""
    somebody = launched(visit)
    return somebody.as_requester(somebody.roles[0] if somebody.roles else "")


def allows(somebody: Launched, surface: str, interaction: str) -> bool:
    """Whether the record system's client may do this (SMART scopes)."""
    held = (one.removeprefix("system/").partition(".") for one in somebody.scopes)
    return any(name == surface and interaction in letters for name, _, letters in held)


def check_allowed(visit: Visit, act: str) -> None:
    """Raises Forbidden where the client may not do this."""
    needed = next(scope for name, scope, *_ in ACTS if name == act)
    if not allows(launched(visit), *needed):
        raise Forbidden(NOT_YOUR_ROLE)


async def show(visit: Visit) -> Response:
    """``GET /act``: what can be done, and what was just done."""
    acts = [(f"{PATH}/{name}", text, hint) for name, scope, text, hint in ACTS if allows(launched(visit), *scope)]
    return page(visit, "act.html", acts=acts, said=SAID.get(visit.request.query_params.get("said", ""), ""))


def page(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """A page with the patient on top."""
    return visit.page(template, status, patient=launched(visit).patient, **values)


def form_page(
    visit: Visit, name: str, fields: Iterable[Field], *, faults: Faults | None = None, template: str = "act_form.html",
    before: str = "", button: str = "", **values: Any,
) -> Response:  # fmt: skip
    """The form of an act, with what was entered and what is not right."""
    _, _, heading, _ = next(one for one in ACTS if one[0] == name)
    return page(
        visit, template, 422 if faults else 200, heading=heading, address=f"{PATH}/{name}", fields=list(fields),
        given=visit.form, faults=faults or [], before=before, button=button or heading, **values,
    )  # fmt: skip


def done(visit: Visit, what: str) -> Response:
    """Back to what can be done, with what was done."""
    return visit.to(f"{PATH}?said={what}")


# -- what it is for --------------------------------------------------------------------------------------------------


def open_purposes(visit: Visit) -> list[Offer]:
    """The purposes for which something may be asked of others from here. In danger to life the telephone is quicker."""
    found = offers(visit.web.context, launched(visit), visit.web.feeds, clock.now())
    return [one for one in found if "override" not in one.purpose.needs]


def grounds_fields(visit: Visit, *, optional: bool = False) -> tuple[Field, ...]:
    """What is asked for wherever something leaves the organisation."""
    found = open_purposes(visit)
    words = visit.web.context.wording.family["choice"]
    owners: Options = tuple(
        (code, name_of(visit.web.feeds, code)) for code in dict.fromkeys(c for one in found for c in one.owners)
    )
    fields = [
        Field(
            "purpose", "For what do you ask?", "radio", optional=optional,
            options=tuple((one.purpose.code, words.get(one.purpose.code, one.purpose.display)) for one in found),
        )
    ]  # fmt: skip
    if any("case-reference" in one.purpose.needs for one in found):
        fields.append(Field("case", "Reference of your case", hint="A statutory duty needs one.", optional=True))
    if len(owners) > 1:
        fields.append(Field("owner", "Whose case it is", "select", options=owners, optional=True))
    if any("reason" in one.purpose.needs for one in found):
        hint = "What about the child's safety or welfare makes it relevant. The duty to share needs it; it is on record."
        fields.append(Field("reason", "Why", "area", hint, optional=True, most=1000))
    return tuple(fields)


def grounds_of(visit: Visit, values: dict[str, Any]) -> tuple[Stated | None, Faults]:
    """The grounds that were given, or what is missing of them."""
    offer = next((one for one in open_purposes(visit) if one.purpose.code == values.get("purpose")), None)
    if offer is None:
        return None, [("purpose", "Choose for what you ask.")]
    needs, case, reason = offer.purpose.needs, values.get("case", ""), values.get("reason", "")
    faults = ([("case", CASE)] if "case-reference" in needs and not case else []) + (
        [("reason", REASON)] if "reason" in needs and not reason else []
    )
    owner = _owner(offer, values.get("owner", ""))
    if owner is None:
        faults.append(("owner", OWNER))
    if faults or owner is None:
        return None, faults
    somebody = launched(visit)
    reference = f"{systems.local_id(owner, 'case')}|{case}" if case else ""
    theirs = owner if reference and owner != somebody.agency else ""
    return Stated(somebody.as_requester(offer.role), Grounds(offer.purpose.code, reference, theirs, reason)), []


def _owner(offer: Offer, stated: str) -> str | None:
    """Whose case it is: the only agency whose it can be, or the one that was chosen."""
    if len(offer.owners) == 1:
        return offer.owners[0]
    return stated if stated in offer.owners else None
