"""Every operation of the HTTP API in one table: routes, OpenAPI and CapabilityStatement are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.api import (
    audit_events,
    audit_proofs,
    bulk,
    call_backs,
    case_lists,
    cds_hooks,
    check_share,
    definitions,
    directory,
    explain,
    hand_in,
    health,
    known_to_services,
    match,
    metadata,
    notices,
    oauth,
    person_info,
    process_message,
    provenances,
    records,
    resources,
    reviews,
    shields,
    subscriptions,
    topics,
    translate,
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


def _directory_operations(kind: str) -> Iterator[Operation]:
    """What is offered on the caller's own entries in the directory of agencies."""
    base, takes = f"/fhir/{kind}", f"search-{kind}"
    yield Operation(f"search{kind}", "GET", base, directory.search, f"Search {kind} of {OWN}", takes, "bundle", type=kind, interaction="search-type")
    yield Operation(f"search{kind}ByPost", "POST", f"{base}/_search", directory.search, "The same, by a form", "form", "bundle", type=kind)
    yield Operation(f"read{kind}", "GET", f"{base}/{{id}}", directory.read, f"Read {kind} of {OWN}", type=kind, interaction="read")


def _definition_operations(kind: str) -> Iterator[Operation]:
    """What is offered on a type of published definitions."""
    base = f"/fhir/{kind}"
    yield Operation(f"list{kind}", "GET", base, definitions.search, f"{kind} resources published here", "definition-search", "bundle", open=True, type=kind, interaction="search-type")
    yield Operation(f"read{kind}", "GET", f"{base}/{{id}}", definitions.read, f"Read a {kind}", open=True, type=kind, interaction="read")


def _translations() -> Iterator[Operation]:
    """ConceptMap/$translate, on all maps or on one."""
    for name, base in (("translate", "/fhir/ConceptMap/$translate"), ("translateByMap", "/fhir/ConceptMap/{id}/$translate")):
        yield Operation(name, "GET", base, translate.by_query, "What a code of a sender's format stands for here", f"{name}-query", "Parameters", open=True, type="ConceptMap")
        yield Operation(f"{name}ByPost", "POST", base, translate.by_parameters, "The same, by Parameters", f"{name}-parameters", "Parameters", open=True, type="ConceptMap")


def _card_operations() -> Iterator[Operation]:
    """CDS Hooks: cards in the electronic record. A browser asks first (OPTIONS) whether its page may call."""
    base = "/cds-services"
    for name, path in (("Discovery", base), ("Card", f"{base}/{{id}}"), ("Feedback", f"{base}/{{id}}/feedback")):
        yield Operation(f"cdsHooks{name}Preflight", "OPTIONS", path, cds_hooks.preflight, "Whether a browser's page may call", "", "nothing", open=True)
    yield Operation("cdsHooksDiscovery", "GET", base, cds_hooks.discover, "CDS Hooks: the services", "", "json", open=True)
    yield Operation("cdsHooksCard", "POST", f"{base}/{{id}}", cds_hooks.call, "CDS Hooks: a card for the record system that signs the call", "hook", "json")
    yield Operation("cdsHooksFeedback", "POST", f"{base}/{{id}}/feedback", cds_hooks.feedback, "CDS Hooks: what became of cards", "hook-feedback", "json")


def _subscription_operations() -> Iterator[Operation]:
    """What is offered on subscriptions."""
    base, kind = "/fhir/Subscription", "Subscription"
    yield Operation("searchSubscription", "GET", base, subscriptions.search, f"Subscriptions of {OWN}", "subscription-search", "bundle", type=kind, interaction="search-type")
    yield Operation("createSubscription", "POST", base, subscriptions.create, "Subscribe to changes about a person", kind, type=kind, interaction="create")
    yield Operation("readSubscription", "GET", f"{base}/{{id}}", subscriptions.read, "Read a subscription", type=kind, interaction="read")
    yield Operation("updateSubscription", "PUT", f"{base}/{{id}}", subscriptions.update, "Change a subscription", kind, type=kind, interaction="update")
    yield Operation("deleteSubscription", "DELETE", f"{base}/{{id}}", subscriptions.delete, "End a subscription", "", "nothing", type=kind, interaction="delete")
    yield Operation("subscriptionStatuses", "GET", f"{base}/$status", subscriptions.statuses, f"Status of several subscriptions of {OWN}", "statuses", "bundle", type=kind)
    yield Operation("subscriptionStatusesByPost", "POST", f"{base}/$status", subscriptions.statuses, "The same, by Parameters", "status-parameters", "bundle", type=kind)
    yield Operation("subscriptionStatus", "GET", f"{base}/{{id}}/$status", subscriptions.status, "Status of a subscription", "", "bundle", type=kind)
    yield Operation("subscriptionStatusByPost", "POST", f"{base}/{{id}}/$status", subscriptions.status, "The same, by Parameters", "status-parameters", "bundle", type=kind)
    yield Operation("subscriptionEventsByPost", "POST", f"{base}/{{id}}/$events", subscriptions.events, "Notices of a subscription by number, asked for by Parameters", "events-parameters", "bundle", type=kind)
    yield Operation("subscriptionEvents", "GET", f"{base}/{{id}}/$events", subscriptions.events, "Notices of a subscription by number", "events", "bundle", type=kind)


def _case_list_operations() -> Iterator[Operation]:
    """What is offered on case lists."""
    base, kind = "/fhir/Group", "Group"
    yield Operation("searchGroup", "GET", base, case_lists.search, f"Case lists of {OWN}, without their members", "group-search", "bundle", type=kind, interaction="search-type")
    yield Operation("createGroup", "POST", base, case_lists.create, "Make a case list", kind, type=kind, interaction="create")
    yield Operation("readGroup", "GET", f"{base}/{{id}}", case_lists.read, "Read a case list with its members", type=kind, interaction="read")
    yield Operation("updateGroup", "PUT", f"{base}/{{id}}", case_lists.update, "Replace a case list: subscriptions that name it follow", kind, type=kind, interaction="update")
    yield Operation("deleteGroup", "DELETE", f"{base}/{{id}}", case_lists.delete, "Delete a case list: everybody is taken off it", "", "nothing", type=kind, interaction="delete")
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
    Operation("personInfoQuery", "POST", "/fhir/Patient/$person-info-query", person_info.person_info, "The same in the draft national shape: match, contact", "person-info", "Parameters", type="Patient"),
    Operation("matchPatient", "POST", "/fhir/Patient/$match", match.match, f"Who is this? Among the people of {OWN} (IHE ITI-119)", "match", "bundle", type="Patient"),
    Operation("checkShare", "POST", "/fhir/$check-share", check_share.check, "What may be shared with whom, and why, for a purpose; about nobody", "check-share", "Parameters"),
    Operation("shield", "POST", "/fhir/Patient/$shield", shields.shield, f"Shield a person's record: of {OWN}", "shield", "Parameters", type="Patient"),
    Operation("liftShield", "POST", "/fhir/Patient/$lift-shield", shields.lift, "Ask for a shield to be lifted, or confirm what another user asked", "shield", "Parameters", type="Patient"),
    Operation("withhold", "POST", "/fhir/Patient/$withhold", shields.keep, f"Withhold a person's record under a duty, by a named person's decision: of {OWN}", "withhold", "Parameters", type="Patient"),
    Operation("liftWithholding", "POST", "/fhir/Patient/$lift-withholding", shields.release, "Lift what is withheld under a duty", "lift-withholding", "Parameters", type="Patient"),
    Operation("reviews", "GET", "/reviews", reviews.queue, f"The queue of reviews of {OWN}", "", "json"),
    Operation("closeReview", "POST", "/reviews/{id}/close", reviews.close, "Close an item of the queue, as a second person", "closing", "json"),
    Operation("interests", "PUT", "/reviews/interests", reviews.interests, "Register whom a user must not ask about", "interests", "json"),
    Operation("processMessage", "POST", "/fhir/$process-message", process_message.process_message, "FHIR message in", "message", "bundle"),
    Operation("notices", "GET", "/notices", notices.listed, f"Notices of {OWN}, and what is made of them", "notices", "json"),
    Operation("acknowledgeNotice", "POST", "/notices/{id}/acknowledge", notices.acknowledge, "Say what is made of a notice", "acknowledgement", "json"),
    Operation("requestContact", "POST", "/fhir/Patient/$request-contact", call_backs.ask, "Leave a number to be rung back on, about a person", "request-contact", "Parameters", type="Patient"),
    Operation("callBacks", "GET", "/call-backs", call_backs.listed, f"Call-back requests addressed to {OWN}", "call-backs", "json"),
    Operation("closeCallBack", "POST", "/call-backs/{id}/close", call_backs.close, "Close a call-back request", "call-back-closing", "json"),
    Operation("records", "POST", "/records/{format}", records.receive_file, "Native records in; a large file with Prefer: respond-async", "file", "Parameters"),
    Operation("loadStatus", "GET", "/loads/{id}", hand_in.status, "How far a file is that was handed in, then its report", "", "Parameters"),
    Operation("loadPage", "GET", "/loads/{id}/page", hand_in.report_page, "The report as a page that people can read", "", "page"),
    Operation("endLoad", "DELETE", "/loads/{id}", hand_in.end, "End a load: what is in stays, no more of it is loaded", "", "accepted"),
    Operation("children", "POST", "/children_social_care_data/{la_code}/children", records.receive_children, "DfE daily children's social care API", "children", "receipt"),
    Operation("searchAuditEvent", "GET", "/fhir/AuditEvent", audit_events.search, "Search the access log", "audit-search", "bundle", type="AuditEvent", interaction="search-type"),
    Operation("searchAuditEventByPost", "POST", "/fhir/AuditEvent/_search", audit_events.search, "Search the access log; what names a person goes here", "form", "bundle", type="AuditEvent"),
    Operation("explainAuditEvent", "POST", "/fhir/AuditEvent/$explain", explain.explain, "Why something was shared, or not, at the time", "explain", "Parameters", type="AuditEvent"),
    Operation("readAuditEvent", "GET", "/fhir/AuditEvent/{id}", audit_events.read, "Read an entry of the access log", type="AuditEvent", interaction="read"),
    Operation("exportAuditEvent", "GET", "/fhir/$export", bulk.start, "Export the access log in bulk (FHIR Bulk Data)", "bulk-export", "accepted"),
    Operation("exportStatus", "GET", "/bulk/{id}", bulk.status, "How far an export is, then its files", "", "json"),
    Operation("exportFile", "GET", "/bulk/{id}/{place}", bulk.fetch, "One file of an export", "", "ndjson"),
    Operation("endExport", "DELETE", "/bulk/{id}", bulk.end, "End an export", "", "accepted"),
    Operation("checkpoint", "GET", "/audit/checkpoint", audit_proofs.checkpoint, "The signed head of the access log, with the signatures of other agencies", "", "text"),
    Operation("inclusionProof", "GET", "/audit/proof/inclusion", audit_proofs.inclusion, "Proof that an entry is in the log", "inclusion", "json"),
    Operation("consistencyProof", "GET", "/audit/proof/consistency", audit_proofs.consistency, "Proof that the log only grew", "consistency", "json"),
    Operation("receipt", "GET", "/audit/receipt/{id}", audit_proofs.receipt, "A receipt for an entry, to be checked without the gateway", "", "text"),
    Operation("addCheckpoint", "POST", "/witness/add-checkpoint", audit_proofs.add_checkpoint, "Sign the head of another agency's log", "submission", "text", open=True),
    *_card_operations(),
    Operation("recordWish", "POST", "/fhir/Consent/$record-wish", wishes.record, "What a person wants, as people say it, written down as one Consent and read back", "record-wish", "Parameters", type="Consent"),
    Operation("plainConsent", "GET", "/fhir/Consent/{id}/$plain", wishes.plain, "A Consent in plain words, for its owner", "", "Parameters", type="Consent"),
    *_subscription_operations(),
    *_case_list_operations(),
    Operation("listTopics", "GET", "/fhir/Basic", topics.search, "Topics that can be subscribed to, each as a Basic (R5 SubscriptionTopic)", "", "bundle", open=True, type="Basic", interaction="search-type"),
    Operation("readTopic", "GET", "/fhir/Basic/{id}", topics.read, "Read a topic by its code", open=True, type="Basic", interaction="read"),
    Operation("searchProvenance", "GET", "/fhir/Provenance", provenances.search, f"Where records came from: of {OWN}", "search-Provenance", "bundle", type="Provenance", interaction="search-type"),
    Operation("searchProvenanceByPost", "POST", "/fhir/Provenance/_search", provenances.search, "Where records came from; what names a person goes here", "form", "bundle", type="Provenance"),
    Operation("readProvenance", "GET", "/fhir/Provenance/{id}", provenances.read, f"Where a version of a record came from: of {OWN}", type="Provenance", interaction="read"),
    *(operation for kind in resources.TYPES for operation in _resource_operations(kind)),
    *(operation for kind in directory.TYPES for operation in _directory_operations(kind)),
    *_translations(),
    *(operation for kind in definitions.TYPES for operation in _definition_operations(kind)),
)  # fmt: skip
