"""Topics, subscriptions and delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_turn",
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("pk_daily_turn")),
    )
    _add_case_lists()
    _add_feedback()
    _change_delivery()


def downgrade() -> None:
    op.drop_table("daily_turn")
    _drop_case_lists()
    _drop_feedback()
    _change_delivery_back()


def _add_feedback() -> None:
    """What receivers make of notices, call-back requests, answers to messages, and where a client may be answered."""
    op.add_column("client", sa.Column("endpoints", sa.Text(), nullable=True))
    op.create_table(
        "acknowledgement",
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("respond_by", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["notice"], ["outbox.id"], name=op.f("fk_acknowledgement_notice_outbox")),
        sa.PrimaryKeyConstraint("notice", name=op.f("pk_acknowledgement")),
    )
    op.create_index("ix_acknowledgement_next_at", "acknowledgement", ["next_at"], unique=False)
    op.create_index("ix_acknowledgement_receiver_told", "acknowledgement", ["receiver", "told"], unique=False)
    op.create_index("ix_acknowledgement_owner_told", "acknowledgement", ["owner", "told"], unique=False)
    op.create_table(
        "call_back",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["agency.code"], name=op.f("fk_call_back_owner_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_back")),
    )
    op.create_index("ix_call_back_owner_made", "call_back", ["owner", "made"], unique=False)
    op.create_table(
        "reply",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("last_result", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply")),
    )
    op.create_index("ix_reply_state_due", "reply", ["state", "due"], unique=False)


def _drop_feedback() -> None:
    for table, *indexes in (
        ("reply", "state_due"),
        ("call_back", "owner_made"),
        ("acknowledgement", "owner_told", "receiver_told", "next_at"),
    ):
        for index in indexes:
            op.drop_index(f"ix_{table}_{index}", table_name=table)
        op.drop_table(table)
    op.drop_column("client", "endpoints")


def _add_case_lists() -> None:
    """Case lists and who is on them; when heartbeats are due."""
    op.create_table(
        "case_list",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agency.code"], name=op.f("fk_case_list_agency_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_list")),
    )
    op.create_index(op.f("ix_case_list_agency"), "case_list", ["agency"], unique=False)
    op.create_table(
        "case_list_member",
        sa.Column("watch", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("watch", "person", name=op.f("pk_case_list_member")),
    )
    op.create_index(op.f("ix_case_list_member_person"), "case_list_member", ["person"], unique=False)
    op.create_table(
        "heartbeat",
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["subscription"], ["subscription.id"], name=op.f("fk_heartbeat_subscription_subscription")),
        sa.PrimaryKeyConstraint("subscription", name=op.f("pk_heartbeat")),
    )
    op.create_index(op.f("ix_heartbeat_due"), "heartbeat", ["due"], unique=False)


def _drop_case_lists() -> None:
    op.drop_table("heartbeat")
    op.drop_table("case_list_member")
    op.drop_table("case_list")


def _change_delivery() -> None:
    """Where notices go, what was told of whom, and that no number is given twice."""
    op.add_column("subscription", sa.Column("destination", sa.Text(), nullable=True))
    op.create_index("ix_subscription_destination", "subscription", ["destination"], unique=False)
    op.create_index("ix_outbox_person", "outbox", ["person"], unique=False)
    op.add_column("outbox", sa.Column("tried_since", sa.BigInteger(), nullable=True))
    op.drop_index("ix_outbox_subscription_number", table_name="outbox")
    op.create_index("ix_outbox_subscription_number", "outbox", ["subscription", "number"], unique=True)


def _change_delivery_back() -> None:
    op.drop_index("ix_outbox_subscription_number", table_name="outbox")
    op.create_index("ix_outbox_subscription_number", "outbox", ["subscription", "number"], unique=False)
    op.drop_index("ix_outbox_person", table_name="outbox")
    op.drop_column("outbox", "tried_since")
    op.drop_index("ix_subscription_destination", table_name="subscription")
    op.drop_column("subscription", "destination")
