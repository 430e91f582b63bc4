"""Lines of the access log that need no more than who asked and what for."""

from __future__ import annotations

from typing import Any

from gateway.audit.entry import Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import entry_id
from gateway.fhir.outcomes import NotAuthenticated
from gateway.store.ledger import Moment

SUPERSEDED = "The token is not valid here, or no longer. Please get a new one."


def check_current(requester: Requester, moment: Moment) -> None:
    """A token that was issued before clients, agencies or policy changed opens nothing. Raises NotAuthenticated.

    Who comes without a token (the operator at the command line) has none to check.
    """
    if requester.token_id and requester.stamp != moment.stamp:
        raise NotAuthenticated(SUPERSEDED)


def line(exchange: str, requester: Requester, moment: Moment, kind: Kind, outcome: int, **more: Any) -> Entry:
    """A line about an agency's dealings with its own data, unless ``custodian`` says otherwise."""
    more = {"custodian": requester.agency, "asked": True, **more}
    return Entry(
        id=entry_id(moment.at),
        recorded=moment.at,
        exchange=exchange,
        outcome=outcome,
        kind=kind,
        requester=requester.agency,
        client=requester.client_id,
        user=requester.user,
        role=requester.role,
        **more,
    )
