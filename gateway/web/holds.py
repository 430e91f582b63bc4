"""Holds and erasure at the console: what must be kept, what was asked to be erased, and the register of what was."""

from __future__ import annotations

from starlette.responses import Response

from gateway.exchanges.records.erasures import GROUNDS
from gateway.exchanges.subjects.ask_erasure import (
    EraseRequest,
    ErasureRequest,
    OwnErasures,
    ask_erasure,
    list_erasures,
    withdraw_erasure,
)
from gateway.exchanges.subjects.erase_person import erase_person
from gateway.exchanges.subjects.legal_holds import LEAST_REASON, HoldRequest, LiftHold, OwnHolds, lift_hold, list_holds, set_hold
from gateway.fhir import systems
from gateway.fhir.outcomes import Unprocessable
from gateway.identity import nhs_number
from gateway.store import subjects
from gateway.web.subject_access import SCOPE as SCOPE
from gateway.web.visits import Visit

PATH, ERASURES = "/console/holds", "/console/erasures"
MOST_TEXT = 500
SAID = {
    "set": "The hold stands. The record is neither erased nor purged until two of you have lifted it.",
    "lifting": "Your word is on record. The hold stands until a second person lifts it.",
    "lifted": "The hold is lifted.",
    "asked": "The erasure is asked for. A second person carries it out.",
    "erased": "The record is erased. Its key is destroyed.",
    "given-up": "The erasure is given up.",
}
SHOWN_GROUNDS = {
    **GROUNDS,
    "joined": "Had been joined with a record that was erased",
    "replayed": "Erased before, and again after a restore from backup",
}
STATES = {subjects.WITHDRAWN: "Given up", subjects.ERASED: "Erased"}
WRONG_NUMBER = "Enter a NHS number: ten digits, as it is written on letters. Go back to do so."
NO_REASON = f"Say in {LEAST_REASON} to {MOST_TEXT} characters why. Go back to do so."
NO_GROUND = "Choose the ground on which the record is erased. Go back to do so."
NOT_SURE = "Tick that you have checked the record. Go back to do so."


async def show(visit: Visit) -> Response:
    """``GET /console/holds``: holds, erasures that wait, the register, and the forms."""
    ledger = visit.web.ledger
    holds = await ledger.run(list_holds, OwnHolds(visit.requester, visit.request_id))
    erasures = await ledger.run(list_erasures, OwnErasures(visit.requester, visit.request_id))
    return visit.page(
        "holds.html",
        standing=[one for one in holds if one.lifted is None],
        lifted=[one for one in holds if one.lifted is not None],
        waiting=[one for one in erasures if one.state == subjects.ASKED],
        register=[one for one in erasures if one.state != subjects.ASKED],
        grounds=GROUNDS,
        shown_grounds=SHOWN_GROUNDS,
        states=STATES,
        me=visit.requester.user,
        said=SAID.get(visit.request.query_params.get("said", ""), ""),
    )


async def hold(visit: Visit) -> Response:
    """``POST /console/holds``: keep a person's record. Raises Unprocessable, NotFound."""
    await visit.web.ledger.run_alone(set_hold, HoldRequest(visit.requester, _person(visit), _reason(visit), visit.request_id))
    return visit.to(f"{PATH}?said=set")


async def lift(visit: Visit) -> Response:
    """``POST /console/holds/{id}/lift``: the first word, or the second. Raises Unprocessable, NotFound, Conflict."""
    ask = LiftHold(visit.requester, visit.request.path_params["id"], _reason(visit), visit.request_id)
    found = await visit.web.ledger.run_alone(lift_hold, ask)
    return visit.to(f"{PATH}?said={'lifting' if found.lifted is None else 'lifted'}")


async def ask_for_erasure(visit: Visit) -> Response:
    """``POST /console/erasures``: ask. Raises Unprocessable, NotFound, Conflict naming all that stands against it."""
    ground = visit.form.get("ground", "")
    if ground not in GROUNDS:
        raise Unprocessable(NO_GROUND)
    ask = EraseRequest(visit.requester, _person(visit), ground, _reason(visit), visit.request_id)
    await visit.web.ledger.run_alone(ask_erasure, ask)
    return visit.to(f"{PATH}?said=asked")


async def erase(visit: Visit) -> Response:
    """``POST /console/erasures/{id}/erase``: carry it out, as a second person. Raises NotFound, Forbidden, Conflict."""
    if visit.form.get("sure") != "yes":
        raise Unprocessable(NOT_SURE)
    await visit.web.ledger.run_alone(erase_person, _erasure(visit))
    return visit.to(f"{PATH}?said=erased")


async def give_up(visit: Visit) -> Response:
    """``POST /console/erasures/{id}/withdraw``: leave the record as it is. Raises NotFound, Conflict."""
    await visit.web.ledger.run_alone(withdraw_erasure, _erasure(visit))
    return visit.to(f"{PATH}?said=given-up")


def _erasure(visit: Visit) -> ErasureRequest:
    return ErasureRequest(visit.requester, visit.request.path_params["id"], visit.request_id)


def _person(visit: Visit) -> str:
    """Who is meant, as ``system|value``. Raises Unprocessable."""
    number = nhs_number.parse(visit.form.get("number", ""))
    if number is None:
        raise Unprocessable(WRONG_NUMBER)
    return f"{systems.NHS_NUMBER}|{number}"


def _reason(visit: Visit) -> str:
    reason = visit.form.get("reason", "").strip()
    if not LEAST_REASON <= len(reason) <= MOST_TEXT:
        raise Unprocessable(NO_REASON)
    return reason
