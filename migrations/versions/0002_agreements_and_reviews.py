"""Approvers and published agreements, quotas, reviews, shields."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "charge",
        sa.Column("who", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who", "place", name=op.f("pk_charge")),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", sa.Text(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source"], ["agency.code"], name=op.f("fk_agreement_source_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
    )
    op.create_index(op.f("ix_agreement_source"), "agreement", ["source"], unique=False)
    op.create_table(
        "approver",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_approver_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approver")),
    )
    op.create_index(op.f("ix_approver_agency"), "approver", ["agency"], unique=False)
    op.create_table(
        "review",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_review_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
    )
    op.create_index("ix_review_agency_closed_due", "review", ["agency", "closed", "due"], unique=False)
    op.create_table(
        "shield",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_shield_agency_agency")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_shield_person_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_shield")),
    )


def downgrade() -> None:
    op.drop_table("shield")
    op.drop_index("ix_review_agency_closed_due", table_name="review")
    op.drop_table("review")
    op.drop_index(op.f("ix_approver_agency"), table_name="approver")
    op.drop_table("approver")
    op.drop_index(op.f("ix_agreement_source"), table_name="agreement")
    op.drop_table("agreement")
    op.drop_table("charge")
