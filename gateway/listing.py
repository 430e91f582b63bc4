"""Tables for people: agreements and maps as text or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gateway.disclosure.agreements import Agreements, Line

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
