"""The code tables as FHIR: a ConceptMap for each field of each format version, and the list of codes that it reads.

A list that its publisher serves (HL7, UK Core) keeps that publisher's system; any other has a CodeSystem of ours, a fragment:
the codes that we know of, in the words of the table. What is translated here is what the mapping engine makes of a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.fhir import systems
from gateway.mapping.formats import Format, Mappings
from gateway.mapping.tables import NUMBER, Row, Table

Resource = dict[str, Any]
LISTS = {"v3-RoleCode": systems.V3_ROLE, "ukcore": systems.UKCORE_ROLE}
HL7_TABLE = re.compile(r"HL7(\d{4})")
HL7_LIST = "http://terminology.hl7.org/CodeSystem/v2-"
APPROVED = re.compile(r"\d{4}-\d{2}-\d{2}")
NO_MATCH = frozenset({"unmatched", "disjoint"})
SAYS_MORE = "The target says more than the code does."


def published(mappings: Mappings, base: str) -> dict[tuple[str, str], Resource]:
    """The ConceptMap, CodeSystem and ValueSet of every code table, by type and id; canonicals stand below ``base``."""
    found: list[Resource] = []
    for label, form in mappings.formats.items():
        if label == form.label:
            for table in form.tables.values():
                found += _of_table(form, table, mappings.version, base)
    return {(one["resourceType"], one["id"]): one for one in found}


def table_id(form: Format, table: Table) -> str:
    """The id of a table's resources, such as ``dfe-csc-api-1.0.1-end-reason``."""
    return f"{form.name}-{form.version}-{table.name}".replace("_", "-")


def source_system(form: Format, table: Table, row: Row, base: str) -> str:
    """The canonical of the list that a row's code is from."""
    hl7 = HL7_TABLE.fullmatch(row.source_system)
    if hl7:
        return HL7_LIST + hl7[1]
    if row.source_system in LISTS:
        return LISTS[row.source_system]
    first = row.source_system == table.rows[0].source_system
    return systems.code_system(table_id(form, table) + ("" if first else f"-{row.source_system}"), base)


def _of_table(form: Format, table: Table, version: str, base: str) -> list[Resource]:
    lists: dict[str, list[Row]] = {}
    for row in table.rows:
        lists.setdefault(source_system(form, table, row, base), []).append(row)
    own = {system: rows for system, rows in lists.items() if system.startswith(f"{base}/")}
    found = [one for system, rows in own.items() for one in _code_list(form, table, system, rows, version, base)]
    return [*found, _concept_map(form, table, lists, version, base)]


def _head(kind: str, identifier: str, title: str, rows: Iterable[Row], version: str, base: str) -> Resource:
    """What every definition begins with. It is a draft until somebody has approved each line."""
    approved = all(APPROVED.fullmatch(row.approved_on) for row in rows)
    return {
        "resourceType": kind,
        "id": identifier,
        "url": f"{base}/{kind}/{identifier}",
        "version": version,
        "name": "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", identifier)),
        "title": title,
        "status": "active" if approved else "draft",
        "experimental": False,
        "publisher": "Think Family Gateway",
    }


def _title(form: Format, table: Table) -> str:
    return f"{table.name.replace('_', ' ').capitalize()} of {form.name} {form.version}"


def _code_list(form: Format, table: Table, system: str, rows: list[Row], version: str, base: str) -> list[Resource]:
    identifier = system.rpartition("/")[2]
    code_system, value_set = (
        _head(kind, identifier, _title(form, table), rows, version, base) for kind in ("CodeSystem", "ValueSet")
    )
    concepts = [{"code": row.source_code, "display": row.source_display} for row in rows]
    code_system |= {"valueSet": value_set["url"], "content": "fragment", "count": len(rows), "concept": concepts}
    return [code_system, {**value_set, "compose": {"include": [{"system": system}]}}]


def _concept_map(form: Format, table: Table, lists: dict[str, list[Row]], version: str, base: str) -> Resource:
    groups: dict[tuple[str, str], list[Resource]] = {}
    for system, rows in lists.items():
        for row in rows:
            coding = row.concept(base)["coding"][0] if row.target_code else {}
            groups.setdefault((system, coding.get("system", "")), []).append(_element(row, coding))
    made = _head("ConceptMap", table_id(form, table), _title(form, table), table.rows, version, base)
    made["description"] = "What the gateway makes of each code of this field; a code that is not here maps to nothing."
    (first, *others) = lists
    if not others and first.startswith(f"{base}/"):
        made["sourceCanonical"] = first.replace("/CodeSystem/", "/ValueSet/")
    return {**made, "group": [_group(*ends, elements) for ends, elements in groups.items()]}


def _group(source: str, target: str, elements: list[Resource]) -> Resource:
    return {"source": source, **({"target": target} if target else {}), "element": elements}


def _element(row: Row, coding: Resource) -> Resource:
    target = {key: coding[key] for key in ("code", "display") if coding.get(key)}
    target["equivalence"] = row.equivalence
    comment = row.note or (SAYS_MORE if row.equivalence == "narrower" else "")
    if comment:
        target["comment"] = comment
    shown = {"display": row.source_display} if row.source_display else {}
    return {"code": row.source_code, **shown, "target": [target]}


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be translated. ``url`` names a map; the others, where given, leave out maps that do not fit.

    A code without its system is read as of the first list of the map that is named.
    """

    codings: tuple[tuple[str, str], ...]  # system, code
    url: str = ""
    source: str = ""  # canonical of a value set
    target: str = ""  # canonical of a value set
    target_system: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """One line of a map that speaks of the code. ``coding`` is empty where the code maps to nothing, and ``why`` says why."""

    equivalence: str
    coding: Resource
    source: str  # canonical of the map
    why: str

    @property
    def translates(self) -> bool:
        """Whether the line has a target that may stand for the code."""
        return self.equivalence not in NO_MATCH


@dataclass(frozen=True, slots=True)
class Index:
    """A ConceptMap made ready: its lines by system and code."""

    url: str
    source: str
    target: str
    first: str
    lines: dict[tuple[str, str], tuple[Match, ...]]

    def find(self, system: str, code: str) -> tuple[Match, ...]:
        """The lines of a code, read as the engine reads it: blanks around, case and ``1.0`` are tolerated."""
        key = code.strip()
        key = key.partition(".")[0] if NUMBER.fullmatch(key) else key
        system = systems.canonical_system(system) or self.first
        return self.lines.get((system, key)) or self.lines.get((system, key.upper())) or ()


def index(concept_map: Resource) -> Index:
    """A ConceptMap made ready to be asked."""
    lines: dict[tuple[str, str], tuple[Match, ...]] = {}
    url = concept_map["url"]
    for group in concept_map["group"]:
        for element in group["element"]:
            key = (group["source"], element["code"])
            found = tuple(_match(group, target, url) for target in element["target"])
            lines[key] = (*lines.get(key, ()), *found)
    ends = (concept_map.get("sourceCanonical", ""), concept_map.get("targetCanonical", ""))
    return Index(url, *ends, concept_map["group"][0]["source"], lines)


@dataclass(frozen=True, slots=True)
class Published:
    """Every definition that is served, by type and id, and its ConceptMaps made ready."""

    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()


def _match(group: Resource, target: Resource, url: str) -> Match:
    coding: Resource = {key: target[key] for key in ("code", "display") if key in target}
    if coding and "target" in group:
        coding = {"system": group["target"], **coding}
    return Match(target["equivalence"], coding, url, target.get("comment", ""))


def translate(maps: Iterable[Index], ask: Ask) -> tuple[Match, ...]:
    """Every line of the maps that fits the question, each once."""
    fit = (one for one in maps if ask.url in ("", one.url) and ask.source in ("", one.source) and ask.target in ("", one.target))
    found = [match for one in fit for system, code in ask.codings for match in one.find(system, code)]
    wanted = ask.target_system
    kept: list[Match] = []
    for match in found:
        if match not in kept and (not wanted or match.coding.get("system") == wanted):
            kept.append(match)
    return tuple(kept)
