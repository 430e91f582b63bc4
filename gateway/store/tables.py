"""Every table of the gateway, for SQLite and PostgreSQL alike.

Columns hold text, whole numbers and bytes only, so that compiled statements need no type conversion on
either driver. Times are microseconds since 1970 UTC. Keys are random, never a sequence. What could tell of a
person is sealed; beside it stand keyed tokens, random ids, the organisation and the month of expiry.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *more: object, **options: object) -> Column[str]:
    return Column(name, Text, *more, nullable=bool(options.pop("nullable", False)), **options)  # type: ignore[arg-type]


def _bytes(name: str, *, nullable: bool = False, primary_key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable, primary_key=primary_key)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _count(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(default))


# One row: what kind of deployment this is, and the versions that every exchange reads.
standing = Table(
    "standing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _text("kind"),  # demo | test | production
    _text("policy"),  # hash of the agreements in force
    _text("stamp"),  # changes with every change of clients or agencies
)

agency = Table(
    "agency",
    metadata,
    _text("code", primary_key=True),  # ODS code
    _text("name"),
    _text("kind"),
    _text("profile"),  # JSON: desks, identifier authorities, DfE code, whether sensitive
    _count("complete"),  # whether the agency declared its feed complete
    _text("holds_from"),  # first day of the period that its feed covers
    _time("data_as_of", nullable=True),  # last record received
    _count("fresh_hours", 48),
    _count("version", 1),
)

client = Table(
    "client",
    metadata,
    _text("id", primary_key=True),
    _text("agency", ForeignKey("agency.code"), index=True),
    _text("name"),
    _text("scopes"),
    _text("purposes"),  # space separated codes that its users may claim
    _text("roles"),  # space separated codes
    _text("jwks"),
    _count("revoked"),
)

# Assertions already used (RFC 7523): a second use finds the row. Kept until they could not be used anyway.
seen_assertion = Table(
    "seen_assertion",
    metadata,
    _text("client", primary_key=True),
    _text("jti", primary_key=True),
    _time("expires"),
)

person = Table(
    "person",
    metadata,
    _text("id", primary_key=True),
    _text("agency", index=True),
    _bytes("content_key"),  # the person's own key, wrapped
    _bytes("identity"),  # sealed: identifiers, name, birth date, restriction
    _count("version", 1),
    _text("expires"),  # YYYY-MM
    _time("updated"),
)

# Keyed tokens of identifiers. An agency finds its own rows by any of them; agencies meet in NHS tokens alone.
person_token = Table(
    "person_token",
    metadata,
    _bytes("token", primary_key=True),
    _text("agency", primary_key=True),
    _text("person", ForeignKey("person.id"), index=True),
    _text("kind"),  # nhs | local
)

# RelatedPerson, Flag and Consent, sealed under the key of the person whose record it is.
record = Table(
    "record",
    metadata,
    _text("id", primary_key=True),
    _text("agency"),
    _text("type"),
    _text("person", ForeignKey("person.id"), index=True),
    _bytes("source"),  # keyed token of the sender's own key
    _text("related", nullable=True),  # RelatedPerson: the same sender's row of the other person
    _bytes("body"),
    _count("version", 1),
    _time("updated"),
    UniqueConstraint("agency", "type", "source"),
    Index("ix_record_agency_type_updated", "agency", "type", "updated"),
    Index("ix_record_related", "related"),
)

record_version = Table(
    "record_version",
    metadata,
    _text("record", ForeignKey("record.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _bytes("body"),
    _time("updated"),
)

subscription = Table(
    "subscription",
    metadata,
    _text("id", primary_key=True),
    _text("agency", index=True),
    _text("topic"),
    _bytes("person"),  # keyed NHS token
    _text("status"),  # requested | active | error | off
    _bytes("body"),
    _count("events"),
    _time("ends"),
    _count("version", 1),
    _time("updated"),
    Index("ix_subscription_person_topic", "person", "topic"),
)

outbox = Table(
    "outbox",
    metadata,
    _text("id", primary_key=True),
    _text("subscription", ForeignKey("subscription.id")),
    _text("receiver"),
    _text("owner"),
    _text("person"),  # the owner's row of the person
    _bytes("lane"),  # receiver and person: order is kept within a lane
    Column("place", BigInteger, nullable=False),  # order within the lane
    _text("topic"),
    _bytes("body"),
    _text("state"),  # pending | leased | delivered | withheld | dead
    _count("attempts"),
    _time("due"),
    _time("leased_until", nullable=True),
    _count("epoch"),
    Column("number", BigInteger, nullable=True),  # event number, given after the Permit
    _text("last_result"),
    _time("created"),
    _time("updated"),
    UniqueConstraint("lane", "place"),
    Index("ix_outbox_state_due", "state", "due"),
    Index("ix_outbox_subscription_number", "subscription", "number"),
)

inbox = Table(
    "inbox",
    metadata,
    _text("sender", primary_key=True),
    _text("message", primary_key=True),  # MessageHeader.id
    _text("bundle"),  # Bundle.id
    _bytes("digest"),
    _bytes("response"),
    _time("received"),
    UniqueConstraint("sender", "bundle"),
)

unmatched_code = Table(
    "unmatched_code",
    metadata,
    _text("agency", primary_key=True),
    _text("code_table", primary_key=True),
    _text("code", primary_key=True),
    _count("seen"),
    _time("first_seen"),
    _time("last_seen"),
)

# Who may sign an organisation's agreements, with the public half of their key.
approver = Table(
    "approver",
    metadata,
    _text("id", primary_key=True),
    _text("agency", ForeignKey("agency.code"), index=True),
    _text("role"),  # guardian | dpo | signatory
    _text("public_key"),  # Ed25519, hexadecimal
    _bytes("body"),  # sealed: who it is
    _time("added"),
    _time("ended", nullable=True),
)

# Agreements as they were published, each with its signatures.
agreement = Table(
    "agreement",
    metadata,
    _text("id", primary_key=True),  # SHA-256 of the document
    _text("source", ForeignKey("agency.code"), index=True),
    _text("name"),  # of the file it came from
    _bytes("document"),  # TOML
    _text("signatures"),  # JSON: approver id to signature
    _time("published"),
    _time("ended", nullable=True),  # replaced or revoked
)

# Whom a user has asked about within an hour: quotas are shared by all workers. Nobody has more places than the quota.
charge = Table(
    "charge",
    metadata,
    _bytes("who", primary_key=True),  # the hour since 1970, then a keyed token of client and user
    Column("place", Integer, primary_key=True, autoincrement=False),
    _bytes("person"),  # keyed token
)

# What somebody has to look at: overrides, lookups without a case, claims that did not fit.
review = Table(
    "review",
    metadata,
    _text("id", primary_key=True),
    _text("kind"),
    _text("agency", ForeignKey("agency.code")),  # in whose queue it stands
    _bytes("body"),  # sealed
    _time("opened"),
    _time("due"),
    _time("closed", nullable=True),
    Index("ix_review_agency_closed_due", "agency", "closed", "due"),
)

# People whose record the owner opens to nobody by machine: set at once, lifted by two.
shield = Table(
    "shield",
    metadata,
    _text("person", ForeignKey("person.id"), primary_key=True),  # the owner's row
    _text("agency", ForeignKey("agency.code")),
    _bytes("body"),  # sealed: who set it and why, who asked to lift it
    _time("since"),
)

audit_key = Table("audit_key", metadata, _text("id", primary_key=True), _bytes("wrapped"))

audit_entry = Table(
    "audit_entry",
    metadata,
    _text("id", primary_key=True),
    _time("recorded"),
    _text("exchange"),
    Column("outcome", Integer, nullable=False),
    _text("requester"),
    _text("custodian"),
    _bytes("patient_token"),
    _bytes("user_token"),
    _text("purpose"),
    Column("asked", Integer, nullable=False),
    _text("key_id"),
    _bytes("salt"),
    _bytes("body"),
    Index("ix_audit_entry_custodian_recorded", "custodian", "recorded"),
    Index("ix_audit_entry_requester_recorded", "requester", "recorded"),
    Index("ix_audit_entry_patient_token_recorded", "patient_token", "recorded"),
    Index("ix_audit_entry_user_token_recorded", "user_token", "recorded"),
)

# The Merkle tree (RFC 6962): the hash of each leaf at its place, and the frontier of the tree.
audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    _text("entry", unique=True),
    _bytes("hash"),
)

# Entries that are durable and have no place yet (PostgreSQL), with their leaf hash as it was when they were written.
audit_unsealed = Table("audit_unsealed", metadata, _text("entry", primary_key=True), _time("recorded"), _bytes("hash"))

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _bytes("frontier"),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    _text("note"),
    _time("signed"),
)
