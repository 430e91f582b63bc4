"""The access log's tree grows by one leaf for each exchange."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OTHER_LEAVES = (
    "the access log of this database was begun by an earlier version, whose tree has other leaves: "
    "begin a new deployment, and keep this one with the version that wrote it"
)


def upgrade() -> None:
    if op.get_bind().execute(sa.select(sa.column("id")).select_from(sa.table("audit_entry")).limit(1)).first():
        raise CommandError(OTHER_LEAVES)
    op.create_table(
        "audit_beside",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_audit_beside")),
    )
    op.create_index(op.f("ix_audit_beside_first"), "audit_beside", ["first"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_beside_first"), table_name="audit_beside")
    op.drop_table("audit_beside")
