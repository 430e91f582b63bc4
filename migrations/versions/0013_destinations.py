"""Where a notice goes stands with it, and what waits is found by that."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

outbox = sa.table("outbox", *(sa.column(name) for name in ("subscription", "receiver", "state", "destination")))
subscription = sa.table("subscription", sa.column("id"), sa.column("destination"))
UNFINISHED = outbox.c.state.in_([sa.literal_column("'pending'"), sa.literal_column("'leased'")])


def upgrade() -> None:
    op.add_column("outbox", sa.Column("destination", sa.Text(), server_default=sa.literal_column("''"), nullable=False))
    named = sa.select(subscription.c.destination).where(subscription.c.id == outbox.c.subscription).scalar_subquery()
    op.execute(sa.update(outbox).where(UNFINISHED).values(destination=sa.func.coalesce(named, outbox.c.receiver)))
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
