"""A page with a patient in context: whoever opens it came from their record system (SMART App Launch) with a record open.

A page asks for this by its scope in the table of ``routes``::

    Page("family", "GET", "/family", family.show, PATIENT)

Without such a session a GET leads to ``/launch`` and a form is answered by "nothing was done". In the handler:

- ``visit.launched`` is there: ``.patient`` (``nhs``, ``birth_date``, ``name``, ``gender``: what the record system has,
  verified at the launch), ``.roles``, ``.purposes`` (of the registered client), ``.as_requester(role)``;
- ``visit.requester`` is they in their only role, or without one where they have several; its client is the record
  system's registered client, the same as that of its cards;
- forms carry ``{{ parts.csrf(launched) }}``; it is the secret of this patient's session, so that a form of a page that
  was left open counts for nothing once another patient was opened.

The patient stands in the session alone: never in an address, never in a field that counts. ``paced=True`` in the table
makes a page leave on the beat of 50 ms, answered or refused: for whatever asks about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.exchanges.access.launched import Launched, launched_of
from gateway.exchanges.context import Context
from gateway.store import launches, sessions
from gateway.store.ledger import Feed, Ledger
from gateway.store.vault import Broken

PATIENT = "patient in context"  # the scope of a page for whoever came with a patient open
COOKIE = "launch"


@dataclass(frozen=True, slots=True)
class Resumed:
    """A launch's session as a visit finds it: its keyed token, who is at work, whom to ring."""

    token: bytes
    launched: Launched | None
    feeds: Mapping[str, Feed]


async def resumed(ledger: Ledger, context: Context, idle: int, held: str) -> Resumed | None:
    """The session that a browser shows; None where it shows none. A session that cannot be opened has nobody in it."""
    if not 20 <= len(held) <= 100:
        return None
    token = launches.launch_token(context.vault, held)
    found = await ledger.run(launches.resume_launch, sessions.Shown(token, idle))
    standing, launched = found.session, None
    if standing.row is not None:
        try:
            launched = launched_of(context.vault, standing.row, found.systems, standing.stamp)
        except Broken:
            launched = None
    return Resumed(token, launched, standing.feeds)
