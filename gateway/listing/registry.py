"""Commands about agencies and their clients: who takes part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gateway.api.parameters import ROLE
from gateway.api.scopes import SCOPES
from gateway.api.smart import parse_scopes
from gateway.api.tokens import ClientKeys
from gateway.exchanges import administer
from gateway.exchanges.access.register_card_client import CardRegistration, register_card_client
from gateway.fhir.outcomes import GatewayError
from gateway.listing import Row, stop, text_table
from gateway.store.sql import Read
from gateway.store.standing import FEEDS, feeds_of

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]

FRESH_HOURS = typer.Option(help="Hours within which its feed is to be heard of; later it gives no not-known.")
AGENCIES: Row = ("agency", "name", "kind", "complete", "holds from")

agency_cli = typer.Typer(no_args_is_help=True, help="Agencies.")
client_cli = typer.Typer(no_args_is_help=True, help="Clients of agencies.")


@agency_cli.command("add")
def agency_add(
    ctx: typer.Context,
    code: str,
    name: str,
    kind: str,
    profile: Annotated[Path, typer.Option(help="JSON file: desks, authorities, la_code, traced, sensitive.")],
    complete: bool = False,
    holds_from: str = "1970-01-01",
    fresh_hours: Annotated[int, FRESH_HOURS] = 48,
    data: Data = None,
) -> None:
    """Register an agency."""
    agency = administer.NewAgency(code, name, kind, _described(profile), complete, holds_from, fresh_hours)
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(administer.add_agency, agency))
    typer.echo(f"agency {code} is registered")


@agency_cli.command("change")
def agency_change(
    ctx: typer.Context,
    code: str,
    profile: Annotated[Path | None, typer.Option(help="JSON file, in place of the whole profile.")] = None,
    name: Annotated[str | None, typer.Option()] = None,
    complete: Annotated[bool | None, typer.Option("--complete/--not-complete", help="Whether its feed is complete.")] = None,
    holds_from: Annotated[str | None, typer.Option()] = None,
    fresh_hours: Annotated[int | None, FRESH_HOURS] = None,
    data: Data = None,
) -> None:
    """Change what is registered of an agency; what is not named stays."""
    described = None if profile is None else _described(profile)
    change = administer.AgencyChange(code, name, described, complete, holds_from, fresh_hours)
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(administer.change_agency, change))
    typer.echo(f"agency {code} is changed: {', '.join(change.named())}")


def _described(profile: Path) -> Any:
    """The profile in a file; stops where it cannot be read."""
    try:
        return orjson.loads(profile.read_bytes())
    except (OSError, orjson.JSONDecodeError) as fault:
        stop(f"{profile}: {fault}")


@agency_cli.command("list")
def agency_list(ctx: typer.Context, data: Data = None) -> None:
    """Those that are registered: what kind they are of, whether their feed is complete, from which day it holds records."""

    async def find(gateway: Any) -> Any:
        return (await gateway.ledger.read([Read(FEEDS)]))[0]

    feeds = feeds_of(ctx.obj.on(data, find)).values()
    rows = [(one.code, one.name, one.kind, "yes" if one.complete else "no", one.holds_from) for one in feeds]
    typer.echo(text_table([AGENCIES, *rows]))


EVERY = " ".join(SCOPES)
NOT_NARROWED = "note: it may be given every scope; --scopes names those that it needs"


@client_cli.command("add")
def client_add(
    ctx: typer.Context,
    client_id: str,
    agency: str,
    name: str,
    jwks: Annotated[Path, typer.Option(help="JSON file of the client's public keys.")],
    scopes: Annotated[str, typer.Option(help="All that it may be given; unless some are named, every one.")] = EVERY,
    purpose: Annotated[list[str] | None, typer.Option()] = None,
    role: Annotated[list[str] | None, typer.Option()] = None,
    endpoint: Annotated[
        list[str] | None, typer.Option(help="Where it sends FHIR messages from, and where answers to them may be posted.")
    ] = None,
    data: Data = None,
) -> None:
    """Register a client of an agency with its public keys."""
    try:
        keys = orjson.loads(jwks.read_bytes())
        ClientKeys.parse(keys)
    except (OSError, ValueError) as fault:
        stop(f"{jwks}: {fault}")
    if unread := [one for one in scopes.split() if not _is_scope(one)]:
        stop(f"no scopes are {', '.join(unread)}; known are {' '.join(SCOPES)}")
    if unread := [one for one in role or () if not ROLE.fullmatch(one)]:
        stop(f"no roles are {', '.join(unread)}: a role is a short code, such as social-worker")
    client = administer.NewClient(
        client_id, agency, name, scopes, tuple(purpose or ()), tuple(role or ()), keys, tuple(endpoint or ())
    )
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(administer.add_client, client))
    typer.echo(f"client {client_id} is registered")
    if scopes == EVERY:
        typer.echo(NOT_NARROWED, err=True)


def _is_scope(text: str) -> bool:
    """Whether every permission of a scope is among those that there are."""
    try:
        return parse_scopes(text) <= parse_scopes(" ".join(SCOPES))
    except ValueError:
        return False


@client_cli.command("endpoints")
def client_endpoints(
    ctx: typer.Context,
    client_id: str,
    endpoint: Annotated[list[str] | None, typer.Argument(help="All of its endpoints; none takes all away.")] = None,
    data: Data = None,
) -> None:
    """Set where a client sends FHIR messages from, and where answers to them may be posted."""
    wanted = (client_id, tuple(endpoint or ()))
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(administer.set_endpoints, wanted))
    typer.echo(f"client {client_id} has {len(wanted[1])} endpoints")


@client_cli.command("revoke")
def client_revoke(ctx: typer.Context, client_id: str, data: Data = None) -> None:
    """Revoke a client; every token ends at once and is got anew by those that remain."""
    ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(administer.revoke_client, client_id))
    typer.echo(f"client {client_id} is revoked")


@client_cli.command("cards")
def client_cards(
    ctx: typer.Context,
    client_id: str,
    issuer: Annotated[str, typer.Option(help="The iss of the record system's tokens.")],
    purpose: Annotated[str, typer.Option(help="What its cards are for: a purpose that rests on the person's wish.")],
    jku: Annotated[str, typer.Option(help="Where its keys are fetched; else those registered with the client count.")] = "",
    origin: Annotated[list[str] | None, typer.Option(help="Page of a browser that may call: https://host.")] = None,
    data: Data = None,
) -> None:
    """Let a client's record system ask for cards (CDS Hooks), or change how it does."""
    made = CardRegistration(client_id, issuer, purpose, jku, tuple(origin or ()))
    try:
        ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(register_card_client, made))
    except GatewayError as fault:
        stop(str(fault))
    typer.echo(f"client {client_id} may ask for cards")
