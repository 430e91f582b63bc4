"""Commands about loads: a file in, what it would change, and from which file and rule something came."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from gateway.api.loading import Desk, load_once
from gateway.api.records import sender_of
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.exchanges.records.preview_record import Effect, preview_record
from gateway.exchanges.records.receive_record import Record
from gateway.exchanges.records.resources import ReadRequest, read_resource
from gateway.listing import Format, Shown, issue_line, json_line, opened, stop
from gateway.mapping.load_page import page
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable

Agency = Annotated[str, typer.Option(help="ODS code of the sender, a registered agency.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
CHUNK = 1 << 20
UNAPPROVED = "No approver of the sender has approved this map as it is (gateway mappings approve)."


def load_command(
    ctx: typer.Context,
    fmt: Format,
    file: Path,
    agency: Agency,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would change, and change nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Load a file that has been loaded before.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report there as a page that people can read.")
    ] = None,
    data: Data = None,
) -> None:
    """Load a file through the exchange, with a progress bar on a terminal and a closing report.

    A load that was broken off goes on where it was; a file that was loaded before is not loaded twice by the same maps.
    """
    requester = Requester("command-line", agency, frozenset())
    with opened(file) as source:
        if preview:
            for line in ctx.obj.on(data, lambda gateway: previewed(gateway, requester, fmt, source)):
                typer.echo(line)
            return
        known = FileLoaded(requester, fmt, digest_of(source), file.stat().st_size, again)
        shown, before = ctx.obj.on(data, lambda gateway: loaded(gateway, known, source))
    told(shown, before, report)


async def loaded(gateway: Any, file: FileLoaded, source: BinaryIO) -> tuple[Shown, bool]:
    """The report of a load, and whether the file had been loaded before."""
    sender = await sender_of(gateway.ledger, gateway.context, file.requester.agency)
    report = Shown()
    desk = Desk(gateway.ledger, gateway.context, file.requester, digest=file.digest)
    with report.progress:
        return report, await load_once(desk, file, source, sender, report)


def told(report: Shown, before: bool, html: Path | None) -> None:
    """The closing report: what was found on standard error, the counts on standard output, the page in its file."""
    for issue in report.issues:
        json_line(issue_line(issue.severity, issue))
    for label in report.unapproved:
        json_line({"kind": "warning", "text": UNAPPROVED, "where": label, "code": "business-rule"})
    counts = {name: getattr(report, name) for name in ("received", "accepted", "refused", "written", "notices")}
    again: dict[str, Any] = {"loaded_before": True} if before else {}
    typer.echo(json.dumps({**counts, "unmatched": sum(report.unmatched.values()), **again}))
    if html is not None:
        html.write_text(page({**report.as_fhir(), **({"id": "loaded-before"} if before else {})}), encoding="utf-8")
    if report.received and not report.accepted:
        sys.exit(2)


def digest_of(source: BinaryIO) -> str:
    """The SHA-256 of an open file, which is then at its beginning again."""
    found = hashlib.sha256()
    while part := source.read(CHUNK):
        found.update(part)
    source.seek(0)
    return found.hexdigest()


async def previewed(gateway: Any, requester: Requester, fmt: str, source: BinaryIO) -> list[str]:
    """What a file would change by the maps of now: a line of JSON for each rule and effect, with the first example."""
    sender = await sender_of(gateway.ledger, gateway.context, requester.agency)
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], str] = {}
    for mapped in records(gateway, fmt, source, sender):
        effects: tuple[Effect, ...] = (Effect("", "refused"),)
        if not mapped.faults:
            effects = await gateway.ledger.run(preview_record, Record(requester, mapped))
        for one in effects:
            counts[mapped.version, one.rule, one.what] += 1
            first.setdefault((mapped.version, one.rule, one.what), example(mapped, one))
    return [
        json.dumps({"rule": f"{version}/{rule}".rstrip("/"), "effect": what, "count": count, "first": first[version, rule, what]})
        for (version, rule, what), count in sorted(counts.items())
    ]


def example(mapped: Mapped, effect: Effect) -> str:
    """Where an effect is first seen, and which elements it changes: no value of a record."""
    return f"{mapped.where}: {', '.join(effect.elements)}" if effect.elements else mapped.where


def records(gateway: Any, fmt: str, source: BinaryIO, sender: Sender) -> Iterator[Mapped]:
    """The records of a file, or the end of the command with what is wrong with it."""
    try:
        yield from read(gateway.context.mappings, fmt, source, sender)
    except (Unreadable, UnknownFormat) as fault:
        stop("; ".join(issue.text for issue in fault.issues))


def origin_command(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="TYPE/ID", help="As in Flag/3f2b...: a resource of the agency's own.")],
    agency: Annotated[str, typer.Option(help="ODS code of the organisation that holds it.")],
    version: Annotated[int | None, typer.Option(help="An older version; else the newest.")] = None,
    data: Data = None,
) -> None:
    """From which file, map and rule a resource came: for those who hold it."""
    kind, _, identifier = reference.partition("/")
    ask = ReadRequest(Requester("command-line", agency, frozenset()), kind, identifier, version)
    held = ctx.obj.on(data, lambda gateway: gateway.ledger.run(read_resource, ask))
    if held is None:
        stop(f"{agency} holds no {reference}")
    origin = held.origin or {"file": "", "map": "", "rule": "", "place": "", "mappings": ""}
    typer.echo(json.dumps({"resource": held.ref, **origin}))
