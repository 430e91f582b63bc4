"""The scopes that a client may hold (SMART App Launch 2.2, and one for each operation)."""

from __future__ import annotations

SCOPES = (
    "system/$known-to-services", "system/$check-share", "system/$process-message", "system/records.c", "system/AuditEvent.rs",
    "system/$shield", "system/review.us", "system/Consent.crus", "system/Flag.crus", "system/Patient.rs", "system/RelatedPerson.crus", "system/Subscription.cruds",
)  # fmt: skip
