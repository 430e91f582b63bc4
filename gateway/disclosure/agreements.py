"""Data sharing agreements: a document per source organisation, compiled to one lookup with a version hash.

Exceptions stand before defaults, a named receiver before a kind of receiver; the first line that matches wins;
where none matches nothing is shared. A document outside of its dates matches nothing, whatever its lines say; on
any day a source has one document. A line that was revoked goes on matching and shares nothing, so that taking it away
never lets a wider line behind it through.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from gateway.disclosure.purposes import PolicyFault, Purpose, canonical
from gateway.fhir.codes import AGENCY_KINDS

CLASS_TIERS = {"existence": 0, "status": 1, "contact": 2, "relative-identity": 2, "marker": 2, "detail": 3}
BASES = frozenset({
    "CA1989-s47", "CA1989-s17", "CA2004-s11", "CA2004-16LA", "MHA1983-s13", "vital-interests", "court-order", "person-wish",
    "parental-responsibility", "best-interests", "attorney", "deputy", "override", "own-record",
})  # fmt: skip
OBLIGATIONS = frozenset(
    [
        "tell-person",
        "tell-person-each-time",
        "tell-only-this-person",
        "tell-later",
        "do-not-tell",
        "review-by",
        "acknowledge-by",
        "ask-owner-before-passing-on",
        "seek-advice",
    ]
)
HEAD_KEYS = {
    "source", "title", "version", "valid_from", "valid_until", "negatives", "accepts_own_wishes", "acknowledgements", "default",
    "exception",
}  # fmt: skip
ACKNOWLEDGEMENTS = ("received", "business")  # what who told this organisation sees of what came of it
PARTS = ("exception", "default")  # in order of precedence
HEADING = re.compile(r"^\s*\[\[\s*(exception|default)\s*\]\]", re.MULTILINE)
Documents = Sequence[tuple[str, bytes]]  # name and TOML
Place = tuple[str, str, int, dict[str, Any]]  # document, part and number, line of text, content
Revoked = Mapping[str, frozenset[str]]  # id of a document -> its lines that were revoked, as "exception 2"
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
    document: str  # name of the document
    label: str  # "exception 2": part and number within it
    number: int  # of the line of text where it begins

    @property
    def place(self) -> str:
        """File and line of text, part and number: where a reader finds it."""
        return f"{self.document}:{self.number}: {self.label}"

    def matches(self, receiver: str, kind: str, role: str, on: date) -> bool:
        """Whether this line speaks of a receiver in a role on a day; both dates of a line are within it."""
        named = self.receiver == receiver if self.receiver else self.receiver_kind == kind
        return named and (not self.roles or role in self.roles) and self.valid_from <= on <= self.valid_until


@dataclass(frozen=True, slots=True)
class Document:
    """The head of one document: whose it is and when it is in force, both dates within it."""

    name: str
    source: str
    title: str
    version: str
    valid_from: date
    valid_until: date
    acknowledgements: str = ACKNOWLEDGEMENTS[0]


@dataclass(slots=True, eq=False)
class Agreements:
    """The compiled agreements. ``version`` is the hash of the documents and purposes that they were made from.

    Everything that decides looks into the same one; when other agreements are put in force its content changes at once,
    between two decisions (``become``).
    """

    version: str
    sources: tuple[str, ...]
    documents: tuple[Document, ...]
    _lines: Mapping[tuple[str, str], tuple[Line, ...]]  # (source, purpose) -> lines in order of precedence
    _found: dict[tuple[str, str, str, str, str, date], Line | None] = field(default_factory=dict)
    _covered: dict[tuple[str, str, str, str, date], tuple[str, ...]] = field(default_factory=dict)

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
        key = (receiver, kind, purpose, role, on)
        if key not in self._covered:
            if len(self._covered) > 20_000:
                self._covered.clear()
            lines = ((source, self.line(source, *key)) for source in self.sources)
            self._covered[key] = tuple(
                source for source, line in lines if line is not None and line.permits and source != receiver
            )
        return self._covered[key]

    def says_what_came(self, source: str, on: date) -> bool:
        """Whether ``source`` lets those whose notices it gets see what it made of them, beyond that they were received."""
        mine = (one for one in self.documents if one.source == source and one.valid_from <= on <= one.valid_until)
        return any(one.acknowledgements == "business" for one in mine)

    def every_line(self) -> Iterable[Line]:
        """Each line once per purpose, in order of precedence, for tables and checks."""
        for _, lines in sorted(self._lines.items()):
            yield from lines

    def become(self, other: Agreements) -> None:
        """Be these agreements from now on, for everybody who looks into them. Nothing waits in between: a decision sees
        the one version or the other."""
        for part in fields(self):
            setattr(self, part.name, getattr(other, part.name))


def load_agreements(folder: Path, purposes: Mapping[str, Purpose]) -> Agreements:
    """Compile every ``*.toml`` of a folder. Raises PolicyFault naming file and line; an empty folder shares nothing."""
    return compile_agreements(documents_in(folder), purposes)


def documents_in(folder: Path) -> Documents:
    """Every ``*.toml`` of a folder, in the order of their names; none where there is no folder."""
    return [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.toml"))] if folder.is_dir() else []


def compile_agreements(documents: Documents, purposes: Mapping[str, Purpose], revoked: Revoked | None = None) -> Agreements:
    """The agreements of documents given as (name, TOML), less the lines that were revoked. Raises PolicyFault."""
    heads: list[Document] = []
    read: list[tuple[str, bytes, dict[str, Any], frozenset[str]]] = []
    for name, text in documents:
        ended = (revoked or {}).get(document_id(text), frozenset())
        document = _document(name, text)
        heads.append(_head(name, document))
        read.append((name, text, document, ended))
    _one_at_a_time(heads)
    lines = [line for one in read for line in _lines(*one, purposes)]
    ordered: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        for purpose in sorted(line.purposes):
            ordered.setdefault((line.source, purpose), []).append(line)
    sources = tuple(sorted({line.source for line in lines}))
    version = version_of(documents, purposes, revoked)
    return Agreements(version, sources, tuple(heads), {key: tuple(found) for key, found in ordered.items()})


def version_of(documents: Documents, purposes: Mapping[str, Purpose], revoked: Revoked | None = None) -> str:
    """The version that agreements of these documents have, without compiling them."""
    digest = hashlib.sha256(canonical(purposes))
    for name, text in documents:
        ended = (revoked or {}).get(document_id(text), frozenset())
        digest.update(b"\0" + name.encode() + b"\0" + text + "".join(f"\0revoked {one}" for one in sorted(ended)).encode())
    return digest.hexdigest()[:16]


def document_id(text: bytes) -> str:
    """The id of a document: SHA-256 of its exact bytes."""
    return hashlib.sha256(text).hexdigest()


def head_of(name: str, text: bytes) -> Document:
    """Whose document it is and when it is in force. Raises PolicyFault."""
    return _head(name, _document(name, text))


def labels(name: str, text: bytes) -> list[str]:
    """What the lines of a document are called: ``exception 1``, ``default 1``. Raises PolicyFault."""
    document = _document(name, text)
    return [f"{part} {number}" for part in PARTS for number, _ in enumerate(document.get(part, ()), 1)]


def _head(name: str, document: dict[str, Any]) -> Document:
    return Document(
        name, document["source"], str(document.get("title", "")), str(document["version"]),
        document["valid_from"], document["valid_until"], document.get("acknowledgements", ACKNOWLEDGEMENTS[0]),
    )  # fmt: skip


def _document(name: str, text: bytes) -> dict[str, Any]:
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise PolicyFault(f"{name}: {fault}") from fault
    unknown = set(document) - HEAD_KEYS
    missing = {"source", "version", "valid_from", "valid_until", "negatives"} - set(document)
    if unknown or missing:
        raise PolicyFault(f"{name}: unknown settings {sorted(unknown)}, missing settings {sorted(missing)}")
    checks = {
        "source is an ODS code": isinstance(document["source"], str) and bool(document["source"]),
        "negatives is explicit or blanket": document["negatives"] in ("explicit", "blanket"),
        "accepts_own_wishes is true or false": isinstance(document.get("accepts_own_wishes", False), bool),
        "acknowledgements is received or business": document.get("acknowledgements", "received") in ACKNOWLEDGEMENTS,
        "exception and default are [[lists]] of lines": all(_are_tables(document.get(part, [])) for part in PARTS),
        **_date_checks(document),
    }
    _refuse(name, [text for text, holds in checks.items() if not holds])
    return document


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _date_checks(part: dict[str, Any]) -> dict[str, bool]:
    stated = [part[key] for key in ("valid_from", "valid_until") if key in part]
    are_dates = all(type(one) is date for one in stated)  # a TOML date-time is no date
    return {"dates are dates": are_dates, "valid_from is not after valid_until": not are_dates or stated == sorted(stated)}


def _one_at_a_time(heads: list[Document]) -> None:
    """Two documents of one source on the same day would mix their exceptions and defaults: PolicyFault."""
    last: dict[str, Document] = {}
    for one in sorted(heads, key=lambda head: (head.source, head.valid_from)):
        before = last.get(one.source)
        if before and one.valid_from <= before.valid_until:
            until = before.valid_until
            raise PolicyFault(f"{one.name}: {before.name} is in force for {one.source} until {until}: one document at a time")
        last[one.source] = one


def _lines(
    name: str, text: bytes, document: dict[str, Any], ended: frozenset[str], purposes: Mapping[str, Purpose]
) -> list[Line]:
    """The lines of a document in order of precedence."""
    numbers = _numbers(text.decode())
    made: list[Line] = []
    for part in PARTS:
        labelled = [(f"{part} {number}", line) for number, line in enumerate(document.get(part, ()), 1)]
        places = [(name, label, numbers.get(label, 0), line) for label, line in labelled]
        lines = [_line(place, document, purposes, permits=place[1] not in ended) for place in places]
        made += sorted(lines, key=lambda line: not line.receiver)
    return made


def _numbers(text: str) -> dict[str, int]:
    """On which line of the text each part and number begins; a list that is written in another way has none."""
    found: dict[str, int] = {}
    counts = dict.fromkeys(PARTS, 0)
    for heading in HEADING.finditer(text):
        counts[heading[1]] += 1
        found[f"{heading[1]} {counts[heading[1]]}"] = text.count("\n", 0, heading.start(1)) + 1
    return found


def _line(place: Place, document: dict[str, Any], purposes: Mapping[str, Purpose], *, permits: bool) -> Line:
    name, label, number, line = place
    _check(f"{name}: {label}", line, purposes)
    tier = line.get("tier", 0)
    named = line.get("classes", [code for code, level in CLASS_TIERS.items() if level <= tier])
    return Line(
        source=document["source"],
        receiver=line.get("receiver", ""),
        receiver_kind=line.get("receiver_kind", ""),
        purposes=frozenset(line["purposes"]),
        roles=frozenset(line.get("roles", ())),
        permits=permits and line.get("effect", "permit") == "permit",
        tier=tier,
        classes=frozenset(named) | {"existence"},
        basis=line.get("basis", ""),
        obligations=tuple(line.get("obligations", ())),
        explicit_negatives=document["negatives"] == "explicit",
        accepts_own_wishes=document.get("accepts_own_wishes", False),
        valid_from=max(line.get("valid_from", date.min), document["valid_from"]),
        valid_until=min(line.get("valid_until", date.max), document["valid_until"]),
        why=line.get("why", ""),
        document=name,
        label=label,
        number=number,
    )


def _check(where: str, line: dict[str, Any], purposes: Mapping[str, Purpose]) -> None:
    faults = [f"unknown setting {key}" for key in sorted(set(line) - LINE_KEYS)]
    lists = {key: line.get(key, []) for key in ("purposes", "roles", "classes", "obligations")}
    faults += [f"{key} is a list of texts" for key, value in lists.items() if not _is_texts(value)]
    _refuse(where, faults)
    faults += [f"unknown purpose {code}" for code in lists["purposes"] or ["(none)"] if code not in purposes]
    faults += [f"unknown class {code}" for code in lists["classes"] if code not in CLASS_TIERS]
    faults += [f"unknown obligation {code}" for code in lists["obligations"] if code not in OBLIGATIONS]
    _refuse(where, faults + _shape_faults(line))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _refuse(where: str, faults: list[str]) -> None:
    if faults:
        raise PolicyFault(f"{where}: {'; '.join(faults)}")


def _shape_faults(line: dict[str, Any]) -> list[str]:
    tier = line.get("tier", 0)
    checks = {
        "name either receiver or receiver_kind": bool(line.get("receiver")) != bool(line.get("receiver_kind")),
        "receiver_kind is a kind of agency": line.get("receiver_kind", "voluntary") in AGENCY_KINDS,
        "effect is permit or refuse": line.get("effect", "permit") in ("permit", "refuse"),
        "tier is 0 to 3": type(tier) is int and tier in range(4),
        "no class is above the tier": all(CLASS_TIERS.get(code, 0) <= tier for code in line.get("classes", ())),
        f"a permitting line names its basis, one of {', '.join(sorted(BASES))}": line.get("effect") == "refuse"
        or line.get("basis") in BASES,
        **_date_checks(line),
    }
    return [text for text, holds in checks.items() if not holds]
