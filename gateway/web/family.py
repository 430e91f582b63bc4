"""The clinician's page: for what it is asked, whom to ring first, the family picture, wishes, duties, and what is not said.

It enters at the exchange of ``$known-to-services``, charged, decided and on record as any lookup; the wishes are those that
the user's own organisation has written down. Answered and refused alike it leaves on the beat.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gateway.disclosure.override import ALERT_REASONS, ALERT_TYPES, LEAST_JUSTIFICATION, goes_together, is_justified
from gateway.exchanges.access.launched import Launched
from gateway.exchanges.access.offers import Offer, offers
from gateway.exchanges.access.staff import name_of
from gateway.exchanges.lookup.charge import OVER, retry_after
from gateway.exchanges.lookup.look_up_status import look_up_status
from gateway.exchanges.lookup.lookups import LookupAnswer, LookupRequest
from gateway.exchanges.wishes.read_own_wishes import OwnWishes, read_own_wishes
from gateway.fhir import systems
from gateway.store import clock
from gateway.web import family_answer
from gateway.web.desks import duty_numbers
from gateway.web.visits import Visit

PATH = "/family"
MOST_CASE, MOST_REASON = 100, 1000
STOPPED = {OVER: 429}
GATE = frozenset({"purpose-not-yours", "role-not-allowed", "case-reference-missing", "duty-not-in-force"})
Faults = list[tuple[str, str]]
CHOOSE = "Choose for what you ask."
CASE = "Give the reference of the case in your own system."
OWNER = "Choose whose case it is."
REASON = "Say why the other service's knowledge matters for the child's safety or welfare."
PAIR = "Choose what you do, and a reason that goes with it."
WHY = f"Say in at least {LEAST_JUSTIFICATION} characters what the danger is."


async def show(visit: Visit) -> Response:
    """``GET /family``: for what it may be asked."""
    return _choose(visit)


async def ask(visit: Visit) -> Response:
    """``POST /family``: the answer; first the details of a case where the purpose needs them."""
    offer = next((one for one in _offers(visit) if one.purpose.code == visit.form.get("purpose")), None)
    if offer is None:
        return _choose(visit, [("purpose-0", CHOOSE)])
    if offer.needs_details:
        faults = _faults(offer, visit.form)
        if "case" not in visit.form or faults:
            return _details(visit, offer, faults if "case" in visit.form else [])
    return await _answered(visit, offer)


async def _answered(visit: Visit, offer: Offer) -> Response:
    web, launched = visit.web, _launched(visit)
    lookup = _lookup(visit, offer)
    answer = await web.ledger.run(look_up_status, lookup)
    if answer.refused in GATE:
        return _details(visit, offer, [("case", CASE)])
    if answer.refused:
        return _stopped(visit, answer)
    own = OwnWishes(lookup.requester, launched.patient.nhs, visit.request_id)
    wishes = await web.ledger.run(read_own_wishes, own)
    values = family_answer.shown(answer, launched, offer.purpose, web.context.wording)
    again = [one for one in _offers(visit) if one.purpose.code != offer.purpose.code]
    return _page(visit, "family.html", wishes=wishes, offer=offer, again=_choices(visit, again), **values)


def _lookup(visit: Visit, offer: Offer) -> LookupRequest:
    """The lookup of this page: wish purposes cost once a day for each patient, as cards do."""
    launched, form, purpose = _launched(visit), visit.form, offer.purpose
    kind = visit.web.feeds[launched.agency].kind
    owner = form.get("owner", "") if len(offer.owners) > 1 else offer.owners[0]
    case = form.get("case", "").strip() if "case-reference" in purpose.needs else ""
    return LookupRequest(
        requester=launched.as_requester(offer.role),
        nhs=launched.patient.nhs,
        birth_date=launched.patient.birth_date,
        verified=True,
        purpose=purpose.code,
        about=tuple(visit.web.context.wording.hooks["about"].get(kind, "self").split()),
        case_reference=f"{systems.local_id(owner, 'case')}|{case}" if case else "",
        case_owner=owner if case and owner != launched.agency else "",
        reason=form.get("reason", "").strip() if "reason" in purpose.needs else "",
        override=(form["kind"], form["alert"], form["justification"].strip()) if "override" in purpose.needs else None,
        request_id=visit.request_id,
        by_day=not purpose.is_duty,
    )


def _faults(offer: Offer, form: Any) -> Faults:
    """What is missing of the details that a purpose needs, by the fields where it goes."""
    needs, found = offer.purpose.needs, list[tuple[str, str]]()
    if "case-reference" in needs and not 0 < len(form.get("case", "").strip()) <= MOST_CASE:
        found.append(("case", CASE))
    if len(offer.owners) > 1 and form.get("owner") not in offer.owners:
        found.append(("owner", OWNER))
    if "reason" in needs and not 0 < len(form.get("reason", "").strip()) <= MOST_REASON:
        found.append(("reason", REASON))
    if "override" in needs:
        if not goes_together(form.get("kind", ""), form.get("alert", "")):
            found.append(("kind-1", PAIR))
        if not is_justified(form.get("justification", "")) or len(form["justification"]) > MOST_REASON:
            found.append(("justification", WHY))
    return found


def _choose(visit: Visit, faults: Faults | None = None) -> Response:
    choices = _choices(visit, _offers(visit))
    return _page(visit, "family_choose.html", 422 if faults else 200, choices=choices, faults=faults or [])


def _details(visit: Visit, offer: Offer, faults: Faults) -> Response:
    names = [(code, name_of(visit.web.feeds, code)) for code in offer.owners]
    return _page(
        visit, "family_details.html", 422 if faults else 200, offer=offer, given=visit.form, faults=faults, owners=names,
        text=_text(visit, offer), kinds=ALERT_TYPES, alerts=ALERT_REASONS, hint=_hint(visit, offer),
    )  # fmt: skip


def _stopped(visit: Visit, answer: LookupAnswer) -> Response:
    """Nothing can be asked now: whom to ring instead."""
    status = STOPPED.get(answer.refused, 503)
    page = _page(visit, "family_stopped.html", status, over=answer.refused == OVER, numbers=duty_numbers(visit.web.feeds))
    page.headers.update(retry_after(answer.at) if answer.refused == OVER else {"Retry-After": "60"})
    return page


def _page(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    return visit.page(template, status, patient=_launched(visit).patient, words=visit.web.context.wording.family, **values)


def _choices(visit: Visit, found: Any) -> list[tuple[str, str, str]]:
    """Purposes as they are offered: code, text, hint."""
    return [(one.purpose.code, _text(visit, one), _hint(visit, one)) for one in found]


def _text(visit: Visit, offer: Offer) -> str:
    return visit.web.context.wording.family["choice"].get(offer.purpose.code, offer.purpose.display)


def _hint(visit: Visit, offer: Offer) -> str:
    hints = visit.web.context.wording.family["hint"]
    return hints["emergency" if "override" in offer.purpose.needs else offer.purpose.mode]


def _offers(visit: Visit) -> tuple[Offer, ...]:
    return offers(visit.web.context, _launched(visit), visit.web.feeds, clock.now())


def _launched(visit: Visit) -> Launched:
    assert visit.launched is not None, "a page with a patient in context"
    return visit.launched
