"""The ledger: one way to run an exchange, on SQLite and on PostgreSQL.

An exchange is a generator of one form: it asks for rows, decides, and returns its answer with everything that is
to be written::

    def look_up_status(ctx, request, moment):
        rows = yield Read(people.dossier, {"key": token}, hold=(token,))
        ...
        return Outcome(answer, audit=(entry,), writes=(Write(...),))

It opens, commits and awaits nothing. ``run`` gathers waiting exchanges into one transaction; an exchange that must
read its own writes goes through ``run_alone`` and may also ``yield Write(...)`` and ``yield Hold(...)``. Whatever
the way: no answer leaves before its writes and its audit entries are durable, and an outcome without an audit entry
cannot be made.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from gateway.audit.entry import Entry
from gateway.store.sql import Hold, Read, Row, Write

Answer = TypeVar("Answer")
Request = TypeVar("Request")
Context = TypeVar("Context")

Step = Read | tuple[Read, ...] | Write | Hold
Rows = list[Row]


class Feed(NamedTuple):
    """What is known of one agency's records at a moment; the same for everyone who asks."""

    code: str
    name: str
    kind: str
    profile: str  # JSON
    complete: bool
    holds_from: str  # date
    data_as_of: int | None  # microseconds
    fresh_hours: int
    version: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What every exchange of a batch stands on, read from the database in that batch."""

    at: int  # microseconds since 1970 UTC
    policy: str
    stamp: str
    feeds: Mapping[str, Feed]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Answer]):
    """How an exchange ended: its answer, its audit entries (never none), its writes."""

    answer: Answer
    audit: tuple[Entry, ...]
    writes: tuple[Write, ...] = ()

    def __post_init__(self) -> None:
        if not self.audit:
            raise AssertionError("an exchange without an audit entry")


@dataclass(frozen=True, slots=True)
class Upkeep(Generic[Answer]):
    """How housekeeping ended: nothing about a person was read, written or told, so the access log does not grow.

    Made in this package alone (a test holds it): signed heads of the log, assertions that have run out.
    """

    answer: Answer
    writes: tuple[Write, ...] = ()
    audit: tuple[Entry, ...] = ()


Story = Generator[Step, Any, Outcome[Answer]]
Exchange = Callable[[Context, Request, Moment], Generator[Step, Any, Outcome[Answer] | Upkeep[Answer]]]


@dataclass(slots=True)
class Buffer:
    """The writes of a batch, gathered so that each statement runs once for all of them."""

    by_statement: dict[Any, list[Mapping[str, Any]]] = field(default_factory=dict)
    exchanges: list[tuple[Entry, ...]] = field(default_factory=list)  # the entries of each

    def take(self, outcome: Outcome[Any] | Upkeep[Any]) -> None:
        for write in outcome.writes:
            rows = self.by_statement.setdefault(write.statement, [])
            if not (write.once and write.params in rows):
                rows.append(write.params)
        if outcome.audit:
            self.exchanges.append(outcome.audit)


class Ledger(Protocol):
    """What exchanges are run on."""

    async def run(self, exchange: Exchange[Any, Request, Answer], request: Request) -> Answer:
        """Run one exchange in a batch with others that wait. Raises what the exchange raises, Unavailable if the
        database cannot be written."""
        ...

    async def run_alone(self, exchange: Exchange[Any, Request, Answer], request: Request) -> Answer:
        """Run one exchange that reads its own writes, in a transaction (or savepoint) of its own."""
        ...

    async def run_each(self, exchange: Exchange[Any, Request, Answer], requests: Sequence[Request]) -> list[Answer | Exception]:
        """Run exchanges as ``run_alone`` runs each, in their order; they share a transaction where none of them touches what
        another holds. Gives for each its answer or what it raised. Raises Unavailable."""
        ...

    async def read(self, reads: Sequence[Read]) -> list[Rows]:
        """Long reads on one snapshot, apart from the exchanges; the caller's audit entry is committed before."""
        ...

    async def close(self) -> None: ...
