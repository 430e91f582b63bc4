"""Data sharing agreements: a document per source organisation, compiled to one lookup with a version hash.

Exceptions stand before defaults, a named receiver before a kind of receiver; the first line that matches wins;
where none matches nothing is shared. A document outside of its dates matches nothing.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from gateway.disclosure.purposes import PolicyFault, Purpose

CLASS_TIERS = {"existence": 0, "status": 1, "contact": 2, "relative-identity": 2, "marker": 2, "detail": 3}
BASES = frozenset(
    "CA1989-s47 CA1989-s17 CA2004-s11 CA2004-16LA MHA1983-s13 vital-interests court-order person-wish "
    "parental-responsibility best-interests attorney deputy override own-record".split()
)
OBLIGATIONS = frozenset(
    "tell-person tell-person-each-time tell-only-this-person tell-later do-not-tell review-by acknowledge-by "
    "ask-owner-before-passing-on seek-advice".split()
)
HEAD_KEYS = {"source", "title", "version", "valid_from", "valid_until", "negatives", "accepts_own_wishes", "default", "exception"}
LINE_KEYS = {
    "receiver", "receiver_kind", "purposes", "roles", "tier", "classes", "basis", "obligations", "effect", "why",
    "valid_from", "valid_until",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an agreement, with what it takes from its document."""

    source: str
    receiver: str
    receiver_kind: str
    purposes: frozenset[str]
    roles: frozenset[str]
    permits: bool
    tier: int
    classes: frozenset[str]
    basis: str
    obligations: tuple[str, ...]
    explicit_negatives: bool
    accepts_own_wishes: bool
    valid_from: date
    valid_until: date
    why: str

    def matches(self, receiver: str, kind: str, role: str, on: date) -> bool:
        named = self.receiver == receiver if self.receiver else self.receiver_kind == kind
        return named and (not self.roles or role in self.roles) and self.valid_from <= on <= self.valid_until


@dataclass(frozen=True, slots=True, eq=False)
class Agreements:
    """The compiled agreements. ``version`` is the hash of all documents that they were made from."""

    version: str
    sources: tuple[str, ...]
    _lines: Mapping[tuple[str, str], tuple[Line, ...]]  # (source, purpose) -> lines in order of precedence
    _found: dict[tuple[str, str, str, str, str, date], Line | None] = field(default_factory=dict)

    def line(self, source: str, receiver: str, kind: str, purpose: str, role: str, on: date) -> Line | None:
        """The line that decides what ``source`` shares with ``receiver``; None where nothing is agreed."""
        key = (source, receiver, kind, purpose, role, on)
        if key not in self._found:
            if len(self._found) > 20_000:
                self._found.clear()
            lines = self._lines.get((source, purpose), ())
            self._found[key] = next((line for line in lines if line.matches(receiver, kind, role, on)), None)
        return self._found[key]

    def coverage(self, receiver: str, kind: str, purpose: str, role: str, on: date) -> tuple[str, ...]:
        """The organisations from which this receiver may hear for this purpose, whoever is asked about."""
        lines = ((source, self.line(source, receiver, kind, purpose, role, on)) for source in self.sources)
        return tuple(source for source, line in lines if line is not None and line.permits and source != receiver)

    def every_line(self) -> Iterable[Line]:
        """Each line once per purpose, in order of precedence, for tables and checks."""
        for _, lines in sorted(self._lines.items()):
            yield from lines


def load_agreements(folder: Path, purposes: Mapping[str, Purpose]) -> Agreements:
    """Compile every ``*.toml`` of a folder. Raises PolicyFault naming file and line; an empty folder shares nothing."""
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    return compile_agreements([(path.name, path.read_bytes()) for path in files], purposes)


def compile_agreements(documents: list[tuple[str, bytes]], purposes: Mapping[str, Purpose]) -> Agreements:
    """The agreements of documents given as (name, TOML)."""
    digest = hashlib.sha256()
    lines: list[Line] = []
    for name, text in documents:
        digest.update(name.encode() + b"\0" + text + b"\0")
        lines += _document(name, text, purposes)
    ordered: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        for purpose in line.purposes:
            ordered.setdefault((line.source, purpose), []).append(line)
    sources = tuple(sorted({line.source for line in lines}))
    return Agreements(digest.hexdigest()[:16], sources, {key: tuple(found) for key, found in ordered.items()})


def _document(name: str, text: bytes, purposes: Mapping[str, Purpose]) -> list[Line]:
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise PolicyFault(f"{name}: {fault}") from fault
    unknown = set(document) - HEAD_KEYS
    missing = {"source", "version", "valid_from", "valid_until", "negatives"} - set(document)
    if unknown or missing:
        raise PolicyFault(f"{name}: unknown settings {sorted(unknown)}, missing settings {sorted(missing)}")
    parts = [("exception", line) for line in document.get("exception", [])]
    parts += [("default", line) for line in document.get("default", [])]
    made = [_line(f"{name}: {part} {number}", document, line, purposes) for number, (part, line) in enumerate(parts, 1)]
    exceptions = len(document.get("exception", []))
    return _named_first(made[:exceptions]) + _named_first(made[exceptions:])


def _named_first(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: not line.receiver)


def _line(where: str, document: dict[str, Any], line: dict[str, Any], purposes: Mapping[str, Purpose]) -> Line:
    _check(where, document, line, purposes)
    permits = line.get("effect", "permit") == "permit"
    tier = int(line.get("tier", 0))
    classes = frozenset(line.get("classes") or [code for code, level in CLASS_TIERS.items() if level <= tier])
    return Line(
        source=document["source"],
        receiver=line.get("receiver", ""),
        receiver_kind=line.get("receiver_kind", ""),
        purposes=frozenset(line["purposes"]),
        roles=frozenset(line.get("roles", ())),
        permits=permits,
        tier=tier,
        classes=frozenset(code for code in classes if CLASS_TIERS[code] <= tier) | {"existence"},
        basis=line.get("basis", ""),
        obligations=tuple(line.get("obligations", ())),
        explicit_negatives=document["negatives"] == "explicit",
        accepts_own_wishes=bool(document.get("accepts_own_wishes", False)),
        valid_from=line.get("valid_from", document["valid_from"]),
        valid_until=line.get("valid_until", document["valid_until"]),
        why=line.get("why", ""),
    )


def _check(where: str, document: dict[str, Any], line: dict[str, Any], purposes: Mapping[str, Purpose]) -> None:
    faults = [f"unknown setting {key}" for key in sorted(set(line) - LINE_KEYS)]
    faults += [f"unknown purpose {code}" for code in line.get("purposes", ["(none)"]) if code not in purposes]
    faults += [f"unknown class {code}" for code in line.get("classes", ()) if code not in CLASS_TIERS]
    faults += [f"unknown obligation {code}" for code in line.get("obligations", ()) if code not in OBLIGATIONS]
    faults += _shape_faults(document, line)
    if faults:
        raise PolicyFault(f"{where}: {'; '.join(faults)}")


def _shape_faults(document: dict[str, Any], line: dict[str, Any]) -> list[str]:
    checks = {
        "name either receiver or receiver_kind": bool(line.get("receiver")) != bool(line.get("receiver_kind")),
        "effect is permit or refuse": line.get("effect", "permit") in ("permit", "refuse"),
        "tier is 0 to 3": line.get("tier", 0) in range(4),
        "negatives is explicit or blanket": document["negatives"] in ("explicit", "blanket"),
        "a permitting line names its basis": line.get("effect") == "refuse" or line.get("basis") in BASES,
        "dates are dates": all(isinstance(value, date) for key, value in {**document, **line}.items() if key[:6] == "valid_"),
    }
    return [text for text, holds in checks.items() if not holds]
