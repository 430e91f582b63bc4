"""HL7 v2 data types to FHIR: CX, XPN, CWE/CE, XCN, PL, times and indicators (UK use of PID, NK1, PV1)."""

from __future__ import annotations

from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import dates, people
from gateway.mapping.hl7_reader import Repetitions
from gateway.mapping.records import Resource, Sender
from gateway.mapping.values import NOTHING, Coded, Refused, Unusable, Work

NHS_AUTHORITIES: Final = frozenset({"NHS", "NHSNO", "2.16.840.1.113883.2.1.4.1", systems.NHS_NUMBER})
LOCAL_TYPES: Final = frozenset({"", "MR", "MRN", "PI", "PT", "PN"})
LOCAL_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
REPETITIONS: Final = 50
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def part(components: list[list[str]], number: int, sub: int = 1) -> str:
    """A component by the standard's number, ``""`` where there is none."""
    found = components[number - 1] if number <= len(components) else []
    return found[sub - 1] if sub <= len(found) else ""


def date(value: Any, work: Work) -> Any:
    """A date as exact as it was sent, never in the future."""
    found = dates.hl7_date(value)
    if work.on is not None and found > work.on.isoformat()[: len(found)]:
        raise Unusable("The date of birth or death lies in the future.")
    return found


def day(value: Any, work: Work) -> Any:
    """The day of a time; a month or year alone is no day."""
    found = dates.hl7_date(value)
    if len(found) < 10:
        raise Unusable("A full date is due here.")
    return found


def identifiers(value: Repetitions, work: Work) -> Any:
    """The identifiers whose kind we know, each once; NHS numbers are checked."""
    found = [one for one in (usable(cx, work) for cx in value[:REPETITIONS]) if one is not None]
    unique = {(one["system"], one["value"]): one for one in found}
    return list(unique.values()) or NOTHING


def usable(cx: list[list[str]], work: Work) -> Resource | None:
    """The identifier of a CX; one that breaks the rule of its kind is left out with a warning, an NHS number refuses."""
    try:
        return identifier(cx, work.sender)
    except Refused:
        raise
    except Unusable as problem:
        work.warn(f"{problem} It was left out.", "identifier")
        return None


def identifier(cx: list[list[str]], sender: Sender) -> Resource | None:
    """One CX by its authority (CX-4) and type (CX-5); None where it is of a kind that we do not keep."""
    value, kind = part(cx, 1), part(cx, 5).upper()
    if not value:
        return None
    system = system_of([part(cx, 4, sub) for sub in (1, 2)], kind, sender)
    return None if system is None else people.identifier(system, value, sender)


def system_of(authority: list[str], kind: str, sender: Sender) -> str | None:
    """The identifier system: configuration first, then the NHS number, then a local number; else None."""
    named = next((sender.authorities[name] for name in authority if name and name in sender.authorities), None)
    if named:
        return named
    if kind == "NH" or NHS_AUTHORITIES.intersection(authority):
        return systems.NHS_NUMBER
    if kind not in LOCAL_TYPES:
        return None
    name = "".join(char for char in next((text for text in authority if text), "") if char in LOCAL_CHARACTERS)
    return systems.local_id(sender.agency, name[:40] or "mrn")


def names(value: Repetitions, work: Work) -> Any:
    """One HumanName: the legal name where one is marked, else the first. Prefixes and suffixes are not kept."""
    legal = [xpn for xpn in value[:REPETITIONS] if part(xpn, 7).upper() == "L"]
    xpn = (legal or value)[0]
    given = [text for text in (part(xpn, 2), part(xpn, 3)) if text]
    name: Resource = {"family": part(xpn, 1)} if part(xpn, 1) else {}
    if given:
        name["given"] = given
    return [name] if name else NOTHING


def coded(value: Repetitions, work: Work) -> Any:
    """A code, its alternate, and the words: the alternate counts only where the code itself is unknown."""
    cwe = value[0]
    codes = tuple(code for code in (part(cwe, 1), part(cwe, 4)) if code)
    text = part(cwe, 9) or part(cwe, 2) or part(cwe, 5) or (codes[0] if codes else "")
    return Coded(codes, text) if codes or text else NOTHING


def clinician(value: Repetitions, work: Work) -> Any:
    """The first clinician by display name, with the staff number as the sender's own."""
    xcn = value[0]
    words = [part(xcn, 6), part(xcn, 3), part(xcn, 2)]
    found: Resource = {"type": "Practitioner"}
    if part(xcn, 1):
        found["identifier"] = {"system": systems.local_id(work.sender.agency, "staff"), "value": part(xcn, 1)[:64]}
    if any(words):
        found["display"] = " ".join(word for word in words if word)[:200]
    return found if len(found) > 1 else NOTHING


def ward(value: Repetitions, work: Work) -> Any:
    """The point of care (PL-1), or its description (PL-9); room and bed are not kept."""
    return part(value[0], 1) or part(value[0], 9) or NOTHING


def protected(value: Any, work: Work) -> Any:
    """The restriction of a patient whose protection indicator is set."""
    return "protected" if str(value).strip().upper() in ("Y", "YES", "1", "TRUE") else NOTHING


def confidentiality(value: Any, work: Work) -> Any:
    """The security label of a relative whose protection indicator is set."""
    if protected(value, work) is NOTHING:
        return NOTHING
    return [{"system": CONFIDENTIALITY, "code": "R", "display": "restricted"}]


def access_restriction(values: tuple[Any, ...], work: Work) -> Any:
    """ARV-3 other than NO, unless ARV-2 deletes it: machines set a protection and never lift it."""
    action, restriction = (str(value).strip().upper() if isinstance(value, str) else "" for value in values)
    if action == "D":
        work.warn("An access restriction was deleted: the protection stays until people lift it.", "ARV-2", "business-rule")
        return NOTHING
    return NOTHING if restriction in ("", "NO") else "protected"
