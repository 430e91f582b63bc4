"""Where a resource came from: loads that go on after a crash, and maps that were approved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("loaded_file", sa.Column("done", sa.Integer(), nullable=True))
    op.add_column("loaded_file", sa.Column("mappings", sa.Text(), nullable=True))
    op.add_column("loaded_file", sa.Column("size", sa.BigInteger(), nullable=True))
    op.create_table(
        "load_step",
        sa.Column("load", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("written", sa.Integer(), server_default="0", nullable=False),
        sa.Column("notices", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("load", "number", name=op.f("pk_load_step")),
    )
    op.create_table(
        "map_approval",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("approved", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_map_approval_agency_agency")),
        sa.ForeignKeyConstraint(["approver"], ["approver.id"], name=op.f("fk_map_approval_approver_approver")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_map_approval")),
    )
    op.create_index(op.f("ix_map_approval_agency"), "map_approval", ["agency"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_map_approval_agency"), table_name="map_approval")
    op.drop_table("map_approval")
    op.drop_table("load_step")
    for column in ("size", "mappings", "done"):
        op.drop_column("loaded_file", column)
