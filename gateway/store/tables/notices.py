"""Subscriptions, the outbox, and what comes of notices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint, literal_column

from gateway.store.columns import bytes_, count_, metadata, text_, time_

subscription = Table(
    "subscription",
    metadata,
    text_("id", primary_key=True),
    text_("agency", index=True),
    text_("topic"),
    bytes_("person"),  # keyed NHS token
    text_("status"),  # requested | active | error | off
    bytes_("body"),
    count_("events"),
    time_("ends"),
    count_("version", 1),
    time_("updated"),
    text_("destination", nullable=True),  # keyed token of scheme, host and port that its notices go to
    Index("ix_subscription_person_topic", "person", "topic"),
)

# A worker's or team's list of people, for subscriptions that change as it does. Who is on it: keyed tokens of the list
# (``watch``, as in ``subscription.person``) and of the person.
case_list = Table(
    "case_list",
    metadata,
    text_("id", primary_key=True),
    text_("agency", ForeignKey("agency.code"), index=True),
    bytes_("body"),  # sealed: its name
    count_("version", 1),
    time_("updated"),
)

case_list_member = Table(
    "case_list_member",
    metadata,
    bytes_("watch", primary_key=True),
    bytes_("person", primary_key=True, index=True),
    bytes_("body"),  # sealed: NHS number, case reference
    time_("since"),
)

# When a rest-hook that asked for heartbeats is next to be told that we are still there.
heartbeat = Table(
    "heartbeat",
    metadata,
    text_("subscription", ForeignKey("subscription.id"), primary_key=True),
    Column("period", Integer, nullable=False),  # seconds
    time_("due", index=True),
)

outbox = Table(
    "outbox",
    metadata,
    text_("id", primary_key=True),
    text_("subscription", ForeignKey("subscription.id")),
    text_("receiver"),
    text_("owner"),
    text_("person"),  # the owner's row of the person
    bytes_("lane"),  # receiver and person: order is kept within a lane
    Column("place", BigInteger, nullable=False),  # order within the lane
    text_("topic"),
    bytes_("body"),
    text_("state"),  # pending | leased | delivered | withheld | dead
    count_("attempts"),
    time_("due"),
    time_("leased_until", nullable=True),
    count_("epoch"),
    Column("number", BigInteger, nullable=True),  # event number, given after the Permit
    text_("last_result"),
    time_("created"),
    time_("updated"),
    time_("tried_since", nullable=True),  # of one that was replayed: when; else since it was created
    text_("destination", server_default=literal_column("''")),  # of its subscription; where nobody is called, its receiver
    UniqueConstraint("lane", "place"),
    Index("ix_outbox_state_destination_due", "state", "destination", "due"),
    Index("ix_outbox_subscription_number", "subscription", "number", unique=True),  # two of one batch cannot take one number
    Index("ix_outbox_person", "person"),
)
_unfinished = outbox.c.state.in_([literal_column("'pending'"), literal_column("'leased'")])
Index("ix_outbox_unfinished", outbox.c.lane, outbox.c.place, sqlite_where=_unfinished, postgresql_where=_unfinished)

inbox = Table(
    "inbox",
    metadata,
    text_("sender", primary_key=True),
    text_("message", primary_key=True),  # MessageHeader.id
    text_("bundle"),  # Bundle.id
    bytes_("digest"),
    bytes_("response"),
    time_("received"),
    UniqueConstraint("sender", "bundle"),
)

# What receivers make of notices: from the time that one was numbered for its receiver.
acknowledgement = Table(
    "acknowledgement",
    metadata,
    text_("notice", ForeignKey("outbox.id"), primary_key=True),
    text_("receiver"),
    text_("owner"),
    text_("state"),  # received | acknowledged | overdue
    time_("told"),
    time_("respond_by"),  # 0: nobody needs to take it up
    time_("next_at", nullable=True),  # when it becomes overdue, or goes to the escalation contact
    count_("level"),  # 0, 1 went to the desk on duty, 2 to the escalation contact
    time_("answered", nullable=True),
    bytes_("body"),  # sealed: acknowledgement, by whom, note, contact
    Index("ix_acknowledgement_next_at", "next_at"),
    Index("ix_acknowledgement_receiver_told", "receiver", "told"),
    Index("ix_acknowledgement_owner_told", "owner", "told"),
)

# Who wants to be rung back, for each agency that holds the person.
call_back = Table(
    "call_back",
    metadata,
    text_("id", primary_key=True),
    text_("owner", ForeignKey("agency.code")),
    text_("asker"),
    bytes_("body"),  # sealed: about whom, who asks, the number
    time_("made"),
    time_("due"),
    time_("closed", nullable=True),
    Index("ix_call_back_owner_made", "owner", "made"),
)

# Response messages to be posted to who sent a message with async=true.
reply = Table(
    "reply",
    metadata,
    text_("id", primary_key=True),  # Bundle.id
    text_("agency"),
    text_("client"),
    text_("state"),  # pending | leased | delivered | dead
    count_("attempts"),
    time_("due"),
    time_("leased_until", nullable=True),
    count_("epoch"),
    bytes_("body"),  # sealed: where to, and the bundle
    text_("last_result"),
    time_("created"),
    time_("updated"),
    Index("ix_reply_state_due", "state", "due"),
)
