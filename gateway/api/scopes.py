"""The scopes that a client may hold (SMART App Launch 2.2, and one for each operation)."""

from __future__ import annotations

SCOPES = (
    "system/$known-to-services", "system/$check-share", "system/$process-message", "system/records.c", "system/AuditEvent.rs", "system/witness.r",
    "system/$shield", "system/$withhold", "system/review.us", "system/notice.us", "system/call-back.us", "system/$request-contact", "system/Consent.crus", "system/Flag.crus", "system/Patient.rs", "system/$match", "system/Provenance.rs", "system/RelatedPerson.crus", "system/Subscription.cruds",
    "system/Group.cruds", "system/Organization.rs", "system/PractitionerRole.rs",
)  # fmt: skip
