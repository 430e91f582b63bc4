"""Who takes part: agencies, their software, and who is signed in."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from gateway.store.columns import bytes_, count_, metadata, text_, time_

# One row: what kind of deployment this is, and the versions that every exchange reads.
standing = Table(
    "standing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    text_("kind"),  # demo | test | production
    text_("policy"),  # hash of the agreements in force
    text_("stamp"),  # changes with every change of clients or agencies
)

agency = Table(
    "agency",
    metadata,
    text_("code", primary_key=True),  # ODS code
    text_("name"),
    text_("kind"),
    text_("profile"),  # JSON: desks, identifier authorities, DfE code, whether sensitive
    count_("complete"),  # whether the agency declared its feed complete
    text_("holds_from"),  # first day of the period that its feed covers
    time_("data_as_of", nullable=True),  # last record received
    count_("fresh_hours", 48),
    count_("version", 1),
)

client = Table(
    "client",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code"), index=True),
    text_("name"),
    text_("scopes"),
    text_("purposes"),  # space separated codes that its users may claim
    text_("roles"),  # space separated codes
    text_("jwks"),
    count_("revoked"),
    text_("endpoints", nullable=True),  # space separated: where it sends messages from, and where answers may be posted
)

# Clients that may ask for cards (CDS Hooks): an issuer is one client's, and asks for one purpose.
card_client = Table(
    "card_client",
    metadata,
    text_("issuer", primary_key=True),
    text_("client", ForeignKey("client.id"), unique=True),
    text_("jku"),  # where its keys are fetched; empty: those registered with the client count
    text_("purpose"),
    text_("origins"),  # space separated: pages of browsers that may call
)

# What clinicians made of cards.
card_feedback = Table(
    "card_feedback",
    metadata,
    bytes_("id", primary_key=True),  # keyed token of client, card, outcome and time: a repeat finds the row
    text_("client", ForeignKey("client.id")),
    text_("card"),  # its uuid: the id of the disclosure
    text_("outcome"),  # accepted | overridden
    time_("received"),
    bytes_("body"),  # sealed: when, which suggestions, the reason
    Index("ix_card_feedback_client_received", "client", "received"),
)

# Assertions already used (RFC 7523): a second use finds the row. Kept until they could not be used anyway.
seen_assertion = Table(
    "seen_assertion",
    metadata,
    text_("client", primary_key=True),
    text_("jti", primary_key=True),
    time_("expires"),
)

# The issuer at which an agency's staff sign in (OpenID Connect). An issuer belongs to one agency: that is how a user's is known.
identity_provider = Table(
    "identity_provider",
    metadata,
    text_("agency", ForeignKey("agency.code"), primary_key=True),
    text_("issuer", unique=True),
    text_("client_id"),
    bytes_("secret"),  # sealed; empty: we prove ourselves by our own key
    text_("user_claim"),
    text_("role_claim"),
    text_("roles"),  # JSON: value of the claim to role
    time_("added"),
)

# Who is signed in. The browser holds a random id; here stands its keyed token.
session = Table(
    "session",
    metadata,
    bytes_("token", primary_key=True),
    text_("agency", ForeignKey("agency.code"), index=True),
    bytes_("user_token", index=True),  # keyed
    bytes_("body"),  # sealed: user, roles, CSRF secret
    time_("started"),
    time_("seen"),
    time_("expires", index=True),
)

# An employer's staff, as keyed tokens alone: what the questions about people who look at their own rest on.
staff_member = Table(
    "staff_member",
    metadata,
    text_("agency", ForeignKey("agency.code"), primary_key=True),
    bytes_("user_token", primary_key=True),  # as in audit_entry
    bytes_("patient_token"),  # as in audit_entry; empty where the employer gave no NHS number
    bytes_("nhs"),  # as in person_token
    bytes_("surname"),
    bytes_("address"),
    bytes_("team"),
    time_("loaded"),
    Index("ix_staff_member_agency_patient_token", "agency", "patient_token"),
)
