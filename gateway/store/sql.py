"""SQL written once as SQLAlchemy Core, compiled once per driver, run without the ORM or a result layer.

Rows come back as tuples in the order of the selected columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    Insert,
    LargeBinary,
    Select,
    Table,
    Update,
    any_,
    bindparam,
    column,
    func,
    insert,
    or_,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from gateway.store.arrays import Packed, packed

Params = Mapping[str, Any]
Row = tuple[Any, ...]
Given = Callable[[str], ColumnElement[Any]]
Changing = Callable[[Given], Update]

SQLITE = SQLiteDialect_pysqlite(paramstyle="named")
POSTGRES: Dialect = PGDialect_psycopg(paramstyle="pyformat")  # type: ignore[no-untyped-call]  # has no annotations
POSTGRES_TYPES = {"TEXT": "text", "BLOB": "bytea", "BIGINT": "bigint", "INTEGER": "integer"}


def _compiled(clause: ClauseElement, dialect: Dialect) -> SQLCompiler:
    compiled = clause.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled


def one_of(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """``column IN (values)`` for a fixed set, in a form that compiles once."""
    return or_(*(column == value for value in values))


class Statement:
    """A statement with named parameters (``bindparam``), the same for both databases."""

    def __init__(self, clause: ClauseElement, postgres: ClauseElement | None = None):
        self._clause = clause
        self._postgres = clause if postgres is None else postgres

    @cached_property
    def for_sqlite(self) -> str:
        return str(_compiled(self._clause, SQLITE))

    @cached_property
    def for_postgres(self) -> bytes:
        return str(_compiled(self._postgres, POSTGRES)).encode()

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """Values that stand in the statement itself, such as a limit, and travel as parameters."""
        compiled = _compiled(self._clause, SQLITE)
        wanted = {name for name, bind in compiled.binds.items() if bind.required}
        found = compiled.construct_params(_check=False)
        return {name: value for name, value in found.items() if name not in wanted and name in str(compiled)}

    def with_fixed(self, params: Params) -> Params:
        """The parameters of a call with the statement's own."""
        return {**self.fixed, **params} if self.fixed else params


class Keyed(Statement):
    """A select by one key, whose first column is that key, unless it is ``untold``.

    On PostgreSQL the reads of a batch travel as one statement for all keys, and the rows are dealt out by key.
    The parameter is named ``key`` unless it has another ``name``; ``others`` are the names of parameters beside it, and
    reads that agree in those travel together.
    """

    def __init__(
        self, clause: Select[Any], key: Column[Any], postgres: Select[Any] | None = None, *, name: str = "key",
        others: tuple[str, ...] = (), untold: bool = False,
    ):  # fmt: skip
        self.name, self.others, self.untold = name, others, untold
        self._many, self._key = clause if postgres is None else postgres, key
        one = key == bindparam(name, type_=key.type)
        super().__init__(clause.where(one), self._many.where(one))

    @cached_property
    def for_many(self) -> bytes:
        """On PostgreSQL: the rows of all keys of the parameter ``keys``, each behind its key."""
        kind = LargeBinary if isinstance(self._key.type, LargeBinary) else self._key.type
        columns = [self._key, *self._many.selected_columns] if self.untold else self._many.selected_columns
        many = self._many.with_only_columns(*columns).where(self._key == any_(bindparam("keys", type_=ARRAY(kind))))
        return str(_compiled(many, POSTGRES)).encode()

    def told(self, row: Row) -> Row:
        """A row of ``for_many`` as the select has it."""
        return row[1:] if self.untold else row

    def packed(self, keys: Iterable[Any]) -> Packed:
        """The keys as ``for_many`` asks for them."""
        return packed("bytea" if isinstance(self._key.type, LargeBinary) else "text", keys)


class Added(Statement):
    """An insert of whole rows; ``new_only`` leaves rows whose key exists as they are.

    A batch adds its rows with ``executemany`` on SQLite and with one ``unnest`` on PostgreSQL.
    """

    def __init__(self, table: Table, *, new_only: bool = False):
        self.columns = tuple(column.name for column in table.columns)
        self.new_only = new_only
        self._table = table
        values: dict[str, Any] = {name: bindparam(name) for name in self.columns}
        plain: Insert = insert(table).values(values)
        if new_only:
            super().__init__(
                sqlite_insert(table).values(values).on_conflict_do_nothing(),
                postgres_insert(table).values(values).on_conflict_do_nothing(),
            )
        else:
            super().__init__(plain)

    @cached_property
    def many_for_sqlite(self) -> str:
        """Rows as tuples in the order of the table's columns."""
        conflict = " ON CONFLICT DO NOTHING" if self.new_only else ""
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self._table.name} ({', '.join(self.columns)}) VALUES ({marks}){conflict}"

    @cached_property
    def many_for_postgres(self) -> bytes:
        arrays = ", ".join(self._array(name) for name in self.columns)
        conflict = " ON CONFLICT DO NOTHING" if self.new_only else ""
        return f"INSERT INTO {self._table.name} ({', '.join(self.columns)}) SELECT * FROM unnest({arrays}){conflict}".encode()

    def _array(self, column: str) -> str:
        return f"%b::{self._kind(column)}[]"

    def packed(self, values: Iterable[Iterable[Any]]) -> list[Packed]:
        """The arrays for those places, of each column's values in the order of the table."""
        return [packed(kind, column) for kind, column in zip(self._kinds, values, strict=True)]

    def packed_rows(self, rows: Sequence[Row]) -> list[Packed]:
        """The same of rows, in the order of the table's columns."""
        return self.packed(zip(*rows, strict=True) if rows else [()] * len(self.columns))

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        return tuple([self._kind(name) for name in self.columns])

    def _kind(self, column: str) -> str:
        return POSTGRES_TYPES[str(self._table.c[column].type.compile(dialect=SQLITE))]


def added_together(*tables: Added) -> bytes:
    """One statement on PostgreSQL that adds rows to each of these tables: a round trip is cheap, a statement is not."""
    *before, last = [(f"added_{place}", one.many_for_postgres.decode()) for place, one in enumerate(tables)]
    return f"WITH {', '.join(f'{name} AS ({sql})' for name, sql in before)} {last[1]}".encode()


class Changed(Statement):
    """A change of one row, found by its key, with what it needs to know as ``given("name")``.

    A batch makes its changes one after the other on SQLite and with one statement on PostgreSQL, as long as no two are
    of the same row. ``key`` names the parameter that is the key.
    """

    def __init__(self, key: str, types: Mapping[str, Any], single: Changing, postgres: Changing | None = None):
        self.key = key
        self.columns = tuple(types)
        many = postgres or single
        super().__init__(
            single(lambda name: bindparam(name, type_=types[name])),
            many(lambda name: bindparam(name, type_=types[name])),
        )
        arrays = (bindparam(name, type_=ARRAY(kind)) for name, kind in types.items())
        each = func.unnest(*arrays).table_valued(*(column(name, kind) for name, kind in types.items()), name="each")
        self._many = many(each.render_derived().c.__getitem__)

    @cached_property
    def many_for_postgres(self) -> bytes:
        """Rows as one array for each parameter."""
        return str(_compiled(self._many, POSTGRES)).encode()

    def many(self, rows: Sequence[Params]) -> dict[str, list[Any]] | None:
        """The arrays for these rows; None where two of them change the same."""
        if len({row[self.key] for row in rows}) < len(rows):
            return None
        return {name: [row[name] for row in rows] for name in self.columns}


@dataclass(frozen=True, slots=True)
class Read:
    """Rows wanted. ``hold`` names persons (by token) whose wishes must not change before the commit."""

    statement: Statement
    params: Params = field(default_factory=dict)
    hold: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """A change. In an exchange of its own it is done at once and answers with the number of rows.

    ``later``: nobody wants that number, and it may travel with the next question; what asks then finds it done.
    ``once``: where several of one transaction say the very same, it is done once.
    """

    statement: Statement
    params: Params
    later: bool = False
    once: bool = False

    @property
    def may_travel(self) -> bool:
        """Whether it may travel with the next question: the number of rows is known, or wanted by nobody."""
        return self.later or (isinstance(self.statement, Added) and not self.statement.new_only)


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until nobody decides on these persons (or, with no token, on policy), and keep it so until the commit."""

    tokens: tuple[bytes, ...] = ()
    policy: bool = False
