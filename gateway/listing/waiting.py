"""What waits for somebody: notices that have not arrived, codes that no table knows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.listing import Row, text_table
from gateway.store import clock, outbox, people
from gateway.store.sql import Read
from gateway.store.sql import Row as Columns
from gateway.store.standing import FEEDS

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]

DELIVERIES: Row = ("notice", "from", "to", "topic", "state", "attempts", "due")


def delivery_rows(found: Iterable[Columns]) -> list[Row]:
    """Notices that have not arrived, under a heading: references only, nobody is named."""
    rows = [
        (notice, owner, receiver, topic, state, str(attempts), clock.instant(due))
        for notice, receiver, owner, topic, state, attempts, due in found
    ]
    return [DELIVERIES, *rows]


UNMATCHED: Row = ("table", "code", "seen", "first", "last")


def unmatched_rows(found: Iterable[Columns]) -> list[Row]:
    """Codes of an agency that no table knows, the most frequent first, under a heading."""
    rows = [
        (table, code, str(seen), clock.day(first).isoformat(), clock.day(last).isoformat())
        for _, table, code, seen, first, last in found
    ]
    return [UNMATCHED, *rows]


def deliveries(ctx: typer.Context, data: Data = None, agency: str = "") -> None:
    """Notices that have not arrived: waiting, under way or given up. References only."""

    async def find(gateway: Any) -> list[Any]:
        codes = [agency] if agency else [row[0] for row in (await gateway.ledger.read([Read(FEEDS)]))[0]]
        found = await gateway.ledger.read([Read(outbox.UNDELIVERED, {"agency": code}) for code in codes])
        return list({row[0]: row for rows in found for row in rows}.values())

    typer.echo(text_table(delivery_rows(ctx.obj.on(data, find))))


def unmatched(
    ctx: typer.Context, agency: Annotated[str, typer.Option(help="ODS code of the sender.")], data: Data = None
) -> None:
    """Codes that an agency sent and no code table knows: for whoever reviews the tables."""

    async def find(gateway: Any) -> Any:
        return (await gateway.ledger.read([Read(people.UNMATCHED, {"agency": agency})]))[0]

    typer.echo(text_table(unmatched_rows(ctx.obj.on(data, find))))
