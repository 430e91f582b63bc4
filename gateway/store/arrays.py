"""Arrays as PostgreSQL takes them in its binary form: what a batch asks for and adds, packed column by column.

The driver would look at every value to find its type; here a column is of one kind, known from the table. The statement
says what it is an array of (``%b::text[]``), and the database refuses bytes that are not such an array.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format

KINDS = {"text": 25, "bytea": 17, "bigint": 20, "integer": 23}  # object ids of the types, the same in every database
NUMBERS = {"bigint": Struct(">iq"), "integer": Struct(">ii")}  # with their length before them
_HEAD = Struct(">5i")  # dimensions, flags, kind, length, first index
_LENGTH = Struct(">i")
_NONE = _LENGTH.pack(-1)


class Packed(bytes):
    """An array, ready to be sent."""


class PackedDumper(Dumper):
    """Sends it as it is."""

    format = Format.BINARY

    def dump(self, obj: Packed) -> Packed:
        return obj


def packed(kind: str, values: Iterable[Any]) -> Packed:
    """An array of one of ``KINDS``; None is NULL."""
    parts = _numbers(kind, values) if kind in NUMBERS else _texts(kind, values)
    return Packed(_HEAD.pack(1, 0, KINDS[kind], len(parts), 1) + b"".join(parts))


def _numbers(kind: str, values: Iterable[int | None]) -> list[bytes]:
    pack, size = NUMBERS[kind].pack, NUMBERS[kind].size - _LENGTH.size
    return [_NONE if value is None else pack(size, value) for value in values]


def _texts(kind: str, values: Iterable[Any]) -> list[bytes]:
    pack = _LENGTH.pack
    sent = [value if value is None else value.encode() for value in values] if kind == "text" else values
    return [_NONE if value is None else pack(len(value)) + value for value in sent]
