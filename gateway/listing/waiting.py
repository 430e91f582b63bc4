"""What waits for somebody to look at it: codes that no table knows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.listing import Row, check_agency, text_table
from gateway.store import clock, people
from gateway.store.sql import Read
from gateway.store.sql import Row as Columns

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]

UNMATCHED: Row = ("table", "code", "seen", "first", "last")


def unmatched_rows(found: Iterable[Columns]) -> list[Row]:
    """Codes of an agency that no table knows, the most frequent first, under a heading."""
    rows = [
        (table, code, str(seen), clock.day(first).isoformat(), clock.day(last).isoformat())
        for _, table, code, seen, first, last in found
    ]
    return [UNMATCHED, *rows]


def unmatched(
    ctx: typer.Context, agency: Annotated[str, typer.Option(help="ODS code of the sender.")], data: Data = None
) -> None:
    """Codes that an agency sent and no code table knows: for whoever reviews the tables."""

    async def find(gateway: Any) -> Any:
        await check_agency(gateway, agency)
        return (await gateway.ledger.read([Read(people.UNMATCHED, {"agency": agency})]))[0]

    typer.echo(text_table(unmatched_rows(ctx.obj.on(data, find))))
