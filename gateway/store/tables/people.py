"""People and their records, sealed, and what came with them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from gateway.store.columns import bytes_, count_, metadata, text_, time_

person = Table(
    "person",
    metadata,
    text_("id", primary_key=True),
    text_("agency", index=True),
    bytes_("content_key"),  # the person's own key, wrapped
    bytes_("identity"),  # sealed: identifiers, name, birth date, restriction
    count_("version", 1),
    text_("expires"),  # YYYY-MM
    time_("updated"),
)

# Keyed tokens of identifiers. An agency finds its own rows by any of them; agencies meet in NHS tokens alone.
person_token = Table(
    "person_token",
    metadata,
    bytes_("token", primary_key=True),
    text_("agency", primary_key=True),
    text_("person", ForeignKey("person.id"), index=True),
    text_("kind"),  # nhs | local
)

# RelatedPerson, Flag and Consent, sealed under the key of the person whose record it is.
record = Table(
    "record",
    metadata,
    text_("id", primary_key=True),
    text_("agency"),
    text_("type"),
    text_("person", ForeignKey("person.id"), index=True),
    bytes_("source"),  # keyed token of the sender's own key
    text_("related", nullable=True),  # RelatedPerson: the same sender's row of the other person
    bytes_("body"),
    count_("version", 1),
    time_("updated"),
    UniqueConstraint("agency", "type", "source"),
    Index("ix_record_agency_type_updated", "agency", "type", "updated"),
    Index("ix_record_related", "related"),
)

record_version = Table(
    "record_version",
    metadata,
    text_("record", ForeignKey("record.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    bytes_("body"),
    time_("updated"),
)

# Files that were loaded from watched folders, by their content: the same content is loaded once.
loaded_file = Table(
    "loaded_file",
    metadata,
    bytes_("id", primary_key=True),  # keyed token of agency, format and content
    text_("agency", ForeignKey("agency.code")),
    time_("loaded"),
    bytes_("report"),  # sealed: the report as the sender got it
)

unmatched_code = Table(
    "unmatched_code",
    metadata,
    text_("agency", primary_key=True),
    text_("code_table", primary_key=True),
    text_("code", primary_key=True),
    count_("seen"),
    time_("first_seen"),
    time_("last_seen"),
)
