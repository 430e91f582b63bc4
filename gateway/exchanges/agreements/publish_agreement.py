"""An organisation puts an agreement in force, or takes one back.

Widening needs two approvers of the organisation that shares, narrowing one (behaviour section 2.3). In the commit that
changes the table the version in force changes too: whoever still decides by another one refuses from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import orjson

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.agreement_signatures import Signatures, revocation_text, unapproved, unsigned
from gateway.disclosure.agreements import Agreements, Document, Documents, document_id, head_of, labels
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.agreements.agreements_in_force import REVOKED, approvers_of, compiled, stated
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Forbidden, Unprocessable
from gateway.store import agreements, clock, standing
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Hold, Read, Row, Write


@dataclass(frozen=True, slots=True)
class NewAgreement:
    """A document to be put in force. ``folder``: what a demo or test deployment shares by besides."""

    name: str
    document: bytes
    signatures: Signatures
    folder: Documents = ()


@dataclass(frozen=True, slots=True)
class Revocation:
    """All documents of an organisation to be revoked, or one line (``exception 2``) of the one that is in force."""

    source: str
    line: str = ""
    signatures: Signatures = field(default_factory=dict)
    folder: Documents = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What is in force from now on, and the names of the documents that are not any more."""

    source: str
    agreements: Agreements
    ended: tuple[str, ...]


def publish_agreement(ctx: Context, new: NewAgreement, moment: Moment) -> Story[Changed]:
    """Put a document in force. Raises PolicyFault, Unprocessable, Conflict or Forbidden, each saying what is missing."""
    head, identifier = head_of(new.name, new.document), document_id(new.document)
    _check(head, moment)
    yield Hold(policy=True)
    *stored, used = yield (*agreements.STORED, Read(agreements.AGREEMENT, {"id": identifier}))
    _check_new(new.name, used)
    fault = unsigned(head.source, new.document, new.signatures, approvers_of(ctx.vault, stored[1]), moment.at)
    if fault:
        raise Forbidden(f"{new.name} is not published: {fault}.")
    replaced = [row for row in stored[0] if row[1] == head.source and _gives_way(row, head, clock.day(moment.at))]
    row = _row(new, head, identifier, moment)
    kept = [one for one in stored[0] if one not in replaced]
    after = [[*kept, tuple(row.values())], stored[1], [*stored[2], (head.source,)]]
    found = compiled(ctx.vault, ctx.purposes, after, new.folder)
    for old in replaced:
        yield Write(agreements.END_AGREEMENT, {"agreement_id": old[0], "ended_at": moment.at})
    yield Write(agreements.ADD_AGREEMENT, row)
    yield Write(standing.SET_POLICY, {"policy": found.version})
    entry = _line("publish_agreement", moment, head.source, found, new.signatures, ("document", identifier))
    return Outcome(Changed(head.source, found, tuple(old[2] for old in replaced)), (entry,))


def _check(head: Document, moment: Moment) -> None:
    if head.source not in moment.feeds:
        raise Unprocessable(f"{head.name} is not published: its source {head.source} is not a registered agency.")
    if head.valid_until < clock.day(moment.at):
        raise Unprocessable(f"{head.name} is not published: it ran out on {head.valid_until}.")


def _check_new(name: str, used: Rows) -> None:
    """Each document is published once: signatures that were given once bring nothing back that was taken away."""
    if not used:
        return
    if used[0][6] is None:
        raise Conflict(f"{name} is in force already.")
    ended = clock.day(used[0][6])
    raise Conflict(f"{name} was in force until {ended}: state another version in it and have it signed again.")


def _gives_way(row: Row, head: Document, today: date) -> bool:
    """Whether a document in force ends by the new one: their days meet, and the new one has begun.

    A document that begins later replaces nothing now; where it meets one in force it does not compile beside it.
    """
    old = head_of(row[2], bytes(row[3]))
    return head.valid_from <= today and old.valid_from <= head.valid_until and head.valid_from <= old.valid_until


def _row(new: NewAgreement, head: Document, identifier: str, moment: Moment) -> dict[str, object]:
    """A row in the order of the table's columns."""
    return {
        "id": identifier,
        "source": head.source,
        "name": new.name,
        "document": new.document,
        "signatures": _dumped(new.signatures),
        "published": moment.at,
        "ended": None,
    }


def _dumped(signatures: Signatures) -> str:
    return orjson.dumps({approver: signature.hex() for approver, signature in sorted(signatures.items())}).decode()


def revoke_agreement(ctx: Context, revocation: Revocation, moment: Moment) -> Story[Changed]:
    """Revoke an organisation's documents, or one line. Raises Unprocessable, Conflict or Forbidden."""
    yield Hold(policy=True)
    stored = yield agreements.STORED
    rows = documents_of(stored[0], revocation, clock.day(moment.at))
    text = revocation_text(revocation.source, [row[0] for row in rows], revocation.line)
    fault = unapproved(revocation.source, text, revocation.signatures, approvers_of(ctx.vault, stored[1]), moment.at)
    if fault:
        raise Forbidden(f"Nothing is revoked: {fault}.")
    left = [row for row in stored[0] if row not in rows]
    if revocation.line:
        narrowed = _narrowed(rows[0], revocation)
        left = [*left, narrowed]
        yield Write(agreements.SET_SIGNATURES, {"agreement_id": narrowed[0], "stated": narrowed[4]})
    else:
        for row in rows:
            yield Write(agreements.END_AGREEMENT, {"agreement_id": row[0], "ended_at": moment.at})
    found = compiled(ctx.vault, ctx.purposes, [left, *stored[1:]], revocation.folder)
    yield Write(standing.SET_POLICY, {"policy": found.version})
    what = ("revoked", " ".join(row[0] for row in rows)), ("line", revocation.line or "all")
    entry = _line("revoke_agreement", moment, revocation.source, found, revocation.signatures, *what)
    ended = () if revocation.line else tuple(row[2] for row in rows)
    return Outcome(Changed(revocation.source, found, ended), (entry,))


def documents_of(in_force: Rows, revocation: Revocation, today: date) -> Rows:
    """The documents that a revocation is about. Raises Unprocessable, or Conflict for a line that is revoked already."""
    rows = [row for row in in_force if row[1] == revocation.source]
    if revocation.line:
        rows = [row for row in rows if _covers(head_of(row[2], bytes(row[3])), today)]
    if not rows:
        raise Unprocessable(f"No published document of {revocation.source} is in force.")
    if revocation.line and revocation.line not in _labels(rows[0]):
        raise Unprocessable(f"{rows[0][2]} has no line {revocation.line}: its lines are {', '.join(_labels(rows[0]))}.")
    if revocation.line in stated(rows[0]):
        raise Conflict(f"{revocation.line} of {rows[0][2]} is revoked already.")
    return rows


def _covers(head: Document, today: date) -> bool:
    return head.valid_from <= today <= head.valid_until


def _labels(row: Row) -> list[str]:
    return labels(row[2], bytes(row[3]))


def _narrowed(row: Row, revocation: Revocation) -> Row:
    """The document's row with one more line revoked."""
    kept: dict[str, object] = orjson.loads(row[4])
    lines = kept.get(REVOKED, {})
    assert isinstance(lines, Mapping)
    signed = orjson.loads(_dumped(revocation.signatures))
    return (*row[:4], orjson.dumps({**kept, REVOKED: {**lines, revocation.line: signed}}).decode(), *row[5:])


def _line(name: str, moment: Moment, source: str, found: Agreements, signatures: Signatures, *more: tuple[str, str]) -> Entry:
    detail = (*more, ("agreements", found.version), ("signed-by", " ".join(sorted(signatures))))
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=source, detail=detail)
