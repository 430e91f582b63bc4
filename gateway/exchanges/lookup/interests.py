"""Whom a user must not ask about: themselves and their family, as their agency has registered it.

Who asks about them gets the ordinary negative (behaviour section 2.7), and the queue of their organisation an item. The
list is sealed; the gateway finds it by a keyed token of agency and user, and reads it with a lookup's first read. That a
user has no list is remembered under the version of their agency, which every new list raises.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.reviews import NEEDS_USER
from gateway.fhir.outcomes import Forbidden
from gateway.store import reviews, standing
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Read, Write
from gateway.store.vault import Vault, open_sealed, seal

REMEMBERED = 65_536  # users
OF_YOUR_OWN = "This is about you or your family, as your organisation has registered it: somebody else there does this."
ANOTHER = "Nobody registers their own interests: somebody else of the organisation does."


@dataclass(frozen=True, slots=True)
class Interests:
    """The people that a user of the requester's own agency must not ask about, in place of what was registered."""

    requester: Requester
    user: str
    people: tuple[str, ...]  # NHS numbers
    request_id: str = ""


def interests_read(ctx: Context, requester: Requester, moment: Moment) -> tuple[Read, ...]:
    """What a lookup reads beside its person; nothing for software without a user, and where it is known that there is none."""
    if not requester.user or _mark(requester, moment) in ctx.without_interests:
        return ()
    return (Read(reviews.INTERESTS, {"key": _row(ctx.vault, requester.agency, requester.user)}),)


def _mark(requester: Requester, moment: Moment) -> tuple[str, str, int]:
    """A user under the version of their agency."""
    return requester.agency, requester.user, moment.feeds[requester.agency].version


@lru_cache(maxsize=4096)
def _row(vault: Vault, agency: str, user: str) -> str:
    return vault.token("interest", agency, user).hex()


def avoided(ctx: Context, requester: Requester, moment: Moment, found: list[Rows]) -> frozenset[str]:
    """NHS numbers of those whom the user must not ask about, of what ``interests_read`` gave. Raises Broken."""
    sealed = [row for rows in found for row in rows]
    if found and not sealed:
        if len(ctx.without_interests) >= REMEMBERED:
            ctx.without_interests.clear()
        ctx.without_interests.add(_mark(requester, moment))
    return frozenset(orjson.loads(open_sealed(ctx.vault.shelf("review"), sealed[0][1], sealed[0][0]))) if sealed else frozenset()


def check_not_of_their_own(ctx: Context, requester: Requester, person: str, moment: Moment) -> Generator[Any, Any, None]:
    """Nobody works on what their organisation holds of themselves or their family. Raises Forbidden, by the request alone."""
    reads = interests_read(ctx, requester, moment)
    found = (yield reads) if reads else []
    if person.rpartition("|")[2] in avoided(ctx, requester, moment, found):
        raise Forbidden(OF_YOUR_OWN)


def record_interests(ctx: Context, ask: Interests, moment: Moment) -> Story[None]:
    """Register them; holds for every lookup from its acknowledgement on. Raises Forbidden."""
    check_current(ask.requester, moment)
    agency = ask.requester.agency
    if not ask.requester.user:
        raise Forbidden(NEEDS_USER)
    if ask.user == ask.requester.user:
        raise Forbidden(ANOTHER)
    identifier = _row(ctx.vault, agency, ask.user)
    sealed = seal(ctx.vault.shelf("review"), orjson.dumps(sorted(set(ask.people))), identifier)
    times = dict.fromkeys(("opened", "due", "closed"), moment.at)
    yield Write(reviews.ADD_REVIEW, {"id": identifier, "kind": reviews.INTEREST, "agency": agency, "body": sealed, **times})
    yield Write(reviews.SET_INTERESTS, {"review_id": identifier, "sealed": sealed, "at": moment.at})
    yield Write(standing.RAISE_VERSION, {"agency_code": agency})
    entry = line(
        "record_interests", ask.requester, moment, Kind.ADMINISTRATION, DONE, request_id=ask.request_id,
        detail=(("agent", ask.user), ("people", str(len(set(ask.people))))),
    )  # fmt: skip
    return Outcome(None, (entry,))
