"""Commands about reviews: what waits in an organisation's queue, and finding what the log tells after the fact."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.audit.entry import Entry
from gateway.exchanges.find_reviews import PAGE, entries_of, find_reviews, page_of_lookups, suspects
from gateway.exchanges.reviews import MOST_OPEN
from gateway.listing import Row, stop, text_table
from gateway.store import clock, reviews
from gateway.store.sql import Read
from gateway.store.sql import Row as Columns
from gateway.store.standing import FEEDS

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
HEAD: Row = ("item", "kind", "agency", "opened", "due", "")
DAYS = 31

reviews_cli = typer.Typer(help="Reviews: what an organisation's own people have to look at.")


def review_rows(found: Iterable[Columns], now: int) -> list[Row]:
    """Open items under a heading, what is overdue marked: references only, nobody is named."""
    rows = [
        (identifier, kind, agency, clock.day(opened).isoformat(), clock.day(due).isoformat(), "overdue" if due < now else "")
        for identifier, kind, agency, _, opened, due, _ in found
    ]
    return [HEAD, *rows]


@reviews_cli.callback(invoke_without_command=True)
def waiting(
    ctx: typer.Context, agency: Annotated[str, typer.Option(help="ODS code of the organisation.")] = "", data: Data = None
) -> None:
    """List what is open in an organisation's queue, the longest due first."""
    if ctx.invoked_subcommand is not None:
        return
    if not agency:
        stop("say whose queue it is: --agency CODE")

    async def find(gateway: Any) -> Any:
        return (await gateway.ledger.read([Read(reviews.OPEN_REVIEWS, {"agency": agency, "count": MOST_OPEN})]))[0]

    typer.echo(text_table(review_rows(ctx.obj.on(data, find), clock.now())))


@reviews_cli.command("find")
def find_command(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(min=15, help="How many days of the access log are looked through.")] = DAYS,
    data: Data = None,
) -> None:
    """Find enquiries without a case and duties claimed after a wish; run it daily, it opens each item once."""
    typer.echo(f"{ctx.obj.on(data, lambda gateway: find_in(gateway, clock.now(), days))} items are due for what was found")


async def find_in(gateway: Any, now: int, days: int = DAYS) -> int:
    """Open what the lookups of all agencies give cause for; the number of items that are there because of it."""
    feeds = (await gateway.ledger.read([Read(FEEDS)]))[0]
    found = 0
    for code in [row[0] for row in feeds]:
        entries = await _entries(gateway, code, now - days * clock.DAY)
        cause = suspects(code, entries, gateway.context.purposes, now)
        found += await gateway.ledger.run_alone(find_reviews, cause)
    return found


async def _entries(gateway: Any, agency: str, since: int) -> list[Entry]:
    """The entries of an agency's lookups since a time, a page at a time."""
    entries: list[Entry] = []
    after = ""
    while True:
        rows = (await gateway.ledger.read([page_of_lookups(agency, since, after)]))[0]
        entries += entries_of(gateway.context, rows)
        if len(rows) < PAGE:
            return entries
        since, after = entries[-1].recorded, entries[-1].id
