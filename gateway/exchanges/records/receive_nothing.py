"""A file came in that holds no records: nothing changes, and that it came is on record."""

from __future__ import annotations

from typing import NamedTuple

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.store.ledger import Moment, Outcome, Story

NAME = "receive_nothing"


class EmptyFile(NamedTuple):
    """A file without records, as it was sent. ``fmt`` as the sender named it."""

    requester: Requester
    fmt: str
    request_id: str = ""


def receive_nothing(ctx: Context, file: EmptyFile, moment: Moment) -> Story[None]:
    """One line for the sender, as each record would have one."""
    yield from ()
    check_current(file.requester, moment)
    agency = file.requester.agency
    entry = line(
        NAME, file.requester, moment, Kind.RECEIVED, DONE, request_id=file.request_id, custodian=agency,
        detail=(("format", file.fmt), ("resources", "0")),
    )  # fmt: skip
    return Outcome(None, (entry,))
