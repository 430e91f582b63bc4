"""Commands about launches: which record systems may open the clinician's page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.exchanges.access.administer_launch import add_launch_system, remove_launch_system
from gateway.exchanges.access.launched import LaunchSystem
from gateway.listing import Row, bytes_of, print_rows, value_and_role
from gateway.store import launches

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
HEAD: Row = ("name", "record system", "agency", "client", "known there as")

launch_cli = typer.Typer(no_args_is_help=True, help="Record systems that open the clinician's page (SMART App Launch).")


@launch_cli.command("add")
def launch_add(
    ctx: typer.Context,
    client: Annotated[str, typer.Argument(help="A registered client: its agency, purposes and roles are those of the page.")],
    iss: Annotated[str, typer.Option(help="The record system's FHIR base, as it stands in its launches.")],
    client_id: Annotated[str, typer.Option(help="The id under which the record system knows this gateway.")],
    role: Annotated[
        list[str] | None, typer.Option(metavar="VALUE=ROLE", help="VALUE of the claim or code of PractitionerRole.")
    ] = None,
    role_claim: Annotated[
        str, typer.Option(help="The claim of the ID token that holds roles; without one PractitionerRole is read.")
    ] = "",
    secret: Annotated[Path | None, typer.Option(help="File with the client secret, where the record system gave one.")] = None,
    data: Data = None,
) -> None:
    """Let a record system open the clinician's page, for a registered client."""
    held = "" if secret is None else bytes_of(secret).decode().strip()
    new = LaunchSystem(iss, client, client_id, held, role_claim, dict(map(value_and_role, role or ())))
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(add_launch_system, new))
    typer.echo(f"{iss} may open the page for {client}; launch address: /launch, redirect address: /launch/back")


@launch_cli.command("remove")
def launch_remove(ctx: typer.Context, client: str, data: Data = None) -> None:
    """Take a client's record system away, and end the sessions of its agency."""
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(remove_launch_system, client))
    typer.echo(f"no page is opened for {client} any more")


@launch_cli.command("list")
def launch_list(ctx: typer.Context, data: Data = None) -> None:
    """Which record systems open the page, and for whom."""
    print_rows(ctx, data, HEAD, launches.LAUNCH_SYSTEMS)
