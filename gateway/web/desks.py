"""Whom to ring, as pages show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.exchanges.agencies import profile
from gateway.store.ledger import Feed

Desk = dict[str, str]  # name, phone, hours


def desk_of(role: Mapping[str, Any]) -> Desk:
    """A desk (PractitionerRole) as name, number and hours; empty text for what is not said."""
    phone = next((str(one.get("value", "")) for one in role.get("telecom", ())), "")
    name = next((str(one.get("text", "")) for one in role.get("code", ())), "")
    return {"name": name, "phone": phone, "hours": str(role.get("availabilityExceptions", ""))}


def desks_of(roles: Iterable[Mapping[str, Any]]) -> list[Desk]:
    """Those of some desks that have a number."""
    return [one for one in map(desk_of, roles) if one["phone"]]


def duty_numbers(feeds: Mapping[str, Feed]) -> list[tuple[str, list[Desk]]]:
    """Agencies with their desks, for when the gateway cannot answer; an agency marked sensitive is not among them."""
    known = sorted(((feed.name, profile(feed)) for feed in feeds.values()), key=lambda pair: pair[0])
    found = [(name, desks_of(one.desks)) for name, one in known if not one.sensitive]
    return [(name, desks) for name, desks in found if desks]


def desks_at(feeds: Mapping[str, Feed], agency: str) -> list[Desk]:
    """The desks of one agency; none where it is not named."""
    return desks_of(profile(feeds[agency]).desks) if agency in feeds else []
