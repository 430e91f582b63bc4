"""What an agency says of itself: desks, identifier systems, whether it is sensitive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.disclosure.release import desk
from gateway.fhir.codes import CONTACT_KINDS
from gateway.fhir.systems import BASE
from gateway.notification.duty import check_hours
from gateway.store import clock
from gateway.store.ledger import Feed, Moment


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The configuration of an agency, from ``agency.profile``."""

    desks: tuple[dict[str, Any], ...]  # PractitionerRole
    sensitive: bool
    la_code: str
    authorities: dict[str, str]  # HL7 v2 assigning authority -> identifier system
    traced: bool  # its NHS numbers are traced (verified) before they are sent
    local_system: str  # the identifier system of its own record numbers


STATED = {
    "desks": "a list of contacts", "sensitive": "true or false", "la_code": "a text", "authorities": "texts by name",
    "traced": "true or false", "local_system": "a text",
}  # fmt: skip
OF_A_CONTACT = ("kind", "name", "phone", "hours")

_PROFILES: dict[tuple[str, int, str, str], Profile] = {}


def profile(feed: Feed, base: str = BASE) -> Profile:
    """The parsed profile of an agency; parsed once per version. ``base`` is that of codes, for desks that leave."""
    key = (feed.code, feed.version, feed.name, base)
    found = _PROFILES.get(key)
    if found is None:
        found = _PROFILES[key] = parse_profile(feed.code, feed.name, feed.profile, base)
    return found


def parse_profile(code: str, name: str, text: str, base: str = BASE) -> Profile:
    """A profile from its JSON; what is not said is empty, and an agency is not sensitive unless it says so."""
    raw = orjson.loads(text)
    desks = tuple(desk(code, name, one["kind"], one, base) for one in raw.get("desks", ()))
    return Profile(
        desks=desks,
        sensitive=bool(raw.get("sensitive", False)),
        la_code=raw.get("la_code", ""),
        authorities=raw.get("authorities", {}),
        traced=bool(raw.get("traced", False)),
        local_system=raw.get("local_system", ""),
    )


def profile_faults(stated: Any) -> list[str]:
    """What is wrong with a profile, for whoever registers it: a word that is not read could be one that was to protect."""
    if not isinstance(stated, dict):
        return ["it is an object"]
    unknown = [f"unknown setting {name}; known are {', '.join(STATED)}" for name in sorted(stated.keys() - STATED.keys())]
    wrong = [f"{name} is {STATED[name]}" for name, value in stated.items() if name in STATED and not _is_stated(name, value)]
    return unknown + wrong or [fault for one in stated.get("desks", ()) for fault in _contact_faults(one)]


def _is_stated(name: str, value: Any) -> bool:
    if name in ("sensitive", "traced"):
        return isinstance(value, bool)
    if name == "desks":
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if name == "authorities":
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    return isinstance(value, str)


def _contact_faults(contact: Mapping[str, Any]) -> list[str]:
    named = f"the contact {contact.get('name') or contact.get('kind')}"
    unknown = [f"{named}: unknown setting {one}" for one in sorted(contact.keys() - {*OF_A_CONTACT, "available"})]
    wrong = [f"{named}: {one} is a text" for one in OF_A_CONTACT if not isinstance(contact.get(one, ""), str)]
    if not wrong and contact.get("kind") not in CONTACT_KINDS:
        wrong.append(f"{named}: kind is one of {', '.join(sorted(CONTACT_KINDS))}")
    hours = check_hours(contact.get("available", []))
    return [*unknown, *wrong, *([f"the hours of {named}: {hours}"] if hours else [])]


def is_fresh(feed: Feed, at: int) -> bool:
    """Whether the agency's feed has been heard of within its own time."""
    return feed.data_as_of is not None and at - feed.data_as_of <= feed.fresh_hours * clock.HOUR


def case_owner_kind(moment: Moment, agency: str, case_reference: str, case_owner: str) -> str | None:
    """The kind of agency whose case reference an agency names, its own where it names no owner; None without a reference,
    empty for an owner that is not known here."""
    if not case_reference:
        return None
    feed = moment.feeds.get(case_owner or agency)
    return feed.kind if feed else ""


def names(feeds: Mapping[str, Feed]) -> dict[str, str]:
    """The names of agencies by ODS code in capitals, as wishes name them."""
    return {code.upper(): feed.name for code, feed in feeds.items()}
