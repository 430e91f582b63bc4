"""What an agency says of itself: desks, identifier systems, whether it is sensitive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.disclosure.release import desk
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


_PROFILES: dict[tuple[str, int, str], Profile] = {}


def profile(feed: Feed) -> Profile:
    """The parsed profile of an agency; parsed once per version."""
    key = (feed.code, feed.version, feed.name)
    found = _PROFILES.get(key)
    if found is None:
        found = _PROFILES[key] = parse_profile(feed.code, feed.name, feed.profile)
    return found


def parse_profile(code: str, name: str, text: str) -> Profile:
    """A profile from its JSON; what is not said is empty, and an agency is not sensitive unless it says so."""
    raw = orjson.loads(text)
    desks = tuple(desk(code, name, one["kind"], one) for one in raw.get("desks", ()))
    return Profile(
        desks=desks,
        sensitive=bool(raw.get("sensitive", False)),
        la_code=raw.get("la_code", ""),
        authorities=raw.get("authorities", {}),
        traced=bool(raw.get("traced", False)),
        local_system=raw.get("local_system", ""),
    )


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
