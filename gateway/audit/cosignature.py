"""What another agency says of a signed head: C2SP tlog-cosignature, ``cosignature/v1``.

"At this time, the largest tree that I have seen of this log has this root, and it only added to every tree that I saw
before." The time is seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import COSIGNATURE, BadCheckpoint, Key, cosigned_text, open_note, parts, signature_line


class Cosignature(NamedTuple):
    """A witness's word that held: whose, of when, and the line as it stands below the note."""

    name: str
    at: int  # seconds
    line: str


def cosign(note: str, name: str, private_key: Ed25519PrivateKey, at: int) -> str:
    """A witness's signature line for a checkpoint. Whoever calls this has checked signature and consistency."""
    time = at.to_bytes(8, "big")
    signature = private_key.sign(cosigned_text(parts(note)[0], time).encode())
    return signature_line(Key.of(name, private_key, COSIGNATURE), time + signature)


def cosignatures(note: str, keys: Iterable[Key]) -> tuple[Cosignature, ...]:
    """The cosignatures of known witnesses below a note; others are passed over. BadCheckpoint where a known one fails."""
    known = {(key.name, key.id): key for key in keys if key.type == COSIGNATURE}
    _, given = parts(note)
    found = []
    for one in given:
        key = known.get((one.name, one.key_id))
        if key is not None:
            line = signature_line(key, one.signature)
            open_note(f"{parts(note)[0]}\n{line}", [key])
            found.append(Cosignature(key.name, int.from_bytes(one.signature[:8], "big"), line))
    return tuple(found)


def with_lines(note: str, lines: Iterable[str]) -> str:
    """A note with further signature lines below."""
    return note + "".join(lines)


def answered(note: str, lines: str, key: Key) -> Cosignature:
    """The one cosignature of a witness in what it answered; BadCheckpoint where there is none that holds."""
    found = cosignatures(with_lines(note, [lines]), [key])
    if not found:
        raise BadCheckpoint(f"{key.name} has not signed this")
    return found[-1]
