"""How each kind of entry stands in a FHIR R4 AuditEvent: a table, after IHE Basic Audit Log Patterns (BALP) 1.1.

Only successes have BALP profiles; a refusal or fault keeps the shape of its kind with another outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.audit.entry import Kind
from gateway.fhir import systems


class Code(NamedTuple):
    """A coding: system, code, display."""

    system: str
    code: str
    display: str = ""

    def coding(self) -> dict[str, str]:
        """FHIR Coding, without what is empty."""
        return {name: value for name, value in zip(("system", "code", "display"), self, strict=True) if value}


EXPORT: Final = Code(systems.DICOM, "110106", "Export")
IMPORT: Final = Code(systems.DICOM, "110107", "Import")
SECURITY_ALERT: Final = Code(systems.DICOM, "110113", "Security Alert")
USER_AUTHENTICATION: Final = Code(systems.DICOM, "110114", "User Authentication")
REST: Final = Code(systems.AUDIT_TYPE, "rest", "RESTful Operation")

DISCLOSE: Final = Code(systems.LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")
TRANSMIT: Final = Code(systems.LIFECYCLE, "transmit", "Transmit Record Lifecycle Event")
RECEIVE: Final = Code(systems.LIFECYCLE, "receive", "Receive/Retain Record Lifecycle Event")
OPERATION: Final = Code(systems.RESTFUL_INTERACTION, "operation", "operation")
READ: Final = Code(systems.RESTFUL_INTERACTION, "read", "read")
SEARCH: Final = Code(systems.RESTFUL_INTERACTION, "search", "search")
AUTHZ_CONSENT: Final = Code(systems.BALP_AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent")
LOGIN: Final = Code(systems.DICOM, "110122", "Login")
LOGOUT: Final = Code(systems.DICOM, "110123", "Logout")
OVERRIDE_STARTED: Final = Code(systems.DICOM, "110127", "Emergency Override Started")
CONFIGURATION: Final = Code(systems.DICOM, "110129", "Security Configuration")
GET_TOKEN: Final = Code("urn:ihe:event-type-code", "ITI-71", "Get Access Token")

APPLICATION: Final = Code(systems.DICOM, "110150", "Application")
DESTINATION: Final = Code(systems.DICOM, "110152", "Destination Role ID")
SOURCE: Final = Code(systems.DICOM, "110153", "Source Role ID")
AUTHSERVER: Final = Code("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver", "authorization server")
USER_AGENT_TYPES: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes"
OAUTH_SERVICE: Final = Code(USER_AGENT_TYPES, "AuthzOauthService")
OAUTH_AGENT: Final = Code(USER_AGENT_TYPES, "UserOauthAgent")
RECIPIENT: Final = Code(systems.V3_PARTICIPATION, "IRCP", "information recipient")
PROVIDER: Final = Code(systems.V3_ROLE_CLASS, "PROV", "healthcare provider")
CUSTODIAN: Final = Code(systems.SNOMED, "159541003", "Record keeping/library clerk")

PERSON: Final = Code(systems.AUDIT_ENTITY_TYPE, "1", "Person")
SYSTEM_OBJECT: Final = Code(systems.AUDIT_ENTITY_TYPE, "2", "System Object")
PATIENT_ROLE: Final = Code(systems.AUDIT_ENTITY_ROLE, "1", "Patient")
DOMAIN_RESOURCE: Final = Code(systems.AUDIT_ENTITY_ROLE, "4", "Domain Resource")
QUERY_ROLE: Final = Code(systems.AUDIT_ENTITY_ROLE, "24", "Query")
REQUEST_ID: Final = Code(systems.BALP_ENTITY_TYPE, "XrequestId")
RESOURCE_TYPES: Final = "http://hl7.org/fhir/resource-types"
SERVER_TYPE: Final = Code("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind: type, subtype, action (C R U D E), and what the asking software and the gateway are in it.

    ``data`` says that an entity of type 2 stands for the data; where it is false (a search's one such entity is the
    query, an AuthZ-Consent has none) the facts stand with the person. ``closed``: no further entity types (BALP AuthZconsent).
    """

    type: Code
    subtype: Code
    action: str
    client: Code
    server: Code
    data: bool = True
    closed: bool = False


SHAPES: Final[dict[Kind, Shape]] = {
    Kind.DISCLOSURE: Shape(EXPORT, DISCLOSE, "R", DESTINATION, SOURCE),
    Kind.NEGATIVE: Shape(REST, OPERATION, "E", SOURCE, DESTINATION),
    Kind.DECISION: Shape(SECURITY_ALERT, AUTHZ_CONSENT, "E", APPLICATION, AUTHSERVER, data=False, closed=True),
    Kind.OVERRIDE: Shape(SECURITY_ALERT, OVERRIDE_STARTED, "E", APPLICATION, AUTHSERVER, data=False),
    Kind.RECEIVED: Shape(IMPORT, RECEIVE, "C", SOURCE, DESTINATION),
    Kind.DELIVERY: Shape(EXPORT, DISCLOSE, "R", DESTINATION, SOURCE),
    Kind.DELIVERY_RESULT: Shape(EXPORT, TRANSMIT, "R", DESTINATION, SOURCE),
    Kind.READ: Shape(REST, READ, "R", DESTINATION, SOURCE),
    Kind.SEARCH: Shape(REST, SEARCH, "E", SOURCE, DESTINATION, data=False),
    Kind.TOKEN: Shape(USER_AUTHENTICATION, GET_TOKEN, "E", APPLICATION, OAUTH_SERVICE, data=False),
    Kind.SIGN_IN: Shape(USER_AUTHENTICATION, LOGIN, "E", APPLICATION, AUTHSERVER, data=False),
    Kind.SIGN_OUT: Shape(USER_AUTHENTICATION, LOGOUT, "E", APPLICATION, AUTHSERVER, data=False),
    Kind.ADMINISTRATION: Shape(SECURITY_ALERT, CONFIGURATION, "U", APPLICATION, AUTHSERVER),
    Kind.ERROR: Shape(REST, OPERATION, "E", SOURCE, DESTINATION),
}

# A question about a person: for whoever asked, all of these are one.
QUESTIONS: Final = frozenset({Kind.DISCLOSURE, Kind.NEGATIVE, Kind.DECISION, Kind.OVERRIDE, Kind.ERROR})
# No person is in these, so that nothing can be learnt from how they came out.
WITHOUT_PERSON: Final = frozenset({Kind.TOKEN, Kind.SIGN_IN, Kind.SIGN_OUT, Kind.ADMINISTRATION})

# Refusals that follow from the request alone (behaviour 2.1), as long as no custodian was reached.
GATES: Final = frozenset(
    {"purpose-not-yours", "role-not-allowed", "case-reference-missing", "duty-not-in-force", "quota-exceeded", "log-unwitnessed"}
)

# codes.md: our purpose -> v3-ActReason
REASONS: Final[dict[str, str]] = {
    "safeguarding-s47": "GOV",
    "duty-to-share-16la": "GOV",
    "emergency": "ETREAT",
    "mha-assessment-s13": "GOV",
    "child-in-need-s17": "GOV",
    "early-help": "COC",
    "amh-care-planning": "COC",
    "subject-access": "PATRQT",
    "audit": "HCOMPL",
    "statistics": "CAREMGT",
}
