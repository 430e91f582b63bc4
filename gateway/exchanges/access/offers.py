"""For what a clinician may ask: the purposes that the record system's client, the user's roles and the agreements leave open.

It depends on who asks alone, never on the patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.disclosure.decision import Asked, gate
from gateway.disclosure.purposes import Purpose
from gateway.exchanges.access.launched import Launched
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.lookups import EMERGENCY
from gateway.store import clock
from gateway.store.ledger import Feed


class Offer(NamedTuple):
    """A purpose, and the role in which it is open. ``owners``: whose case it must be, as codes of agencies."""

    purpose: Purpose
    role: str
    owners: tuple[str, ...]

    @property
    def needs_details(self) -> bool:
        """Whether more must be said before anybody is looked at."""
        return bool({"case-reference", "reason", "override"} & self.purpose.needs)


def offers(ctx: Context, launched: Launched, feeds: Mapping[str, Feed], at: int) -> tuple[Offer, ...]:
    """What is open to somebody who came with a patient; what the card was for comes first, then wishes, then duties."""
    feed = feeds.get(launched.agency)
    if feed is None:
        return ()
    found = [
        one
        for code, purpose in ctx.purposes.items()
        if code in launched.purposes and (one := _offer(ctx, launched, feeds, purpose, at))
    ]
    return tuple(sorted(found, key=lambda one: (one.purpose.code != launched.suggested, one.purpose.is_duty)))


def _offer(ctx: Context, launched: Launched, feeds: Mapping[str, Feed], purpose: Purpose, at: int) -> Offer | None:
    kind = feeds[launched.agency].kind
    of_others = bool(purpose.asked_by) and kind not in purpose.asked_by
    owners = tuple(code for code, one in feeds.items() if one.kind == purpose.case_of) if of_others else (launched.agency,)
    for role in launched.roles:
        asked = Asked(launched.as_requester(role), kind, purpose, clock.moment(at))
        owner = feeds[owners[0]].kind if owners else None
        if gate(asked, owner, has_reason=True, has_override=True) is None and _hears(ctx, asked):
            return Offer(purpose, role, owners)
    return None


def _hears(ctx: Context, asked: Asked) -> bool:
    """Whether any agency shares with them for this; in danger to life its owners are told, whatever is agreed."""
    who, purpose = asked.requester, asked.purpose.code
    return purpose == EMERGENCY or bool(ctx.agreements.coverage(who.agency, asked.kind, purpose, who.role, asked.on))
