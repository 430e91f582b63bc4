"""The command line: serve and deliver, map and load, check and verify, administer."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
import uvicorn
from pydantic import ValidationError

from gateway import app as wiring
from gateway.api.records import Report, load, sender_of
from gateway.disclosure.agreements import Agreements, load_agreements
from gateway.disclosure.purposes import PolicyFault, load_purposes
from gateway.disclosure.requester import Requester
from gateway.exchanges import administer
from gateway.fhir.outcomes import GatewayError
from gateway.fhir.systems import NHS_NUMBER
from gateway.listing import (
    Row,
    agreement_rows,
    changed_rows,
    delivery_rows,
    explained_rows,
    html_table,
    issue_line,
    mapped_lines,
    progress,
    text_table,
    unmatched_rows,
)
from gateway.logs import configure
from gateway.mapping.bundle import bundle
from gateway.mapping.explain import check as check_mappings
from gateway.mapping.explain import explain
from gateway.mapping.load import MappingFault
from gateway.mapping.load import load as load_mappings
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable
from gateway.settings import Settings
from gateway.store import migrate, outbox, people
from gateway.store.sql import Read
from gateway.store.standing import FEEDS
from gateway.store.vault import KeyFault, load_keys, make_keys
from gateway.store.verify_log import verify_log

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Think Family Gateway.", pretty_exceptions_enable=False)
mappings_cli = typer.Typer(no_args_is_help=True, help="Check and explain the maps.")
agreements_cli = typer.Typer(no_args_is_help=True, help="Check and show data sharing agreements.")
audit_cli = typer.Typer(no_args_is_help=True, help="Check the access log.")
agency_cli = typer.Typer(no_args_is_help=True, help="Agencies.")
client_cli = typer.Typer(no_args_is_help=True, help="Clients of agencies.")
for name, group in (
    ("mappings", mappings_cli),
    ("agreements", agreements_cli),
    ("audit", audit_cli),
    ("agency", agency_cli),
    ("client", client_cli),
):
    cli.add_typer(group, name=name)

Result = TypeVar("Result")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
Format = Annotated[str, typer.Argument(metavar="FORMAT")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page there instead of text here.")]
EXPECTED = (wiring.StartRefused, migrate.DatabaseFault, PolicyFault, KeyFault, MappingFault, OSError)


def main() -> None:
    """Run a command; expected faults are one line on standard error and exit 2."""
    try:
        cli()
    except ValidationError as fault:
        first = fault.errors()[0]
        _stop(f"setting GATEWAY_{'.'.join(str(part) for part in first['loc']).upper()}: {first['msg']}")
    except EXPECTED as fault:
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
    _refuse_to_start(settings)
    config = uvicorn.Config(
        wiring.make_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False,
        server_header=False, lifespan="on", timeout_graceful_shutdown=10,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(2)


def _refuse_to_start(settings: Settings) -> None:
    """Raise what would keep it from starting, in one line, before a server is there to log it."""
    lock = wiring.hold_folder(settings)
    if lock is not None:
        lock.close()
    vault = wiring.prepare(settings)
    try:
        wiring.make_context(settings, vault)
    except ValueError as fault:
        raise wiring.StartRefused(str(fault)) from fault


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
        _refuse_to_replace_keys(settings)
        make_keys(settings.keys_folder, settings.kind)
        print(f"new keys in {settings.keys_folder}: back them up apart from the data", file=sys.stderr)
    load_keys(settings.keys_folder)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate.upgrade(migrate.engine_of(settings.database_url or settings.database_file), settings.kind, to)
    print(f"the database is at revision {to}")


def _refuse_to_replace_keys(settings: Settings) -> None:
    """New keys beside old data would open nothing, and every person would be a stranger."""
    if settings.on_postgres:
        used = _is_migrated(settings.database_url)
    else:
        used = settings.database_file.exists()
    if used:
        raise wiring.StartRefused(
            f"the keys {settings.keys_folder} are missing: restore them; without them nothing can be opened"
        )


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
    except ValueError as fault:
        _stop(str(fault))


@cli.command(name="map")
def map_command(
    fmt: Format,
    file: Path,
    agency: Annotated[str, typer.Option(help="ODS code of the sender.")] = "X99",
    la_code: Annotated[str, typer.Option(help="Three-digit DfE code of a council.")] = "999",
) -> None:
    """Dry run: the FHIR Bundle of a file on standard output, its report as JSON lines on standard error."""
    mappings = load_mappings(Settings().mappings)
    sender = Sender(agency, la_code, {"NHS": NHS_NUMBER})
    mapped: list[Mapped] = []
    try:
        for one in read(mappings, fmt, _bytes(file), sender):
            for content in mapped_lines(one):
                _line(content)
            mapped.append(one)
    except (Unreadable, UnknownFormat) as fault:
        for issue in fault.issues:
            _line(issue_line("refusal", issue))
        sys.exit(2)
    print(json.dumps(bundle(one for one in mapped if not one.faults), indent=2, ensure_ascii=False))
    if not any(not one.faults for one in mapped):
        sys.exit(2)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        _stop(f"{file} cannot be read: {fault.strerror}")


def _line(content: dict[str, str]) -> None:
    print(json.dumps(content, ensure_ascii=False), file=sys.stderr)


@cli.command(name="load")
def load_command(
    fmt: Format,
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
        _line(issue_line(issue.severity, issue))
    counts = {name: getattr(report, name) for name in ("received", "accepted", "refused", "written", "notices")}
    print(json.dumps({**counts, "unmatched": sum(report.unmatched.values())}))
    if report.received and not report.accepted:
        sys.exit(2)


class _Shown(Report):
    """A report that shows on a terminal how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = progress("records")
        self._task = self.progress.add_task("records", total=None)

    def note(self, mapped: Mapped) -> None:
        super().note(mapped)
        self.progress.advance(self._task)


def _deployed(data: Path | None) -> Settings:
    """The settings of a deployment that is there: a mistyped folder must not become a new one."""
    settings = _settings(data)
    if not settings.on_postgres and not settings.database_file.exists():
        _stop(f"there is no deployment in {settings.data}: gateway migrate --data {settings.data} makes one")
    return settings


def _on(data: Path | None, run: Callable[[wiring.Gateway], Coroutine[Any, Any, Result]]) -> Result:
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
        _stop("; ".join(issue.text for issue in error.issues))


@mappings_cli.command("check")
def mappings_check() -> None:
    """Lint every map and code table."""
    findings = check_mappings(Settings().mappings)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


@mappings_cli.command("explain")
def mappings_explain(fmt: Format, html: Html = None) -> None:
    """What each source field becomes, in plain words: for an information-governance lead."""
    try:
        lines = explain(load_mappings(Settings().mappings), fmt)
    except UnknownFormat as fault:
        _stop(fault.issues[0].text)
    _show(f"What {fmt} becomes", explained_rows(lines), html)


@mappings_cli.command("diff")
def mappings_diff(old: Path, new: Path) -> None:
    """What a change of the maps adds and takes away: OLD and NEW are mappings folders; new disclosures first."""
    before, after = load_mappings(old), load_mappings(new)
    for fmt in sorted({one.name for one in (*before.formats.values(), *after.formats.values())}):
        lines = [explain(one, fmt) if fmt in one.formats else [] for one in (before, after)]
        for row in changed_rows(*lines):
            print("  ".join((row[0], fmt, *row[1:])).rstrip())


def _show(title: str, rows: list[Row], html: Path | None) -> None:
    if html is None:
        print(text_table(rows))
    else:
        html.write_text(html_table(title, rows))


@agreements_cli.command("check")
def agreements_check(folder: Path | None = None) -> None:
    """Lint the agreements: unknown words, missing dates."""
    agreements = _agreements(folder)
    print(f"version {agreements.version}: {len(agreements.sources)} organisations share by these agreements")


@agreements_cli.command("table")
def agreements_table(folder: Path | None = None, html: Html = None) -> None:
    """Who may learn what, for which purpose, on what basis."""
    _show("Who may learn what", agreement_rows(_agreements(folder)), html)


def _agreements(folder: Path | None) -> Agreements:
    settings = Settings()
    place = folder or settings.agreements
    if not place.is_dir():
        _stop(f"{place} is not a folder of agreements (*.toml)")
    return load_agreements(place, load_purposes(settings.mappings / "purposes.toml"))


@audit_cli.command("verify")
def audit_verify(data: Data = None) -> None:
    """Check the whole access log against its tree and its signed heads; name the first fault."""
    settings = _deployed(data)
    vault = load_keys(settings.keys_folder)
    with progress("entries") as shown:
        task = shown.add_task("entries", total=None)
        verdict = verify_log(settings.database_url or settings.database_file, vault, lambda: shown.advance(task))
    print(verdict.says)
    sys.exit(0 if verdict.ok else 1)


@cli.command()
def deliveries(data: Data = None, agency: str = "") -> None:
    """Notices that have not arrived: waiting, under way or given up. References only."""

    async def find(gateway: wiring.Gateway) -> list[Any]:
        codes = [agency] if agency else [row[0] for row in (await gateway.ledger.read([Read(FEEDS)]))[0]]
        found = await gateway.ledger.read([Read(outbox.UNDELIVERED, {"agency": code}) for code in codes])
        return list({row[0]: row for rows in found for row in rows}.values())

    print(text_table(delivery_rows(_on(data, find))))


@cli.command()
def unmatched(agency: Annotated[str, typer.Option(help="ODS code of the sender.")], data: Data = None) -> None:
    """Codes that an agency sent and no code table knows: for whoever reviews the tables."""

    async def find(gateway: wiring.Gateway) -> list[Any]:
        return (await gateway.ledger.read([Read(people.UNMATCHED, {"agency": agency})]))[0]

    print(text_table(unmatched_rows(_on(data, find))))


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
