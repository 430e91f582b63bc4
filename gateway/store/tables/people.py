"""People and their records, sealed, and what came with them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

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

# Keyed tokens of birth dates, and of how names sound: an agency finds its own people by them where no identifier is shared.
match_term = Table(
    "match_term",
    metadata,
    bytes_("token", primary_key=True),  # of the agency and the term
    text_("person", ForeignKey("person.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
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

# Files that were loaded, by their content: the same content is loaded once by the same mappings.
loaded_file = Table(
    "loaded_file",
    metadata,
    bytes_("id", primary_key=True),  # keyed token of agency, format and content
    text_("agency", ForeignKey("agency.code")),
    time_("loaded"),
    bytes_("report"),  # sealed: the report as the sender got it, or as it stands while the load goes on
    Column("done", Integer, nullable=True),  # records that are in while the load goes on; null when it has ended
    text_("mappings", nullable=True),  # the version of the mappings by which it was read
    Column("size", BigInteger, nullable=True),  # bytes
)

# Records of a load that are in beyond those that loaded_file counts.
load_step = Table(
    "load_step",
    metadata,
    bytes_("load", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    count_("written"),
    count_("notices"),
)

# Files that were handed in to be loaded later, and how far each is.
handed_in = Table(
    "handed_in",
    metadata,
    text_("id", primary_key=True),
    bytes_("owner"),  # keyed token of agency, client and user
    text_("agency", ForeignKey("agency.code")),
    bytes_("body"),  # sealed: who handed it in, what it is, its hash, its report
    text_("state"),  # arriving | waiting | ended
    time_("asked"),
    count_("records"),  # that were read so far
    count_("tries"),  # that failed
    time_("leased_until"),  # by the worker that loads it
    time_("expires", index=True),
)

# Their content, sealed part by part. No foreign key: parts of a file that is gone are deleted a few at a time.
handed_in_part = Table(
    "handed_in_part",
    metadata,
    text_("file", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    bytes_("body"),
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

# Who approved which maps: what a format does stands in the hash, and approval ends when that changes.
map_approval = Table(
    "map_approval",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code"), index=True),
    text_("format"),  # format@version
    text_("hash"),
    text_("approver", ForeignKey("approver.id")),
    bytes_("signature"),
    time_("approved"),
)
