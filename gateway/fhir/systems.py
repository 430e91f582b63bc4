"""Identifier systems, code systems and extensions that the gateway reads and writes.

Sources: UK Core and NHS England canonicals, HL7 terminology (always written with ``http``), and our own
systems below the canonical base, a setting whose published default is ``BASE``.
"""

from functools import lru_cache
from typing import Final

BASE: Final = "https://gateway.example/fhir"

URI: Final = "urn:ietf:rfc:3986"
NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
ODS_CODE: Final = "https://fhir.nhs.uk/Id/ods-organization-code"
SDS_USER: Final = "https://fhir.nhs.uk/Id/sds-user-id"
UPN: Final = "https://www.gov.uk/Id/unique-pupil-number"

V3_ROLE: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
V3_ROLE_CLASS: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
V3_ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
V3_ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
V3_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
V2_0063: Final = "http://terminology.hl7.org/CodeSystem/v2-0063"
V2_0131: Final = "http://terminology.hl7.org/CodeSystem/v2-0131"
UKCORE_ROLE: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-AdditionalPersonRelationshipRole"
SNOMED: Final = "http://snomed.info/sct"
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
FLAG_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
CONSENT_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_ACTION: Final = "http://terminology.hl7.org/CodeSystem/consentaction"
AUDIT_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
AUDIT_ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
AUDIT_ENTITY_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
PROVENANCE_AGENT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
RESTFUL_INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
BALP_ENTITY_TYPE: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
BALP_AUTHZ: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
ITK_RESPONSE: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-ITKResponseCode"
NHS_NUMBER_STATUS: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
NHS_NUMBER_STATUS_EXT: Final = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
HTTP_ERROR_CODES: Final = "https://fhir.nhs.uk/Codesystem/http-error-codes"
MESSAGE_RESPONSE_REQUEST: Final = "http://hl7.org/fhir/StructureDefinition/messageheader-response-request"

UKCORE_FLAG: Final = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Flag"
UKCORE_RELATED: Final = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-RelatedPerson"
BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
BACKPORT_STATUS_R4: Final = f"{BACKPORT}/backport-subscription-status-r4"
BACKPORT_PAYLOAD: Final = f"{BACKPORT}/backport-payload-content"
BACKPORT_FILTER: Final = f"{BACKPORT}/backport-filter-criteria"

MATCH_GRADE: Final = "http://hl7.org/fhir/StructureDefinition/match-grade"


@lru_cache(maxsize=256)
def code_system(name: str, base: str = BASE) -> str:
    """The canonical of one of our own code systems (codes.md), such as ``answer``."""
    return f"{base}/CodeSystem/{name}"


@lru_cache(maxsize=256)
def extension(name: str, base: str = BASE) -> str:
    """The canonical of one of our own extensions, such as ``parental-responsibility``."""
    return f"{base}/StructureDefinition/{name}"


def topic(code: str, base: str = BASE) -> str:
    """The canonical of a SubscriptionTopic, such as ``admitted``."""
    return f"{base}/SubscriptionTopic/{code}"


def local_child_id(la_code: str) -> str:
    """The identifier system of a council's own child identifiers, by its three-digit DfE code."""
    return f"https://gateway.example/Id/la/{la_code}/child-id"


def local_id(agency: str, name: str) -> str:
    """The identifier system of an agency's own record numbers that have no published system."""
    return f"https://gateway.example/Id/{agency}/{name}"


HTTPS_TWINS: Final = ("https://terminology.hl7.org/", "http://terminology.hl7.org/")


def canonical_system(system: str) -> str:
    """HL7's own ``http`` form of a code system that a sender wrote with ``https``; others unchanged."""
    wrong, right = HTTPS_TWINS
    return right + system[len(wrong) :] if system.startswith(wrong) else system
