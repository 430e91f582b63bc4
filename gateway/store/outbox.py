"""Subscriptions and the outbox of notices. Rows are written with the change that they tell of."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from gateway.store.sql import Added, Changed, Changing, Given, Keyed, Statement, one_of
from gateway.store.tables import case_list_member, inbox, outbox, subscription

PENDING, LEASED, DELIVERED, WITHHELD, DEAD = "pending", "leased", "delivered", "withheld", "dead"
UNFINISHED = (PENDING, LEASED)
COLUMNS = tuple(outbox.columns)

# What is due, and how long a lease lasts: by the one clock that all workers share, which is PostgreSQL's; an embedded
# deployment has one process.
AT: ColumnElement[int] = bindparam("at", type_=BigInteger)
_shared_clock: ColumnElement[int] = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger)

Clock = Callable[[Given], ColumnElement[int]]


def _given_clock(given: Given) -> ColumnElement[int]:
    return given("at")


def _any_clock(_: Given) -> ColumnElement[int]:
    return _shared_clock


ADD_SUBSCRIPTION = Added(subscription)
# Subscriptions about a person: by name, or by a case list that they are on.
_watched = union_all(
    select(cast(bindparam("person", type_=LargeBinary), LargeBinary)),
    select(case_list_member.c.watch).where(case_list_member.c.person == bindparam("person", type_=LargeBinary)),
)
SUBSCRIPTIONS_ABOUT = Statement(
    select(*subscription.columns)
    .where(
        subscription.c.person.in_(_watched),
        one_of(subscription.c.status, ("requested", "active", "error")),
        subscription.c.ends > bindparam("at", type_=BigInteger),
    )
    .order_by(subscription.c.id)
)
SUBSCRIPTION = Statement(select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)))
LOCK_SUBSCRIPTION = Statement(
    select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)),
    # not FOR UPDATE: who adds a notice for this subscription must not wait for who sends another
    select(*subscription.columns).where(subscription.c.id == bindparam("id", type_=Text)).with_for_update(key_share=True),
)
OWN_SUBSCRIPTIONS = Statement(
    select(*subscription.columns)
    .where(subscription.c.agency == bindparam("agency", type_=Text), subscription.c.id > bindparam("after", type_=Text))
    .order_by(subscription.c.id)
    .limit(bindparam("count", type_=Integer))
)
OWN_ABOUT = Statement(
    select(*subscription.columns)
    .where(
        subscription.c.agency == bindparam("agency", type_=Text),
        subscription.c.person == bindparam("person", type_=LargeBinary),
    )
    .order_by(subscription.c.updated.desc(), subscription.c.id)
    .limit(bindparam("count", type_=Integer))
)
SET_SUBSCRIPTION = Statement(
    update(subscription)
    .where(subscription.c.id == bindparam("subscription_id", type_=Text))
    .values(
        status=bindparam("new_status", type_=Text),
        body=bindparam("sealed", type_=LargeBinary),
        ends=bindparam("new_ends", type_=BigInteger),
        version=subscription.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
        destination=bindparam("destination", type_=Text),
    )
)
# What waits under a subscription that goes elsewhere from now on.
TURN_WAITING = Statement(
    update(outbox)
    .where(
        outbox.c.subscription == bindparam("subscription_id", type_=Text),
        one_of(outbox.c.state, UNFINISHED),
        outbox.c.destination != bindparam("destination", type_=Text),
    )
    .values(destination=bindparam("destination", type_=Text))
)
# What a delivery makes of a subscription as it was leased; one that its agency has changed or ended meanwhile stays so.
TURN_STATUS = Statement(
    update(subscription)
    .where(
        subscription.c.id == bindparam("subscription_id", type_=Text),
        subscription.c.status == bindparam("old_status", type_=Text),
        subscription.c.version == bindparam("seen_version", type_=Integer),
    )
    .values(
        status=bindparam("new_status", type_=Text),
        version=subscription.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
    )
)
COUNT_EVENT = Changed(
    "subscription_id",
    {"subscription_id": Text()},
    lambda given: (
        update(subscription).where(subscription.c.id == given("subscription_id")).values(events=subscription.c.events + 1)
    ),
)

ADD_NOTICE = Added(outbox)
# Where a subscription's notices go: to its destination, or into its agency's inbox.
goes_to = func.coalesce(subscription.c.destination, subscription.c.agency)
# The last place of a lane, and where a subscription's notices go.
LAST_PLACE = Statement(
    select(
        select(func.coalesce(func.max(outbox.c.place), 0))
        .where(outbox.c.lane == bindparam("lane", type_=LargeBinary))
        .scalar_subquery(),
        select(goes_to).where(subscription.c.id == bindparam("subscription", type_=Text)).scalar_subquery(),
    )
)
# What stands in the column ``topic``; of what a notice tells is sealed in its body.
HANDSHAKE, NOTE = "handshake", "notice"
_both = outbox.join(subscription, subscription.c.id == outbox.c.subscription)


def is_in(column: ColumnElement[str], *states: str) -> ColumnElement[bool]:
    """As the partial indexes say it: a parameter in its place would not be known to be what they are of."""
    return or_(*(column == literal_column(f"'{state}'") for state in states))


def _due(clock: ColumnElement[int]) -> ColumnElement[bool]:
    return or_(
        and_(outbox.c.state == PENDING, outbox.c.due <= clock),
        and_(outbox.c.state == LEASED, outbox.c.leased_until <= clock),
    )


# A notice that may be claimed, and its subscription after it; nothing where another worker is at either.
DUE_NOTICE = Keyed(
    select(*outbox.columns, *subscription.columns).select_from(_both).where(_due(AT)),
    outbox.c.id,
    select(*outbox.columns, *subscription.columns)
    .select_from(_both)
    .where(_due(_shared_clock))
    .with_for_update(skip_locked=True, key_share=True, of=[outbox, subscription]),
)


def _claim(clock: Clock) -> Changing:
    return lambda given: (
        update(outbox)
        .where(outbox.c.id == given("notice"), outbox.c.epoch == given("seen_epoch"), one_of(outbox.c.state, UNFINISHED))
        .values(
            state=LEASED,
            epoch=outbox.c.epoch + 1,
            attempts=outbox.c.attempts + 1,
            leased_until=clock(given) + given("lease"),
            number=given("number"),
            updated=given("at"),
        )
    )


_claimed = {"notice": Text(), "seen_epoch": Integer(), "lease": BigInteger(), "number": BigInteger(), "at": BigInteger()}
CLAIM = Changed("notice", _claimed, _claim(_given_clock), _claim(_any_clock))
# Who may settle a lease: nobody else changes the row meanwhile.
LEASE = Keyed(
    select(outbox.c.id, outbox.c.epoch, outbox.c.state),
    outbox.c.id,
    select(outbox.c.id, outbox.c.epoch, outbox.c.state).order_by(outbox.c.id).with_for_update(key_share=True),
)
# Which of these notices have a number: they were told, or stood ready for who asked for events.
NUMBER_OF = Keyed(select(outbox.c.id, outbox.c.number), outbox.c.id)
# What was given up since the last notice that arrived.
_delivered = outbox.alias("delivered")
GIVEN_UP = Keyed(
    select(outbox.c.subscription, outbox.c.number)
    .where(
        outbox.c.state == DEAD,
        outbox.c.number
        > func.coalesce(
            select(func.max(_delivered.c.number))
            .where(_delivered.c.subscription == outbox.c.subscription, _delivered.c.state == DELIVERED)
            .scalar_subquery(),
            0,
        ),
    )
    .order_by(outbox.c.number),
    outbox.c.subscription,
)
# Everything that was queued about an agency's row of a person, in the order in which it happened.
ABOUT_ROW = Statement(
    select(*outbox.columns)
    .where(outbox.c.person == bindparam("row", type_=Text))
    .order_by(outbox.c.created, outbox.c.place, outbox.c.id)
)
MOVE_NOTICES = Statement(
    update(outbox).where(outbox.c.person == bindparam("loser", type_=Text)).values(person=bindparam("survivor", type_=Text))
)
# Taken out of the queue without a post; a lease that somebody may still hold is overtaken.
PUT_ASIDE = Statement(
    update(outbox)
    .where(outbox.c.id == bindparam("notice", type_=Text), outbox.c.epoch == bindparam("seen_epoch", type_=Integer))
    .values(
        state=bindparam("new_state", type_=Text),
        epoch=outbox.c.epoch + 1,
        leased_until=None,
        number=bindparam("number", type_=BigInteger),
        last_result=bindparam("result", type_=Text),
        updated=bindparam("at", type_=BigInteger),
    )
)
# Whether a receiver has said that it is gone, or failed its handshake, since the subscription was last brought back.
SHUT = Statement(
    select(outbox.c.id)
    .join(subscription, subscription.c.id == outbox.c.subscription)
    .where(
        subscription.c.id == bindparam("subscription_id", type_=Text),
        subscription.c.status == "error",
        outbox.c.state == DEAD,
        outbox.c.updated >= subscription.c.updated,
        or_(outbox.c.topic == HANDSHAKE, outbox.c.last_result == "http 410"),
    )
    .limit(1)
)


def _held(given: Given) -> tuple[ColumnElement[bool], ...]:
    """The row of a lease, while it is that lease's."""
    return outbox.c.id == given("notice"), outbox.c.epoch == given("held_epoch"), outbox.c.state == LEASED


def _settle(clock: Clock) -> Changing:
    return lambda given: (
        update(outbox)
        .where(*_held(given))
        .values(
            state=given("new_state"),
            due=clock(given) + given("wait"),
            leased_until=None,
            last_result=given("result"),
            updated=given("at"),
        )
    )


def _give_back(clock: Clock) -> Changing:
    return lambda given: (
        update(outbox)
        .where(*_held(given))
        .values(state=PENDING, attempts=outbox.c.attempts - 1, due=clock(given), leased_until=None, updated=given("at"))
    )


_of_lease = {"notice": Text(), "held_epoch": Integer(), "at": BigInteger()}
_outcome = {**_of_lease, "new_state": Text(), "wait": BigInteger(), "result": Text()}
SETTLE = Changed("notice", _outcome, _settle(_given_clock), _settle(_any_clock))
# A lease under which nothing has left: the notice is due again, and has not been tried.
GIVE_BACK = Changed("notice", _of_lease, _give_back(_given_clock), _give_back(_any_clock))


def _bring_forward(clock: ColumnElement[int]) -> Update:
    return (
        update(outbox)
        .where(is_in(outbox.c.state, PENDING), outbox.c.destination == bindparam("destination", type_=Text))
        .where(outbox.c.due > clock, outbox.c.attempts > 0)
        .values(due=clock)
    )


# A destination that answers again: what waits there for its next attempt need not wait any longer.
BRING_FORWARD = Statement(_bring_forward(AT), _bring_forward(_shared_clock))
NUMBERED = Statement(
    select(*outbox.columns)
    .where(
        outbox.c.subscription == bindparam("subscription_id", type_=Text),
        outbox.c.number >= bindparam("first", type_=BigInteger),
        outbox.c.number <= bindparam("last", type_=BigInteger),
    )
    .order_by(outbox.c.number)
    .limit(bindparam("count", type_=Integer))
)
ADD_MESSAGE = Added(inbox, new_only=True)
MESSAGE_BY_HEADER = Statement(
    select(inbox.c.bundle, inbox.c.digest, inbox.c.response).where(
        inbox.c.sender == bindparam("sender", type_=Text), inbox.c.message == bindparam("message", type_=Text)
    )
)
MESSAGE_BY_BUNDLE = Statement(
    select(inbox.c.message, inbox.c.digest, inbox.c.response).where(
        inbox.c.sender == bindparam("sender", type_=Text), inbox.c.bundle == bindparam("bundle", type_=Text)
    )
)
