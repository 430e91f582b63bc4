"""Signed heads of the access log: C2SP tlog-checkpoint in a C2SP signed note, by Ed25519 (RFC 8032).

A checkpoint is three lines (origin, size, root), an empty line, and a line per signature. The log signs under its origin.
Signatures of keys that the reader does not know, such as other agencies' cosignatures, are passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.merkle import HASH_SIZE

ED25519: Final = b"\x01"  # the signature type of the signed-note page
MARK: Final = "\u2014 "
MOST_SIGNATURES: Final = 100
LARGEST: Final = 1 << 63


class BadCheckpoint(ValueError):
    """Not a checkpoint, or not one that a known key vouches for. Says what is wrong; nothing of it may be used."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known to the reader: the name it signs under and its 32 bytes (RFC 8032)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name LF 0x01 public key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The one line in which keys are exchanged: name, id and key with ``+`` between."""
        return f"{self.name}+{self.id.hex()}+{_encode(ED25519 + self.public)}"

    @staticmethod
    def parse(text: str) -> Key:
        """The key of such a line; ValueError where id and key do not belong together or it is not Ed25519."""
        name, _, rest = text.partition("+")
        given, _, encoded = rest.partition("+")
        raw = _decode(encoded, "the key")
        key = Key(name, raw[1:])
        if not _name(name) or raw[:1] != ED25519 or len(raw) != 33 or key.id.hex() != given:
            raise ValueError("not a verifier key: name+id+base64, of type Ed25519")
        return key

    @staticmethod
    def of(name: str, private_key: Ed25519PrivateKey) -> Key:
        """The public half of a signing key."""
        return Key(name, private_key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the log that at least one known key has signed."""

    origin: str
    size: int
    root: bytes
    signers: tuple[str, ...] = ()  # names of the known keys whose signatures held


def note_text(origin: str, size: int, root: bytes) -> str:
    """The three lines that are signed. ValueError for an origin of several lines or a root that is none."""
    if not origin or not _printable(origin) or "\n" in origin or len(root) != HASH_SIZE or not 0 <= size < LARGEST:
        raise ValueError("a checkpoint needs an origin of one line, a size and a root of 32 bytes")
    return f"{origin}\n{size}\n{_encode(root)}\n"


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """A note: the text, an empty line and one signature line. ValueError for a name with spaces or plus."""
    if not _name(name):
        raise ValueError("a key name has neither spaces nor plus signs")
    signature = private_key.sign(text.encode())
    return f"{text}\n{MARK}{name} {_encode(Key.of(name, private_key).id + signature)}\n"


def sign(origin: str, size: int, root: bytes, private_key: Ed25519PrivateKey) -> str:
    """A checkpoint signed under its origin.

    Whoever calls this has made sure that the tree contains every tree signed before: a log never signs two histories.
    """
    return sign_note(note_text(origin, size, root), origin, private_key)


def parse_and_verify(text: str, keys: Iterable[Key]) -> Checkpoint:
    """The checkpoint of a note, if a known key has signed it and no known key's signature fails; else BadCheckpoint."""
    body, signers = open_note(text, keys)
    lines = body.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise BadCheckpoint("a checkpoint has an origin, a size and a root, each on its line")
    return Checkpoint(lines[0], _size(lines[1]), _root(lines[2]), signers)


def open_note(text: str, keys: Iterable[Key]) -> tuple[str, tuple[str, ...]]:
    """The text of a signed note and the known keys that vouch for it; BadCheckpoint unless there is one."""
    body, given = _parts(text)
    known = {(key.name, key.id): key for key in keys}
    signers = [key.name for one in given if (key := known.get((one.name, one.key_id))) and _check(key, one.signature, body)]
    if not signers:
        raise BadCheckpoint("no known key has signed this")
    return body, tuple(signers)


class _Signature(NamedTuple):
    name: str
    key_id: bytes
    signature: bytes


def _parts(text: str) -> tuple[str, list[_Signature]]:
    """Text and signatures, divided at the last empty line."""
    at = text.rfind("\n\n")
    if at < 0 or not _printable(text) or not text.endswith("\n"):
        raise BadCheckpoint("not a signed note: text, an empty line, signature lines")
    lines = text[at + 2 : -1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadCheckpoint(f"more than {MOST_SIGNATURES} signatures")
    return text[: at + 1], [_signature(line) for line in lines]


def _signature(line: str) -> _Signature:
    name, _, encoded = line.removeprefix(MARK).partition(" ")
    raw = _decode(encoded, "a signature")
    if not line.startswith(MARK) or not _name(name) or len(raw) < 5:
        raise BadCheckpoint("a signature line is a dash, a name and base64")
    return _Signature(name, raw[:4], raw[4:])


def _check(key: Key, signature: bytes, body: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, body.encode())
    except (InvalidSignature, ValueError) as error:
        raise BadCheckpoint(f"the signature of {key.name} does not hold") from error
    return True


def _size(line: str) -> int:
    if not (line.isascii() and line.isdigit() and len(line) < 20) or (line[0] == "0" and line != "0"):
        raise BadCheckpoint("the size is a decimal number without leading zeroes")
    return int(line)


def _root(line: str) -> bytes:
    root = _decode(line, "the root")
    if len(root) != HASH_SIZE:
        raise BadCheckpoint("the root is 32 bytes")
    return root


def _name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def _printable(text: str) -> bool:
    """UTF-8 can hold it, and it has no control character but the line end."""
    return all(letter >= " " or letter == "\n" for letter in text) and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str, what: str) -> bytes:
    """Base64 (RFC 4648 section 4) in its only canonical form: two texts never mean the same bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCheckpoint(f"{what} is not base64") from error
    if _encode(data) != text:
        raise BadCheckpoint(f"{what} is not in canonical base64")
    return data
