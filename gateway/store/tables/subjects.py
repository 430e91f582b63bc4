"""What people ask of their own record: reports of it, what must be kept, what was erased."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from gateway.store.columns import bytes_, metadata, text_, time_

# Subject access: what one agency tells a person of their record there. Sealed under the person's own key.
subject_report = Table(
    "subject_report",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code")),
    text_("person", ForeignKey("person.id"), index=True),  # the agency's own row
    text_("state"),  # open | approved | withdrawn
    bytes_("body"),  # sealed: the facts, what was decided on each, who prepared and approved it
    time_("asked"),
    time_("changed"),
    Index("ix_subject_report_agency_asked", "agency", "asked"),
)

# Records that must be kept: for a court, an inquiry, a review.
legal_hold = Table(
    "legal_hold",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code")),
    text_("person", ForeignKey("person.id"), index=True),
    bytes_("body"),  # sealed: whose record, why, who set it, who asked to lift it, who lifted it
    time_("since"),
    time_("lifted", nullable=True),
    Index("ix_legal_hold_agency_since", "agency", "since"),
)

# Erasures that were asked for, and the register of those that were done: it names nobody.
erasure = Table(
    "erasure",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code")),
    text_("person"),  # the row that is gone: a random id
    text_("state"),  # asked | withdrawn | erased
    bytes_("body"),  # sealed: on what ground and by whom; whose record, for as long as it is only asked for
    time_("asked"),
    time_("erased", nullable=True, index=True),
    Column("records", Integer, nullable=False),
    Index("ix_erasure_agency_asked", "agency", "asked"),
)

# Keyed tokens of the identifiers of who was erased, by which a record that comes again is noticed.
erased_token = Table(
    "erased_token",
    metadata,
    bytes_("token", primary_key=True),
    text_("agency", primary_key=True),
    text_("erasure", ForeignKey("erasure.id")),
)
