"""The mappings in plain words, for an information-governance lead; and the lint as a list of findings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from gateway.fhir.codes import DETAILS
from gateway.mapping.engine import Leaf, RecordMap
from gateway.mapping.flags import MARKER_SHAPE, SHAPE
from gateway.mapping.formats import Format, Mappings
from gateway.mapping.lint import field_of
from gateway.mapping.load import MappingFault, load
from gateway.mapping.reading import find
from gateway.mapping.transforms import TRANSFORMS
from gateway.mapping.vocabulary import TIERS

FINGERPRINTS: dict[tuple[str, str], str] = {}  # by version of all mappings and format: a memory of ``fingerprint``


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the explanation. ``kind`` is mapped, code, shape, used or ignored; ``tier`` is a data class.

    ``level`` is the tier's number, -1 for what is kept inside and never sent, None where nothing is kept.
    """

    kind: str
    source: str
    rule: str
    target: str = ""
    tier: str = ""
    level: int | None = None
    table: str = ""
    approver: str = ""
    why: str = ""


def explain(mappings: Mappings, fmt: str) -> list[Line]:
    """Every line of a format: maps first, then its code tables, then what is only used, then what is ignored.

    Raises UnknownFormat.
    """
    found = find(mappings, fmt)
    lines = [line for one in found.maps.values() for line in map_lines(one)]
    lines += code_lines(found)
    lines += [Line("used", name, how) for name, how in found.used.items()]
    lines += [Line("ignored", name, "not kept", why=reason) for name, reason in found.ignored.items()]
    return lines


def map_lines(one: RecordMap) -> Iterator[Line]:
    """The leaves of a map, and what the shape of a Flag adds."""
    yield from (leaf_line(one, leaf) for leaf in one.leaves)
    if one.marker:
        yield from (Line("shape", one.title, rule, f"{one.resource}.{to}", tier, TIERS[tier]) for to, rule, tier in MARKER_SHAPE)
    if one.detail:
        words = f"{one.title}: {DETAILS[one.detail].display}"
        yield from (Line("shape", words, rule, f"{one.resource}.{target}", tier, TIERS[tier]) for target, rule, tier in SHAPE)


def leaf_line(one: RecordMap, leaf: Leaf) -> Line:
    """One leaf in words."""
    source = " else ".join(field_of(name, one.each) for name in leaf.sources) or leaf.ref or str(leaf.const)
    rules = [TRANSFORMS[leaf.via].plain if leaf.via else "", f"by the code table {leaf.code}" if leaf.code else ""]
    rule = "; ".join(part for part in rules if part) or "as sent"
    rule += "; required" if leaf.required else ""
    return Line("mapped", source, rule, f"{one.resource}.{leaf.to}", leaf.tier, TIERS[leaf.tier], leaf.code, "", leaf.why)


def code_lines(found: Format) -> Iterator[Line]:
    """The rows of the code tables."""
    for table in found.tables.values():
        for row in table.rows:
            source = f"{table.name} {row.source_code} ({row.source_display}) of {row.source_system}"
            target = f"{row.target_system} {row.target_code} ({row.target_display})" if row.target_code else "nothing"
            tier = row.disclosure_tier
            approver = f"{row.approved_by}, {row.approved_on}"
            yield Line("code", source, row.equivalence, target, tier, TIERS[tier], table.name, approver, row.note)


def fingerprint(mappings: Mappings, fmt: str) -> str:
    """What an approval of a format is of: the hash of every line that a reviewer reads, whoever approved it.

    A change of one line, tier or code gives another hash; a comment does not. Raises UnknownFormat.
    """
    known = FINGERPRINTS.get((mappings.version, fmt))
    if known is None:
        lines = ("\x1f".join(str(part) for part in astuple(replace(one, approver=""))) for one in explain(mappings, fmt))
        known = FINGERPRINTS[mappings.version, fmt] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return known


def check(root: Path) -> list[str]:
    """The findings of the lint, each with file and line; empty where the mappings are fit."""
    try:
        load(root)
    except MappingFault as fault:
        return list(fault.findings)
    return []
