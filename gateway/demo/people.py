"""The made-up agencies, people and agreements of the story. NHS numbers are from the 999 test range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from gateway.exchanges.administer import NewAgency
from gateway.fhir import systems

TODAY = date.today()
TRUST, COUNCIL, HEALTH_VISITING, VOLUNTARY, SCHOOL_NURSING = "TMH01", "TLA01", "THV01", "TVF01", "TSN01"
LA_CODE = "999"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist."""

    label: str
    nhs: str
    born: str
    family: str
    given: str


AMINA = Person("mother", "9990001006", "1991-03-14", "EXAMPLE", "AMINA")
LEO = Person("her child", "9990001014", "2019-06-02", "EXAMPLE", "LEO")
BETH = Person("a mother who refused", "9990001022", "1988-11-30", "SAMPLE", "BETH")
RUBY = Person("that mother's child", "9990001030", "2017-01-19", "SAMPLE", "RUBY")
STRANGER = Person("a stranger", "9990001049", "1990-05-05", "NOBODY", "NED")
PEOPLE = (AMINA, LEO, BETH, RUBY, STRANGER)


def day(before: int = 0) -> str:
    """A date so many days before today."""
    return (TODAY - timedelta(days=before)).isoformat()


WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def _desk(kind: str, name: str, phone: str, hours: str, *by_day: str) -> dict[str, Any]:
    """A contact; ``by_day`` are its hours on weekdays, for machines."""
    told = {"kind": kind, "name": name, "phone": phone, "hours": hours}
    times = dict(zip(("availableStartTime", "availableEndTime"), by_day, strict=False))
    return {**told, "available": [{"daysOfWeek": WEEKDAYS, **times}]} if times else told


AGENCIES = (
    NewAgency(TRUST, "Northmoor Mental Health NHS Trust", "adult-mental-health", {
        "desks": [
            _desk("duty-desk", "Northmoor duty desk", "01632 960101", "Monday to Friday, 9 to 5", "09:00:00", "17:00:00"),
            _desk("out-of-hours-desk", "Northmoor crisis line", "01632 960102", "at all other times"),
        ],
        "authorities": {"RIO": systems.local_id(TRUST, "rio")},
        "traced": True,
    }, complete=True, holds_from="2015-04-01"),
    NewAgency(COUNCIL, "Southshire Council Children's Services", "children-social-care", {
        "desks": [
            _desk("duty-desk", "Southshire front door", "01632 960201", "Monday to Friday, 8.30 to 5.30", "08:30:00", "17:30:00"),
            _desk("out-of-hours-desk", "Southshire emergency duty team", "01632 960202", "at all other times"),
        ],
        "la_code": LA_CODE,
    }, complete=True, holds_from="2018-01-01"),
    NewAgency(HEALTH_VISITING, "Southshire Health Visiting", "health-visiting", {"desks": [_desk("duty-desk", "Health visiting hub", "01632 960301", "Monday to Friday, 9 to 5")]}),
    NewAgency(VOLUNTARY, "Home Hearth Family Support", "voluntary", {"desks": [_desk("duty-desk", "Home Hearth office", "01632 960401", "Monday to Friday, 10 to 4")]}),
    NewAgency(SCHOOL_NURSING, "Southshire School Nursing", "school-nursing", {"desks": [_desk("duty-desk", "School nursing hub", "01632 960501", "term time, 9 to 3")]}),
)  # fmt: skip

RECORD_SCOPES = (
    "system/records.c system/Consent.crus system/Flag.crus system/RelatedPerson.crus system/Patient.rs system/Provenance.rs"
    " system/Organization.rs system/PractitionerRole.rs"
)
ASK_SCOPES = (
    "system/$known-to-services system/$check-share system/Subscription.cruds system/Group.cruds system/$process-message"
    " system/notice.us system/call-back.us system/$request-contact system/$match"
)


@dataclass(frozen=True, slots=True)
class Software:
    """A client to be registered."""

    id: str
    agency: str
    name: str
    scopes: str
    purposes: tuple[str, ...]
    roles: tuple[str, ...] = ()


CLIENTS = (
    Software("trust-epr", TRUST, "The ward's electronic record", f"{RECORD_SCOPES} {ASK_SCOPES}", ("amh-care-planning", "duty-to-share-16la"), ("ward-nurse", "care-coordinator")),
    Software("council-system", COUNCIL, "The council's case system", f"{RECORD_SCOPES} {ASK_SCOPES}", ("safeguarding-s47", "duty-to-share-16la", "child-in-need-s17"), ("social-worker",)),
    Software("health-visiting-system", HEALTH_VISITING, "The health visitors' record", ASK_SCOPES, ("early-help",), ("health-visitor",)),
    Software("voluntary-system", VOLUNTARY, "The charity's case list", ASK_SCOPES, ("early-help",), ("family-worker",)),
    Software("school-nursing-system", SCHOOL_NURSING, "The school nurses' record", ASK_SCOPES, ("early-help",), ("school-nurse",)),
    Software("trust-auditor", TRUST, "The trust's auditor", "system/AuditEvent.rs", ("audit",), ("auditor",)),
    Software("council-auditor", COUNCIL, "The council's auditor", "system/AuditEvent.rs", ("audit",), ("auditor",)),
)  # fmt: skip


def crosswalk() -> str:
    """The council's crosswalk from its own numbers to traced NHS numbers."""
    rows = ["local_system,local_id,nhs_number,verification_status,birth_date,valid_from,valid_to"]
    for local, person in (("LEO1", LEO), ("RUBY1", RUBY)):
        rows.append(f"la-child-id,{local},{person.nhs},01,{person.born},2020-01-01,")
    return "\n".join(rows) + "\n"


def relationships() -> str:
    """The council's relationship feed: who is whose mother, with parental responsibility."""
    head = (
        "source_person_system,source_person_id,related_person_system,related_person_id,role,role_system,"
        "parental_responsibility,pr_evidence,lives_with,period_start,period_end,recorded_on"
    )
    rows = [
        f"la-child-id,{local},nhs-number,{mother.nhs},MTH,v3-RoleCode,yes,birth certificate,yes,{child.born},,{day(30)}"
        for local, child, mother in (("LEO1", LEO, AMINA), ("RUBY1", RUBY, BETH))
    ]
    return "\n".join([head, *rows]) + "\n"


def children(*, plan: bool = False, enquiry: bool = False, placed: bool = False) -> list[dict[str, Any]]:
    """The council's daily DfE JSON; later days carry what is new."""
    episode: dict[str, Any] = {
        "social_care_episode_id": "LEO1E1",
        "referral_date": day(60),
        "referral_source": "3F",
        "child_in_need_plans": [{"child_in_need_plan_id": "LEO1CIN", "start_date": day(40)}],
    }
    if enquiry:
        episode["section_47_assessments"] = [{"section_47_assessment_id": "LEO1S47", "start_date": day(0)}]
    if plan:
        episode["child_protection_plans"] = [{"child_protection_plan_id": "LEO1CPP", "start_date": day(0)}]
    if placed:
        episode["child_looked_after_placements"] = [
            {"child_looked_after_placement_id": "LEO1CLA", "start_date": day(0), "placement_type": "U1"}
        ]
    leo = {"la_child_id": "LEO1", "child_details": _details(LEO), "social_care_episodes": [episode]}
    ruby = {
        "la_child_id": "RUBY1",
        "child_details": _details(RUBY),
        "social_care_episodes": [
            {
                "social_care_episode_id": "RUBY1E1",
                "referral_date": day(200),
                "child_protection_plans": [{"child_protection_plan_id": "RUBY1CPP", "start_date": day(150)}],
            }
        ],
    }
    return [leo, ruby]


def _details(person: Person) -> dict[str, str]:
    return {"first_name": person.given, "surname": person.family, "date_of_birth": person.born, "sex": "U"}


def adt(event: str, person: Person, local: str, *, kin: Person | None = None, visit: str = "") -> str:
    """One HL7 v2.4 message of the trust."""
    stamp = f"{TODAY:%Y%m%d}000100"
    started = f"{TODAY - timedelta(days=3):%Y%m%d}210000"
    ended = f"{TODAY:%Y%m%d}000100" if event == "A03" else ""
    segments = [
        f"MSH|^~\\&|RIO|{TRUST}|TIE|{TRUST}|{stamp}||ADT^{event}|{event}{local}|P|2.4",
        f"EVN|{event}|{stamp}",
        f"PID|1||{person.nhs}^^^NHS^NH~{local}^^^RIO^MR||{person.family}^{person.given}||{person.born.replace('-', '')}|F",
    ]
    if kin:
        born = kin.born.replace("-", "")
        segments.append(f"NK1|1|{kin.family}^{kin.given}|CHD^Child^HL70063|||||||||||||{born}|||||||||||||||||{kin.nhs}^^^NHS^NH")
    visit = f"PV1|1|I|ROSE WARD||||C123^CLINICIAN^ANNE^^^DR||||||||||||V{visit or local}" + "|" * 25 + f"{started}|{ended}"
    return "\r".join([*segments, visit]) + "\r"


def consent(
    whose: Person, who: Person, rules: list[dict[str, Any]], *, agency: str, when: str, only_inpatient: bool = False
) -> dict[str, Any]:
    """What ``who`` wants of the record of ``whose``, as a FHIR Consent: nothing but what ``rules`` permit."""
    made: dict[str, Any] = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": systems.CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": systems.V3_ACT_CODE, "code": "INFA"}]}],
        "patient": reference(whose),
        "dateTime": when,
        "performer": [reference(who)],
        "organization": [{"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": agency}}],
        "sourceAttachment": {"title": "Written down with her on the ward"},
        "policy": [{"uri": "https://gateway.example/fhir/policy/family-sharing"}],
        "provision": {"type": "deny", "provision": rules} if rules else {"type": "deny"},
    }
    if only_inpatient:
        modifier = {
            "url": systems.extension("while-status"),
            "valueCoding": {"system": systems.code_system("involvement-detail"), "code": "inpatient"},
        }
        made["provision"]["provision"] = [{**rule, "modifierExtension": [modifier]} for rule in rules]
    return made


def permit(receiver: str, purpose: str, *classes: str) -> dict[str, Any]:
    """A rule: this organisation may, for this purpose, hear these."""
    role = {"coding": [{"system": systems.V3_PARTICIPATION, "code": "IRCP"}]}
    organisation = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": receiver}}
    return {
        "type": "permit",
        "actor": [{"role": role, "reference": organisation}],
        "action": [{"coding": [{"system": systems.CONSENT_ACTION, "code": "disclose"}]}],
        "purpose": [{"system": systems.code_system("purpose"), "code": purpose}],
        "class": [{"system": systems.code_system("data-class"), "code": code} for code in classes],
    }


def reference(person: Person) -> dict[str, Any]:
    return {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": person.nhs}}


def lookup(person: Person, purpose: str, *about: str, case: str = "", reason: str = "") -> dict[str, Any]:
    """Parameters of a lookup."""
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs}],
        "birthDate": person.born,
    }
    parameters: list[dict[str, Any]] = [
        {"name": "person", "resource": patient},
        {"name": "purpose", "valueCoding": {"system": systems.code_system("purpose"), "code": purpose}},
        *({"name": "about", "valueCode": code} for code in about),
    ]
    if case:
        parameters.append(
            {"name": "caseReference", "valueIdentifier": {"system": "https://southshire.example/case", "value": case}}
        )
    if reason:
        parameters.append({"name": "reason", "valueString": reason})
    return {"resourceType": "Parameters", "parameter": parameters}


def subscription(person: Person, topic: str, endpoint: str, purpose: str, *, case: str = "", reason: str = "") -> dict[str, Any]:
    """A subscription to one topic about one person, told by FHIR message."""
    extensions: list[dict[str, Any]] = [
        {"url": systems.extension("purpose"), "valueCoding": {"system": systems.code_system("purpose"), "code": purpose}}
    ]
    if case:
        extensions.append(
            {
                "url": systems.extension("case-reference"),
                "valueIdentifier": {"system": "https://southshire.example/case", "value": case},
            }
        )
    if reason:
        extensions.append({"url": systems.extension("reason"), "valueString": reason})
    criteria = {"url": systems.BACKPORT_FILTER, "valueString": f"patient:identifier={systems.NHS_NUMBER}|{person.nhs}"}
    return {
        "resourceType": "Subscription",
        "extension": extensions,
        "status": "requested",
        "reason": "To hear of changes that matter to the family's plan",
        "criteria": systems.topic(topic),
        "_criteria": {"extension": [criteria]},
        "channel": {"type": "message", "endpoint": endpoint, "payload": "application/fhir+json"},
    }
