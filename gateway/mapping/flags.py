"""The shape of an involvement: a Flag about one person, authored by the sender (codes.md, Flag)."""

from __future__ import annotations

from typing import Any, Final

from gateway.fhir import codes, systems
from gateway.mapping import contacts
from gateway.mapping.engine import RecordMap, organisation
from gateway.mapping.records import Op, Resource, Sourced
from gateway.mapping.values import Work, day_of

SERVICES: Final = {
    "children-social-care": "Children's social care",
    "early-help": "Early help",
    "adult-mental-health": "Adult mental health",
}
# What the shape adds to the lines of a map: target, rule, tier.
SHAPE: Final = (
    ("extension.status-as-of.valueDateTime", "the record's own time, else the time of receipt", "status"),
    ("status", "inactive from the end day or before the start, else active; nothing where no date was sent", "status"),
    ("category", "administrative, and the service", "existence"),
    ("code.coding involvement", "the coarse status that the dates give on the day of receipt", "status"),
    ("code.coding involvement-detail, SNOMED CT", "the kind of record", "detail"),
    ("subject", "the person of the record", "existence"),
    ("author", "the sending organisation", "existence"),
)


MARKER_SHAPE: Final = (
    ("status", "inactive from the end day, else active", "marker"),
    ("category", "administrative, no service", "marker"),
    ("subject", "the person of the record", "existence"),
    ("author", "the sending organisation", "existence"),
)


def involvement(record_map: RecordMap, built: Resource, work: Work, as_of: str = "", *, doubtful: bool = False) -> Resource:
    """A whole Flag from the lines of a map. Status and coarse code are there only where a date was sent.

    Where the record contradicts itself (``doubtful``) the coarse code is the answer cannot-say, and nothing is active.
    """
    period = built.get("period") or {}
    contacts.attach(built, work)
    flag: Resource = {"resourceType": "Flag", "meta": {"profile": [systems.UKCORE_FLAG]}}
    moment = as_of or work.sender.received
    stated = [{"url": systems.extension("status-as-of", work.base), "valueDateTime": moment}] if moment else []
    flag["extension"] = stated + built.pop("extension", [])
    coarse = coarse_of(record_map.detail, period, work)
    if period or doubtful:
        flag["status"] = "inactive" if doubtful or coarse in ENDED else "active"
    flag["category"] = category(record_map.service, work.base)
    flag["code"] = code(record_map.detail, coarse if period and not doubtful else None, work.base)
    if doubtful:
        flag["code"]["coding"].insert(0, cannot_say(work.base))
    flag["subject"] = work.person
    flag["author"] = organisation(work.sender.agency)
    if not doubtful:
        check_period(period, work)
    return {**flag, **built}


ENDED: Final = (None, codes.Involvement.RECENTLY_CLOSED, codes.Involvement.CLOSED)


def cannot_say(base: str) -> Resource:
    """The coding of an involvement whose record contradicts itself: neither that it goes on nor that it ended."""
    display = "Cannot say: ring the desk"
    return {"system": systems.code_system("answer", base), "code": codes.Answer.CANNOT_SAY.value, "display": display}


def marker(code: Resource, period: Resource, work: Work, as_of: str = "") -> Resource:
    """A Flag that is a marker: a fact about a person, of no service (codes.md, marker)."""
    coding = code["coding"][0]
    flag: Resource = {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        "status": "inactive" if period.get("end") and (work.on is None or period["end"] <= work.on.isoformat()) else "active",
        "category": [ADMINISTRATIVE],
        "code": {"coding": [coding], "text": coding["display"]},
        "subject": work.person,
        "author": organisation(work.sender.agency),
    }
    if as_of:
        flag["extension"] = [{"url": systems.extension("status-as-of", work.base), "valueDateTime": as_of}]
    return {**flag, "period": period} if period else flag


def coarse_of(detail: str, period: Resource, work: Work) -> codes.Involvement | None:
    """The status that the dates give on the day of receipt; without such a day, ended or not."""
    start, end = (day_of(period.get(edge) or "") for edge in ("start", "end"))
    if work.on is None:
        return codes.Involvement.CLOSED if end else codes.DETAILS[detail].while_open
    return codes.involvement(detail, start, end, work.on)


def check_period(period: Resource, work: Work) -> None:
    """Warns of dates that a sender will want to mend; they are kept as sent."""
    start, end = period.get("start") or "", period.get("end") or ""
    if start and end and end < start:
        work.warn("The end lies before the start; both are kept as sent.", "", "business-rule")
    if start and work.on and start > work.on.isoformat():
        work.warn("The start lies in the future: not counted as an involvement until then.", "", "business-rule")


ADMINISTRATIVE: Final[Resource] = {"coding": [{"system": systems.FLAG_CATEGORY, "code": "admin", "display": "Administrative"}]}


def category(service: str, base: str) -> list[Resource]:
    """Administrative, and which service."""
    own = {"system": systems.code_system("service", base), "code": service, "display": SERVICES[service]}
    return [ADMINISTRATIVE, {"coding": [own]}]


def code(detail: str, coarse: codes.Involvement | None, base: str) -> Resource:
    """The coarse status (where known), the detail, its SNOMED CT code, and plain words."""
    line = codes.DETAILS[detail]
    coding: list[dict[str, Any]] = []
    if coarse is not None:
        coding.append({"system": systems.code_system("involvement", base), "code": coarse.value})
    coding.append({"system": systems.code_system("involvement-detail", base), "code": detail, "display": line.display})
    if line.snomed:
        coding.append({"system": systems.SNOMED, "code": line.snomed, "display": line.snomed_display})
    return {"coding": coding, "text": line.display}


def retracted(key: str, record_map: RecordMap, work: Work, op: Op = Op.RETRACT) -> Sourced:
    """One thread, recorded in error."""
    flag = {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        "status": "entered-in-error",
        "category": category(record_map.service, work.base),
        "code": code(record_map.detail, None, work.base),
        "subject": work.person,
        "author": organisation(work.sender.agency),
    }
    return Sourced(key, flag, op, record_map.name)
