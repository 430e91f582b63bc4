"""The one way in: a file of a native format to mapped FHIR resources.

Pure: the same file, sender and mappings give the same answer. Nothing here is stored, logged or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping import adt, cin, csv_formats, dfe, fhir_in, mhsds, ssd, ssda903
from gateway.mapping.formats import Format, Mappings
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat

Source = bytes | BinaryIO
Reader = Callable[[Format, bytes, Sender], Iterator[Mapped]]
VersionReader = Callable[[tuple[Format, ...], Format | None, Source, Sender], Iterator[Mapped]]
READERS: Final[dict[str, Reader]] = {
    "crosswalk": csv_formats.read_crosswalk,
    "dfe-csc-api": dfe.read,
    "fhir": fhir_in.read,
    "hl7v2-adt": adt.read,
    "relationships": csv_formats.read_relationships,
}
# Those that stream, and find the version in the file.
STREAMED: Final[dict[str, VersionReader]] = {
    "dfe-cin-census": cin.read,
    "dfe-ssda903": ssda903.read,
    "mhsds": mhsds.read,
    "ssd": ssd.read,
}


def formats(mappings: Mappings) -> tuple[str, ...]:
    """The names of the formats that can be read, in alphabetical order."""
    return tuple(sorted({one.name for one in mappings.formats.values()} & (READERS.keys() | STREAMED.keys())))


def read(mappings: Mappings, fmt: str, source: Source, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per native record, in file order; a broken record has faults, and the rest goes on.

    ``fmt`` is a name (its newest version, or the one that the file names) or ``name@version``. An open file is read as
    a stream where the format allows it, so that its size does not matter. Raises UnknownFormat for any other format,
    and Unreadable, before the first record, where nothing of the file can be read. Issues never repeat a value of the file.
    """
    found = find(mappings, fmt)
    if found.name in STREAMED:
        asked = found if "@" in fmt else None
        return STREAMED[found.name](versions(mappings, found.name), asked, source, sender)
    return READERS[found.name](found, source if isinstance(source, bytes) else source.read(), sender)


def versions(mappings: Mappings, name: str) -> tuple[Format, ...]:
    """Every version of a format, oldest first."""
    labelled = {one.label: one for one in mappings.formats.values() if one.name == name}
    return tuple(sorted(labelled.values(), key=lambda one: [int(part) for part in one.version.split(".") if part.isdigit()]))


def find(mappings: Mappings, fmt: str) -> Format:
    """The format of a name or ``name@version``. Raises UnknownFormat, which names those that there are."""
    found = mappings.formats.get(fmt)
    if found is None or found.name not in formats(mappings):
        known = ", ".join(formats(mappings))
        raise UnknownFormat(Issue(f"This format is not known. The formats are: {known}.", "not-supported"))
    return found
