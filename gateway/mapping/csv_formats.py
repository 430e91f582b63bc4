"""The relationship feed and the crosswalk: one row, one record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import people, relatives
from gateway.mapping.csv_reader import Row, read_rows
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Resource, Sender, Sourced
from gateway.mapping.values import Unusable, Work, work_for

RULE: Final = "relationship"
RELATIONSHIP_COLUMNS: Final = frozenset(
    {"source_person_system", "source_person_id", "related_person_system", "related_person_id", "role"}
)
CROSSWALK_COLUMNS: Final = frozenset({"local_system", "local_id", "nhs_number"})


def read_relationships(fmt: Format, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per row of the relationship feed."""
    return each_row(fmt, data, sender, RELATIONSHIP_COLUMNS, relationship)


def read_crosswalk(fmt: Format, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per row of the crosswalk."""
    return each_row(fmt, data, sender, CROSSWALK_COLUMNS, pair)


def each_row(
    fmt: Format, data: bytes, sender: Sender, required: frozenset[str], change: Callable[[Format, Row, Work], None]
) -> Iterator[Mapped]:
    """The rows of a file; the header is checked before the first is asked for."""
    found = read_rows(data, frozenset(fmt.fields), required)
    return (one_row(fmt, line, row, sender, change) for line, row in found)


def one_row(fmt: Format, line: int, row: Row | str, sender: Sender, change: Callable[[Format, Row, Work], None]) -> Mapped:
    """One row, or what is wrong with it."""
    work = work_for(sender, f"line {line}", ", column ", fmt.label)
    if isinstance(row, str):
        work.fault(row, "", "structure")
    else:
        change(fmt, row, work)
    return work.mapped()


def person(fmt: Format, name: str, row: Row, work: Work) -> Resource | None:
    """One person of a row, with the identifier checked; None and a fault where it is not fit."""
    before = len(work.faults)
    found = fmt.maps[name].run(row, work)
    if len(work.faults) > before:
        return None
    first = found["identifier"][0]
    try:
        return people.identifier(first["system"], first["value"], work.sender)
    except Unusable as problem:
        work.unusable(problem, f"{name}_person_id")
        return None


def relationship(fmt: Format, row: Row, work: Work) -> None:
    """Both people, and each as the relative of the other."""
    source, other = person(fmt, "source", row, work), person(fmt, "related", row, work)
    built = fmt.maps["relationship"].run(row, work)
    if source is None or other is None or work.faults:
        return
    if (source["system"], source["value"]) == (other["system"], other["value"]):
        work.fault("Both columns name one person.", "related_person_id", "business-rule")
        return
    if not row.get("role"):
        work.fault("The role is required.", "role", "required")
        return
    emit(source, other, built, work)


def emit(source: Resource, other: Resource, built: Resource, work: Work) -> None:
    """The four resources of a row; two where the role says that there is no relationship."""
    keys = [people.person_key(one, work.sender) for one in (source, other)]
    for key, one in zip(keys, (source, other), strict=True):
        work.resources.append(Sourced(key, {"resourceType": "Patient", "identifier": [one]}, rule=RULE))
    roles = built.pop("relationship", [])
    if not roles:
        return
    extensions = built.pop("extension", [])
    plain, forward, backward = sides(extensions, relatives.role_of(roles[0]), work)
    active = not relatives.ended(built.get("period", {}), work)
    parts = {"active": active, **built}
    there = relatives.related(people.logical(source), roles, identifier=[other], extension=plain + forward, **parts)
    back = relatives.related(
        people.logical(other), [relatives.inverse(roles[0])], identifier=[source], extension=plain + backward, **parts
    )
    work.resources.append(Sourced(people.link_key(keys[0], keys[1]), there, rule=RULE))
    work.resources.append(Sourced(people.link_key(keys[1], keys[0]), back, rule=RULE))


def sides(extensions: list[Resource], role: str, work: Work) -> tuple[list[Resource], list[Resource], list[Resource]]:
    """What both directions carry, and parental responsibility for the one that describes the adult.

    The adult is the related person, save where the role says that the related person is a child of the source.
    Between partners nobody has it over the other: it is left out with a warning.
    """
    url = systems.extension("parental-responsibility", work.base)
    stated: dict[str, Any] = {}
    for one in extensions:
        if one["url"] == url:
            stated.update(one)
    plain = [one for one in extensions if one["url"] != url]
    value = stated.get("valueCode")
    if not value:
        return plain, [], []
    if role in relatives.PARTNERS:
        work.warn("Parental responsibility is over a child: left out between partners.", "parental_responsibility")
        return plain, [], []
    found = [relatives.responsibility(value, stated.get("valueString", ""), work)]
    return (plain, [], found) if role in relatives.CHILD_ROLES else (plain, found, [])


def pair(fmt: Format, row: Row, work: Work) -> None:
    """A local number and the NHS number of one person."""
    patient = fmt.maps["person"].run(row, work)
    status = fmt.maps["number-status"].run(row, work).get("identifier")
    if work.faults:
        return
    local = patient["identifier"][0]
    try:
        checked = people.identifier(local["system"], local["value"], work.sender)
    except Unusable as problem:
        work.unusable(problem, "local_id")
        return
    if checked["system"] == systems.NHS_NUMBER:
        work.fault("The local system is the sender's own, never the NHS number itself.", "local_system", "business-rule")
        return
    number = {"system": systems.NHS_NUMBER, **patient["identifier"][1], "use": "official"}
    number = people.with_status(number, status[0]) if status else number
    found = {"resourceType": "Patient", **patient, "identifier": [{**local, **checked}, number]}
    work.resources.append(Sourced(people.person_key(checked, work.sender), found, rule="person"))
