"""What is shared by: agreements, quotas, reviews and shields."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from gateway.store.columns import bytes_, metadata, text_, time_

# Who may sign an organisation's agreements, with the public half of their key.
approver = Table(
    "approver",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code"), index=True),
    text_("role"),  # guardian | dpo | signatory
    text_("public_key"),  # Ed25519, hexadecimal
    bytes_("body"),  # sealed: who it is
    time_("added"),
    time_("ended", nullable=True),
)

# Agreements as they were published, each with its signatures.
agreement = Table(
    "agreement",
    metadata,
    text_("id", primary_key=True),  # SHA-256 of the document
    text_("source", ForeignKey("agency.code"), index=True),
    text_("name"),  # of the file it came from
    bytes_("document"),  # TOML
    text_("signatures"),  # JSON: approver id to signature
    time_("published"),
    time_("ended", nullable=True),  # replaced or revoked
)

# Whom a user has asked about within an hour: quotas are shared by all workers. Nobody has more places than the quota.
charge = Table(
    "charge",
    metadata,
    bytes_("who", primary_key=True),  # the hour since 1970, then a keyed token of client and user
    Column("place", Integer, primary_key=True, autoincrement=False),
    bytes_("person"),  # keyed token
)

# What somebody has to look at: overrides, lookups without a case, claims that did not fit.
review = Table(
    "review",
    metadata,
    text_("id", primary_key=True),
    text_("kind"),
    text_("agency", ForeignKey("agency.code")),  # in whose queue it stands
    bytes_("body"),  # sealed
    time_("opened"),
    time_("due"),
    time_("closed", nullable=True),
    Index("ix_review_agency_closed_due", "agency", "closed", "due"),
)

# People whose record the owner opens to nobody by machine: set at once, lifted by two.
shield = Table(
    "shield",
    metadata,
    text_("person", ForeignKey("person.id"), primary_key=True),  # the owner's row
    text_("agency", ForeignKey("agency.code")),
    bytes_("body"),  # sealed: who set it and why, who asked to lift it
    time_("since"),
)

# Work that is done once a day by one of several workers: the day on which it was last taken.
daily_turn = Table("daily_turn", metadata, text_("work", primary_key=True), text_("day"))
