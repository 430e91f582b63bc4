"""The minimum that a Permit allows, of what one agency holds about one person.

Nothing leaves the gateway by another way: a status, a contact or a relative's identity is shaped here, and only with
a Permit in hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from gateway.disclosure.decision import Permit
from gateway.fhir import systems
from gateway.fhir.codes import DETAILS, MARKERS, RANK, Answer, Involvement, involvement

Resource = dict[str, Any]
STATUS_DISPLAY = {
    Involvement.HIGH_INTENSITY: "Intensive now",
    Involvement.ACTIVE: "Involved now",
    Involvement.PENDING: "Referred, not started",
    Involvement.CARE_LEAVER: "Care leaver",
    Involvement.RECENTLY_CLOSED: "Ended within 12 months",
    Involvement.CLOSED: "Known in the past",
}
ITK = {"known": "30001", "not-known": "30002", "recently-closed": "30003", "closed": "30003", "died": "30004"}
ITK_DISPLAY = {
    "30001": "Patient known here",
    "30002": "Patient not known here",
    "30003": "Patient no longer at this clinical setting",
    "30004": "Patient known, recently deceased",
}
ADMINISTRATIVE: Resource = {"coding": [{"system": systems.FLAG_CATEGORY, "code": "admin", "display": "Administrative"}]}
CLOSED = frozenset({Involvement.RECENTLY_CLOSED, Involvement.CLOSED})
ANSWERS = {Involvement.RECENTLY_CLOSED: Answer.RECENTLY_CLOSED, Involvement.CLOSED: Answer.CLOSED}


class Involved(NamedTuple):
    """One involvement of an agency with a person, from a stored Flag."""

    detail: str
    service: str
    start: date | None
    end: date | None
    as_of: str
    last_contact: str  # YYYY-MM-DD; told to the month
    contacts: tuple[Resource, ...] = ()


class Marked(NamedTuple):
    """A marker on a person's record, from a stored Flag."""

    code: str
    start: date | None
    end: date | None
    as_of: str = ""


class Holding(NamedTuple):
    """What one agency holds about one person, unsealed."""

    custodian: str
    custodian_name: str
    sensitive: bool
    reference: Resource  # how the person is named to this receiver
    involvements: tuple[Involved, ...]
    desks: tuple[Resource, ...]
    died: bool = False
    relative: Resource | None = None  # RelatedPerson, for children and parents
    asked_about: Resource | None = None  # how the person asked about is named to this receiver
    markers: tuple[Marked, ...] = ()


class Disclosure(NamedTuple):
    """What leaves about one person from one agency."""

    custodian: str
    answer: Answer
    itk: str
    status: Involvement | None = None
    since: str = ""
    last_contact: str = ""
    contacts: tuple[Resource, ...] = ()
    flags: tuple[Resource, ...] = ()
    related_person: Resource | None = None


def headline(holding: Holding, on: date) -> tuple[Involved, Involvement] | None:
    """The involvement that speaks for the person on a day: the first open line of the ladder, else the last to end."""
    found = [(one, status) for one in holding.involvements if (status := involvement(one.detail, one.start, one.end, on))]
    if len(found) < 2:
        return found[0] if found else None
    opened = [pair for pair in found if pair[1] not in CLOSED]
    if opened:
        return min(opened, key=lambda pair: (RANK.get(pair[0].detail, len(RANK)), pair[0].start or date.min))
    return max(found, key=lambda pair: pair[0].end or date.min)


def release(holding: Holding, permit: Permit, on: date, base: str = systems.BASE) -> Disclosure | None:
    """Shape what may leave: existence, then status, contact, relative's identity and detail as the permit has them.

    None where all of it ended so long ago that this permit does not reach back to it. ValueError where nothing is held.
    """
    found = headline(holding, on)
    if found is None:
        raise ValueError("nothing is held that could be released")
    lead, status = found
    answer = ANSWERS.get(status, Answer.KNOWN)
    if answer is Answer.CLOSED and not permit.long_past:
        return None
    told = "status" in permit.classes
    return Disclosure(
        custodian=holding.custodian,
        answer=answer,
        itk=ITK["died"] if told and holding.died else ITK[answer],
        status=status if told else None,
        since=lead.start.isoformat() if told and lead.start else "",
        last_contact=lead.last_contact[:7] if told else "",
        contacts=_contacts(holding, lead) if "contact" in permit.classes else (),
        flags=(*(_flags(holding, permit, on, base) if told else ()), *_markers(holding, permit, on, base)),
        related_person=_relative(holding, permit),
    )


def _contacts(holding: Holding, lead: Involved) -> tuple[Resource, ...]:
    """Whom to ring: the lead or team of what speaks for the person, then the desks; of a sensitive agency its desks alone."""
    return holding.desks if holding.sensitive else (*(_contact(one) for one in lead.contacts), *holding.desks)


CONTACT_PARTS = ("resourceType", "organization", "code", "telecom", "availableTime", "availabilityExceptions")


def _contact(stored: Resource) -> Resource:
    """A stored contact by its name, kind, numbers and hours; staff numbers and whatever else was sent stay here."""
    told = {name: stored[name] for name in CONTACT_PARTS if name in stored}
    name = (stored.get("practitioner") or {}).get("display")
    return {**told, "practitioner": {"display": name}} if name else told


def _flags(holding: Holding, permit: Permit, on: date, base: str) -> tuple[Resource, ...]:
    """One flag for each involvement where its detail may leave, else one for each coarse status.

    What ended long ago is told under a duty alone; a sensitive agency's details would name its kind.
    """
    detailed = "detail" in permit.classes and not holding.sensitive
    flags = []
    several = len(holding.involvements) > 1
    for one in sorted(holding.involvements, key=_order) if several else holding.involvements:
        status = involvement(one.detail, one.start, one.end, on)
        if status is not None and (permit.long_past or status is not Involvement.CLOSED):
            flags.append(flag(holding, one, status, detailed=detailed, base=base))
    return tuple(flags) if detailed else _one_per_status(flags)


def _markers(holding: Holding, permit: Permit, on: date, base: str) -> list[Resource]:
    """One Flag for each marker that holds on a day, whoever of the agency told it. Of a sensitive agency none: most would
    name its kind."""
    if "marker" not in permit.classes or holding.sensitive:
        return []
    holds = [one for one in holding.markers if (one.start or on) <= on < (one.end or date.max) and one.code in MARKERS]
    newest = {one.code: one for one in sorted(holds, key=lambda one: (one.code, one.start or date.min))}
    return [_marker(holding, one, base) for one in newest.values()]


def _marker(holding: Holding, one: Marked, base: str) -> Resource:
    coding = {"system": systems.code_system("marker", base), "code": one.code, "display": MARKERS[one.code]}
    as_of = [{"url": systems.extension("status-as-of", base), "valueDateTime": one.as_of}] if one.as_of else []
    return {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        **({"extension": as_of} if as_of else {}),
        "status": "active",
        "category": [ADMINISTRATIVE],
        "code": {"coding": [coding], "text": MARKERS[one.code]},
        "subject": holding.reference,
        **_period(one),
        "author": organisation(holding.custodian, holding.custodian_name),
    }


def _order(one: Involved) -> tuple[int, date, str]:
    return (RANK.get(one.detail, len(RANK)), one.start or date.min, one.detail)


def _one_per_status(flags: list[Resource]) -> tuple[Resource, ...]:
    """Coarse flags that say the same would still tell how many plans there are; one stands for all."""
    seen: dict[str, Resource] = {}
    for one in flags:
        seen.setdefault(one["code"]["coding"][0]["code"], one)
    return tuple(seen.values())


def flag(holding: Holding, one: Involved, status: Involvement, *, detailed: bool, base: str = systems.BASE) -> Resource:
    """An involvement as a UK Core Flag, its detail coded only where that may leave."""
    extension = [{"url": systems.extension("status-as-of", base), "valueDateTime": one.as_of}] if one.as_of else []
    if one.last_contact:
        extension.append({"url": systems.extension("last-contact", base), "valueDate": one.last_contact[:7]})
    service = "" if holding.sensitive else one.service
    category = [ADMINISTRATIVE]
    if service:
        category.append({"coding": [{"system": systems.code_system("service", base), "code": service}]})
    return {
        "resourceType": "Flag",
        "meta": {"profile": [systems.UKCORE_FLAG]},
        **({"extension": extension} if extension else {}),
        "status": "inactive" if status in CLOSED else "active",
        "category": category,
        "code": _code(one, status, detailed, base),
        "subject": holding.reference,
        **_period(one),
        "author": organisation(holding.custodian, holding.custodian_name),
    }


def _code(one: Involved, status: Involvement, detailed: bool, base: str) -> Resource:
    coding = [{"system": systems.code_system("involvement", base), "code": str(status), "display": STATUS_DISPLAY[status]}]
    detail = DETAILS.get(one.detail)
    if not detailed or detail is None:
        return {"coding": coding, "text": STATUS_DISPLAY[status]}
    coding.append({"system": systems.code_system("involvement-detail", base), "code": one.detail, "display": detail.display})
    if detail.snomed:
        coding.append({"system": systems.SNOMED, "code": detail.snomed, "display": detail.snomed_display})
    return {"coding": coding, "text": detail.display}


def _period(one: Involved | Marked) -> Resource:
    period = {}
    if one.start:
        period["start"] = one.start.isoformat()
    if one.end:
        period["end"] = one.end.isoformat()
    return {"period": period} if period else {}


TOLD_OF_RESPONSIBILITY = frozenset({"value", "since", "until"})  # who recorded it and on what evidence stays here
TOLD_EXTENSIONS = ("lives-with", "expected-birth-date", "unconfirmed")


def _relative(holding: Holding, permit: Permit) -> Resource | None:
    """The relative as codes.md has it: role, dates, NHS number, given name and birth date; never address or telecom."""
    stored = holding.relative
    if stored is None or "relative-identity" not in permit.classes:
        return None
    named = holding.reference["identifier"]
    given = [{"given": one["given"]} for one in stored.get("name", ()) if one.get("given")]
    roles = [{"coding": one["coding"]} for one in stored.get("relationship", ()) if one.get("coding")]  # never its free text
    made: Resource = {
        "resourceType": "RelatedPerson",
        "meta": {"profile": [systems.UKCORE_RELATED]},
        "extension": _relative_extensions(stored),
        "identifier": [named] if named["system"] == systems.NHS_NUMBER else [],
        "active": stored.get("active", True),
        "patient": holding.asked_about or holding.reference,
        "relationship": roles,
        "name": given[:1],
        "birthDate": stored.get("birthDate"),
        "period": stored.get("period"),
    }
    return {key: value for key, value in made.items() if value not in (None, [], {})}


def _relative_extensions(stored: Resource) -> list[Resource]:
    """Parental responsibility by value and dates, and the plain facts about the relationship."""
    told = []
    for extension in stored.get("extension", ()):
        name = str(extension.get("url", "")).rpartition("/")[2]
        if name in TOLD_EXTENSIONS:
            told.append(extension)
        elif name == "parental-responsibility":
            parts = [one for one in extension.get("extension", ()) if one.get("url") in TOLD_OF_RESPONSIBILITY]
            told.append({**extension, "extension": parts})
    return told


def organisation(code: str, name: str = "") -> Resource:
    """A logical reference to an organisation by its ODS code."""
    reference: Resource = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": code}}
    if name:
        reference["display"] = name
    return reference


def desk(agency: str, name: str, kind: str, contact: Mapping[str, Any], base: str = systems.BASE) -> Resource:
    """A contact of an agency as a PractitionerRole. ``hours`` in words; ``available`` the same for machines (availableTime)."""
    code: Resource = {"coding": [{"system": systems.code_system("contact-kind", base), "code": kind}]}
    if contact.get("name"):
        code["text"] = contact["name"]
    role: Resource = {"resourceType": "PractitionerRole", "organization": organisation(agency, name), "code": [code]}
    if contact.get("phone"):
        role["telecom"] = [{"system": "phone", "value": contact["phone"], "use": "work"}]
    if contact.get("available"):
        role["availableTime"] = contact["available"]
    if contact.get("hours"):
        role["availabilityExceptions"] = contact["hours"]
    return role
