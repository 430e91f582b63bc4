"""Notices as FHIR: a message for ``$process-message``, or a Subscriptions R5 Backport notification (R4).

The signal is thin: who, what topic, when, where to read. What the receiver then reads is decided and audited again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.fhir import systems
from gateway.fhir.bundles import uuid_of

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice to one subscription, ready to be shaped."""

    id: str  # MessageHeader.id and webhook-id, the same on every repeat
    topic: str
    title: str
    urgent: bool
    reason: str
    happened: str
    subject: Mapping[str, str]  # Identifier by which the receiver named the person
    owner: str  # ODS code of the agency it is about, empty where that is sensitive
    owner_name: str
    receiver: str
    number: int
    subscription: str
    respond_by: str = ""  # instant by which somebody says what they make of it; empty: nobody needs to
    overdue: str = ""  # of a notice-overdue: the id of the notice that nobody has taken up
    contact: Mapping[str, Any] | None = None  # and the PractitionerRole that it goes to
    recorded: str = ""  # instant at which the change was written, the same on every repeat
    corrects: tuple[str, ...] = ()  # ids of earlier notices that were wrong
    count: int = 0  # of a notice about a day: how many
    read: str = "Patient/$known-to-services"  # below our FHIR base: where more may be heard


@dataclass(frozen=True, slots=True)
class Route:
    """Between which endpoints, with which ids and times, one attempt goes."""

    bundle_id: str  # new for each attempt
    url: str  # our FHIR base
    endpoint: str
    at: str  # instant
    base: str


def signal(notice: Notice, route: Route) -> Resource:
    """The content of a notice: Parameters with one ``signal``."""
    parts: list[Resource] = [
        {"name": "subject", "valueIdentifier": dict(notice.subject)},
        {"name": "topic", "valueCoding": _topic(notice.topic, notice.title, route.base)},
        {"name": "happened", "valueDateTime": notice.happened},
        {"name": "owner", "valueReference": _organisation(notice.owner, notice.owner_name) if notice.owner else None},
        {"name": "read", "valueUrl": f"{route.url}/{notice.read}" if notice.subject or notice.count else None},
        {"name": "count", "valuePositiveInt": notice.count},
        *({"name": "corrects", "valueId": earlier} for earlier in notice.corrects),
    ]
    if notice.respond_by:
        parts.append({"name": "respondBy", "valueInstant": notice.respond_by})
    if notice.overdue:
        parts.append({"name": "overdue", "valueId": notice.overdue})
    if notice.contact:
        parts.append({"name": "contact", "resource": dict(notice.contact)})
    parts = [part for part in parts if all(part.values())]
    return {"resourceType": "Parameters", "id": f"{notice.id}-s", "parameter": [{"name": "signal", "part": parts}]}


def message(notice: Notice, route: Route, missed: Sequence[int] = ()) -> Resource:
    """A FHIR message. MessageHeader.id is the notice's, Bundle.id the attempt's (R4 messaging, notification).

    ``missed`` are numbers of notices that were given up since the last one that arrived: ``$events`` has them.
    """
    content = signal(notice, route)
    focus = f"urn:uuid:{_uuid(notice.id, '-s')}"
    header: Resource = {
        "resourceType": "MessageHeader",
        "id": notice.id,
        "extension": _header_extensions(notice, route.base, missed),
        "eventCoding": _topic(notice.topic, notice.title, route.base),
        "destination": [{"endpoint": route.endpoint, "receiver": _organisation(notice.receiver)}],
        "sender": _organisation(notice.owner, notice.owner_name) if notice.owner else None,
        "source": {"name": "Think Family Gateway", "endpoint": f"{route.url}/$process-message"},
        "reason": {"coding": [{"system": systems.code_system("message-reason", route.base), "code": notice.reason}]},
        "definition": f"{route.base}/MessageDefinition/{notice.topic}",
        "focus": [{"reference": focus}],
    }
    entries = [
        {"fullUrl": f"urn:uuid:{_uuid(notice.id)}", "resource": {k: v for k, v in header.items() if v is not None}},
        {"fullUrl": focus, "resource": content},
    ]
    return {"resourceType": "Bundle", "id": route.bundle_id, "type": "message", "timestamp": route.at, "entry": entries}


def _header_extensions(notice: Notice, base: str, missed: Sequence[int]) -> list[Resource]:
    return [
        *_missed(missed, base),
        *({"url": systems.extension("corrects", base), "valueId": earlier} for earlier in notice.corrects),
        {"url": systems.extension("notice-number", base), "valueString": str(notice.number)},
        {"url": systems.extension("priority", base), "valueCode": "urgent" if notice.urgent else "routine"},
        {"url": systems.extension("subscription", base), "valueString": notice.subscription},
    ]


def _missed(numbers: Sequence[int], base: str) -> list[Resource]:
    """The gap marker: which numbers were given up, oldest first, neighbours as a range."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return [{"url": systems.extension("missed-notices", base), "valueString": told}] if told else []


def notification(
    kind: str, route: Route, subscription: str, topic: str, status: str, events: int, notices: Sequence[Notice] = (),
    content: str = "id-only", missed: Sequence[int] = (),
) -> Resource:  # fmt: skip
    """A backport notification: ``kind`` handshake, heartbeat, event-notification, query-status or query-event.

    ``content`` is empty, id-only or full-resource. Numbers travel as strings (R4 has no integer64).
    """
    about = f"{route.url}/Subscription/{subscription}"
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": about}},
        {"name": "topic", "valueCanonical": systems.topic(topic, route.base)},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(events)},
    ]
    marks = _missed(missed, route.base)
    parameters += [{**({"extension": marks} if marks else {}), **_event(notice, route, content)} for notice in notices]
    first = {
        "fullUrl": f"urn:uuid:{_uuid(route.bundle_id)}",
        "resource": {
            "resourceType": "Parameters",
            "id": f"{route.bundle_id}-s",
            "meta": {"profile": [systems.BACKPORT_STATUS_R4]},
            "parameter": [one for one in parameters if content != "empty" or one["name"] != "topic"],
        },
        "request": {"method": "GET", "url": f"{about}/$status"},
        "response": {"status": "200"},
    }
    rest = [] if content == "empty" else [_entry(notice, route, content) for notice in notices]
    return {
        "resourceType": "Bundle",
        "id": route.bundle_id,
        "type": "history",
        "timestamp": route.at,
        "entry": [first, *rest],
    }


def _event(notice: Notice, route: Route, content: str) -> Resource:
    parts: list[Resource] = [
        {"name": "event-number", "valueString": str(notice.number)},
        {"name": "timestamp", "valueInstant": notice.recorded or route.at},
    ]
    if content != "empty":
        parts.append({"name": "focus", "valueReference": {"reference": f"urn:uuid:{_uuid(notice.id, '-s')}"}})
        earlier = ({"system": systems.URI, "value": f"urn:uuid:{_uuid(one)}"} for one in notice.corrects)
        parts += [{"name": "additional-context", "valueReference": {"identifier": one}} for one in earlier]
    return {"name": "notification-event", "part": parts}


def _entry(notice: Notice, route: Route, content: str) -> Resource:
    entry: Resource = {"fullUrl": f"urn:uuid:{_uuid(notice.id, '-s')}"}
    if content == "full-resource":
        entry["resource"] = signal(notice, route)
    url = f"{route.url}/Subscription/{notice.subscription}/$events?eventsSinceNumber={notice.number}&eventsUntilNumber={notice.number}"
    return {**entry, "request": {"method": "GET", "url": url}, "response": {"status": "200"}}


def _topic(code: str, title: str, base: str) -> Resource:
    return {"system": systems.code_system("topic", base), "code": code, "display": title}


def _organisation(code: str, name: str = "") -> Resource:
    reference: Resource = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": code}}
    return {**reference, "display": name} if name else reference


def _uuid(identifier: str, mark: str = "") -> str:
    """A random id of ours in the form of a UUID; ``mark`` gives its companion."""
    return uuid_of(identifier if not mark else identifier[:-1] + format(int(identifier[-1], 16) ^ 1, "x"))
