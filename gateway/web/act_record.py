"""What staff put on their own organisation's record of the patient: a relationship that it lacks, and markers."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gateway.exchanges.casework.markers import BY_HAND, MarkRequest, end_marker, set_marker
from gateway.exchanges.casework.record_relationship import RelationshipRequest, record_relationship
from gateway.exchanges.records.resources import SearchRequest, search_resources
from gateway.fhir.codes import MARKERS
from gateway.fhir.elements import coding
from gateway.fhir.outcomes import Conflict, NotFound, Unprocessable
from gateway.store.people import Held
from gateway.web import act
from gateway.web.forms import Faults, Field, fault_of, read
from gateway.web.visits import Visit
from gateway.web.words import RELATIONSHIPS, TOLD_BY

ASKS = "others"
RELATIONSHIP_BEFORE = (
    "It stands as unconfirmed on your organisation's own record, and opens no answer to your organisation. What you know of "
    "parental responsibility is not asked here: that is for those who have evidence of it."
)
OTHERS_HINT = (
    "They learn that your organisation asks about the other person and what somebody is said to be to them, not who the patient "
    "is. Tick it where you would ring them with the same question."
)
NEEDS_NUMBER = "Give the NHS number of the other person: others can be asked about nobody else."
NEEDS_PHONE = "Leave a number: whoever is asked may want to ring first."
MARKERS_BEFORE = (
    "Only that it is so, and since when: what a plan says stays in your own record. Where an agreement allows it the other "
    "services of the family see the marker, so that you plan the same visit."
)
DAY = "Enter a day that is not in the future."


async def relate(visit: Visit) -> Response:
    """``GET /act/relationship``."""
    act.check_allowed(visit, "relationship")
    return _relationship(visit, None)


async def related(visit: Visit) -> Response:
    """``POST /act/relationship``. Raises Forbidden, TooMany."""
    act.check_allowed(visit, "relationship")
    values, faults = read(_relationship_fields(visit), visit.form)
    stated, more = act.grounds_of(visit, values) if values[ASKS] else (None, [])
    faults += [one for one in [*more, *_asked_of_others(values)] if one[0] not in dict(faults)]
    if faults:
        return _relationship(visit, faults)
    request = RelationshipRequest(
        requester=stated.requester if stated else act.colleague(visit),
        patient=act.patient(visit), role=values["role"], told_by=values["told_by"], told_on=values["told_on"],
        nhs=values["nhs"], given=values["given"], birth_date=values["birth_date"], grounds=stated.grounds if stated else None,
        name=act.launched(visit).user, phone=values["phone"], request_id=visit.request_id,
    )  # fmt: skip
    try:
        await visit.web.ledger.run_alone(record_relationship, request)
    except Unprocessable as error:
        return _relationship(visit, fault_of(error, _relationship_fields(visit)))
    return act.done(visit, "relationship")


def _asked_of_others(values: dict[str, Any]) -> Faults:
    """What asking others needs beside its grounds."""
    if not values[ASKS]:
        return []
    return ([] if values["nhs"] else [("nhs", NEEDS_NUMBER)]) + ([] if values["phone"] else [("phone", NEEDS_PHONE)])


def _relationship(visit: Visit, faults: Faults | None) -> Response:
    return act.form_page(visit, "relationship", _relationship_fields(visit), faults=faults, before=RELATIONSHIP_BEFORE)


def _relationship_fields(visit: Visit) -> tuple[Field, ...]:
    return (
        Field("role", "What is the other person to the patient?", "radio", options=tuple(RELATIONSHIPS.items())),
        Field("nhs", "NHS number of the other person", "number", optional=True),
        Field("given", "Their first name (where you have no number)", optional=True),
        Field("birth_date", "Their birth date (where you have no number)", "date", optional=True),
        Field("told_by", "Who says so?", "radio", options=tuple(TOLD_BY.items())),
        Field("told_on", "When was it said? (empty: today)", "date", optional=True, fault=DAY),
        Field(ASKS, "Ask others", "checks", OTHERS_HINT, (("yes", "Ask services that hold a record of the other person to confirm it"),), True),
        *act.grounds_fields(visit, optional=True),
        Field("phone", "Your number, where others are asked", "tel", optional=True),
    )  # fmt: skip


# -- markers -----------------------------------------------------------------------------------------------------------


async def markers(visit: Visit) -> Response:
    """``GET /act/markers``: what stands on the organisation's own record, and the form."""
    act.check_allowed(visit, "markers")
    return await _markers(visit)


async def mark(visit: Visit) -> Response:
    """``POST /act/markers``: set one."""
    act.check_allowed(visit, "markers")
    values, faults = read(MARKER_FIELDS, visit.form)
    return await _markers(visit, faults) if faults else await _marked(visit, values["code"], values["on"], end=False)


async def unmark(visit: Visit) -> Response:
    """``POST /act/markers/end``: end one that was set by hand."""
    act.check_allowed(visit, "markers")
    return await _marked(visit, visit.form.get("code", ""), "", end=True)


MARKER_FIELDS = (
    Field("code", "Which marker?", "radio", options=tuple((code, text) for code, text in MARKERS.items() if code in BY_HAND)),
    Field("on", "Since when? (empty: today)", "date", optional=True, fault=DAY,
          hint="For the answers about children: the day on which you asked."),
)  # fmt: skip


async def _marked(visit: Visit, code: str, on: str, *, end: bool) -> Response:
    request = MarkRequest(act.colleague(visit), act.patient(visit), code, on, visit.request_id)
    try:
        await visit.web.ledger.run_alone(end_marker if end else set_marker, request)
    except (Unprocessable, Conflict, NotFound) as error:
        return await _markers(visit, fault_of(error, MARKER_FIELDS))
    return visit.to(f"{act.PATH}/markers?said={'ended' if end else 'set'}")


SAID = {"set": "The marker is set.", "ended": "The marker has ended."}


async def _markers(visit: Visit, faults: Faults | None = None) -> Response:
    wanted = SearchRequest(
        act.colleague(visit), "Flag", person=act.patient(visit).identity, status="active", request_id=visit.request_id
    )
    found = await visit.web.ledger.run(search_resources, wanted)
    standing = sorted((line for held in found.found if (line := _line(held))["code"] in MARKERS), key=lambda one: one["code"])
    said = SAID.get(visit.request.query_params.get("said", ""), "")
    return act.form_page(
        visit, "markers", MARKER_FIELDS, faults=faults, template="act_markers.html", before=MARKERS_BEFORE,
        button="Set this marker", standing=standing, said=said,
    )  # fmt: skip


def _line(held: Held) -> dict[str, Any]:
    """A marker as the page shows it."""
    code = coding(held.body.get("code"), "/CodeSystem/marker")
    since = held.body.get("period", {}).get("start", "")
    return {"code": code, "text": MARKERS.get(code, code), "since": since, "by_hand": held.key.startswith("by-hand/")}
