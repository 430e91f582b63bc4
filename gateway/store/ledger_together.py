"""Several exchanges in one transaction on PostgreSQL, each of them as if it were alone: they go on side by side, a step at a
time, and what they ask and write in a step travels together.

What one holds, no other of them may want: they are cut there, and the rest is a transaction of its own, after this one. So
each finds what those before it wrote, as it would alone, and no two of one transaction touch the same person. One that
raises before it wrote anything takes nothing with it; whatever else goes wrong undoes all of them, and they are run one by
one in their order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from gateway.store import clock
from gateway.store.arrays import packed
from gateway.store.ledger import Buffer, Exchange, Rows, Step
from gateway.store.ledger_alone import run_by_itself
from gateway.store.ledger_batch import Ended, Questions, as_sent, keys_of
from gateway.store.ledger_connections import LOST, Connection, Connections, Cursor, ask, told, undo
from gateway.store.ledger_transaction import EXCLUSIVE, SHARED, TRY_EXCLUSIVE, Transactions, send_all
from gateway.store.sql import Hold, Params, Read, Statement, Write


class ApartError(Exception):
    """These exchanges cannot share a transaction, and nothing of it is left: each is to be run by itself."""


@dataclass(slots=True, eq=False)
class Member:
    """One exchange among those that share a transaction: what it waits for, what it writes, how it ended."""

    story: Generator[Step, Any, Ended]
    asked: tuple[Read, ...] = ()
    single: bool = True
    wanted: tuple[int, ...] = ()  # lock keys
    counted: Write | None = None  # a change of which it waits for the number of rows
    later: deque[Write] = field(default_factory=deque)  # changes that travel with the next step, of none of which it waits
    has_written: bool = False
    outcome: Ended | None = None
    fault: Exception | None = None

    @property
    def is_waiting(self) -> bool:
        return self.outcome is None and self.fault is None

    @property
    def told(self) -> Any:
        """Its answer, or what it raised."""
        return self.fault if self.outcome is None else self.outcome.answer

    def go_on(self, found: Any) -> None:
        """On to what has to be asked of the database, or to the end. A fault is this exchange's own, unless it has written."""
        self.asked, self.wanted, self.counted = (), (), None
        try:
            step = self.story.send(found)
            while isinstance(step, Write) and step.may_travel:
                self.later.append(step)
                step = self.story.send(1)
            self._wait_for(step)
        except StopIteration as end:
            self.outcome = end.value
        except Exception as fault:
            if self.has_written:
                raise ApartError from fault
            self.later.clear()
            self.fault = fault

    def _wait_for(self, step: Step) -> None:
        if isinstance(step, Write):
            self.counted = step
        elif isinstance(step, Hold):
            if step.policy:
                raise ApartError
            self.wanted = tuple(keys_of(step.tokens))
        else:
            self.asked, self.single = ((step,), True) if isinstance(step, Read) else (step, False)

    def answer(self, found: list[Rows]) -> None:
        """Hand over the rows of what was asked; who waited for locks asked nothing."""
        self.go_on(None if not self.asked else found[0] if self.single else found)


async def run_each(
    connections: Connections, transactions: Transactions, context: Any, exchange: Exchange[Any, Any, Any], requests: Sequence[Any]
) -> list[Any]:
    """For each of them its answer or what it raised, once all are durable. Raises Unavailable where the database is lost."""
    ended: list[Any] = []
    while len(ended) < len(requests):
        ended += await _first_of(connections, transactions, context, exchange, requests[len(ended) :])
    return ended


async def _first_of(
    connections: Connections, transactions: Transactions, context: Any, exchange: Exchange[Any, Any, Any], requests: Sequence[Any]
) -> list[Any]:
    """How so many of them ended, from the first, as can share a transaction; all of them where none can."""
    try:
        async with connections.borrowed() as connection:
            members = await run_together(connection, transactions, context, exchange, requests)
    except LOST as fault:
        raise told(fault) from fault
    except Exception:
        return [await _by_itself(connections, transactions, context, exchange, request) for request in requests]
    return [member.told for member in members]


async def _by_itself(
    connections: Connections, transactions: Transactions, context: Any, exchange: Exchange[Any, Any, Any], request: Any
) -> Any:
    try:
        return await run_by_itself(connections, transactions, context, exchange, request)
    except Exception as fault:
        return fault


async def run_together(
    connection: Connection, transactions: Transactions, context: Any, exchange: Exchange[Any, Any, Any], requests: Sequence[Any]
) -> list[Member]:
    """Run so many of them, from the first, as do not cross each other, in one transaction that is durable when this returns;
    they are given as they ended. Raises ApartError, and what psycopg raises: then nothing was done."""
    try:
        return await _Shared(connection, transactions).run(context, exchange, requests)
    except BaseException:
        if not connection.closed:
            await undo(connection)
        raise


def in_runs(queues: Iterable[deque[Write]]) -> Iterator[tuple[Statement, list[Params]]]:
    """Changes of several, a statement at a time with all its rows: each one's own stay in their order."""
    while waiting := [queue for queue in queues if queue]:
        ((statement, _),) = Counter(queue[0].statement for queue in waiting).most_common(1)
        taken: list[Write] = []
        for queue in waiting:
            while queue and queue[0].statement is statement:
                taken.append(queue.popleft())
        once = {tuple(write.params.items()): write.params for write in taken if write.once}
        yield statement, [*once.values(), *(write.params for write in taken if not write.once)]


class _Shared:
    """One transaction of several."""

    def __init__(self, connection: Connection, transactions: Transactions) -> None:
        self._connection, self._transactions = connection, transactions
        self._members: list[Member] = []
        self._owner: dict[int, int] = {}  # the place of who holds a lock, by its key

    async def run(self, context: Any, exchange: Exchange[Any, Any, Any], requests: Sequence[Any]) -> list[Member]:
        at = clock.now()
        await self._transactions.learn_year(self._connection, at)
        async with self._connection.pipeline() as pipeline:
            stood = await self._transactions.send_opening(self._connection, SHARED)
            await pipeline.sync()
            now = self._transactions.stood.learn(at, await stood.fetchall())
            self._members = [Member(exchange(context, request, now)) for request in requests]
            for member in self._members:
                member.go_on(None)
            while any(member.is_waiting for member in self._members):
                await self._step(pipeline)
            await self._send_later()
            await self._transactions.send_ending(self._connection, self._outcomes())
        return self._members

    def _outcomes(self) -> Buffer:
        buffer = Buffer()
        for member in self._members:
            if member.outcome is not None:
                buffer.take(member.outcome)
        return buffer

    async def _step(self, pipeline: psycopg.AsyncPipeline) -> None:
        """What all of them wait for, in one round trip."""
        free = await self._hold()
        waiting = [member for member in self._members if member.is_waiting]
        questions = Questions.of(waiting)
        if questions.hold:
            raise ApartError  # who decides on somebody does so in a batch
        await self._send_later()
        counted = [await self._change(member.counted) for member in waiting if member.counted]
        asked = await send_all(self._connection, questions.sent())
        await pipeline.sync()
        if free is not None and not (await free.fetchall())[0][0]:
            raise ApartError
        changed = iter(counted)
        rest = questions.sort([await cursor.fetchall() for cursor in asked])
        for member in waiting:
            if member.counted:
                member.go_on(next(changed).rowcount)
            else:
                member.answer([questions.deal(read, rest) for read in member.asked])

    async def _hold(self) -> Cursor | None:
        """Take the locks that are wanted: the first in the one order of all, later ones only if nobody else has them."""
        first = not self._owner
        wanted = self._claimed()
        if not wanted:
            return None
        cursor = await ask(self._connection, EXCLUSIVE if first else TRY_EXCLUSIVE, (packed("bigint", sorted(wanted)),))
        return None if first else cursor

    def _claimed(self) -> set[int]:
        """The locks that are wanted now. Whoever shares one with somebody before is cut off, and so are all that come after."""
        cut = len(self._members)
        for place, member in enumerate(self._members):
            for key in member.wanted if member.is_waiting else ():
                owner = self._owner.setdefault(key, place)
                if owner != place:
                    cut = min(cut, max(owner, place))
                    self._owner[key] = min(owner, place)
        if any(member.has_written for member in self._members[cut:]):
            raise ApartError
        del self._members[cut:]
        self._owner = {key: place for key, place in self._owner.items() if place < cut}
        return {key for member in self._members if member.is_waiting for key in member.wanted}

    async def _send_later(self) -> None:
        """Send what is to be written and of which nobody waits."""
        for member in self._members:
            member.has_written = member.has_written or bool(member.later or member.counted)
        for statement, rows in in_runs([member.later for member in self._members]):
            await send_all(self._connection, as_sent(statement, rows))

    async def _change(self, write: Write) -> Cursor:
        return await ask(self._connection, write.statement.for_postgres, dict(write.statement.with_fixed(write.params)))
