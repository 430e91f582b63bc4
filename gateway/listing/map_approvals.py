"""Commands about the approval of maps: who said that a format does right, of exactly which lines."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.exchanges.agreements.approve_map import MapApproval, approval_text, approve_map
from gateway.listing import Format, Row, stop, text_table
from gateway.listing import mappings_cli as mappings_cli
from gateway.listing.approvers import Data, Signed, ToSign, put_to_sign, signatures_of
from gateway.mapping.explain import fingerprint
from gateway.mapping.load import load
from gateway.mapping.reading import find
from gateway.mapping.unreadable import UnknownFormat
from gateway.store import clock
from gateway.store.map_approvals import APPROVALS
from gateway.store.sql import Read

HEAD: Row = ("agency", "format", "approved", "role", "approver", "hash", "stands")


@mappings_cli.command("approve")
def mappings_approve(
    ctx: typer.Context,
    fmt: Format,
    agency: Annotated[str, typer.Option(help="ODS code of the organisation whose records are read by it.")],
    signature: Signed = None,
    to_sign: ToSign = None,
    data: Data = None,
) -> None:
    """Record that an approver of an organisation has read a format (mappings explain) and approves it as it is."""
    try:
        mappings = load(ctx.obj().mappings)
        label = find(mappings, fmt).label
    except UnknownFormat as fault:
        stop(fault.issues[0].text)
    if to_sign is not None:
        put_to_sign(to_sign, approval_text(agency, label, fingerprint(mappings, label)))
        return
    approval = MapApproval(agency, label, signatures_of(signature))
    digest = ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(approve_map, approval))
    typer.echo(f"{label} is approved for {agency} as it is: {digest}")


@mappings_cli.command("approvals")
def mappings_approvals(ctx: typer.Context, data: Data = None) -> None:
    """Who approved what and when, and whether it is still of the maps as they are."""

    async def listed(gateway: Any) -> list[Row]:
        (rows,) = await gateway.ledger.read([Read(APPROVALS)])
        mappings = gateway.context.mappings
        return [
            (
                agency,
                label,
                clock.day(at).isoformat(),
                role,
                who,
                digest[:16],
                "yes" if current(mappings, label) == digest else "no",
            )
            for agency, label, digest, who, role, at in rows
        ]

    typer.echo(text_table([HEAD, *ctx.obj.on(data, listed)]))


def current(mappings: Any, label: str) -> str:
    """The hash of a format as it is; empty where there is none of that name any more."""
    return fingerprint(mappings, label) if label in mappings.formats else ""
