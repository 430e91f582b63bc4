"""The access log, its tree, and who vouches for it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from gateway.store.columns import bytes_, metadata, text_, time_

audit_key = Table("audit_key", metadata, text_("id", primary_key=True), bytes_("wrapped"))

audit_entry = Table(
    "audit_entry",
    metadata,
    text_("id", primary_key=True),
    time_("recorded"),
    text_("exchange"),
    Column("outcome", Integer, nullable=False),
    text_("requester"),
    text_("custodian"),
    bytes_("patient_token"),
    bytes_("user_token"),
    text_("purpose"),
    Column("asked", Integer, nullable=False),
    text_("key_id"),
    bytes_("salt"),
    bytes_("body"),
    # volumes are counted from these two without looking at the rows
    Index("ix_audit_entry_held", "custodian", "recorded", "exchange", "requester", "asked"),
    Index("ix_audit_entry_asked", "requester", "recorded", "exchange", "asked", "user_token", "patient_token"),
    Index("ix_audit_entry_patient_token_recorded", "patient_token", "recorded"),
    Index("ix_audit_entry_user_token_recorded", "user_token", "recorded"),
)

# By what entries are found beside their columns: keyed tokens of what an agency's auditor is shown, and when.
audit_mark = Table(
    "audit_mark",
    metadata,
    bytes_("token", primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # an instant, or the beginning of an hour
    sqlite_with_rowid=False,
)

# One row: entries before this time have no marks, and are looked through one by one.
audit_marked = Table(
    "audit_marked",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    time_("since"),
)

# The Merkle tree (RFC 6962): the hash of each exchange at its place, under its first entry, and the frontier of the tree.
audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    text_("entry", unique=True),
    bytes_("hash"),
)

# Entries that an exchange wrote beside its first one: they share its leaf, so the tree grows by one for each exchange.
audit_beside = Table("audit_beside", metadata, text_("entry", primary_key=True), text_("first", index=True))

# First entries of exchanges that are durable and have no place yet (PostgreSQL), with the leaf hash of then.
audit_unsealed = Table("audit_unsealed", metadata, text_("entry", primary_key=True), time_("recorded"), bytes_("hash"))

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    bytes_("frontier"),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    text_("note"),
    time_("signed"),
)

# Roots of full subtrees of 2^level leaves, levels 8, 16 and 24: what proofs are made of without reading every leaf.
audit_node = Table(
    "audit_node",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    bytes_("hash"),
)

# Other agencies that sign our heads, and how it stands with each.
audit_witness = Table(
    "audit_witness",
    metadata,
    text_("name", primary_key=True),
    text_("key"),  # name+id+key, cosignature/v1
    text_("url"),  # where add-checkpoint stands
    text_("state"),  # new | signs | silent | refuses | inconsistent
    Column("known", BigInteger, nullable=False),  # the size that it signed last
    time_("vouched"),  # when it did; when it was added, before the first time
    time_("added"),
)

audit_cosignature = Table(
    "audit_cosignature",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    text_("witness", primary_key=True),
    text_("line"),
    time_("signed"),
)

# Restores from backup that were declared: the log goes on under another origin from there.
audit_restore = Table(
    "audit_restore",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),  # entries that were kept
    text_("entry"),  # that declares it
    text_("note"),
    time_("declared"),
)

# Logs of other agencies whose heads we sign: the largest tree that we signed of each.
witnessed_log = Table(
    "witnessed_log",
    metadata,
    text_("origin", primary_key=True),
    text_("key"),  # name+id+key
    Column("size", BigInteger, nullable=False),
    bytes_("root"),
    time_("added"),
    time_("signed", nullable=True),
)

# Bulk exports of the access log that an auditor asked for.
audit_export = Table(
    "audit_export",
    metadata,
    text_("id", primary_key=True),
    bytes_("owner"),  # keyed token of agency, client and user
    bytes_("body"),  # sealed: what was asked, and where each file begins
    text_("state"),  # planning | ready | deleted
    time_("asked"),
    time_("stepped"),
    time_("expires", index=True),
)
