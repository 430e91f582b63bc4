"""Subject access, legal holds, erasure."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subject_report",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_subject_report_agency_agency")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_subject_report_person_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_report")),
    )
    op.create_index(op.f("ix_subject_report_person"), "subject_report", ["person"], unique=False)
    op.create_index("ix_subject_report_agency_asked", "subject_report", ["agency", "asked"], unique=False)
    op.create_table(
        "legal_hold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("lifted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_legal_hold_agency_agency")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_legal_hold_person_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
    )
    op.create_index(op.f("ix_legal_hold_person"), "legal_hold", ["person"], unique=False)
    op.create_index("ix_legal_hold_agency_since", "legal_hold", ["agency", "since"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("erased", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_erasure_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_erased"), "erasure", ["erased"], unique=False)
    op.create_index("ix_erasure_agency_asked", "erasure", ["agency", "asked"], unique=False)
    op.create_table(
        "erased_token",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("erasure", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["erasure"], ["erasure.id"], name=op.f("fk_erased_token_erasure_erasure")),
        sa.PrimaryKeyConstraint("token", "agency", name=op.f("pk_erased_token")),
    )


def downgrade() -> None:
    op.drop_table("erased_token")
    op.drop_index("ix_erasure_agency_asked", table_name="erasure")
    op.drop_index(op.f("ix_erasure_erased"), table_name="erasure")
    op.drop_table("erasure")
    op.drop_index("ix_legal_hold_agency_since", table_name="legal_hold")
    op.drop_index(op.f("ix_legal_hold_person"), table_name="legal_hold")
    op.drop_table("legal_hold")
    op.drop_index("ix_subject_report_agency_asked", table_name="subject_report")
    op.drop_index(op.f("ix_subject_report_person"), table_name="subject_report")
    op.drop_table("subject_report")
