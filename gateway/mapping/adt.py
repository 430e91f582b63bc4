"""HL7 v2 ADT with next of kin: one message, one person; the stay as a Flag, each NK1 as a RelatedPerson.

A missing NK1 removes nobody. Keys: ``stay/<visit number>``; where PV1-19 is empty ``<person>/current-stay``, or
``<person>/community`` for contact in the community.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.mapping import dates, flags, kin, people
from gateway.mapping.engine import RecordMap
from gateway.mapping.formats import Format
from gateway.mapping.hl7_reader import Message, Segment, read_messages
from gateway.mapping.hl7_values import identifier
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced
from gateway.mapping.values import Unusable, Work, work_for
from gateway.mapping.vocabulary import RESTRICTION_RANK

VERSIONS: Final = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8")
OUTPATIENT: Final = frozenset({"O", "R", "C"})  # table 0004: outpatient, recurring, commercial account
SINGLE: Final = ("MSH", "EVN", "PID", "PD1", "PV1")


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
    kind, event, version = message.value("MSH", 9, 1), message.value("MSH", 9, 2), message.value("MSH", 12)
    event = event or message.value("EVN", 1)
    if kind != "ADT" or event not in EVENTS:
        work.fault(f"Only ADT messages are taken, with the events {', '.join(EVENTS)}.", "MSH-9", "not-supported")
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
    patient = person(fmt, message, source, work)
    if not work.person:
        return
    key = people.person_key(people.local_first(patient["identifier"]), work.sender)
    if event == "A40":
        merge(message, patient, key, work)
        return
    work.resources.append(Sourced(key, patient))
    change = EVENTS[event]
    if change is not None:
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


def merge(message: Message, patient: Resource, key: str, work: Work) -> None:
    """A40: the identifiers of MRG-1 are now those of the patient of PID-3."""
    segment = message.first("MRG")
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
    work.resources.append(Sourced(key, patient, Op.MERGE_PERSON))


def stay_key(source: dict[str, Segment], key: str, community: bool) -> str:
    """The key of a stay: its visit number, else the person's current stay or time with a community team."""
    visit = source["PV1"].text(19) if "PV1" in source else ""
    if isinstance(visit, str) and visit:
        return f"stay/{people.segment(visit)}"
    return f"{key}/community" if community else f"{key}/current-stay"


def patient_class(source: dict[str, Segment]) -> str:
    """PV1-2, in capitals."""
    found = source["PV1"].text(2) if "PV1" in source else ""
    return found.upper() if isinstance(found, str) else ""


def outpatient(source: dict[str, Segment]) -> bool:
    """Whether PV1-2 speaks of contact in the community."""
    return patient_class(source) in OUTPATIENT


def as_of(source: dict[str, Segment], work: Work) -> str:
    """When the sender recorded this (EVN-2, else MSH-7); the time of receipt where that lies ahead of it."""
    for name, number in (("EVN", 2), ("MSH", 7)):
        text = source[name].text(number) if name in source else None
        if isinstance(text, str):
            try:
                found = dates.hl7_instant(text)
            except Unusable:
                continue
            return within(found, f"{name}-{number}", work)
    return work.sender.received


def within(found: str, name: str, work: Work) -> str:
    """A recorded time that does not lie ahead of its receipt."""
    if work.sender.received and dates.later(found, work.sender.received):
        work.warn("The recorded time lies in the future; the time of receipt stands instead.", name, "business-rule")
        return work.sender.received
    return found


def put(record_map: RecordMap, source: dict[str, Segment], own: str, work: Work) -> Resource:
    """Appends the Flag of a map under its key."""
    flag = flags.involvement(record_map, record_map.run(source, work), work, as_of(source, work))
    work.resources.append(Sourced(own, flag))
    return flag


def admit(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A01: a stay begins. A stay without a number is the current one, so an earlier end goes."""
    flag = put(fmt.maps["admitted"], source, stay_key(source, key, False), work)
    if "period" not in flag:
        work.fault("No date of admission: send PV1-44, EVN-2 or MSH-7.", "PV1-44", "required")
    else:
        reopen(flag, source)


def reopen(flag: Resource, source: dict[str, Segment]) -> None:
    """A new start without a visit number takes away the end of the last time."""
    if not isinstance(source["PV1"].text(19) if "PV1" in source else None, str) and flag.get("period"):
        flag["period"]["end"] = None


def register(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A04: known to a community team, unless the registration is of an inpatient."""
    if patient_class(source) != "I":
        reopen(put(fmt.maps["registered"], source, stay_key(source, key, True), work), source)


def move(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A02: another ward and clinician; the stay goes on."""
    put(fmt.maps["moved"], source, stay_key(source, key, False), work)


def discharge(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A03: the stay, or the time with a community team, ends."""
    outside = outpatient(source)
    record_map = fmt.maps["community-ended" if outside else "discharged"]
    flag = put(record_map, source, stay_key(source, key, outside), work)
    if not flag.get("period", {}).get("end"):
        work.fault("No date of discharge: send PV1-45, EVN-2 or MSH-7.", "PV1-45", "required")


def cancel_admission(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A11: the stay was recorded in error."""
    outside = outpatient(source)
    record_map = fmt.maps["registered" if outside else "admitted"]
    work.resources.append(flags.retracted(stay_key(source, key, outside), record_map, work))


def cancel_discharge(fmt: Format, source: dict[str, Segment], key: str, work: Work) -> None:
    """A13: the end is taken back, and the stay goes on."""
    outside = outpatient(source)
    record_map = fmt.maps["community-moved" if outside else "moved"]
    flag = put(record_map, source, stay_key(source, key, outside), work)
    flag["period"] = {**flag.get("period", {}), "end": None}
    flag["status"] = "active"
    flag["code"] = flags.code(record_map.detail, flags.coarse_of(record_map.detail, flag["period"], work), work.base)


Change = Callable[[Format, dict[str, Segment], str, Work], Any]
EVENTS: Final[dict[str, Change | None]] = {
    "A01": admit,
    "A02": move,
    "A03": discharge,
    "A04": register,
    "A08": None,
    "A11": cancel_admission,
    "A13": cancel_discharge,
    "A28": None,
    "A31": None,
    "A40": None,
}
