"""The words in which decisions and wishes are told to practitioners and patients: data in ``mappings/cards``.

Compiled once at start. A code without words, or a text with a place that nothing fills, refuses to start and names
file and line of the table.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gateway.disclosure.agreements import BASES, CLASS_TIERS, OBLIGATIONS
from gateway.disclosure.directives import NEVER_TOLD
from gateway.disclosure.purposes import NEEDS, PolicyFault
from gateway.fhir.codes import AGENCY_KINDS, CARD_OVERRIDES, CHILDREN, HOOKS, PARENTS

Words = Mapping[str, Mapping[str, str]]  # table -> code -> text
SHIPPED = Path(__file__).parent.parent.parent / "mappings" / "cards"
CLASSES = frozenset(CLASS_TIERS) | NEVER_TOLD
CODED: dict[str, dict[str, frozenset[str]]] = {  # what each table must have words for
    "wishes": {"kind": AGENCY_KINDS, "class": CLASSES, "obligation": OBLIGATIONS},
    "check_share": {"class": CLASSES, "needs": NEEDS, "basis": BASES, "obligation": OBLIGATIONS},
    "explain": {},
    "hooks": {
        **dict.fromkeys(("hook", "description", "ask"), frozenset(HOOKS)),
        **dict.fromkeys(("summary", "tell"), frozenset(["known", "recently-closed", "no-information", "stopped"])),
        "about": AGENCY_KINDS,
        "who": frozenset(["self", "children", "parents"]),
        "obligation": OBLIGATIONS,
        "override": frozenset(CARD_OVERRIDES),
    },
    "family": {
        "hint": frozenset(["wish", "duty", "emergency"]),
        "relation": CHILDREN | PARENTS,
        "who": frozenset(["self", "children", "parents"]),
        "responsibility": frozenset(f"{about}-{said}" for about in ("children", "parents") for said in ("yes", "no", "unknown")),
        "reason": frozenset(["ring-the-desk", "no-relationship-recorded", "data-too-old", "no-reply", "not-known"]),
        "unsaid": frozenset(["wish", "duty", "picture"]),
    },
}
SUMMARY = 140  # characters that a card's summary has fewer than (CDS Hooks 2.0)
PLACES: dict[str, frozenset[str]] = {  # what a text of a file may be filled with
    "wishes": frozenset(
        [
            "who",
            "they",
            "Their",
            "their",
            "are",
            "have",
            "maker",
            "may",
            "may_not",
            "receivers",
            "classes",
            "limits",
            "exceptions",
            "clause",
            "role",
            "code",
            "since",
            "until",
            "day",
            "time",
        ]
    ),
    "check_share": frozenset(["purpose", "law", "since", "source", "receiver", "classes", "roles", "needs"]),
    "explain": frozenset(
        [
            "when",
            "requester",
            "user",
            "role",
            "exchange",
            "custodian",
            "purpose",
            "law",
            "tier",
            "basis",
            "reason",
            "decider",
            "policy",
            "receiver",
            "classes",
            "why",
            "consent",
            "state",
        ]
    ),
    "hooks": frozenset(
        ["services", "number", "who", "organisation", "status", "since", "last", "contacts", "desk", "phone", "hours"]
    ),
    "family": frozenset(),
}


class Wording(NamedTuple):
    """All words, by what they are used for."""

    wishes: Words
    check_share: Words
    explain: Words
    hooks: Words
    family: Words


def load_wording(folder: Path) -> Wording:
    """The words of a folder of cards. Raises PolicyFault naming the file and the text."""
    return Wording(**{name: _table(folder / f"{name}.toml", name) for name in Wording._fields})


@cache
def shipped_wording() -> Wording:
    """The words that come with the gateway."""
    return load_wording(SHIPPED)


def _table(path: Path, name: str) -> Words:
    try:
        read: Words = tomllib.loads(path.read_bytes().decode())
    except (OSError, ValueError) as fault:
        raise PolicyFault(f"{path}: {fault}") from fault
    faults = [
        f"no words for {code} in [{table}]"
        for table, codes in CODED[name].items()
        for code in sorted(codes - set(read.get(table, ())))
    ]
    for table, texts in read.items():
        for code, text in texts.items():
            faults += [f"[{table}] {code}: nothing fills {{{place}}}" for place in sorted(_places(text) - PLACES[name])]
    if not faults:
        faults = [f"[summary] {code}: {SUMMARY} characters or more" for code in _too_long(read.get("summary", {}), name)]
    if faults:
        raise PolicyFault(f"{path}: {'; '.join(faults)}")
    return read


def _too_long(summaries: Mapping[str, str], name: str) -> list[str]:
    """The summaries of cards that a record system may not show whole, however many services speak."""
    if name != "hooks":
        return []
    return [code for code, text in summaries.items() if len(text.format(services="9999 services")) >= SUMMARY]


def _places(text: str) -> set[str]:
    return {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}


def listed(parts: list[str], last: str = "and") -> str:
    """Words in a row: "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"
