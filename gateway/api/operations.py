"""Every operation of the HTTP API in one table: routes, OpenAPI and CapabilityStatement are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.api import (
    audit_events,
    check_share,
    definitions,
    explain,
    health,
    known_to_services,
    metadata,
    oauth,
    process_message,
    records,
    resources,
    reviews,
    shields,
    subscriptions,
    wishes,
)
from gateway.api.edge import Handler

OWN = "the caller's own organisation alone"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path. ``type`` is the FHIR type where one handler serves several."""

    name: str
    method: str
    path: str
    handler: Handler
    says: str
    takes: str = ""  # name of a schema in gateway.api.schemas
    gives: str = "resource"
    open: bool = False  # needs no token
    type: str = ""
    interaction: str = ""  # of the CapabilityStatement


# fmt: off
def _resource_operations(kind: str) -> Iterator[Operation]:
    """What is offered on a type of the owner's own resources."""
    base, search = f"/fhir/{kind}", resources.search
    yield Operation(f"search{kind}", "GET", base, search, f"Search {kind} of {OWN}", f"search-{kind}", "bundle", type=kind, interaction="search-type")
    yield Operation(f"search{kind}ByPost", "POST", f"{base}/_search", search, f"Search {kind}; what names a person goes here", "form", "bundle", type=kind)
    yield Operation(f"read{kind}", "GET", f"{base}/{{id}}", resources.read, f"Read a {kind} of {OWN}", type=kind, interaction="read")
    if kind in resources.WRITABLE:
        yield Operation(f"vread{kind}", "GET", f"{base}/{{id}}/_history/{{version}}", resources.read, f"Read a version of a {kind}", type=kind, interaction="vread")
        yield Operation(f"create{kind}", "POST", base, resources.create, f"Create a {kind}", kind, type=kind, interaction="create")
        yield Operation(f"update{kind}", "PUT", f"{base}/{{id}}", resources.update, f"Update a {kind}; needs If-Match", kind, type=kind, interaction="update")


def _definition_operations(kind: str) -> Iterator[Operation]:
    """What is offered on a type of published definitions."""
    base = f"/fhir/{kind}"
    yield Operation(f"list{kind}", "GET", base, definitions.search, f"{kind} resources published here", "definition-search", "bundle", open=True, type=kind, interaction="search-type")
    yield Operation(f"read{kind}", "GET", f"{base}/{{id}}", definitions.read, f"Read a {kind}", open=True, type=kind, interaction="read")


def _subscription_operations() -> Iterator[Operation]:
    """What is offered on subscriptions."""
    base, kind = "/fhir/Subscription", "Subscription"
    yield Operation("searchSubscription", "GET", base, subscriptions.search, f"Subscriptions of {OWN}", "subscription-search", "bundle", type=kind, interaction="search-type")
    yield Operation("createSubscription", "POST", base, subscriptions.create, "Subscribe to changes about a person", kind, type=kind, interaction="create")
    yield Operation("readSubscription", "GET", f"{base}/{{id}}", subscriptions.read, "Read a subscription", type=kind, interaction="read")
    yield Operation("updateSubscription", "PUT", f"{base}/{{id}}", subscriptions.update, "Change a subscription", kind, type=kind, interaction="update")
    yield Operation("deleteSubscription", "DELETE", f"{base}/{{id}}", subscriptions.delete, "End a subscription", "", "nothing", type=kind, interaction="delete")
    yield Operation("subscriptionStatus", "GET", f"{base}/{{id}}/$status", subscriptions.status, "Status of a subscription", "", "bundle", type=kind)
    yield Operation("subscriptionEvents", "GET", f"{base}/{{id}}/$events", subscriptions.events, "Notices of a subscription by number", "events", "bundle", type=kind)
# fmt: on


OPERATIONS: tuple[Operation, ...] = (
    Operation("smartConfiguration", "GET", "/.well-known/smart-configuration", oauth.configuration, "SMART configuration", "", "json", open=True),
    Operation("token", "POST", "/oauth2/token", oauth.token, "Access token for a signed assertion", "token", "json", open=True),
    Operation("introspect", "POST", "/oauth2/introspect", oauth.introspect, "Token introspection", "introspect", "json"),
    Operation("jwks", "GET", "/oauth2/jwks", oauth.keys, "Public keys", "", "json", open=True),
    Operation("live", "GET", "/health/live", health.live, "Whether the process lives", "", "json", open=True),
    Operation("ready", "GET", "/health/ready", health.ready, "Whether it can serve", "", "json", open=True),
    Operation("metadata", "GET", "/fhir/metadata", metadata.read, "CapabilityStatement", open=True),
    Operation("knownToServices", "POST", "/fhir/Patient/$known-to-services", known_to_services.known_to_services, "Is this person known to services, and what is their status?", "lookup", "Parameters", type="Patient"),
    Operation("checkShare", "POST", "/fhir/$check-share", check_share.check, "What may be shared with whom, and why, for a purpose; about nobody", "check-share", "Parameters"),
    Operation("shield", "POST", "/fhir/Patient/$shield", shields.shield, f"Shield a person's record: of {OWN}", "shield", "Parameters", type="Patient"),
    Operation("liftShield", "POST", "/fhir/Patient/$lift-shield", shields.lift, "Ask for a shield to be lifted, or confirm what another user asked", "shield", "Parameters", type="Patient"),
    Operation("reviews", "GET", "/reviews", reviews.queue, f"The queue of reviews of {OWN}", "", "json"),
    Operation("closeReview", "POST", "/reviews/{id}/close", reviews.close, "Close an item of the queue, as a second person", "closing", "json"),
    Operation("interests", "PUT", "/reviews/interests", reviews.interests, "Register whom a user must not ask about", "interests", "json"),
    Operation("processMessage", "POST", "/fhir/$process-message", process_message.process_message, "FHIR message in", "message", "bundle"),
    Operation("records", "POST", "/records/{format}", records.receive_file, "Native records in", "file", "Parameters"),
    Operation("children", "POST", "/children_social_care_data/{la_code}/children", records.receive_children, "DfE daily children's social care API", "children", "receipt"),
    Operation("searchAuditEvent", "GET", "/fhir/AuditEvent", audit_events.search, "Search the access log", "audit-search", "bundle", type="AuditEvent", interaction="search-type"),
    Operation("searchAuditEventByPost", "POST", "/fhir/AuditEvent/_search", audit_events.search, "Search the access log; what names a person goes here", "form", "bundle", type="AuditEvent"),
    Operation("explainAuditEvent", "POST", "/fhir/AuditEvent/$explain", explain.explain, "Why something was shared, or not, at the time", "explain", "Parameters", type="AuditEvent"),
    Operation("readAuditEvent", "GET", "/fhir/AuditEvent/{id}", audit_events.read, "Read an entry of the access log", type="AuditEvent", interaction="read"),
    Operation("recordWish", "POST", "/fhir/Consent/$record-wish", wishes.record, "What a person wants, as people say it, written down as one Consent and read back", "record-wish", "Parameters", type="Consent"),
    Operation("plainConsent", "GET", "/fhir/Consent/{id}/$plain", wishes.plain, "A Consent in plain words, for its owner", "", "Parameters", type="Consent"),
    *_subscription_operations(),
    *(operation for kind in resources.TYPES for operation in _resource_operations(kind)),
    *(operation for kind in definitions.TYPES for operation in _definition_operations(kind)),
)  # fmt: skip
