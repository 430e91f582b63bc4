"""Commands about agreements: check and show them, publish and revoke them, see what a new one would change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from gateway.disclosure.agreement_checks import check_agreements
from gateway.disclosure.agreement_signatures import agreement_text, revocation_text
from gateway.disclosure.agreement_simulation import Decided, Simulation, simulate
from gateway.disclosure.agreements import Agreements, compile_agreements, document_id, head_of, load_agreements
from gateway.disclosure.purposes import Purpose, load_purposes
from gateway.exchanges.agreements.publish_agreement import (
    Changed,
    NewAgreement,
    Revocation,
    documents_of,
    publish_agreement,
    revoke_agreement,
)
from gateway.exchanges.log.simulate_agreement import PAGE, START, Rehearsal, decided, decisions_after, record_simulation
from gateway.listing import Row, bytes_of, progress, stop, text_table
from gateway.listing.agreement_table import agreement_rows, agreements_page, csv_table, worded_rows, words_of
from gateway.listing.approvers import Data, Signed, ToSign, put_to_sign, signatures_of
from gateway.store import agreements as stored
from gateway.store import clock
from gateway.store.sql import Read
from gateway.store.standing import FEEDS

Place = Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="A folder of agreements; else those in force.")]
Folder = Annotated[Path | None, typer.Option(help="The same as FOLDER.")]
EFFECTS: Row = ("asked by", "of", "for", "role", "change", "decisions", "of them disclosed")

agreements_cli = typer.Typer(no_args_is_help=True, help="Check, show, publish and revoke data sharing agreements.")


class Form(StrEnum):
    """In which form a table is shown."""

    TEXT = "text"
    HTML = "html"
    CSV = "csv"


class Shown(NamedTuple):
    """Agreements to look at, with what is known of the agencies: names and kinds, None without a deployment."""

    agreements: Agreements
    purposes: Mapping[str, Purpose]
    names: Mapping[str, str]
    kinds: Mapping[str, str] | None


@agreements_cli.command("check")
def agreements_check(ctx: typer.Context, place: Place = None, folder: Folder = None, data: Data = None) -> None:
    """Lint: lines that never decide (errors), lines that meet, gaps, ends. Exit code 1 where there are errors."""
    shown = _shown(ctx, place or folder, data)
    findings = check_agreements(shown.agreements, shown.purposes, _today(), shown.kinds)
    for finding in findings:
        typer.echo(str(finding))
    agreements = shown.agreements
    typer.echo(f"version {agreements.version}: {len(agreements.sources)} organisations share by these agreements")
    raise typer.Exit(1 if any(one.weight == "error" for one in findings) else 0)


@agreements_cli.command("table")
def agreements_table(
    ctx: typer.Context,
    place: Place = None,
    folder: Folder = None,
    form: Annotated[Form, typer.Option("--format", help="Codes as text, or words as a page or for a spreadsheet.")] = Form.TEXT,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page there instead of text here.")] = None,
    data: Data = None,
) -> None:
    """Who may learn what, for which purpose, on what basis."""
    shown = _shown(ctx, place or folder, data)
    if html is not None:
        html.write_text(_table(ctx, shown, Form.HTML))
    else:
        typer.echo(_table(ctx, shown, form), nl=form is Form.TEXT)


def _table(ctx: typer.Context, shown: Shown, form: Form) -> str:
    if form is Form.TEXT:
        return text_table(agreement_rows(shown.agreements, shown.purposes))
    rows = worded_rows(shown.agreements, words_of(ctx.obj().mappings, shown.purposes, shown.names))
    return csv_table(rows) if form is Form.CSV else agreements_page(shown.agreements.version, rows)


@agreements_cli.command("publish")
def agreements_publish(
    ctx: typer.Context, file: Path, signature: Signed = None, to_sign: ToSign = None, data: Data = None
) -> None:
    """Put a document in force, signed by two approvers of its source, one of them guardian or data protection officer."""
    document = bytes_of(file)
    if to_sign is not None:
        head_of(file.name, document)
        put_to_sign(to_sign, agreement_text(document))
        return
    signatures = signatures_of(signature)

    async def publish(gateway: Any) -> Changed:
        new = NewAgreement(file.name, document, signatures, ctx.obj.folder(gateway))
        done: Changed = await gateway.ledger.run_alone(publish_agreement, new)
        return done

    done = ctx.obj.on(data, publish)
    instead = f", in place of {', '.join(done.ended)}" if done.ended else ""
    typer.echo(f"{file.name} of {done.source} is in force{instead}: version {done.agreements.version}")


@agreements_cli.command("revoke")
def agreements_revoke(
    ctx: typer.Context,
    source: str,
    line: Annotated[str, typer.Option(help="One line only, such as 'exception 2'.")] = "",
    signature: Signed = None,
    to_sign: ToSign = None,
    data: Data = None,
) -> None:
    """Revoke an organisation's published documents, or one line, by the signature of one of its approvers."""
    if to_sign is not None:
        put_to_sign(to_sign, ctx.obj.on(data, lambda gateway: _revocation_text(gateway, Revocation(source, line))))
        return
    signatures = signatures_of(signature)

    async def revoke(gateway: Any) -> Changed:
        revocation = Revocation(source, line, signatures, ctx.obj.folder(gateway))
        done: Changed = await gateway.ledger.run_alone(revoke_agreement, revocation)
        return done

    done = ctx.obj.on(data, revoke)
    typer.echo(f"{', '.join(done.ended) or line} of {source} is revoked: version {done.agreements.version}")


async def _revocation_text(gateway: Any, revocation: Revocation) -> bytes:
    rows, *_ = await gateway.ledger.read(stored.STORED)
    found = documents_of(rows, revocation, _today())
    return revocation_text(revocation.source, [row[0] for row in found], revocation.line)


@agreements_cli.command("simulate")
def agreements_simulate(
    ctx: typer.Context,
    file: Path,
    days: Annotated[int, typer.Option(min=1, help="How many days of past decisions.")] = 30,
    data: Data = None,
) -> None:
    """What past decisions on the source's records would have been under FILE: counts only, never a person."""
    document = bytes_of(file)
    found = ctx.obj.on(data, lambda gateway: _simulated(gateway, file.name, document, days))
    rows = [(*effect, str(count), str(found.disclosed[effect])) for effect, count in sorted(found.effects.items())]
    if rows:
        typer.echo(text_table([EFFECTS, *rows]))
    typer.echo(f"{found.decided} decisions of {days} days: {found.changed} would come out otherwise by the agreements")


async def _simulated(gateway: Any, name: str, document: bytes, days: int) -> Simulation:
    ctx = gateway.context
    head, after = head_of(name, document), compile_agreements([(name, document)], ctx.purposes)
    rehearsal = Rehearsal(head.source, document_id(document), clock.now() - days * clock.DAY)
    await gateway.ledger.run_alone(record_simulation, rehearsal)
    past = await _past(gateway, rehearsal)
    kinds = {row[0]: row[2] for row in (await gateway.ledger.read([Read(FEEDS)]))[0]}
    return simulate(past, ctx.agreements, after, kinds, max(_today(), head.valid_from))


async def _past(gateway: Any, rehearsal: Rehearsal) -> list[Decided]:
    past: list[Decided] = []
    last = START
    with progress("decisions") as bar:
        task = bar.add_task("decisions", total=None)
        while True:
            (rows,) = await gateway.ledger.read([decisions_after(rehearsal, last)])
            found, last = decided(gateway.context, rows)
            past += found
            bar.advance(task, len(found))
            if len(rows) < PAGE:
                return past


def _shown(ctx: typer.Context, folder: Path | None, data: Path | None) -> Shown:
    """The agreements of a folder, or those in force in a deployment that is there."""
    settings = ctx.obj()
    deployed = data is not None or settings.on_postgres or settings.database_file.exists()
    if folder is None and deployed:
        found: Shown = ctx.obj.on(data, _in_force)
        return found
    place = folder or settings.agreements
    if not place.is_dir():
        stop(f"{place} is not a folder of agreements (*.toml)")
    purposes = load_purposes(settings.mappings / "purposes.toml")
    return Shown(load_agreements(place, purposes), purposes, {}, None)


async def _in_force(gateway: Any) -> Shown:
    (rows,) = await gateway.ledger.read([Read(FEEDS)])
    names, kinds = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
    return Shown(gateway.context.agreements, gateway.context.purposes, names, kinds)


def _today() -> date:
    return clock.day(clock.now())
