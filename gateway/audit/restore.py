"""A restore from backup, declared: a signed note that says where the log was taken back to, and under which origin it goes on.

A log signs one history only. Entries that were lost with a database cannot be proved any more, so after a restore the
log goes on under a new origin: witnesses keep what they saw of the old one, and whoever verifies is told of this fork
and of no other. The statement is signed under the old origin; an entry of the log (``declare_restore``) stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import BadCheckpoint, Key, encode, hash_of, number, open_note, sign_note

FIRST: Final = "think-family-gateway/restore/v1"
EXCHANGE: Final = "declare_restore"  # the entry's exchange


@dataclass(frozen=True, slots=True)
class Restore:
    """``size`` entries with this root were kept; ``lost`` is the size of the largest tree known to be signed before, or 0."""

    origin: str
    size: int
    root: bytes
    after: str  # the origin that it goes on under
    lost: int = 0

    def note(self, private_key: Ed25519PrivateKey) -> str:
        """The statement, signed under the old origin."""
        lines = (FIRST, self.origin, str(self.size), encode(self.root), self.after, str(self.lost))
        return sign_note("".join(f"{line}\n" for line in lines), self.origin, private_key)


def next_origin(origin: str) -> str:
    """The origin after a restore: the same log, next life."""
    name, _, life = origin.rpartition("/")
    return f"{name}/{int(life) + 1}" if life.isdigit() and len(life) < 6 else f"{origin}/2"


def parse_restore(text: str, keys: Iterable[Key]) -> Restore:
    """The statement of a note that a known key signed under the old origin; else BadCheckpoint."""
    body, signers = open_note(text, keys)
    lines = body.split("\n")[:-1]
    if len(lines) != 6 or lines[0] != FIRST or lines[1] not in signers:
        raise BadCheckpoint("not a restore declared by its own log")
    return Restore(
        lines[1], number(lines[2], "the size"), hash_of(lines[3], "the root"), lines[4], number(lines[5], "the lost size")
    )
