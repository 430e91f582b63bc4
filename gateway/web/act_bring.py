"""What is brought to others: that a line is said to be wrong, and that somebody asks to be rung back."""

from __future__ import annotations

from starlette.responses import Response

from gateway.exchanges.access.staff import name_of
from gateway.exchanges.agencies import profile
from gateway.exchanges.casework.dispute_record import Dispute, dispute_record
from gateway.exchanges.casework.request_contact import ContactRequest, request_contact
from gateway.exchanges.lookup.grounds import NONE
from gateway.fhir.outcomes import NotFound, Unprocessable
from gateway.web import act
from gateway.web.forms import Faults, Field, Options, fault_of, read
from gateway.web.visits import Visit
from gateway.web.words import SAID_BY

WRONG_BEFORE = (
    "Their words, as they say them. On your own record the line is marked as disputed at once; another organisation decides on its "
    "own record, and does not learn who else holds one."
)
CALL_BEFORE = (
    "For what this gateway may not answer. Whoever holds a record of this person sees who asks, for what, and your number, and "
    "decides on the telephone what may be said."
)
PHONE = "Leave a number: another organisation may want to ring first."


async def dispute(visit: Visit) -> Response:
    """``GET /act/wrong``."""
    act.check_allowed(visit, "wrong")
    return _wrong(visit, None)


async def disputed(visit: Visit) -> Response:
    """``POST /act/wrong``. Raises Forbidden, TooMany."""
    act.check_allowed(visit, "wrong")
    fields = _wrong_fields(visit)
    values, faults = read(fields, visit.form)
    own = values["owner_of"] == act.launched(visit).agency
    stated, more = (None, []) if own else act.grounds_of(visit, values)
    more += [] if own or values["phone"] else [("phone", PHONE)]
    faults += [one for one in more if one[0] not in dict(faults)]
    if faults:
        return _wrong(visit, faults)
    request = Dispute(
        requester=stated.requester if stated else act.colleague(visit), person=act.patient(visit), owner=values["owner_of"],
        sentence=values["sentence"], said_by=values["said_by"], grounds=stated.grounds if stated else NONE,
        name=act.launched(visit).user, phone=values["phone"], request_id=visit.request_id,
    )  # fmt: skip
    try:
        await visit.web.ledger.run_alone(dispute_record, request)
    except (Unprocessable, NotFound) as error:
        return _wrong(visit, fault_of(error, fields))
    return act.done(visit, "wrong")


def _wrong(visit: Visit, faults: Faults | None) -> Response:
    return act.form_page(visit, "wrong", _wrong_fields(visit), faults=faults, before=WRONG_BEFORE)


def _wrong_fields(visit: Visit) -> tuple[Field, ...]:
    own = act.launched(visit).agency
    others = [(code, feed.name) for code, feed in visit.web.feeds.items() if code != own and not profile(feed).sensitive]
    owners: Options = ((own, f"{name_of(visit.web.feeds, own)} (our own)"), *sorted(others, key=lambda one: one[1]))
    return (
        Field("owner_of", "Whose record is said to be wrong?", "select", options=owners),
        Field("sentence", "What is wrong, in their words?", "area", most=1000, least=10),
        Field("said_by", "Who says so?", "radio", options=tuple(SAID_BY.items())),
        *act.grounds_fields(visit, optional=True),
        Field("phone", "Your number, for another organisation", "tel", optional=True),
    )  # fmt: skip


async def call(visit: Visit) -> Response:
    """``GET /act/call-back``."""
    act.check_allowed(visit, "call-back")
    return act.form_page(visit, "call-back", _call_fields(visit), before=CALL_BEFORE)


async def called(visit: Visit) -> Response:
    """``POST /act/call-back``: the same whoever it is about. Raises Forbidden, TooMany."""
    act.check_allowed(visit, "call-back")
    fields = _call_fields(visit)
    values, faults = read(fields, visit.form)
    stated, more = act.grounds_of(visit, values)
    faults += [one for one in more if one[0] not in dict(faults)]
    if stated is None or faults:
        return act.form_page(visit, "call-back", fields, faults=faults, before=CALL_BEFORE)
    person, grounds = act.patient(visit), stated.grounds
    grounds = grounds._replace(reason=grounds.reason or values["why"])
    request = ContactRequest(
        stated.requester, person.nhs, person.birth_date, grounds, values["name"], values["phone"], visit.request_id
    )
    await visit.web.ledger.run_alone(request_contact, request)
    return act.done(visit, "call-back")


def _call_fields(visit: Visit) -> tuple[Field, ...]:
    return (
        Field("name", "Who is to be rung?", hint="Your name, or that of your desk."),
        Field("phone", "On which number?", "tel"),
        *act.grounds_fields(visit),
        Field("why", "What do you want to speak of? (optional)", "area", optional=True, most=1000),
    )
