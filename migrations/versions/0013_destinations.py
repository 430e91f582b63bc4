"""Where a notice goes stands with it, and what waits is found by that."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state IN ('pending', 'leased')")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("destination", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(
        "UPDATE outbox SET destination = coalesce((SELECT destination FROM subscription WHERE id = outbox.subscription), receiver)"
    )
    op.drop_index("ix_outbox_state_due", table_name="outbox")
    op.create_index("ix_outbox_state_destination_due", "outbox", ["state", "destination", "due"], unique=False)
    op.create_index(
        "ix_outbox_unfinished", "outbox", ["lane", "place"], unique=False, sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )
    op.drop_index(op.f("ix_subscription_destination"), table_name="subscription")


def downgrade() -> None:
    op.create_index(op.f("ix_subscription_destination"), "subscription", ["destination"], unique=False)
    op.drop_index("ix_outbox_unfinished", table_name="outbox")
    op.drop_index("ix_outbox_state_destination_due", table_name="outbox")
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due"], unique=False)
    op.drop_column("outbox", "destination")
