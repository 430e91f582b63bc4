"""What commands show: tables for people as text or HTML, issues as JSON lines, progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.disclosure.agreements import Agreements, Line
from gateway.fhir.outcomes import Issue
from gateway.mapping.explain import Line as MapLine
from gateway.mapping.records import Mapped
from gateway.store import clock
from gateway.store.sql import Row as Columns

Row = Sequence[str]
HEAD: Row = ("from", "to", "for", "roles", "what", "basis", "with it", "valid")
STYLE = "body{font:16px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #999;padding:.4em;text-align:left}"


def agreement_rows(agreements: Agreements) -> list[Row]:
    """One row for each line and purpose, in order of precedence, under a heading."""
    seen: dict[int, tuple[Line, list[str]]] = {}
    for line in agreements.every_line():
        seen[id(line)] = (line, sorted(line.purposes))
    return [HEAD, *(_agreement_row(line, purposes) for line, purposes in seen.values())]


def _agreement_row(line: Line, purposes: list[str]) -> Row:
    what = ", ".join(sorted(line.classes)) if line.permits else "nothing"
    return (
        line.source,
        line.receiver or f"any {line.receiver_kind}",
        ", ".join(purposes),
        ", ".join(sorted(line.roles)) or "any",
        what,
        line.basis,
        ", ".join(line.obligations),
        f"{line.valid_from} to {line.valid_until}",
    )


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


DELIVERIES: Row = ("notice", "from", "to", "topic", "state", "attempts", "due")


def delivery_rows(found: Iterable[Columns]) -> list[Row]:
    """Notices that have not arrived, under a heading: references only, nobody is named."""
    rows = [
        (notice, owner, receiver, topic, state, str(attempts), clock.instant(due))
        for notice, receiver, owner, topic, state, attempts, due in found
    ]
    return [DELIVERIES, *rows]


UNMATCHED: Row = ("table", "code", "seen", "first", "last")


def unmatched_rows(found: Iterable[Columns]) -> list[Row]:
    """Codes of an agency that no table knows, the most frequent first, under a heading."""
    rows = [
        (table, code, str(seen), clock.day(first).isoformat(), clock.day(last).isoformat())
        for _, table, code, seen, first, last in found
    ]
    return [UNMATCHED, *rows]


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
