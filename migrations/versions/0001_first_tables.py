"""The first tables: agencies and clients, people and records, notices, the access log in its tree."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    #
    op.create_table(
        "agency",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("complete", sa.Integer(), server_default="0", nullable=False),
        sa.Column("holds_from", sa.Text(), nullable=False),
        sa.Column("data_as_of", sa.BigInteger(), nullable=True),
        sa.Column("fresh_hours", sa.Integer(), server_default="48", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_agency")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("custodian", sa.Text(), nullable=False),
        sa.Column("patient_token", sa.LargeBinary(), nullable=False),
        sa.Column("user_token", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_custodian_recorded", "audit_entry", ["custodian", "recorded"], unique=False)
    op.create_index("ix_audit_entry_patient_token_recorded", "audit_entry", ["patient_token", "recorded"], unique=False)
    op.create_index("ix_audit_entry_requester_recorded", "audit_entry", ["requester", "recorded"], unique=False)
    op.create_index("ix_audit_entry_user_token_recorded", "audit_entry", ["user_token", "recorded"], unique=False)
    op.create_table(
        "audit_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_key")),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint("entry", name=op.f("uq_audit_leaf_entry")),
    )
    op.create_table(
        "audit_unsealed",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_audit_unsealed")),
    )
    op.create_table(
        "inbox",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "message", name=op.f("pk_inbox")),
        sa.UniqueConstraint("sender", "bundle", name=op.f("uq_inbox_sender_bundle")),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("content_key", sa.LargeBinary(), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("expires", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(op.f("ix_person_agency"), "person", ["agency"], unique=False)
    op.create_table(
        "seen_assertion",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client", "jti", name=op.f("pk_seen_assertion")),
    )
    op.create_table(
        "standing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing")),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index(op.f("ix_subscription_agency"), "subscription", ["agency"], unique=False)
    op.create_index("ix_subscription_person_topic", "subscription", ["person", "topic"], unique=False)
    op.create_table(
        "unmatched_code",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("code_table", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "code_table", "code", name=op.f("pk_unmatched_code")),
    )
    op.create_table(
        "client",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("jwks", sa.Text(), nullable=False),
        sa.Column("revoked", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_client_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client")),
    )
    op.create_index(op.f("ix_client_agency"), "client", ["agency"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("lane", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("last_result", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["subscription"], ["subscription.id"], name=op.f("fk_outbox_subscription_subscription")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("lane", "place", name=op.f("uq_outbox_lane_place")),
    )
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due"], unique=False)
    op.create_index("ix_outbox_subscription_number", "outbox", ["subscription", "number"], unique=False)
    op.create_table(
        "person_token",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_person_token_person_person")),
        sa.PrimaryKeyConstraint("token", "agency", name=op.f("pk_person_token")),
    )
    op.create_index(op.f("ix_person_token_person"), "person_token", ["person"], unique=False)
    op.create_table(
        "record",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("related", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_record_person_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("agency", "type", "source", name=op.f("uq_record_agency_type_source")),
    )
    op.create_index("ix_record_agency_type_updated", "record", ["agency", "type", "updated"], unique=False)
    op.create_index(op.f("ix_record_person"), "record", ["person"], unique=False)
    op.create_index("ix_record_related", "record", ["related"], unique=False)
    op.create_table(
        "record_version",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["record"], ["record.id"], name=op.f("fk_record_version_record_record")),
        sa.PrimaryKeyConstraint("record", "version", name=op.f("pk_record_version")),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    #
    op.drop_table("record_version")
    op.drop_index("ix_record_related", table_name="record")
    op.drop_index(op.f("ix_record_person"), table_name="record")
    op.drop_index("ix_record_agency_type_updated", table_name="record")
    op.drop_table("record")
    op.drop_index(op.f("ix_person_token_person"), table_name="person_token")
    op.drop_table("person_token")
    op.drop_index("ix_outbox_subscription_number", table_name="outbox")
    op.drop_index("ix_outbox_state_due", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_client_agency"), table_name="client")
    op.drop_table("client")
    op.drop_table("unmatched_code")
    op.drop_index("ix_subscription_person_topic", table_name="subscription")
    op.drop_index(op.f("ix_subscription_agency"), table_name="subscription")
    op.drop_table("subscription")
    op.drop_table("standing")
    op.drop_table("seen_assertion")
    op.drop_index(op.f("ix_person_agency"), table_name="person")
    op.drop_table("person")
    op.drop_table("log_head")
    op.drop_table("inbox")
    op.drop_table("audit_unsealed")
    op.drop_table("audit_leaf")
    op.drop_table("audit_key")
    op.drop_index("ix_audit_entry_user_token_recorded", table_name="audit_entry")
    op.drop_index("ix_audit_entry_requester_recorded", table_name="audit_entry")
    op.drop_index("ix_audit_entry_patient_token_recorded", table_name="audit_entry")
    op.drop_index("ix_audit_entry_custodian_recorded", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("audit_checkpoint")
    op.drop_table("agency")
    # ### end Alembic commands ###
