"""Commands about approvers: who may sign an organisation's agreements."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.disclosure.agreement_signatures import addition_text, ending_text, signature_of
from gateway.exchanges.agreements.agreements_in_force import approvers_of
from gateway.exchanges.agreements.approvers import EndOfApprover, NewApprover, add_approver, end_approver, public_key_of
from gateway.listing import Row, bytes_of, stop, text_table
from gateway.store import agreements, clock

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
Signed = Annotated[
    list[str] | None,
    typer.Option("--signature", metavar="APPROVER=FILE", help="Who signed, and their detached Ed25519 signature."),
]
ToSign = Annotated[Path | None, typer.Option("--to-sign", help="Write there what is to be signed, and do nothing else.")]
HEAD: Row = ("approver", "agency", "role", "key", "since", "until")

approver_cli = typer.Typer(no_args_is_help=True, help="Approvers: who may sign an organisation's agreements.")


@approver_cli.command("add")
def approver_add(
    ctx: typer.Context,
    agency: Annotated[str, typer.Option(help="ODS code of the organisation.")],
    role: Annotated[str, typer.Option(help="guardian, dpo or signatory.")],
    name: Annotated[str, typer.Option(help="Who it is; sealed.")],
    key: Annotated[Path, typer.Option(help="Ed25519 public key, PEM.")],
    signature: Signed = None,
    to_sign: ToSign = None,
    data: Data = None,
) -> None:
    """Register an approver; from an organisation's third on it needs the signature of one who is in force."""
    try:
        public_key = public_key_of(bytes_of(key))
    except ValueError as fault:
        stop(f"{key} is {fault}")
    if to_sign is not None:
        put_to_sign(to_sign, addition_text(agency, role, name, public_key))
        return
    new = NewApprover(agency, role, name, public_key, signatures_of(signature))
    made = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(add_approver, new))
    typer.echo(f"approver {made.id} of {agency} is registered as {role}, key {fingerprint(public_key)}")


@approver_cli.command("end")
def approver_end(
    ctx: typer.Context,
    approver: Annotated[str, typer.Argument(metavar="ID")],
    signature: Signed = None,
    to_sign: ToSign = None,
    data: Data = None,
) -> None:
    """End an approver, by the signature of one of the same organisation who is in force."""
    if to_sign is not None:
        put_to_sign(to_sign, ending_text(approver))
        return
    end = EndOfApprover(approver, signatures_of(signature))
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(end_approver, end))
    typer.echo(f"approver {approver} is one no longer; what they signed before stands until it is revoked")


@approver_cli.command("list")
def approver_list(ctx: typer.Context, agency: str = "", data: Data = None) -> None:
    """Approvers by reference; nobody is named."""

    async def find(gateway: Any) -> list[Row]:
        (rows,) = await gateway.ledger.read([agreements.APPROVERS])
        found = [one for one in approvers_of(gateway.context.vault, rows).values() if agency in ("", one.agency)]
        return [
            (one.id, one.agency, one.role, fingerprint(one.public_key), _day(one.added), _day(one.ended)) for one in found
        ]  # fmt: skip

    typer.echo(text_table([HEAD, *ctx.obj.on(data, find)]))


def _day(at: int | None) -> str:
    return "" if at is None else clock.day(at).isoformat()


def fingerprint(public_key: str) -> str:
    """By which an organisation sees that it is its approver's key: SHA-256 of its 32 bytes."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def signatures_of(given: list[str] | None) -> dict[str, bytes]:
    """Signatures as a command was given them: ``APPROVER=FILE`` each."""
    found: dict[str, bytes] = {}
    for one in given or ():
        approver, _, file = one.partition("=")
        if not approver or not file:
            stop(f"--signature is APPROVER=FILE, not {one}")
        if approver in found:
            stop(f"approver {approver} is named twice: each signs once")
        try:
            found[approver] = signature_of(bytes_of(Path(file)))
        except ValueError as fault:
            stop(f"{file} is {fault}")
    return found


def put_to_sign(file: Path, text: bytes) -> None:
    """Write what is to be signed, and say how that is done."""
    file.write_bytes(text)
    typer.echo(f"openssl pkeyutl -sign -rawin -inkey PRIVATE_KEY.pem -in {file} -out {file}.sig")
