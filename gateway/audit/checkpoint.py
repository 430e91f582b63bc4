"""Signed heads of the access log: C2SP tlog-checkpoint in a C2SP signed note, by Ed25519 (RFC 8032).

A checkpoint is three lines (origin, size, root), an empty line, and a line per signature. The log signs under its origin.
Signatures of keys that the reader does not know are passed over. Other agencies sign with the time (C2SP
tlog-cosignature, ``cosignature/v1``): ``gateway.audit.cosignature``.
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
COSIGNATURE: Final = b"\x04"  # that of the tlog-cosignature page: eight bytes of time, then Ed25519
TYPES: Final = (ED25519, COSIGNATURE)
MARK: Final = "\u2014 "
MOST_SIGNATURES: Final = 100
LARGEST: Final = 1 << 63


class BadCheckpoint(ValueError):
    """Not a checkpoint, or not one that a known key vouches for. Says what is wrong; nothing of it may be used."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known to the reader: the name it signs under, its 32 bytes (RFC 8032) and what its signatures say."""

    name: str
    public: bytes
    type: bytes = ED25519

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name LF type public key)."""
        return sha256(self.name.encode() + b"\n" + self.type + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The one line in which keys are exchanged: name, id and key with ``+`` between."""
        return f"{self.name}+{self.id.hex()}+{encode(self.type + self.public)}"

    @staticmethod
    def parse(text: str) -> Key:
        """The key of such a line; ValueError where id and key do not belong together or it is not Ed25519."""
        name, _, rest = text.partition("+")
        given, _, encoded = rest.partition("+")
        raw = _decode(encoded, "the key")
        key = Key(name, raw[1:], raw[:1])
        if not _name(name) or raw[:1] not in TYPES or len(raw) != 33 or key.id.hex() != given:
            raise ValueError("not a verifier key: name+id+base64, of type Ed25519 or cosignature/v1")
        return key

    @staticmethod
    def of(name: str, private_key: Ed25519PrivateKey, type_: bytes = ED25519) -> Key:
        """The public half of a signing key."""
        return Key(name, private_key.public_key().public_bytes_raw(), type_)


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
    return f"{origin}\n{size}\n{encode(root)}\n"


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """A note: the text, an empty line and one signature line. ValueError for a name with spaces or plus."""
    if not _name(name):
        raise ValueError("a key name has neither spaces nor plus signs")
    signature = private_key.sign(text.encode())
    return f"{text}\n{signature_line(Key.of(name, private_key), signature)}"


def signature_line(key: Key, signature: bytes) -> str:
    """The line of a signature below a note, with its line end."""
    return f"{MARK}{key.name} {encode(key.id + signature)}\n"


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
    return Checkpoint(lines[0], number(lines[1], "the size"), hash_of(lines[2], "the root"), signers)


def open_note(text: str, keys: Iterable[Key]) -> tuple[str, tuple[str, ...]]:
    """The text of a signed note and the known keys that vouch for it; BadCheckpoint unless there is one."""
    body, given = parts(text)
    known = {(key.name, key.id): key for key in keys}
    signers = [key.name for one in given if (key := known.get((one.name, one.key_id))) and _check(key, one.signature, body)]
    if not signers:
        raise BadCheckpoint("no known key has signed this")
    return body, tuple(signers)


class Signature(NamedTuple):
    """A signature line, nothing of it checked: who is said to have signed, the id of their key, the signature."""

    name: str
    key_id: bytes
    signature: bytes


def parts(text: str) -> tuple[str, list[Signature]]:
    """Text and signatures of a note, divided at the last empty line. BadCheckpoint for what is no note."""
    at = text.rfind("\n\n")
    if at < 0 or not _printable(text) or not text.endswith("\n"):
        raise BadCheckpoint("not a signed note: text, an empty line, signature lines")
    lines = text[at + 2 : -1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadCheckpoint(f"more than {MOST_SIGNATURES} signatures")
    return text[: at + 1], [_signature(line) for line in lines]


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(MARK).partition(" ")
    raw = _decode(encoded, "a signature")
    if not line.startswith(MARK) or not _name(name) or len(raw) < 5:
        raise BadCheckpoint("a signature line is a dash, a name and base64")
    return Signature(name, raw[:4], raw[4:])


def _check(key: Key, signature: bytes, body: str) -> bool:
    try:
        stated, message = (b"", body) if key.type == ED25519 else (signature[:8], cosigned_text(body, signature[:8]))
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature[len(stated) :], message.encode())
    except (InvalidSignature, ValueError) as error:
        raise BadCheckpoint(f"the signature of {key.name} does not hold") from error
    return True


def cosigned_text(body: str, time: bytes) -> str:
    """What a cosignature signs: the whole text of the checkpoint below the time. ValueError for a time that is none."""
    at = int.from_bytes(time, "big")
    if len(time) != 8 or at >= LARGEST:
        raise ValueError("a cosignature begins with its time in eight bytes")
    return f"cosignature/v1\ntime {at}\n{body}"


def number(line: str, what: str) -> int:
    """A decimal number in its one form; BadCheckpoint for any other text."""
    if not (line.isascii() and line.isdigit() and len(line) < 20) or (line[0] == "0" and line != "0"):
        raise BadCheckpoint(f"{what} is a decimal number without leading zeroes")
    return int(line)


def hash_of(line: str, what: str) -> bytes:
    """A hash in base64; BadCheckpoint for any other text."""
    root = _decode(line, what)
    if len(root) != HASH_SIZE:
        raise BadCheckpoint(f"{what} is 32 bytes")
    return root


def _name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def _printable(text: str) -> bool:
    """UTF-8 can hold it, and it has no control character but the line end."""
    return all(letter >= " " or letter == "\n" for letter in text) and not any("\ud800" <= letter <= "\udfff" for letter in text)


def encode(data: bytes) -> str:
    """Base64 as notes have it."""
    return base64.b64encode(data).decode()


def _decode(text: str, what: str) -> bytes:
    """Base64 (RFC 4648 section 4) in its only canonical form: two texts never mean the same bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCheckpoint(f"{what} is not base64") from error
    if encode(data) != text:
        raise BadCheckpoint(f"{what} is not in canonical base64")
    return data
