"""A batch of exchanges on PostgreSQL as values: what each waits for, what it asks, what it writes. No I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.store import audit_log
from gateway.store.arrays import Packed, packed
from gateway.store.ledger import Buffer, Exchange, Outcome, Rows, Step, Upkeep
from gateway.store.sql import Added, Changed, Keyed, Params, Read, Row, Statement
from gateway.store.vault import Vault

Ended = Outcome[Any] | Upkeep[Any]
Written = tuple[bytes, Any]
Group = tuple[Keyed, tuple[Any, ...]]  # reads that travel together: the statement, and what else it asks by


def keys_of(tokens: Iterable[bytes]) -> list[int]:
    """Advisory lock keys of persons, in the one order in which everybody takes them."""
    return sorted({int.from_bytes(token[:8], "big", signed=True) for token in tokens})


def lock_keys(tokens: Iterable[bytes], *before: int) -> Packed:
    """Those keys as they are sent, after those that stand before."""
    return packed("bigint", [*before, *keys_of(tokens)])


@dataclass(slots=True)
class Job:
    """An exchange that waits, and who waits for it."""

    exchange: Exchange[Any, Any, Any]
    request: Any
    future: asyncio.Future[Any]

    def fail(self, fault: BaseException) -> None:
        """Tell who waits, if anybody still does."""
        if not self.future.done():
            self.future.set_exception(fault)


@dataclass(slots=True)
class Part:
    """One exchange within a batch: its generator, what it waits for, how it ended."""

    job: Job
    story: Generator[Step, Any, Ended]
    asked: tuple[Read, ...] = ()
    single: bool = True
    outcome: Ended | None = None
    fault: Exception | None = None

    def send(self, found: Any) -> None:
        """Go on with what was found, to the next question or the end. A fault is this exchange's own."""
        self.asked = ()
        try:
            self._ask(self.story.send(found))
        except StopIteration as end:
            self.outcome = end.value
        except Exception as fault:
            self.fault = fault

    def _ask(self, step: Step) -> None:
        if isinstance(step, tuple):
            self.asked, self.single = step, False
            return
        if not isinstance(step, Read):
            raise TypeError("an exchange that shares a batch reads first and writes at its end")
        self.asked, self.single = (step,), True

    def answer(self, found: list[Rows]) -> None:
        """Hand over the rows of what was asked, in its order."""
        self.send(found[0] if self.single else found)

    def release(self) -> None:
        """Give the answer away: called when everything of the batch is durable."""
        if self.outcome is None:
            self.job.fail(self.fault or AssertionError("an exchange that did not end"))
        elif not self.job.future.done():
            self.job.future.set_result(self.outcome.answer)


class Asking(Protocol):
    """Who waits for rows."""

    @property
    def asked(self) -> tuple[Read, ...]: ...


@dataclass(slots=True)
class Questions:
    """The reads of one round, with those of one keyed statement joined into one."""

    plain: list[Read] = field(default_factory=list)
    keyed: dict[Group, dict[Any, Rows]] = field(default_factory=dict)
    hold: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, parts: Iterable[Asking]) -> Questions:
        """What these parts ask."""
        questions = cls()
        for part in parts:
            for read in part.asked:
                questions.hold.update(read.hold)
                if isinstance(read.statement, Keyed):
                    questions.keyed.setdefault(_group(read), {}).setdefault(read.params[read.statement.name], [])
                else:
                    questions.plain.append(read)
        return questions

    def sent(self) -> list[Written]:
        """What is asked, as statements: the keyed ones, then the plain ones."""
        keyed = [
            (
                statement.for_many,
                {**statement.fixed, **dict(zip(statement.others, others, strict=True)), "keys": statement.packed(found)},
            )
            for (statement, others), found in self.keyed.items()
        ]
        plain = [(read.statement.for_postgres, dict(read.statement.with_fixed(read.params))) for read in self.plain]
        return keyed + plain

    def sort(self, rows: list[Rows]) -> Iterator[Rows]:
        """Take the rows of what was sent, in its order; gives those of the plain ones."""
        for ((statement, _), found), mine in zip(self.keyed.items(), rows, strict=False):
            for row in mine:
                found[row[0]].append(statement.told(row))
        return iter(rows[len(self.keyed) :])

    def deal(self, read: Read, rest: Iterator[Rows]) -> Rows:
        """The rows of one read, out of those of the round."""
        if isinstance(read.statement, Keyed):
            return self.keyed[_group(read)][read.params[read.statement.name]]
        return next(rest)


def _group(read: Read) -> Group:
    statement = read.statement
    assert isinstance(statement, Keyed)
    return statement, tuple([read.params[name] for name in statement.others])


def statements(vault: Vault, buffer: Buffer, at: int) -> list[Written]:
    """What a batch writes: rows added go in one statement per table, audit entries last.

    The log is as of ``at``, when every lock of the transaction was held. Who decides on a person and who changes what
    the decision rests on never hold their locks together, so the log tells of them in the order in which they happened,
    whichever worker wrote them.
    """
    written: list[Written] = []
    for statement, rows in buffer.by_statement.items():
        written += as_sent(statement, rows)
    if buffer.exchanges:
        written.append(_log(audit_log.seal_exchanges(vault, buffer.exchanges, at)))
    return written


def _log(sealed: audit_log.Sealed) -> Written:
    waiting = [(row.id, row.recorded, leaf) for row, leaf in zip(sealed.firsts, sealed.leaves, strict=True)]
    added: tuple[Sequence[Row], ...] = (sealed.rows, waiting, sealed.beside, sealed.marks)
    columns = [column for table, rows in zip(audit_log.LOG, added, strict=True) for column in table.packed_rows(rows)]
    return audit_log.ADD_LOG, columns


def as_sent(statement: Statement, rows: Sequence[Params]) -> list[Written]:
    """Changes by one statement: rows added go in one, others too where that can be, else one after the other."""
    if isinstance(statement, Added):
        return [(statement.many_for_postgres, statement.packed([[row[name] for row in rows] for name in statement.columns]))]
    arrays = statement.many(rows) if isinstance(statement, Changed) and len(rows) > 1 else None
    if isinstance(statement, Changed) and arrays is not None:
        return [(statement.many_for_postgres, {**statement.fixed, **arrays})]
    return [(statement.for_postgres, dict(statement.with_fixed(row))) for row in rows]
