"""What a lookup puts into the queues: overrides for both sides, conflicts of interest for the asker's own."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from gateway.exchanges.context import Context
from gateway.exchanges.lookup.look_up_log import why
from gateway.exchanges.lookup.lookups import LookupRequest
from gateway.exchanges.outbox.own_notices import OVERRIDE_USED, own_notices, own_subscriptions
from gateway.exchanges.records.dossiers import Known
from gateway.exchanges.reviews import CONFLICT, OVERRIDE, OVERRIDE_ALERT, Matter, opening
from gateway.fhir import systems
from gateway.store import clock
from gateway.store.ledger import Moment
from gateway.store.sql import Write


def override_items(
    ctx: Context, ask: LookupRequest, moment: Moment, people: Iterable[Known], identifier: str
) -> tuple[Write, ...]:
    """An item in the asker's queue, whatever came of it, and one for each agency that holds somebody who was asked about:
    it rings back (behaviour section 2, Override)."""
    mine = opening(ctx, OVERRIDE, ask.requester.agency, _matter(ask, ask.patient, identifier), moment)
    alerts = [
        opening(ctx, OVERRIDE_ALERT, agency, _matter(ask, f"{systems.NHS_NUMBER}|{nhs}" if nhs else "", identifier), moment)
        for agency, nhs in _held(ask, people)
    ]
    return (mine, *alerts)


def override_notices(
    ctx: Context, ask: LookupRequest, moment: Moment, people: Iterable[Known]
) -> Generator[Any, Any, tuple[Write, ...]]:
    """Word to the privacy officer of each agency that holds somebody who was asked about, beside the item in its queue."""
    held = _held(ask, people)
    agencies = list(dict.fromkeys(agency for agency, _ in held))
    if not agencies:
        return ()
    found = yield tuple(own_subscriptions(ctx, agency, moment.at) for agency in agencies)
    happened = clock.instant(moment.at)
    return tuple(
        write
        for agency, rows in zip(agencies, found, strict=True)
        for write in own_notices(ctx, OVERRIDE_USED, happened, rows, moment, [nhs for one, nhs in held if one == agency])
    )


def _held(ask: LookupRequest, people: Iterable[Known]) -> list[tuple[str, str]]:
    """Which agencies hold whom, by NHS number, of those asked about; the asker's own left out."""
    own = ask.requester.agency
    return sorted({(row.agency, one.nhs) for one in people for row in (*one.rows, *one.hidden) if row.agency != own})


def conflict_item(ctx: Context, ask: LookupRequest, moment: Moment, identifier: str) -> Write:
    """Somebody asked about themselves or their family: for the safeguarding lead of their own organisation."""
    return opening(ctx, CONFLICT, ask.requester.agency, _matter(ask, ask.patient, identifier), moment)


def _matter(ask: LookupRequest, patient: str, identifier: str) -> Matter:
    requester = ask.requester
    return Matter(
        requester.agency, requester.user, requester.client_id, requester.role, patient, ask.purpose, ask.case_reference,
        why(ask), identifier,
    )  # fmt: skip
