"""What is rare in the access log has a mark at its instant: entries from before have none, and are looked through."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE audit_marked SET since = (SELECT coalesce(max(recorded) + 1, 0) FROM audit_entry)")


def downgrade() -> None:
    """Nothing: marks of before are as good as they were, and looking through entries loses none of them."""
