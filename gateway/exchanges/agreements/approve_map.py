"""An agency's approver says that what a format does to the agency's records is right: signed, and of exactly these maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.agreement_signatures import Signatures, unapproved
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.agreements.agreements_in_force import approvers_of
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Forbidden, Unprocessable
from gateway.mapping.explain import fingerprint
from gateway.mapping.reading import find
from gateway.store import agreements
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.map_approvals import ADD_APPROVAL, APPROVED
from gateway.store.sql import Hold, Read, Write

TEXT = "think-family-gateway map 1"
NOT_APPROVED: Final = "No approver of your organisation has approved the map {label} as it is: see gateway mappings approve."


@dataclass(frozen=True, slots=True)
class MapApproval:
    """One approver's signature over ``approval_text`` of a format as it is now."""

    agency: str
    format: str
    signatures: Signatures = field(default_factory=dict)


def approval_text(agency: str, label: str, digest: str) -> bytes:
    """What is signed: whose records, which format and version, and the hash of every line of it."""
    return "\n".join([TEXT, agency, label, digest, ""]).encode()


def approval_of(ctx: Context, agency: str, label: str) -> Read:
    """The question whether an approver of an agency has approved a format as it is."""
    return Read(APPROVED, {"agency": agency, "format": label, "hash": fingerprint(ctx.mappings, label)})


def approve_map(ctx: Context, approval: MapApproval, moment: Moment) -> Story[str]:
    """Record an approval; gives the hash that it is of. Raises Unprocessable, Conflict, UnknownFormat, or Forbidden where
    the signature is missing or does not fit."""
    if approval.agency not in moment.feeds:
        raise Unprocessable(f"There is no agency {approval.agency}: add it first.")
    label = find(ctx.mappings, approval.format).label
    digest = fingerprint(ctx.mappings, label)
    yield Hold(policy=True)
    known = approvers_of(ctx.vault, (yield agreements.APPROVERS))
    fault = unapproved(approval.agency, approval_text(approval.agency, label, digest), approval.signatures, known, moment.at)
    if fault:
        raise Forbidden(f"{label} is not approved: {fault}.")
    if (yield approval_of(ctx, approval.agency, label)):
        raise Conflict(f"{label} as it is has been approved already.")
    for who, signature in approval.signatures.items():
        row = {"id": new_id(), "agency": approval.agency, "format": label, "hash": digest}
        yield Write(ADD_APPROVAL, {**row, "approver": who, "signature": signature, "approved": moment.at})
    detail = (("format", label), ("hash", digest), ("signed-by", " ".join(sorted(approval.signatures))))
    entry = line("approve_map", OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=approval.agency, detail=detail)
    return Outcome(digest, (entry,))
