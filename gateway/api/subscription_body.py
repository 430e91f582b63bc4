"""What of a Subscription is supported: topic, filters, channel, purpose and end; anything else is refused by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.api.edge import Edge, raise_errors
from gateway.disclosure.requester import Requester
from gateway.exchanges.notices.subscribe import Subscribe
from gateway.exchanges.outbox.subscriptions import WITHHELD
from gateway.fhir import resources, systems
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import Unprocessable
from gateway.notification.filters import WRONG_DIGITS, FilterFault, Wanted, read_filters
from gateway.notification.signatures import may_be_set
from gateway.notification.topics import WITHOUT_A_PERSON, offered
from gateway.partners.guard import Refused, check_url
from gateway.store import clock

Resource = dict[str, Any]
DEFAULT_DAYS, MOST_DAYS = 90, 366
CONTENT = frozenset({"empty", "id-only", "full-resource"})
CHANNELS = frozenset({"message", "rest-hook"})
CONTENT_TYPES = frozenset({"application/fhir+json", "application/json"})
CASE_REFERENCE = "case-reference"
# Numbers that a channel may state, with the least and the most of each (backport guide): seconds, seconds, notifications.
NUMBERS = {
    "backport-heartbeat-period": ("valueUnsignedInt", 60, 7 * 86_400),
    "backport-timeout": ("valueUnsignedInt", 1, 3600),  # we never wait longer than fifteen seconds
    "backport-max-count": ("valuePositiveInt", 1, 2**31 - 1),
}
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}: ?[\x20-\x7e]{0,1024}")
STATE_AGAIN = f"A header is read as {WITHHELD}, whatever it is: state it again as Name: value, or leave it out."
FILTERS = "Subscription._criteria.extension(backport-filter-criteria)"


def read_subscribe(
    resource: Any, edge: Edge, requester: Requester, request_id: str, identifier: str = "", expected: int | None = None
) -> Subscribe:
    """A Subscription as the exchange takes it. Raises Unprocessable with what is not supported and why."""
    raise_errors(resources.validate(resource, expected="Subscription"))
    topic = _topic(resource, edge)
    if resource.get("status") not in ("requested", "active", "off"):
        raise Unprocessable("status is requested, active or off.", where="Subscription.status", code="value")
    wanted = _wanted(resource, topic, edge)
    _check_channel(resource["channel"], edge)
    purpose = extension_of(resource, "purpose").get("valueCoding") or {}
    if not purpose.get("code"):
        where = "Subscription.extension(purpose)"
        raise Unprocessable("A subscription names its purpose (extension purpose, a Coding).", where=where, code="required")
    case_reference, case_owner = case_of(resource)
    ends = _ends(resource)
    kept = {key: value for key, value in resource.items() if key not in ("id", "meta", "text")}
    return Subscribe(
        requester=requester,
        resource={**kept, "end": resource.get("end") or ends.strftime("%Y-%m-%dT%H:%M:%SZ")},
        topic=topic,
        wanted=wanted,
        purpose=str(purpose["code"]),
        case_reference=case_reference,
        case_owner=case_owner,
        ends=clock.micros(ends),
        reason=str(extension_of(resource, "reason").get("valueString", "")),
        id=identifier,
        expected=expected,
        request_id=request_id,
    )


def extension_of(resource: Resource, name: str) -> Resource:
    """One of our own extensions of a resource, empty where it is absent."""
    for extension in resource.get("extension", ()):
        if str(extension.get("url", "")).endswith(f"/StructureDefinition/{name}"):
            found: Resource = extension
            return found
    return {}


def case_of(resource: Resource) -> tuple[str, str]:
    """The case reference of a resource (``system|value``) and the agency whose it is, as far as they are stated."""
    case = extension_of(resource, CASE_REFERENCE).get("valueIdentifier") or {}
    reference = f"{case['system']}|{case['value']}" if case.get("system") and case.get("value") else ""
    return reference, str(((case.get("assigner") or {}).get("identifier") or {}).get("value", ""))


def _topic(resource: Resource, edge: Edge) -> str:
    """The topic that is asked for, if one can be subscribed to. Raises Unprocessable."""
    topic = str(resource.get("criteria", "")).removeprefix(f"{edge.context.base}/SubscriptionTopic/")
    if topic not in offered(edge.context.topics):
        text = "This topic is not offered: see the CapabilityStatement."
        raise Unprocessable(text, where="Subscription.criteria", code="not-supported")
    return topic


def _wanted(resource: Resource, topic: str, edge: Edge) -> Wanted:
    """The filters. Whoever would hear of everybody is refused, and so is a person where the topic is about none."""
    stated = [
        str(one.get("valueString", ""))
        for one in (resource.get("_criteria") or {}).get("extension", ())
        if one.get("url") == systems.BACKPORT_FILTER
    ]
    try:
        wanted = read_filters(stated, edge.context.url)
    except FilterFault as fault:
        code = "value" if str(fault) == WRONG_DIGITS else "not-supported"
        raise Unprocessable(str(fault), where=FILTERS, code=code) from None
    if wanted.about_somebody == (topic in WITHOUT_A_PERSON):
        text = (
            "This topic is about an agency: it takes no person and no case list."
            if wanted.about_somebody
            else "Name a person (patient:identifier) or a case list (patient:in=Group/id)."
        )
        raise Unprocessable(text, where=FILTERS, code="not-supported")
    return wanted


def _check_channel(channel: Resource, edge: Edge) -> None:
    if channel.get("type") not in CHANNELS or (channel.get("_type") or {}).get("extension"):
        raise Unprocessable("Channels are message and rest-hook.", where="Subscription.channel.type", code="not-supported")
    _check_payload(channel)
    for extension in channel.get("extension", ()):
        _check_number(extension, channel["type"])
    for header in channel.get("header", ()):
        _check_header(header)
    if channel["type"] == "message" and "endpoint" not in channel:
        return  # read in the inbox and by $events, for agencies that cannot take calls
    try:
        check_url(channel.get("endpoint") or "", loopback_allowed=edge.context.loopback_allowed)
    except Refused as fault:
        raise Unprocessable(str(fault), where="Subscription.channel.endpoint", code="not-supported") from None


def _check_header(header: str) -> None:
    where = "Subscription.channel.header"
    if header == WITHHELD:
        raise Unprocessable(STATE_AGAIN, where=where, code="value")
    if not HEADER.fullmatch(header):
        raise Unprocessable("A header is written as Name: value.", where=where, code="value")
    if not may_be_set(header.partition(":")[0]):
        text = "This header is the gateway's own: a subscription does not set it."
        raise Unprocessable(text, where=where, code="not-supported")


def _check_payload(channel: Resource) -> None:
    where = "Subscription.channel.payload"
    if (channel.get("payload") or "application/fhir+json") not in CONTENT_TYPES:
        raise Unprocessable("Payloads are application/fhir+json.", where=where, code="not-supported")
    contents = [
        one.get("valueCode")
        for one in (channel.get("_payload") or {}).get("extension", ())
        if one.get("url") == systems.BACKPORT_PAYLOAD
    ]
    if any(code not in CONTENT for code in contents):
        raise Unprocessable("Contents are empty, id-only and full-resource.", where=where, code="not-supported")
    if channel["type"] == "rest-hook" and (len(contents) != 1 or not channel.get("payload")):
        text = "A rest-hook states its payload, and once how much it holds (extension backport-payload-content)."
        raise Unprocessable(text, where=where, code="required")


def _check_number(extension: Resource, channel: str) -> None:
    """A number of the channel that we keep to. Anything else about a channel might be meant as a condition."""
    name = str(extension.get("url", "")).removeprefix(f"{systems.BACKPORT}/")
    where = f"Subscription.channel.extension({name})" if name in NUMBERS else "Subscription.channel.extension"
    if name not in NUMBERS:
        raise Unprocessable(f"Extensions of a channel are {', '.join(NUMBERS)}.", where=where, code="not-supported")
    if channel == "message" and name == "backport-heartbeat-period":
        raise Unprocessable("Heartbeats go to rest-hooks alone.", where=where, code="not-supported")
    kind, least, most = NUMBERS[name]
    stated = extension.get(kind)
    if type(stated) is not int or not least <= stated <= most:
        raise Unprocessable(f"{name} is a {kind} from {least} to {most}.", where=where, code="not-supported")


def _ends(resource: Resource) -> datetime:
    """When it ends: as stated, else after 90 days. Raises Unprocessable."""
    now = datetime.now(UTC)
    stated = resource.get("end")
    try:
        end = bounds(stated)[0] if stated else now + timedelta(days=DEFAULT_DAYS)
    except (ValueError, OverflowError):
        end = now
    if not now < end <= now + timedelta(days=MOST_DAYS):
        raise Unprocessable(f"end must be within {MOST_DAYS} days from now.", where="Subscription.end", code="value")
    return end
