"""XML in, as a stream: one record at a time, whatever the size of the file.

A DOCTYPE is refused, and with it every entity that is not XML's own: nothing is ever expanded or fetched. Depth, the
number of parts of a record and the length of a text are bounded. Attributes, comments and namespaces say nothing here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from gateway.fhir.outcomes import Issue
from gateway.mapping.unreadable import Unreadable

Value = Any  # text; or the parts of an element by name, each a list in the order of the file
CHUNK: Final = 1 << 16
XML_BYTES: Final = 4 << 30
DEPTH: Final = 16
PARTS: Final = 20_000  # elements of one record
TEXT: Final = 2_000  # characters of one text; what is longer is cut, and no field of these formats is
UNENDED: Final = 4 << 20  # bytes of one tag, comment or text that has not come to its end
SPACE: Final = b" \t\r\n"


class Found:
    """One collected element: its path, its content, the line it begins on, and whether text stood between its fields."""

    __slots__ = ("line", "path", "stray", "value")

    def __init__(self, path: str, line: int):
        self.path = path
        self.line = line
        self.value: dict[str, list[Value]] = {}
        self.stray: list[str] = []


class Broken(Exception):
    """What makes a file dangerous or unreadable, in words for its sender."""


def read_xml(source: bytes | BinaryIO, roots: Mapping[str, frozenset[str]]) -> Iterator[Found | Issue]:
    """Each collected element in the order of the file; where the file breaks off, one Issue, and no more.

    ``roots`` names the root elements that are read, and the paths below each that are collected. Raises Unreadable,
    before the first element, where nothing can be read.
    """
    found = _elements(io.BytesIO(source) if isinstance(source, bytes) else source, roots)
    first = next(found, None)
    if first is None:
        raise Unreadable(Issue("The file holds no record.", "structure"))
    if isinstance(first, Issue):
        raise Unreadable(first)
    return _from(first, found)


def _from(first: Found | Issue, rest: Iterator[Found | Issue]) -> Iterator[Found | Issue]:
    yield first
    yield from rest


def _elements(source: BinaryIO, roots: Mapping[str, frozenset[str]]) -> Iterator[Found | Issue]:
    """What the collector collects, chunk by chunk."""
    collector = _Collector(roots)
    size = 0
    try:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > XML_BYTES:
                raise Broken(f"The file is longer than {XML_BYTES} bytes: send it in parts.")
            collector.feed(chunk, size)
            yield from collector.taken()
        collector.close()
    except (Broken, expat.ExpatError, ValueError, LookupError) as fault:
        yield from collector.taken()
        text = str(fault) if isinstance(fault, Broken) else "The file is not well-formed XML from here on."
        code = "too-long" if "longer than" in text else "structure"
        yield Issue(text, code, f"line {collector.line}")
        return
    yield from collector.taken()


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, without what stands before the first mark: a byte order mark, space, empty lines."""
    first = source.read(CHUNK)
    if first.startswith(b"\xef\xbb\xbf"):
        first = first[3:]
    first = first.lstrip(SPACE)
    while first:
        yield first
        first = source.read(CHUNK)


class _Collector:
    """An expat parser that keeps the elements that were asked for, and nothing else."""

    def __init__(self, roots: Mapping[str, frozenset[str]]):
        self._roots = roots
        self._paths: frozenset[str] = frozenset()
        self._path: list[str] = []
        self._found: Found | None = None
        self._open: list[dict[str, list[Value]]] = []
        self._text: list[str] = []
        self._length = 0
        self._parts = 0
        self._done: list[Found] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser = parser

    @property
    def line(self) -> int:
        """The line that the parser has come to."""
        return self._parser.CurrentLineNumber

    def feed(self, chunk: bytes, size: int) -> None:
        self._parser.Parse(chunk, False)
        if size - max(self._parser.CurrentByteIndex, 0) > UNENDED:
            raise Broken(f"A tag, comment or text is longer than {UNENDED} bytes.")

    def close(self) -> None:
        self._parser.Parse(b"", True)

    def taken(self) -> list[Found]:
        """What was completed since the last call."""
        done, self._done = self._done, []
        return done

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        if len(self._path) > DEPTH:
            raise Broken(f"The XML is nested more than {DEPTH} levels deep.")
        if len(self._path) == 1:
            self._enter(name)
        if self._found is not None:
            self._begin()
        elif (path := "/".join(self._path[1:])) in self._paths:
            self._found, self._parts = Found(path, self.line), 0
            self._open, self._text, self._length = [self._found.value], [], 0

    def _enter(self, root: str) -> None:
        if root not in self._roots:
            known = ", ".join(sorted(self._roots))
            raise Broken(f"This is not a file of this format: its first element must be {known}.")
        self._paths = self._roots[root]

    def _begin(self) -> None:
        """An element inside of one that is collected."""
        self._note_stray(self._path[-2])
        self._parts += 1
        if self._parts > PARTS:
            raise Broken(f"A record has more than {PARTS} parts.")
        self._open.append({})

    def _end(self, name: str) -> None:
        name = self._path.pop()
        if self._found is None:
            return
        parts = self._open.pop()
        if not self._open:
            self._done.append(self._found)
            self._found = None
            return
        value: Value = parts
        if parts:
            self._note_stray(name)
        else:
            value = "".join(self._text).strip()
        self._text, self._length = [], 0
        self._open[-1].setdefault(name, []).append(value)

    def _note_stray(self, holder: str) -> None:
        """Text that stands between fields is nobody's."""
        if self._found is not None and "".join(self._text).strip():
            self._found.stray.append(holder)
        self._text, self._length = [], 0

    def _characters(self, text: str) -> None:
        if self._found is not None and self._length < TEXT:
            self._text.append(text[: TEXT - self._length])
            self._length += len(text)


def _refuse_doctype(*declared: Any) -> None:
    raise Broken("The file has a DOCTYPE: send it without one.")
