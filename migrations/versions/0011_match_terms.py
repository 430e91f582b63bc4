"""Keyed tokens under which an agency finds its own people by birth date and name."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "match_term",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_match_term_person_person")),
        sa.PrimaryKeyConstraint("token", "person", name=op.f("pk_match_term")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_match_term_person"), "match_term", ["person"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_match_term_person"), table_name="match_term")
    op.drop_table("match_term")
