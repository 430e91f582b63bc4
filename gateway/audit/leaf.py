"""What the tree commits to for one row of the access log.

The leaf's bytes are the RFC 8785 form of five facts that name nobody: time, exchange, asking organisation, outcome and
a commitment. The commitment is HMAC-SHA-256 under the row's own random salt over the sealed body and every column, each
with its length, so a row cannot be changed in any place, and without the salt nothing can be guessed from a leaf.

Leaf *hashes* may be handed to anyone. The bytes of a leaf show the outcome and belong to the holder's auditor alone.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

import orjson

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


def leaf_bytes(recorded: int, exchange: str, requester: str, outcome: int, committed: bytes) -> bytes:
    """The bytes of a leaf: five facts in RFC 8785 form, the commitment in hexadecimal."""
    return orjson.dumps(
        {
            "commitment": committed.hex(),
            "exchange": exchange,
            "outcome": outcome,
            "recorded": recorded,
            "requester": requester,
        },
        option=orjson.OPT_STRICT_INTEGER,
    )


def _hmac(salt: bytes, message: bytes) -> bytes:
    """RFC 2104 for keys of 32 bytes, written out: setting up the library's costs more than the two hashes."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt is {SALT_SIZE} bytes")
    block = salt + _PADDING
    inner = sha256(block.translate(_INNER) + message).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def leaf_of(row: Row) -> bytes:
    """The bytes of a row's leaf. A row that was never written by the gateway may raise one of ``UNREADABLE``."""
    return leaf_bytes(row.recorded, row.exchange, row.requester, row.outcome, commitment(row))


def row_leaf(row: Row) -> bytes:
    """The leaf hash of a row. Raises as ``leaf_of``."""
    return sha256(b"\x00" + leaf_of(row)).digest()
