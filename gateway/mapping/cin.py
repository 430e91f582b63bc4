"""The DfE children in need census: XML, one element per child, versions by the year of the collection.

The census has no identifiers of episodes and plans: keys are made of dates. It says how things stood on its reference
date, of which every Flag is. Keys: ``child/<id>/cin/<referral>``, below it ``cp-plan/<start>`` and the like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping import dates, people
from gateway.mapping.cin_child import describe
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.threads import Standing, child_id, child_key, own_system
from gateway.mapping.unreadable import Unreadable
from gateway.mapping.values import Unusable, day_of, work_for
from gateway.mapping.xml_reader import Found, read_xml
from gateway.mapping.xml_records import shaped, unknown_paths

ROOTS: Final = {"Message": frozenset({"Header", "Children/Child"})}


@dataclass(frozen=True, slots=True)
class Census:
    """A census file: the version that it is read by, the day it speaks of, and what is wrong with its header."""

    fmt: Format
    versions: tuple[Format, ...]
    standing: Standing
    warnings: tuple[Issue, ...]


def read(versions: tuple[Format, ...], asked: Format | None, source: bytes | BinaryIO, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per child, in the order of the file. ``versions`` oldest first; ``asked`` is the one that was named."""
    found = read_xml(source, ROOTS)
    first = next(found)
    header: Mapping[str, Any] = {}
    if isinstance(first, Found) and first.path == "Header":
        header, first = first.value, next(found, Issue("The file holds no child.", "structure"))
    read_as = census(header, versions, asked, sender)
    if isinstance(first, Issue):
        raise Unreadable(first)
    return children(read_as, chain((first,), found), sender)


def census(header: Mapping[str, Any], versions: tuple[Format, ...], asked: Format | None, sender: Sender) -> Census:
    """What the header says. Raises Unreadable where it names another collection."""
    details, origin = block(header, "CollectionDetails"), block(header, "Source")
    if details.get("Collection", "CIN").upper() != "CIN":
        raise Unreadable(
            Issue("The header names another collection than CIN.", "structure", "Header.CollectionDetails.Collection")
        )
    warnings: list[Issue] = []
    fmt = asked or version_of(details.get("Year", ""), versions, warnings)
    if asked is not None and details.get("Year", asked.version) != asked.version:
        noted(
            warnings,
            "The header names another year than the version that was asked for; the latter was followed.",
            "CollectionDetails.Year",
        )
    if origin.get("LEA") and origin["LEA"] != sender.la_code:
        noted(
            warnings, "The header names another council than the sender: identifiers were read as the sender's own.", "Source.LEA"
        )
    as_of = reference_date(details, sender, warnings)
    return Census(fmt, versions, Standing(as_of), tuple(warnings))


def block(header: Mapping[str, Any], name: str) -> dict[str, str]:
    """The texts of one block of the header."""
    found = next((one for one in header.get(name, ()) if isinstance(one, dict)), {})
    return {key: listed[0] for key, listed in found.items() if listed and isinstance(listed[0], str) and listed[0]}


def noted(warnings: list[Issue], text: str, name: str) -> None:
    """One more thing that is wrong with the header."""
    warnings.append(Issue(text, "business-rule", f"Header.{name}", "warning"))


def version_of(year: str, versions: tuple[Format, ...], warnings: list[Issue]) -> Format:
    """The version of a collection year; the nearest where there is none."""
    named = next((one for one in versions if one.version == year), None)
    if named is not None:
        return named
    nearest = versions[0] if year.isdigit() and year < versions[0].version else versions[-1]
    noted(
        warnings,
        f"The year of the collection is missing or has no map of its own: it was read by {nearest.label}.",
        "CollectionDetails.Year",
    )
    return nearest


def reference_date(details: dict[str, str], sender: Sender, warnings: list[Issue]) -> str:
    """The day of which the census speaks; empty where none can be read, or it lies ahead."""
    try:
        found = dates.full_date(details.get("ReferenceDate", ""))
    except Unusable:
        noted(
            warnings,
            "The reference date is missing or cannot be read: the time of receipt stands in its place.",
            "CollectionDetails.ReferenceDate",
        )
        return ""
    if details.get("Year", found[:4]) != found[:4]:
        noted(warnings, "Year and reference date do not belong together.", "CollectionDetails.ReferenceDate")
    on = day_of(sender.received)
    if on is not None and found > on.isoformat():
        noted(
            warnings,
            "The reference date lies in the future: the time of receipt stands in its place.",
            "CollectionDetails.ReferenceDate",
        )
        return ""
    return found


def children(read_as: Census, found: Iterator[Found | Issue], sender: Sender) -> Iterator[Mapped]:
    """Each child; what is wrong with the header stands with the first, a broken end of the file by itself."""
    number = 0
    for one in found:
        if isinstance(one, Issue):
            fault = Issue(f"{one.text} The children before it were read; nothing after it was.", one.code, one.where)
            yield Mapped(one.where, faults=(fault,), version=read_as.fmt.label)
        elif one.path == "Children/Child":
            number += 1
            mapped = child(read_as, number, one, sender)
            yield mapped if number > 1 else replace(mapped, warnings=(*read_as.warnings, *mapped.warnings))


def child(read_as: Census, number: int, found: Found, sender: Sender) -> Mapped:
    """One child, by the version of the file; by a later one where it has fields that only that one knows."""
    fmt, unknown = read_as.fmt, unknown_paths(found.value, read_as.fmt)
    later = [one for one in read_as.versions if int(one.version) > int(fmt.version)] if unknown else []
    better = next((one for one in later if not unknown_paths(found.value, one)), None)
    work = work_for(sender, f"child {number} (line {found.line})", ".", (better or fmt).label, fmt.lenient, masked=True)
    if better is not None:
        work.warn(f"Fields of {better.label} in a file of {fmt.label}: the child was read by the former.", "", "business-rule")
    record = shaped(found, better or fmt, [] if better else unknown, work)
    identity = record.get("ChildIdentifiers", {})
    name = child_id(identity.get("LAchildID"), "LAchildID", work)
    if name:
        work.person = people.logical({"system": own_system(sender), "value": name})
        describe(better or fmt, record, child_key(name), work, read_as.standing)
    return work.mapped()
