"""The quota of case lists: how many different people a client may newly put on lists within a day.

Apart from the quota of lookups, for it has another purpose. A lookup is answered at once; being on a list is answered by
nothing, and what a subscription then tells is decided person by person. So a caseload may be loaded in one go, while
nobody can put a whole town on lists and wait. By client and not by user: systems keep lists, and users are what a client
states. A day begins at midnight UTC; whoever was counted on a day costs nothing more on it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.charge import PART
from gateway.fhir.outcomes import TooMany
from gateway.store import clock
from gateway.store.charges import ADD_CHARGE, CHARGES, hour_mark
from gateway.store.ledger import Moment
from gateway.store.sql import Read, Write

OVER_QUOTA = "You have put as many people on lists as you may within a day. Ask your safeguarding lead if a caseload needs more."


def charge_list(ctx: Context, requester: Requester, people: Iterable[str], moment: Moment) -> Generator[Any, Any, None]:
    """Count people by NHS number, all or none of them. Raises TooMany."""
    parts = -(-ctx.list_quota // PART)
    places = -(-ctx.list_quota // parts)
    wanted: dict[bytes, list[bytes]] = {}
    for nhs in people:
        person = ctx.vault.token("listed-person", requester.client_id, nhs)
        wanted.setdefault(_who(ctx, requester, int.from_bytes(person[1:5], "big") % parts, moment.at), []).append(person)
    for who, persons in wanted.items():
        yield from _count(who, persons, places, moment.at)


def _who(ctx: Context, requester: Requester, part: int, at: int) -> bytes:
    """The client within a day and a part of the people. The mark is of the day's last hour: upkeep forgets past hours."""
    return hour_mark(at - at % clock.DAY + clock.DAY - 1) + ctx.vault.token("list-charge", requester.client_id, str(part))


def _count(who: bytes, persons: list[bytes], places: int, at: int) -> Generator[Any, Any, None]:
    taken = {place: person for _, place, person in (yield Read(CHARGES, {"key": who}))}
    counted = set(taken.values())
    for person in persons:
        if person in counted:
            continue
        if len(taken) >= places:
            raise TooMany(OVER_QUOTA, headers={"Retry-After": str((clock.DAY - at % clock.DAY) // clock.SECOND + 1)})
        place = person[0] % places
        while place in taken:
            place = (place + 1) % places
        taken[place] = person
        yield Write(ADD_CHARGE, {"who": who, "place": place, "person": person})
