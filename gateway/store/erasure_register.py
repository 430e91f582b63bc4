"""The copy of the register of erasures that stands beside the keys: what a restored backup would bring back, and must not.

One line for each erasure: the random id of the row, the agency, the time in microseconds. It names nobody, and a backup of
the database does not take it back with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Text, bindparam, select

from gateway.store.sql import Statement
from gateway.store.tables import person

FILE = "erasures"
IS_THERE = Statement(select(person.c.id).where(person.c.id == bindparam("id", type_=Text)))


class Line(NamedTuple):
    """One erasure of the register."""

    row: str
    agency: str
    erased: int


class RegisterFault(Exception):
    """The register cannot be read; the text names the file and the line."""


def read_register(folder: Path) -> list[Line]:
    """The erasures on file, oldest first; none where there is no file. Raises RegisterFault, OSError."""
    path = folder / FILE
    if not path.exists():
        return []
    lines = []
    for place, text in enumerate(path.read_text().splitlines(), 1):
        parts = text.split()
        if len(parts) != 3 or not parts[2].isdigit():
            raise RegisterFault(f"{path}, line {place} is no erasure: restore the file from the backup of the keys")
        lines.append(Line(parts[0], parts[1], int(parts[2])))
    return lines


def write_missing(folder: Path, found: Iterable[Line]) -> int:
    """Append what is not on file yet, durable before it returns; gives how many. Raises RegisterFault, OSError."""
    known = {one.row for one in read_register(folder)}
    missing = [one for one in found if one.row not in known]
    if missing:
        handle = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{one.row} {one.agency} {one.erased}\n" for one in missing))
            file.flush()
            os.fsync(file.fileno())
    return len(missing)
