"""The clinician's page: record systems that launch it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launch_system",
        sa.Column("iss", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("role_claim", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client"], ["client.id"], name=op.f("fk_launch_system_client_client")),
        sa.PrimaryKeyConstraint("iss", name=op.f("pk_launch_system")),
        sa.UniqueConstraint("client", name=op.f("uq_launch_system_client")),
    )


def downgrade() -> None:
    op.drop_table("launch_system")
