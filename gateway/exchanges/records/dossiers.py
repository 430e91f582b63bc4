"""From opened rows to what the decision is asked about: subjects, wishes, ties, holdings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from gateway.disclosure.decision import ADOPTED, Subject, Tie
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.question import Asked, Withheld, withheld_from
from gateway.disclosure.release import Holding, Involved, Marked
from gateway.disclosure.rules import Directive
from gateway.exchanges.agencies import Profile, is_fresh, profile
from gateway.exchanges.records.relationships import is_current as is_current
from gateway.exchanges.records.relationships import role as role
from gateway.exchanges.records.relationships import roles as roles
from gateway.exchanges.records.relationships import tie as tie
from gateway.exchanges.records.relationships import ties as ties
from gateway.exchanges.records.withholdings import withholdings
from gateway.fhir import systems
from gateway.fhir.codes import INPATIENT, SHIELDING, involvement
from gateway.fhir.dates import first_day, whole_day
from gateway.fhir.elements import coding, extension_value, flag_detail, identifiers, identity, is_doubtful
from gateway.store.ledger import Feed, Moment
from gateway.store.people import Opened

MENTAL_HEALTH = frozenset({"adult-mental-health", "perinatal-mental-health", "camhs"})
CONFIDENTIALITY = "/v3-Confidentiality"
RESTRICTED = frozenset({"R", "V"})
SHIELD = "shield"  # the extension of a Patient that the owner's people have shielded
Resource = dict[str, Any]


@dataclass(slots=True)
class Known:
    """A person as all agencies together know them, for one decision only."""

    about: str  # self | children | parents
    nhs: str  # NHS number, empty where none is known
    rows: list[Opened]
    proof: list[Tie] = field(default_factory=list)
    relatives: dict[str, Resource] = field(default_factory=dict)  # agency -> RelatedPerson that names the person
    hidden: list[Opened] = field(default_factory=list)  # sealed by adoption: for the log of who holds them, and nothing else
    _identities: frozenset[str] | None = None

    def at(self, agency: str) -> Opened | None:
        """What one agency holds of the person."""
        return next((row for row in self.rows if row.agency == agency), None)

    def identities(self) -> frozenset[str]:
        """Every identifier of the person at any agency."""
        if self._identities is None:
            own = [f"{systems.NHS_NUMBER}|{self.nhs}"] if self.nhs else []
            self._identities = frozenset(own + [text for row in self.rows for text in identifiers(row.patient)])
        return self._identities

    def birth_dates(self) -> set[date]:
        """Every birth date under which anybody holds the person."""
        return {born for row in self.rows if (born := first_day(row.patient.get("birthDate"))) is not None}


def sealed(rows: Iterable[Opened]) -> bool:
    """Whether anybody's record says that the person was adopted or placed for adoption: then they are as a stranger to
    all, on every surface (Adoption and Children Act 2002; behaviour sections 1 and 2.2)."""
    return not ADOPTED.isdisjoint([restriction(row) for row in rows])


def in_hospital(rows: Iterable[Opened], on: date) -> dict[str, bool]:
    """Who is in hospital on a day, by every identifier; those of whom no mental health record speaks are left out."""
    found: dict[str, bool] = {}
    for row in rows:
        spoken = [one.detail in INPATIENT and is_open(one, on) for one in involvements(row) if one.service in MENTAL_HEALTH]
        if spoken:
            for text in identifiers(row.patient):
                found[text] = found.get(text, False) or any(spoken)
    return found


def has_wishes(known: Known) -> bool:
    """Whether any wish about a person is on file."""
    return any(row.of_type("Consent") for row in known.rows)


def has_conditions(people: Iterable[Known]) -> bool:
    """Whether any wish on file holds only in a state."""
    consents = [held for one in people for row in one.rows for held in row.of_type("Consent")]
    return any("while-status" in str(held.body) for held in consents)


def conditional_performers(people: Iterable[Known]) -> set[str]:
    """NHS numbers of those whose wishes hold only while they are in hospital, and of whom nothing has been read yet."""
    listed = list(people)
    makers = {
        identity(who)
        for one in listed
        for row in one.rows
        for held in row.of_type("Consent")
        if "while-status" in str(held.body)
        for who in held.body.get("performer", ())
    }
    mark, known = f"{systems.NHS_NUMBER}|", {text for one in listed for text in one.identities()}
    return {text.removeprefix(mark) for text in makers if text.startswith(mark) and text not in known}


def is_verified(patient: Resource, traced: bool) -> bool:
    """Whether the NHS number is verified: it says so (status 01), or its sender traces all of its numbers."""
    for one in patient.get("identifier", ()):
        if one.get("system") == systems.NHS_NUMBER:
            status = verification(one)
            return status == "01" or (not status and traced)
    return False


def confirmed(known: Known, feeds: Mapping[str, Feed], born: date | None) -> bool:
    """Whether somebody's record holds this NHS number as verified together with this birth date, and nobody's another.

    Where ``born`` is None any one birth date will do, if it is the only one.
    """
    dates = known.birth_dates()
    if not known.nhs or len(dates) != 1 or (born is not None and born not in dates):
        return False
    return any(
        row.patient.get("birthDate") and row.agency in feeds and is_verified(row.patient, profile(feeds[row.agency]).traced)
        for row in known.rows
    )


def verification(identifier: Resource) -> str:
    """The verification status code of an identifier, empty where none is stated."""
    for extension in identifier.get("extension", ()):
        if extension.get("url") == systems.NHS_NUMBER_STATUS_EXT:
            codings = extension.get("valueCodeableConcept", {}).get("coding", ())
            return next((str(coding.get("code", "")) for coding in codings), "")
    return ""


class Seen(NamedTuple):
    """What the flags of a row come to: looked at once for a lookup."""

    restriction: str
    involvements: list[Involved]
    markers: list[Marked]
    withheld: tuple[Withheld, ...]
    doubtful: bool = False  # some record of the person contradicts itself


def restriction(row: Opened) -> str:
    """Why a row may not be opened by machine: adopted, placed-for-adoption, protected; empty where it may."""
    return _seen(row).restriction


def is_closed(row: Opened, asked: Asked) -> bool:
    """Whether nothing of a row is told to this request: it is sealed or shielded, or its owner withholds it."""
    return bool(restriction(row)) or withheld_from(asked, _seen(row).withheld) is not None


def is_unsettled(row: Opened, on: date) -> bool:
    """Whether a record of the person contradicts itself and no other shows an involvement that goes on: then neither
    that somebody is known nor that it ended can be said."""
    seen = _seen(row)
    return seen.doubtful and not any(is_open(one, on) for one in seen.involvements)


def is_telling(row: Opened, on: date) -> bool:
    """Whether the record shows an involvement that has begun, and nothing in it makes that doubtful."""
    return begun(involvements(row), on) and not is_unsettled(row, on)


def involvements(row: Opened) -> list[Involved]:
    """What an agency does or did with a person; markers and what was entered in error are none of it."""
    return _seen(row).involvements


def _seen(row: Opened) -> Seen:
    found: Seen | None = row.seen
    if found is None:
        found = row.seen = _look(row)
    return found


def _look(row: Opened) -> Seen:
    shielding: list[str] = []
    involved: list[Involved] = []
    markers: list[Marked] = []
    doubtful = False
    for held in row.of_type("Flag"):
        if held.body.get("status") == "entered-in-error":
            continue
        doubtful = doubtful or is_doubtful(held.body)
        detail = flag_detail(held.body)
        if detail in SHIELDING:
            shielding.append(detail)
        elif detail:
            involved.append(_involved(held.body, detail))
        else:
            markers += _marked(held.body)
    return Seen(_restriction(row.patient, shielding), involved, markers, withholdings(row.patient), doubtful)


def _marked(flag: Resource) -> list[Marked]:
    """A stored Flag as a marker, if it is one that holds: one that is inactive says when it ended, or nothing."""
    code, period = coding(flag.get("code"), "/CodeSystem/marker"), flag.get("period", {})
    if not code or (flag.get("status") == "inactive" and not period.get("end")):
        return []
    as_of = extension_value(flag, "status-as-of", "valueDateTime") or ""
    return [Marked(code, first_day(period.get("start")), first_day(period.get("end")), as_of)]


def _restriction(patient: Resource, shielding: list[str]) -> str:
    """Adopted stands before placed-for-adoption, that before protected."""
    stated = str(extension_value(patient, "restriction", "valueCode") or "")
    if stated in ADOPTED:
        return stated
    return min(shielding, default="") or stated or ("protected" if is_restricted(patient) or is_shielded(patient) else "")


def is_shielded(patient: Resource) -> bool:
    """Whether the owner's people have shielded the record: no feed sets or lifts that."""
    return extension_value(patient, SHIELD, "valueInstant") is not None


def is_restricted(resource: Resource) -> bool:
    """Whether a resource is labelled restricted: a relative who asked for protection is never told of."""
    for one in (resource.get("meta") or {}).get("security", ()):
        if str(one.get("system", "")).endswith(CONFIDENTIALITY) and one.get("code") in RESTRICTED:
            return True
    return False


def _involved(flag: Resource, detail: str) -> Involved:
    """A stored Flag as an involvement."""
    period = flag.get("period", {})
    services = [coding(one, "/CodeSystem/service") for one in flag.get("category", ())]
    return Involved(
        detail=detail,
        service=next(filter(None, services), ""),
        start=first_day(period.get("start")),
        end=first_day(period.get("end")),
        as_of=extension_value(flag, "status-as-of", "valueDateTime") or "",
        last_contact=extension_value(flag, "last-contact", "valueDate") or "",
        contacts=tuple([one for one in flag.get("contained", ()) if one.get("resourceType") == "PractitionerRole"]),
    )


def is_open(one: Involved, on: date) -> bool:
    """Whether an involvement is going on; it is not any more on the day on which it ends."""
    return (one.start is None or one.start <= on) and (one.end is None or one.end > on)


def directives(known: Known) -> list[Directive]:
    """The wishes on file about a person, at any agency."""
    compiled = [
        compile_consent(held.body, held.ref, row.agency, held.updated) for row in known.rows for held in row.of_type("Consent")
    ]
    return [directive for directive in compiled if directive is not None]


def subject(
    known: Known, row: Opened, feed: Feed, moment: Moment, asked_birth: date | None, hospital: Mapping[str, bool]
) -> Subject:
    """What the decision must know of a person at one agency. ``hospital``: who is in hospital, of all that were read."""
    return Subject(
        custodian=row.agency,
        about=known.about,
        identities=known.identities() if has_wishes(known) else frozenset(),
        certain=_certain(known, row, feed, asked_birth),
        birth_date=whole_day(row.patient.get("birthDate")),
        restriction="adopted" if sealed(known.rows) else restriction(row),
        inpatient=hospital,
        fresh=is_fresh(feed, moment.at),
        proof=tuple(known.proof),
        withheld=_seen(row).withheld,
    )


def _certain(known: Known, row: Opened, feed: Feed, asked_birth: date | None) -> bool:
    """Whether the record is that of the person meant. A relative is certain where the holder itself tells of the tie."""
    born = first_day(row.patient.get("birthDate"))
    verified = bool(known.nhs) and born is not None and is_verified(row.patient, profile(feed).traced)
    if known.about == "self":
        return verified and (asked_birth is None or born == asked_birth)
    return any(tie.source == row.agency for tie in known.proof) or (verified and known.birth_dates() == {born})


def holding(
    known: Known, row: Opened, feed: Feed, reference: Resource, involved_with: Iterable[Involved], base: str,
    asked: Resource | None = None,
) -> Holding:  # fmt: skip
    """What one agency holds about a person, ready to be released. ``asked``: how the person asked about is named."""
    described: Profile = profile(feed, base)
    return Holding(
        custodian=row.agency,
        custodian_name=feed.name,
        sensitive=described.sensitive,
        reference=reference,
        involvements=tuple(involved_with),
        desks=described.desks,
        died=bool(row.patient.get("deceasedBoolean") or row.patient.get("deceasedDateTime")),
        relative=known.relatives.get(row.agency),
        asked_about=asked,
        markers=tuple(_seen(row).markers),
    )


def begun(involved_with: Iterable[Involved], on: date) -> bool:
    """Whether any of these involvements has begun; what only lies ahead makes nobody known."""
    return any(involvement(one.detail, one.start, one.end, on) for one in involved_with)
