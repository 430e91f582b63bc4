"""What the family wants, written down in plain words and read back: who decided, with which capacity, who else was there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from gateway.disclosure.wish_forms import OWN_KINDS, Said, Wish, faults_of, faults_on
from gateway.exchanges.agencies import profile
from gateway.exchanges.wishes.record_wish import WishRequest, record_wish
from gateway.fhir import systems
from gateway.fhir.codes import AGENCY_KINDS
from gateway.fhir.dates import whole_day
from gateway.notification.duty import ENGLAND
from gateway.web import act
from gateway.web.forms import Faults, Field, Options, read
from gateway.web.visits import Visit

NAME = "wish"
CLASSES = ("existence", "status", "contact", "relative-identity", "marker", "detail")
WHOSE = (("patient", "The patient"), ("child", "A child for whom the patient decides"))
WHAT = (
    ("share", "Some may be told, as said below"),
    ("nothing", "Nothing may be told to anybody"),
    ("refuse", "Only this: those named below are not to be told"),
)
WHO = (
    ("own-wish", "The patient, for now"),
    ("advance-wish", "The patient, for a time when they may not be able to say it"),
    ("child-own", "The patient, a child or young person who can decide this"),
    ("parent-for-child", "Somebody with parental responsibility, for the child"),
    ("attorney", "An attorney"),
    ("deputy", "A deputy of the court"),
    ("best-interests", "Somebody who decides in the person's best interests"),
)
CAPACITY = (("had", "Yes"), ("lacked", "No"), ("not-assessed", "Not assessed"))
BEFORE = "Use it with the person, and read to them what comes of it. What they say next takes the place of what they say here."
WHOM = "Say who may be told, or that it is anybody."
NUMBER = "Enter the NHS number of the child."
DECIDER = "Enter the NHS number of whoever decides."
LIMIT = "This limits what is shared: choose that some may be told."
ANYBODY = "any"
PLACES = {"wish": "until", "kind": "kind"}  # where on the form what cannot be meant today stands


async def ask(visit: Visit) -> Response:
    """``GET /act/wish``."""
    act.check_allowed(visit, NAME)
    return act.form_page(visit, NAME, _fields(visit), before=BEFORE)


async def write_down(visit: Visit) -> Response:
    """``POST /act/wish``: what the gateway understood, to be read to the person."""
    act.check_allowed(visit, NAME)
    fields = _fields(visit)
    values, faults = read(fields, visit.form)
    faults += [one for one in _missing(values) if one[0] not in dict(faults)]
    said = None if faults else _said(visit, values)
    faults += _contrary(visit, said) if said else []
    if said is None or faults:
        return act.form_page(visit, NAME, fields, faults=faults, before=BEFORE)
    told = await visit.web.ledger.run_alone(record_wish, WishRequest(act.colleague(visit), said, visit.request_id))
    return act.page(visit, "act_wish_told.html", sentences=told.plain, present=values["present"])


def _fields(visit: Visit) -> tuple[Field, ...]:
    ctx = visit.web.context
    classes, whom = ctx.wording.check_share["class"], _whom(visit)
    purposes = tuple((one.code, one.display) for one in ctx.purposes.values() if one.mode == "wish")
    return (
        Field("whose", "Whose records is it about?", "radio", options=WHOSE),
        Field("child", "NHS number of the child (where it is about a child)", "number", optional=True),
        Field("kind", "Who decides?", "radio", options=WHO),
        Field("decider", "NHS number of who decides (where it is not the patient)", "number", optional=True),
        Field("capacity", "Could they decide this when they said it?", "radio", options=CAPACITY,
              hint="Mental Capacity Act 2005; for a child under 16, whether they understood it in full."),
        Field("present", "Who else was there?", hint="Names or roles; nobody is an answer too.", most=200),
        Field("what", "What do they want?", "radio", options=WHAT),
        Field("to", "Who may be told?", "checks", options=((ANYBODY, "Any service that has an agreement"), *whom), optional=True),
        Field("for", "For what? (nothing ticked: for anything that needs their agreement)", "checks", options=purposes, optional=True),
        Field("classes", "What may be told? (nothing ticked: that they are known, since when, and whom to ring)", "checks",
              options=tuple((code, _capital(classes[code])) for code in CLASSES), optional=True),
        Field("not_to", "Who must not be told?", "checks", options=whom, optional=True),
        Field("limits", "Limits", "checks", optional=True, options=(
            ("only-while-in-hospital", "Only while in hospital"), ("tell-me-each-time", "Tell the person each time"))),
        Field("until", "Until (optional)", "date", optional=True),
    )  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _whom(visit: Visit) -> Options:
    """Organisations by name; those marked sensitive are reached by their kind."""
    own = act.launched(visit).agency
    named = [(code, feed.name) for code, feed in visit.web.feeds.items() if code != own and not profile(feed).sensitive]
    kinds = visit.web.context.wording.wishes["kind"]
    held = {feed.kind for feed in visit.web.feeds.values()} & AGENCY_KINDS
    return (
        *sorted(named, key=lambda one: one[1]),
        *((f"kind:{code}", f"Any service of the kind: {kinds[code]}") for code in sorted(held)),
    )


def _missing(values: dict[str, Any]) -> Faults:
    """What one answer makes another need."""
    found = []
    if values["whose"] == "child" and not values["child"]:
        found.append(("child", NUMBER))
    if values["kind"] not in OWN_KINDS and not values["decider"] and not _is_parent(values):
        found.append(("decider", DECIDER))
    if values["what"] == "share" and not values["to"]:
        found.append(("to", WHOM))
    if values["what"] == "refuse" and not values["not_to"]:
        found.append(("not_to", WHOM.replace("may", "must not").replace(", or that it is anybody", "")))
    if values["what"] != "share" and (values["limits"] or values["until"]):
        found.append(("limits", LIMIT))
    return found


def _contrary(visit: Visit, said: Said) -> Faults:
    """What cannot be meant: by itself, or today, of a patient of this age."""
    patient = act.patient(visit)
    born = whole_day(patient.birth_date) if said.person == _identity(patient.nhs) else None
    untimely = faults_on(said, datetime.now(ENGLAND).date(), born)
    return [*(("what", text) for text in faults_of(said)), *((PLACES[part], text) for part, text in untimely)]


def _is_parent(values: dict[str, Any]) -> bool:
    """Whether it is the patient who decides as a parent, for a child of theirs."""
    return (values["whose"], values["kind"]) == ("child", "parent-for-child")


def _said(visit: Visit, values: dict[str, Any]) -> Said:
    own = act.patient(visit).nhs
    person = values["child"] if values["whose"] == "child" else own
    decider = values["decider"] or (own if _is_parent(values) else person)
    return Said(
        person=_identity(person),
        made_by=_identity(person if values["kind"] in OWN_KINDS else decider),
        wishes=tuple(_wishes(visit, values)),
        capacity=values["capacity"],
        kind=values["kind"],
        present=values["present"],
    )


def _identity(nhs: str) -> str:
    return f"{systems.NHS_NUMBER}|{nhs}"


def _wishes(visit: Visit, values: dict[str, Any]) -> list[Wish]:
    """The wishes as they are put together to one Consent."""
    base = visit.web.context.base
    found = [Wish("nothing")] if values["what"] == "nothing" else []
    if values["what"] == "share":
        to = () if ANYBODY in values["to"] else tuple(_receiver(one, base) for one in values["to"])
        found = [Wish("share", to, purposes=values["for"], classes=values["classes"]), *map(Wish, values["limits"])]
        found += [Wish("until", date=values["until"])] if values["until"] else []
    if values["not_to"]:
        found.append(Wish("not-to", tuple(_receiver(one, base) for one in values["not_to"])))
    return found


def _receiver(code: str, base: str) -> str:
    if code.startswith("kind:"):
        return f"{systems.code_system('agency-kind', base)}|{code.removeprefix('kind:')}"
    return f"{systems.ODS_CODE}|{code}"
