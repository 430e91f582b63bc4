"""What a transform works with: the absent value, the unusable value, and the working state of one record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from gateway.fhir.outcomes import Issue
from gateway.fhir.systems import BASE
from gateway.mapping.records import Mapped, Resource, Sender, Sourced, Unmatched

NOTHING: Final[Any] = object()
"""The source says nothing: the target is left as it is. ``None`` is an explicit null, and removes."""

TEXT_KEPT = 100  # characters of a code that its table does not know


class Unusable(ValueError):
    """A value that a transform cannot read. The text says what to send, and never repeats the value."""


class Refused(Unusable):
    """A value that is dangerous to leave out: it refuses the record in every format."""


class LeftOut(Unusable):
    """A value that is of no use and does no harm: it is left out with a warning in every format."""


class Coded(NamedTuple):
    """A code with its alternates, best first, the sender's own words for it, and the list it is from."""

    codes: tuple[str, ...]
    text: str
    system: str = ""


@dataclass(slots=True)
class Work:
    """The state of one record while it is mapped: who sent it, where we are in it, what was found.

    ``where`` is the place of the record; ``place`` moves inside it, and with ``joint`` makes the place of an issue: ``child 3 (index 2)`` + ``.`` + a field.
    ``person`` is the logical
    reference of whom the record is about. ``lenient`` leaves out an unreadable value with a warning, where the other formats refuse the record;
    ``lost`` counts those. ``masked`` knows placeholders such as ``UNKNOWN``. ``reading`` is the field that is being read.
    """

    sender: Sender
    where: str
    place: str
    joint: str
    version: str = ""
    lenient: bool = False
    masked: bool = False
    lost: int = 0
    reading: str = ""
    on: date | None = None
    base: str = BASE
    person: Resource = field(default_factory=dict)
    warnings: list[Issue] = field(default_factory=list)
    faults: list[Issue] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    resources: list[Sourced] = field(default_factory=list)

    def at(self, name: str) -> str:
        """The place of a field in the file, as people find it."""
        return f"{self.place}{self.joint}{name}" if name else self.place

    def warn(self, text: str, name: str = "", code: str = "value") -> None:
        """The record is taken; the sender should know."""
        self.warnings.append(Issue(text, code, self.at(name), "warning"))

    def fault(self, text: str, name: str = "", code: str = "value") -> None:
        """The record is refused whole."""
        self.faults.append(Issue(text, code, self.at(name)))

    def unusable(self, problem: Unusable, name: str) -> None:
        """An unreadable value: refuses the record, or is left out where the format is lenient."""
        if isinstance(problem, LeftOut):
            self.warn(str(problem), name)
        elif self.lenient and not isinstance(problem, Refused):
            self.lost += 1
            self.warn(f"{problem} The value was left out.", name)
        else:
            self.fault(f"{problem} The record was refused.", name)

    def unknown_code(self, table: str, code: str, name: str, kept: bool = True) -> None:
        """A code outside of its table goes on the review list; its text stays out of the issue."""
        became = "it stands as text only" if kept else "it was left out"
        self.unmatched.append(Unmatched(table, code[:TEXT_KEPT], self.at(name)))
        self.warn(f"The code is not in table {table}: {became}, and is on the review list.", name, "code-invalid")

    def mapped(self) -> Mapped:
        """The outcome; a record with a fault has no resources, so that nothing is half applied."""
        resources = () if self.faults else tuple(self.resources)
        return Mapped(self.where, resources, tuple(self.warnings), tuple(self.faults), tuple(self.unmatched), self.version)


def work_for(sender: Sender, place: str, joint: str, version: str, lenient: bool = False, *, masked: bool = False) -> Work:
    """The working state of a new record."""
    on, base = day_of(sender.received), sender.base or BASE
    return Work(sender, place, place, joint, version, lenient, masked, on=on, base=base)


MASKS: Final = frozenset(
    {
        "unknown",
        "not known",
        "notknown",
        "n/k",
        "nk",
        "n/a",
        "na",
        "null",
        "none",
        "nil",
        "tbc",
        "-",
        "--",
        ".",
        "?",
        "*",
        "ssd_ph",
        "ssd_sui",
        "placeholder",
        "placeholder_data",
    }
)


def is_mask(text: str) -> bool:
    """Whether a placeholder stands where a value should: ``xx``, ``UNKNOWN``, ``N/K`` and the like."""
    word = text.strip().casefold()
    return word in MASKS or (len(word) > 1 and not word.strip("x"))


def day_of(text: str) -> date | None:
    """The day of a FHIR instant or date; None where there is none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
