"""What comes out of a mapping: sourced FHIR resources, and what could not be mapped.

A *sourced* resource carries the key of the record it came from, so that the next message about the same
plan, stay or relationship changes it instead of adding another. Applying it is the work of one exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.fhir.outcomes import Issue

Resource = dict[str, Any]


class Op(StrEnum):
    """How a sourced resource is applied to what is stored under the same key."""

    MERGE = "merge"  # fields present replace, fields absent stay, an explicit null removes (partial update)
    CONTINUE = "continue"  # as MERGE, but of what kind it is stands as stored (a later message about the same stay)
    TURN = "turn"  # as CONTINUE, where what is sent also begins, ends or reopens it
    AMEND = "amend"  # as CONTINUE, where something stands under the key; else nothing
    END = "end"  # as AMEND, where it has not ended; what has ended keeps its end
    REOPEN = "reopen"  # as AMEND, where it ended with what it is part of: that end is taken away
    REPLACE = "replace"  # the whole resource
    RETRACT = "retract"  # recorded in error: purge, cancelled admission; kept as entered-in-error
    CANCEL = "cancel"  # as RETRACT, and kept where nothing stands yet: what was recorded before it makes nothing after it
    PURGE_PERSON = "purge-person"  # everything this sender holds of the person
    MERGE_PERSON = "merge-person"  # resource is the surviving Patient; `link` names the losing identifier


@dataclass(frozen=True, slots=True)
class Sourced:
    """One FHIR resource (R4, JSON) as the sender's record describes it.

    ``key`` is unique per sender and resource type, stable over repeated sends, and never leaves the gateway.
    People are logical references: ``{"type": "Patient", "identifier": {"system", "value"}}``.
    """

    key: str
    resource: Resource
    op: Op = Op.MERGE
    rule: str = ""  # the record map that made it


@dataclass(frozen=True, slots=True)
class Origin:
    """From what a resource was made: kept with it, sealed, and told to its owner alone."""

    file: str  # SHA-256 of the file or message, hexadecimal
    mappings: str  # version of all mappings
    map: str = ""  # format@version
    rule: str = ""  # the record map within the format
    place: str = ""  # the record within the file, as the sender counts


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A code that its table does not know: kept as text, counted, and put on the review list."""

    table: str
    code: str
    where: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """One native record, mapped. ``faults`` not empty means that the record is refused whole."""

    where: str  # place in the file: "child 3", "line 12", "message 1"
    resources: tuple[Sourced, ...] = ()
    warnings: tuple[Issue, ...] = ()
    faults: tuple[Issue, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    version: str = ""  # format@version


@dataclass(frozen=True, slots=True)
class Sender:
    """What the mapping must know of who sent: configuration of the agency, never guessed from the record."""

    agency: str  # ODS code
    la_code: str = ""  # three-digit DfE code of a council
    authorities: dict[str, str] = field(default_factory=dict)  # HL7 v2 assigning authority -> identifier system
    base: str = ""  # canonical base of our own codes; empty: the published default
    received: str = ""  # FHIR instant of receipt, the as-of time where the record states none
