"""Administration: which clients may ask for cards (CDS Hooks), as whom, for what, from which pages of browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners.guard import Refused, check_url
from gateway.store import standing
from gateway.store.cards import ADD_CARD_CLIENT, REMOVE_CARD_CLIENT
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write

NAME = "register_card_client"
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class CardRegistration:
    """``issuer``: the ``iss`` of its tokens. ``jku``: where its keys are fetched; empty, the registered ones count."""

    client: str
    issuer: str
    purpose: str
    jku: str = ""
    origins: tuple[str, ...] = ()


def register_card_client(ctx: Context, made: CardRegistration, moment: Moment) -> Story[None]:
    """Let a client ask for cards, or change how it does. Raises Unprocessable and Conflict."""
    rows = yield Read(standing.CLIENT, {"id": made.client})
    if not rows:
        raise Unprocessable(f"There is no client {made.client}: add it first.")
    agency = rows[0][1]
    _check(ctx, made, rows[0][4].split())
    yield Write(REMOVE_CARD_CLIENT, {"client_id": made.client})
    row = {"issuer": made.issuer, "client": made.client, "jku": made.jku, "purpose": made.purpose}
    if (yield Write(ADD_CARD_CLIENT, {**row, "origins": " ".join(made.origins)})) != 1:
        raise Conflict("This issuer is registered for another client.")
    detail = (("client", made.client), ("result", "registered"))
    return Outcome(None, (line(NAME, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=agency, detail=detail),))


def _check(ctx: Context, made: CardRegistration, purposes: list[str]) -> None:
    """Raise Unprocessable for what cards cannot be made for, and for addresses that are none."""
    purpose = ctx.purposes.get(made.purpose)
    if purpose is None or purpose.mode != "wish":
        raise Unprocessable("Cards are made for purposes that rest on the person's wish; others need a question of their own.")
    if made.purpose not in purposes:
        raise Unprocessable(f"Client {made.client} is not registered for the purpose {made.purpose}.")
    for origin in made.origins:
        if not ORIGIN.fullmatch(origin):
            raise Unprocessable(f"{origin}: a page's origin is https://host or https://host:port, without a path.")
    try:
        if made.jku:
            check_url(made.jku, loopback_allowed=ctx.loopback_allowed)
    except Refused as refused:
        raise Unprocessable(f"{made.jku}: {refused}") from None
