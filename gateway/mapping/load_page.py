"""The report of a load as a page that people can read: made of its Parameters, no script, nothing fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from gateway.fhir.outcomes import Issue, outcome

STYLE = (
    "body{font:16px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}"
    "td,th{border:1px solid #999;padding:.4em;text-align:left;vertical-align:top}"
)
COUNTS = {
    "received": "Records in the file",
    "accepted": "Records taken",
    "refused": "Records refused, nothing of them kept",
    "written": "Resources written or changed",
}
Part = dict[str, Any]


def refused(issues: Iterable[Issue]) -> Part:
    """The report of a file of which nothing could be taken."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "accepted", "valueUnsignedInt": 0}, {"name": "outcome", "resource": outcome(tuple(issues))}],
    }


def page(report: dict[str, Any]) -> str:
    """The page. Places are the sender's own (line 12, child 3); no value of a record stands in it."""
    parts: list[Part] = report.get("parameter", [])
    counts = [(COUNTS[one["name"]], str(one["valueUnsignedInt"])) for one in parts if one["name"] in COUNTS]
    again = "<p>This file had been loaded before. Nothing was done; this is what came of it then.</p>"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Report of a load</title>"
        f"<style>{STYLE}</style><h1>Report of a load</h1>{again if report.get('id') == 'loaded-before' else ''}"
        f"{table(('', 'Number'), counts)}"
        f"{''.join(f'<p>{escape(one)}</p>' for one in notes(parts))}"
        f"{section('What to mend', ('What was found', 'How often', 'First at'), findings(parts))}"
        f"{section('Codes that no table knows', ('Table', 'Code', 'How often'), unmatched(parts))}"
        f"{section('By which rule', ('Rule', 'Resources'), rules(parts))}"
        f"{section('What cannot be read', ('What', 'Where'), said(parts) if not counts or not findings(parts) else [])}</html>\n"
    )


def notes(parts: list[Part]) -> list[str]:
    """What is to be said of the load as a whole."""
    text = "No approver of your organisation has approved the map {} as it is."
    return [text.format(one["valueString"]) for one in parts if one["name"] == "unapproved"]


def findings(parts: list[Part]) -> list[tuple[str, ...]]:
    """What was found, by the words of its rule, with the first places."""
    found = [one["part"] for one in parts if one["name"] == "finding"]
    return [(value(one, "text"), value(one, "count"), ", ".join(values(one, "example"))) for one in found]


def unmatched(parts: list[Part]) -> list[tuple[str, ...]]:
    """Codes on the review list."""
    found = [one["part"] for one in parts if one["name"] == "unmatched"]
    return [(value(one, "table"), value(one, "code"), value(one, "count")) for one in found]


def rules(parts: list[Part]) -> list[tuple[str, ...]]:
    """How many resources each record map made."""
    return [(value(one["part"], "text"), value(one["part"], "count")) for one in parts if one["name"] == "rule"]


def said(parts: list[Part]) -> list[tuple[str, ...]]:
    """The issues of a file of which nothing could be taken."""
    issues = [issue for one in parts if one["name"] == "outcome" for issue in one["resource"].get("issue", ())]
    return [
        (str(one.get("diagnostics") or one.get("details", {}).get("text", "")), ", ".join(one.get("expression", ())))
        for one in issues
    ]


def value(parts: list[Part], name: str) -> str:
    """The first value of a name, as text."""
    return next(iter(values(parts, name)), "")


def values(parts: list[Part], name: str) -> list[str]:
    """Every value of a name, as text."""
    return [str(one.get("valueString", one.get("valueUnsignedInt", ""))) for one in parts if one["name"] == name]


def section(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table under a heading; nothing where it is empty."""
    return f"<h2>{escape(title)}</h2>{table(head, rows)}" if rows else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """One table."""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{lines}</table>"
