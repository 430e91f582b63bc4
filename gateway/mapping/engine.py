"""The engine: one line of a record map becomes one closure, compiled once at start.

A leaf reads a value (``from``), may put it through a named transform (``via``) and a code table (``code``), and
writes it to its element (``to``). Absent stays absent; an explicit null is written as null, and removes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gateway.fhir import systems
from gateway.mapping.records import Resource
from gateway.mapping.tables import OUTDATED, Row, Table
from gateway.mapping.transforms import TRANSFORMS
from gateway.mapping.values import NOTHING, Coded, Unusable, Work, is_mask
from gateway.mapping.vocabulary import CONCEPTS, OWN

Source = Any  # a JSON object, a CSV row, or the segments of an HL7 v2 message
Getter = Callable[[Source], Any]
Step = Callable[[Any, Work, str], Any]
Put = Callable[[Resource, Any, Work], None]
Run = Callable[[Source, Resource, Work], None]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One reviewed line of a record map, as it stands in the file."""

    to: str
    sources: tuple[str, ...] = ()
    via: str = ""
    code: str = ""
    const: Any = None
    ref: str = ""
    required: bool = False
    tier: str = ""
    why: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RecordMap:
    """The lines of one file, compiled. ``key`` and ``id`` name the thread and the field that tells one record of it
    from another; ``marker`` says that it makes a marker. ``run`` fills a resource from one source and reports into the work."""

    name: str
    resource: str
    title: str
    each: str
    detail: str
    service: str
    key: str
    id: str
    leaves: tuple[Leaf, ...]
    runs: tuple[Run, ...]
    marker: bool = False

    def run(self, source: Source, work: Work) -> Resource:
        """The elements that the source speaks of, without ``resourceType``."""
        target: Resource = {}
        for run in self.runs:
            run(source, target, work)
        return target


def reference(ref: str, work: Work) -> Resource:
    """The logical reference that a ``ref`` leaf stands for: the sending organisation, or the record's person."""
    return organisation(work.sender.agency) if ref == "sender" else work.person


def organisation(ods: str) -> Resource:
    """A logical reference to an organisation by its ODS code."""
    return {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": ods}}


def compile_leaf(leaf: Leaf, getter: Callable[[str], Getter], tables: dict[str, Table]) -> Run:
    """The closure of a leaf. ``getter`` makes the reading closure of a source path for the format's kind."""
    put = put_at(leaf.to)
    if leaf.ref:
        return lambda source, target, work: put(target, reference(leaf.ref, work), work)
    step = step_of(leaf, tables)
    if not leaf.sources:
        return lambda source, target, work: put(target, step(leaf.const, work, leaf.to), work)
    if leaf.via and TRANSFORMS[leaf.via].many:
        return whole_run(leaf, [getter(path) for path in leaf.sources], step, put)
    return first_run(leaf, [(path, getter(path)) for path in leaf.sources], step, put)


def first_run(leaf: Leaf, getters: list[tuple[str, Getter]], step: Step, put: Put) -> Run:
    """Writes the first source that says something."""

    def run(source: Source, target: Resource, work: Work) -> None:
        before = len(work.faults)
        for name, get in getters:
            value = get(source)
            if value is not NOTHING:
                found = settle(value, step, work, name)
                if found is not NOTHING:
                    put(target, found, work)
                    if found is not None:
                        return
        if leaf.required and len(work.faults) == before:
            work.fault("This field is required.", leaf.sources[0], "required")

    return run


def whole_run(leaf: Leaf, getters: list[Getter], step: Step, put: Put) -> Run:
    """Hands all sources, in the order of the line, to a transform that weighs them together."""

    def run(source: Source, target: Resource, work: Work) -> None:
        values = tuple(get(source) for get in getters)
        if all(value is NOTHING for value in values):
            return
        found = settle(values, step, work, leaf.sources[0])
        if found is not NOTHING:
            put(target, found, work)

    return run


def settle(value: Any, step: Step, work: Work, name: str) -> Any:
    """The value after its transform and table; an explicit null passes; an unusable value is reported."""
    if value is None:
        return None
    work.reading = name
    try:
        return step(value, work, name)
    except Unusable as problem:
        work.unusable(problem, name)
        return NOTHING


def step_of(leaf: Leaf, tables: dict[str, Table]) -> Step:
    """Transform, then table."""
    transform = TRANSFORMS[leaf.via].apply if leaf.via else None
    lookup = code_step(tables[leaf.code], leaf.to.split(".")[0] in CONCEPTS) if leaf.code else None
    if transform is None:
        return lookup or (lambda value, work, name: value)
    if lookup is None:
        return lambda value, work, name: transform(value, work)

    def both(value: Any, work: Work, name: str) -> Any:
        mid = transform(value, work)
        return mid if mid is NOTHING else lookup(mid, work, name)

    return both


def code_step(table: Table, concept: bool) -> Step:
    """A table lookup: a CodeableConcept or a plain code. Unknown: text only, never a coding without a system."""

    def step(value: Any, work: Work, name: str) -> Any:
        coded = value if isinstance(value, Coded) else Coded((code_text(value),), code_text(value))
        for code in coded.codes:
            row = table.find(code, coded.system)
            if row is not None:
                return meant(row, work, name, concept)
        if not coded.text:
            return NOTHING
        if work.masked and is_mask(coded.text):
            work.warn("A placeholder stands here: it was read as nothing.", name)
            return NOTHING
        work.unknown_code(table.name, coded.codes[0] if coded.codes else coded.text, name, kept)
        return {"text": coded.text} if kept else NOTHING

    kept = concept and any(row.target_system and row.target_system not in OWN for row in table.rows)
    return step


def meant(row: Row, work: Work, name: str, concept: bool) -> Any:
    """What a row says: nothing, a concept, or a plain code. A code that the publisher retired is taken with a warning."""
    if row.note.startswith(OUTDATED):
        work.warn(f"This code is outdated:{row.note.removeprefix(OUTDATED)}.", name, "business-rule")
    if not row.target_code:
        return NOTHING
    return row.concept(work.base) if concept else row.target_code


def code_text(value: Any) -> str:
    """A code as text: numbers are tolerated, structures are not."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Unusable("A code is due here, written as text.")
    return str(value).strip()


def put_at(path: str) -> Put:
    """The writing closure of a target path: ``name.0.family``, ``extension.lives-with.valueCode``."""
    parts = path.split(".")
    if parts[0] == "extension" and len(parts) > 1:
        return put_extension(parts[1], parts[2])
    if len(parts) == 1:
        return lambda target, value, work: target.__setitem__(path, value)
    keys: tuple[str | int, ...] = tuple(int(part) if part.isdigit() else part for part in parts)
    return lambda target, value, work: put_deep(target, keys, value)


def put_deep(target: Any, keys: tuple[str | int, ...], value: Any) -> None:
    """Writes below objects and lists that are made on the way."""
    for key, after in pairwise(keys):
        fresh: Any = [] if isinstance(after, int) else {}
        if isinstance(key, int):
            while len(target) <= key:
                target.append(fresh)
            target = target[key]
        else:
            target = target.setdefault(key, fresh)
    last = keys[-1]
    if isinstance(last, int):
        target.append(value)
    else:
        target[last] = value


def put_extension(name: str, element: str) -> Put:
    """Writes one of our extensions, by its canonical under the sender's base."""

    def put(target: Resource, value: Any, work: Work) -> None:
        url = systems.extension(name, work.base)
        target.setdefault("extension", []).append({"url": url, element: value})

    return put


def json_getter(path: str) -> Getter:
    """Reads a dotted path of JSON objects; a null on the way is a null at the end."""
    parts = path.split(".")
    if len(parts) == 1:
        return lambda source: source.get(path, NOTHING)

    def get(source: Source) -> Any:
        for part in parts:
            source = source.get(part, NOTHING) if isinstance(source, dict) else NOTHING
            if source is NOTHING or source is None:
                return source
        return source

    return get


def csv_getter(column: str) -> Getter:
    """Reads a column; an empty cell says nothing."""
    return lambda source: source.get(column) or NOTHING


def told_getter(path: str) -> Getter:
    """Reads a dotted path of a record of text; an empty text says nothing."""
    parts = path.split(".")
    if len(parts) == 1:
        return lambda source: source.get(path) or NOTHING

    def get(source: Source) -> Any:
        for part in parts:
            source = source.get(part) if isinstance(source, dict) else None
        return source or NOTHING

    return get


def hl7_getter(path: str) -> Getter:
    """Reads ``PID-7.1`` as text (``""`` is an explicit null) or ``PID-3`` as its repetitions."""
    segment, _, place = path.partition("-")
    number, _, component = place.partition(".")
    index = int(number)
    if component:
        part = int(component)
        return lambda source: source[segment].text(index, part) if segment in source else NOTHING
    return lambda source: source[segment].repetitions(index) if segment in source else NOTHING


GETTERS: dict[str, Callable[[str], Getter]] = {
    "json": json_getter, "csv": csv_getter, "hl7v2": hl7_getter, "xml": told_getter, "tables": told_getter,
}  # fmt: skip
