"""An export of the whole access log by the operator, on record before a line of it is written."""

from __future__ import annotations

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.ledger import Moment, Outcome, Story


def export_audit(ctx: Context, folder: str, moment: Moment) -> Story[None]:
    """Put the export on record; ``folder`` is where it goes."""
    yield from ()
    entry = line("export_audit", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian="", detail=(("folder", folder),))
    return Outcome(None, (entry,))
