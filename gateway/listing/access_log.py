"""Commands about the access log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.listing import progress
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]

audit_cli = typer.Typer(no_args_is_help=True, help="Check the access log.")


@audit_cli.command("verify")
def audit_verify(ctx: typer.Context, data: Data = None) -> None:
    """Check the whole access log against its tree and its signed heads; name the first fault."""
    settings = ctx.obj.deployed(data)
    vault = load_keys(settings.keys_folder)
    with progress("entries") as shown:
        task = shown.add_task("entries", total=None)
        verdict = verify_log(settings.database_url or settings.database_file, vault, lambda: shown.advance(task))
    typer.echo(verdict.says)
    sys.exit(0 if verdict.ok else 1)
