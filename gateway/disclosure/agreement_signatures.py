"""Who may put an agreement in force: signatures of registered approvers over a document's exact bytes (Ed25519, RFC 8032).

Behaviour section 2.3: two approvers of the organisation that shares, one its guardian or data protection officer. Whoever
runs the gateway holds none of their keys. What is signed begins with a line that says what it is, so that no signature
counts for another act.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ROLES = ("guardian", "dpo", "signatory")  # Caldicott guardian, data protection officer, other signatory
ANSWERABLE = frozenset({"guardian", "dpo"})
NEEDED = 2
AGREEMENT = b"think-family-gateway agreement 1\n"
REVOCATION = "think-family-gateway revocation 1"
APPROVER = "think-family-gateway approver 1"
SIGNATURE_BYTES = 64
Signatures = Mapping[str, bytes]  # id of an approver -> signature


@dataclass(frozen=True, slots=True)
class Approver:
    """Who may sign an organisation's agreements. Times are microseconds; ``public_key`` is hexadecimal."""

    id: str
    agency: str
    role: str
    public_key: str
    added: int
    ended: int | None = None

    def in_force(self, at: int) -> bool:
        """Whether a signature of theirs counted at a time."""
        return self.added <= at and (self.ended is None or at < self.ended)


def agreement_text(document: bytes) -> bytes:
    """What is signed to put a document in force."""
    return AGREEMENT + document


def revocation_text(source: str, documents: Iterable[str], line: str = "") -> bytes:
    """What is signed to revoke documents (by their ids), or one line of one: ``exception 2``."""
    return "\n".join([REVOCATION, source, *sorted(documents), line or "all lines", ""]).encode()


def addition_text(agency: str, role: str, name: str, public_key: str) -> bytes:
    """What an approver signs so that another one is registered beside them."""
    return "\n".join([APPROVER, "add", agency, role, name, public_key, ""]).encode()


def ending_text(approver: str) -> bytes:
    """What an approver signs so that one, perhaps themselves, is one no longer."""
    return "\n".join([APPROVER, "end", approver, ""]).encode()


def signature_of(data: bytes) -> bytes:
    """The signature in a file: 64 bytes, raw or base64. Raises ValueError."""
    if len(data) == SIGNATURE_BYTES:
        return data
    try:
        found = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        found = b""
    if len(found) != SIGNATURE_BYTES:
        raise ValueError("not an Ed25519 signature: 64 bytes, raw or base64")
    return found


def unsigned(source: str, document: bytes, signatures: Signatures, approvers: Mapping[str, Approver], at: int) -> str:
    """What is missing, in one plain line, for a document to be in force as of a time; empty where nothing is."""
    fault = _first_fault(source, agreement_text(document), signatures, approvers, at)
    if fault:
        return fault
    signed = {approvers[one].public_key: approvers[one].role for one in signatures}
    if len(signed) < NEEDED:
        return f"{NEEDED} different approvers of {source} have to sign, and {len(signed)} did"
    if not ANSWERABLE & set(signed.values()):
        return f"none of those who signed is guardian or data protection officer of {source}: one of them has to sign"
    return ""


def unapproved(source: str, text: bytes, signatures: Signatures, approvers: Mapping[str, Approver], at: int) -> str:
    """What is missing for an act that needs one approver of the organisation; empty where nothing is."""
    if not signatures:
        return f"an approver of {source} has to sign"
    return _first_fault(source, text, signatures, approvers, at)


def _first_fault(agency: str, text: bytes, signatures: Signatures, approvers: Mapping[str, Approver], at: int) -> str:
    faults = (_fault(agency, text, one, signature, approvers.get(one), at) for one, signature in sorted(signatures.items()))
    return next((fault for fault in faults if fault), "")


def _fault(agency: str, text: bytes, named: str, signature: bytes, approver: Approver | None, at: int) -> str:
    if approver is None:
        return f"there is no approver {named}"
    if approver.agency != agency:
        return f"approver {named} is of {approver.agency}, not of {agency}"
    if not approver.in_force(at):
        return f"approver {named} is not in force"
    return (
        "" if _fits(approver.public_key, signature, text) else f"the signature of approver {named} does not fit what was signed"
    )


def _fits(public_key: str, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True
