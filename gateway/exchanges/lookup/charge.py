"""Quotas: how many different people a user may ask about within an hour, counted before anybody is looked at.

Whether the person is known has no part in it, and a person who is counted in this hour costs nothing more. A limit
above ``PART`` is kept in parts, each a share of the people, so that a lookup reads few rows whatever the limit is; a
part may be full a little before the whole. A place is never given back within its hour, so whoever was once read as
counted is remembered and not read again.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.fhir.outcomes import TooMany
from gateway.store import clock
from gateway.store.charges import ADD_CHARGE, CHARGES, hour_mark
from gateway.store.ledger import Moment, Rows
from gateway.store.sql import Read, Write
from gateway.store.vault import Vault

OVER = "quota-exceeded"
OVER_QUOTA = "You have asked about as many people as you may within an hour. In danger to life ring the duty desk."
PART = 256
REMEMBERED = 65_536  # charges


class Charge(NamedTuple):
    """Who asks, within an hour and a part of the people; about whom; and how many places there are."""

    who: bytes
    person: bytes
    places: int
    known: set[bytes]  # charges that this worker has read as counted
    day: bytes = b""  # who asks about whom on which day, where a day's repeats cost nothing

    @property
    def reads(self) -> tuple[Read, ...]:
        """What is counted of them already; nothing where it is remembered that the person is."""
        if self._mark in self.known:
            return ()
        return tuple(Read(CHARGES, {"key": key}) for key in (self.who, self.day) if key)

    @property
    def _mark(self) -> bytes:
        return self.day or self.who + self.person

    def taken(self, found: list[Rows]) -> tuple[Write, ...] | None:
        """What is to be written so that the person is counted, of what ``reads`` gave; nothing where they are already,
        None over the quota."""
        if not found:
            return ()
        if not self.day:
            return self._taken_this_hour(found)
        if found[1]:
            self._remember()
            return ()
        hourly = self._taken_this_hour(found)
        today = Write(ADD_CHARGE, {"who": self.day, "place": 0, "person": self.person}, once=True)
        return None if hourly is None else (*hourly, today)

    def _taken_this_hour(self, found: list[Rows]) -> tuple[Write, ...] | None:
        counted = {place: person for _, place, person in found[0]}
        if self.person in counted.values():
            if not self.day:  # a day is remembered where its row was read
                self._remember()
            return ()
        if len(counted) >= self.places:
            return None
        place = self.person[0] % self.places
        while place in counted:
            place = (place + 1) % self.places
        return (Write(ADD_CHARGE, {"who": self.who, "place": place, "person": self.person}, once=True),)

    def _remember(self) -> None:
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        self.known.add(self._mark)


def charge_for(ctx: Context, requester: Requester, person: str, moment: Moment, *, by_day: bool = False) -> Charge:
    """The charge for asking about somebody, by NHS number or by whatever else was given of them. ``by_day``: whoever was
    charged for today, in any hour, costs nothing more today."""
    token = ctx.vault.token("charged-person", requester.client_id, requester.user, person)
    parts = -(-ctx.quota // PART)
    part = int.from_bytes(token[1:5], "big") % parts
    who = _who(ctx.vault, requester.client_id, requester.user, part)
    day = _day(ctx.vault, requester, person, moment.at) if by_day else b""
    return Charge(hour_mark(moment.at) + who, token, -(-ctx.quota // parts), ctx.counted, day)


def _day(vault: Vault, requester: Requester, person: str, at: int) -> bytes:
    """The key of a day's row: it begins with the day's last hour, so that it is swept when the day is over."""
    last = at - at % clock.DAY + clock.DAY - clock.HOUR
    return hour_mark(last) + vault.token("charge-day", requester.client_id, requester.user, person)


@lru_cache(maxsize=4096)
def _who(vault: Vault, client: str, user: str, part: int) -> bytes:
    return vault.token("charge", client, user, str(part))


def charge_now(ctx: Context, requester: Requester, person: str, moment: Moment) -> Generator[Any, Any, None]:
    """Count a person, in an exchange of its own. Raises TooMany."""
    charge = charge_for(ctx, requester, person, moment)
    writes = charge.taken((yield charge.reads) if charge.reads else [])
    if writes is None:
        raise TooMany(OVER_QUOTA, headers=retry_after(moment.at))
    for write in writes:  # noqa: UP028 - a tuple takes no answers
        yield write


def retry_after(at: int) -> dict[str, str]:
    """When to ask again: at the full hour."""
    return {"Retry-After": str(-((at % clock.HOUR - clock.HOUR) // clock.SECOND))}
