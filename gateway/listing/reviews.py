"""Commands about reviews: what waits in an organisation's queue, and finding what the log tells after the fact."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.exchanges.reviews import MOST_OPEN
from gateway.listing import Row, check_agency, stop, text_table
from gateway.reconciling import DAYS, find_in, unlisted_years
from gateway.store import clock, reviews
from gateway.store.sql import Read
from gateway.store.sql import Row as Columns

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
HEAD: Row = ("item", "kind", "agency", "opened", "due", "")

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
        await check_agency(gateway, agency)
        return (await gateway.ledger.read([Read(reviews.OPEN_REVIEWS, {"agency": agency, "count": MOST_OPEN})]))[0]

    typer.echo(text_table(review_rows(ctx.obj.on(data, find), clock.now())))


@reviews_cli.command("find")
def find_command(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(min=15, help="How many days of the access log are looked through.")] = DAYS,
    data: Data = None,
) -> None:
    """Find enquiries without a case and duties claimed after a wish. A serving gateway does so daily; each item is opened once."""

    async def find(gateway: Any) -> tuple[int, str]:
        found = await find_in(gateway.ledger, gateway.context, clock.now(), days)
        return found, unlisted_years(gateway.context, clock.now())

    found, years = ctx.obj.on(data, find)
    typer.echo(f"{found} items are due for what was found")
    if years:
        typer.echo(f"Bank holidays of {years} are not listed in mappings/bank_holidays.toml: there they count as working days.")
