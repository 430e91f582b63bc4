"""What a person wants, as their own organisation has written it down: in plain words, for who works with them there.

Wishes that other agencies hold count in every decision and are told to nobody but those agencies.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.audit.entry import DONE, Kind
from gateway.disclosure import plain
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import names
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.resources import person_token
from gateway.exchanges.records.unsealed import own_row
from gateway.exchanges.wishes.record_wish import person_of
from gateway.fhir import systems
from gateway.store.ledger import Moment, Outcome, Story

NAME = "read_own_wishes"
MOST = 10


class OwnWishes(NamedTuple):
    """Whose wishes are read, by whose staff."""

    requester: Requester
    nhs: str
    request_id: str = ""


class Wish(NamedTuple):
    """One Consent in force: what it says, and when it was written down (microseconds)."""

    sentences: tuple[str, ...]
    recorded: int


def read_own_wishes(ctx: Context, ask: OwnWishes, moment: Moment) -> Story[tuple[Wish, ...]]:
    """The agency's own Consents of a person that are active, the newest first."""
    check_current(ask.requester, moment)
    agency, patient = ask.requester.agency, f"{systems.NHS_NUMBER}|{ask.nhs}"
    entry = line(
        NAME, ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, patient=patient,
        detail=(("resource", "Consent"),),
    )  # fmt: skip
    row = yield from own_row(ctx, agency, person_token(ctx, agency, patient))
    if row is None:
        return Outcome((), (entry,))
    held = sorted(row.of_type("Consent"), key=lambda one: (-one.updated, one.id))
    person, known = person_of(row.patient), names(moment.feeds)
    found = [
        Wish(plain.sentences_of(one.body, agency, one.updated, ctx.wording.wishes, person, known), one.updated)
        for one in held
        if one.body.get("status") == "active"
    ]
    return Outcome(tuple(found[:MOST]), (entry,))
