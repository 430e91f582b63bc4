"""Sign-in and loads."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_claim", sa.Text(), nullable=False),
        sa.Column("role_claim", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_identity_provider_agency_agency")),
        sa.PrimaryKeyConstraint("agency", name=op.f("pk_identity_provider")),
        sa.UniqueConstraint("issuer", name=op.f("uq_identity_provider_issuer")),
    )
    op.create_table(
        "session",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("user_token", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_session_agency_agency")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_agency"), "session", ["agency"], unique=False)
    op.create_index(op.f("ix_session_user_token"), "session", ["user_token"], unique=False)
    op.create_index(op.f("ix_session_expires"), "session", ["expires"], unique=False)
    op.create_table(
        "card_client",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("jku", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("origins", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["client"], ["client.id"], name=op.f("fk_card_client_client_client")),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_card_client")),
        sa.UniqueConstraint("client", name=op.f("uq_card_client_client")),
    )
    op.create_table(
        "card_feedback",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["client"], ["client.id"], name=op.f("fk_card_feedback_client_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_feedback")),
    )
    op.create_index("ix_card_feedback_client_received", "card_feedback", ["client", "received"], unique=False)
    op.create_table(
        "loaded_file",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_loaded_file_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loaded_file")),
    )


def downgrade() -> None:
    op.drop_table("loaded_file")
    op.drop_index("ix_card_feedback_client_received", table_name="card_feedback")
    op.drop_table("card_feedback")
    op.drop_table("card_client")
    op.drop_index(op.f("ix_session_expires"), table_name="session")
    op.drop_index(op.f("ix_session_user_token"), table_name="session")
    op.drop_index(op.f("ix_session_agency"), table_name="session")
    op.drop_table("session")
    op.drop_table("identity_provider")
