"""What the tree commits to for the entries of one exchange: one leaf, whoever was found.

Each row of the log has bytes of its own: the RFC 8785 form of five facts that name nobody: time, exchange, asking
organisation, outcome and a commitment. The commitment is HMAC-SHA-256 under the row's own random salt over the sealed body
and every column, each with its length, so a row cannot be changed in any place, and without the salt nothing can be guessed.

The rows of one exchange stand in a small tree of eight places (64 where they are more, then 512) among random hashes, and
the leaf commits to its root: neither the growth of the log nor a proof in it tells how many organisations hold a person.

Leaf *hashes* may be handed to anyone, the bytes of a leaf to the asker's auditor and to every holder's: they say what the
request alone says. The bytes of an entry show its outcome and belong to its holder's auditor alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

import orjson

from gateway.audit.merkle import node_hash

FORM: Final = b"access log row 1\n"  # of the committed bytes; another layout gets another number
UNREADABLE: Final = (TypeError, ValueError, AttributeError, OverflowError, StructError)
SALT_SIZE: Final = 32
_PADDING: Final = bytes(64 - SALT_SIZE)  # to the block of SHA-256
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))
_HEADER: Final = Struct(">qqq9I")  # recorded, outcome, asked, then the length of each of the nine fields


class Row(NamedTuple):
    """One row of the access log exactly as the database holds it. Tokens are keyed; b"" where there is nobody."""

    id: str
    recorded: int
    exchange: str
    outcome: int
    requester: str
    custodian: str
    patient_token: bytes
    user_token: bytes
    purpose: str
    asked: int
    key_id: str
    salt: bytes
    body: bytes  # the entry's canonical bytes, sealed; why a request was refused is in here and in no column


def commitment(row: Row) -> bytes:
    """HMAC-SHA-256 under the row's salt over all else that the row holds. ValueError for a salt of another size."""
    fields = (
        row.id.encode(),
        row.exchange.encode(),
        row.requester.encode(),
        row.custodian.encode(),
        row.patient_token,
        row.user_token,
        row.purpose.encode(),
        row.key_id.encode(),
        row.body,
    )
    header = _HEADER.pack(row.recorded, row.outcome, row.asked, *map(len, fields))
    return _hmac(row.salt, b"".join((FORM, header, *fields)))


def _hmac(salt: bytes, message: bytes) -> bytes:
    """RFC 2104 for keys of 32 bytes, written out: setting up the library's costs more than the two hashes."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt is {SALT_SIZE} bytes")
    block = salt + _PADDING
    inner = sha256(block.translate(_INNER) + message).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def entry_bytes(row: Row) -> bytes:
    """What stands for a row inside the leaf: five facts in RFC 8785 form, the commitment in hexadecimal. A row that was
    never written by the gateway may raise one of ``UNREADABLE``."""
    return orjson.dumps(
        {
            "commitment": commitment(row).hex(),
            "exchange": row.exchange,
            "outcome": row.outcome,
            "recorded": row.recorded,
            "requester": row.requester,
        },
        option=orjson.OPT_STRICT_INTEGER,
    )


def entry_hash(row: Row) -> bytes:
    """The hash of a row inside the leaf of its exchange. Raises as ``entry_bytes``."""
    return sha256(b"\x00" + entry_bytes(row)).digest()


def leaf_of(rows: Sequence[Row]) -> bytes:
    """The bytes of the leaf of one exchange, whose first row stands for the request: when, which exchange, which
    organisation asked, and the root of the exchange's rows. Raises as ``entry_bytes``."""
    first = rows[0]
    return orjson.dumps(
        {
            "commitment": _Within(rows).root().hex(),
            "exchange": first.exchange,
            "recorded": first.recorded,
            "requester": first.requester,
        },
        option=orjson.OPT_STRICT_INTEGER,
    )


def leaf_hash_of(rows: Sequence[Row]) -> bytes:
    """The leaf hash of one exchange. Raises as ``entry_bytes``."""
    return sha256(b"\x00" + leaf_of(rows)).digest()


class Way(NamedTuple):
    """How an entry leads to the commitment of its leaf: an inclusion proof (RFC 6962) in a tree of 2^len(hashes) places."""

    place: int
    hashes: tuple[bytes, ...]


def way_within(rows: Sequence[Row], number: int) -> Way:
    """The way of one of the rows; it tells nothing of how many there are, up to eight. Raises as ``entry_bytes``."""
    return _Within(rows).way(number)


class _Within:
    """The rows of an exchange in their small tree.

    They stand one after the other from a random place, the first after the last; where none stands, a hash that nobody can
    tell from one of a row: all of it from the first row's salt, so that it can be made again.
    """

    def __init__(self, rows: Sequence[Row]):
        self.salt = rows[0].salt
        self.levels = 3
        while 1 << self.levels < len(rows):
            self.levels += 3
        self.hashes = [entry_hash(row) for row in rows]

    def place(self, number: int) -> int:
        """Where a row stands."""
        first = int.from_bytes(sha256(b"\x02" + self.salt).digest()[:4], "big")
        return (first + number) % (1 << self.levels)

    def root(self) -> bytes:
        """The root of the tree."""
        return self._root_of_one() if len(self.hashes) == 1 else self._root_of_all()

    def _root_of_one(self) -> bytes:
        """The same where nobody else stands in the tree, as in nearly all: the one way up."""
        at, node = self.place(0), self.hashes[0]
        for height in range(self.levels):
            beside = self._nobody(height, at ^ 1)
            node = node_hash(beside, node) if at & 1 else node_hash(node, beside)
            at >>= 1
        return node

    def _root_of_all(self) -> bytes:
        level = {self.place(number): one for number, one in enumerate(self.hashes)}
        for height in range(self.levels):
            level = self._above(level, height)
        return level[0]

    def way(self, number: int) -> Way:
        """The hashes beside a row, from its place to the root."""
        place = at = self.place(number)
        level, hashes = {self.place(one): row for one, row in enumerate(self.hashes)}, []
        for height in range(self.levels):
            hashes.append(self._at(level, height, at ^ 1))
            level, at = self._above(level, height), at >> 1
        return Way(place, tuple(hashes))

    def _above(self, level: dict[int, bytes], height: int) -> dict[int, bytes]:
        parents = dict.fromkeys(place >> 1 for place in level)
        return {one: node_hash(self._at(level, height, 2 * one), self._at(level, height, 2 * one + 1)) for one in parents}

    def _at(self, level: dict[int, bytes], height: int, place: int) -> bytes:
        """The hash that stands there, or one that says nothing."""
        found = level.get(place)
        return self._nobody(height, place) if found is None else found

    def _nobody(self, height: int, place: int) -> bytes:
        return sha256(b"\x02%b%d/%d" % (self.salt, height, place)).digest()
