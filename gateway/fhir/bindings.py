"""The value sets that R4 4.0.1 *requires* of coded elements, for the types that the gateway takes or publishes.

The FHIR library does not check them. Both tables are written out here to be read beside the specification
(terminologies-valuesets.html); a test holds them against the lists that the library carries in its own comments.
"""

from __future__ import annotations

import re
from typing import Any

_RESOURCE_TYPES = """
Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List
Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction
MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical
MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder
Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition
ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription
Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities
TestReport TestScript ValueSet VerificationResult VisionPrescription
"""
RESOURCE_TYPES = frozenset(_RESOURCE_TYPES.split())
_DATA_TYPES = """
Address Age Annotation Attachment BackboneElement CodeableConcept Coding ContactDetail ContactPoint Contributor
Count DataRequirement Distance Dosage Duration Element ElementDefinition Expression Extension HumanName Identifier
MarketingStatus Meta Money Narrative ParameterDefinition Period Population ProdCharacteristic ProductShelfLife
Quantity Range Ratio Reference RelatedArtifact SampledData Signature SubstanceAmount Timing TriggerDefinition
UsageContext base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt
string time unsignedInt uri url uuid xhtml
"""
DATA_TYPES = frozenset(_DATA_TYPES.split())

_CODES: dict[str, str] = {
    "address-type": "postal physical both",
    "address-use": "home work temp old billing",
    "administrative-gender": "male female other unknown",
    "audit-event-action": "C R U D E",
    "audit-event-outcome": "0 4 8 12",
    "binding-strength": "required extensible preferred example",
    "bundle-type": "document message transaction transaction-response batch batch-response history searchset collection",
    "capability-statement-kind": "instance capability requirements",
    "codesystem-content-mode": "not-present example fragment complete supplement",
    "codesystem-hierarchy-meaning": "grouped-by is-a part-of classified-with",
    "concept-map-equivalence": "relatedto equivalent equal wider subsumes narrower specializes inexact unmatched disjoint",
    "concept-property-type": "code Coding string integer boolean dateTime decimal",
    "conceptmap-unmapped-mode": "provided fixed other-map",
    "conditional-delete-status": "not-supported single multiple",
    "conditional-read-status": "not-supported modified-since not-match full-support",
    "consent-data-meaning": "instance related dependents authoredby",
    "consent-provision-type": "deny permit",
    "consent-state-codes": "draft proposed active rejected inactive entered-in-error",
    "contact-point-system": "phone fax email pager url sms other",
    "contact-point-use": "home work temp old mobile",
    "contributor-type": "author editor reviewer endorser",
    "days-of-week": "mon tue wed thu fri sat sun",
    "document-mode": "producer consumer",
    "event-capability-mode": "sender receiver",
    "FHIR-version": "0.01 0.05 0.06 0.11 0.0.80 0.0.81 0.0.82 0.4.0 0.5.0 1.0.0 1.0.1 1.0.2 1.1.0 1.4.0 1.6.0 1.8.0 "
    "3.0.0 3.0.1 3.3.0 3.5.0 4.0.0 4.0.1",
    "filter-operator": "= is-a descendent-of is-not-a regex in not-in generalizes exists",
    "flag-status": "active inactive entered-in-error",
    "http-verb": "GET HEAD POST PUT DELETE PATCH",
    "identifier-use": "usual official temp secondary old",
    "issue-severity": "fatal error warning information",
    "issue-type": "invalid structure required value invariant security login unknown expired forbidden suppressed "
    "processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly "
    "business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational",
    "link-type": "replaced-by replaces refer seealso",
    "message-significance-category": "consequence currency notification",
    "messageheader-response-request": "always on-error never on-success",
    "name-use": "usual official temp nickname anonymous old maiden",
    "narrative-status": "generated extensions additional empty",
    "network-type": "1 2 3 4 5",
    "operation-kind": "operation query",
    "operation-parameter-use": "in out",
    "provenance-entity-role": "derivation revision quotation source removal",
    "publication-status": "draft active retired unknown",
    "quantity-comparator": "< <= >= >",
    "reference-handling-policy": "literal logical resolves enforced local",
    "related-artifact-type": "documentation justification citation predecessor successor derived-from depends-on composed-of",
    "response-code": "ok transient-error fatal-error",
    "restful-capability-mode": "client server",
    "search-comparator": "eq ne gt lt ge le sa eb ap",
    "search-entry-mode": "match include outcome",
    "search-modifier-code": "missing exact contains not text in not-in below above type identifier ofType",
    "search-param-type": "number date string token reference composite quantity uri special",
    "search-xpath-usage": "normal phonetic nearby distance other",
    "sort-direction": "ascending descending",
    "subscription-channel-type": "rest-hook websocket email sms message",
    "subscription-status": "requested active error off",
    "system-restful-interaction": "transaction batch search-system history-system",
    "trigger-type": "named-event periodic data-changed data-added data-modified data-removed data-accessed data-access-ended",
    "type-restful-interaction": "read vread update patch delete history-instance history-type create search-type",
    "units-of-time": "s min h d wk mo a",
    "versioning-policy": "no-version versioned versioned-update",
}
VALUE_SETS: dict[str, frozenset[str]] = {
    **{name: frozenset(codes.split()) for name, codes in _CODES.items()},
    "resource-types": RESOURCE_TYPES,
    "resource-types-or-any": RESOURCE_TYPES | {"Resource", "DomainResource"},
    "all-types": RESOURCE_TYPES | DATA_TYPES | {"Resource", "DomainResource", "Type", "Any"},
}

_ELEMENTS: dict[str, str] = {
    "Address.type": "address-type",
    "Address.use": "address-use",
    "AuditEvent.action": "audit-event-action",
    "AuditEvent.outcome": "audit-event-outcome",
    "AuditEvent.agent.network.type": "network-type",
    "Bundle.type": "bundle-type",
    "Bundle.entry.request.method": "http-verb",
    "Bundle.entry.search.mode": "search-entry-mode",
    "CapabilityStatement.status": "publication-status",
    "CapabilityStatement.kind": "capability-statement-kind",
    "CapabilityStatement.fhirVersion": "FHIR-version",
    "CapabilityStatement.document.mode": "document-mode",
    "CapabilityStatement.messaging.supportedMessage.mode": "event-capability-mode",
    "CapabilityStatement.rest.mode": "restful-capability-mode",
    "CapabilityStatement.rest.interaction.code": "system-restful-interaction",
    "CapabilityStatement.rest.resource.type": "resource-types",
    "CapabilityStatement.rest.resource.interaction.code": "type-restful-interaction",
    "CapabilityStatement.rest.resource.versioning": "versioning-policy",
    "CapabilityStatement.rest.resource.conditionalRead": "conditional-read-status",
    "CapabilityStatement.rest.resource.conditionalDelete": "conditional-delete-status",
    "CapabilityStatement.rest.resource.referencePolicy": "reference-handling-policy",
    "CapabilityStatement.rest.resource.searchParam.type": "search-param-type",
    "CodeSystem.status": "publication-status",
    "CodeSystem.content": "codesystem-content-mode",
    "CodeSystem.hierarchyMeaning": "codesystem-hierarchy-meaning",
    "CodeSystem.filter.operator": "filter-operator",
    "CodeSystem.property.type": "concept-property-type",
    "ConceptMap.status": "publication-status",
    "ConceptMap.group.element.target.equivalence": "concept-map-equivalence",
    "ConceptMap.group.unmapped.mode": "conceptmap-unmapped-mode",
    "Consent.status": "consent-state-codes",
    "Consent.provision.type": "consent-provision-type",
    "Consent.provision.data.meaning": "consent-data-meaning",
    "ContactPoint.system": "contact-point-system",
    "ContactPoint.use": "contact-point-use",
    "Contributor.type": "contributor-type",
    "DataRequirement.type": "all-types",
    "DataRequirement.sort.direction": "sort-direction",
    "Flag.status": "flag-status",
    "HumanName.use": "name-use",
    "Identifier.use": "identifier-use",
    "MessageDefinition.status": "publication-status",
    "MessageDefinition.category": "message-significance-category",
    "MessageDefinition.responseRequired": "messageheader-response-request",
    "MessageDefinition.focus.code": "resource-types",
    "MessageHeader.response.code": "response-code",
    "Narrative.status": "narrative-status",
    "OperationDefinition.status": "publication-status",
    "OperationDefinition.kind": "operation-kind",
    "OperationDefinition.resource": "resource-types-or-any",
    "OperationDefinition.parameter.use": "operation-parameter-use",
    "OperationDefinition.parameter.type": "all-types",
    "OperationDefinition.parameter.searchType": "search-param-type",
    "OperationDefinition.parameter.binding.strength": "binding-strength",
    "OperationOutcome.issue.severity": "issue-severity",
    "OperationOutcome.issue.code": "issue-type",
    "ParameterDefinition.use": "operation-parameter-use",
    "ParameterDefinition.type": "all-types",
    "Patient.gender": "administrative-gender",
    "Patient.contact.gender": "administrative-gender",
    "Patient.link.type": "link-type",
    "Practitioner.gender": "administrative-gender",
    "PractitionerRole.availableTime.daysOfWeek": "days-of-week",
    "Provenance.entity.role": "provenance-entity-role",
    "Quantity.comparator": "quantity-comparator",
    "Age.comparator": "quantity-comparator",
    "Count.comparator": "quantity-comparator",
    "Distance.comparator": "quantity-comparator",
    "Duration.comparator": "quantity-comparator",
    "RelatedArtifact.type": "related-artifact-type",
    "RelatedPerson.gender": "administrative-gender",
    "SearchParameter.status": "publication-status",
    "SearchParameter.type": "search-param-type",
    "SearchParameter.base": "resource-types-or-any",
    "SearchParameter.target": "resource-types-or-any",
    "SearchParameter.xpathUsage": "search-xpath-usage",
    "SearchParameter.comparator": "search-comparator",
    "SearchParameter.modifier": "search-modifier-code",
    "Subscription.status": "subscription-status",
    "Subscription.channel.type": "subscription-channel-type",
    "Timing.repeat.dayOfWeek": "days-of-week",
    "Timing.repeat.durationUnit": "units-of-time",
    "Timing.repeat.periodUnit": "units-of-time",
    "TriggerDefinition.type": "trigger-type",
    "ValueSet.status": "publication-status",
    "ValueSet.compose.include.filter.op": "filter-operator",
}


def _owner(path: str) -> tuple[str, str]:
    """Type and element of a path; a backbone element's type is named after its path, as ``ConsentProvision``."""
    *types, element = path.split(".")
    return "".join(step[0].upper() + step[1:] for step in types), element


REQUIRED: dict[tuple[str, str], str] = {_owner(path): value_set for path, value_set in _ELEMENTS.items()}
MIME_TYPED = frozenset(
    {
        ("Attachment", "contentType"),
        ("CapabilityStatement", "format"),
        ("CapabilityStatement", "patchFormat"),
        ("Signature", "sigFormat"),
        ("Signature", "targetFormat"),
        ("SubscriptionChannel", "payload"),
    }
)
_MIME = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9*][\w!#$&^.+-]{0,126}(?:\s?;\s?[\w-]+=[^\s;]+)*").fullmatch
_SHORT_FORMATS = frozenset({"json", "xml", "ttl"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*").fullmatch


def is_mime(value: Any) -> bool:
    """A media type of BCP 13, or the short form of a FHIR format."""
    return type(value) is str and (value in _SHORT_FORMATS or _MIME(value) is not None)


def is_language(value: Any) -> bool:
    """A language tag of BCP 47."""
    return type(value) is str and _LANGUAGE(value) is not None
