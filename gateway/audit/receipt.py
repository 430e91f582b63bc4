"""A receipt for one entry: C2SP tlog-proof, one text that proves, without the gateway, that an entry is in the log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, Key, encode, hash_of, number, parse_and_verify
from gateway.audit.merkle import leaf_hash, verify_inclusion

FIRST: Final = "c2sp.org/tlog-proof@v1"
EXTRA, INDEX = "extra ", "index "
MOST_LINES: Final = 63


@dataclass(frozen=True, slots=True)
class Receipt:
    """The place of an entry, the way from its leaf to the signed root, the checkpoint, and the bytes of the leaf, if given."""

    index: int
    proof: tuple[bytes, ...]
    note: str
    extra: bytes = b""

    def text(self) -> str:
        """The receipt as it is handed out (``.tlog-proof``)."""
        extra = [f"{EXTRA}{encode(self.extra)}\n"] if self.extra else []
        return "".join(
            [f"{FIRST}\n", *extra, f"{INDEX}{self.index}\n", *(f"{encode(one)}\n" for one in self.proof), "\n", self.note]
        )

    def check(self, keys: Iterable[Key], leaf: bytes = b"") -> Checkpoint:
        """The checkpoint that vouches for the leaf hash, or for the leaf bytes in the receipt; BadCheckpoint where none does."""
        head = parse_and_verify(self.note, keys)
        if not verify_inclusion(leaf or leaf_hash(self.extra), self.index, head.size, self.proof, head.root):
            raise BadCheckpoint("the proof does not lead from this entry to the signed root")
        return head


def parse_receipt(text: str) -> Receipt:
    """The receipt of a text; BadCheckpoint says what is wrong with its form."""
    head, empty, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    extra = _extra(lines.pop(0)) if lines and lines[0].startswith(EXTRA) else b""
    if first != FIRST or not empty or not lines or not lines[0].startswith(INDEX) or len(lines) > MOST_LINES + 1:
        raise BadCheckpoint("not a receipt: its first line, an index, the proof, an empty line and a checkpoint")
    index, *proof = lines
    hashes = tuple(hash_of(line, "a line of the proof") for line in proof)
    return Receipt(number(index.removeprefix(INDEX), "the index"), hashes, note, extra)


def _extra(line: str) -> bytes:
    try:
        return base64.b64decode(line.removeprefix(EXTRA), validate=True)
    except binascii.Error as error:
        raise BadCheckpoint("the extra data is not base64") from error
