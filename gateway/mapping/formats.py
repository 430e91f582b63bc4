"""What a format is, once compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.mapping.engine import RecordMap
from gateway.mapping.tables import Table


@dataclass(frozen=True, slots=True)
class Format:
    """One version of one format: its maps and tables, and the fields that its publisher lists.

    ``levels`` gives the members of each JSON level; ``threads`` the maps that stand for a list of records; ``lists`` the
    elements of an XML format that may stand several times.
    """

    name: str
    version: str
    title: str
    kind: str
    lenient: bool
    folder: Path
    maps: MappingProxyType[str, RecordMap]
    tables: MappingProxyType[str, Table]
    fields: tuple[str, ...]
    used: MappingProxyType[str, str]
    ignored: MappingProxyType[str, str]
    levels: MappingProxyType[str, frozenset[str]]
    threads: MappingProxyType[str, RecordMap]
    lists: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """``format@version``, as it stands in audit entries and issues."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, eq=False)
class Mappings:
    """All formats, and the hash of everything that decides how a record is read. Loaded once, it is equal to itself alone."""

    version: str
    formats: MappingProxyType[str, Format] = field(repr=False)  # by label and, for the newest version, by bare name


def frozen(found: dict[str, Any]) -> MappingProxyType[str, Any]:
    """A read-only view."""
    return MappingProxyType(found)
