"""The console."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_mark",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("token", "at", name=op.f("pk_audit_mark")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_marked",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_marked")),
    )
    op.execute("INSERT INTO audit_marked (id, since) SELECT 1, coalesce(max(recorded) + 1, 0) FROM audit_entry")
    op.drop_index("ix_audit_entry_custodian_recorded", table_name="audit_entry")
    op.drop_index("ix_audit_entry_requester_recorded", table_name="audit_entry")
    held = ["custodian", "recorded", "exchange", "requester", "asked"]
    op.create_index("ix_audit_entry_held", "audit_entry", held, unique=False)
    asked = ["requester", "recorded", "exchange", "asked", "user_token", "patient_token"]
    op.create_index("ix_audit_entry_asked", "audit_entry", asked, unique=False)
    op.create_table(
        "staff_member",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("user_token", sa.LargeBinary(), nullable=False),
        sa.Column("patient_token", sa.LargeBinary(), nullable=False),
        sa.Column("nhs", sa.LargeBinary(), nullable=False),
        sa.Column("surname", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("team", sa.LargeBinary(), nullable=False),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_staff_member_agency_agency")),
        sa.PrimaryKeyConstraint("agency", "user_token", name=op.f("pk_staff_member")),
    )
    op.create_index("ix_staff_member_agency_patient_token", "staff_member", ["agency", "patient_token"], unique=False)


def downgrade() -> None:
    op.drop_table("staff_member")
    op.drop_index("ix_audit_entry_asked", table_name="audit_entry")
    op.drop_index("ix_audit_entry_held", table_name="audit_entry")
    op.create_index("ix_audit_entry_requester_recorded", "audit_entry", ["requester", "recorded"], unique=False)
    op.create_index("ix_audit_entry_custodian_recorded", "audit_entry", ["custodian", "recorded"], unique=False)
    op.drop_table("audit_marked")
    op.drop_table("audit_mark")
