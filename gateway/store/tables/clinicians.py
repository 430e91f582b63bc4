"""Where clinicians come from with a patient open: the record systems that may launch the page (SMART App Launch)."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Table

from gateway.store.columns import bytes_, metadata, text_, time_

# A record system by its FHIR base. It launches for one client, whose agency, purposes and roles are those of the page.
launch_system = Table(
    "launch_system",
    metadata,
    text_("iss", primary_key=True),
    text_("client", ForeignKey("client.id"), unique=True),
    text_("client_id"),  # under which the record system knows this gateway
    bytes_("secret"),  # sealed; empty: by our own key where it takes that, else by PKCE alone
    text_("role_claim"),  # of its ID token; empty: roles are read from PractitionerRole
    text_("roles"),  # JSON: value or code to role
    time_("added"),
)
