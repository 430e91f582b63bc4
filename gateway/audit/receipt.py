"""A receipt for one entry: C2SP tlog-proof, one text that proves, without the gateway, that an entry is in the log.

Its extra data is the bytes of the leaf; for the entry's holder three lines more: the bytes of the entry, its place within the
leaf as a decimal number, and the hashes, 32 bytes each, of an inclusion proof (RFC 6962) to the commitment of the leaf.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, Key, encode, hash_of, number, parse_and_verify
from gateway.audit.leaf import Way
from gateway.audit.merkle import leaf_hash, verify_inclusion

FIRST: Final = "c2sp.org/tlog-proof@v1"
EXTRA, INDEX = "extra ", "index "
MOST_LINES: Final = 63
HASH: Final = 32
FORM = "not a receipt: its first line, extra data, an index, the proof, an empty line and a checkpoint"


class Enclosed(NamedTuple):
    """What a receipt holds beside its proof: the bytes of the leaf and, for the holder of one of its entries, those of the
    entry and its way to the commitment of the leaf."""

    leaf: bytes
    entry: bytes = b""
    way: Way = Way(0, ())

    def data(self) -> bytes:
        """The extra data of a receipt."""
        if not self.entry:
            return self.leaf
        return b"\n".join((self.leaf, self.entry, b"%d" % self.way.place, b"".join(self.way.hashes)))

    def check(self) -> None:
        """BadCheckpoint where the entry does not lead to the leaf."""
        hashes = self.way.hashes
        committed = _commitment(self.leaf)
        if self.entry and not verify_inclusion(leaf_hash(self.entry), self.way.place, 1 << len(hashes), hashes, committed):
            raise BadCheckpoint("the entry does not lead to the commitment of the leaf")


def _commitment(leaf: bytes) -> bytes:
    try:
        return bytes.fromhex(orjson.loads(leaf)["commitment"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint("the bytes of the leaf are not those of a leaf") from error


@dataclass(frozen=True, slots=True)
class Receipt:
    """The place of an exchange, the way from its leaf to the signed root, the checkpoint, and what is enclosed."""

    index: int
    proof: tuple[bytes, ...]
    note: str
    enclosed: Enclosed

    def text(self) -> str:
        """The receipt as it is handed out (``.tlog-proof``)."""
        extra = f"{EXTRA}{encode(self.enclosed.data())}\n"
        return "".join(
            [f"{FIRST}\n", extra, f"{INDEX}{self.index}\n", *(f"{encode(one)}\n" for one in self.proof), "\n", self.note]
        )

    def check(self, keys: Iterable[Key]) -> Checkpoint:
        """The checkpoint that vouches for what is enclosed; BadCheckpoint where none does."""
        head = parse_and_verify(self.note, keys)
        self.enclosed.check()
        if not verify_inclusion(leaf_hash(self.enclosed.leaf), self.index, head.size, self.proof, head.root):
            raise BadCheckpoint("the proof does not lead from this entry to the signed root")
        return head


def parse_receipt(text: str) -> Receipt:
    """The receipt of a text; BadCheckpoint says what is wrong with its form."""
    head, empty, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != FIRST or not empty or len(lines) not in range(2, MOST_LINES + 3):
        raise BadCheckpoint(FORM)
    extra, index, *proof = lines
    if not (extra.startswith(EXTRA) and index.startswith(INDEX)):
        raise BadCheckpoint(FORM)
    hashes = tuple(hash_of(line, "a line of the proof") for line in proof)
    return Receipt(number(index.removeprefix(INDEX), "the index"), hashes, note, _enclosed(extra.removeprefix(EXTRA)))


def _enclosed(line: str) -> Enclosed:
    try:
        leaf, *within = base64.b64decode(line, validate=True).split(b"\n", 3)
    except binascii.Error as error:
        raise BadCheckpoint("the extra data is not base64") from error
    if not within:
        return Enclosed(leaf)
    if len(within) != 3 or len(within[2]) % HASH:
        raise BadCheckpoint("the extra data is not what a receipt encloses")
    entry, place, hashes = within
    way = Way(number(place.decode("ascii", "replace"), "the place"), tuple(_hashes(hashes)))
    return Enclosed(leaf, entry, way)


def _hashes(data: bytes) -> Iterable[bytes]:
    """Hashes that stand one after the other."""
    return (data[at : at + HASH] for at in range(0, len(data), HASH))
