"""Checks an export of the access log without the gateway: ``python verify.py EXPORT``. Needs Python 3.9 and cryptography.

The export holds a line for each exchange (entries.jsonl), the hash of each line (hashes.bin, 32 bytes each), the signed heads
with the signatures of other agencies (checkpoints.txt), restores from backup that were declared (restores.txt) and public
keys (keys.txt). Each line must give its hash, the hashes must give every root that was signed (RFC 6962), every signature
of a key in keys.txt must hold (C2SP signed-note, tlog-cosignature), and nothing may follow the last head. Whoever made the
export also wrote keys.txt: compare its keys with those that you were given otherwise, or give them with --key.

Prints one line and exits with 0 where all is well, with 1 where it is not, naming the first bad entry (from 0) and the kind
of fault, and with 2 where the export cannot be read. Entries before the named one are as they were signed.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import mmap
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CHUNK = 1 << 14  # lines read at a time
LONGEST = 4096  # bytes of a line
HASH = 32
DECLARED = b'"exchange":"declare_restore"'
RESTORE = "think-family-gateway/restore/v1"
KINDS = """edited    a line is not what was written
missing   an entry was taken out
added     a line was put in
reordered an entry stands in another's place
cut       the end of the log is gone
unsigned  entries that no signed head covers
proof     a hash in hashes.bin is not that of its entry
checkpoint a signed head is forged, damaged, out of order, or of other entries
cosignature another agency's signature does not hold
key       a key cannot be read, or is not the one that was expected
restore   a restore from backup was not declared, or not by this log"""


class Fault(Exception):
    """The first thing that is wrong: the index of the entry, the kind, and a sentence."""

    def __init__(self, index: int, kind: str, says: str):
        super().__init__(says)
        self.index, self.kind = index, kind


class Bad(ValueError):
    """Text that is not what it should be; says what."""


class Key(NamedTuple):
    """A public key: whose, what its signatures say (1 a head, 4 a head at a time), its four-byte id, its bytes."""

    name: str
    type: int
    id: bytes
    public: bytes


class Head(NamedTuple):
    """A signed head, or a restore (``after`` is the origin that follows): what was signed at a size."""

    origin: str
    size: int
    root: bytes
    cosigned: tuple  # type: ignore[type-arg]  # names
    after: str = ""
    entry: int = -1
    lost: int = 0


def decoded(text: str, what: str) -> bytes:
    """Base64 in its one form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad(f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Bad(f"{what} is not in canonical base64")
    return data


def number(text: str, what: str) -> int:
    """A decimal number in its one form."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and (text == "0" or text[0] != "0")):
        raise Bad(f"{what} is not a number")
    return int(text)


def read_key(text: str) -> Key:
    """A key as it is exchanged: name+id+base64."""
    name, _, rest = text.partition("+")
    given, _, encoded = rest.partition("+")
    raw = decoded(encoded, "a key")
    if len(raw) != 33 or raw[0] not in (1, 4) or not name:
        raise Bad("a key is not of a kind that is known here")
    identity = sha256(name.encode() + b"\n" + raw).digest()[:4]
    if identity.hex() != given:
        raise Bad(f"the key of {name} does not fit its id")
    return Key(name, raw[0], identity, raw[1:])


def signers(note: str, keys: list[Key]) -> tuple[list[str], list[str], list[str]]:
    """The lines of a note's text, and the logs and witnesses that signed it: each by a key of keys.txt, each holds. Else Bad."""
    body, empty, signatures = note.rpartition("\n\n")
    if not empty or not signatures.endswith("\n"):
        raise Bad("it is not a signed note")
    logs: list[str] = []
    witnesses: list[str] = []
    for line in signatures[:-1].split("\n"):
        dash, name, encoded = [*line.split(" "), "", ""][:3]
        raw = decoded(encoded, "a signature")
        if dash != "\u2014" or line.count(" ") != 2 or len(raw) < 5:
            raise Bad("a signature line cannot be read")
        key = next((one for one in keys if (one.name, one.id) == (name, raw[:4])), None)
        if key is None:
            raise BadSignature(name, 1 if body.startswith(f"{name}\n") else 4, "is by a key that is not in keys.txt")
        check(key, raw[4:], f"{body}\n")
        (logs if key.type == 1 else witnesses).append(name)
    return body.split("\n"), logs, witnesses


class BadSignature(Bad):
    """A signature that does not hold, by a log (type 1) or a witness (type 4)."""

    def __init__(self, name: str, kind: int, why: str = "does not hold"):
        super().__init__(f"the signature of {name} {why}")
        self.type = kind


def check(key: Key, signature: bytes, text: str) -> None:
    """Whether a signature holds; BadSignature where it does not."""
    if key.type == 4:
        at = int.from_bytes(signature[:8], "big")
        signature, text = signature[8:], f"cosignature/v1\ntime {at}\n{text}"
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise BadSignature(key.name, key.type) from None


def read_head(note: str, keys: list[Key]) -> Head:
    """A signed head of the log."""
    lines, logs, witnesses = signers(note, keys)
    if len(lines) < 3 or lines[0] not in logs:
        raise Bad("no known key of this log has signed it")
    root = decoded(lines[2], "the root")
    return Head(lines[0], number(lines[1], "the size"), root, tuple(witnesses))


def read_restore(note: str, keys: list[Key], entry: int) -> Head:
    """A declared restore, signed by the log under its old origin."""
    lines, logs, _ = signers(note, keys)
    if len(lines) != 6 or lines[0] != RESTORE or lines[1] not in logs:
        raise Bad("it is not declared by this log")
    size, lost = number(lines[2], "the size"), number(lines[5], "the lost size")
    return Head(lines[1], size, decoded(lines[3], "the root"), (), lines[4], entry, lost)


def blocks(path: Path, word: str) -> Iterator[tuple[int, str]]:
    """Notes, each below a line with a word and a number, and above an empty line."""
    with path.open(encoding="utf-8", newline="\n") as file:
        while title := file.readline(LONGEST):
            first, _, given = title.rstrip("\n").partition(" ")
            if first != word:
                raise Bad(f"{path.name} has a line that is no {word}")
            yield number(given, f"the number of a {word}"), paragraph(file) + "\n" + paragraph(file)


def paragraph(file: object) -> str:
    """Lines up to an empty one, which is left out."""
    lines = []
    while (line := file.readline(LONGEST)) not in ("\n", ""):  # type: ignore[attr-defined]
        lines.append(line)
        if len(lines) > 200:
            raise Bad("a note is too long")
    return "".join(lines)


class Tree:
    """A Merkle tree that grows: the roots of its full subtrees, largest first."""

    def __init__(self, size: int = 0, peaks: tuple[bytes, ...] = ()):
        self.size, self.peaks = size, list(peaks)

    def copy(self) -> Tree:
        return Tree(self.size, tuple(self.peaks))

    def grow(self, leaves: list[bytes]) -> None:
        """Add leaf hashes, those of whole blocks level by level."""
        at = 0
        while at < len(leaves):
            width = self.size & -self.size or 1 << 62
            while width > len(leaves) - at:
                width = min(width >> 1, 1 << (len(leaves) - at).bit_length() - 1)
            self.add(block(leaves[at : at + width]), width)
            at += width

    def add(self, node: bytes, width: int) -> None:
        """Add the root of a full subtree that fits the size."""
        below = self.size // width
        while below & 1:
            node = sha256(b"\x01" + self.peaks.pop() + node).digest()
            below >>= 1
        self.peaks.append(node)
        self.size += width

    def root(self) -> bytes:
        """The Merkle tree hash."""
        if not self.peaks:
            return sha256(b"").digest()
        node = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            node = sha256(b"\x01" + peak + node).digest()
        return node


def block(nodes: list[bytes]) -> bytes:
    """The root of a power of two of hashes."""
    while len(nodes) > 1:
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2])]  # noqa: B905 - 3.9
    return nodes[0]


class Lines:
    """The entries, read once, in order."""

    def __init__(self, file: BinaryIO):
        self.file = file

    def hashes(self, wanted: int) -> tuple[list[bytes], bytes]:
        """The leaf hashes of the next lines, fewer at the end, and the lines themselves."""
        lines = [line for line in [self.file.readline(LONGEST) for _ in range(wanted)] if line]
        return [sha256(b"\x00" + line[:-1]).digest() if line[-1] == 10 else b"" for line in lines], b"".join(lines)


class Stored:
    """hashes.bin: the leaf hashes as they were committed."""

    def __init__(self, path: Path, file: BinaryIO):
        self.path, self.file = path, file

    def at(self, first: int, wanted: int) -> list[bytes]:
        """Those of some entries, fewer at the end."""
        self.file.seek(first * HASH)
        data = self.file.read(wanted * HASH)
        return [data[at : at + HASH] for at in range(0, len(data) - HASH + 1, HASH)]

    def find(self, leaf: bytes) -> int:
        """The index at which a leaf hash stands, -1 where it does not."""
        if len(leaf) != HASH or not self.path.stat().st_size:
            return -1
        with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(leaf)
            while at >= 0 and at % HASH:
                at = data.find(leaf, at + 1)
        return at // HASH if at >= 0 else -1


class Walk:
    """How far the reading has come."""

    def __init__(self, lines: Lines, stored: Stored):
        self.lines, self.stored = lines, stored
        self.tree, self.vouched = Tree(), 0
        self.declared: list[int] = []

    def to(self, head: Head) -> None:
        """Read up to a size and compare the root."""
        while self.tree.size < head.size:
            wanted = min(CHUNK, head.size - self.tree.size)
            leaves, text = self.lines.hashes(wanted)
            kept = self.stored.at(self.tree.size, wanted)
            if leaves != kept or len(leaves) < wanted:
                raise self.judged(head, leaves, kept)
            self.note_restores(text)
            self.tree.grow(leaves)
        if self.tree.root() != head.root:
            says = f"the head of {head.size} entries was signed over other entries than these, from {self.vouched} on"
            raise Fault(self.vouched, "checkpoint", says)
        self.vouched = head.size

    def note_restores(self, text: bytes) -> None:
        """Remember the entries that declare a restore."""
        if DECLARED in text:
            found = [at for at, line in enumerate(text.split(b"\n")) if DECLARED in line]
            self.declared += [self.tree.size + at for at in found]

    def judged(self, head: Head, leaves: list[bytes], kept: list[bytes]) -> Fault:
        """Lines and hashes do not fit: the fault of the first place where they do not."""
        place = next((at for at, (one, other) in enumerate(zip(leaves, kept)) if one != other), min(len(leaves), len(kept)))  # noqa: B905
        index = self.tree.size + place
        if place >= len(leaves):
            return Fault(index, "cut", f"the lines end after {index} entries, but a head of {head.size} was signed")
        leaves = leaves + self.lines.hashes(3)[0]  # to see what follows
        if self.signed_lines(head, leaves):
            return Fault(
                index, "proof", f"the hash of entry {index} in hashes.bin is not that of the entry, which is as it was signed"
            )
        return self.named(index, leaves[place:], self.stored.at(index, 4))

    def signed_lines(self, head: Head, leaves: list[bytes]) -> bool:
        """Whether the lines are those that were signed, whatever the hashes are."""
        tree = self.tree.copy()
        while leaves and tree.size < head.size:
            if b"" in leaves:
                return False
            tree.grow(leaves[: head.size - tree.size])
            leaves, _ = self.lines.hashes(min(CHUNK, head.size - tree.size))
        return tree.size == head.size and tree.root() == head.root

    def named(self, index: int, leaves: list[bytes], kept: list[bytes]) -> Fault:
        """What was done to the line at an index."""
        if len(leaves) > 1 and kept and leaves[1] == kept[0] and leaves[2:4] == kept[1:3]:
            return Fault(index, "added", f"a line was put in before entry {index}")
        if len(kept) > 1 and leaves[0] == kept[1] and leaves[1:3] == kept[2:4]:
            return Fault(index, "missing", f"entry {index} is not there; the next follows in its place")
        at = self.stored.find(leaves[0])
        if at >= 0:
            return Fault(index, "reordered", f"in the place of entry {index} stands entry {at}")
        return Fault(index, "edited", f"entry {index} is not what was written")

    def end(self) -> None:
        """Nothing may follow the last head."""
        leaves, _ = self.lines.hashes(1)
        if leaves:
            raise Fault(self.tree.size, "unsigned", f"no signed head covers what follows the first {self.tree.size} entries")
        if self.stored.path.stat().st_size != self.tree.size * HASH:
            raise Fault(self.tree.size, "proof", f"hashes.bin goes on after the {self.tree.size} entries")


class Found(NamedTuple):
    """What a check that found no fault has seen."""

    entries: int
    heads: int
    cosigned: dict  # type: ignore[type-arg]  # name of a witness: the largest size that it signed
    restores: list  # type: ignore[type-arg]
    held: str = ""


def signed_heads(folder: Path, keys: list[Key], walk: Walk) -> Iterator[Head]:
    """The heads in their order, each when its turn comes."""
    expected = 0
    try:
        for place, note in blocks(folder / "checkpoints.txt", "checkpoint"):
            if place != expected:
                raise Fault(walk.vouched, "checkpoint", f"head {expected} is not in checkpoints.txt: head {place} follows")
            expected += 1
            yield read_head(note, keys)
    except BadSignature as fault:
        kind = "checkpoint" if fault.type == 1 else "cosignature"
        raise Fault(walk.vouched, kind, f"head {expected - 1}: {fault}") from None
    except (Bad, UnicodeDecodeError) as fault:
        raise Fault(walk.vouched, "checkpoint", f"head {max(0, expected - 1)} cannot be used: {fault}") from None


def restores_in(folder: Path, keys: list[Key]) -> list[Head]:
    """The restores that were declared, in their order."""
    try:
        return [read_restore(note, keys, entry) for entry, note in blocks(folder / "restores.txt", "restore")]
    except (Bad, UnicodeDecodeError) as fault:
        raise Fault(0, "restore", f"a restore in restores.txt cannot be used: {fault}") from None


def key_of_line(line: str) -> Key:
    """A line of keys.txt: whether it is the log's or a witness's, and the key."""
    word, _, text = line.partition(" ")
    key = read_key(text)
    if word != {1: "log", 4: "witness"}[key.type]:
        raise Bad(f"keys.txt calls the key of {key.name} {word}")
    return key


def keys_in(folder: Path, expected: list[str]) -> list[Key]:
    """The keys of the export, or those that are expected."""
    try:
        text = (folder / "keys.txt").read_text(encoding="utf-8")
        found = [key_of_line(line) for line in text.splitlines()]
        wanted = [read_key(line) for line in expected]
    except (Bad, UnicodeDecodeError) as fault:
        raise Fault(0, "key", f"{fault}") from None
    strange = [key.name for key in found if wanted and key.public not in {one.public for one in wanted}]
    if strange or not any(key.type == 1 for key in found):
        raise Fault(0, "key", f"the key of {strange[0] if strange else 'the log'} is not the one that you expect")
    return found


def verify(folder: Path, expected: list[str] | None = None, held: str = "") -> Found:
    """Check an export; ``held`` is a signed head that you got otherwise. Raises Fault, and OSError where a file is missing."""
    keys = keys_in(folder, expected or [])
    restores = restores_in(folder, keys)
    known = read_held(held, keys) if held else None
    with (folder / "entries.jsonl").open("rb") as file, (folder / "hashes.bin").open("rb") as hashes:
        walk = Walk(Lines(file), Stored(folder / "hashes.bin", hashes))
        heads, cosigned = through(walk, signed_heads(folder, keys, walk), list(restores), known)
        walk.end()
    if not heads:
        raise Fault(0, "unsigned", "there is no signed head, so nothing is proved")
    if sorted(walk.declared) != sorted(one.entry for one in restores):
        first = min(set(walk.declared) ^ {one.entry for one in restores}, default=0)
        raise Fault(first, "restore", "the entries that declare a restore are not those of restores.txt")
    return Found(walk.tree.size, heads, cosigned, restores, held_says(known, walk.tree.size, restores))


def read_held(note: str, keys: list[Key]) -> Head:
    """The head that was got otherwise."""
    try:
        return read_head(note, keys)
    except Bad as fault:
        raise Fault(0, "checkpoint", f"the head that you hold cannot be used: {fault}") from None


def through(walk: Walk, heads: Iterator[Head], restores: list[Head], known: Head | None) -> tuple[int, dict[str, int]]:
    """All heads one after the other, with the restores and the head that is held in between."""
    origin, count, cosigned = "", 0, {}
    for head in heads:
        while restores and restores[0].size < head.size:
            origin = follow(walk, restores.pop(0), origin)
        if known and walk.vouched < known.size < head.size and known.origin == head.origin:
            walk.to(known)
        if origin and head.origin != origin:
            raise Fault(walk.vouched, "restore", f"the log goes on as {head.origin}, and no restore says so")
        if head.size <= walk.vouched and count:
            raise Fault(walk.vouched, "checkpoint", f"a head of {head.size} entries comes after one of {walk.vouched}")
        walk.to(head)
        if known and (known.origin, known.size) == (head.origin, head.size) and known.root != head.root:
            raise Fault(0, "checkpoint", f"the head that you hold says otherwise of the first {head.size} entries")
        origin, count = head.origin, count + 1
        cosigned.update(dict.fromkeys(head.cosigned, head.size))
    if restores:
        raise Fault(walk.vouched, "restore", "a restore was declared, and no head was signed after it")
    return count, cosigned


def follow(walk: Walk, restore: Head, origin: str) -> str:
    """Past a declared restore: the origin that follows. Heads at sizes before it were signed under the old one."""
    if (origin and restore.origin != origin) or restore.entry < restore.size:
        raise Fault(walk.vouched, "restore", "a restore in restores.txt does not belong here")
    if restore.size > walk.vouched:
        walk.to(restore)
    return restore.after


def held_says(known: Head | None, entries: int, restores: list[Head]) -> str:
    """What becomes of the head that is held. Fault where it covers entries that are not here, and no restore explains it."""
    if known is None:
        return ""
    for one in restores:
        if known.origin == one.origin and known.size > one.size:
            return f"the head that you hold covers entries lost by the restore that entry {one.entry} declares"
    if known.size > entries:
        raise Fault(entries, "cut", f"the export ends after {entries} entries, and you hold a signed head of {known.size}")
    return "the head that you hold is among them"


def says(found: Found) -> str:
    """In a sentence or two."""
    text = f"OK: all {found.entries} entries are as they were signed, by {found.heads} heads."
    for name, size in sorted(found.cosigned.items()):
        text += f" {name} vouches for the first {size}."
    if not found.cosigned:
        text += " No other agency vouches for them."
    for one in found.restores:
        gone = f", {one.lost - one.size} entries were lost" if one.lost > one.size else ""
        text += f" Restored from backup at {one.size} entries, as entry {one.entry} declares{gone}."
    return f"{text} {found.held.capitalize()}." if found.held else text


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Check an export of the access log.", epilog=f"Kinds of fault: {KINDS}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("export", type=Path, help="folder of the export")
    parser.add_argument("--key", action="append", default=[], help="a key that you were given otherwise (name+id+base64); repeat")
    parser.add_argument("--checkpoint", type=Path, help="file with a signed head that you got otherwise")
    given = parser.parse_args(arguments)
    try:
        held = given.checkpoint.read_text(encoding="utf-8") if given.checkpoint else ""
        sys.stdout.write(says(verify(given.export, given.key, held)) + "\n")
    except Fault as fault:
        sys.stdout.write(f"FAULT at entry {fault.index} ({fault.kind}): {fault}.\n")
        return 1
    except OSError as fault:
        sys.stderr.write(f"{given.export}: {fault.strerror}: {fault.filename}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
