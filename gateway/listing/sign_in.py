"""Commands about sign-in: at which issuer an agency's staff sign in, and ending sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.exchanges.access.administer_sign_in import Ending, add_provider, end_sessions, remove_provider
from gateway.exchanges.access.staff import ROLES, Provider
from gateway.listing import Row, bytes_of, print_rows, value_and_role
from gateway.store import sessions

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
Code = Annotated[str, typer.Argument(metavar="AGENCY", help="ODS code of a registered agency.")]
HEAD: Row = ("agency", "name", "issuer", "client")

sign_in_cli = typer.Typer(no_args_is_help=True, help="Sign-in of agencies' staff to the pages.")


@sign_in_cli.command("add")
def sign_in_add(
    ctx: typer.Context,
    agency: Code,
    issuer: Annotated[str, typer.Option(help="The issuer as its ID tokens state it (OpenID Connect).")],
    client_id: Annotated[str, typer.Option(help="The id under which the issuer knows this gateway.")],
    role_claim: Annotated[str, typer.Option(help="The claim of the ID token that holds roles or groups.")],
    role: Annotated[list[str], typer.Option(metavar="VALUE=ROLE", help=f"ROLE is one of {', '.join(ROLES)}.")],
    user_claim: Annotated[str, typer.Option(help="The claim that names a user for good.")] = "sub",
    secret: Annotated[Path | None, typer.Option(help="File with the client secret; without one, by our own key.")] = None,
    data: Data = None,
) -> None:
    """Register the issuer at which an agency's staff sign in; whoever it signs in is of that agency."""
    held = "" if secret is None else bytes_of(secret).decode().strip()
    new = Provider(agency, issuer, client_id, held, user_claim, role_claim, dict(map(value_and_role, role)))
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(add_provider, new))
    typer.echo(f"staff of {agency} sign in at {issuer}; its redirect address is the gateway's /sign-in/back")


@sign_in_cli.command("remove")
def sign_in_remove(ctx: typer.Context, agency: Code, data: Data = None) -> None:
    """Take an agency's sign-in away, and end the sessions that came of it."""
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(remove_provider, agency))
    typer.echo(f"staff of {agency} can no longer sign in, and nobody of them is signed in")


@sign_in_cli.command("end")
def sign_in_end(
    ctx: typer.Context,
    agency: Code,
    user: Annotated[str, typer.Option(help="One user alone, as the access log names them.")] = "",
    data: Data = None,
) -> None:
    """End the sessions of an agency's staff, or of one of them."""
    ended = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(end_sessions, Ending(agency, user)))
    typer.echo(f"sessions ended: {ended}")


@sign_in_cli.command("list")
def sign_in_list(ctx: typer.Context, data: Data = None) -> None:
    """Which agencies' staff can sign in, and where."""
    print_rows(ctx, data, HEAD, sessions.PROVIDERS)
