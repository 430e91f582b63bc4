"""The lint of ``mappings/``: what makes a line unfit, in words that its author can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.fhir import codes
from gateway.mapping.engine import GETTERS, Leaf, RecordMap
from gateway.mapping.flags import SERVICES
from gateway.mapping.tables import Table
from gateway.mapping.transforms import TRANSFORMS
from gateway.mapping.vocabulary import ELEMENTS, EXTENSIONS, TIERS

Problem = tuple[str, str]  # the key of the line that is wrong, and why
REFS = frozenset({"sender", "person"})


def unknown_keys(raw: dict[str, Any], known: frozenset[str]) -> list[Problem]:
    """Keys that are not part of the closed list."""
    return [(key, f"unknown key {key}; the keys are {', '.join(sorted(known))}") for key in raw if key not in known]


def line_of(text: list[str], start: int, key: str) -> int:
    """The line of a key in the block that starts at a line; the start where the key is not written."""
    for number in range(start, len(text)):
        line = text[number].strip()
        if line.startswith("["):
            break
        if line.split("=", 1)[0].strip().strip('"') == key:
            return number + 1
    return start


def header_problems(path: Path, head: dict[str, Any], known: frozenset[str]) -> list[str]:
    """What is wrong with the ``[format]`` block."""
    text = path.read_text(encoding="utf-8").splitlines()
    problems = unknown_keys(head, known)
    if head.get("kind") not in GETTERS:
        problems.append(("kind", f"kind must be one of {', '.join(GETTERS)}"))
    if head.get("unreadable") not in ("refuse", "leave-out"):
        problems.append(("unreadable", "unreadable must be refuse or leave-out"))
    if not head.get("title") or not head.get("source"):
        problems.append(("title", "title and source (who publishes the format) are required"))
    return [f"{path}:{line_of(text, 1, key)}: {problem}" for key, problem in problems]


def map_problems(path: Path, text: list[str], found: dict[str, Any], known: frozenset[str]) -> list[str]:
    """What is wrong with the ``[map]`` block and the top level of a map."""
    head = found.get("map", {})
    problems = unknown_keys(head, known)
    problems += [(key, f"unknown block {key}; the blocks are map and leaf") for key in found if key not in ("map", "leaf")]
    if head.get("resource") not in ELEMENTS:
        problems.append(("resource", f"resource must be one of {', '.join(ELEMENTS)}"))
    if not head.get("title"):
        problems.append(("title", "a map needs a title in plain words"))
    if head.get("detail", "") and head["detail"] not in codes.DETAILS:
        problems.append(("detail", f"{head['detail']} is not an involvement detail"))
    if head.get("detail") and head.get("service") not in SERVICES:
        problems.append(("service", f"service must be one of {', '.join(SERVICES)}"))
    return [f"{path}:{line_of(text, 1, key)}: {problem}" for key, problem in problems]


def leaf_problems(leaf: Leaf, head: dict[str, Any], tables: dict[str, Table], constant: bool) -> list[Problem]:
    """What is wrong with one leaf."""
    problems = target_problems(leaf.to, str(head.get("resource", "")))
    if leaf.via and leaf.via not in TRANSFORMS:
        problems.append(("via", f"unknown transform {leaf.via}"))
    if leaf.code and leaf.code not in tables:
        problems.append(("code", f"unknown code table {leaf.code}"))
    if leaf.tier not in TIERS:
        problems.append(("tier", f"disclosure tier missing or unknown (one of {', '.join(TIERS)})"))
    if leaf.ref and leaf.ref not in REFS:
        problems.append(("ref", f"ref must be one of {', '.join(sorted(REFS))}"))
    if (bool(leaf.sources) + constant + bool(leaf.ref)) != 1:
        problems.append(("to", "a leaf has exactly one of from, const and ref"))
    if not leaf.why:
        problems.append(("why", "a leaf says why it is kept"))
    return problems


def target_problems(path: str, resource: str) -> list[Problem]:
    """Whether a target is an element that we emit on this resource type."""
    parts = path.split(".")
    if resource in ELEMENTS and parts[0] not in ELEMENTS[resource]:
        return [("to", f"{parts[0] or 'nothing'} is not an element of {resource} (R4) that we emit")]
    if parts[0] == "extension" and len(parts) > 1 and (len(parts) != 3 or parts[1] not in EXTENSIONS):
        return [("to", f"an extension is written extension.<name>.<value[x]>, name one of {', '.join(sorted(EXTENSIONS))}")]
    return []


def field_of(source: str, each: str) -> str:
    """The published field that a leaf reads: ``PID-5.1`` reads PID-5; a path below a list gains its prefix."""
    if "-" in source and source.partition("-")[0].isupper():
        return source.partition(".")[0]
    return f"{each}.{source}" if each else source


def expand(name: str) -> list[str]:
    """The fields of a range ``PV1-20..PV1-43``, or the one field."""
    first, dots, last = name.partition("..")
    if not dots:
        return [name]
    segment, _, start = first.partition("-")
    return [f"{segment}-{number}" for number in range(int(start), int(last.partition("-")[2]) + 1)]


def coverage(path: Path, found: dict[str, Any], maps: dict[str, RecordMap]) -> list[str]:
    """Every published field is mapped, used by a named rule, or ignored with a reason; nothing else is read."""
    text = path.read_text(encoding="utf-8").splitlines()
    published = [name for entry in found["format"].get("fields", ()) for name in expand(entry)]
    mapped = {field_of(source, one.each) for one in maps.values() for leaf in one.leaves for source in leaf.sources}
    named = {name: reason for block in ("used", "ignored") for name, reason in found.get(block, {}).items()}
    said = {one: name for name in named for one in expand(name)}
    problems = [(name, f"{name} needs a reason") for name, reason in named.items() if not str(reason).strip()]
    problems += [(said[one], f"{one} is not a published field") for one in said if one not in containers(published)]
    problems += [
        (one, f"{one} is neither mapped nor listed with a reason") for one in published if not covered(one, mapped, said)
    ]
    findings = [f"{path}:{place(text, key)}: {problem}" for key, problem in problems]
    return findings + stray(path, maps, published)


def covered(name: str, mapped: set[str], said: dict[str, str]) -> bool:
    """Whether a field, or the object that holds it, is spoken for."""
    parts = name.split(".")
    return any((head := ".".join(parts[:size])) in mapped or head in said for size in range(1, len(parts) + 1))


def stray(path: Path, maps: dict[str, RecordMap], published: list[str]) -> list[str]:
    """Leaves that read a field which the format does not have."""
    there = containers(published)
    return [
        f"{path.with_name(one.name)}.toml:{leaf.line}: {field_of(source, one.each)} is not a published field of the format"
        for one in maps.values()
        for leaf in one.leaves
        for source in leaf.sources
        if field_of(source, one.each) not in there
    ]


def containers(published: list[str]) -> set[str]:
    """The published fields, and the objects that hold them."""
    return {".".join(name.split(".")[:size]) for name in published for size in range(1, name.count(".") + 2)}


def place(text: list[str], name: str) -> int:
    """The line on which a field is first named."""
    return next((number for number, line in enumerate(text, 1) if f'"{name}"' in line), 1)


def unused_tables(codes_folder: Path, tables: dict[str, Table], maps: dict[str, RecordMap]) -> list[str]:
    """Tables that no leaf asks."""
    asked = {leaf.code for one in maps.values() for leaf in one.leaves}
    return [f"{codes_folder / name}.csv:1: no leaf uses this code table" for name in tables if name not in asked]


def levels(fields: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """The member names of each object of a JSON format, by its path."""
    found: dict[str, set[str]] = {"": set()}
    for name in fields:
        parts = name.split(".")
        for size in range(len(parts)):
            found.setdefault(".".join(parts[:size]), set()).add(parts[size])
    return {path: frozenset(names) for path, names in found.items()}
