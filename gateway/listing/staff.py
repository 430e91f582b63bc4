"""Commands about the staff register: what the question about staff who look at their own rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.exchanges.access.keep_staff import COLUMNS, StaffRegister, keep_staff, read_staff
from gateway.fhir.outcomes import Unprocessable
from gateway.listing import Row, bytes_of, stop, text_table
from gateway.store import clock
from gateway.store.sql import Read
from gateway.store.staff import LOADED

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
HEAD: Row = ("agency", "members", "loaded")

staff_cli = typer.Typer(no_args_is_help=True, help="The staff register of an employer, kept as keyed tokens alone.")


@staff_cli.command("load")
def staff_load(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help=f"CSV with the columns {', '.join(COLUMNS)}; user is needed.")],
    agency: Annotated[str, typer.Option(help="ODS code of the employer.")],
    data: Data = None,
) -> None:
    """Take up an employer's staff, in place of what was loaded before. Refused as a whole where a line is wrong."""
    try:
        text = bytes_of(file).decode()
    except UnicodeDecodeError:
        stop(f"{file} is not UTF-8 text")
    try:
        register = StaffRegister(agency, read_staff(text))
    except Unprocessable as fault:
        stop(f"{file}, {fault.issues[0].where}: {fault.issues[0].text} Nothing was loaded.")
    kept = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(keep_staff, register))
    typer.echo(f"{kept} members of staff of {agency} are in the register; the file is not needed any more: delete it")


@staff_cli.command("list")
def staff_list(ctx: typer.Context, data: Data = None) -> None:
    """How many members of staff each employer has given, and when."""

    async def find(gateway: Any) -> list[Row]:
        (rows,) = await gateway.ledger.read([Read(LOADED)])
        return [(agency, str(count), clock.instant(loaded)) for agency, count, loaded in rows]

    typer.echo(text_table([HEAD, *ctx.obj.on(data, find)]))
