"""What there is to look at: maps, dry runs, and how commands show what they found.

The commands of this module need no deployment, no keys and no database; those about agreements, approvers and what waits
stand beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.api.load_report import Report
from gateway.fhir.outcomes import Issue
from gateway.fhir.systems import NHS_NUMBER
from gateway.listing.agreement_table import Row as Row
from gateway.listing.agreement_table import agreement_rows as agreement_rows
from gateway.mapping.bundle import written
from gateway.mapping.explain import Line as MapLine
from gateway.mapping.explain import check, explain
from gateway.mapping.load import load
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable
from gateway.store.sql import Read, Statement
from gateway.store.standing import FEEDS

Format = Annotated[str, typer.Argument(metavar="FORMAT", help="As in mappings/records, with or without @version.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page there instead of text here.")]
STYLE = "body{font:16px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #999;padding:.4em;text-align:left}"


EXPLAINED: Row = ("source", "rule", "becomes", "tier", "table", "approved by", "why")


def explained_rows(lines: Iterable[MapLine]) -> list[Row]:
    """The lines of a format's explanation, under a heading."""
    return [EXPLAINED, *((one.source, one.rule, one.target, one.tier, one.table, one.approver, one.why) for one in lines)]


def changed_rows(old: Iterable[MapLine], new: Iterable[MapLine]) -> Iterator[Row]:
    """What a change of the maps adds and takes away, the highest tier first, additions before removals."""
    before, after = set(old), set(new)
    changed = [("+", one) for one in after - before] + [("-", one) for one in before - after]
    changed.sort(
        key=lambda pair: (pair[0] == "-", -2 if pair[1].level is None else -pair[1].level, pair[1].source, pair[1].target)
    )
    for sign, one in changed:
        yield (sign, one.tier or "not kept", one.source, one.rule, one.target, one.why)


def mapped_lines(one: Mapped) -> Iterator[dict[str, str]]:
    """What is to be said of one mapped record: refusals, warnings, codes that no table knows."""
    for kind, issues in (("refusal", one.faults), ("warning", one.warnings)):
        yield from (issue_line(kind, issue, record=one.where) for issue in issues)
    for missing in one.unmatched:
        yield {"kind": "unmatched", "record": one.where, "table": missing.table, "code": missing.code, "where": missing.where}


def issue_line(kind: str, issue: Issue, **more: str) -> dict[str, str]:
    """An issue as one JSON line."""
    return {"kind": kind, **more, "text": issue.text, "where": issue.where, "code": issue.code}


def progress(what: str) -> Progress:
    """A progress bar on standard error, where that is a terminal; elsewhere nothing is shown."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def text_table(rows: Iterable[Row]) -> str:
    """Columns as wide as they need to be."""
    listed = list(rows)
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))] if listed else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed)


def html_table(title: str, rows: Iterable[Row]) -> str:
    """One page, no script."""
    head, *rest = list(rows)
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rest]
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1><table><tr>{heading}</tr>{''.join(lines)}</table></html>\n"
    )


def stop(text: str) -> NoReturn:
    """End with one plain line on standard error and exit code 2."""
    typer.echo(f"gateway: {text}", err=True)
    sys.exit(2)


async def check_agency(gateway: Any, code: str) -> None:
    """End where there is no such agency: nothing found for a mistyped code would read as if all were well."""
    if code not in {row[0] for row in (await gateway.ledger.read([Read(FEEDS)]))[0]}:
        stop(f"there is no agency {code}")


def bytes_of(file: Path) -> bytes:
    """The content of a file that somebody named."""
    try:
        return file.read_bytes()
    except OSError as fault:
        stop(f"{file} cannot be read: {fault.strerror}")


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file that somebody named, open to be read as a stream."""
    try:
        handle = file.open("rb")
    except OSError as fault:
        stop(f"{file} cannot be read: {fault.strerror}")
    with handle:
        yield handle


def json_line(content: dict[str, str]) -> None:
    """One line of a report on standard error."""
    typer.echo(json.dumps(content, ensure_ascii=False), err=True)


class Shown(Report):
    """A report that shows on a terminal how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = progress("records")
        self._task = self.progress.add_task("records", total=None)

    def note(self, mapped: Mapped) -> None:
        super().note(mapped)
        self.progress.advance(self._task)


def map_command(
    ctx: typer.Context,
    fmt: Format,
    file: Path,
    agency: Annotated[str, typer.Option(help="ODS code of the sender.")] = "X99",
    la_code: Annotated[str, typer.Option(help="Three-digit DfE code of a council.")] = "999",
) -> None:
    """Dry run: the FHIR Bundle of a file on standard output, its report as JSON lines on standard error."""
    sender = Sender(agency, la_code, {"NHS": NHS_NUMBER})
    good = Good()
    with opened(file) as source:
        try:
            records = read(load(ctx.obj().mappings), fmt, source, sender)
        except (Unreadable, UnknownFormat) as fault:
            for issue in fault.issues:
                json_line(issue_line("refusal", issue))
            sys.exit(2)
        for piece in written(good.of(records)):
            typer.echo(piece, nl=False)
    sys.exit(0 if good.count else 2)


class Good:
    """The records of a file that were not refused, as they pass; what is said of each goes to the report."""

    count = 0

    def of(self, records: Iterable[Mapped]) -> Iterator[Mapped]:
        """Those that were not refused."""
        for one in records:
            for content in mapped_lines(one):
                json_line(content)
            if not one.faults:
                self.count += 1
                yield one


mappings_cli = typer.Typer(no_args_is_help=True, help="Check and explain the maps.")


@mappings_cli.command("check")
def mappings_check(ctx: typer.Context) -> None:
    """Lint every map and code table."""
    findings = check(ctx.obj().mappings)
    for finding in findings:
        typer.echo(finding)
    sys.exit(1 if findings else 0)


@mappings_cli.command("explain")
def mappings_explain(ctx: typer.Context, fmt: Format, html: Html = None) -> None:
    """What each source field becomes, in plain words: for an information-governance lead."""
    try:
        lines = explain(load(ctx.obj().mappings), fmt)
    except UnknownFormat as fault:
        stop(fault.issues[0].text)
    _show(f"What {fmt} becomes", explained_rows(lines), html)


@mappings_cli.command("diff")
def mappings_diff(old: Path, new: Path) -> None:
    """What a change of the maps adds and takes away: OLD and NEW are mappings folders; new disclosures first."""
    before, after = load(old), load(new)
    for fmt in sorted({one.name for one in (*before.formats.values(), *after.formats.values())}):
        lines = [explain(one, fmt) if fmt in one.formats else [] for one in (before, after)]
        for row in changed_rows(*lines):
            typer.echo("  ".join((row[0], fmt, *row[1:])).rstrip())


def _show(title: str, rows: list[Row], html: Path | None) -> None:
    if html is None:
        typer.echo(text_table(rows))
    else:
        html.write_text(html_table(title, rows))


def value_and_role(text: str) -> tuple[str, str]:
    """``VALUE=ROLE``, as roles of another system are given for ours; stops with a line where it is not."""
    value, joined, role = text.rpartition("=")
    if not joined or not value:
        stop(f"--role is VALUE=ROLE, not {text}")
    return value, role


def print_rows(ctx: typer.Context, data: Path | None, head: Row, statement: Statement) -> None:
    """What a statement without parameters finds, as a table."""

    async def find(gateway: Any) -> list[Row]:
        (rows,) = await gateway.ledger.read([Read(statement)])
        return [tuple(str(value) for value in row) for row in rows]

    typer.echo(text_table([head, *ctx.obj.on(data, find)]))
