"""Arrays that are packed by hand arrive in PostgreSQL as what they are."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from gateway.store.arrays import KINDS, packed
from gateway.store.ledger_connections import open_connection

VALUES: dict[str, list[Any]] = {
    "text": ["", "plain", "Zoë 日本 \U0001f600", None, 'a\'b\\{},"NULL"'],
    "bytea": [b"", b"\x00\xff", None, bytes(5000)],
    "bigint": [0, -(2**63), 2**63 - 1, None],
    "integer": [0, -(2**31), 2**31 - 1, None],
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_value_arrives_as_it_was_sent(postgres_url: str, kind: str) -> None:
    """Whatever is in it, in its order; nothing is told from NULL by its text."""
    connection = await open_connection(postgres_url)
    async with connection:
        cursor = await connection.execute(
            f"SELECT * FROM unnest(%b::{kind}[])".encode(), (packed(kind, VALUES[kind]),), binary=True
        )
        assert [row[0] for row in await cursor.fetchall()] == VALUES[kind]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_array_of_nothing_is_one(postgres_url: str, kind: str) -> None:
    """It has no rows, and is not NULL."""
    connection = await open_connection(postgres_url)
    async with connection:
        cursor = await connection.execute(f"SELECT cardinality(%b::{kind}[])".encode(), (packed(kind, []),))
        assert await cursor.fetchall() == [(0,)]


async def test_an_array_of_another_kind_is_refused(postgres_url: str) -> None:
    """The database looks at what it is sent: bytes are never taken for text."""
    connection = await open_connection(postgres_url)
    async with connection:
        with pytest.raises(psycopg.errors.DatatypeMismatch):
            await connection.execute(b"SELECT %b::text[]", (packed("bytea", [b"x"]),))


async def test_a_text_that_is_none_is_not_stored(postgres_url: str) -> None:
    """A character that PostgreSQL does not keep is an error, as from anywhere else."""
    connection = await open_connection(postgres_url)
    async with connection:
        with pytest.raises(psycopg.DataError):
            await connection.execute(b"SELECT %b::text[]", (packed("text", ["\x00"]),))
