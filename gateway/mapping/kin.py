"""NK1: next of kin and associated parties of an HL7 v2 message, as RelatedPersons in both directions."""

from __future__ import annotations

from typing import Final

from gateway.mapping import people, relatives
from gateway.mapping.formats import Format
from gateway.mapping.hl7_reader import Segment
from gateway.mapping.records import Resource, Sourced
from gateway.mapping.values import Work

RELATIVES: Final = 100
RULE: Final = "next-of-kin"
NO_PERSON: Final = frozenset({"E", "F", "I", "S", "EMR"})  # employers, insurers and agencies are nobody's kin
DESCRIBES: Final = ("name", "birthDate", "gender")


def next_of_kin(fmt: Format, segments: list[Segment], patient: Resource, key: str, work: Work) -> None:
    """A RelatedPerson for each NK1 of a person; two NK1 of one relative become one with both roles."""
    if len(segments) > RELATIVES:
        work.fault(f"More than {RELATIVES} NK1 segments.", "NK1", "too-long")
    found: dict[str, Resource] = {}
    for number, segment in enumerate(segments[:RELATIVES], 1):
        if not NO_PERSON.intersection((code(segment, 3), code(segment, 7))):
            place = work.place
            work.place = f"{place}, NK1 segment {number}"
            one_relative(fmt, segment, found, work)
            work.place = place
    for mark, built in found.items():
        emit(built, mark, patient, key, work)


def code(segment: Segment, number: int) -> str:
    """The code of a field, in capitals."""
    found = segment.text(number)
    return found.upper() if isinstance(found, str) else ""


def one_relative(fmt: Format, segment: Segment, found: dict[str, Resource], work: Work) -> None:
    """Reads one NK1 into ``found``, under the key of the relative: identifier, else name and birth date."""
    built = fmt.maps[RULE].run({"NK1": segment}, work)
    roles = [one for one in (built.pop("relationship", None) or []) if one]
    if built.get("identifier"):
        mark = people.person_key(people.local_first(built["identifier"]), work.sender)
    elif built.get("name"):
        name = built["name"][0]
        mark = people.mark(name.get("family", ""), *name.get("given", []), built.get("birthDate") or "")
    else:
        work.warn("The next of kin has neither name nor identifier and was left out.", "NK1-2", "required")
        return
    before = found.setdefault(mark, {"relationship": []})
    before["relationship"] += [one for one in roles if one not in before["relationship"]]
    before.update(built)


def emit(built: Resource, mark: str, patient: Resource, key: str, work: Work) -> None:
    """The relative of our patient; and, where an identifier tells who that is, our patient as theirs."""
    roles = built.pop("relationship")
    period = built.get("period") or {}
    security = built.pop("meta", {}).get("security")
    active = not relatives.ended(period, work)
    first = labels(relatives.related(work.person, roles, active=active, **built), security)
    work.resources.append(Sourced(people.link_key(key, mark), first, rule=RULE))
    others = built.get("identifier")
    if not others or same(others, patient["identifier"]) or not roles:
        return
    theirs = people.logical(people.preferred(others))
    kinship = next((one for one in roles if relatives.role_of(one)), roles[0])
    back = relatives.inverse(kinship, str(patient.get("gender") or ""))
    own = {name: patient.get(name) for name in ("identifier", *DESCRIBES)}
    other = relatives.related(theirs, [back], active=active, period=period, **own)
    work.resources.append(Sourced(people.link_key(mark, key), labels(other, security), rule=RULE))
    relative = {"resourceType": "Patient", **{name: built[name] for name in ("identifier", *DESCRIBES) if built.get(name)}}
    work.resources.append(Sourced(mark, labels(relative, security), rule=RULE))


def labels(resource: Resource, security: list[Resource] | None) -> Resource:
    """The resource with its security labels: a relative who asked for protection is never told to others."""
    if security:
        resource["meta"] = {**resource.get("meta", {}), "security": security}
    return resource


def same(one: list[Resource], other: list[Resource]) -> bool:
    """Whether two lists of identifiers name one person (the patient as their own next of kin)."""
    return bool({(a["system"], a["value"]) for a in one} & {(b["system"], b["value"]) for b in other})
