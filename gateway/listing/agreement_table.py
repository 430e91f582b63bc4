"""Who learns what, for which purpose and on what basis, in the words of a data protection officer."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

import orjson

from gateway.disclosure.agreements import Agreements, Line
from gateway.disclosure.purposes import Purpose

Row = Sequence[str]
HEAD: Row = ("from", "to", "for", "roles", "what", "basis", "with it", "valid")
PAGE_HEAD: Row = (
    "Who shares", "Who learns", "For which purpose", "In which role", "What", "On what basis", "On what terms", "From and until", "Why",
)  # fmt: skip
STYLE = (
    "body{font:1rem/1.4 sans-serif;margin:2rem;color:#111;background:#fff}table{border-collapse:collapse}"
    "caption{text-align:left;font-weight:bold;padding:.5rem 0}td,th{border:1px solid #767676;padding:.4rem;text-align:left;"
    "vertical-align:top}th{background:#eee}.over{overflow-x:auto}"
)


@dataclass(frozen=True, slots=True)
class Words:
    """What codes are called: of our code systems, of the purposes, and the names of agencies as far as they are known."""

    systems: Mapping[str, Mapping[str, str]]
    purposes: Mapping[str, Purpose]
    agencies: Mapping[str, str]

    def of(self, system: str, code: str) -> str:
        """The display of a code; the code itself where it has none."""
        return self.systems.get(system, {}).get(code, code)

    def agency(self, code: str) -> str:
        """An agency by name and code."""
        return f"{self.agencies[code]} ({code})" if code in self.agencies else code

    def purpose(self, code: str) -> str:
        """A purpose and its law, as far as one stands behind it."""
        found = self.purposes.get(code)
        return f"{found.display}: {found.law}" if found and found.law else found.display if found else code


def words_of(mappings: Path, purposes: Mapping[str, Purpose], agencies: Mapping[str, str]) -> Words:
    """The published displays of the words that agreements use."""
    names = ("agency-kind", "data-class", "basis", "obligation")
    return Words({name: _displays(mappings / "code_systems" / f"{name}.json") for name in names}, purposes, agencies)


def _displays(path: Path) -> dict[str, str]:
    resources = [entry["resource"] for entry in orjson.loads(path.read_bytes())["entry"]]
    return {one["code"]: one["display"] for resource in resources for one in resource.get("concept", ())}


def agreement_rows(agreements: Agreements, purposes: Mapping[str, Purpose]) -> list[Row]:
    """One row for each line in codes, in order of precedence, under a heading."""
    return [HEAD, *(_coded(line, purposes) for line in _each_once(agreements))]


def _each_once(agreements: Agreements) -> list[Line]:
    return list({id(line): line for line in agreements.every_line()}.values())


def _coded(line: Line, purposes: Mapping[str, Purpose]) -> Row:
    what = ", ".join(sorted(line.classes)) if line.permits else "nothing"
    return (
        line.source,
        line.receiver or f"any {line.receiver_kind}",
        ", ".join(sorted(line.purposes)),
        ", ".join(sorted(line.roles)) or "any",
        what,
        line.basis,
        ", ".join(line.obligations),
        _valid(line, purposes, str),
    )


def _valid(line: Line, purposes: Mapping[str, Purpose], named: Callable[[str], str]) -> str:
    """From when until when a line holds, for no purpose before the first day of its law; one that begins later is named."""
    begins = {code: max(line.valid_from, purposes[code].since or date.min) for code in sorted(line.purposes)}
    first, last = min(begins.values()), line.valid_until
    whole = _never(first) if line.valid_from <= last < first else f"{first} to {last}"
    later = {code: day for code, day in begins.items() if day > first}
    notes = [f"{named(code)} {f'from {day}' if day <= last else _never(day)}" for code, day in later.items()]
    return "; ".join([whole, *notes])


def _never(day: date) -> str:
    return f"never: the law is in force from {day} only"


def worded_rows(agreements: Agreements, words: Words) -> list[Row]:
    """The same rows in words, with the reason that the document gives, under a heading."""
    return [PAGE_HEAD, *(_worded(line, words) for line in _each_once(agreements))]


def _worded(line: Line, words: Words) -> Row:
    what = "; ".join(words.of("data-class", code) for code in sorted(line.classes)) if line.permits else "Nothing"
    receiver = (
        words.agency(line.receiver)
        if line.receiver
        else f"Every agency of the kind: {words.of('agency-kind', line.receiver_kind)}"
    )
    return (
        words.agency(line.source),
        receiver,
        "; ".join(words.purpose(code) for code in sorted(line.purposes)),
        "; ".join(sorted(role.replace("-", " ") for role in line.roles)) or "Any",
        what,
        words.of("basis", line.basis) if line.permits else "",
        "; ".join(words.of("obligation", code) for code in line.obligations),
        _valid(line, words.purposes, lambda code: words.purposes[code].display),
        line.why,
    )


def csv_table(rows: Sequence[Row]) -> str:
    """Comma separated values with a heading, as RFC 4180 has them."""
    text = io.StringIO()
    csv.writer(text).writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def agreements_page(version: str, rows: Sequence[Row]) -> str:
    """One page for the eye and for a screen reader, without script or anything from elsewhere."""
    head, *rest = rows
    heading = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{_cells(row)}</tr>\n" for row in rest)
    return (
        f'<!doctype html>\n<html lang="en-GB">\n<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Who may learn what</title><style>{STYLE}</style></head>\n<body><main><h1>Who may learn what</h1>\n"
        "<p>Within an organisation the first row that fits decides. Where no row fits, nothing is shared. "
        "A row opens an answer as far as it goes; the person's wishes and restrictions may narrow it.</p>\n"
        f'<div class="over" role="region" aria-label="Agreements" tabindex="0"><table><caption>Version {escape(version)}</caption>'
        f"<thead><tr>{heading}</tr></thead>\n<tbody>{body}</tbody></table></div></main></body>\n</html>\n"
    )


def _cells(row: Row) -> str:
    first, *rest = row
    return f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
