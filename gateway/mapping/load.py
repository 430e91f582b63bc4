"""Loads ``mappings/`` once, at start: compiles it, lints it, and refuses to go on with a bad line.

Layout: ``records/<format>@<version>/fields.toml`` and one ``*.toml`` per target, ``codes/<format>@<version>/<field>.csv``.
A version that ``extends`` an older one of its format has all of that one's fields, maps and tables, save those of its own.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

from gateway.mapping import lint
from gateway.mapping.engine import GETTERS, Leaf, RecordMap, compile_leaf
from gateway.mapping.formats import Format, Mappings, frozen
from gateway.mapping.tables import Table, read_table

FORMAT_KEYS = frozenset({"title", "kind", "unreadable", "source", "fields", "extends", "lists"})
MAP_KEYS = frozenset({"resource", "title", "each", "detail", "service", "key", "id", "marker", "why"})
LEAF_KEYS = frozenset({"to", "from", "via", "code", "const", "ref", "required", "tier", "why"})
TOML_LINE = re.compile(r"\(at line (\d+)")


class MappingFault(ValueError):
    """The mappings are not fit to start with. ``findings`` name file and line, one text each."""

    def __init__(self, findings: list[str]):
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


def load(root: Path) -> Mappings:
    """The compiled mappings below ``root``. Raises MappingFault with every finding of the lint."""
    findings: list[str] = []
    folders = sorted(path for path in (root / "records").glob("*@*") if path.is_dir())
    formats = [load_format(folder, root / "codes", findings) for folder in folders]
    if not folders:
        findings.append(f"{root / 'records'}:1: no format folder <format>@<version> was found")
    if findings:
        raise MappingFault(list(dict.fromkeys(findings)))
    return Mappings(version_of(root), frozen(by_name([one for one in formats if one is not None])))


def by_name(formats: list[Format]) -> dict[str, Format]:
    """Formats by label, and the newest version of each by its bare name."""
    found: dict[str, Format] = {}
    for one in sorted(formats, key=lambda one: (one.name, version_order(one.version))):
        found[one.name] = found[one.label] = one
    return found


def version_order(version: str) -> tuple[int, ...]:
    """Versions in the order of their numbers."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def version_of(root: Path) -> str:
    """The hash of every map and table: the same files give the same version on any machine."""
    digest = hashlib.sha256()
    for path in sorted((*root.glob("records/*@*/*.toml"), *root.glob("codes/*@*/*.csv"))):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def load_format(folder: Path, codes: Path, findings: list[str]) -> Format | None:
    """One format version; None where its fields.toml cannot be read."""
    name, _, version = folder.name.partition("@")
    line = lineage(folder, findings)
    if not line:
        return None
    path, found = folder / "fields.toml", inherited([one for _, one in line])
    head: dict[str, Any] = found["format"]
    findings.extend(lint.header_problems(path, line[-1][1].get("format", {}), FORMAT_KEYS))
    if head.get("kind") not in GETTERS:
        return None
    tables = {
        one.stem: read_table(one, findings, one.stem) for older, _ in line for one in sorted((codes / older.name).glob("*.csv"))
    }
    maps = load_maps([older for older, _ in line], str(head["kind"]), tables, findings)
    findings.extend(lint.coverage(path, found, maps))
    findings.extend(lint.unused_tables(codes / folder.name, tables, maps))
    return assemble(name, version, folder, found, maps, tables)


def lineage(folder: Path, findings: list[str]) -> list[tuple[Path, dict[str, Any]]]:
    """The folders that a version is made of, oldest first, each with its fields.toml; empty where one cannot be read."""
    path = folder / "fields.toml"
    found = read_toml(path, findings)
    if found is None:
        return []
    name, _, version = folder.name.partition("@")
    older = str(found.get("format", {}).get("extends", ""))
    if not older:
        return [(folder, found)]
    if version_order(older) >= version_order(version):
        findings.append(f"{path}:1: a version extends an older one of its format")
        return []
    before = lineage(folder.with_name(f"{name}@{older}"), findings)
    return [*before, (folder, found)] if before else []


def inherited(line: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields.toml that all of a lineage come to: fields are added, what is said of a field later stands."""
    made: dict[str, Any] = {"format": {}, "used": {}, "ignored": {}}
    for found in line:
        head = found.get("format", {})
        listed = {key: [*made["format"].get(key, ()), *head.get(key, ())] for key in ("fields", "lists")}
        made["format"] = {**made["format"], **head, **listed}
        for block, other in (("used", "ignored"), ("ignored", "used")):
            said = found.get(block, {})
            made[other] = {name: reason for name, reason in made[other].items() if name not in said}
            made[block] = {**made[block], **said}
    return made


def assemble(
    name: str, version: str, folder: Path, found: dict[str, Any], maps: dict[str, RecordMap], tables: dict[str, Table]
) -> Format:
    """The format from its parts."""
    head = found["format"]
    fields = tuple(head.get("fields", ()))
    threads = {one.each.rsplit(".", 1)[-1]: one for one in maps.values() if one.id and one.key and "." in one.each}
    return Format(
        name, version, str(head.get("title", "")), str(head["kind"]), head.get("unreadable") == "leave-out", folder,
        frozen(maps), frozen(tables), fields, frozen(found.get("used", {})), frozen(found.get("ignored", {})),
        frozen(lint.levels(fields)), frozen(threads), frozenset(head.get("lists", ())),
    )  # fmt: skip


def read_toml(path: Path, findings: list[str]) -> dict[str, Any] | None:
    """A TOML file, or None and a finding."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        findings.append(f"{path}:1: the file is missing")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = TOML_LINE.search(str(error))
        findings.append(f"{path}:{line[1] if line else 1}: not valid TOML: {error}")
    return None


def load_maps(folders: list[Path], kind: str, tables: dict[str, Table], findings: list[str]) -> dict[str, RecordMap]:
    """Every map of a format, by the name of its file; the later folder's stands."""
    maps: dict[str, RecordMap] = {}
    files = {path.name: path for folder in folders for path in folder.glob("*.toml") if path.name != "fields.toml"}
    for path in (files[name] for name in sorted(files)):
        found = read_toml(path, findings)
        if found is not None:
            before = len(findings)
            leaves = read_leaves(path, found, tables, findings)
            compiled = leaves if len(findings) == before else []
            maps[path.stem] = record_map(path, found.get("map", {}), leaves, compiled, kind, tables)
    return maps


def record_map(
    path: Path, head: dict[str, Any], leaves: list[Leaf], fit: list[Leaf], kind: str, tables: dict[str, Table]
) -> RecordMap:
    """A compiled map; only leaves that passed the lint are compiled."""
    runs = tuple(compile_leaf(leaf, GETTERS[kind], tables) for leaf in fit)
    words = {name: str(head.get(name, "")) for name in ("resource", "title", "each", "detail", "service", "key", "id")}
    return RecordMap(path.stem, leaves=tuple(leaves), runs=runs, marker=head.get("marker") is True, **words)


def read_leaves(path: Path, found: dict[str, Any], tables: dict[str, Table], findings: list[str]) -> list[Leaf]:
    """The lines of a map, each with its line number; findings where one is not fit."""
    text = path.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(text, 1) if line.strip() == "[[leaf]]"]
    findings.extend(lint.map_problems(path, text, found, MAP_KEYS))
    leaves = []
    for raw, line in zip(found.get("leaf", []), starts, strict=False):
        problems = lint.unknown_keys(raw, LEAF_KEYS)
        leaf = leaf_of(raw, line)
        problems += lint.leaf_problems(leaf, found.get("map", {}), tables, "const" in raw)
        findings.extend(f"{path}:{lint.line_of(text, line, name)}: {problem}" for name, problem in problems)
        leaves.append(leaf)
    return leaves


def leaf_of(raw: dict[str, Any], line: int) -> Leaf:
    """A leaf as the file has it."""
    sources = raw.get("from", ())
    listed = (sources,) if isinstance(sources, str) else tuple(str(one) for one in sources)
    words = {name: str(raw.get(name, "")) for name in ("to", "via", "code", "ref", "tier", "why")}
    return Leaf(sources=listed, const=raw.get("const"), required=raw.get("required") is True, line=line, **words)
