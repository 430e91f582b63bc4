"""The fixed texts of a subject access report, by language: ``mappings/subject_access/<language>.toml``.

English is the original. Every language has every text that English has and no other, with the same places in it: a report
says the same in each, and nothing is left in a language that the reader did not ask for.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway.disclosure.purposes import PolicyFault
from gateway.fhir.dates import whole_day

SHIPPED = Path(__file__).parent.parent.parent / "mappings" / "subject_access"
ORIGINAL = "en"
LANGUAGE, MONTHS = "language", "months"
DIRECTIONS = ("ltr", "rtl")
Table = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language. ``code`` as in ``lang`` of a page (BCP 47), Easy Read as a variant of its own."""

    code: str
    name: str
    direction: str  # ltr | rtl
    months: tuple[str, ...]
    tables: Mapping[str, Table]

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    @property
    def lang(self) -> str:
        """The language as a browser and a screen reader know it."""
        return self.code.partition("-")[0]

    def day(self, told: str) -> str:
        """A FHIR date or instant as this language writes a day; what is no whole day stays as it is."""
        found = whole_day(told[:10])
        return told if found is None else f"{found.day} {self.months[found.month - 1]} {found.year}"


Languages = Mapping[str, Texts]


def load_subject_texts(folder: Path) -> Languages:
    """The texts of every language of a folder, by code, the original first. Raises PolicyFault naming file and text."""
    read = {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}
    if ORIGINAL not in read:
        raise PolicyFault(f"{folder / ORIGINAL}.toml: the original texts are missing")
    for code, raw in read.items():
        if faults := [*_language_faults(raw), *_faults(read[ORIGINAL], raw)]:
            raise PolicyFault(f"{folder / code}.toml: {'; '.join(faults)}")
    order = sorted(read, key=lambda code: (not code.startswith(ORIGINAL), code))
    return {code: _texts(code, read[code]) for code in order}


@cache
def shipped_subject_texts() -> Languages:
    """The texts that come with the gateway."""
    return load_subject_texts(SHIPPED)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except (OSError, ValueError) as fault:
        raise PolicyFault(f"{path}: {fault}") from fault


def _language_faults(raw: Mapping[str, Any]) -> list[str]:
    about = raw.get(LANGUAGE, {})
    checks = {
        "[language] name: what the language calls itself": bool(str(about.get("name", "")).strip()),
        f"[language] dir is one of {', '.join(DIRECTIONS)}": about.get("dir") in DIRECTIONS,
        "[language] months: twelve names": len({one for one in about.get(MONTHS, ()) if str(one).strip()}) == 12,
    }
    return [text for text, holds in checks.items() if not holds]


def _faults(original: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
    wanted, stated = _flat(original), _flat(raw)
    faults = [f"no text for {name}" for name in wanted if not stated.get(name, "").strip()]
    faults += [f"{name} is no text of a report" for name in stated if name not in wanted]
    for name, text in stated.items():
        if name in wanted and _places(text) != _places(wanted[name]):
            faults.append(f"{name}: its places are {', '.join(sorted(_places(wanted[name]))) or 'none'}")
    return faults


def _flat(raw: Mapping[str, Any]) -> dict[str, str]:
    """Every text as ``[table] code``."""
    tables = {table: texts for table, texts in raw.items() if table != LANGUAGE}
    return {f"[{table}] {code}": str(text) for table, texts in tables.items() for code, text in texts.items()}


def _places(text: str) -> set[str]:
    try:
        return {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}
    except ValueError:
        return {"a brace that does not close"}


def _texts(code: str, raw: Mapping[str, Any]) -> Texts:
    about = raw[LANGUAGE]
    tables = {table: texts for table, texts in raw.items() if table != LANGUAGE}
    return Texts(code, about["name"], about["dir"], tuple(about[MONTHS]), tables)
