"""The family of a lookup: people, kinship, parental responsibility and who is known to whom, of what was released alone.

Nothing is inferred and nothing is looked up: whoever no disclosure speaks of is not in it. Two lines are about one person
where they name the same number or the same handle; where they name nobody, each stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.disclosure.release import STATUS_DISPLAY, Disclosure, Resource
from gateway.fhir.codes import CHILDREN, PARENTS
from gateway.fhir.systems import NHS_NUMBER

FEMALE = frozenset({"MTH", "NMTH", "ADOPTM", "STPMTH", "DAU", "DAUC", "STPDAU", "DAUADOPT", "DAUFOST"})
MALE = frozenset({"FTH", "NFTH", "ADOPTF", "STPFTH", "SON", "SONC", "STPSON", "SONADOPT", "SONFOST"})
MOST_TEXT = 160  # characters of one text of an agency


class Released(NamedTuple):
    """One line of an answer: one agency about one person. ``as_of`` is the last record it sent (microseconds)."""

    about: str  # self | children | parents
    organisation: str
    disclosure: Disclosure
    as_of: int | None


class Knowing(NamedTuple):
    """What one service says of one person."""

    service: int  # its place in Family.services
    organisation: str
    status: str  # empty: that it is involved, and no more
    since: str
    details: tuple[str, ...]
    markers: tuple[str, ...]
    as_of: int | None


class Member(NamedTuple):
    """Somebody of the family. ``relation`` is a code of v3-RoleCode; ``responsibility`` yes, no, unknown or not said."""

    about: str
    name: str = ""
    born: str = ""
    expected: str = ""
    relation: str = ""
    symbol: str = "unknown"  # female | male | unknown
    responsibility: str = ""
    lives_with: str = ""
    unconfirmed: bool = False
    known: tuple[Knowing, ...] = ()
    number: str = ""  # NHS number, where it may be told


class Family(NamedTuple):
    """The patient in the middle, parents above, children below; services in the order in which they spoke."""

    patient: Member
    parents: tuple[Member, ...]
    children: tuple[Member, ...]
    services: tuple[str, ...]

    @property
    def people(self) -> tuple[Member, ...]:
        """Everybody, parents first."""
        return (*self.parents, self.patient, *self.children)


def family_of(patient: Member, released: Iterable[Released]) -> Family:
    """The family that these lines tell of. ``patient`` is as the asker's own record has them."""
    lines = list(released)
    services = tuple(dict.fromkeys(one.organisation for one in lines))
    found: dict[str, Member] = {}
    for place, one in enumerate(lines):
        key = "" if one.about == "self" else _mark(one.disclosure) or f"line {place}"
        before = found.get(key) or (patient if one.about == "self" else Member(one.about))
        found[key] = _with(before, one, services.index(one.organisation))
    me = found.pop("", patient)
    parents, children = (tuple(one for one in found.values() if one.about == kind) for kind in ("parents", "children"))
    return Family(me, parents, children, services)


def _mark(disclosure: Disclosure) -> str:
    """What tells one person from another; empty where the disclosure names nobody."""
    if disclosure.related_person is not None:
        for one in disclosure.related_person.get("identifier", ()):
            return f"{one['system']}|{one['value']}"
    for flag in disclosure.flags:
        named = flag["subject"]["identifier"]
        return f"{named['system']}|{named['value']}"
    return ""


def _with(member: Member, one: Released, service: int) -> Member:
    """A person with one more line about them."""
    held = one.disclosure
    status = STATUS_DISPLAY[held.status] if held.status else ""
    texts = [flag["code"].get("text", "") for flag in held.flags if not _is_marker(flag)]
    knowing = Knowing(
        service, plain(one.organisation), status, held.since,
        tuple(dict.fromkeys(text for text in map(plain, texts) if text and text != status)),
        tuple(plain(flag["code"].get("text", "")) for flag in held.flags if _is_marker(flag)), one.as_of,
    )  # fmt: skip
    told = member if held.related_person is None else _named(member, held.related_person)
    return told._replace(known=(*member.known, knowing))


def _is_marker(flag: Resource) -> bool:
    return any(coding.get("system", "").endswith("/marker") for coding in flag["code"].get("coding", ()))


def _named(member: Member, relative: Resource) -> Member:
    """With what a RelatedPerson says of them; what was said first stays."""
    roles = [str(coding.get("code", "")) for one in relative.get("relationship", ()) for coding in one.get("coding", ())]
    relation = member.relation or next((one for one in roles if one in CHILDREN | PARENTS), "")
    given = " ".join(str(text) for name in relative.get("name", ())[:1] for text in name.get("given", ()))
    said = _extensions(relative)
    numbers = [str(one["value"]) for one in relative.get("identifier", ()) if one.get("system") == NHS_NUMBER]
    return member._replace(
        name=member.name or plain(given),
        number=member.number or next(iter(numbers), ""),
        born=member.born or str(relative.get("birthDate", "")),
        expected=member.expected or said.get("expected-birth-date", ""),
        relation=relation,
        symbol="female" if relation in FEMALE else "male" if relation in MALE else member.symbol,
        responsibility=_surer(member.responsibility, said.get("parental-responsibility", "")),
        lives_with=_surer(member.lives_with, said.get("lives-with", "")),
        unconfirmed=member.unconfirmed or said.get("unconfirmed") == "true",
    )


def _surer(before: str, now: str) -> str:
    """Two words on one matter: yes and no against each other are not known."""
    if before in ("", "unknown", now):
        return now or before
    return before if now in ("", "unknown") else "unknown"


def _extensions(relative: Resource) -> dict[str, str]:
    """The plain facts of a RelatedPerson by the names of its extensions."""
    found = {}
    for one in relative.get("extension", ()):
        name = str(one.get("url", "")).rpartition("/")[2]
        inner = {str(part.get("url")): _value(part) for part in one.get("extension", ())}
        found[name] = inner.get("value", "") if inner else _value(one)
    return found


def _value(extension: Resource) -> str:
    stated = next((value for key, value in extension.items() if key.startswith("value")), "")
    return str(stated).lower() if isinstance(stated, bool) else str(stated)


def plain(text: str) -> str:
    """A text of somebody else on one line, without signs that move others about."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(shown.split())[:MOST_TEXT]
