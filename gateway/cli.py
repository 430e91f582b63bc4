"""The command line: serve and deliver, map and load, check and verify, administer."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import urllib.error
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway import app as wiring
from gateway.api.records import Report, load, sender_of
from gateway.disclosure.agreements import load_agreements
from gateway.disclosure.purposes import PolicyFault, load_purposes
from gateway.disclosure.requester import Requester
from gateway.exchanges import administer
from gateway.fhir.outcomes import GatewayError, Issue
from gateway.listing import agreement_rows, html_table, text_table
from gateway.logs import configure
from gateway.mapping.bundle import bundle
from gateway.mapping.explain import check as check_mappings
from gateway.mapping.explain import explain
from gateway.mapping.load import load as load_mappings
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.verify_log import verify_log
from gateway.store.vault import load_keys, make_keys

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Think Family Gateway.", pretty_exceptions_enable=False)
mappings_cli = typer.Typer(no_args_is_help=True, help="Check and explain the maps.")
agreements_cli = typer.Typer(no_args_is_help=True, help="Check and show data sharing agreements.")
audit_cli = typer.Typer(no_args_is_help=True, help="Check the access log.")
agency_cli = typer.Typer(no_args_is_help=True, help="Agencies.")
client_cli = typer.Typer(no_args_is_help=True, help="Clients of agencies.")
for name, group in (("mappings", mappings_cli), ("agreements", agreements_cli), ("audit", audit_cli), ("agency", agency_cli), ("client", client_cli)):
    cli.add_typer(group, name=name)

Result = TypeVar("Result")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]


def main() -> None:
    """Run a command; expected faults are one line on standard error and exit 2."""
    try:
        cli()
    except (wiring.StartRefused, migrate.DatabaseFault, PolicyFault) as fault:
        _stop(str(fault))


def _stop(text: str) -> NoReturn:
    print(f"gateway: {text}", file=sys.stderr)
    sys.exit(2)


def _settings(data: Path | None, **more: Any) -> Settings:
    """Settings of the environment, or of an embedded folder whose kind its keys tell."""
    given = {key: value for key, value in more.items() if value is not None}
    if data is None:
        return Settings(**given)
    keys = data.with_name(data.name + ".keys")
    kind = (keys / "kind").read_text().strip() if (keys / "kind").exists() else given.get("kind", "production")
    agreements = data / "agreements"
    if agreements.is_dir():
        given.setdefault("agreements", agreements)
    return Settings(**{**given, "data": data, "keys": keys, "kind": kind})


@cli.command()
def serve(data: Data = None, host: str | None = None, port: int | None = None, deliver: bool | None = None) -> None:
    """Serve the API (and deliver, unless told not to)."""
    configure()
    settings = _settings(data, host=host, port=port, deliver=deliver)
    app = wiring.make_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False, lifespan="on",
            timeout_graceful_shutdown=10,
        )
    )  # fmt: skip
    wiring.prepare(settings)
    server.run()
    if not server.started:
        sys.exit(2)


@cli.command()
def deliver(data: Data = None) -> None:
    """A deliverer of its own, for PostgreSQL deployments beside several workers."""
    configure()
    settings = _settings(data)
    if not settings.on_postgres:
        _stop("an embedded deployment delivers within serve; gateway deliver is for PostgreSQL")
    asyncio.run(_deliver(settings))


async def _deliver(settings: Settings) -> None:
    gateway = await wiring.open_gateway(settings)
    try:
        await gateway.deliverer.run()
    finally:
        await wiring.close_gateway(gateway)


@cli.command(name="migrate")
def migrate_command(data: Data = None, to: str = "head") -> None:
    """Bring the database to the newest revision, and make keys where there are none."""
    settings = _settings(data)
    if not settings.keys_folder.exists():
        make_keys(settings.keys_folder, settings.kind)
        print(f"new keys in {settings.keys_folder}: back them up apart from the data", file=sys.stderr)
    load_keys(settings.keys_folder)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate.upgrade(migrate.engine_of(settings.database_url or settings.database_file), settings.kind, to)
    print(f"the database is at revision {to}")


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
        _stop(f"there is no {credentials}: only demo and test deployments keep their clients' keys")
    try:
        print(fetch_token(json.loads(credentials.read_text()), client, user, role, purpose or []))
    except (ValueError, urllib.error.URLError) as fault:
        _stop(str(fault))


@cli.command(name="map")
def map_command(
    fmt: Annotated[str, typer.Argument(metavar="FORMAT")],
    file: Path,
    agency: Annotated[str, typer.Option(help="ODS code of the sender.")] = "X99",
    la_code: Annotated[str, typer.Option(help="Three-digit DfE code of a council.")] = "999",
) -> None:
    """Dry run: the FHIR Bundle of a file on standard output, its report as JSON lines on standard error."""
    mappings = load_mappings(Settings().mappings)
    sender = Sender(agency, la_code, {"NHS": "https://fhir.nhs.uk/Id/nhs-number"})
    mapped: list[Mapped] = []
    try:
        for one in read(mappings, fmt, _bytes(file), sender):
            _report(one)
            mapped.append(one)
    except (Unreadable, UnknownFormat) as fault:
        for issue in fault.issues:
            _line({"kind": "refusal", "text": issue.text, "where": issue.where, "code": issue.code})
        sys.exit(2)
    print(json.dumps(bundle(one for one in mapped if not one.faults), indent=2, ensure_ascii=False))
    if not any(not one.faults for one in mapped):
        sys.exit(2)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        _stop(f"{file} cannot be read: {fault.strerror}")


def _report(one: Mapped) -> None:
    kinds: tuple[tuple[str, tuple[Issue, ...]], ...] = (("refusal", one.faults), ("warning", one.warnings))
    for kind, issues in kinds:
        for issue in issues:
            _line({"kind": kind, "record": one.where, "text": issue.text, "where": issue.where, "code": issue.code})
    for missing in one.unmatched:
        _line({"kind": "unmatched", "record": one.where, "table": missing.table, "code": missing.code, "where": missing.where})


def _line(content: dict[str, str]) -> None:
    print(json.dumps(content, ensure_ascii=False), file=sys.stderr)


@cli.command(name="load")
def load_command(
    fmt: Annotated[str, typer.Argument(metavar="FORMAT")],
    file: Path,
    agency: Annotated[str, typer.Option(help="ODS code of the sender, a registered agency.")],
    data: Data = None,
) -> None:
    """Load a file through the exchange, with a progress bar on a terminal and a closing report."""
    text = _bytes(file)

    async def run(gateway: wiring.Gateway) -> Report:
        requester = Requester("command-line", agency, frozenset())
        sender = await sender_of(gateway.ledger, gateway.context, agency)
        report = _Shown()
        with report.progress:
            await load(gateway.ledger, gateway.context, requester, fmt, text, sender, report)
        return report

    report = _on(data, run)
    for issue in report.issues:
        _line({"kind": issue.severity, "text": issue.text, "where": issue.where, "code": issue.code})
    counts = {name: getattr(report, name) for name in ("received", "accepted", "refused", "written", "notices")}
    print(json.dumps({**counts, "unmatched": sum(report.unmatched.values())}))
    if report.received and not report.accepted:
        sys.exit(2)


class _Shown(Report):
    """A report that shows on a terminal how far it is."""

    def __init__(self) -> None:
        super().__init__()
        console = Console(stderr=True)
        columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self.progress.add_task("records", total=None)

    def note(self, mapped: Mapped) -> None:
        super().note(mapped)
        self.progress.advance(self._task)


def _on(data: Path | None, run: Callable[[wiring.Gateway], Coroutine[Any, Any, Result]]) -> Result:
    """Run something on an opened deployment, in a short turn beside a serving process."""
    settings = _settings(data)

    async def turn() -> Result:
        gateway = await wiring.open_gateway(settings)
        try:
            return await run(gateway)
        finally:
            await wiring.close_gateway(gateway)

    try:
        return asyncio.run(turn())
    except GatewayError as error:
        _stop("; ".join(issue.text for issue in error.issues))


@mappings_cli.command("check")
def mappings_check() -> None:
    """Lint every map and code table."""
    findings = check_mappings(Settings().mappings)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


@mappings_cli.command("explain")
def mappings_explain(fmt: Annotated[str, typer.Argument(metavar="FORMAT")], html: Path | None = None) -> None:
    """What each source field becomes, in plain words: for an information-governance lead."""
    try:
        lines = explain(load_mappings(Settings().mappings), fmt)
    except UnknownFormat as fault:
        _stop(fault.issues[0].text)
    head = ("source", "rule", "becomes", "tier", "table", "approved by", "why")
    rows = [head, *((one.source, one.rule, one.target, one.tier, one.table, one.approver, one.why) for one in lines)]
    if html is not None:
        html.write_text(html_table(f"What {fmt} becomes", rows))
    else:
        print(text_table(rows))


@agreements_cli.command("check")
def agreements_check(folder: Path | None = None) -> None:
    """Lint the agreements: unknown words, missing dates."""
    settings = Settings()
    agreements = load_agreements(folder or settings.agreements, load_purposes(settings.mappings / "purposes.toml"))
    print(f"version {agreements.version}: {len(agreements.sources)} organisations share by these agreements")


@agreements_cli.command("table")
def agreements_table(folder: Path | None = None, html: Path | None = None) -> None:
    """Who may learn what, for which purpose, on what basis."""
    settings = Settings()
    agreements = load_agreements(folder or settings.agreements, load_purposes(settings.mappings / "purposes.toml"))
    rows = agreement_rows(agreements)
    if html is not None:
        html.write_text(html_table("Who may learn what", rows))
    else:
        print(text_table(rows))


@audit_cli.command("verify")
def audit_verify(data: Data = None) -> None:
    """Check the whole access log against its tree and its signed heads; name the first fault."""
    settings = _settings(data)
    vault = load_keys(settings.keys_folder)
    console = Console(stderr=True)
    columns = (TextColumn("entries"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("entries", total=None)
        verdict = verify_log(settings.database_url or settings.database_file, vault, lambda: progress.advance(task))
    print(verdict.says)
    sys.exit(0 if verdict.ok else 1)


@agency_cli.command("add")
def agency_add(
    code: str,
    name: str,
    kind: str,
    profile: Annotated[Path, typer.Option(help="JSON file: desks, authorities, la_code, traced, sensitive.")],
    complete: bool = False,
    holds_from: str = "1970-01-01",
    data: Data = None,
) -> None:
    """Register an agency."""
    try:
        described = orjson.loads(profile.read_bytes())
    except (OSError, orjson.JSONDecodeError) as fault:
        _stop(f"{profile}: {fault}")
    agency = administer.NewAgency(code, name, kind, described, complete, holds_from)
    _on(data, lambda gateway: gateway.ledger.run_alone(administer.add_agency, agency))
    print(f"agency {code} is registered")


@client_cli.command("add")
def client_add(
    client_id: str,
    agency: str,
    name: str,
    jwks: Annotated[Path, typer.Option(help="JSON file of the client's public keys.")],
    scopes: str = " ".join(wiring.SCOPES),
    purpose: Annotated[list[str] | None, typer.Option()] = None,
    role: Annotated[list[str] | None, typer.Option()] = None,
    data: Data = None,
) -> None:
    """Register a client of an agency with its public keys."""
    from gateway.api.tokens import ClientKeys

    try:
        keys = orjson.loads(jwks.read_bytes())
        ClientKeys.parse(keys)
    except (OSError, ValueError) as fault:
        _stop(f"{jwks}: {fault}")
    client = administer.NewClient(client_id, agency, name, scopes, tuple(purpose or ()), tuple(role or ()), keys)
    _on(data, lambda gateway: gateway.ledger.run_alone(administer.add_client, client))
    print(f"client {client_id} is registered")


@client_cli.command("revoke")
def client_revoke(client_id: str, data: Data = None) -> None:
    """Revoke a client; every token ends at once and is got anew by those that remain."""
    _on(data, lambda gateway: gateway.ledger.run_alone(administer.revoke_client, client_id))
    print(f"client {client_id} is revoked")


logging.captureWarnings(True)
