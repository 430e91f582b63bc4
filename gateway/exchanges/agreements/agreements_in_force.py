"""The agreements in force, made of what was published with signatures that verify and, in demo and test, of a folder.

Everybody who compiles them comes here: a process that starts, one that notices that another version is in force, and
whoever publishes or revokes. The same rows give the same version everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.agreement_signatures import Approver, Signatures, unsigned
from gateway.disclosure.agreements import Agreements, Documents, Revoked, compile_agreements, head_of
from gateway.disclosure.purposes import PolicyFault, Purpose
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store import agreements, standing
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.sql import Hold, Row, Write
from gateway.store.vault import Broken, Vault, open_sealed, seal

SHELF = "approver"
REVOKED = "revoked"  # among the signatures of a document: its lines that were revoked, each with who signed that


def compiled(vault: Vault, purposes: Mapping[str, Purpose], stored: list[Rows], folder: Documents = ()) -> Agreements:
    """The agreements of the rows of ``STORED``, and of a folder for organisations that never published.

    Raises PolicyFault that names the document whose signatures do not verify, or the line that cannot be read.
    """
    rows, approvers, sources = sorted(stored[0], key=lambda row: (row[1], row[0])), stored[1], stored[2]
    known = approvers_of(vault, approvers)
    for row in rows:
        _check(row, known)
    governed = {source for (source,) in sources}
    loose = [one for one in folder if head_of(*one).source not in governed]
    return compile_agreements([*((row[2], row[3]) for row in rows), *loose], purposes, revoked_lines(rows))


def approvers_of(vault: Vault, rows: Rows) -> dict[str, Approver]:
    """Approvers by id. A row that is not as it was sealed is nobody's: whoever writes to the database alone makes none."""
    found = (approver_of(vault, row) for row in rows)
    return {approver.id: approver for approver, _ in found if approver is not None}


def approver_of(vault: Vault, row: Row) -> tuple[Approver | None, str]:
    """An approver and their name, from a stored row; None where the row is not as it was sealed."""
    identifier, agency, role, public_key, body, added, ended = row
    try:
        sealed = orjson.loads(open_sealed(vault.shelf(SHELF), bytes(body), identifier))
    except Broken:
        return None, ""
    approver = Approver(identifier, agency, role, public_key, added, ended)
    name = str(sealed.get("name", ""))
    return (approver if sealed == _sealed(approver, name) else None), name


def sealed_body(vault: Vault, approver: Approver, name: str) -> bytes:
    """What is stored of who an approver is: the whole row, sealed."""
    return seal(vault.shelf(SHELF), orjson.dumps(_sealed(approver, name)), approver.id)


def _sealed(approver: Approver, name: str) -> dict[str, object]:
    return {
        "name": name, "agency": approver.agency, "role": approver.role, "public_key": approver.public_key,
        "added": approver.added, "ended": approver.ended,
    }  # fmt: skip


def stated(row: Row) -> dict[str, dict[str, str]]:
    """The signatures of a stored document and those of its revoked lines: ``{"document": {...}, "exception 2": {...}}``."""
    signatures = orjson.loads(row[4])
    return {**signatures.pop(REVOKED, {}), "document": signatures}


def _check(row: Row, approvers: Mapping[str, Approver]) -> None:
    _, source, name, document, _, published, _ = row
    fault = unsigned(source, bytes(document), _bytes_of(stated(row)["document"]), approvers, published)
    if not fault and head_of(name, bytes(document)).source != source:
        fault = f"it is not of {source}"
    if fault:
        raise PolicyFault(f"agreement {name} of {source} is not in force as it stands in the database: {fault}")


def _bytes_of(signatures: Mapping[str, str]) -> Signatures:
    return {approver: bytes.fromhex(signature) for approver, signature in signatures.items()}


def revoked_lines(rows: Rows) -> Revoked:
    """The lines that were revoked of stored documents, by the document's id."""
    return {row[0]: frozenset(stated(row)) - {"document"} for row in rows}


def take_up(ctx: Context, folder: Documents, moment: Moment) -> Story[Agreements]:
    """A process starts to serve: put in force what was published, as this process's purposes and folder complete it."""
    yield Hold(policy=True)
    found = compiled(ctx.vault, ctx.purposes, (yield agreements.STORED), folder)
    yield Write(standing.SET_POLICY, {"policy": found.version})
    entry = line("put_in_force", OPERATOR, moment, Kind.ADMINISTRATION, DONE, detail=(("agreements", found.version),))
    return Outcome(found, (entry,))
