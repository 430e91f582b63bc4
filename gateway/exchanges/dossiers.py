"""From opened rows to what the decision is asked about: subjects, wishes, ties, holdings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from gateway.disclosure.decision import Subject, Tie
from gateway.disclosure.directives import Directive, compile_consent
from gateway.disclosure.release import Holding, Involved
from gateway.exchanges.agencies import Profile, is_fresh, profile
from gateway.fhir import systems
from gateway.fhir.codes import INPATIENT, involvement
from gateway.fhir.dates import bounds, first_day
from gateway.fhir.elements import coding, extension_parts, extension_value, flag_detail, identifiers, identity
from gateway.store import clock
from gateway.store.ledger import Feed, Moment
from gateway.store.people import Held, Opened

MENTAL_HEALTH = frozenset({"adult-mental-health", "perinatal-mental-health"})
Resource = dict[str, Any]


@dataclass(slots=True)
class Known:
    """A person as all agencies together know them, for one decision only."""

    about: str  # self | children | parents
    nhs: str  # NHS number, empty where none is known
    rows: list[Opened]
    proof: list[Tie] = field(default_factory=list)
    relatives: dict[str, Resource] = field(default_factory=dict)  # agency -> RelatedPerson that names the person

    def at(self, agency: str) -> Opened | None:
        return next((row for row in self.rows if row.agency == agency), None)

    def identities(self) -> frozenset[str]:
        own = [f"{systems.NHS_NUMBER}|{self.nhs}"] if self.nhs else []
        return frozenset(own + [text for row in self.rows for text in identifiers(row.patient)])


def in_hospital(rows: Iterable[Opened], on: date) -> dict[str, bool]:
    """Who is in hospital on a day, by every identifier; those of whom no mental health record speaks are left out."""
    found: dict[str, bool] = {}
    for row in rows:
        spoken = [one.detail in INPATIENT and is_open(one, on) for one in involvements(row) if one.service in MENTAL_HEALTH]
        if spoken:
            for text in identifiers(row.patient):
                found[text] = found.get(text, False) or any(spoken)
    return found


def has_conditions(people: Iterable[Known]) -> bool:
    """Whether any wish on file holds only in a state."""
    return any("while-status" in str(held.body) for one in people for row in one.rows for held in row.of_type("Consent"))


def conditional_performers(people: Iterable[Known]) -> set[str]:
    """NHS numbers of those whose wishes hold only while they are in hospital, and of whom nothing has been read yet."""
    listed = list(people)
    known = {text for one in listed for text in one.identities()}
    makers = (
        identity(who)
        for one in listed
        for row in one.rows
        for held in row.of_type("Consent")
        if "while-status" in str(held.body)
        for who in held.body.get("performer", ())
    )
    return {text.split("|", 1)[1] for text in makers if text.startswith(f"{systems.NHS_NUMBER}|") and text not in known}


def is_verified(patient: Resource, traced: bool) -> bool:
    """Whether the NHS number is verified: it says so (status 01), or its sender traces all of its numbers."""
    for one in patient.get("identifier", ()):
        if one.get("system") == systems.NHS_NUMBER:
            status = verification(one)
            return status == "01" or (not status and traced)
    return False


def verification(identifier: Resource) -> str:
    """The verification status code of an identifier, empty where none is stated."""
    for extension in identifier.get("extension", ()):
        if extension.get("url") == systems.NHS_NUMBER_STATUS_EXT:
            codings = extension.get("valueCodeableConcept", {}).get("coding", ())
            return next((str(coding.get("code", "")) for coding in codings), "")
    return ""


def restriction(patient: Resource) -> str:
    return extension_value(patient, "restriction", "valueCode") or ""


def involved(flag: Resource) -> Involved | None:
    """A stored Flag as an involvement; None for markers and what was entered in error."""
    detail = flag_detail(flag)
    if not detail or flag.get("status") == "entered-in-error":
        return None
    period = flag.get("period", {})
    services = [coding(one, "/CodeSystem/service") for one in flag.get("category", ())]
    return Involved(
        detail=detail,
        service=next(filter(None, services), ""),
        start=first_day(period.get("start")),
        end=first_day(period.get("end")),
        as_of=extension_value(flag, "status-as-of", "valueDateTime") or "",
        last_contact=extension_value(flag, "last-contact", "valueDate") or "",
        contacts=tuple(one for one in flag.get("contained", ()) if one.get("resourceType") == "PractitionerRole"),
    )


def involvements(row: Opened) -> list[Involved]:
    return [one for held in row.of_type("Flag") if (one := involved(held.body))]


def is_open(one: Involved, on: date) -> bool:
    return (one.start is None or one.start <= on) and (one.end is None or one.end > on)


def directives(known: Known) -> list[Directive]:
    """The wishes on file about a person, at any agency."""
    compiled = (
        compile_consent(held.body, held.ref, row.agency, held.version)
        for row in known.rows
        for held in row.of_type("Consent")
    )
    return [directive for directive in compiled if directive is not None]


def ties(rows: Iterable[Opened]) -> list[Tie]:
    """The relationships on file, active ones only."""
    return [tie(held, row) for row in rows for held in row.of_type("RelatedPerson") if held.body.get("active", True)]


def tie(held: Held, row: Opened) -> Tie:
    body = held.body
    responsibility = extension_parts(body, "parental-responsibility")
    return Tie(
        patient=identity(body.get("patient")),
        other=identifiers(body)[0] if identifiers(body) else "",
        role=role(body),
        source=row.agency,
        responsible=responsibility.get("value") == "yes",
        responsible_from=_moment(responsibility.get("since"), 0),
        responsible_until=_moment(responsibility.get("until"), 1),
    )


def role(related: Resource) -> str:
    """The v3-RoleCode of a relationship: what the related person is to the patient."""
    for concept in related.get("relationship", ()):
        code = coding(concept, "/v3-RoleCode")
        if code:
            return code
    return ""


def _moment(text: str | None, end: int) -> datetime | None:
    if not text:
        return None
    try:
        return bounds(text)[end]
    except ValueError:
        return None


def subject(
    known: Known, row: Opened, feed: Feed, moment: Moment, asked_birth: date | None, hospital: Mapping[str, bool]
) -> Subject:
    """What the decision must know of a person at one agency. ``hospital``: who is in hospital, of all that were read."""
    born = first_day(row.patient.get("birthDate"))
    same_birth = asked_birth is None or born == asked_birth
    verified = bool(known.nhs) and is_verified(row.patient, profile(feed).traced)
    linked = known.about != "self" and any(tie.source == row.agency for tie in known.proof)
    return Subject(
        custodian=row.agency,
        about=known.about,
        identities=known.identities(),
        certain=(verified and same_birth and born is not None) or (linked and same_birth),
        birth_date=born,
        restriction=restriction(row.patient),
        inpatient=hospital,
        fresh=is_fresh(feed, moment.at),
        proof=tuple(known.proof),
    )


def holding(known: Known, row: Opened, feed: Feed, reference: Resource) -> Holding:
    """What one agency holds about a person, ready to be released."""
    described: Profile = profile(feed)
    return Holding(
        custodian=row.agency,
        custodian_name=feed.name,
        sensitive=described.sensitive,
        reference=reference,
        involvements=tuple(involvements(row)),
        desks=described.desks,
        died=bool(row.patient.get("deceasedBoolean") or row.patient.get("deceasedDateTime")),
        relative=known.relatives.get(row.agency),
    )


def still_involved(row: Opened, on: date) -> bool:
    return any(involvement(one.detail, one.start, one.end, on) for one in involvements(row))
