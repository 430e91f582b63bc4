"""One child of the children in need census: the person, the referrals, and what was opened under each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import flags, returns
from gateway.mapping.formats import Format
from gateway.mapping.records import Resource, Sourced
from gateway.mapping.threads import Around, Keys, Standing, restrict, settle_death, thread
from gateway.mapping.values import Work, day_of

OVERDUE: Final = timedelta(days=60)  # a due date that passed so long ago is no due date any more
# List of records, its map, and whether a record without an end of its own ended when its episode did.
THREADS: Final = (
    ("Assessments", "assessment", True),
    ("CINPlanDates", "cin-plan", False),
    ("Section47", "section-47", True),
    ("ChildProtectionPlans", "cp-plan", False),
    ("PreProceedingsandFGDM", "pre-proceedings", False),
)


@dataclass(slots=True)
class Child:
    """A child while it is described."""

    fmt: Format
    key: str
    standing: Standing
    unborn: bool = False
    died: str = ""
    keys: Keys = field(default_factory=Keys)
    carer: tuple[Resource, Resource] | None = None  # marker and period of the latest assessment that found a young carer


def describe(fmt: Format, record: dict[str, Any], key: str, work: Work, standing: Standing) -> None:
    """The child's Patient, then a Flag for each referral and what was opened under it."""
    patient: Resource = {"resourceType": "Patient", **fmt.maps["child"].run(record, work)}
    patient["identifier"] = [work.person["identifier"], *patient.get("identifier", [])]
    work.resources.append(Sourced(key, patient, rule="child"))
    child = Child(fmt, key, standing, is_unborn(patient, work), str(patient.get("deceasedDateTime") or ""))
    place = work.place
    for number, episode in enumerate(record.get("CINdetails", [])):
        work.place = f"{place}.CINdetails[{number}]"
        restrict(fmt.maps["episode-person"].run(episode, work), patient)
        one_episode(child, episode, work)
    work.place = place
    if child.carer is not None:
        work.resources.append(Sourced(f"{key}/marker/young-carer", flags.marker(*child.carer, work), rule="young-carer"))
    settle_death(patient)


def is_unborn(patient: Resource, work: Work) -> bool:
    """Whether the child is not born yet; warns of what the rules of the census forbid."""
    url = systems.extension("expected-birth-date", work.base)
    due = next((one["valueDate"] for one in patient.get("extension", []) if one["url"] == url), None)
    if patient.get("birthDate") or not due:
        return False
    if patient.get("gender") in ("male", "female"):
        work.warn("The sex of a child not yet born is U.", "ChildIdentifiers", "business-rule")
    day = day_of(due)
    if work.on is not None and day is not None and work.on - day > OVERDUE:
        work.warn("The due date passed long ago and there is no date of birth.", "ChildIdentifiers", "business-rule")
    return True


def one_episode(child: Child, episode: dict[str, Any], work: Work) -> None:
    """The referral itself, then its threads."""
    referred = day_told(episode, "CINreferralDate")
    key = child.keys.of(f"{child.key}/cin", referred)
    around = Around(contradiction=contradiction(episode))
    referral, period = thread(child.fmt.maps["referral"], episode, key, work, child.standing, around)
    work.resources.append(referral)
    closed = closure(episode, period, work)
    place = work.place
    for listed, name, ends_with_episode in THREADS:
        around = Around(referred, closed, ends_with_episode)
        for number, record in enumerate(episode.get(listed, [])):
            work.place = f"{place}.{listed}[{number}]"
            one_thread(child, name, record, key, work, around)
    work.place = place
    if child.died and referred > child.died:
        work.warn("The referral lies after the death; both are kept as sent.", "CINreferralDate", "conflict")


def closure(episode: dict[str, Any], period: Resource, work: Work) -> str:
    """The day on which the episode was closed; empty where it was not, or will only be."""
    end = str(period.get("end") or "") if episode.get("CINclosureDate") else ""
    return "" if work.on is not None and end > work.on.isoformat() else end


def contradiction(episode: dict[str, Any]) -> str:
    """Why nobody can say whether the episode is closed; empty where that is plain."""
    if episode.get("CINclosureDate"):
        return ""
    if returns.flag(episode.get("ReferralNFA")):
        begun = episode.get("DateOfInitialCPC") or any(episode.get(listed) for listed, *_ in THREADS)
        return "No further action was taken, and yet something was begun" if begun else ""
    return "There is a reason for the closure and no date of it" if episode.get("ReasonForClosure") else ""


def one_thread(child: Child, name: str, record: dict[str, Any], holder: str, work: Work, around: Around) -> None:
    """One plan, assessment or enquiry; and, of an assessment, whether it found a young carer."""
    chosen = "cp-plan-unborn" if name == "cp-plan" and child.unborn else name
    record_map = child.fmt.maps.get(chosen)
    if record_map is None:
        return
    if (
        name == "pre-proceedings"
        and record.get("PPOutcome")
        and not (record.get("StepDecisionDate") or record.get("CourtAppDate"))
    ):
        around = Around(around.referred, around.closed, contradiction="There is an outcome and no date of it")
    first = record_map.leaves[0].sources[0]
    key = child.keys.of(f"{holder}/{record_map.key}", day_told(record, first))
    sourced, period = thread(record_map, record, key, work, child.standing, around)
    work.resources.append(sourced)
    if name == "assessment":
        note_carer(child, record, period, around, work)


def note_carer(child: Child, assessment: dict[str, Any], period: Resource, around: Around, work: Work) -> None:
    """Reads the factors of an assessment: each is known or on the review list; one of them is a marker."""
    factors = assessment.get("FactorsIdentifiedAtAssessment") or {}
    for factor in factors.get("AssessmentFactors", []):
        found = child.fmt.maps["young-carer"].run({"AssessmentFactors": factor}, work).get("code")
        start = str(period.get("start") or "")
        if found and (child.carer is None or start > child.carer[1].get("start", "")):
            dated = {"start": start} if start else {}
            child.carer = (found, {**dated, **({"end": around.closed} if around.closed else {})})


def day_told(record: dict[str, Any], name: str) -> str:
    """A date as a key: in one order, however it was written; as sent where it cannot be read."""
    value = record.get(name)
    return returns.plain_day(value) if value else ""
