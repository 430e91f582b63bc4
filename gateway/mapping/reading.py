"""The one way in: bytes of a native format to mapped FHIR resources.

Pure: the same bytes, sender and mappings give the same answer. Nothing here is stored, logged or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.fhir.outcomes import Issue
from gateway.mapping import adt, csv_formats, dfe, fhir_in
from gateway.mapping.formats import Format, Mappings
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat

Reader = Callable[[Format, bytes, Sender], Iterator[Mapped]]
READERS: Final[dict[str, Reader]] = {
    "crosswalk": csv_formats.read_crosswalk,
    "dfe-csc-api": dfe.read,
    "fhir": fhir_in.read,
    "hl7v2-adt": adt.read,
    "relationships": csv_formats.read_relationships,
}


def formats(mappings: Mappings) -> tuple[str, ...]:
    """The names of the formats that can be read, in alphabetical order."""
    return tuple(sorted({one.name for one in mappings.formats.values()} & READERS.keys()))


def read(mappings: Mappings, fmt: str, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per native record, in file order; a broken record has faults, and the rest goes on.

    ``fmt`` is a name (its newest version) or ``name@version``. Raises UnknownFormat for any other, and Unreadable,
    before the first record, where nothing of the file can be read. Issues never repeat a value of the file.
    """
    found = find(mappings, fmt)
    return READERS[found.name](found, data, sender)


def find(mappings: Mappings, fmt: str) -> Format:
    """The format of a name or ``name@version``. Raises UnknownFormat, which names those that there are."""
    found = mappings.formats.get(fmt)
    if found is None or found.name not in READERS:
        known = ", ".join(formats(mappings))
        raise UnknownFormat(Issue(f"This format is not known. The formats are: {known}.", "not-supported"))
    return found
