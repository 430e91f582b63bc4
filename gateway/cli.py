"""The command line: serve and deliver, map and load, check and verify, administer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvicorn
import uvloop
from pydantic import ValidationError

from gateway import app as wiring
from gateway import deployment
from gateway.background import follow, following_up, heartbeats, metering
from gateway.deployment import Gateway, StartRefused
from gateway.disclosure.agreements import Documents
from gateway.disclosure.purposes import PolicyFault
from gateway.erasing import replay
from gateway.fhir.outcomes import GatewayError
from gateway.listing import (
    map_command,
    stop,
)
from gateway.listing.access_log import audit_cli
from gateway.listing.agreements import agreements_cli
from gateway.listing.approvers import approver_cli
from gateway.listing.keys import keys_cli
from gateway.listing.launches import launch_cli
from gateway.listing.loads import load_command, origin_command
from gateway.listing.map_approvals import mappings_cli
from gateway.listing.outbox import outbox_cli
from gateway.listing.registry import agency_cli, client_cli
from gateway.listing.reviews import reviews_cli
from gateway.listing.sign_in import sign_in_cli
from gateway.listing.staff import staff_cli
from gateway.listing.subjects import person_cli
from gateway.listing.waiting import unmatched
from gateway.logs import configure
from gateway.mapping.load import MappingFault
from gateway.settings import Settings
from gateway.store import migrate, tables
from gateway.store.vault import KeyFault, load_keys, make_keys

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Think Family Gateway.", pretty_exceptions_enable=False)
cli.command(name="map")(map_command)
cli.command(name="load")(load_command)
cli.command(name="origin")(origin_command)
cli.command()(unmatched)
cli.add_typer(mappings_cli, name="mappings")
cli.add_typer(agreements_cli, name="agreements")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(agency_cli, name="agency")
cli.add_typer(approver_cli, name="approver")
cli.add_typer(client_cli, name="client")
cli.add_typer(keys_cli, name="keys")
cli.add_typer(launch_cli, name="launch")
cli.add_typer(outbox_cli, name="outbox")
cli.add_typer(person_cli, name="person")
cli.add_typer(reviews_cli, name="reviews")
cli.add_typer(sign_in_cli, name="sign-in")
cli.add_typer(staff_cli, name="staff")

Result = TypeVar("Result")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EXPECTED = (StartRefused, migrate.DatabaseFault, PolicyFault, KeyFault, MappingFault, OSError)


def main() -> None:
    """Run a command; expected faults are one line on standard error and exit 2."""
    try:
        cli()
    except ValidationError as fault:
        first = fault.errors()[0]
        stop(f"setting GATEWAY_{'.'.join(str(part) for part in first['loc']).upper()}: {first['msg']}")
    except EXPECTED as fault:
        stop(str(fault))


@cli.callback()
def environment(ctx: typer.Context) -> None:
    """Give every command the way to the environment's settings and to a deployment."""
    ctx.obj = Here()


class Here:
    """The way from a command that stands elsewhere to settings and deployment."""

    def __call__(self) -> Settings:
        """The environment's settings."""
        return Settings()

    def deployed(self, data: Path | None) -> Settings:
        """The settings of a deployment that is there."""
        return _deployed(data)

    def on(self, data: Path | None, run: Callable[[Gateway], Coroutine[Any, Any, Result]]) -> Result:
        """Run something on an opened deployment."""
        return _on(data, run)

    def folder(self, gateway: Gateway) -> Documents:
        """What an opened demo or test deployment shares by without signatures."""
        return deployment.unsigned_agreements(gateway.settings)


def _settings(data: Path | None, **more: Any) -> Settings:
    """Settings of the environment, or of an embedded folder whose kind its keys tell."""
    given = {key: value for key, value in more.items() if value is not None}
    if data is None:
        return Settings(**given)
    given |= {"data": data, "database_url": ""}
    kind = Settings(**given).keys_folder / "kind"
    if kind.exists():
        given["kind"] = kind.read_text().strip()
    if (data / "agreements").is_dir():
        given["agreements"] = data / "agreements"
    return Settings(**given)


@cli.command()
def serve(data: Data = None, host: str | None = None, port: int | None = None, deliver: bool | None = None) -> None:
    """Serve the API (and deliver, unless told not to)."""
    configure()
    settings = _settings(data, host=host, port=port, deliver=deliver)
    _refuse_to_start(settings)
    config = uvicorn.Config(
        wiring.make_app(settings, alone=True), host=settings.host, port=settings.port, log_config=None, access_log=False,
        server_header=False, proxy_headers=False, lifespan="on", timeout_graceful_shutdown=10,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(2)


def _refuse_to_start(settings: Settings) -> None:
    """Raise what would keep it from starting, in one line, before a server is there to log it."""
    deployment.refuse_unfit(settings)
    lock = deployment.hold_folder(settings)
    if lock is not None:
        lock.close()
    try:
        socket.create_server(
            (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        ).close()
    except OSError as fault:
        raise StartRefused(f"{settings.host}:{settings.port} cannot be listened on: {fault.strerror}") from fault
    vault = deployment.prepare(settings)
    if settings.kind == "demo" and settings.host not in LOOPBACK:
        raise StartRefused(f"a demonstration listens on 127.0.0.1 alone, not on {settings.host}")
    deployment.refuse_unsigned(settings)
    try:
        wiring.make_context(settings, vault)
    except ValueError as fault:
        raise StartRefused(str(fault)) from fault


@cli.command()
def deliver(data: Data = None) -> None:
    """A deliverer of its own, for PostgreSQL deployments beside several workers."""
    configure()
    settings = _settings(data)
    if not settings.on_postgres:
        stop("an embedded deployment delivers within serve; gateway deliver is for PostgreSQL")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_deliver(settings))


async def _deliver(settings: Settings) -> None:
    """Deliver until asked to end; what is being posted is settled first."""
    gateway = await wiring.open_gateway(settings)
    await replay(gateway.ledger, settings.keys_folder)
    running = asyncio.create_task(gateway.deliverer.run())
    following = asyncio.gather(follow(gateway), following_up(gateway), heartbeats(gateway), metering(gateway))
    for asked in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(asked, running.cancel)
    logging.getLogger("gateway.deliverer").info("delivering")
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        following.cancel()
        await wiring.close_gateway(gateway)


@cli.command(name="migrate")
def migrate_command(data: Data = None, to: str = "head") -> None:
    """Bring the database to the newest revision, and make keys where there are none."""
    settings = _settings(data)
    if not settings.keys_folder.exists():
        _refuse_to_replace_keys(settings)
        make_keys(settings.keys_folder, settings.kind)
        print(f"new keys in {settings.keys_folder}: back them up apart from the data", file=sys.stderr)
    load_keys(settings.keys_folder)
    if not settings.on_postgres:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate.upgrade(migrate.engine_of(settings.database_url or settings.database_file), settings.kind, to)
    print(f"the database is at revision {to}")


def _refuse_to_replace_keys(settings: Settings) -> None:
    """New keys beside old data would open nothing, and every person would be a stranger."""
    used = settings.database_file.exists()
    if settings.on_postgres:
        with migrate.told(), migrate.engine_of(settings.database_url).connect() as connection:
            used = connection.dialect.has_table(connection, tables.standing.name)
    if used:
        raise StartRefused(f"the keys {settings.keys_folder} are missing: restore them; without them nothing can be opened")


@cli.command()
def demo(
    port: int = 8080,
    data: Annotated[Path, typer.Option(help="Folder of the demo; made anew each time.")] = Path("demo-data"),
    once: Annotated[bool, typer.Option("--once", help="Play the story and stop.")] = False,
) -> None:
    """Play the story of one family through the public API, then serve it."""
    from gateway.demo.play import play  # its made-up agencies are not loaded for anything else

    sys.exit(play(port, data, once=once))


@cli.command()
def token(
    client: str,
    user: str = "",
    role: str = "",
    purpose: Annotated[list[str] | None, typer.Option()] = None,
    data: Annotated[Path, typer.Option()] = Path("demo-data"),
) -> None:
    """An access token got through the real token endpoint (demo and test deployments)."""
    from gateway.demo.client import fetch_token

    credentials = data / "credentials.json"
    if not credentials.exists():
        stop(f"there is no {credentials}: only demo and test deployments keep their clients' keys")
    try:
        print(fetch_token(json.loads(credentials.read_text()), client, user, role, purpose or []))
    except ValueError as fault:
        stop(str(fault))


def _deployed(data: Path | None) -> Settings:
    """The settings of a deployment that is there: a mistyped folder must not become a new one."""
    settings = _settings(data)
    if not settings.on_postgres and not settings.database_file.exists():
        stop(f"there is no deployment in {settings.data}: gateway migrate --data {settings.data} makes one")
    return settings


def _on(data: Path | None, run: Callable[[Gateway], Coroutine[Any, Any, Result]]) -> Result:
    """Run something on an opened deployment, in a short turn beside a serving process."""
    settings = _deployed(data)

    async def turn() -> Result:
        gateway = await wiring.open_gateway(settings)
        try:
            return await run(gateway)
        finally:
            await wiring.close_gateway(gateway)

    try:
        return asyncio.run(turn())
    except GatewayError as error:
        stop("; ".join(issue.text for issue in error.issues))
