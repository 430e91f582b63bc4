"""What is brought to other agencies about a person, beside a lookup: on which grounds, through which gates, to whom.

Whoever brings it hears the same whether anybody holds the person or not; what is on record shows each holder its own line.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.charge import charge_now
from gateway.exchanges.lookup.look_up_status import LookupRequest, check_gate
from gateway.store import people
from gateway.store.ledger import Moment
from gateway.store.sql import Read


class Grounds(NamedTuple):
    """For what, by which case, why."""

    purpose: str
    case_reference: str = ""  # system|value
    case_owner: str = ""  # ODS code of the agency whose case it is
    reason: str = ""


NONE = Grounds("")  # no gate opens on them


def check_grounds(ctx: Context, requester: Requester, nhs: str, birth_date: str, grounds: Grounds, moment: Moment) -> None:
    """The gates of a lookup of this person. Raises Forbidden, by the request alone."""
    lookup = LookupRequest(
        requester, nhs, birth_date, verified=True, purpose=grounds.purpose, case_reference=grounds.case_reference,
        case_owner=grounds.case_owner, reason=grounds.reason,
    )  # fmt: skip
    check_gate(ctx, lookup, moment)


def reach(
    ctx: Context, requester: Requester, nhs: str, birth_date: str, grounds: Grounds, moment: Moment
) -> Generator[Any, Any, list[str]]:
    """The agencies that hold the person, but for the requester's own, once it is charged and through the gates: whatever keeps
    their records back is theirs to judge. Raises TooMany and Forbidden, by the request alone."""
    yield from charge_now(ctx, requester, nhs or birth_date, moment)
    check_grounds(ctx, requester, nhs, birth_date, grounds, moment)
    if not nhs:
        return []
    token = ctx.vault.nhs_token(nhs)
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": token}, (token,))))
    return sorted({row.agency for row in rows} - {requester.agency})


def entries(
    ctx: Context, name: str, requester: Requester, moment: Moment, grounds: Grounds, holders: Iterable[str], **told: Any
) -> tuple[Entry, ...]:
    """One line for who brings it, whatever comes of it, and one for each agency that it is brought to."""
    told |= {"purpose": grounds.purpose, "case_reference": grounds.case_reference, "policy": ctx.agreements.version}
    mine = line(name, requester, moment, Kind.NEGATIVE, DONE, custodian="", **told)
    return (mine, *(line(name, requester, moment, Kind.NEGATIVE, DONE, custodian=one, asked=False, **told) for one in holders))
