"""Lines of the access log that need no more than who asked and what for."""

from __future__ import annotations

from typing import Any

from gateway.audit.entry import Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import entry_id
from gateway.store.ledger import Moment


def line(exchange: str, requester: Requester, moment: Moment, kind: Kind, outcome: int, **more: Any) -> Entry:
    """A line about an agency's dealings with its own data, unless ``custodian`` says otherwise."""
    more.setdefault("custodian", requester.agency)
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
        asked=True,
        **more,
    )
