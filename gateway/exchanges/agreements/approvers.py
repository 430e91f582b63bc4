"""Who may sign an organisation's agreements: registered, and one day no longer.

The operator registers the first two approvers of an organisation when it joins. Each further one, and each ending, is
signed by an approver of that organisation who is in force: whoever runs the gateway cannot make himself one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.agreement_signatures import (
    NEEDED,
    ROLES,
    Approver,
    Signatures,
    addition_text,
    ending_text,
    unapproved,
)
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.agreements.agreements_in_force import approver_of, approvers_of, sealed_body
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Forbidden, Unprocessable
from gateway.store import agreements
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Write


@dataclass(frozen=True, slots=True)
class NewApprover:
    """Somebody to be registered. ``public_key`` is hexadecimal; ``signatures`` are over ``addition_text``."""

    agency: str
    role: str
    name: str
    public_key: str
    signatures: Signatures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndOfApprover:
    """An approver whose time is over; ``signatures`` are over ``ending_text``."""

    id: str
    signatures: Signatures = field(default_factory=dict)


def public_key_of(pem: bytes) -> str:
    """An Ed25519 public key in PEM form as hexadecimal. Raises ValueError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as fault:
        raise ValueError("not a public key in PEM form") from fault
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")  # noqa: TRY004 - of a file's content, not of a type in code
    return key.public_bytes_raw().hex()


def add_approver(ctx: Context, new: NewApprover, moment: Moment) -> Story[Approver]:
    """Register an approver. Raises Unprocessable, Conflict, or Forbidden where a signature is missing."""
    _check(new, moment)
    yield Hold(policy=True)
    rows = yield agreements.APPROVERS
    if any(row[3] == new.public_key for row in rows):
        raise Conflict("This key is an approver's already, or was: each has a key of their own.")
    known = approvers_of(ctx.vault, rows)
    if sum(row[1] == new.agency for row in rows) >= NEEDED:
        text = addition_text(new.agency, new.role, new.name, new.public_key)
        fault = unapproved(new.agency, text, new.signatures, known, moment.at)
        if fault:
            raise Forbidden(f"{new.agency} has its first approvers: {fault}.")
    made = Approver(new_id(), new.agency, new.role, new.public_key, moment.at)
    row = {
        "id": made.id, "agency": made.agency, "role": made.role, "public_key": made.public_key,
        "body": sealed_body(ctx.vault, made, new.name), "added": made.added, "ended": None,
    }  # fmt: skip
    yield Write(agreements.ADD_APPROVER, row)
    return Outcome(made, (_line("add_approver", moment, made, new.signatures),))


def _check(new: NewApprover, moment: Moment) -> None:
    if new.agency not in moment.feeds:
        raise Unprocessable(f"There is no agency {new.agency}: add it first.")
    if new.role not in ROLES:
        raise Unprocessable(f"The role of an approver is one of {', '.join(ROLES)}.")
    if not new.name.strip() or not new.name.isprintable():
        raise Unprocessable("An approver has a name, on one line.")


def end_approver(ctx: Context, end: EndOfApprover, moment: Moment) -> Story[Approver]:
    """End an approver: from the commit on their signature counts for nothing new. What they signed before stands.

    Raises Unprocessable, Conflict for the last one in force (nobody could sign for the organisation any more), or
    Forbidden where a signature is missing.
    """
    yield Hold(policy=True)
    rows = yield agreements.APPROVERS
    known = approvers_of(ctx.vault, rows)
    approver = known.get(end.id)
    if approver is None or not approver.in_force(moment.at):
        raise Unprocessable(f"There is no approver {end.id} in force.")
    if _in_force(known.values(), approver.agency, moment.at) < 2:
        raise Conflict(f"{end.id} is the last approver of {approver.agency}: register another one first.")
    fault = unapproved(approver.agency, ending_text(end.id), end.signatures, known, moment.at)
    if fault:
        raise Forbidden(f"Approver {end.id} is not ended: {fault}.")
    ended = replace(approver, ended=moment.at)
    _, name = next(approver_of(ctx.vault, row) for row in rows if row[0] == end.id)
    sealed = sealed_body(ctx.vault, ended, name)
    yield Write(agreements.END_APPROVER, {"approver_id": end.id, "ended_at": moment.at, "sealed": sealed})
    return Outcome(ended, (_line("end_approver", moment, ended, end.signatures),))


def _in_force(approvers: Iterable[Approver], agency: str, at: int) -> int:
    return sum(one.agency == agency and one.in_force(at) for one in approvers)


def _line(name: str, moment: Moment, approver: Approver, signatures: Signatures) -> Entry:
    detail = (("approver", approver.id), ("role", approver.role), ("signed-by", " ".join(sorted(signatures))))
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=approver.agency, detail=detail)
