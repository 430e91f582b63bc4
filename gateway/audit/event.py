"""An entry of the access log as a FHIR R4 AuditEvent, for the holder's auditor or for the requester's.

The holder sees the cause and the people found. The requester sees a rendering of what was *asked*: ``as_asked`` copies the
request out of the entry by name and nothing else reaches the rendering, so an answer cannot show through it. Two questions
that differ only in their answers give the same bytes but for id and time (behaviour sections 1 and 5).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from gateway.audit import shapes
from gateway.audit.entry import DONE, FAULT, REFUSED, Entry, Kind
from gateway.audit.shapes import Code, Shape
from gateway.fhir import systems

Part = dict[str, Any]
View = Literal["holder", "requester"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = 1_000_000
ONLY_ASKED: Final = "Asked. What was answered is in the access log of the agency that holds the record."
# Detail that has an element of its own: network address, raw request line, id of the token, resource acted on.
SPOKEN_FOR: Final = frozenset({"address", "query", "jti", "resource"})
# Detail that the request alone decides; who writes an entry gives it whatever the answer.
ASKED_DETAIL: Final = frozenset({"about", "address", "query", "jti", "override", "override-reason", "justification"})


class NotForRequester(ValueError):
    """An entry whose very existence tells something: it is rendered for the holder only."""


def as_event(
    entry: Entry,
    *,
    base_url: str,
    view: View,
    gateway_name: str,
    names: Mapping[str, str],
    canonical_base: str = systems.BASE,
) -> Part:
    """The AuditEvent of an entry as this auditor may see it.

    ``base_url`` is the FHIR base of this gateway, ``names`` the display of organisations by ODS code. Raises
    NotForRequester for an entry that is not ``asked``, when the view is the requester's.
    """
    shown = entry if view == "holder" else as_asked(entry)
    page = _Page(shown, shapes.SHAPES[shown.kind], base_url, gateway_name, names, canonical_base, dict(shown.detail))
    return page.event(_outcome_text(shown, view))


def as_asked(entry: Entry) -> Entry:
    """What of an entry follows from the request alone, to the second.

    All questions about a person become one kind with one outcome; a refusal shows only where it was made before any
    person or custodian was looked at, or where no person is concerned. NotForRequester unless the entry is ``asked``.
    """
    if not entry.asked:
        raise NotForRequester("this entry does not follow from the request alone")
    told = _from_request_alone(entry)
    return Entry(
        id=entry.id,
        recorded=entry.recorded - entry.recorded % SECOND,  # how long the answer took is not shown either
        exchange=entry.exchange,
        outcome=entry.outcome if told else DONE,
        kind=Kind.NEGATIVE if entry.kind in shapes.QUESTIONS else entry.kind,
        requester=entry.requester,
        client=entry.client,
        user=entry.user,
        role=entry.role,
        purpose=entry.purpose,
        case_reference=entry.case_reference,
        patient=entry.patient,
        refusal=entry.refusal if told else "",
        request_id=entry.request_id,
        detail=tuple((key, value) for key, value in entry.detail if key in ASKED_DETAIL),
        asked=True,
    )


def _from_request_alone(entry: Entry) -> bool:
    if entry.kind in shapes.WITHOUT_PERSON:
        return True
    return entry.outcome == REFUSED and entry.refusal in shapes.GATES and not entry.custodian and not entry.found


def _outcome_text(entry: Entry, view: View) -> str:
    if entry.outcome == REFUSED:
        return f"Refused: {entry.refusal}" if entry.refusal else "Refused"
    if entry.outcome == FAULT:
        return "Failed: a fault of the gateway"
    return ONLY_ASKED if view == "requester" and entry.kind not in shapes.WITHOUT_PERSON else ""


@dataclass(frozen=True, slots=True)
class _Page:
    """One entry being rendered: what is in it and what it is rendered with."""

    entry: Entry
    shape: Shape
    base_url: str
    gateway_name: str
    names: Mapping[str, str]
    canonical: str
    detail: dict[str, str]

    def event(self, text: str) -> Part:
        """The resource, without empty parts."""
        entry, shape = self.entry, self.shape
        return _filled(
            {
                "resourceType": "AuditEvent",
                "id": entry.id,
                "contained": self.contained(text),
                "type": shape.type.coding(),
                "subtype": self.subtypes(),
                "action": shape.action,
                "recorded": _instant(entry.recorded),
                "outcome": str(entry.outcome),
                "outcomeDesc": text,
                "purposeOfEvent": self.purposes(),
                "agent": self.agents(),
                "source": {"observer": self.observer(), "type": [shapes.SERVER_TYPE.coding()]},
                "entity": self.entities(),
            }
        )

    def subtypes(self) -> list[Part]:
        own = [self.own("exchange", self.entry.exchange), self.own("refusal-reason", self.entry.refusal)]
        return [code.coding() for code in (self.shape.subtype, *own) if code.code]

    def purposes(self) -> list[Part]:
        """Our purpose, and the v3-ActReason that others read it as."""
        purpose = self.entry.purpose
        codes = (self.own("purpose", purpose), Code(systems.V3_ACT_REASON, shapes.REASONS.get(purpose, "")))
        return [_concept(code) for code in codes if code.code]

    def own(self, system: str, code: str) -> Code:
        return Code(systems.code_system(system, self.canonical), code)

    def observer(self) -> Part:
        identifier = {"system": systems.URI, "value": self.base_url}
        return _filled({"type": "Device", "identifier": identifier, "display": self.gateway_name})

    def agents(self) -> list[Part]:
        """Software, user, their organisation, the custodian, and the gateway; who asks is the one requestor."""
        entry = self.entry
        agents = [
            self.client() if entry.client else {},
            self.user() if entry.user else {},
            self.organisation(shapes.PROVIDER, entry.requester),
            self.organisation(shapes.CUSTODIAN, entry.custodian),
            self.server(),
        ]
        return [agent for agent in agents if agent]

    def client(self) -> Part:
        address = self.detail.get("address", "")
        return _filled(
            {
                "type": _concept(self.shape.client),
                "who": {"type": "Device", "identifier": {"value": self.entry.client}},
                "requestor": not self.entry.user,
                "network": {"address": address, "type": "2"} if address else {},
            }
        )

    def user(self) -> Part:
        return _filled(
            {
                "type": _concept(shapes.RECIPIENT),
                "role": [{"text": self.entry.role}] if self.entry.role else [],
                "who": {"type": "Practitioner", "identifier": _identifier(self.entry.user)},
                "requestor": True,
            }
        )

    def organisation(self, part: Code, ods: str) -> Part:
        if not ods:
            return {}
        identifier = {"system": systems.ODS_CODE, "value": ods}
        who = {"type": "Organization", "identifier": identifier, "display": self.names.get(ods, "")}
        return {"type": _concept(part), "who": _filled(who), "requestor": False}

    def server(self) -> Part:
        """The gateway; an authorisation server is not a network device in BALP AuthZconsent."""
        network = {} if self.shape.server == shapes.AUTHSERVER else {"address": self.base_url, "type": "5"}
        server = {"type": _concept(self.shape.server), "who": self.observer(), "requestor": False, "network": network}
        return _filled(server)

    def entities(self) -> list[Part]:
        """People, consents, request id, query, token, outcome, and the facts of the exchange where its shape has room."""
        people = self.people()
        others = [*self.consents(), self.request_id(), self.query(), self.token(), self.failure()]
        return [entity for entity in (*self.with_facts(people), *others) if entity]

    def people(self) -> list[Part]:
        asked, found = self.entry.patient, self.entry.found
        about = "Asked about and found" if asked in found else "Asked about"
        told = [(asked, about)] if asked else []
        told += [(person, "Found") for person in dict.fromkeys(found) if person != asked]
        return [
            {
                "what": {"type": "Patient", "identifier": _identifier(person)},
                "type": shapes.PERSON.coding(),
                "role": shapes.PATIENT_ROLE.coding(),
                "description": description,
            }
            for person, description in told
        ]

    def with_facts(self, people: list[Part]) -> list[Part]:
        """The facts stand with the data if the kind has any, else with the first person, else with the event."""
        what, facts = self.data(), self.facts()
        if self.shape.data and (what or facts):
            data = {"what": what, "type": shapes.SYSTEM_OBJECT.coding(), "role": shapes.DOMAIN_RESOURCE.coding(), "detail": facts}
            return [*people, _filled(data)]
        if people and facts:
            return [{**people[0], "detail": facts}, *people[1:]]
        if facts:
            event = Code(shapes.RESOURCE_TYPES, "AuditEvent").coding()
            return [{"what": {"reference": f"AuditEvent/{self.entry.id}"}, "type": event, "detail": facts}]
        return people

    def data(self) -> Part:
        """What was acted on: a resource, or all that one disclosure gave."""
        if resource := self.detail.get("resource"):
            return {"reference": resource}
        disclosure = self.entry.disclosure
        return {"identifier": {"system": f"{self.canonical}/Id/disclosure", "value": disclosure}} if disclosure else {}

    def facts(self) -> list[Part]:
        entry = self.entry
        told = [
            ("case-reference", entry.case_reference),
            ("tier", "" if entry.tier is None else str(entry.tier)),
            *(("basis", basis) for basis in entry.basis),
            ("policy", entry.policy),
            ("disclosure", entry.disclosure),
            ("request-id", entry.request_id if self.shape.closed else ""),
            *((key, value) for key, value in entry.detail if key not in SPOKEN_FOR),
        ]
        return [{"type": key, "valueString": value} for key, value in told if value]

    def consents(self) -> list[Part]:
        kind = Code(shapes.RESOURCE_TYPES, "Consent", "Consent").coding()
        return [{"what": {"reference": consent}, "type": kind} for consent in self.entry.consents]

    def request_id(self) -> Part:
        if not self.entry.request_id or self.shape.closed:
            return {}
        return {"what": {"identifier": {"value": self.entry.request_id}}, "type": shapes.REQUEST_ID.coding()}

    def query(self) -> Part:
        """The raw request line as it came; of type 2 there is no other entity in a search."""
        query = self.detail.get("query", "")
        if not query or self.shape.data or self.shape.closed:
            return {}
        raw = base64.b64encode(query.encode()).decode()
        return {"type": shapes.SYSTEM_OBJECT.coding(), "role": shapes.QUERY_ROLE.coding(), "query": raw}

    def token(self) -> Part:
        jti = self.detail.get("jti", "")
        what = {"identifier": {"value": f"urn:ietf:params:oauth:jti:{jti}"}}
        return {"what": what, "type": shapes.OAUTH_AGENT.coding()} if jti else {}

    def failed(self) -> bool:
        """Whether an OperationOutcome goes with it: FHIR has it so for failures, AuthZconsent has no room."""
        return self.entry.outcome != DONE and not self.shape.closed

    def failure(self) -> Part:
        kind = Code(shapes.RESOURCE_TYPES, "OperationOutcome", "OperationOutcome").coding()
        return {"what": {"reference": "#outcome"}, "type": kind} if self.failed() else {}

    def contained(self, text: str) -> list[Part]:
        if not self.failed():
            return []
        code = "forbidden" if self.entry.outcome == REFUSED else "exception"
        issue = {"severity": "error", "code": code, "diagnostics": text}
        return [{"resourceType": "OperationOutcome", "id": "outcome", "issue": [issue]}]


def _filled(part: Part) -> Part:
    """Without what is empty: FHIR has no empty strings, objects or lists. False stays."""
    return {name: value for name, value in part.items() if value not in ("", [], {})}


def _concept(code: Code) -> Part:
    return {"coding": [code.coding()]}


def _identifier(text: str) -> Part:
    """Of ``system|value``, or of a value alone."""
    system, bar, value = text.partition("|")
    return _filled({"system": system, "value": value}) if bar else {"value": text}


def _instant(recorded: int) -> str:
    return (EPOCH + timedelta(microseconds=recorded)).isoformat(timespec="microseconds").replace("+00:00", "Z")
