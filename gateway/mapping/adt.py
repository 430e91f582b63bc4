"""HL7 v2 ADT and referrals (REF) with next of kin: one message, one person; what the event says of a stay
(``stays``), and each NK1 as a RelatedPerson. A missing NK1 removes nobody; one A40 may merge several people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.mapping import kin, people
from gateway.mapping.formats import Format
from gateway.mapping.hl7_reader import Message, Segment, read_messages
from gateway.mapping.hl7_values import identifier
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced
from gateway.mapping.referrals import REFERRALS
from gateway.mapping.stays import EVENTS, MERGES, check_time
from gateway.mapping.values import Unusable, Work, work_for
from gateway.mapping.vocabulary import RESTRICTION_RANK

VERSIONS: Final = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8")
SINGLE: Final = ("MSH", "EVN", "PID", "PD1", "PV1", "PV2", "RF1")
TAKEN: Final = {"ADT": EVENTS, "REF": REFERRALS}


def read(fmt: Format, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per message, in the order of the file."""
    messages = read_messages(data)
    return (one(fmt, message, sender) for message in messages)


def one(fmt: Format, message: Message, sender: Sender) -> Mapped:
    """One message; refused whole where it cannot be taken."""
    work = work_for(sender, f"message {message.number}", ", ", fmt.label, fmt.lenient)
    if message.problem:
        work.fault(message.problem, "MSH-2", "structure")
    elif event := event_of(message, work):
        source = {name: found for name in SINGLE if (found := message.first(name)) is not None}
        describe(fmt, message, source, event, work)
    return work.mapped()


def event_of(message: Message, work: Work) -> str:
    """The trigger event, where this is an ADT message that we take; else a fault and the empty text."""
    kind, event, version = message.value("MSH", 9, 1).upper(), message.value("MSH", 9, 2), message.value("MSH", 12)
    kind, _, joined = kind.partition("_")
    event = (event or joined or message.value("EVN", 1)).upper()
    if event not in TAKEN.get(kind, {}):
        named = "; ".join(f"{one} with the events {', '.join(events)}" for one, events in TAKEN.items())
        work.fault(f"Only these messages are taken: {named}.", "MSH-9", "not-supported")
        return ""
    if version and not version.startswith(VERSIONS):
        work.fault("Only versions 2.3 to 2.8 are taken.", "MSH-12", "not-supported")
        return ""
    if not version:
        work.warn("The version is missing; the message was read as 2.8.", "MSH-12", "required")
    if message.value("EVN", 1) not in ("", event):
        work.warn("EVN-1 names another event than MSH-9; MSH-9 was followed.", "EVN-1", "conflict")
    return event


def describe(fmt: Format, message: Message, source: dict[str, Segment], event: str, work: Work) -> None:
    """The person, then what the event adds, then the next of kin."""
    if event in MERGES:
        merges(fmt, message, source, work)
        return
    patient = person(fmt, message, source, work)
    if not work.person:
        return
    key = people.person_key(people.local_first(patient["identifier"]), work.sender)
    work.resources.append(Sourced(key, patient, rule="patient"))
    change = {**EVENTS, **REFERRALS}[event]
    if change is not None:
        check_time(source, work)
        change(fmt, source, key, work)
    kin.next_of_kin(fmt, message.segments.get("NK1", []), patient, key, work)


def person(fmt: Format, message: Message, source: dict[str, Segment], work: Work) -> Resource:
    """The Patient of PID, PD1 and ARV; sets the person of the work, or a fault where nothing identifies them."""
    patient: Resource = {"resourceType": "Patient", **fmt.maps["patient"].run(source, work)}
    found = patient.get("identifier")
    if not found:
        unidentified(work)
        return patient
    work.person = people.logical(people.preferred(found))
    for arv in message.segments.get("ARV", []):
        extras = fmt.maps["restriction"].run({"ARV": arv}, work)
        patient.setdefault("extension", []).extend(extras.get("extension", []))
    traced(fmt, source, patient, work)
    settle(patient)
    return patient


def unidentified(work: Work) -> None:
    """The fault of a message about nobody; said once, where the number itself was not refused already."""
    if not work.faults:
        work.fault("No identifier that this service can use: send an NHS number or a local number.", "PID-3", "required")


def traced(fmt: Format, source: dict[str, Segment], patient: Resource, work: Work) -> None:
    """Adds the verification status of the NHS number, where PID-32 states one."""
    code = fmt.maps["number-status"].run(source, work).get("identifier")
    if code:
        status = code[0]
        patient["identifier"] = [
            people.with_status(one, status) if one.get("use") == "official" else one for one in patient["identifier"]
        ]


def settle(patient: Resource) -> None:
    """One restriction, the strictest; one way of saying that someone died (FHIR allows no two)."""
    found = [one for one in patient.pop("extension", []) if one["valueCode"]]
    if found:
        patient["extension"] = sorted(found, key=lambda one: RESTRICTION_RANK[one["valueCode"]])[:1]
    if patient.get("deceasedDateTime"):
        patient.pop("deceasedBoolean", None)
    elif patient.get("deceasedBoolean") is not None:
        patient.pop("deceasedDateTime", None)


def merges(fmt: Format, message: Message, source: dict[str, Segment], work: Work) -> None:
    """A40, and its forerunners: each PID with the MRG that follows it, one pair or several."""
    stay, go = message.segments.get("PID", []), message.segments.get("MRG", [])
    if len(stay) > 1 and len(stay) != len(go):
        work.fault("Each PID of a merge is followed by one MRG.", "MRG", "structure")
        return
    for number, pid in enumerate(stay or [None]):
        found = {**source, "PID": pid} if pid is not None else source
        work.person = {}
        patient = person(fmt, message, found, work)
        if work.person:
            key = people.person_key(people.local_first(patient["identifier"]), work.sender)
            merge(go[number] if number < len(go) else None, patient, key, work)


def merge(segment: Segment | None, patient: Resource, key: str, work: Work) -> None:
    """The identifiers of MRG-1 are now those of the patient of PID-3."""
    repetitions = segment.repetitions(1) if segment else None
    losing = []
    for cx in repetitions if isinstance(repetitions, list) else []:
        try:
            losing.append(identifier(cx, work.sender))
        except Unusable as problem:
            work.unusable(problem, "MRG-1")
    kept = {(one["system"], one["value"]) for one in patient["identifier"]}
    others = [one for one in losing if one and (one["system"], one["value"]) not in kept]
    if not others:
        work.fault("A merge names the identifier that is given up, other than the one that stays.", "MRG-1", "required")
    patient["link"] = [{"other": people.logical(one), "type": "replaces"} for one in others]
    work.resources.append(Sourced(key, patient, Op.MERGE_PERSON, "patient"))
