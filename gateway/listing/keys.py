"""Commands about keys: the one that signs notices is changed without a day on which nobody can verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.exchanges.administer import KeyChange, record_key_change
from gateway.store.notice_keys import add_key, check_one, key_id, retire_key

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
RESTART = "restart every worker, and back up the keys folder"

keys_cli = typer.Typer(no_args_is_help=True, help="Keys.")


@keys_cli.command("rotate")
def rotate(ctx: typer.Context, data: Data = None) -> None:
    """A new key for the signatures of notices, beside the one there is; both sign until that one is retired."""
    folder = ctx.obj.deployed(data).keys_folder
    check_one(folder)
    key = ed25519.Ed25519PrivateKey.generate()
    name = key_id(key.public_key().public_bytes_raw())
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(record_key_change, KeyChange("added", name)))
    add_key(folder, key)
    typer.echo(f"{name} signs notices beside the key before it: {RESTART}; gateway keys retire ends the overlap")


@keys_cli.command("retire")
def retire(ctx: typer.Context, data: Data = None) -> None:
    """The older of two keys signs no more; its public half stays published, so that what it signed can be verified."""
    folder = ctx.obj.deployed(data).keys_folder
    name = key_id(retire_key(folder))
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(record_key_change, KeyChange("retired", name)))
    typer.echo(f"{name} signs no more: {RESTART}")
