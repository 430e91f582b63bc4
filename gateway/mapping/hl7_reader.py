"""HL7 v2 (2.3 to 2.8, ER7 encoding): messages, segments, fields, as a tolerant reader finds them.

Delimiters come from MSH-1 and MSH-2. Segment ends may be CR, LF or CRLF; MLLP framing bytes and a byte order
mark are dropped; segments that we do not read (Z-segments among them) cost nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping.unreadable import Unreadable, text_of
from gateway.mapping.values import NOTHING

MESSAGE_BYTES: Final = 1_000_000
FILE_BYTES: Final = 100_000_000
MESSAGES: Final = 20_000
SEGMENTS: Final = 5_000
FRAMING = str.maketrans("", "", "\x0b\x1c\ufeff")
CHARSETS: Final = {"8859/1": "latin-1", "8859/15": "iso8859-15", "ASCII": "ascii", "": "utf-8", "UNICODE UTF-8": "utf-8"}
BATCH = ("FHS", "BHS", "BTS", "FTS")
ESCAPE = re.compile(r"\\([^\\]{0,40})\\")

Repetitions = list[list[list[str]]]  # repetition -> component -> subcomponent


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2: field, component, repetition, escape, subcomponent."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    def plain(self, text: str) -> str:
        """The text with its escape sequences resolved; highlighting and unknown sequences are dropped."""
        if self.escape not in text:
            return text
        if self.escape != "\\":
            text = text.replace("\\", "\\E\\").replace(self.escape, "\\")
        return ESCAPE.sub(self.resolved, text)

    def resolved(self, found: re.Match[str]) -> str:
        """What one escape sequence stands for."""
        name = found[1]
        known = {"F": self.field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        if name.startswith("X"):
            return hexadecimal(name[1:])
        return " " if name == ".br" else known.get(name, "")


def hexadecimal(digits: str) -> str:
    """The printable text of a ``\\Xhh..\\`` escape."""
    try:
        return "".join(char for char in bytes.fromhex(digits).decode("utf-8", "replace") if char.isprintable())
    except ValueError:
        return ""


@dataclass(slots=True)
class Segment:
    """One segment; fields are split when they are asked for. Field numbers are those of the standard."""

    name: str
    fields: list[str]
    marks: Delimiters

    def raw(self, number: int) -> str:
        """A field as it was sent, ``""`` where the segment is shorter."""
        return self.fields[number] if number < len(self.fields) else ""

    def text(self, number: int, component: int = 1) -> Any:
        """A component of the first repetition; NOTHING where empty, None for the explicit null ``""``."""
        first = self.raw(number).split(self.marks.repetition, 1)[0]
        if not first:
            return NOTHING
        if first == '""':
            return None
        parts = first.split(self.marks.component)
        part = parts[component - 1] if component <= len(parts) else ""
        value = self.marks.plain(part.split(self.marks.subcomponent, 1)[0]).strip()
        return value or NOTHING

    def repetitions(self, number: int) -> Any:
        """All repetitions of a field; NOTHING where empty, None for the explicit null."""
        raw = self.raw(number)
        if not raw.strip():
            return NOTHING
        return None if raw.strip() == '""' else [self.split(part) for part in raw.split(self.marks.repetition)]

    def split(self, repetition: str) -> list[list[str]]:
        """Components and subcomponents of a repetition, escapes resolved; the null ``""`` reads as empty."""
        marks = self.marks
        return [
            ["" if sub == '""' else marks.plain(sub).strip() for sub in part.split(marks.subcomponent)]
            for part in repetition.split(marks.component)
        ]


@dataclass(slots=True)
class Message:
    """One message: its segments by name, in order. ``problem`` says why it cannot be taken."""

    number: int
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    problem: str = ""

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        found = self.segments.get(name)
        return found[0] if found else None

    def value(self, name: str, number: int, component: int = 1) -> str:
        """A component as text, ``""`` where it says nothing."""
        segment = self.first(name)
        text = segment.text(number, component) if segment else ""
        return text if isinstance(text, str) else ""


def delimiters(header: str) -> Delimiters | None:
    """The delimiters that an MSH segment declares; None where they cannot be told apart."""
    declared = header[4:].split(header[3], 1)[0] if len(header) > 3 else ""
    marks = header[3:4] + (declared + "^~\\&"[len(declared) :] if len(declared) < 4 else declared[:4])
    if len(set(marks)) != 5 or any(mark.isalnum() or mark.isspace() for mark in marks):
        return None
    return Delimiters(*marks)


def read_messages(data: bytes) -> list[Message]:
    """The messages of a file. Raises Unreadable where there is no MSH, or the text cannot be decoded."""
    if len(data) > FILE_BYTES:
        raise Unreadable(Issue(f"The file is longer than {FILE_BYTES} bytes: send it in parts.", "too-long"))
    text = decoded(data).translate(FRAMING)
    blocks: list[list[str]] = []
    for line in text.replace("\n", "\r").split("\r"):
        line = line.lstrip(" \t")
        if line.startswith("MSH"):
            blocks.append([line])
        elif blocks and line.strip() and not line.startswith(BATCH):
            blocks[-1].append(line)
    if not blocks:
        raise Unreadable(Issue("No MSH segment was found: send HL7 v2 messages in ER7 encoding (pipes).", "structure"))
    if len(blocks) > MESSAGES:
        raise Unreadable(Issue(f"More than {MESSAGES} messages in one file: send it in parts.", "too-long"))
    return [message(number, lines) for number, lines in enumerate(blocks, 1)]


def decoded(data: bytes) -> str:
    """The text of the file: UTF-8, or the character set that MSH-18 of the first message names."""
    header = data.split(b"\r", 1)[0].split(b"\n", 1)[0].lstrip(b"\x0b\xef\xbb\xbf ")
    fields = header.split(header[3:4] or b"|")
    named = fields[17].decode("ascii", "replace").split("~")[0].strip().upper() if len(fields) > 17 else ""
    return text_of(data, CHARSETS.get(named, "utf-8"))


def message(number: int, lines: list[str]) -> Message:
    """One message; what makes it unusable stands in ``problem`` and the rest of the file goes on."""
    found = Message(number)
    marks = delimiters(lines[0])
    if marks is None:
        found.problem = "MSH-1 and MSH-2 do not name five different delimiters."
    elif len(lines) > SEGMENTS or sum(map(len, lines)) > MESSAGE_BYTES:
        found.problem = f"The message is longer than {MESSAGE_BYTES} characters or {SEGMENTS} segments."
    else:
        for line in lines:
            add_segment(found, line, marks)
    return found


def add_segment(found: Message, line: str, marks: Delimiters) -> None:
    """Adds a segment; MSH is shifted so that field numbers are those of the standard."""
    fields = line.split(marks.field)
    name = fields[0].strip()
    if name == "MSH":
        fields.insert(1, marks.field)
    found.segments.setdefault(name, []).append(Segment(name, fields, marks))
