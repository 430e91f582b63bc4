"""That the whole log was checked by the operator, and what came of it: auditors read it on the console."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, FAULT, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.ledger import Moment, Outcome, Story

NAME = "record_check"


@dataclass(frozen=True, slots=True)
class Check:
    """What ``gateway audit verify`` found."""

    ok: bool
    says: str


def record_check(ctx: Context, check: Check, moment: Moment) -> Story[None]:
    """Put the check on record."""
    yield from ()
    outcome = DONE if check.ok else FAULT
    entry = line(NAME, OPERATOR, moment, Kind.ADMINISTRATION, outcome, custodian="", detail=(("result", check.says),))
    return Outcome(None, (entry,))
