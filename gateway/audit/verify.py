"""Checks the access log against its tree and its signed checkpoints, and names the first entry that is not as written.

An entry is here what has one place in the tree: the rows that one exchange wrote. The log is read once, in order, in memory
that does not grow with it. Nothing here trusts the database: rows must give the leaf hashes, the leaf hashes must give the
roots that were signed, and the head must be what they end in. What stands before the first bad index is proved as far as
the checkpoints reach.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, Key, parse_and_verify
from gateway.audit.leaf import UNREADABLE, Row, leaf_hash_of
from gateway.audit.merkle import Frontier
from gateway.audit.restore import parse_restore

Line = tuple[int, tuple[Row, ...], bytes]  # index, the rows of the exchange if all are there, the leaf hash that is stored for it
Elsewhere = Callable[[bytes], int | None]

CHUNK: Final = 4096  # rows read at a time; a row's own leaf is looked for this far before and after


class Fault(StrEnum):
    """What is wrong with a log."""

    ALTERED = "altered"  # row or stored leaf hash changed
    MISSING = "missing"  # a leaf whose row is gone
    REORDERED = "reordered"  # a row that belongs at another index
    GAP = "gap"  # an index that is not there at all
    TRUNCATED = "truncated"  # shorter than a signed checkpoint, or than the head
    HEAD = "head"  # the stored head is not that of these entries
    CHECKPOINT = "checkpoint"  # one that nobody vouches for, or that was signed over other entries


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. ``ok`` without ``fault``; else the first bad index, counted from 0.

    Where only a root differs the bad entry cannot be told more closely: it is ``first_bad`` or after, and before
    ``before``. ``entries`` counts what was read and found in order.
    """

    ok: bool
    entries: int
    first_bad: int | None = None
    fault: Fault | None = None
    says: str = ""
    before: int | None = None


def verify(
    rows: Iterable[Line],
    head: Frontier,
    checkpoints: Iterable[str],
    keys: Iterable[Key],
    *,
    elsewhere: Elsewhere | None = None,
    restores: Sequence[str] = (),
) -> Verdict:
    """Check a log whose rows come by index and whose checkpoints come by size, smallest first.

    ``restores`` are the declared ones, by size: the log goes on under another origin after each, and under none else.

    ``elsewhere`` gives the index at which a leaf hash is stored, for a log whose store can look it up; without it, a row
    that was moved by more than ``CHUNK`` counts as altered. Its first bad index is the same.
    """
    walk = _Walk(iter(rows), elsewhere or (lambda _: None))
    for signed in _signed(checkpoints, tuple(keys), list(restores)):
        verdict = walk.doubt(signed) if isinstance(signed, str) else walk.pass_by(signed)
        if verdict is not None:
            return verdict
    return walk.to_end() or walk.close(head)


def _signed(checkpoints: Iterable[str], keys: tuple[Key, ...], notes: list[str]) -> Iterator[Checkpoint | str]:
    """The checkpoints of one log, read when their turn comes, and what restores declare; a text says what is wrong with one."""
    try:
        restores = [parse_restore(note, keys) for note in notes]
    except BadCheckpoint as error:
        yield str(error)
        return
    origin = restores[0].origin if restores else ""
    for text in checkpoints:
        try:
            checkpoint = parse_and_verify(text, keys)
        except BadCheckpoint as error:
            yield str(error)
            continue
        while restores and restores[0].size < checkpoint.size:
            restore = restores.pop(0)
            yield Checkpoint(restore.origin, restore.size, restore.root)
            origin = restore.after
        origin = origin or checkpoint.origin
        yield checkpoint if checkpoint.origin == origin else f"it is of another log, {checkpoint.origin}"


@dataclass(slots=True)
class _Walk:
    """How far the reading has come."""

    source: Iterator[Line]
    elsewhere: Elsewhere
    tree: Frontier = field(default_factory=Frontier)
    vouched: int = 0  # the size of the last checkpoint that held
    held: int = 0  # how many held
    behind: deque[Line] = field(default_factory=lambda: deque(maxlen=CHUNK))

    def pass_by(self, signed: Checkpoint) -> Verdict | None:
        """Read up to a checkpoint and compare the root."""
        if signed.size < self.tree.size:
            return self.doubt(f"a signed head of {signed.size} entries comes after one of {self.tree.size}")
        verdict = self.read(signed.size)
        if verdict is not None:
            return verdict
        if self.tree.root() != signed.root:
            return self.doubt(f"the signed head of {signed.size} entries was made over other entries", signed.size)
        self.vouched, self.held = signed.size, self.held + 1
        return None

    def read(self, size: int) -> Verdict | None:
        """Take in rows until the tree has this size."""
        while self.tree.size < size:
            wanted = min(CHUNK, size - self.tree.size)
            chunk = list(islice(self.source, wanted))
            verdict = self.take(chunk)
            if verdict is not None:
                return verdict
            if len(chunk) < wanted:
                return self.cut(f"a checkpoint of {size} entries was signed")
        return None

    def to_end(self) -> Verdict | None:
        """Take in what comes after the last checkpoint."""
        while chunk := list(islice(self.source, CHUNK)):
            verdict = self.take(chunk)
            if verdict is not None:
                return verdict
        return None

    def take(self, chunk: list[Line]) -> Verdict | None:
        """Grow the tree by rows that are in order; else the verdict on the first that is not."""
        place = _misfit(chunk, self.tree.size)
        if place is not None:
            return self.name(chunk, place)
        self.tree = self.tree.extend(stored for _, _, stored in chunk)
        self.behind.extend(chunk)
        return None

    def name(self, chunk: list[Line], place: int) -> Verdict:
        """The fault of the row at this place of the chunk."""
        (index, rows, _), expected = chunk[place], self.tree.size + place
        if index > expected:
            fault, says = Fault.GAP, f"There is no entry {expected}: the log goes on with entry {index}."
        elif index < expected:
            fault, says = Fault.REORDERED, f"Entry {index} stands a second time, where entry {expected} belongs."
        elif not rows:
            fault, says = Fault.MISSING, f"Entry {expected} is missing: its leaf is in the tree, a row of it is gone."
        elif (at := self.home(rows, chunk, expected)) is not None:
            fault, says = Fault.REORDERED, f"What stands as entry {expected} was written as entry {at}."
        else:
            fault, says = Fault.ALTERED, f"Entry {expected} is altered: it does not give the hash that was committed."
        return self.bad(expected, fault, says, place)

    def home(self, rows: tuple[Row, ...], chunk: list[Line], here: int) -> int | None:
        """The index at which the rows' own leaf hash is stored, near here or where the store finds it."""
        try:
            leaf = leaf_hash_of(rows)
        except UNREADABLE:
            return None
        for lines in (chunk, self.behind, islice(self.source, CHUNK)):
            for index, _, stored in lines:
                if stored == leaf and index != here:
                    return index
        at = self.elsewhere(leaf)
        return None if at == here else at

    def close(self, head: Frontier) -> Verdict:
        """All rows are read: compare the head."""
        entries = self.tree.size
        if head.size > entries:
            return self.cut(f"the head counts {head.size}")
        if head.size < entries:
            return self.bad(head.size, Fault.HEAD, f"The head counts {head.size} entries, but there are {entries}.")
        if head != self.tree:
            says = f"The head is not that of these {entries} entries; {self.proved()}."
            return self.bad(self.vouched, Fault.HEAD, says, before=entries)
        return Verdict(ok=True, entries=entries, says=f"All {entries} entries are as they were written; {self.proved()}.")

    def cut(self, why: str) -> Verdict:
        entries = self.tree.size
        return self.bad(entries, Fault.TRUNCATED, f"The log ends after {entries} entries, but {why}.")

    def doubt(self, why: str, before: int | None = None) -> Verdict:
        """A checkpoint that does not hold: all after the last good one is open."""
        says = f"A checkpoint does not hold ({why}); {self.proved()}."
        return self.bad(self.vouched, Fault.CHECKPOINT, says, before=before)

    def bad(self, index: int, fault: Fault, says: str, place: int = 0, before: int | None = None) -> Verdict:
        return Verdict(False, self.tree.size + place, index, fault, says, before)

    def proved(self) -> str:
        if not self.held:
            return "no signed checkpoint vouches for any entry"
        return f"signed checkpoints vouch for the first {self.vouched}"


def _misfit(chunk: list[Line], start: int) -> int | None:
    """The place of the first row that is not there, not in turn, or does not give its leaf hash."""
    place = 0
    try:
        for place, (index, rows, stored) in enumerate(chunk):
            if index != start + place or not rows or leaf_hash_of(rows) != stored:
                return place
    except UNREADABLE:
        return place
    return None
