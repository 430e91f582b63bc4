"""Commands about the access log: check it, export it, who signs its heads, a restore from backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.exchanges.log.declare_restore import Declared, Lost, check_lost, declare_restore
from gateway.exchanges.log.export_audit import export_audit
from gateway.exchanges.log.record_check import Check, record_check
from gateway.exchanges.log.witnesses import NewWitness, add_witness, remove_witness, witness_log
from gateway.listing import bytes_of, progress, stop, text_table
from gateway.store import clock, witnesses
from gateway.store.export_log import ExportFault, export_log
from gateway.store.sql import Read
from gateway.store.upkeep import RESTORES, keep_up, log_keys
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]

audit_cli = typer.Typer(no_args_is_help=True, help="Check and export the access log; who signs its heads.")
witness_cli = typer.Typer(no_args_is_help=True, help="Other agencies' gateways that sign the heads of this log.")
audit_cli.add_typer(witness_cli, name="witness")


@audit_cli.command("verify")
def audit_verify(
    ctx: typer.Context,
    data: Data = None,
    record: Annotated[
        bool, typer.Option("--record", help="Put on record what came of it: auditors read it on the console.")
    ] = False,
) -> None:
    """Check the whole access log against its tree and its signed heads; name the first fault."""
    settings = ctx.obj.deployed(data)
    vault = load_keys(settings.keys_folder)
    with progress("entries") as shown:
        task = shown.add_task("entries", total=None)
        verdict = verify_log(settings.database_url or settings.database_file, vault, lambda: shown.advance(task))
    typer.echo(verdict.says)
    if record:
        ctx.obj.on(data, lambda gateway: gateway.ledger.run(record_check, Check(verdict.ok, verdict.says)))
    sys.exit(0 if verdict.ok else 1)


@audit_cli.command("export")
def audit_export(
    ctx: typer.Context, out: Annotated[Path, typer.Option(help="A folder that is empty or not there.")], data: Data = None
) -> None:
    """Write the log as a bundle that anybody can check without this gateway: python verify.py OUT."""
    settings = ctx.obj.deployed(data)

    async def prepare(gateway: Any) -> None:
        await gateway.ledger.run(export_audit, str(out))
        await keep_up(gateway.ledger, gateway.context.vault)

    ctx.obj.on(data, prepare)
    with progress("entries") as shown:
        task = shown.add_task("entries", total=None)
        try:
            size = export_log(
                settings.database_url or settings.database_file, load_keys(settings.keys_folder), out,
                lambda done, total: shown.update(task, completed=done, total=total),
            )  # fmt: skip
        except ExportFault as fault:
            stop(str(fault))
    typer.echo(f"{size} entries in {out}; check them with python {out}/verify.py {out}")


@audit_cli.command("keys")
def audit_keys(ctx: typer.Context, data: Data = None) -> None:
    """The public keys that other agencies need: this log's, and the one that this gateway signs their heads with."""

    async def find(gateway: Any) -> list[str]:
        (restores,) = await gateway.ledger.read([Read(RESTORES)])
        vault = gateway.context.vault
        return [f"log {log_keys(vault, len(restores))[-1].text}", f"witness {witnesses.public_witness_key(vault).text}"]

    for line in ctx.obj.on(data, find):
        typer.echo(line)


@audit_cli.command("witness-for")
def audit_witness_for(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The other log's key, as its `audit keys` prints it.")],
    data: Data = None,
) -> None:
    """Sign the heads of another agency's log from now on, at POST /witness/add-checkpoint."""
    origin = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(witness_log, key))
    typer.echo(f"{origin} is witnessed here")


@audit_cli.command("declare-restore")
def audit_declare_restore(
    ctx: typer.Context,
    last: Annotated[Path, typer.Option(help="The last signed head from before, from a witness, an export or /audit/checkpoint.")],
    data: Data = None,
) -> None:
    """Put on record that the database was restored from a backup; before the gateway serves again."""
    note = bytes_of(last).decode(errors="replace")

    async def run(gateway: Any) -> Declared:
        lost = await check_lost(gateway.context, gateway.ledger, Lost(note))
        declared: Declared = await gateway.ledger.run_alone(declare_restore, lost)
        return declared

    declared = ctx.obj.on(data, run)
    typer.echo(
        f"the log was taken back to {declared.size} entries, {declared.lost - declared.size} are lost; it goes on as "
        f"{declared.origin}: have its witnesses take up its new key (gateway audit keys)"
    )


@witness_cli.command("add")
def witness_add(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The witness's key, as its `audit keys` prints it.")],
    url: Annotated[str, typer.Argument(help="Where it is asked: https://…/witness/add-checkpoint")],
    data: Data = None,
) -> None:
    """Have the heads of this log signed by another agency's gateway; it must witness this log (audit witness-for)."""
    name = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(add_witness, NewWitness(key, url)))
    typer.echo(f"{name} is asked from the next head on")


@witness_cli.command("remove")
def witness_remove(ctx: typer.Context, name: str, data: Data = None) -> None:
    """Ask a witness no longer."""
    typer.echo(f"{ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(remove_witness, name))} is asked no longer")


@witness_cli.command("list")
def witness_list(ctx: typer.Context, data: Data = None) -> None:
    """How it stands with each witness, and which logs are witnessed here."""

    async def find(gateway: Any) -> Any:
        return await gateway.ledger.read([Read(witnesses.WITNESSES), Read(witnesses.WITNESSED)])

    ours, theirs = ctx.obj.on(data, find)
    rows = [(name, state, str(known), clock.instant(vouched)) for name, _, _, state, known, vouched, _ in ours]
    typer.echo(text_table([("witness", "state", "signed up to", "last"), *rows]))
    logs = [(origin, str(size), clock.instant(signed) if signed else "never") for origin, _, size, _, _, signed in theirs]
    typer.echo(text_table([("log witnessed here", "size", "last"), *logs]))
